"""The failures of one run, each judged by what was known before it: a known flake, or something that must be looked at.

Only a failure of a flaky test in a way in which it failed before is excused, and only where the test passed in
between: a regression in a flaky test shows as a new signature or as failing again at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from flakediag.analysis.diagnose import Findings
from flakediag.analysis.outage import looks_like_outage
from flakediag.analysis.signature import signature_of
from flakediag.analysis.subjects import is_known_way
from flakediag.analysis.window import Failure, Window
from flakediag.model import (
    CaseResult,
    CheckedFailure,
    CheckedRun,
    FailureDetail,
    FailureStatus,
    Finding,
    Identity,
    Outcome,
    QuarantineEntry,
    Run,
    RunReport,
    Verdict,
)

_NOTHING = FailureDetail("", "", "")


def check(
    report: RunReport,
    window: Window,
    found: Findings,
    *,
    recent: Sequence[Window] = (),
    quarantine: Sequence[QuarantineEntry] = (),
    today: date,
) -> CheckedRun:
    """Judge each failure of `report` by `window`, which ends before it, and what was `found` there.

    `recent` are further windows (the run's own branch) to look in for the latest result of a test. Entries of the
    quarantine that expired before `today` excuse nothing.
    """
    known = _Known(window, found, (window, *recent), quarantine, today)
    executed = sum(result.outcome is not Outcome.SKIPPED for result in report.results)
    failures = [
        known.judge(report.run, result)
        for result in report.results
        if result.outcome.failed or any(attempt.outcome.failed for attempt in result.earlier)
    ]
    lasting = [failure for failure in failures if not failure.recovered]
    return CheckedRun(
        run=report.run,
        executed=executed,
        failures=tuple(sorted(failures, key=lambda f: (not f.blocks, f.recovered, f.status, f.test))),
        outage=looks_like_outage(executed, len(lasting), sum(known.never_failed(f.test) for f in lasting)),
        runs_before=len(window.runs),
    )


def standing(
    verdict: Verdict | None, before: Sequence[Failure], now: Sequence[Failure], *, failed_last: bool
) -> FailureStatus:
    """The rule of `flakediag check`: what a failure is, from the verdict on its test and its failures before the run.

    now: the failed attempts of the test in the run; failed_last: it failed in the latest run before in which it ran.
    """
    if verdict is Verdict.BROKEN:
        return FailureStatus.BROKEN_BEFORE
    if verdict is not Verdict.FLAKY:
        return FailureStatus.NEW_FAILURE
    if not all(is_known_way(before, failure) for failure in now):
        return FailureStatus.NEW_WAY
    return FailureStatus.TWICE_RUNNING if failed_last else FailureStatus.KNOWN_FLAKE


def _reason(status: FailureStatus, finding: Finding, latest: Run | None) -> str:
    if status is FailureStatus.BROKEN_BEFORE:
        return finding.reason
    if status is FailureStatus.NEW_WAY:
        return f"flaky, but it never failed like this in {finding.failures} failures"
    if status is FailureStatus.TWICE_RUNNING:
        where = f"run {latest.id}" if latest is not None and latest.id is not None else "its latest run"
        return f"flaky, but it failed in {where} as well, with no pass in between"
    return f"known: failed like this before, in {finding.failures} of {finding.runs} runs"


class _Known:
    """What was known before the run."""

    def __init__(
        self,
        window: Window,
        found: Findings,
        recent: Sequence[Window],
        quarantine: Sequence[QuarantineEntry],
        today: date,
    ) -> None:
        self.window = window
        self.findings: Mapping[Identity, Finding] = {finding.test: finding for finding in found.tests}
        self.recent = [(each, {test: i for i, test in enumerate(each.tests)}) for each in recent]
        self.numbers = self.recent[0][1]
        self.down = {outage.run.id for outage in found.outages}
        self.quarantine: dict[str, list[QuarantineEntry]] = {}
        self.expired: dict[str, list[QuarantineEntry]] = {}
        for entry in quarantine:
            kept = self.quarantine if entry.expires >= today else self.expired
            kept.setdefault(entry.test, []).append(entry)

    def never_failed(self, test: Identity) -> bool:
        return not self._failures(test)

    def judge(self, run: Run, result: CaseResult) -> CheckedFailure:
        failures = [a.failure or _NOTHING for a in result.earlier if a.outcome.failed]
        if result.outcome.failed:
            failures.append(result.failure or _NOTHING)
        texts = [signature_of(detail) for detail in failures]
        finding = self.findings.get(result.test)
        status, reason, entry = self._status(run, result.test, finding, failures, texts)
        if entry is None and (expired := _covering(self.expired.get(result.test.id, []), texts)) is not None:
            reason = f"its quarantine expired on {expired.expires}; {reason}"
        return CheckedFailure(
            test=result.test,
            signature=texts[-1],
            status=status,
            reason=reason,
            known=finding,
            detail=failures[-1],
            entry=entry,
            recovered=not result.outcome.failed,
        )

    def _status(
        self,
        run: Run,
        test: Identity,
        finding: Finding | None,
        details: Sequence[FailureDetail],
        texts: Sequence[str],
    ) -> tuple[FailureStatus, str, QuarantineEntry | None]:
        entry = _covering(self.quarantine.get(test.id, []), texts)
        if entry is not None:
            return FailureStatus.QUARANTINED, f"in quarantine until {entry.expires}: {entry.reason}", entry
        now = [Failure(-1, -1, -1, 1, Outcome.FAILED, text, said) for said, text in zip(details, texts, strict=True)]
        latest = self._latest(test)
        failed_last = latest is not None and latest[1].failed
        status = standing(finding.verdict if finding else None, self._failures(test), now, failed_last=failed_last)
        if finding is None or status is FailureStatus.NEW_FAILURE:
            return status, self._novelty(run, test, finding), None
        return status, _reason(status, finding, latest[0] if latest else None), None

    def _novelty(self, run: Run, test: Identity, finding: Finding | None) -> str:
        if finding is not None:
            words = {
                Verdict.FIXED: "it had been fixed",
                Verdict.NEW: "a new test",
                Verdict.INSUFFICIENT: "too little history to call it flaky",
            }
            if finding.verdict in words:
                return f"{words[finding.verdict]}: {finding.reason}"
        number = self.numbers.get(test)
        passed = 0 if number is None else int(self.window.executed[:, number].sum())
        if not passed:
            return "never seen before this run"
        same = self._passed_on(run, test)
        if same is not None:
            return f"passed on this very commit in run {same}, so it is intermittent, but not yet known to be"
        return f"passed in all of its {passed} runs before" if passed > 1 else "passed in its one run before"

    def _passed_on(self, run: Run, test: Identity) -> int | None:
        """The latest run of the same commit in which the test passed."""
        for window, numbers in self.recent:
            number = numbers.get(test)
            if number is None or run.commit is None:
                continue
            for r in range(len(window.runs) - 1, -1, -1):
                if window.runs[r].commit == run.commit and window.outcomes[r, number] == Outcome.PASSED:
                    return window.runs[r].id
        return None

    def _latest(self, test: Identity) -> tuple[Run, Outcome] | None:
        """The latest run before in which the test executed, outages left out, and what became of it there."""
        found: list[tuple[Run, Outcome]] = []
        for window, numbers in self.recent:
            number = numbers.get(test)
            if number is None:
                continue
            ran = [r for r in np.flatnonzero(window.executed[:, number]) if window.runs[r].id not in self.down]
            if ran:
                found.append((window.runs[ran[-1]], Outcome(int(window.outcomes[ran[-1], number]))))
        return max(found, key=lambda item: item[0].started_at, default=None)

    def _failures(self, test: Identity) -> Sequence[Failure]:
        number = self.numbers.get(test)
        return self.window.failures_of.get(number, ()) if number is not None else ()


def _covering(entries: Sequence[QuarantineEntry], texts: Sequence[str]) -> QuarantineEntry | None:
    """The entry that excuses the last of these ways of failing, where each of them has one; the last to end."""
    excused = [[e for e in entries if e.signature in (None, text)] for text in texts]
    return max(excused[-1], key=lambda e: e.expires) if all(excused) else None
