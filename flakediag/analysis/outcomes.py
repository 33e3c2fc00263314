"""What became of each test in each run: all that verdicts and rates rest on, and a small part of a window.

A whole window has this and more. A history can tell it without reading a single result that passed, so that who only
wants verdicts (`gate`, `ingest`) does not pay for orders, durations and texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from flakediag.model import Identity, Run

Flags = NDArray[np.bool_]


class Outcomes(Protocol):
    """R runs (oldest first) × T tests (by identity).

    executed, failed, ended_failed, recovered: bool[R, T]. A test was executed where it ran, also where it was skipped
    after an attempt that failed; failed where an attempt of it did; ended failed where its last attempt did; recovered
    where one failed and one passed (a retry, or a test that ran twice). `results` counts results, repeated tests more
    than once.
    """

    @property
    def runs(self) -> tuple[Run, ...]: ...

    @property
    def tests(self) -> tuple[Identity, ...]: ...

    @property
    def results(self) -> int: ...

    @property
    def executed(self) -> Flags: ...

    @property
    def failed(self) -> Flags: ...

    @property
    def ended_failed(self) -> Flags: ...

    @property
    def recovered(self) -> Flags: ...


@dataclass(frozen=True)
class OutcomesOnly:
    """`Outcomes` that stand alone."""

    runs: tuple[Run, ...]
    tests: tuple[Identity, ...]
    results: int
    executed: Flags
    failed: Flags
    ended_failed: Flags
    recovered: Flags


def outcomes_of(whole: Outcomes) -> OutcomesOnly:
    """The outcomes of a window by themselves."""
    return OutcomesOnly(
        runs=whole.runs,
        tests=whole.tests,
        results=whole.results,
        executed=whole.executed,
        failed=whole.failed,
        ended_failed=whole.ended_failed,
        recovered=whole.recovered,
    )


def before(outcomes: Outcomes, kept: Flags) -> OutcomesOnly:
    """The same runs and tests, with what happened in some runs alone. kept: bool[R]."""
    rows = kept[:, None]
    return OutcomesOnly(
        runs=outcomes.runs,
        tests=outcomes.tests,
        results=outcomes.results,
        executed=outcomes.executed & rows,
        failed=outcomes.failed & rows,
        ended_failed=outcomes.ended_failed & rows,
        recovered=outcomes.recovered & rows,
    )
