"""The words that the parts of flakediag share: plain, immutable data with no behaviour beyond naming things.

Shapes follow the flow: what a report file says (`CaseResult`, `RunReport`), what a run is (`Run`), what the analysis
concludes (`Evidence`, `Diagnosis`, `Finding`, …, `Report`), and what the gate decides (`GateDecision`).
Times are seconds, moments are timezone-aware UTC datetimes, rates are fractions between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple


class Outcome(IntEnum):
    """What became of one attempt. `ERROR` is a failure outside the test body (set-up, collection, crash)."""

    PASSED = 0
    FAILED = 1
    ERROR = 2
    SKIPPED = 3

    @property
    def failed(self) -> bool:
        return self in (Outcome.FAILED, Outcome.ERROR)


class Order(StrEnum):
    """What the order of the cases in a report means."""

    EXECUTION = "execution"  # one process, in the order in which the tests ran
    COMPLETION = "completion"  # several workers, in the order in which tests ended
    DECLARATION = "declaration"  # as written or sorted by the producer: says nothing about execution
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    STABLE = "stable"
    FLAKY = "flaky"
    BROKEN = "broken"
    FIXED = "fixed"
    NEW = "new"
    INSUFFICIENT = "insufficient"


class Category(StrEnum):
    """The causes of intermittent failure that flakediag tells apart."""

    ORDER = "order-dependence"
    TIMING = "timing"
    PORT = "port-conflict"
    NETWORK = "network"
    RESOURCE = "resource"
    RANDOMNESS = "randomness"
    CLOCK = "clock"
    CONCURRENCY = "concurrency"
    ENVIRONMENT = "environment"
    INFRASTRUCTURE = "infrastructure"
    UNKNOWN = "unknown"


class Boundary(StrEnum):
    """The boundary of the system under test at which a failure showed."""

    VALIDATION = "validation"
    DATABASE = "database"
    AUTHENTICATION = "authentication"
    QUEUE = "queue"
    SERIALISATION = "serialisation"
    HTTP = "http"
    CACHE = "cache"
    FILE_SYSTEM = "file-system"
    EXTERNAL_SERVICE = "external-service"


class FileStatus(StrEnum):
    """What became of one input file."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    PARTIAL = "partial"
    REFUSED = "refused"


# --- what a report says ----------------------------------------------------------------------------------------


class Identity(NamedTuple):
    """The identity of a test: what makes two test cases the same test in different runs.

    `variant` tells apart the same test run in several flavours of one job (a browser, a device); it is empty for
    most producers. `file` is relative to the checkout and empty where the producer does not say.
    """

    classname: str
    name: str
    file: str = ""
    variant: str = ""

    @property
    def id(self) -> str:
        """`classname::name`, or `file::name` where there is no class name."""
        base = f"{self.classname or self.file}::{self.name}"
        return f"{base} [{self.variant}]" if self.variant else base


class FailureDetail(NamedTuple):
    """What a report says of one failed attempt. All four are untrusted text, capped by the reader."""

    type: str
    message: str
    text: str
    output: str = ""

    def whole(self) -> str:
        """Everything that was said, for evidence that may stand anywhere."""
        return "\n".join(part for part in self if part)


class Attempt(NamedTuple):
    """One earlier try of a result that was retried."""

    outcome: Outcome
    duration: float | None
    failure: FailureDetail | None


class CaseResult(NamedTuple):
    """One test in one run, in its final state, with the attempts before the last one in `earlier`.

    `duration` is in seconds, None where the report does not say. `failure` belongs to the last attempt.
    """

    test: Identity
    outcome: Outcome
    duration: float | None = None
    failure: FailureDetail | None = None
    earlier: tuple[Attempt, ...] = ()

    @property
    def attempts(self) -> int:
        return len(self.earlier) + 1


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
class RunReport:
    """A run as read from its report files, ready to be stored. `results` stand in file order, retries joined."""

    run: Run
    results: tuple[CaseResult, ...]
    files: tuple[InputFile, ...]
    notes: tuple[str, ...] = ()  # how identity, order and retries were decided, for people


