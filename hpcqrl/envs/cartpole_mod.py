"""CartPole as the papers have it: it fails at 15 degrees; CartPoleMod has friction besides, and noise.

Source: QA3C, VI.A.2; QDQN-DPER, section 6.1; CartPoleMod's dynamics as in the public gym-cartpolemod environment
(2017). Its v0 has no noise, v1 and v2 have 5% and 10% on the actuator, v3 has 5% on the sensor.
"""

import math
import warnings
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleEnv

CART_FRICTION = 5e-4  # N
POLE_FRICTION = 2e-6  # N m s


class CartPoleAtAngle(CartPoleEnv):
    """CartPole-v1, bit for bit, but for the angle at which an episode fails.

    angle_limit: degrees (15 in QA3C and QDQN-DPER, 12 in CartPole-v1).
    """

    def __init__(self, angle_limit: float = 15.0, render_mode: str | None = None) -> None:
        super().__init__(render_mode=render_mode)
        self.theta_threshold_radians = math.radians(angle_limit)
        high = np.array([2 * self.x_threshold, np.inf, 2 * self.theta_threshold_radians, np.inf], np.float32)
        self.observation_space = gymnasium.spaces.Box(-high, high, dtype=np.float32)


class CartPoleMod(CartPoleAtAngle):
    """CartPole-v1's state, actions, reward and drawing, with Barto, Sutton and Anderson's friction, and noise.

    actuator_noise a: the force is 10 N (1 + U(-a, a)), drawn once for each instance, at its first reset, or with
    noise_each_step at every step. sensor_noise s: the pole's angle is multiplied by 1 + U(-s, s) at each step, before
    it enters the dynamics. angle_limit: degrees at which an episode fails (15 in the paper, 12 in the public code).
    """

    def __init__(
        self,
        actuator_noise: float = 0.0,
        sensor_noise: float = 0.0,
        noise_each_step: bool = False,
        angle_limit: float = 15.0,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(angle_limit, render_mode)
        self.actuator_noise, self.sensor_noise, self.noise_each_step = actuator_noise, sensor_noise, noise_each_step
        self._force: float | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        observation, info = super().reset(seed=seed, options=options)
        if self._force is None or seed is not None:
            self._force = self._draw_force()
        return observation, info

    def _draw_force(self) -> float:
        return self.force_mag * (1.0 + self.np_random.uniform(-self.actuator_noise, self.actuator_noise))

    def step(self, action: int | np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        if not self.action_space.contains(action):
            raise ValueError(f"CartPoleMod takes actions 0 and 1, not {action!r}")
        if self.state is None or self._force is None:
            raise RuntimeError("call reset before step")
        x, x_dot, theta, theta_dot = (float(value) for value in self.state)
        if self.noise_each_step:
            self._force = self._draw_force()
        force = self._force if action == 1 else -self._force
        if self.sensor_noise:
            theta *= 1.0 + self.np_random.uniform(-self.sensor_noise, self.sensor_noise)

        cosine, sine = math.cos(theta), math.sin(theta)
        friction = CART_FRICTION * float(np.sign(x_dot))
        pushed = (force + self.polemass_length * theta_dot**2 * sine - friction) / self.total_mass
        theta_dot_dot = (self.gravity * sine - cosine * pushed - POLE_FRICTION * theta_dot / self.polemass_length) / (
            self.length * (4.0 / 3.0 - self.masspole * cosine**2 / self.total_mass)
        )
        x_dot_dot = pushed - self.polemass_length * theta_dot_dot * cosine / self.total_mass

        x, x_dot = x + self.tau * x_dot, x_dot + self.tau * x_dot_dot  # explicit Euler
        theta, theta_dot = theta + self.tau * theta_dot, theta_dot + self.tau * theta_dot_dot
        self.state = np.array((x, x_dot, theta, theta_dot), np.float64)
        terminated = abs(x) > self.x_threshold or abs(theta) > self.theta_threshold_radians
        if self.render_mode == "human":
            self.render()
        return self.state.astype(np.float32), 1.0, terminated, False, {}


_NOISE: tuple[dict[str, float], ...] = ({}, {"actuator_noise": 0.05}, {"actuator_noise": 0.1}, {"sensor_noise": 0.05})
for _version, _noise in enumerate(_NOISE):
    gymnasium.register(
        f"hpcqrl/CartPoleMod-v{_version}", f"{__name__}:CartPoleMod", max_episode_steps=500, kwargs=dict(_noise)
    )
gymnasium.register("hpcqrl/CartPole15-v1", f"{__name__}:CartPoleAtAngle", max_episode_steps=500)
# They are variants, not versions: v0 is not out of date because there is a v3.
warnings.filterwarnings("ignore", r".*hpcqrl/CartPoleMod-v\d is out of date")
