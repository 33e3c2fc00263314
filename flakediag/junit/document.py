"""What one report file says, before anyone decides what it means."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from sys import intern
from typing import NamedTuple, overload

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


class Cases(Sequence[RawCase]):
    """The test cases of a report in file order, a column for each field: most of them passed and differ in a name.

    `classnames` and `files` are interned, `suites` are indexes into `Document.suites`, `durations` seconds or None.
    `details` has an entry for each case that says more than its attributes do.
    """

    __slots__ = ("classnames", "details", "durations", "files", "names", "suites")

    def __init__(self, cases: Iterable[RawCase] = ()) -> None:
        self.classnames: list[str] = []
        self.names: list[str] = []
        self.files: list[str] = []
        self.suites = array("i")
        self.durations: list[float | None] = []
        self.details: dict[int, CaseDetail] = {}
        for case in cases:
            self.append(case)

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, place: int) -> RawCase: ...
    @overload
    def __getitem__(self, place: slice) -> list[RawCase]: ...
    def __getitem__(self, place: int | slice) -> RawCase | list[RawCase]:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        place = range(len(self))[place]
        return RawCase(
            self.classnames[place],
            self.names[place],
            self.files[place],
            self.suites[place],
            self.durations[place],
            self.details.get(place),
        )

    def __setitem__(self, place: int, case: RawCase) -> None:
        self.classnames[place], self.names[place], self.files[place] = case[:3]
        self.suites[place], self.durations[place] = case.suite, case.duration
        self.details.pop(place, None)
        if case.detail is not None:
            self.details[place] = case.detail

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as of any list

    def __iter__(self) -> Iterator[RawCase]:
        columns = (self.classnames, self.names, self.files, self.suites, self.durations)
        return map(RawCase, *columns, map(self.details.get, range(len(self))))

    def append(self, case: RawCase) -> None:
        classname, name, file, suite, duration, detail = case
        if detail is not None:
            self.details[len(self.names)] = detail
        self.classnames.append(intern(classname))
        self.names.append(name)
        self.files.append(intern(file))
        self.suites.append(suite)
        self.durations.append(duration)


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
    cases: Cases = field(default_factory=Cases)
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
