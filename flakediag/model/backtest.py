"""A policy, replayed over the history."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flakediag.model.results import Identity
    from flakediag.model.runs import Run


class Truth(StrEnum):
    """What a failure was, as the whole history sees it."""

    FLAKE = "flake"
    REGRESSION = "regression"  # the test was broken: it failed from a commit on, until it was mended or is not yet
    OUTAGE = "outage"
    OPEN = "open"  # the history does not tell


@dataclass(frozen=True, slots=True)
class ReplayedFailure:
    """A test that ended failed in a run: what it was, and whether the policy, knowing only the past, held it up."""

    test: Identity
    signature: str
    truth: Truth
    blocks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedRun:
    """What a policy made of a run. `minutes` is how long the run took; `reason` is one sentence, or empty."""

    run: Run
    blocked: bool
    failures: tuple[ReplayedFailure, ...]
    minutes: float
    reason: str = ""

    @property
    def flakes_only(self) -> bool:
        """Nothing was wrong with what was tested: no failure, or none that was not a flake."""
        return all(failure.truth is Truth.FLAKE for failure in self.failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedRegression:
    """A test that broke, and what the policy did about it until it was mended.

    `first` is the first run that failed; `let_through` are the runs that passed the policy though the test failed in
    them, up to `caught`, the first one that did not; None where none was.
    """

    test: Identity
    first: Run
    let_through: tuple[Run, ...]
    caught: Run | None

    @property
    def escaped(self) -> bool:
        """The break was merged: the run that showed it first was let through."""
        return bool(self.let_through)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """A policy, replayed run by run. `replayed` holds the runs that failed or were blocked; `runs` counts all.

    `policy` is its name and `rule` says in one sentence what it does; `learned` runs before these only taught.
    """

    policy: str
    rule: str
    branch: str | None
    runs: int
    learned: int
    replayed: tuple[ReplayedRun, ...]
    regressions: tuple[ReplayedRegression, ...]
