"""hDQNN's matrix products: rounded ones are near the exact, and a rank takes the threads that it is given."""

import os
from dataclasses import replace

import built
import numpy as np
import pytest
import torch
from test_hdqnn_td3 import SIZES

from hpcqrl.models.products import Products
from hpcqrl.systems import hdqnn_td3


def test_rounded_products_give_nearly_the_same_gradients_and_leave_float32_what_is_kept():
    sizes = SIZES | {"hidden": 64, "qtdnn_hidden": 64}
    gradients = []
    for precision in ("float32", "bfloat16"):
        agent = built.agent(hdqnn_td3, env="Reach-v0", surrogate="expected", precision=precision, **sizes)
        random = np.random.default_rng(0)
        batch = [torch.from_numpy(random.normal(size=(256, n)).astype(np.float32)) for n in (2, 1, 1, 2)]
        batch += [torch.zeros(256, 1), torch.randn(256, 12, generator=torch.Generator().manual_seed(0))]
        losses = agent.gradients(["qtdnn", "critic_1", "critic_2", "actor"], [*batch, torch.ones(256, 3)])
        assert agent.trained.gradient.dtype == torch.float32 and np.isfinite(list(losses.values())).all()
        gradients.append({name: agent.trained.gradient[place] for name, place in agent.trained.place.items()})
    for name, exact in gradients[0].items():
        near = torch.nn.functional.cosine_similarity(exact, gradients[1][name], 0)
        assert 0.995 < near < 1.0 - 1e-7, (name, near)


def test_threads_are_those_that_slurm_gives_a_rank(monkeypatch):
    config, cores = hdqnn_td3.Config(env="Reach-v0", **SIZES), len(os.sched_getaffinity(0))
    before = torch.get_num_threads()
    try:
        for given, wanted in (("", 1), ("1", 1), ("2", min(2, cores)), ("99999", cores)):
            monkeypatch.setenv("SLURM_CPUS_PER_TASK", given)
            Products(config)
            assert torch.get_num_threads() == wanted
        Products(replace(config, threads=1))
        assert torch.get_num_threads() == 1
        with pytest.raises(ValueError, match=f"threads must be at most {cores}, the cores that this rank may use"):
            Products(replace(config, threads=cores + 1))
    finally:
        torch.set_num_threads(before)
