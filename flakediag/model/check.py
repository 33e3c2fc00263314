"""The failures of the runs at hand, judged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flakediag.model.findings import Finding
    from flakediag.model.ingest import FileReport
    from flakediag.model.quarantine import QuarantineEntry
    from flakediag.model.results import FailureDetail, Identity
    from flakediag.model.runs import Run


class FailureStatus(StrEnum):
    """What a failure of the run at hand is, from what the history knew before that run."""

    KNOWN_FLAKE = "known-flake"
    QUARANTINED = "quarantined"
    NEW_FAILURE = "new-failure"
    NEW_WAY = "new-way"  # a flaky test, failing as it never did
    TWICE_RUNNING = "twice-running"  # a flaky test that failed in its latest run before as well
    BROKEN_BEFORE = "broken-before"

    @property
    def blocks(self) -> bool:
        return self not in (FailureStatus.KNOWN_FLAKE, FailureStatus.QUARANTINED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFailure:
    """One failure of the run: what it is, and why, in one sentence without trailing full stop.

    `known` is what the history says of the test, None where it is stable or was never seen. `recovered`: a later
    attempt of the same run passed, so that nothing is to be decided.
    """

    test: Identity
    signature: str
    status: FailureStatus
    reason: str
    known: Finding | None = None
    detail: FailureDetail | None = None
    entry: QuarantineEntry | None = None
    recovered: bool = False

    @property
    def blocks(self) -> bool:
        return self.status.blocks and not self.recovered


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRun:
    """One run's failures, those that block first. `runs_before` is how many runs the judgement rests on."""

    run: Run
    executed: int
    failures: tuple[CheckedFailure, ...]
    outage: bool
    runs_before: int

    @property
    def blocks(self) -> bool:
        return any(failure.blocks for failure in self.failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The runs at hand, judged; `refused` are reports that could not be read, wholly or in part."""

    runs: tuple[CheckedRun, ...]
    branch: str | None
    refused: tuple[FileReport, ...] = ()

    @property
    def blocks(self) -> bool:
        return any(run.blocks for run in self.runs)
