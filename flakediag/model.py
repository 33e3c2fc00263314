"""The words that the parts of flakediag share: plain, immutable data with no behaviour beyond naming things.

Shapes follow the flow: what a report file says (`CaseResult`, `RunReport`), what a run is (`Run`), what the analysis
concludes (`Evidence`, `Diagnosis`, `Finding`, …, `Report`), and what the gate decides (`GateDecision`).
Times are seconds, moments are timezone-aware UTC datetimes, rates are fractions between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
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
    PASSED_OVER = "passed-over"  # no test report, and nobody named it


class Redaction(StrEnum):
    """Where secrets are masked before a report is stored."""

    ALL = "all"  # whatever a failure says, the run's properties and its URL
    OUTPUT = "output"  # captured output only
    OFF = "off"


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
    `earlier`: it did so in the run before, on the same host.
    """

    id: str
    kind: str
    role: str
    probability: float
    earlier: bool = False


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
class Gap:
    """Evidence that a diagnosis lacks.

    `kind` is an entry of the catalogue of ways to get it (`remedies/catalogue/settle.toml`); `summary` says in one
    sentence what is missing and how much of it would decide; `how` is the command or setting of the framework in use,
    None where none is known.
    """

    kind: str
    summary: str
    how: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The probable cause of one signature of one test, or of the test as a whole.

    `alternatives` are the other causes, most probable first. `settle` says what would decide, where it is open;
    `missing` lists all evidence that would help then, what tells most first.
    """

    category: Category
    probability: float
    alternatives: tuple[Alternative, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    partners: tuple[Partner, ...] = ()
    ports: tuple[int, ...] = ()
    settle: str | None = None
    missing: tuple[Gap, ...] = ()


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
class Savings:
    """What one fix would save by itself.

    `red_runs` are the runs that were red for this reason only and would be green; `minutes` are those lost on it in
    all, with the time of attempts that were repeated.
    """

    red_runs: int
    minutes: float


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


@dataclass(frozen=True, slots=True)
class Cluster:
    """Flaky tests that are one problem with one fix. `tests` are ids, most failures first."""

    id: int
    tests: tuple[str, ...]
    category: Category
    summary: str
    saves: Savings = Savings(0, 0.0)


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


@dataclass(frozen=True, slots=True)
class RunPoint:
    """One run of the window in numbers of tests: that ran, that failed in some attempt, and of these the flaky ones."""

    run: Run
    executed: int
    failed: int
    flaky: int
    outage: bool


@dataclass(frozen=True, slots=True)
class RatePoint:
    """The flaky rates of a stretch of neighbouring runs, `first` and `last` included (places in `Series.runs`).

    Outages are left out of `runs` and of the rates. `rates.flaky_tests` counts the flaky tests that failed in the
    stretch, of the tests that ran in it.
    """

    first: int
    last: int
    runs: int
    rates: SuiteRates


@dataclass(frozen=True, slots=True)
class RanBefore:
    """How another test stood to a flaky one in the runs whose order is known.

    `role` is its role as a partner, None for a test that only often ran directly before. `failing` and `passing` are
    (runs in which it ran before the flaky test, runs in which both ran). `gaps` has one entry per shown run: how many
    places before the flaky test it ran (negative: after it), None where it did not run.
    """

    id: str
    role: str | None
    failing: tuple[int, int]
    passing: tuple[int, int]
    gaps: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class OrderSample:
    """Who ran before a flaky test. `runs` are places in `Series.runs`: the latest failing ones, then passing ones."""

    runs: tuple[int, ...]
    failing: int  # how many of `runs`
    others: tuple[RanBefore, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """What pictures are drawn from. `runs` is the whole window, oldest first; `orders` is by the id of a flaky test."""

    runs: tuple[RunPoint, ...]
    rates: tuple[RatePoint, ...]
    orders: Mapping[str, OrderSample]


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
    fixes: tuple[FixStep, ...] = ()  # what to mend first, and what it brings
    outages: tuple[Outage, ...] = ()
    notes: tuple[str, ...] = ()  # what the reader should know: orders that never varied, parallel runs, …
    hidden: int = 0  # findings cut by --limit
    series: Series | None = None  # only where a format asks for it


@dataclass(frozen=True, slots=True)
class FailedProject:
    """A project that could not be reported, and why, in one sentence. `bug`: it is flakediag's fault."""

    project: str
    reason: str
    bug: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The reports of all projects of a history, by name; timelines and examples of failures are left out."""

    generated_at: datetime
    reports: tuple[Report, ...]
    failed: tuple[FailedProject, ...] = ()


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


# --- one run's failures, judged ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEntry:
    """A decision of people: until a day, this failure does not block.

    `signature` is the way of failing that is excused, None for every way. `expires` is the last day on which it is.
    """

    test: str
    signature: str | None
    reason: str
    owner: str | None = None
    ticket: str | None = None
    added: date
    expires: date


class QuarantineState(StrEnum):
    """How the failure behind an entry stands in the history."""

    FLAKY = "still-flaky"
    RECOVERED = "recovered"  # clean for longer than its own rate would let it be
    UNSEEN = "not-seen"  # the test did not run, or did not fail like this, in the window


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineStanding:
    """An entry and how it stands: whether its last day has passed, and what the history says, in one sentence.

    `days_left` counts today as 0 on the last day and is negative afterwards. `needed` is how many clean runs since the
    last failure would show that it recovered, None where it never failed in the window.
    """

    entry: QuarantineEntry
    days_left: int
    state: QuarantineState
    reason: str
    runs: int = 0
    failures: int = 0
    clean: int = 0
    needed: int | None = None

    @property
    def expired(self) -> bool:
        return self.days_left < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSelection:
    """The quarantined tests in the words of one runner.

    `without` are the arguments that leave them out, `only` those that run nothing else; empty where there is nothing to
    say. `main` and `quarantined` are the commands, with `{}` for the arguments. `file` is the name and content of a
    file that the arguments name. `left_out` are ids that cannot be chosen by name, with the reason; `also` are tests
    that are not quarantined and go along, because the runner cannot tell them apart.
    """

    runner: str
    main: str
    quarantined: str = ""
    without: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    file: tuple[str, str] | None = None
    tests: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    also: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class FailureStatus(StrEnum):
    """What a failure of the run at hand is, from what the history knew before that run."""

    KNOWN_FLAKE = "known-flake"
    QUARANTINED = "quarantined"
    NEW_FAILURE = "new-failure"
    NEW_WAY = "new-way"  # a flaky test, failing as it never did
    TWICE_RUNNING = "twice-running"  # a flaky test that failed in its latest run before as well
    BROKEN_BEFORE = "broken-before"

    @property
    def blocks(self) -> bool:
        return self not in (FailureStatus.KNOWN_FLAKE, FailureStatus.QUARANTINED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFailure:
    """One failure of the run: what it is, and why, in one sentence without trailing full stop.

    `known` is what the history says of the test, None where it is stable or was never seen. `recovered`: a later
    attempt of the same run passed, so that nothing is to be decided.
    """

    test: Identity
    signature: str
    status: FailureStatus
    reason: str
    known: Finding | None = None
    detail: FailureDetail | None = None
    entry: QuarantineEntry | None = None
    recovered: bool = False

    @property
    def blocks(self) -> bool:
        return self.status.blocks and not self.recovered


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRun:
    """One run's failures, those that block first. `runs_before` is how many runs the judgement rests on."""

    run: Run
    executed: int
    failures: tuple[CheckedFailure, ...]
    outage: bool
    runs_before: int

    @property
    def blocks(self) -> bool:
        return any(failure.blocks for failure in self.failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The runs at hand, judged; `refused` are reports that could not be read, wholly or in part."""

    runs: tuple[CheckedRun, ...]
    branch: str | None
    refused: tuple[FileReport, ...] = ()

    @property
    def blocks(self) -> bool:
        return any(run.blocks for run in self.runs)


# --- a policy, replayed over the history ------------------------------------------------------------------------


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
    masked: Mapping[str, int] = field(default_factory=dict)  # secrets that were masked in what was stored, by kind


# --- what is asked ---------------------------------------------------------------------------------------------


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


# --- upkeep of a history -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedSource:
    """What became of one history, or export, that was merged.

    `runs` were added, with so many `results`; `known` were there before; `replaced` stored runs gave way to fuller
    ones; `doubled` share report files with a stored run and could not be told apart from it; `lost` could not be read
    (of a damaged history).
    """

    path: str
    runs: int
    results: int
    known: int
    replaced: int
    doubled: int
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was dropped, or would be. `details` are distinct failure texts (not counted in a dry run); `oldest` is the
    start of the first run that is kept; sizes are in bytes, log included."""

    dry_run: bool
    runs: int
    results: int
    failures: int
    details: int
    kept: int
    oldest: datetime | None
    size_before: int
    size_after: int
    notes: tuple[str, ...] = ()


class CheckupStatus(StrEnum):
    FINE = "fine"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class CheckupFinding:
    """One thing that was looked at. `remedy` is what `doctor --repair` would do, or what else would help."""

    subject: str
    status: CheckupStatus
    said: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """The state of a history file; `findings` are those after the repair, where `repaired` says what was done."""

    path: str
    findings: tuple[CheckupFinding, ...]
    repaired: tuple[str, ...] | None = None
    salvaged: MergedSource | None = None

    @property
    def sound(self) -> bool:
        return all(finding.status is not CheckupStatus.PROBLEM for finding in self.findings)


class RenameKind(StrEnum):
    """What two names have in common."""

    NAME = "same name, other class or file"
    CLASS = "same class, like name"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameProposal:
    """A test that vanished and a look-alike that appeared at one commit (None where the run has none).

    `similarity` is between 0 and 1. `last` and `first` are the starts of the last run with the old name and of the
    first with the new one.
    """

    old: Identity
    new: Identity
    kind: RenameKind
    similarity: float
    commit: str | None
    last: datetime
    first: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """Tests under their old and new names. `joined`: the new one was known too, and both histories are one now."""

    pairs: tuple[tuple[Identity, Identity], ...]
    joined: int
    dry_run: bool
