"""Which runs had several workers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.window import Window
from flakediag.model import Order

SEVERAL = 1.1  # test times over wall time from which more than one worker must have been at work


def parallel_runs(window: Window) -> NDArray[np.bool_]:
    """bool[R]: several workers took part: by the run's times, by what its report says, or by the order of its tests."""
    return np.array(
        [
            run.order is Order.COMPLETION
            or (run.parallelism is not None and run.parallelism > SEVERAL)
            or number in window.interleaved
            for number, run in enumerate(window.runs)
        ],
        dtype=np.bool_,
    )
