"""Runs in which so much failed at once that the tests are not to blame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from flakediag.analysis.outcomes import Outcomes
    from flakediag.model import Run

MIN_EXECUTED = 10  # below this many tests a share says little
OVERWHELMING = 0.8  # of the tests failed: an outage whoever they are
LARGE = 0.4  # of the tests failed: an outage if most of them fail at no other time
RARE = 0.2  # of the runs may be outages; what happens more often is how the suite is


def outages(outcomes: Outcomes) -> NDArray[np.bool_]:
    """bool[R]: the run is an outage and counts for nobody's flakiness.

    A suite whose tests depend on each other's order can lose half of itself in one run, again and again; an outage
    takes tests that are otherwise fine. A commit all of whose runs (two or more) collapse is a bad commit, no outage.
    """
    return collapsed(outcomes.executed, outcomes.failed, commits(outcomes.runs))


def collapsed(
    executed: NDArray[np.bool_], failed: NDArray[np.bool_], groups: Sequence[NDArray[np.int64]]
) -> NDArray[np.bool_]:
    """bool[R]: the outages of runs given as arrays (bool[R, T]) and as the runs of each commit."""
    import numpy as np

    ran = executed.sum(axis=1)
    share = failed.sum(axis=1) / np.maximum(ran, 1)
    candidate = (ran >= MIN_EXECUTED) & (share >= LARGE)
    if not candidate.any() or candidate.mean() > RARE:
        return np.zeros(len(executed), dtype=np.bool_)
    fails_otherwise = failed[~candidate].any(axis=0)
    strangers = (failed & ~fails_otherwise).sum(axis=1) / np.maximum(failed.sum(axis=1), 1)
    found: NDArray[np.bool_] = candidate & ((share >= OVERWHELMING) | (strangers > 0.5))
    for runs in groups:
        if len(runs) > 1 and found[runs].all():
            found[runs] = False
    return found


def may_be_outage(executed: int, failed: int) -> bool:
    """False only for a run that is none, whatever happened in the others."""
    return executed >= MIN_EXECUTED and failed / executed >= LARGE


def looks_like_outage(executed: int, failed: int, strangers: int) -> bool:
    """The same question for one run outside of any window: `strangers` of its failures never failed in it."""
    if executed < MIN_EXECUTED or failed < LARGE * executed:
        return False
    return failed >= OVERWHELMING * executed or strangers > failed / 2


def commits(runs: Sequence[Run]) -> list[NDArray[np.int64]]:
    """The runs of each commit, commits by their first run. A run whose commit is not known stands alone."""
    import numpy as np

    groups: dict[str, list[int]] = {}
    for index, run in enumerate(runs):
        groups.setdefault(commit_of(run, index), []).append(index)
    return [np.array(members, dtype=np.int64) for members in groups.values()]


def commit_of(run: Run, index: int) -> str:
    """What all runs of a commit share."""
    return run.commit or f"unknown commit of run {index}"
