"""What the gate holds a suite to, and what it decided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from flakediag.model.findings import Finding
    from flakediag.model.rates import Metric, Rate


class GateStatus(StrEnum):
    PASSED = "passed"
    TRIPPED = "tripped"
    NOT_ENOUGH_EVIDENCE = "not-enough-evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRule:
    """A limit: at most this fraction of what the metric counts.

    `path` (a glob over the files of tests) or `owner` narrow it to a part of the suite. `ratchet`: the limit is what
    was stored when the suite was last measured.
    """

    metric: Metric
    limit: float
    path: str | None = None
    owner: str | None = None
    ratchet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratchet:
    """A measured state of the suite that must not get worse. `flaky` are ids of tests."""

    rates: Mapping[Metric, Rate]
    flaky: frozenset[str]
    updated: date


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """What the gate holds the suite to.

    A rule trips when the interval of its rate lies above the limit; with `strict`, when the rate itself does.
    `baseline` is a branch: only tests that are not flaky there count.
    """

    rules: tuple[GateRule, ...]
    min_runs: int = 10
    strict: bool = False
    baseline: str | None = None
    ratchet: Ratchet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What one rule says. `offenders` are the flaky tests that it counts, worst first; `reason` is one sentence."""

    rule: GateRule
    status: GateStatus
    rate: Rate
    reason: str
    offenders: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """`results` has one entry per rule; `metric`, `threshold`, `rate`, `reason` and `offenders` are those of the first
    rule with the status that decided.

    `offenders` are the flaky tests that count, worst first; `reason` is one sentence. `unplaced` counts the tests that
    no rule for a path or an owner could look at, because their file is not known.
    """

    status: GateStatus
    metric: Metric
    threshold: float
    rate: Rate
    runs: int
    min_runs: int
    reason: str
    offenders: tuple[Finding, ...] = ()
    baseline: str | None = None
    strict: bool = False
    results: tuple[GateResult, ...] = ()
    unplaced: int = 0
