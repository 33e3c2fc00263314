"""What a report format is given: the diagnosis of one history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from flakediag.model.findings import Finding
    from flakediag.model.fixes import Cluster, FixStep
    from flakediag.model.rates import SuiteRates
    from flakediag.model.runs import Run
    from flakediag.model.scope import HistorySummary
    from flakediag.model.series import Series


@dataclass(frozen=True, slots=True)
class Outage:
    """A run in which a large share of the tests failed together; it counts for nobody's flakiness."""

    run: Run
    failed: int
    executed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report format is given: everything, ready to be shown."""

    generated_at: datetime
    project: str
    branch: str | None
    history: HistorySummary
    rates: SuiteRates
    tests: tuple[Finding, ...]
    clusters: tuple[Cluster, ...] = ()
    fixes: tuple[FixStep, ...] = ()  # what to mend first, and what it brings
    outages: tuple[Outage, ...] = ()
    notes: tuple[str, ...] = ()  # what the reader should know: orders that never varied, parallel runs, …
    hidden: int = 0  # findings cut by --limit
    series: Series | None = None  # only where a format asks for it
