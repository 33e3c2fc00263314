"""The segmentations of a short history, weighed in plain Python: the sums of `segmentation`, term for term.

Who only stores what has just been tested does not load numpy for it, which takes longer than all of this.
"""

from __future__ import annotations

from itertools import accumulate
from math import exp, inf, log, log1p

from flakediag.analysis.commits import CLEAN, FAILING, FLAKY, Stretches, chances, flaky_tables

_LN2 = log(2)


def last_segment(stretches: Stretches) -> tuple[list[float], int]:
    """The posterior of the last segment's kind, and the stretch with which that segment most probably starts."""
    outcomes = stretches.outcomes
    count = len(outcomes)
    change, stay, first, follow = chances()
    failed = list(accumulate((c.failed for c in outcomes), initial=0))
    tried = list(accumulate((c.tried for c in outcomes), initial=0))
    kept = list(accumulate((gap + 1 for gap in stretches.gaps), initial=0))  # boundaries, merged ones included
    of_failed, of_passed, of_tried, whole = flaky_tables(tried[-1])
    reach = list(first)  # by kind: the weight of starting a segment at the boundary
    entered = [reach[FLAKY]]  # that of a flaky one, by boundary so far
    weight: list[float] = []
    began = 0
    for end in range(1, count + 1):
        # Alike stretches are one: a clean or failing segment is the last stretch alone.
        last, alone = outcomes[end - 1], stay * (kept[end] - kept[end - 1] - 1)
        clean = reach[CLEAN] + alone if not last.failed else -inf
        failing = reach[FAILING] + alone if last.failed == last.tried else -inf
        flaky, best = -inf, -inf
        all_failed, all_tried, boundaries = failed[end], tried[end], kept[end] - 1
        for start, (to_flaky, failed_before, tried_before, kept_before) in enumerate(
            zip(entered, failed, tried, kept, strict=False)
        ):
            k, n = all_failed - failed_before, all_tried - tried_before
            option = (
                to_flaky + (of_failed[k] + of_passed[n - k] - of_tried[n] - whole) + stay * (boundaries - kept_before)
            )
            flaky = _added(flaky, option)
            if option > best:
                best, began = option, start
        weight = [clean, failing, flaky]
        if end < count:
            reach = [
                change + _sum([weighed + after[kind] for weighed, after in zip(weight, follow, strict=True)])
                for kind in range(len(weight))
            ]
            entered.append(reach[FLAKY])
    total = _sum(weight)
    posterior = [exp(kind - total) for kind in weight]
    return posterior, began if posterior.index(max(posterior)) == FLAKY else count - 1


def _sum(logs: list[float]) -> float:
    """ln of the sum of what these are the logs of."""
    total = logs[0]
    for one in logs[1:]:
        total = _added(total, one)
    return total


def _added(one: float, other: float) -> float:
    if one == other:
        return one + _LN2
    return one + log1p(exp(other - one)) if one > other else other + log1p(exp(one - other))
