"""In which order tests ran, by their positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def in_order(positions: NDArray[np.signedinteger]) -> NDArray[np.intp]:
    """The places of these positions, the first position first; of equal ones, as they stand.

    As a stable `argsort`, which sorts small integers in a fifth of the time.
    """
    if positions.dtype.itemsize > 2 and len(positions) and -(1 << 15) <= positions.min() <= positions.max() < 1 << 15:
        positions = positions.astype(np.int16)
    return np.argsort(positions, kind="stable")
