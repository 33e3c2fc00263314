"""What to do about a cause, what it saves, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flakediag.model.categories import Category
    from flakediag.model.rates import Rate


@dataclass(frozen=True, slots=True)
class Savings:
    """What one fix would save by itself.

    `red_runs` are the runs that were red for this reason only and would be green; `minutes` are those lost on it in
    all, with the time of attempts that were repeated.
    """

    red_runs: int
    minutes: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """Flaky tests that are one problem with one fix. `tests` are ids, most failures first."""

    id: int
    tests: tuple[str, ...]
    category: Category
    summary: str
    saves: Savings = Savings(0, 0.0)


@dataclass(frozen=True, slots=True)
class Example:
    framework: str
    code: str


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do. `reproduce` is the shortest command that shows the failure, None where none is known."""

    summary: str
    steps: tuple[str, ...] = ()
    example: Example | None = None
    reproduce: str | None = None


@dataclass(frozen=True, slots=True)
class FixStep:
    """One ticket of the sequence of fixes that turns runs green soonest: a cluster, or a test by itself.

    `before` and `after` are the red runs of all runs of the window, with all fixes before this one made, and with this
    one too. A run that is red for another reason (a broken test, an outage) stays red. `saves` is by this fix alone.
    """

    tests: tuple[str, ...]
    cluster: int | None
    category: Category
    summary: str
    saves: Savings
    before: Rate
    after: Rate
