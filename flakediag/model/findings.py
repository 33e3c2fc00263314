"""What is concluded about one test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from flakediag.model.categories import Boundary, Verdict
    from flakediag.model.diagnosis import Diagnosis
    from flakediag.model.fixes import Fix, Savings
    from flakediag.model.rates import Rate
    from flakediag.model.results import Identity, Outcome
    from flakediag.model.runs import Run
    from flakediag.model.signatures import Artefact, SignatureFinding


@dataclass(frozen=True, slots=True)
class Impact:
    """What a test costs: runs that it turned red, minutes lost on them, and the ranking score (docs/ranking.md)."""

    red_runs: int
    minutes: float
    score: float


class TimelineEntry(NamedTuple):  # a report makes and keeps one for each run of each test that it tells of
    """One run in the life of a test. `signature` is set where an attempt failed; `position` counts from 0."""

    run: Run
    outcome: Outcome
    attempts: int
    duration: float | None
    position: int
    signature: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Everything concluded about one test whose verdict is not stable.

    `runs` counts the runs in which it executed (skips do not count), `failures` the runs in which an attempt failed,
    outages left out of both.
    """

    test: Identity
    verdict: Verdict
    runs: int
    failures: int
    rate: Rate
    framework: str
    rank: int = 0
    reason: str = ""  # why this verdict, one sentence
    cause: Diagnosis | None = None  # None unless the verdict is flaky
    signatures: tuple[SignatureFinding, ...] = ()
    boundary: Boundary | None = None
    artefacts: tuple[Artefact, ...] = ()
    cluster: int | None = None
    impact: Impact = Impact(0, 0.0, 0.0)
    saves: Savings | None = None  # by the fix of its cluster, or its own; None unless the verdict is flaky
    fix: Fix | None = None
    first_seen: datetime | None = None
    last_failed: datetime | None = None
    since_commit: str | None = None  # broken or fixed since
    timeline: tuple[TimelineEntry, ...] = ()
    owners: tuple[str, ...] | None = None  # by CODEOWNERS, empty where nobody is; None: not looked up, or not known

    @property
    def id(self) -> str:
        return self.test.id
