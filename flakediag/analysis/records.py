"""What the tests of a window did, commit by commit, in its first runs or in all of them: what verdicts are made of."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.commits import CommitOutcomes
from flakediag.analysis.outage import commits
from flakediag.analysis.segmentation import Memory
from flakediag.analysis.verdict import LATE, Judgement, judge

if TYPE_CHECKING:
    from flakediag.analysis.outcomes import Outcomes

Flags = NDArray[np.bool_]


class Records:
    """The records of the tests of a window. `remember`: verdicts will be asked for run by run."""

    def __init__(self, outcomes: Outcomes, *, remember: bool = False) -> None:
        self._outcomes = outcomes
        self._memories: defaultdict[int, Memory] | None = defaultdict(Memory) if remember else None

    @cached_property
    def commit_of(self) -> NDArray[np.int64]:
        """int64[R]: the number of each run's commit, counted by first runs."""
        found = np.zeros(len(self._outcomes.runs), dtype=np.int64)
        for number, runs in enumerate(commits(self._outcomes.runs)):
            found[runs] = number
        return found

    def of(self, test: int, counted: Flags) -> tuple[list[CommitOutcomes], NDArray[np.int64]]:
        """The record of a test in the first runs of the window, as many as `counted` has entries, those left out that
        do not count; and the numbers of its commits."""
        runs = len(counted)
        ran = self._outcomes.executed[:runs, test] & counted
        commit = self.commit_of[:runs]
        tried = np.bincount(commit[ran])
        present = np.flatnonzero(tried)
        failed = np.bincount(commit[ran & self._outcomes.failed[:runs, test]], minlength=len(tried))
        again = np.bincount(commit[ran & self._outcomes.recovered[:runs, test]], minlength=len(tried))
        columns = (failed[present].tolist(), tried[present].tolist(), again[present].tolist())
        return [CommitOutcomes(f, n + a, n, f) for f, n, a in zip(*columns, strict=True)], present

    def judge(self, test: int, counted: Flags) -> Judgement | None:
        """The verdict on a test from these runs, None where it did not execute in any of them."""
        outcomes, _ = self.of(test, counted)
        if not outcomes:
            return None
        first = int(np.argmax(self._outcomes.executed[: len(counted), test]))
        memory = None if self._memories is None else self._memories[test]
        return judge(outcomes, is_new=first >= LATE, memory=memory)
