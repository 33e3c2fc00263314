"""A policy replayed over a window: what it would have blocked, and what it would have let through.

Each run is judged by the runs before it alone, as it was when it came in; what its failures really were is judged by
the whole window. Verdicts and signatures are enough for both: no cause is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.check import standing
from flakediag.analysis.commits import FAILING, FLAKY
from flakediag.analysis.gate import judge as judge_rate
from flakediag.analysis.gate import rate_in
from flakediag.analysis.outage import collapsed, commits, outages
from flakediag.analysis.rank import lengths
from flakediag.analysis.rates import rates_of
from flakediag.analysis.records import Flags, Records
from flakediag.analysis.segmentation import Segment, segments
from flakediag.analysis.verdict import Judgement, flaked
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Failure, Window
from flakediag.model import (
    FailureDetail,
    GatePolicy,
    GateRule,
    GateStatus,
    Outcome,
    QuarantineEntry,
    ReplayedFailure,
    ReplayedRegression,
    ReplayedRun,
    Truth,
    Verdict,
)

_SILENT = FailureDetail("", "", "")


class Past:
    """What was known at each run of a window."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.failed = window.failed
        self.ended_failed = window.ended_failed
        self.records = Records(window, remember=True)
        self._commits = commits(window.runs)
        self._started = np.array([run.started_at.timestamp() for run in window.runs])
        self._counted: dict[int, Flags] = {}
        self._at: dict[tuple[int, int], list[Failure]] = {}
        for failure in window.failures:
            self._at.setdefault((failure.run, failure.test), []).append(failure)

    def before(self, run: int) -> int:
        """How many runs had started before this one."""
        return int(np.searchsorted(self._started, self._started[run], side="left"))

    def counted(self, runs: int) -> Flags:
        """bool[runs]: which of the first runs were no outages, as far as these runs tell."""
        if runs not in self._counted:
            groups = [known for group in self._commits if len(known := group[group < runs])]
            self._counted[runs] = ~collapsed(self.window.executed[:runs], self.failed[:runs], groups)
        return self._counted[runs]

    def judgement(self, test: int, runs: int) -> Judgement | None:
        """The verdict on a test after the first runs; None where it never failed in one that counts."""
        counted = self.counted(runs)
        if not (self.failed[:runs, test] & counted).any():
            return None
        return self.records.judge(test, counted)

    def verdict(self, test: int, runs: int) -> Verdict | None:
        judgement = self.judgement(test, runs)
        return judgement.verdict if judgement else None

    def failures(self, test: int, runs: int) -> list[Failure]:
        """The failed attempts of a test in the first runs."""
        return [failure for failure in self.window.failures_of.get(test, ()) if failure.run < runs]

    def failures_at(self, run: int, test: int) -> list[Failure]:
        """The failed attempts of a test in one run; one that says nothing where the report said nothing."""
        return self._at.get((run, test)) or [Failure(run, test, -1, 1, Outcome.FAILED, "no message", _SILENT)]

    def failed_last(self, test: int, runs: int) -> bool:
        """The test ended failed in the last of the first runs that counts and in which it executed."""
        ran = np.flatnonzero(self.window.executed[:runs, test] & self.counted(runs))
        return bool(len(ran) and self.ended_failed[ran[-1], test])


class Policy(Protocol):
    """Decides run by run, oldest first."""

    def blocking(self, past: Past, run: int, failed: Sequence[int]) -> tuple[set[int], str]:
        """The tests of those that ended failed that hold the run up; and why it is held up though none does, or
        nothing."""
        ...


class CheckPolicy:
    """The rule of `flakediag check`."""

    def blocking(self, past: Past, run: int, failed: Sequence[int]) -> tuple[set[int], str]:
        known = past.before(run)
        return {test for test in failed if self._blocks(past, run, test, known)}, ""

    def _blocks(self, past: Past, run: int, test: int, known: int) -> bool:
        status = standing(
            past.verdict(test, known),
            past.failures(test, known),
            past.failures_at(run, test),
            failed_last=past.failed_last(test, known),
        )
        return status.blocks


