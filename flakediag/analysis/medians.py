"""Medians of what is known."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", bound=np.floating)


def medians(table: NDArray[Real]) -> NDArray[Real]:
    """The median of each row but for its NaNs, NaN where there is nothing else.

    As `np.nanmedian`, which takes ten times as long.
    """
    if not table.size:
        return np.full(len(table), np.nan, dtype=table.dtype)
    ranked = np.sort(table, axis=1)  # the NaNs come last
    count = (~np.isnan(ranked)).sum(axis=1)
    rows = np.arange(len(ranked))
    low, high = ranked[rows, np.maximum(count - 1, 0) // 2], ranked[rows, np.minimum(count // 2, ranked.shape[1] - 1)]
    found: NDArray[Real] = ((low + high) / 2).astype(table.dtype)
    return found
