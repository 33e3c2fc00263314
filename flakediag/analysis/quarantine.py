"""How the entries of a quarantine stand: still failing, recovered by their own rate, or not seen any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.outage import outages
from flakediag.analysis.rates import clean_runs_needed, rate_of
from flakediag.analysis.window import Failure, Window
from flakediag.model import QuarantineEntry, QuarantineStanding, QuarantineState

LEAST_RATE = 1e-9  # a lower bound of 0 would ask for ever more clean runs


def standings(window: Window, entries: Sequence[QuarantineEntry], today: date) -> tuple[QuarantineStanding, ...]:
    """One standing for each entry, in their order. Runs that were outages count for none."""
    numbers = {test.id: number for number, test in enumerate(window.tests)}
    counted = ~outages(window)
    failed = window.failed
    return tuple(_standing(window, entry, numbers.get(entry.test), counted, failed, today) for entry in entries)


def excuses(entry: QuarantineEntry, failure: Failure) -> bool:
    """Whether the entry speaks of this failure of its test. One of which nothing was kept (a retry) may be any."""
    return entry.signature in (None, failure.signature) or failure.silent


def _standing(
    window: Window,
    entry: QuarantineEntry,
    test: int | None,
    counted: NDArray[np.bool_],
    failed: NDArray[np.bool_],
    today: date,
) -> QuarantineStanding:
    days_left = (entry.expires - today).days
    ran = np.zeros(len(window.runs), dtype=np.bool_) if test is None else window.executed[:, test] & counted
    if test is None or not ran.any():
        reason = f"the test did not run in the {_runs(len(window.runs))} looked at"
        return QuarantineStanding(entry=entry, days_left=days_left, state=QuarantineState.UNSEEN, reason=reason)
    hit = np.zeros(len(window.runs), dtype=np.bool_)
    hit[[failure.run for failure in window.failures_of.get(test, ()) if excuses(entry, failure)]] = True
    ran &= hit | ~failed[:, test]  # a run that failed in another way says nothing about this one
    rows = np.flatnonzero(ran)
    failures = int(hit[rows].sum())
    if not failures:
        reason = f"it did not fail like this in its {_runs(len(rows))}"
        return QuarantineStanding(
            entry=entry,
            days_left=days_left,
            state=QuarantineState.UNSEEN,
            reason=reason,
            runs=len(rows),
            clean=len(rows),
        )
    until = int(np.flatnonzero(hit[rows])[-1]) + 1
    clean = len(rows) - until
    # As for the verdict *fixed*: the lower bound of the rate that it had, not its best guess.
    needed = clean_runs_needed(max(rate_of(failures, until).low, LEAST_RATE))
    recovered = clean >= needed
    return QuarantineStanding(
        entry=entry,
        days_left=days_left,
        state=QuarantineState.RECOVERED if recovered else QuarantineState.FLAKY,
        reason=_reason(failures, until, clean, needed, bool(hit[rows].all())),
        runs=len(rows),
        failures=failures,
        clean=clean,
        needed=needed,
    )


def _reason(failures: int, until: int, clean: int, needed: int, always: bool) -> str:
    if always and until > 1:
        return f"failed in each of its {_runs(until)}: broken rather than flaky"
    failed = f"failed in {failures} of {_runs(until)}"
    if not clean:
        return f"{failed}, in the latest one as well"
    if clean >= needed:
        return f"{failed}, then passed in {_runs(clean)}; {needed} show that it recovered"
    return f"{failed}; clean in {_runs(clean)} since, {needed} would show that it recovered"


def _runs(count: int) -> str:
    return f"{count:,} run" if count == 1 else f"{count:,} runs"
