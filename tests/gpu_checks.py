"""What `gpu.sh` runs first: whether circuits and hDQNN compute on a GPU what they compute on the processor."""

import sys

import gymnasium
import numpy as np
from every_gate import every_gate

from hpcqrl.quantum.circuit import Circuit
from hpcqrl.quantum.devices import make_device
from hpcqrl.quantum.gpu_simulator import GpuSimulator
from hpcqrl.quantum.simulator import Simulator
from hpcqrl.systems import hdqnn_td3

TINY = "--tiny" in sys.argv
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-10}


class HumanoidSized(gymnasium.Env):
    """As many numbers as Humanoid-v4 has, and no physics: what is timed is the agent."""

    observation_space = gymnasium.spaces.Box(-1, 1, (376,), np.float32)
    action_space = gymnasium.spaces.Box(-0.4, 0.4, (17,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.standard_normal(376, np.float32).clip(-1, 1), {}

    def step(self, action):
        return self.np_random.standard_normal(376, np.float32).clip(-1, 1), float(action.sum()), False, False, {}


gymnasium.register("HumanoidSized-v0", HumanoidSized, max_episode_steps=1000)


class Alone:
    """The agents of a run, where there is one."""

    rank, size = 0, 1

    def mean(self, vector):
        return vector


def inputs(circuit: Circuit, samples: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(circuit.qubits)
    return random.uniform(-3, 3, (samples, circuit.n_angles)), random.uniform(-3, 3, circuit.weights or (0,))


def wrong(circuit: Circuit, expval: bool, dtype: type, tile: int | None = None) -> float:
    """By how much results and gradients of a batch differ from the processor's, relative to the largest of each."""
    angles, weights = inputs(circuit, 3)
    answers = []
    for simulator in (GpuSimulator(circuit, expval, dtype, tile), Simulator(circuit, expval, np.float64)):
        result, held = simulator.run_for_gradient(angles, weights)
        cotangent = np.random.default_rng(0).uniform(-1, 1, result.shape)
        answers.append((result, *simulator.gradient(angles, weights, held, cotangent)))
    return max(
        float(np.abs(ours - theirs).max(initial=0.0) / max(1.0, np.abs(theirs).max(initial=0.0)))
        for ours, theirs in zip(*answers, strict=True)
    )


def circuits_are_right() -> bool:
    """Every gate, where a state is one tile and where it is several, with permutations within and across them."""
    good = True
    for qubits in (4,) if TINY else (4, 8, 10, 11, 12, 13, 14, 18):
        for dtype in (np.float32, np.float64):
            for expval in (True, False) if qubits < 14 else (True,):
                for tile in (None, 3 if TINY else 9) if qubits in (4, 12) and expval else (None,):
                    error = wrong(every_gate(qubits), expval, dtype, tile)
                    good &= error <= TOLERANCE[dtype]
                    what = ("words" if expval else "probabilities") + (f", tiles of {tile}" if tile else "")
                    print(
                        f"every gate, {qubits} qubits, {dtype.__name__}, {what}: largest error {error:.1e}", flush=True
                    )
    circuit = every_gate(4 if TINY else 10)
    angles, weights = inputs(circuit, 2)
    ours, theirs = (
        make_device(circuit, name, seed=3).sample(angles, weights, 10 if TINY else 1000)
        for name in ("native-gpu", "native")
    )
    differ = float((ours != theirs).any(axis=2).mean())
    print(f"sampled: {100 * differ:.2f} % of shots differ from the processor's", flush=True)
    return good and differ <= 0.01


def hdqnn(env: str, device: str, surrogate: str = "sampled", **options) -> hdqnn_td3.Agent:
    """An agent that has played."""
    sizes = {"qubits": 2, "layers": 1, "hidden": 8, "qtdnn_hidden": 8, "batch": 4, "replay": 100} if TINY else {}
    qpu = "native-gpu" if device == "cuda" and surrogate == "exact" else "native"
    device = "cpu" if TINY else device
    config = hdqnn_td3.Config(
        env=env, steps=10_000, random_steps=20, device=device, surrogate=surrogate, qpu=qpu, **(sizes | options)
    )
    agent = hdqnn_td3.Agent(config, 0, hdqnn_td3.circuit(config))
    for _ in range(10 if TINY else 300):
        play(agent)
    return agent


def play(agent: hdqnn_td3.Agent) -> None:
    """A step, as of `learn`."""
    explorer = agent.explorer
    observation_t = explorer.episode.observation
    action_t, angles_t, bits_t = agent.explore(observation_t, explorer.steps)
    observation_tp1, reward_t, terminated, truncated = explorer.episode.step(action_t)
    explorer.replay.add(observation_t, action_t, reward_t, observation_tp1, float(terminated), angles_t, bits_t)
    explorer.steps += 1
    if terminated or truncated:
        explorer.episode.begin()


def hdqnn_is_right() -> bool:
    """The same updates on both: parameters that have moved alike, as far as float32 tells."""
    good = True
    for surrogate in ("expected",) if TINY else ("sampled", "expected", "exact"):
        agents = [hdqnn("Pendulum-v1", device, surrogate) for device in ("cpu", "cuda")]
        before = agents[0].trained.theta.detach().clone()
        for agent in agents:
            for update in range(1, 11):
                agent.update(update, Alone())
        ours, theirs = (agent.trained.theta.detach().cpu() for agent in agents)
        differ, moved = float((ours - theirs).abs().mean()), float((theirs - before).abs().mean())
        print(
            f"hDQNN, {surrogate}: after 10 updates parameters differ by {differ:.1e}, moved by {moved:.1e}", flush=True
        )
        good &= differ < 0.05 * moved
    return good
