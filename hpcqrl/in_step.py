"""What every agent holds that waits for the others after each episode, beside its networks: numbers, steps, counts."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

from hpcqrl.envs.seeded import Seeded
from hpcqrl.parallel.pushes import Optimiser, Refusals
from hpcqrl.randomness import Numbers, as_int, jump_random_states, own_seeds, random_states, set_random_states
from hpcqrl.rl.exploration import sample_softmax
from hpcqrl.rl.optimisers import clip_norm
from hpcqrl.states import State

if TYPE_CHECKING:  # MPI starts when it is imported: not for --help or `hpcqrl describe`
    from hpcqrl.parallel.agents import Agents

Floats = NDArray[np.floating]


class InStep:
    """theta, the optimiser's moments, and how many updates and episodes there were: the same on every rank. And this
    rank's random numbers.

    episodes: of each agent; one is an update. env: reset here with this rank's seed. qpu_seed: for the measurements of
    its circuits, whose random numbers go into `generators`. `start` is to be called once, with what theta starts from.
    """

    theta: Floats
    moments: Floats

    def __init__(self, env: gymnasium.Env, episodes: int, seed: int, rank: int) -> None:
        env_seed, action_seed, qpu_seed = own_seeds(seed, rank, 3)
        self._seeded = Seeded(env, env_seed)
        self.env, self._wanted, self.qpu_seed = env, episodes, as_int(qpu_seed)
        self.random = np.random.default_rng(action_seed)
        self.generators: dict[str, Numbers] = {"action": self.random, "env": self._seeded.numbers}
        self.updates = self.episodes = 0  # the latter of all agents
        self.waited = 0.0  # seconds, in the last update
        self._refusals = Refusals()

    def start(self, theta: Floats, optimiser: Optimiser) -> None:
        """Train these parameters [size], in place."""
        self.theta, self._optimiser = theta, optimiser
        self.moments = np.zeros((optimiser.rows, theta.size))

    def goes_on(self) -> bool:
        """Whether there are episodes to play."""
        return self.updates < self._wanted

    def episode(self, logits: Callable[[Floats], Floats]) -> tuple[Floats, NDArray[np.int64], Floats]:
        """The observations [T, observation], actions [T] and rewards [T] of one, played with softmax(logits)."""
        observations, actions, rewards = [], [], []
        observation, _ = self.env.reset()
        done = False
        while not done:
            action = sample_softmax(logits(observation), self.random)
            observations.append(observation)
            observation, reward, terminated, truncated, _ = self.env.step(action)
            actions.append(action)
            rewards.append(reward)
            done = terminated or truncated
        return np.array(observations), np.array(actions), np.array(rewards, np.float64)

    def update(self, agents: "Agents", gradient: Floats, largest_norm: float = np.inf) -> None:
        """Step down the mean of all agents' gradients [size], shortened to this norm. All must call.

        One with NaN or infinity is not used. Every 100 updates theta is compared: RuntimeError if ranks have strayed.
        """
        begin = time.perf_counter()
        gradient = agents.mean(gradient)
        self.waited = time.perf_counter() - begin
        if not self._refusals.refuse(gradient):
            clip_norm(gradient, largest_norm)
            self._optimiser.step(self.theta, self.moments, self.updates, gradient)
        self.updates += 1
        self.episodes += agents.size
        if self.updates % 100 == 0:
            agents.check_equal(self.theta, f"theta after update {self.updates}")

    def extent(self, agents: int) -> tuple[int, Literal["episodes", "steps"]]:
        """How long the whole run is, if it goes on with so many agents, and in which unit."""
        return self.episodes + (self._wanted - self.updates) * agents, "episodes"

    def common(self) -> State:
        """What a checkpoint keeps once for all."""
        counts = {"updates": np.array(self.updates), "episodes": np.array(self.episodes)}
        return {"theta": self.theta, "moments": self.moments} | counts

    def state(self) -> State:
        """What a checkpoint keeps of this agent."""
        return random_states(self.generators) | self._seeded.state()

    def restore(self, common: State, own: State) -> None:
        """Go on from a checkpoint; own is empty for an agent that was not there then."""
        self.theta, self.moments = common["theta"], common["moments"]
        self.updates, self.episodes = int(common["updates"]), int(common["episodes"])
        if own:
            set_random_states(self.generators, own)
            self._seeded.restore(own, self.updates)
            self.generators["env"] = self._seeded.numbers
        else:
            jump_random_states(self.generators, self.updates)
