"""Failing in stretches: a hidden state of the host, good or bad, that lasts over several runs.

A bad host makes a victim fail again and again for a while, so that the run before seems to tell how the next one goes.
The likelihood is that of a hidden Markov chain with two states for each host, summed over a grid of its figures by the
forward algorithm (Rabiner 1989).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.marginal import log_sum
from flakediag.analysis.succession import Succession


def stretches(
    failed: NDArray[np.bool_], rows: NDArray[np.bool_], order: Succession, figures: Mapping[str, Any]
) -> float:
    """ln of the marginal likelihood of the victim's failures in `rows` (bool[R], runs oldest first)."""
    grid = np.array(
        list(product(figures["enter"], figures["leave"], figures["rate_in_stretch"], figures["rate_outside"]))
    ).T
    enter, leave, high, low = grid
    usual = enter / (enter + leave)
    log_likelihood = np.zeros(grid.shape[1])
    for host in np.unique(order.host[rows]):
        bad = usual.copy()  # the probability of the bad state, given the runs so far
        for run in np.flatnonzero(rows & (order.host == host)):
            in_bad, in_good = (
                (bad * high, (1 - bad) * low) if failed[run] else (bad * (1 - high), (1 - bad) * (1 - low))
            )
            seen = in_bad + in_good
            log_likelihood += np.log(seen)
            bad = in_bad / seen
            bad = bad * (1 - leave) + (1 - bad) * enter
    return log_sum(log_likelihood) - float(np.log(len(log_likelihood)))
