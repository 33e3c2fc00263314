"""The few verbs that the commands are made of: read → keep → analyse → report.

Knows neither click nor rich; this is what a Python program would import.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flakediag.model import Finding, GateDecision, IngestSummary, Metric, Report, Run, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What the caller says of the runs about to be ingested; None where the report or the CI environment decides."""

    project: str | None = None
    commit: str | None = None
    branch: str | None = None
    job: str | None = None
    attempt: int | None = None
    shard: str | None = None
    url: str | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One stored run, for listing."""

    run: Run
    results: int
    failures: int
    errors: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSummary:
    """One known test, for listing. `failures` counts the executions in which an attempt failed."""

    id: str
    runs: int
    failures: int
    last_run: datetime


Progress = Callable[[int, int | None, str], None]
"""Called with (done, total or None, what) during long work."""


def ingest(
    db: Path,
    paths: Sequence[str],
    info: RunInfo,
    *,
    now: datetime,
    environ: dict[str, str],
    progress: Progress | None = None,
) -> IngestSummary:
    """Read reports into the history at `db`, creating it where there is none."""
    raise NotImplementedError


def report(db: Path, scope: Scope, *, now: datetime, progress: Progress | None = None) -> Report:
    """Diagnose the history: every test whose verdict is not stable, ranked."""
    raise NotImplementedError


def show(db: Path, test: str, scope: Scope, *, now: datetime) -> Finding:
    """Everything about one test, by its id or a unique part of it.

    Raises `UsageError` where none or several match, naming the nearest.
    """
    raise NotImplementedError


def gate(
    db: Path,
    scope: Scope,
    *,
    metric: Metric,
    threshold: float,
    min_runs: int,
    baseline: str | None,
    now: datetime,
) -> GateDecision:
    """Decide whether the suite's flaky rate is acceptable; `baseline` counts only tests not flaky on that branch."""
    raise NotImplementedError


def runs(db: Path, scope: Scope) -> tuple[RunSummary, ...]:
    """The stored runs, newest first."""
    raise NotImplementedError


def tests(db: Path, scope: Scope, pattern: str | None = None) -> tuple[TestSummary, ...]:
    """The known tests, by id; `pattern` keeps those whose id contains it."""
    raise NotImplementedError
