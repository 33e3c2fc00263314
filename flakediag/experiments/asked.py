"""What is asked for, and what comes back: a budget, a plan, the runs that were tried, the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from flakediag.redact import Redactor


class Way(StrEnum):
    """What is tried: other tests before it, CPU load, a taken port."""

    ORDER = "order"
    TIMING = "timing"
    PORT = "port"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How to run the project's tests, and how much of it. `program` are the words that start the runner, `command` a
    template for any other one; `minutes` and `runs` are the budget."""

    folder: Path
    environ: Mapping[str, str]
    command: str | None = None
    program: str | None = None
    runs: int = 40
    minutes: float = 30.0
    way: Way | None = None
    port: int | None = None
    everything: bool = False
    fresh: bool = False  # leave earlier experiments out
    redactor: Redactor = field(default_factory=Redactor)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One explanation and its probability, in words."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Tried:
    """One experiment. `failed` is None where it told nothing, and `problem` says why."""

    number: int
    what: str
    command: tuple[str, ...]
    failed: bool | None
    seconds: float
    leading: Explanation
    remaining: int
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A run to come: what for, and its command."""

    what: str
    command: tuple[str, ...]
    fails: float | None = None  # the odds that it fails


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be tried for one test. `then`: the runs that would follow, if the first fails and if it passes."""

    test: str
    way: Way
    leading: tuple[Explanation, ...]
    first: Step | None
    then: tuple[tuple[str, Step], ...] = ()
    expected: int = 0
    limits: str = ""
    shuffled: str | None = None  # the command that shuffles the whole suite, where the order never varied
    shuffled_runs: int = 0
    standing: str = "open"
    earlier: int = 0  # experiments on the same code that count already


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it ended. `standing`: confirmed, not-order-dependent, open, stuck or interrupted, for a certificate also
    fixed and not-fixed. `conclusion` is one sentence; `reproduce` the shortest command that shows the failure."""

    test: str
    way: str
    standing: str
    conclusion: str
    probability: float | None
    tried: tuple[Tried, ...]
    executions: int
    reproduce: tuple[str, ...] | None = None
    parties: tuple[tuple[str, str], ...] = ()  # (id, role)
    notes: tuple[str, ...] = ()


class Observer(Protocol):
    """Whoever asked for the experiments."""

    def allow(self, plan: Plan) -> bool:
        """Whether to run anything: asked once, before the first command."""
        ...

    def starting(self, number: int, what: str, command: Sequence[str]) -> None: ...

    def ended(self, tried: Tried) -> None: ...
