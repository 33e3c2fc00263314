"""What one report file says, before anyone decides what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from flakediag.model import Attempt, Order, Outcome


class CaseDetail(NamedTuple):
    """What a test case says beyond its attributes.

    `finals` are its failures and errors in file order, `reruns` the Surefire-style children (`rerunFailure`,
    `flakyError`, …) as attempts in file order. `flaky` tells whether those children say that it passed in the end.
    """

    outcome: Outcome
    finals: tuple[Attempt, ...] = ()
    reruns: tuple[Attempt, ...] = ()
    flaky: bool = False


class RawCase(NamedTuple):
    """A `<testcase>` as written. `suite` is an index into `Document.suites`; `detail` None means passed."""

    classname: str
    name: str
    file: str
    suite: int
    duration: float | None
    detail: CaseDetail | None

    @property
    def outcome(self) -> Outcome:
        return self.detail.outcome if self.detail else Outcome.PASSED


@dataclass(slots=True)
class Suite:
    """A `<testsuite>` (or `<testsuites>`) as written. `parent` is an index into `Document.suites`, -1 for the root."""

    tag: str
    attributes: Mapping[str, str]
    parent: int
    properties: dict[str, str] = field(default_factory=dict)
    output: str = ""

    @property
    def name(self) -> str:
        return self.attributes.get("name", "")


@dataclass(slots=True)
class Document:
    """One report file. `suites[0]` is its root element; `cases` stand in file order.

    `failures`, `errors` and `skipped` count the cases that hold such an element. `order` is what the order of the cases
    means, where the report itself tells; `ordered_classes` is that of `Run`. `signs` are hints at the producer
    that were seen on the way. `partial` says why only a part could be read, `notes` what else people should know.
    """

    path: str
    digest: str = ""
    suites: list[Suite] = field(default_factory=list)
    cases: list[RawCase] = field(default_factory=list)
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    first_case: Mapping[str, str] = field(default_factory=dict)  # the attributes of the first test case
    signs: set[str] = field(default_factory=set)
    timestamps: list[str] = field(default_factory=list)  # of test cases: the first and the last
    order: Order | None = None
    ordered_classes: bool = False
    held: int = 0  # characters of names and of what suites say
    said: int = 0  # characters of failures
    partial: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def root(self) -> Suite:
        return self.suites[0]
