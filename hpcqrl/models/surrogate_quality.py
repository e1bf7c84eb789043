"""How good a qtDNN is: its values and its slopes beside the circuit's own, at the angles where it is used."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcqrl.models.hdqnn import Networks

Floats = NDArray[np.floating]
Parts = dict[str, Tensor]

_JACOBIANS = 32  # samples, of which each takes a backward pass of the circuit for every qubit
_KINDS = ("spread", "error", "error_half", "error_mean", "slopes")
_PLACES = ("replayed", "current")
MEASURED = tuple(f"{place}_{kind}" for place in _PLACES for kind in _KINDS)


def quality(networks: Networks, part: dict[str, Parts], replayed: Mapping[str, Floats]) -> dict[str, float]:
    """By the names MEASURED, at the angles of replayed transitions, and at the present actor's for what was observed:

    spread: standard deviation of an angle, rad, mean over the angles; error: mean |qtDNN - circuit| of what is measured
    on average; error_half, error_mean: the same of the answers 1/2, and the mean over the samples; slopes: correlation
    of the qtDNN's Jacobian with the circuit's, over all its entries. NaN for what there is not.
    """
    if networks.actor.block != "pqc":
        return dict.fromkeys(MEASURED, math.nan)
    with torch.no_grad():
        seen = torch.from_numpy(replayed["observation_t"]).to(part["actor"]["pre.0.weight"].device)
        current = networks.actor.angles_and_links(part["actor"], seen)[0].cpu().numpy()
    values = [*_at(networks, part, replayed["angles_t"]), *_at(networks, part, current)]
    return dict(zip(MEASURED, values, strict=True))


def surrogate_error(networks: Networks, part: dict[str, Parts], replayed: Mapping[str, Floats]) -> float:
    """Mean |qtDNN - circuit| of what is measured on average, at the angles of transitions; NaN without a qtDNN."""
    return _error(networks, part, replayed["angles_t"]) if networks.has_qtdnn else math.nan


def _error(networks: Networks, part: dict[str, Parts], angles: Floats) -> float:
    with torch.no_grad():
        at = torch.from_numpy(angles).to(part["qtdnn"]["0.weight"].device)
        return float((networks.qtdnn.expected_bits(part["qtdnn"], at) - networks.actor.exact.expected(at)).abs().mean())


def _at(networks: Networks, part: dict[str, Parts], angles: Floats) -> list[float]:
    exact = networks.actor.exact.expected(torch.from_numpy(angles)).numpy()
    error = slopes = math.nan
    if networks.has_qtdnn:
        error = _error(networks, part, angles)
        with torch.no_grad():
            at = torch.from_numpy(angles[:_JACOBIANS]).to(part["qtdnn"]["0.weight"].device)
            learnt = networks.qtdnn.jacobian(part["qtdnn"], at).cpu().numpy()
        slopes = correlation(learnt, networks.actor.exact.jacobian(angles[:_JACOBIANS]))
    constant = [float(np.abs(answer - exact).mean()) for answer in (0.5, exact.mean(axis=0))]
    return [float(angles.std(axis=0).mean()), error, *constant, slopes]


def correlation(first: Floats, second: Floats) -> float:
    """Pearson's, of two arrays' entries; NaN if one does not vary."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
