"""What parallel runs say by themselves, where serial runs cannot tell whether the order matters.

One test at a time is asked whether the victim fails after it (a polluter), or passes only after it (a state-setter).
With S the probability that it ran before on the victim's worker (see parallel.py), the victim fails with probability
S × high + (1 - S) × low after a polluter. Serial runs count as well, with S = 1 for whoever ran before. Several tests
together, groups and cleaners are not looked for: k workers blur them too much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order import nulls
from flakediag.analysis.order.marginal import Doubles, log_sum
from flakediag.analysis.order.parallel import Parallel
from flakediag.analysis.order.pool import Setting, Unit, candidate_prior
from flakediag.analysis.order.units import Rows, rows_of

ROLES = ("polluter", "state-setter")
_LOW = (0.01, 0.05, 0.1)  # rates of failing in good state, and of passing in bad state


@dataclass(frozen=True)
class Hint:
    """ln of the Bayes factor of one writer against everything else, and the writers by probability, given that."""

    factor: float
    writers: tuple[tuple[int, str, float], ...]  # the window's test, its role, its share
    runs: int  # parallel runs that say something
    workers: int


def find_hint(setting: Setting, parallel: Parallel, unit: Unit, figures: Mapping[str, Any]) -> Hint | None:
    """None where the outcomes never differ, or no parallel run has one."""
    trusted = parallel.orders.trusted
    everywhere = replace(parallel.orders, trusted=trusted | setting.orders.trusted)
    rows = rows_of([(unit.test, unit.failed)], everywhere)
    of_parallel = trusted[rows.run]
    if not of_parallel.any() or rows.failures in (0, len(rows)):
        return None
    shares = parallel.shares(rows)
    shares[~of_parallel] = shares[~of_parallel] > 0
    scores = _scores(setting, shares, rows, figures)
    groups = {**setting.groups, "parallel": trusted.astype(np.int32)}
    scales = {**setting.scales, "parallel": trusted.astype(np.float64)}
    rivals = nulls.rivals(rows, groups, scales, setting.chance, setting.costs.when_good)
    factor = log_sum(scores.ravel()) + setting.solo - nulls.combined(rivals)
    odds = np.exp(scores - scores.max())
    odds /= odds.sum()
    best = np.argsort(-odds, axis=None, kind="stable")[:3]
    writers = tuple(
        (int(test), ROLES[int(role)], float(odds[role, test]))
        for role, test in (np.unravel_index(int(place), odds.shape) for place in best)
    )
    workers = int(np.median(parallel.workers[rows.run[of_parallel]]))
    return Hint(factor, writers, int(of_parallel.sum()), workers)


def _scores(setting: Setting, shares: NDArray[np.float32], rows: Rows, figures: Mapping[str, Any]) -> Doubles:
    """float64[role, T]: ln of likelihood times prior of each test as the one writer."""
    tests = len(setting.candidates.tests)
    prior = np.empty(tests)
    prior[setting.candidates.tests] = candidate_prior(setting, rows.tests)[:tests]
    prior[rows.tests[0]] = -np.inf
    failed = rows.failed.astype(bool)[:, None]
    found = []
    for starts, writes in ((0.0, 1.0), (1.0, 0.0)):  # the state in which the process starts, and that it is left in
        start = setting.costs.starts_bad if starts else setting.costs.starts_good
        parts = []
        for low in _LOW:
            for seen, weight in ((shares, 1 - figures["state_of_all"]), (shares > 0, figures["state_of_all"])):
                bad = starts + (writes - starts) * seen
                fails = low + (1 - 2 * low) * bad
                likelihood = np.log(np.where(failed, fails, 1 - fails)).sum(axis=0)
                parts.append(likelihood + log(weight / len(_LOW)))
        found.append(np.logaddexp.reduce(parts) + prior + start)
    return np.array(found)
