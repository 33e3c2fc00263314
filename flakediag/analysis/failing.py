"""Which of a few failing tests are flaky, in plain Python: what `ingest` says at its end.

A window of a CI job's history holds some tens of tests that failed. To load numpy for them would take longer than to
judge them. The answers are those of `flaky`; where that takes more than is told here, there is none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from flakediag.analysis.commits import CommitOutcomes
from flakediag.analysis.outage import commit_of, may_be_outage
from flakediag.analysis.verdict import LATE, judge
from flakediag.model import Verdict

if TYPE_CHECKING:
    from flakediag.model import Identity, Run


class FailingTest(NamedTuple):
    """A test that failed in a window of R runs. `executed` tells for each run whether it ran in it; in the runs
    `failed` an attempt of it failed, in the runs `recovered` another one passed as well."""

    test: Identity
    executed: Sequence[bool]
    failed: Collection[int]
    recovered: Collection[int]


class FailingTests(NamedTuple):
    """The tests that failed in a window of R runs, oldest first. executed: how many tests each run executed."""

    runs: Sequence[Run]
    executed: Sequence[int]
    tests: Sequence[FailingTest]


def newly_flaky(window: FailingTests, added: Collection[int | None]) -> frozenset[str] | None:
    """The ids of the tests that are flaky with the runs of these numbers and were not without them.

    None where a run may be an outage: that is a matter of all tests.
    """
    everything = range(len(window.runs))
    if any(map(may_be_outage, window.executed, _failures(window))):
        return None
    earlier = [run for run in everything if window.runs[run].id not in added]
    if len(earlier) == len(everything):
        return frozenset()
    return frozenset(_flaky(window, everything) - _flaky(window, earlier))


def _failures(window: FailingTests) -> list[int]:
    """How many tests failed in each run."""
    counts = [0] * len(window.runs)
    for test in window.tests:
        for run in test.failed:
            counts[run] += 1
    return counts


def _flaky(window: FailingTests, runs: Sequence[int]) -> set[str]:
    """The ids of the tests that are flaky by these runs."""
    commits = [commit_of(run, index) for index, run in enumerate(window.runs)]
    return {test.test.id for test in window.tests if _is_flaky(test, runs, commits)}


def _is_flaky(test: FailingTest, runs: Sequence[int], commits: Sequence[str]) -> bool:
    ran = [run for run in runs if test.executed[run]]
    if not any(run in test.failed for run in ran):
        return False
    failed, again, times = dict.fromkeys(commits, 0), dict.fromkeys(commits, 0), dict.fromkeys(commits, 0)
    for run in ran:
        commit = commits[run]
        times[commit] += 1
        failed[commit] += run in test.failed
        again[commit] += run in test.recovered
    history = [
        CommitOutcomes(failed[commit], count + again[commit], count, failed[commit])
        for commit, count in times.items()
        if count
    ]
    return judge(history, is_new=ran[0] >= LATE).verdict is Verdict.FLAKY