# --- what the analysis concludes -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rate:
    """A fraction with its 95 % interval: `count` of `of`. `value` is the plain quotient, 0.0 where `of` is 0."""

    count: int
    of: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Partner:
    """The other party of a failure.

    `id` is a test's id, the id of a class, module or package (kind "group"), or who else uses a port
    (kind "service", "run" or "process").
    `role` is polluter, state-setter or cleaner (order dependence), or port-user.
    """

    id: str
    kind: str
    role: str
    probability: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason to believe in a cause.

    `kind` names the file of `analysis/evidence/` that it comes from (with a suffix where one file has several).
    `weight` is in nats of log-odds for `category` against the rest: positive speaks for it, negative against.
    `summary` is one sentence for people, without trailing full stop; `data` is what it rests on (JSON-able).
    """

    kind: str
    category: Category
    weight: float
    summary: str
    data: Mapping[str, Any] = field(default_factory=dict)
    partners: tuple[Partner, ...] = ()
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    category: Category
    probability: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The probable cause of one signature of one test, or of the test as a whole.

    `alternatives` are the other causes, most probable first. `settle` says what would decide, where it is open.
    """

    category: Category
    probability: float
    alternatives: tuple[Alternative, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    partners: tuple[Partner, ...] = ()
    ports: tuple[int, ...] = ()
    settle: str | None = None


@dataclass(frozen=True, slots=True)
class Artefact:
    """Something lifted out of a failure that helps to find the place: an SQLSTATE, a request id, a status line."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class SignatureFinding:
    """One way in which a test fails, and why. `example` is the latest failure with it."""

    text: str
    failures: int
    diagnosis: Diagnosis
    first_seen: datetime
    last_seen: datetime
    boundary: Boundary | None = None
    artefacts: tuple[Artefact, ...] = ()
    example: FailureDetail | None = None


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
class Impact:
    """What a test costs: runs that it turned red, minutes lost on them, and the ranking score (docs/ranking.md)."""

    red_runs: int
    minutes: float
    score: float


@dataclass(frozen=True, slots=True)
class TimelineEntry:
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
    fix: Fix | None = None
    first_seen: datetime | None = None
    last_failed: datetime | None = None
    since_commit: str | None = None  # broken or fixed since
    timeline: tuple[TimelineEntry, ...] = ()

    @property
    def id(self) -> str:
        return self.test.id


@dataclass(frozen=True, slots=True)
class Cluster:
    """Flaky tests that are one problem with one fix. `tests` are ids, most failures first."""

    id: int
    tests: tuple[str, ...]
    category: Category
    summary: str


@dataclass(frozen=True, slots=True)
class Outage:
    """A run in which a large share of the tests failed together; it counts for nobody's flakiness."""

    run: Run
    failed: int
    executed: int


@dataclass(frozen=True, slots=True)
class HistorySummary:
    """What the window holds."""

    runs: int
    tests: int
    results: int
    first_run: datetime | None
    last_run: datetime | None


@dataclass(frozen=True, slots=True)
class SuiteRates:
    """The three figures that `gate` can look at."""

    flaky_tests: Rate
    flaky_runs: Rate
    flaky_executions: Rate


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
    outages: tuple[Outage, ...] = ()
    notes: tuple[str, ...] = ()  # what the reader should know: orders that never varied, parallel runs, …
    hidden: int = 0  # findings cut by --limit


# --- the gate --------------------------------------------------------------------------------------------------


class Metric(StrEnum):
    TESTS = "tests"
    RUNS = "runs"
    EXECUTIONS = "executions"


class GateStatus(StrEnum):
    PASSED = "passed"
    TRIPPED = "tripped"
    NOT_ENOUGH_EVIDENCE = "not-enough-evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """`offenders` are the flaky tests that count, worst first; `reason` is one sentence."""

    status: GateStatus
    metric: Metric
    threshold: float
    rate: Rate
    runs: int
    min_runs: int
    reason: str
    offenders: tuple[Finding, ...] = ()
    baseline: str | None = None


# --- what ingest did -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What became of one path that was named, or found in a folder or archive."""

    path: str
    status: FileStatus
    reason: str | None = None
    producer: str | None = None
    run: int | None = None
    cases: int = 0
    results: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    order: Order = Order.UNKNOWN
    parallelism: float | None = None


@dataclass(frozen=True, slots=True)
class IngestSummary:
    files: tuple[FileReport, ...]
    runs: int
    results: int
    failures: int
    new_flaky: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what the caller should know, one sentence each


# --- what is asked ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which part of a history a question looks at.

    `branch` None means the main branch where the history has one, else the runs of every branch; `all_branches` asks
    for every branch outright. `since` is a moment; without it the last `days` days before the newest run count, at
    most the last `max_runs` runs. `experiments` includes runs recorded by `confirm`.
    """

    project: str | None = None  # None: the only one that there is
    branch: str | None = None
    all_branches: bool = False
    since: datetime | None = None
    days: int = 90
    max_runs: int = 500
    experiments: bool = False
