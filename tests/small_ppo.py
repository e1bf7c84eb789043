"""Small trainings by PPO, in this process or another, and environments whose returns are known."""

import os
import signal
import time

import built
import gymnasium
import numpy as np
from launch import BIN, ROOT, finish, hpcqrl, start, worker_pids

from hpcqrl.results.reader import read_run
from hpcqrl.systems import ppo

PATH = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
SMALL = ("--envs", "4", "--rollout", "16", "--minibatch", "32", "--epochs", "2")
NORMALISED = ("--normalise-observations", "--normalise-rewards")


def train(out, *options, ranks=1):
    done = hpcqrl("train", "ppo", "--out", str(out), *options, ranks=ranks, **PATH)
    assert done.returncode == 0, done.stdout + done.stderr
    return read_run(out)


def killed_and_resumed(folder, *options, ranks):
    """The same training twice: whole, and after a kill and a resumption."""
    whole, cut = folder / "whole.h5", folder / "cut.h5"
    train(whole, *options, ranks=ranks)
    command = (str(BIN / "hpcqrl"), "train", "ppo", *options, "--checkpoint-every", "0.2", "--out", str(cut))
    process = start(*command, ranks=ranks)
    while not (cut.exists() and "checkpointed" in read_run(cut).attributes):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.kill(worker_pids(process.pid)[0], signal.SIGKILL)
    finish(process)
    assert not read_run(cut).complete
    assert hpcqrl("resume", str(cut), ranks=ranks).returncode == 0
    return read_run(whole), read_run(cut)


class Nine(gymnasium.Env):
    """Episodes of up to 9 steps, each rewarded with 1, that a time limit ends; it shows how many there were."""

    observation_space = gymnasium.spaces.Box(0, 9, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        reward = np.nan if self.steps == 7 and action == 1 and self.faulty else 1.0
        return np.full(1, self.steps, np.float32), reward, self.ends and self.steps == 9, self.steps == 9, {}

    def __init__(self, ends=False, faulty=False, width=1):
        self.ends, self.faulty = ends, faulty
        self.observation_space = gymnasium.spaces.Box(0, 9, (width,), np.float32)


class Aim(gymnasium.Env):
    """One step: what is shown is to be said; the range of actions is -2 to 2."""

    observation_space = gymnasium.spaces.Box(-2, 2, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-2, 2, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.target = self.np_random.uniform(-1.9, 1.9, 1).astype(np.float32)
        return self.target, {}

    def step(self, action):
        return self.target, -float(abs(action[0] - self.target[0])), True, False, {}


gymnasium.register("Nine-v0", Nine)
gymnasium.register("Aim-v0", Aim)


class Alone:
    """The agents of a run of one."""

    rank, size, wished = 0, 1, False

    def mean(self, vector):
        return vector.copy()

    def check_equal(self, vector, what): ...


class Notes:
    """A journal of returns."""

    def __init__(self):
        self.returns, self.rows = [], []

    def tick(self, steps=None): ...

    def episode(self, number, total, length, version, waiting):
        self.returns.append(total)
        self.rows.append((number, total, length, version))


def trained(**options):
    """Trained in this process: the configuration, the parameters, and what the journal has."""
    agent, notes = built.agent(ppo, **options), Notes()
    return agent.config, ppo.train(agent, Alone(), notes), notes