class QuarantinePolicy:
    """These entries excuse what they name, in every run, as if they had been there from the start."""

    def __init__(self, entries: Sequence[QuarantineEntry]) -> None:
        self._excused: dict[str, set[str | None]] = {}
        for entry in entries:
            self._excused.setdefault(entry.test, set()).add(entry.signature)

    def blocking(self, past: Past, run: int, failed: Sequence[int]) -> tuple[set[int], str]:
        return {test for test in failed if not self._excuses(past, run, test)}, ""

    def _excuses(self, past: Past, run: int, test: int) -> bool:
        excused = self._excused.get(past.window.tests[test].id, set())
        return None in excused or all(failure.signature in excused for failure in past.failures_at(run, test))


class AutoQuarantinePolicy:
    """Every signature of a test is put in quarantine for some days as soon as the test is diagnosed as flaky."""

    def __init__(self, days: int) -> None:
        self._term = timedelta(days=min(days, timedelta.max.days))
        self._until: dict[tuple[int, str], float] = {}

    def blocking(self, past: Past, run: int, failed: Sequence[int]) -> tuple[set[int], str]:
        now = past.window.runs[run].started_at.timestamp()
        held_up = {
            test
            for test in failed
            if any(self._until.get((test, f.signature), 0.0) < now for f in past.failures_at(run, test))
        }
        for test in np.flatnonzero(past.failed[run]).tolist():
            if past.verdict(test, run + 1) is Verdict.FLAKY:
                for signature in {failure.signature for failure in past.failures(test, run + 1)}:
                    if self._until.get((test, signature), 0.0) < now:
                        self._until[test, signature] = now + self._term.total_seconds()
        return held_up, ""


class RatePolicy:
    """The gate alone decides, by the runs up to the one at hand; failures do not hold a run up by themselves.

    parts: for a rule of a path or an owner, bool[T] of the tests that it looks at.
    """

    def __init__(self, policy: GatePolicy, parts: Mapping[GateRule, Flags]) -> None:
        self._policy = policy
        self._parts = parts
        self._flaky: dict[int, bool] = {}
        self._known = np.zeros(0, dtype=np.bool_)

    def blocking(self, past: Past, run: int, failed: Sequence[int]) -> tuple[set[int], str]:
        flaky = self._flaky_now(past, run + 1)
        tripped = [said for rule in self._policy.rules if (said := self._trips(past, run + 1, rule, flaky))]
        return set(), "; ".join(tripped)

    def _flaky_now(self, past: Past, runs: int) -> Flags:
        """bool[T]. A verdict can change only where the test executed, or where another run turned out an outage."""
        counted = past.counted(runs)
        same = len(self._known) == runs - 1 and bool((counted[:-1] == self._known).all())
        self._known = counted
        executed = past.window.executed[runs - 1]
        for test in np.flatnonzero((past.failed[:runs] & counted[:, None]).any(axis=0)).tolist():
            if not same or executed[test] or test not in self._flaky:
                self._flaky[test] = past.verdict(test, runs) is Verdict.FLAKY
        flaky = np.zeros(len(past.window.tests), dtype=np.bool_)
        flaky[[test for test, is_flaky in self._flaky.items() if is_flaky]] = True
        return flaky

    def _trips(self, past: Past, runs: int, rule: GateRule, flaky: Flags) -> str:
        counted, window = past.counted(runs), past.window
        among = self._parts.get(rule, np.ones(len(window.tests), dtype=np.bool_))
        executed = window.executed[:runs][counted][:, among]
        of = int(executed.any(axis=1).sum()) if rule in self._parts else int(counted.sum())
        ended, failed = past.ended_failed[:runs][counted][:, among], past.failed[:runs][counted][:, among]
        rate = rate_in(rates_of(executed, ended, failed, flaky[among], of), rule.metric)
        policy = self._policy
        status, _ = judge_rate(rate, rule.limit, runs=runs, min_runs=policy.min_runs, strict=policy.strict)
        if status is not GateStatus.TRIPPED:
            return ""
        return f"{100 * rate.value:.1f} % of {rule.metric} ({rate.count} of {rate.of})"


