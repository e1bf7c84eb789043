"""What an agent holds that explores and replays, beside its networks: its episode at play, its memory, its counts."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from hpcqrl.envs.replayed import Episode
from hpcqrl.envs.seeded import Seeded
from hpcqrl.evaluation import rewards
from hpcqrl.randomness import Numbers, as_int, jump_random_states, own_seeds, random_states, set_random_states
from hpcqrl.rl.transitions import Transitions
from hpcqrl.states import State

if TYPE_CHECKING:  # MPI starts when it is imported: not for --help or `hpcqrl describe`
    from hpcqrl.journal import Journal
    from hpcqrl.parallel.agents import Agents
    from hpcqrl.rl.transitions_on_device import TransitionsOnDevice

Floats = NDArray[np.floating]


class Explorer:
    """One agent's environments, to train and to test in, its random numbers, and how far it is.

    The environments are reset here with this rank's seeds. qpu_seed: for the measurements of its circuits, whose
    random numbers go into `generators`. `remember` is to be called once, with what a transition holds.
    """

    replay: "Transitions | TransitionsOnDevice"

    def __init__(self, env: gymnasium.Env, test_env: gymnasium.Env, seed: int, rank: int) -> None:
        env_seed, test_seed, random_seed, qpu_seed = own_seeds(seed, rank, 4)
        self.env, self.test_env = env, test_env
        self._seeded, tested = Seeded(env, env_seed), Seeded(test_env, test_seed)
        self.random, self.qpu_seed = np.random.default_rng(as_int(random_seed)), as_int(qpu_seed)
        self.generators: dict[str, Numbers] = {"explore": self.random, "env": self._seeded.numbers}
        self.generators["test"] = tested.numbers
        self.episode = Episode(env)
        self.steps = self.updates = self.tested = 0  # the latter: steps before the last test
        self.episodes, self.first_number = 0, 0  # this agent's finished ones; the number that they count from
        self.begun_at = 0  # after how many updates the episode at play has
        self.losses: list[tuple[float, ...]] = []  # since then

    def remember(
        self, capacity: int, observation: int, action: int, beside: Mapping[str, int], device: str = "cpu"
    ) -> None:
        """Keep so many transitions, of observations and actions of these sizes, and of what else belongs to them, in
        NumPy or on another device of torch's.
        """
        parts = {"observation_t": observation, "action_t": action, "reward_t": 1, "observation_tp1": observation}
        parts |= {"terminated_t": 1} | dict(beside)
        if device == "cpu":
            self.replay = Transitions(capacity, parts)
            return
        from hpcqrl.rl.transitions_on_device import TransitionsOnDevice

        self.replay = TransitionsOnDevice(capacity, parts, device)

    def end_episode(self, journal: "Journal", agents: "Agents", **extra: float) -> None:
        """The episode is over: its record goes to the journal, with what else the system notes; another begins."""
        number = self.first_number + self.episodes * agents.size + agents.rank
        journal.episode(number, sum(self.episode.rewards), len(self.episode.rewards), self.begun_at, **extra)
        self.episodes += 1
        self.begun_at, self.losses = self.updates, []
        self.episode.begin()

    def mean_losses(self) -> list[float]:
        """Of each kind, over the updates that had one; NaN if none had."""
        kinds = [[value for value in column if value == value] for column in zip(*self.losses, strict=True)]
        return [float(np.mean(values)) if values else np.nan for values in kinds]

    def test_is_due(self, every: int) -> bool:
        """Whether there is a test after this step, and has not been yet."""
        return self.steps % every == 0 and self.tested < self.steps

    def test(
        self, policy: Callable[[Any], Any], episodes: int, journal: "Journal", agents: "Agents", **extra: float
    ) -> None:
        """Play this agent's share of so many episodes in the environment for tests; their returns go to the journal,
        with what else the system notes.

        A run that is told to end does not wait for it: the test is then as if it had not begun, on all ranks, and comes
        when the run goes on. All must call.
        """
        before, returns = random_states(self.generators), []
        for _ in range(agents.rank, episodes, agents.size):
            total = 0.0
            for reward in rewards(self.test_env, policy, self.test_env.reset()[0]):
                total += reward
                if journal.told:
                    break
            returns.append(total)
            if journal.told:
                break
        if agents.any(journal.told):
            set_random_states(self.generators, before)
            agents.wished = True
            return
        journal.evaluation(self.steps, returns, self.updates, **extra)
        self.tested = self.steps

    def common(self) -> State:
        """What a checkpoint keeps once for all, who go in step."""
        counts = {"steps": self.steps, "updates": self.updates, "first_number": self.first_number}
        counts["tested"] = self.tested
        return {name: np.array(count) for name, count in counts.items()}

    def state(self, losses: int) -> State:
        """What a checkpoint keeps of this agent; losses: how many kinds of them there are."""
        counts = {"episodes": np.array(self.episodes), "begun_at": np.array(self.begun_at)}
        kept = {"losses": np.array(self.losses, np.float64).reshape(-1, losses)}
        own = random_states(self.generators) | self._seeded.state()
        return own | counts | kept | self.episode.state() | self.replay.state()

    def restore(self, common: State, own: State) -> None:
        """Go on from a checkpoint; an agent that was not there then has nothing of its own but where numbers begin."""
        self.steps, self.updates = int(common["steps"]), int(common["updates"])
        self.tested = int(common.get("tested", self.steps))  # version 0.1.0 made no checkpoints before a test
        self.first_number = int(own.get("first_number", common["first_number"]))
        if "replay.added" not in own:
            jump_random_states(self.generators, self.updates)
            self.episode.begin()
            return
        self.episodes, self.begun_at = int(own["episodes"]), int(own["begun_at"])
        self.replay.restore(own)
        anew = self._seeded.restore(own, self.updates)
        if anew:
            self.generators["env"] = self._seeded.numbers
            self.episode = Episode(self.env)
        self.episode.restore(own)
        self.losses = [tuple(values) for values in own["losses"].tolist()]
        set_random_states(self.generators, own)
        if anew:
            self._seeded.settle()
