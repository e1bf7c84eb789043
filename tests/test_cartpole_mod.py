"""CartPoleMod is CartPole with the stated friction and noise."""

import math

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from hpcqrl.envs import cartpole_mod
from hpcqrl.envs.cartpole_mod import CartPoleMod
from hpcqrl.envs.make import make


@pytest.mark.parametrize("version", range(4))
def test_registered_and_passes_gymnasiums_checks(version):
    env = gymnasium.make(f"hpcqrl/CartPoleMod-v{version}", render_mode="rgb_array")
    check_env(env.unwrapped)
    assert env.spec.max_episode_steps == 500
    env.reset(seed=0)
    assert env.render().std() > 0
    assert make(f"hpcqrl/CartPoleMod-v{version}").action_space.n == 2


def test_without_friction_and_noise_it_is_cartpole(monkeypatch):
    monkeypatch.setattr(cartpole_mod, "CART_FRICTION", 0.0)
    monkeypatch.setattr(cartpole_mod, "POLE_FRICTION", 0.0)
    ours, theirs = CartPoleMod(angle_limit=12.0), gymnasium.make("CartPole-v1").unwrapped
    for seed in range(5):
        assert np.array_equal(ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0])
        done = False
        random = np.random.default_rng(seed)
        while not done:
            action = int(random.integers(2))
            observation, _, done, _, _ = ours.step(action)
            expected, _, expected_done, _, _ = theirs.step(action)
            assert np.allclose(observation, expected, atol=1e-6) and done == expected_done


@pytest.mark.parametrize("degrees", [12.0, 15.0, 20.0])
def test_cartpole_at_another_angle_is_cartpole_but_for_its_end(degrees):
    """With 12 degrees it is CartPole-v1, bit for bit; with others its own episodes end where the pole passes them."""
    ours = make("hpcqrl/CartPole15-v1", options=() if degrees == 15.0 else (f"angle_limit={degrees}",))
    theirs = gymnasium.make("CartPole-v1")
    theirs.unwrapped.theta_threshold_radians = math.radians(degrees)
    assert ours.spec.max_episode_steps == 500
    for seed in range(20):
        assert np.array_equal(ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0])
        random, over = np.random.default_rng(seed), False
        while not over:
            action = int(random.integers(2))
            observation, reward, done, truncated, _ = ours.step(action)
            expected, *rest = theirs.step(action)
            assert np.array_equal(observation, expected) and [reward, done, truncated] == rest[:3]
            assert done == (abs(observation[2]) > math.radians(degrees) or abs(observation[0]) > 2.4)
            over = done or truncated


def test_friction_slows_cart_and_pole():
    """One step from a moving state, by the equations of Barto, Sutton and Anderson (1983), written out."""
    env = CartPoleMod()
    env.reset(seed=0)
    x, v, angle, spin = 0.1, 0.5, 0.05, -0.4
    env.state = np.array([x, v, angle, spin])
    env.step(1)
    m, total, half, g, push = 0.1, 1.1, 0.5, 9.8, 10.0
    spin_rate = (
        g * math.sin(angle)
        + math.cos(angle) * ((-push - m * half * spin**2 * math.sin(angle) + 5e-4 * math.copysign(1, v)) / total)
        - 2e-6 * spin / (m * half)
    ) / (half * (4 / 3 - m * math.cos(angle) ** 2 / total))
    speed_up = (
        push + m * half * (spin**2 * math.sin(angle) - spin_rate * math.cos(angle)) - 5e-4 * math.copysign(1, v)
    ) / total
    expected = [x + 0.02 * v, v + 0.02 * speed_up, angle + 0.02 * spin, spin + 0.02 * spin_rate]
    assert np.allclose(env.state, expected, rtol=0.0, atol=1e-12)


def first_speeds(env, instances: int = 1, resets: int = 200) -> np.ndarray:
    """The cart's speed after one push from rest: proportional to the force."""
    speeds = []
    for _ in range(resets):
        env.reset()
        env.state = np.zeros(4)
        speeds.append(float(env.step(1)[0][1]))
    return np.array(speeds)


def test_actuator_noise_is_one_draw_for_each_instance_or_each_step():
    plain = first_speeds(CartPoleMod(), resets=1)[0]
    one = first_speeds(CartPoleMod(actuator_noise=0.1)) / plain
    assert np.ptp(one) < 1e-6
    several = np.array([first_speeds(CartPoleMod(actuator_noise=0.1), resets=1)[0] for _ in range(200)]) / plain
    each = first_speeds(CartPoleMod(actuator_noise=0.1, noise_each_step=True)) / plain
    for ratios in (several, each):
        assert 0.9 <= ratios.min() < 0.92 and 1.08 < ratios.max() <= 1.1001


def test_sensor_noise_scales_the_angle():
    env = CartPoleMod(sensor_noise=0.05)
    env.reset(seed=0)
    angles = []
    for _ in range(300):
        env.state = np.array([0.0, 0.0, 0.1, 0.0])
        angles.append(float(env.step(1)[0][2]))
    assert 0.095 <= min(angles) < 0.096 and 0.104 < max(angles) <= 0.10501


def test_it_fails_at_the_papers_angle():
    for limit, fails in ((15.0, False), (12.0, True)):
        env = CartPoleMod(angle_limit=limit)
        env.reset(seed=0)
        env.state = np.array([0.0, 0.0, math.radians(13.0), 0.0])
        assert env.step(1)[2] is fails