def replay(window: Window, policy: Policy, *, learn: int = 0) -> tuple[list[ReplayedRun], list[ReplayedRegression]]:
    """The runs that failed or were blocked, oldest first, and the regressions among their failures.

    The first `learn` runs are seen by the policy but not reported.
    """
    past = Past(window)
    truth = _Truths(past)
    minutes = lengths(window) / 60
    replayed: list[ReplayedRun] = []
    by_segment: dict[tuple[int, int], list[tuple[int, bool]]] = {}
    for run in range(len(window.runs)):
        failed = np.flatnonzero(past.ended_failed[run]).tolist()
        held_up, reason = policy.blocking(past, run, failed)
        if run < learn:
            continue
        blocked = bool(held_up or reason)
        for test in failed:
            if (segment := truth.regression(run, test)) is not None:
                by_segment.setdefault((test, segment.start), []).append((run, blocked))
        if failed or blocked:
            failures = tuple(
                ReplayedFailure(
                    window.tests[test],
                    past.failures_at(run, test)[-1].signature,
                    truth.of(run, test),
                    test in held_up or bool(reason),
                )
                for test in failed
            )
            replayed.append(
                ReplayedRun(
                    run=window.runs[run],
                    blocked=blocked,
                    failures=failures,
                    minutes=float(minutes[run]),
                    reason=reason,
                )
            )
    return replayed, [_regression(window, test, runs) for (test, _), runs in sorted(by_segment.items(), key=_by_run)]


def _by_run(item: tuple[tuple[int, int], list[tuple[int, bool]]]) -> tuple[int, int]:
    (test, _), runs = item
    return runs[0][0], test


def _regression(window: Window, test: int, runs: Sequence[tuple[int, bool]]) -> ReplayedRegression:
    stop = next((place for place, (_, blocked) in enumerate(runs) if blocked), len(runs))
    return ReplayedRegression(
        test=window.tests[test],
        first=window.runs[runs[0][0]],
        let_through=tuple(window.runs[run] for run, _ in runs[:stop]),
        caught=window.runs[runs[stop][0]] if stop < len(runs) else None,
    )


class _Truths:
    """What failures were, by the whole window."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._counted: NDArray[np.bool_] = ~outages(past.window)
        self._min_broken = weights("verdict")["min_failures_broken"]
        self._seen: dict[int, tuple[Verdict | None, dict[int, tuple[Segment, int, bool]]]] = {}

    def of(self, run: int, test: int) -> Truth:
        if not self._counted[run]:
            return Truth.OUTAGE
        if self.regression(run, test) is not None:
            return Truth.REGRESSION
        verdict, places = self._look(test)
        _, _, flaky = places[int(self._past.records.commit_of[run])]
        return Truth.FLAKE if flaky or verdict is Verdict.FLAKY else Truth.OPEN

    def regression(self, run: int, test: int) -> Segment | None:
        """The stretch of commits on which the test could not pass and to which this failure belongs, if it does."""
        if not self._counted[run]:
            return None
        segment, failures, _ = self._look(test)[1][int(self._past.records.commit_of[run])]
        return segment if segment.kind == FAILING and failures >= self._min_broken else None

    def _look(self, test: int) -> tuple[Verdict | None, dict[int, tuple[Segment, int, bool]]]:
        """The verdict on the test; and for each of its commits the segment, the failures in it, and whether it shows a
        flake."""
        if test not in self._seen:
            outcomes, numbers = self._past.records.of(test, self._counted)
            places: dict[int, tuple[Segment, int, bool]] = {}
            for segment in segments(outcomes):
                part = outcomes[segment.start : segment.stop]
                failures = sum(commit.failed_runs for commit in part)
                flaky = segment.kind == FLAKY and flaked(part)
                places |= {int(number): (segment, failures, flaky) for number in numbers[segment.start : segment.stop]}
            judgement = self._past.records.judge(test, self._counted)
            self._seen[test] = judgement.verdict if judgement else None, places
        return self._seen[test]
