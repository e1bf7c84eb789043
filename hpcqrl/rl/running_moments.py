"""Mean and variance of all that has been seen, to normalise by."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

CLIP = 10.0  # largest normalised number [Gymnasium's and CleanRL's]
_SMALLEST = 1e-8  # variance


class RunningMoments:
    """Of vectors [size]: how many there were, their mean and their variance; at first as if these were 0 and 1.

    Agents that add the same sums, those over all of them, have the same moments. Source: Chan et al.'s parallel
    algorithm, as in Gymnasium's RunningMeanStd.
    """

    def __init__(self, size: int) -> None:
        self.count = 0.0
        self.mean: Floats = np.zeros(size)
        self.variance: Floats = np.ones(size)

    def sums(self, values: Floats) -> Floats:
        """What `add` takes, of vectors [..., size]: their number, sums of d and d^2 about the mean, [1 + 2 size]."""
        difference = values.reshape(-1, self.mean.size) - self.mean
        return np.concatenate([[len(difference)], difference.sum(0), (difference * difference).sum(0)])

    def add(self, sums: Floats) -> None:
        """Take account of what these are the sums of."""
        added, (first, second) = sums[0], sums[1:].reshape(2, -1)
        if added > 0:
            squares = self.count * self.variance + second
            self.count += float(added)
            shift = first / self.count
            self.mean, self.variance = self.mean + shift, squares / self.count - shift * shift

    def state(self) -> Floats:
        """All of it, [1 + 2 size]."""
        return np.concatenate([[self.count], self.mean, self.variance])

    def restore(self, state: Floats) -> None:
        """Hold what `state` gave."""
        self.count, (self.mean, self.variance) = float(state[0]), state[1:].reshape(2, -1).copy()


def normalised(values: Floats, mean: Floats, variance: Floats) -> Floats:
    """(values - mean) / standard deviation, within -10..10; [..., size]."""
    return np.clip((values - mean) / np.sqrt(variance + _SMALLEST), -CLIP, CLIP)
