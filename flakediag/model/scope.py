"""What is asked of a history, and how much the answer rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which part of a history a question looks at.

    `branch` None means the main branch where the history has one, else the runs of every branch; `all_branches` asks
    for every branch outright. `since` is a moment; without it the last `days` days before the newest run count, at
    most the last `max_runs` runs. `before` leaves out the runs that started then or later. `experiments` includes
    runs recorded by `confirm`.
    """

    project: str | None = None  # None: the only one that there is
    branch: str | None = None
    all_branches: bool = False
    since: datetime | None = None
    before: datetime | None = None
    days: int = 90
    max_runs: int = 500
    experiments: bool = False


@dataclass(frozen=True, slots=True)
class HistorySummary:
    """What the window holds."""

    runs: int
    tests: int
    results: int
    first_run: datetime | None
    last_run: datetime | None
