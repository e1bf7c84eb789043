"""What a network's outputs say of an action, as a distribution: softmax of discrete ones, Beta of continuous ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpcqrl.rl.exploration import sample_softmax
from hpcqrl.rl.losses import entropy_gradient, log_softmax

Floats = NDArray[np.floating]
Randoms = Sequence[np.random.Generator]

_EDGE = 1e-6  # so far from the range's ends, where the density's logarithm is not finite


class Softmax:
    """Of so many actions; outputs [T, actions] are logits."""

    def __init__(self, actions: int) -> None:
        self.outputs = actions

    def sample(self, outputs_t: Floats, randoms: Randoms) -> NDArray[np.int64]:
        """An action for each row, [T], drawn with that row's own random numbers."""
        return np.array([sample_softmax(row, random) for row, random in zip(outputs_t, randoms, strict=True)])

    def best(self, outputs: Floats) -> int:
        """The likeliest action of outputs [actions]."""
        return int(outputs.argmax())

    def log_probability(self, outputs_t: Floats, action_t: NDArray) -> Floats:
        """log pi(a_t|s_t), [T]."""
        return log_softmax(outputs_t)[np.arange(len(action_t)), action_t]

    def log_probability_gradient(self, outputs_t: Floats, action_t: NDArray) -> Floats:
        """Its gradient in each row of outputs, [T, actions]: 1 at a_t, less pi."""
        gradient_t = -np.exp(log_softmax(outputs_t))
        gradient_t[np.arange(len(action_t)), action_t] += 1.0
        return gradient_t

    def entropy_gradient(self, outputs_t: Floats) -> Floats:
        """Gradient of the mean entropy of the T distributions, [T, actions]."""
        return entropy_gradient(outputs_t)


class Beta:
    """Of actions [numbers], each in [-1, 1]: a = 2 u - 1, u from Beta(softplus(x) + 1, softplus(y) + 1).

    outputs [T, 2 numbers]: x of every number, then y; the density has one peak. Source: Chou et al., ICML 2017; PPO-Q
    (arXiv:2501.07085). Probabilities are u's: a's differ by a constant.
    """

    def __init__(self, numbers: int) -> None:
        self.outputs = 2 * numbers

    def sample(self, outputs_t: Floats, randoms: Randoms) -> Floats:
        """An action for each row, [T, numbers], drawn with that row's own random numbers."""
        alpha_t, beta_t = _shapes(outputs_t)
        rows = zip(alpha_t, beta_t, randoms, strict=True)
        return np.array([2.0 * random.beta(alpha, beta) - 1.0 for alpha, beta, random in rows])

    def best(self, outputs: Floats) -> Floats:
        """The mean action of outputs [2 numbers]."""
        alpha, beta = _shapes(outputs)
        return 2.0 * alpha / (alpha + beta) - 1.0

    def log_probability(self, outputs_t: Floats, action_t: Floats) -> Floats:
        """log of the density of u, [T]."""
        from scipy.special import betaln

        (alpha_t, beta_t), u_t = _shapes(outputs_t), _unit(action_t)
        density = (alpha_t - 1.0) * np.log(u_t) + (beta_t - 1.0) * np.log1p(-u_t) - betaln(alpha_t, beta_t)
        return density.sum(1)

    def log_probability_gradient(self, outputs_t: Floats, action_t: Floats) -> Floats:
        """Its gradient in each row of outputs, [T, 2 numbers]."""
        from scipy.special import digamma

        (alpha_t, beta_t), u_t = _shapes(outputs_t), _unit(action_t)
        both = digamma(alpha_t + beta_t)
        gradient_t = np.log(u_t) + both - digamma(alpha_t), np.log1p(-u_t) + both - digamma(beta_t)
        return np.concatenate(gradient_t, 1) * _slope(outputs_t)

    def entropy_gradient(self, outputs_t: Floats) -> Floats:
        """Gradient of the mean entropy of the T distributions, [T, 2 numbers]."""
        from scipy.special import polygamma

        alpha_t, beta_t = _shapes(outputs_t)
        both = (alpha_t + beta_t - 2.0) * polygamma(1, alpha_t + beta_t)
        gradient_t = both - (alpha_t - 1.0) * polygamma(1, alpha_t), both - (beta_t - 1.0) * polygamma(1, beta_t)
        return np.concatenate(gradient_t, 1) * _slope(outputs_t) / len(outputs_t)


def _shapes(outputs: Floats) -> tuple[Floats, Floats]:
    """alpha and beta, [..., numbers]."""
    alpha, beta = np.split(np.logaddexp(0.0, outputs) + 1.0, 2, axis=-1)
    return alpha, beta


def _slope(outputs: Floats) -> Floats:
    """Of softplus: the logistic function."""
    return np.exp(-np.logaddexp(0.0, -outputs))


def _unit(action_t: Floats) -> Floats:
    return np.clip(0.5 * (action_t + 1.0), _EDGE, 1.0 - _EDGE)
