"""How an agent picks its actions while it learns."""

import numpy as np
from numpy.typing import NDArray


def sample_softmax(logits: NDArray[np.floating], random: np.random.Generator) -> int:
    """An action drawn from softmax(logits); [actions]."""
    weight = np.exp(logits - logits.max())
    summed = weight.cumsum()
    return min(int(summed.searchsorted(random.random() * summed[-1], side="right")), len(logits) - 1)
