"""Runs, the files that they came from, and what is ready to be stored of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from flakediag.model.results import CaseResult, Identity


class Order(StrEnum):
    """What the order of the cases in a report means."""

    EXECUTION = "execution"  # one process, in the order in which the tests ran
    COMPLETION = "completion"  # several workers, in the order in which tests ended
    DECLARATION = "declaration"  # as written or sorted by the producer: says nothing about execution
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a suite: one CI job attempt (a shard is a run of its own), on one commit.

    `ordered_classes`: `order` is unknown, but the cases of each class stand in the order in which they ran.
    `parallelism` is the sum of the test times over the wall time, None where one of them is not known.
    `digest` identifies the content of the report files that it came from.
    `id` is the history's number for the run, None until it is stored.
    """

    started_at: datetime
    digest: str
    project: str = "default"
    commit: str | None = None
    branch: str | None = None
    job: str | None = None
    attempt: int = 1
    shard: str | None = None
    host: str | None = None
    url: str | None = None
    duration: float | None = None
    producer: str = "unknown"
    order: Order = Order.UNKNOWN
    ordered_classes: bool = False
    parallelism: float | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    experiment: bool = False
    id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One file that a run came from. `digest` is the SHA-256 of its (decompressed) bytes, in hex.

    `cases`, `failures`, `errors` and `skipped` count test cases as the file writes them (one that holds a failure and
    an error counts for both); `results` counts what was made of them, retries joined.
    """

    path: str
    digest: str
    cases: int = 0
    results: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    partial: str | None = None  # why only a part could be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """By what a report was taken for whose, and the rules that its producer is read by, in words for people."""

    producer: str  # as people call it
    sign: str
    identity: str
    retries: str
    order: str
    start: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A run as read from its report files, ready to be stored. `results` stand in file order, retries joined.

    `written` has, by test, the name that it had in this run, for tests whose identity masks parts of it.
    """

    run: Run
    results: Sequence[CaseResult]
    files: tuple[InputFile, ...]
    notes: tuple[str, ...] = ()  # how identity, order and retries were decided, for people
    decisions: Decisions | None = None  # None where the run does not come from report files
    written: Mapping[Identity, str] = field(default_factory=dict)
