"""The verbs that run experiments: what to try next, trying it, and the certificate after a fix.

They stand beside `service`, and know neither click nor rich. Nothing here runs a test that it was not asked to run:
what would run can be had first (`Plan`), and `allow` is asked before the first command.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import gettempdir
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flakediag import service
from flakediag.analysis.belief import Claim, Trial
from flakediag.analysis.evidence.fisher import hypergeometric_tail
from flakediag.analysis.order.explain import shuffles_needed
from flakediag.analysis.outage import outages
from flakediag.analysis.plan import LIKELY, Question, Search, Standing
from flakediag.analysis.rates import clean_runs_needed
from flakediag.analysis.signature import signature_of
from flakediag.analysis.subjects import subjects_of
from flakediag.analysis.window import Subject, Window
from flakediag.ci import from_environ
from flakediag.confirm import carry, load, ports
from flakediag.confirm.runners import SHUFFLED, Runner, find
from flakediag.errors import UsageError
from flakediag.history import History
from flakediag.model import CaseResult, Category, Finding, Identity, Run, Scope, Verdict

RECENT = 10  # a test that none of so many last runs had is taken to be gone
ROWS = 80  # recorded runs that are taken into account, the latest
NEAR = 2.0  # nats: how much likelier a writer of the test's own class is than one far away
NAMED = 0.5  # the part of the prior that goes to the partners that the diagnosis names
DOUBT = 0.01  # a contrast that chance gives less often than this is no chance
LEAST = 5  # repetitions on either side before a contrast is judged


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


@dataclass
class Bench:
    """Everything that the experiments on one test share."""

    db: Path
    finding: Finding
    run: Run  # the latest one that had the test: whose project, commit and branch the experiments are kept under
    tests: tuple[Identity, ...]  # the others, in their usual order
    search: Search
    known: frozenset[str]  # all signatures with which it failed so far
    signatures: frozenset[str] | None  # those that count as the failure; None: any
    runner: Runner
    setup: Setup
    varied: bool  # the recorded orders differ
    clock: Callable[[], float] = time.monotonic
    began: float = 0.0
    tried: list[Tried] = field(default_factory=list)
    executions: int = 0

    @property
    def test(self) -> Identity:
        return self.finding.test

    def names(self, before: Sequence[int]) -> list[Identity]:
        return [self.tests[number] for number in before]

    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.setup.minutes * 60 - (self.clock() - self.began)

    def spent(self) -> bool:
        return len(self.tried) >= self.setup.runs or self.left() <= 0


def bench(db: Path, test: str, scope: Scope, setup: Setup, *, now: datetime) -> Bench:
    """Find the test and what is known of it. Raises `UsageError` where it, or a way to run it, cannot be found."""
    finding = service.show(db, test, scope, now=now)
    with History.open(db, "read") as history:
        window = history.window(service.resolve(history, scope))
    return _bench(db, finding, window, setup, _runner(finding.framework, setup))


def _runner(framework: str, setup: Setup) -> Runner:
    environ = dict(setup.environ)
    return find(framework, setup.folder, command=setup.command, program=setup.program, environ=environ)


def _bench(db: Path, finding: Finding, window: Window, setup: Setup, runner: Runner) -> Bench:
    target = window.tests.index(finding.test)
    mine = np.flatnonzero(window.executed[:, target])
    run = window.runs[int(mine[-1])]
    places = _others(window, target)
    here = runner.known([finding.test, *(window.tests[t] for t in places)])
    if not here[0]:
        raise UsageError(
            f"{runner.name} does not know {finding.id} in {setup.folder}",
            "run this in the project's folder, at a commit that has the test",
        )
    places = [t for t, there in zip(places, here[1:], strict=True) if there]
    subject = _subject(window, target)
    known = frozenset(failure.signature for failure in window.failures if failure.test == target)
    question, varied = _question(window, target, places, subject, finding)
    search = Search(question, everything=setup.everything)
    return Bench(
        db=db,
        finding=finding,
        run=run,
        tests=tuple(window.tests[t] for t in places),
        search=search,
        known=known,
        signatures=None if subject is None else _accepted(known, subject),
        runner=runner,
        setup=setup,
        varied=varied,
    )


def _others(window: Window, target: int) -> list[int]:
    """The tests that lately ran in the same runs, in the order of the latest such run; the others of them first."""
    runs = np.flatnonzero(window.executed[:, target])[-RECENT:]
    seen: dict[int, None] = {}
    for r in runs[::-1]:
        row = window.positions[r]
        for t in np.argsort(row, kind="stable"):
            if row[t] >= 0 and window.executed[r, t] and int(t) != target:
                seen.setdefault(int(t))
    return list(seen)


def _subject(window: Window, target: int) -> Subject | None:
    found = subjects_of(window, [target], ~outages(window))
    return max(found, key=lambda s: int((s.failed == 1).sum()), default=None)


def _accepted(known: frozenset[str], subject: Subject) -> frozenset[str] | None:
    """The signatures of the failure that is looked into; None where the test fails in one way only."""
    own = frozenset(failure.signature for failure in subject.failures)
    return None if own == known else own


def _question(
    window: Window, target: int, places: Sequence[int], subject: Subject | None, finding: Finding
) -> tuple[Question, bool]:
    number = {t: n for n, t in enumerate(places)}
    history: list[Trial] = []
    if subject is not None:
        says = (subject.failed >= 0) & window.serial & window.executed[:, target]
        for r in np.flatnonzero(says)[-ROWS:]:
            row = np.where(window.executed[r], window.positions[r], -1)
            earlier = np.flatnonzero((row >= 0) & (row < row[target]))
            ran = earlier[np.argsort(row[earlier], kind="stable")]
            history.append(
                Trial(tuple(number[int(t)] for t in ran if int(t) in number), bool(subject.failed[r]), experiment=False)
            )
    varied = len({trial.before for trial in history}) > 1
    with np.errstate(all="ignore"):
        seconds = np.nan_to_num(np.nanmedian(window.durations[-ROWS:], axis=0)) if len(window.runs) else np.zeros(0)
    question = Question(
        prior=_prior(window, target, places, finding),
        seconds=seconds[list(places)].astype(np.float64),
        history=tuple(history),
        order=min(0.8, max(0.3, _order_odds(finding))),
        usual=tuple(range(len(places))),
    )
    return question, varied


def _order_odds(finding: Finding) -> float:
    if finding.cause is None:
        return 0.5
    odds = {finding.cause.category: finding.cause.probability}
    odds |= {a.category: a.probability for a in finding.cause.alternatives}
    return odds.get(Category.ORDER, 0.0)


def _prior(window: Window, target: int, places: Sequence[int], finding: Finding) -> NDArray[np.float64]:
    """Nearness of names, and the partners that the diagnosis names: a group's share is its members' together."""
    if not places:
        return np.zeros(0)
    weight = np.exp([NEAR * _nearness(window.tests[target], window.tests[t]) for t in places])
    prior = weight / weight.sum()
    named = np.zeros(len(places))
    for partner in finding.cause.partners if finding.cause else ():
        for n, t in enumerate(places):
            id = window.tests[t].id
            if id == partner.id or (partner.kind == "group" and id.startswith(partner.id)):
                named[n] += partner.probability
    if named.sum() > 0:
        prior = (1 - NAMED) * prior + NAMED * named / named.sum()
    return np.asarray(prior / prior.sum(), dtype=np.float64)


def _nearness(test: Identity, other: Identity) -> float:
    """The share of the test's own packages, modules and classes that the other one is in too, from the outermost on."""
    own, their = (re.split(r"[./$]", one.classname or one.file) for one in (test, other))
    shared = next((n for n, pair in enumerate(zip(own, their, strict=False)) if pair[0] != pair[1]), None)
    return (min(len(own), len(their)) if shared is None else shared) / len(own)


# --- what would be tried -----------------------------------------------------------------------------------------


def plan(db: Path, test: str, scope: Scope, setup: Setup, *, now: datetime) -> Plan:
    """The next runs that would tell most about one test, as commands. Runs none of its tests; pytest is asked to list
    them."""
    return plan_of(bench(db, test, scope, setup, now=now))


def plans(db: Path, scope: Scope, setup: Setup, *, now: datetime, limit: int = 10) -> tuple[Plan, ...]:
    """The same for the flaky tests of the report, worst first, whose order, timing or port is in question."""
    report = service.report(db, scope, now=now)
    with History.open(db, "read") as history:
        window = history.window(service.resolve(history, scope))
    found, runners = [], dict[str, Runner]()
    for finding in [f for f in report.tests if f.verdict is Verdict.FLAKY][: limit or None]:
        try:
            if finding.framework not in runners:
                runners[finding.framework] = _runner(finding.framework, setup)
            found.append(plan_of(_bench(db, finding, window, setup, runners[finding.framework])))
        except UsageError:
            continue  # a framework that nobody here can run, or a test that is gone
    if not found and report.tests:
        raise UsageError(
            "none of the flaky tests can be run here by a runner that flakediag knows",
            "run this in the project's folder; or say how to run them: --command 'program {tests} --junit {junit}'",
        )
    return tuple(found)


def way_of(bench: Bench) -> Way:
    """What to try: what was asked for, else what the diagnosis names, else the order."""
    if bench.setup.way is not None:
        return bench.setup.way
    cause = bench.finding.cause
    if cause is not None and cause.category is Category.PORT and (cause.ports or bench.setup.port):
        return Way.PORT
    if cause is not None and cause.category in (Category.TIMING, Category.CONCURRENCY):
        return Way.TIMING
    return Way.ORDER


def plan_of(bench: Bench) -> Plan:
    way = way_of(bench)
    if way is not Way.ORDER:
        conditions = [what for what, _ in _conditions(bench, way)]
        command = _command(bench, ())
        return Plan(
            test=bench.finding.id,
            way=way,
            leading=(),
            first=Step(what=conditions[0], command=command),
            then=(("then in turn", Step(what=conditions[1], command=command)),),
            expected=2 * LEAST,
        )
    search = bench.search
    first = search.propose()
    then = []
    for failed, word in ((True, "if it fails"), (False, "if it passes")):
        if first is not None:
            after = replace(search, trials=[*search.trials, Trial(first.before, failed)])
            second = after.propose()
            if second is not None:
                then.append((word, _step(bench, second.before, second.fails)))
    return Plan(
        test=bench.finding.id,
        way=way,
        leading=_leading(bench, 4),
        first=None if first is None else _step(bench, first.before, first.fails),
        then=tuple(then),
        expected=search.expected_runs(),
        limits=bench.runner.limits,
        shuffled=None if bench.varied else SHUFFLED.get(bench.finding.framework),
        shuffled_runs=0 if bench.varied else shuffles_needed(max(2, len(bench.tests))),
        standing=search.standing.value,
    )


def _step(bench: Bench, before: Sequence[int], fails: float | None) -> Step:
    return Step(what=_what(bench, before), command=_command(bench, before), fails=fails)


def _command(bench: Bench, before: Sequence[int]) -> tuple[str, ...]:
    names = bench.names(before)
    arranged = bench.runner.arranged(names, bench.test)
    return bench.runner.call([*(names if arranged is None else arranged), bench.test], Path(gettempdir())).argv


def _shortest(bench: Bench, before: Sequence[int]) -> tuple[str, ...]:
    """The command for people: without the report that only flakediag asks for."""
    return tuple(word for word in _command(bench, before) if not word.startswith("--junitxml="))


def _what(bench: Bench, before: Sequence[int]) -> str:
    names = bench.names(before)
    if not names:
        return "the test alone"
    if len(names) <= 3:
        return f"the test after {', '.join(t.id for t in names)}"
    return f"the test after {len(names)} others"


def _leading(bench: Bench, count: int) -> tuple[Explanation, ...]:
    belief = bench.search.belief
    found = [Explanation(_claim_words(bench, claim), share) for claim, share in belief.leading(count)]
    found.append(Explanation("the order does not matter", belief.chance))
    return tuple(sorted(found, key=lambda e: -e.probability)[:count])


def _claim_words(bench: Bench, claim: Claim) -> str:
    def words(terms: Sequence[Sequence[int]]) -> str:
        return " or ".join(" and ".join(bench.tests[t].id for t in term) for term in terms)

    if claim.starts_bad:
        text = f"it needs {words(claim.good)} to run before it" if claim.good else "it fails alone"
        return f"{text}, and {words(claim.bad)} undoes that" if claim.bad else text
    together = " together" if any(len(term) > 1 for term in claim.bad) else ""
    text = f"{words(claim.bad)}{together} pollutes it" if claim.bad else "nothing pollutes it"
    return f"{text}, unless {words(claim.good)} runs in between" if claim.good else text


# --- trying it -----------------------------------------------------------------------------------------------------


def confirm(db: Path, test: str, scope: Scope, setup: Setup, observer: Observer, *, now: datetime) -> Outcome:
    """Run experiments on one test until one explanation holds, or the budget is spent, or somebody interrupts.

    Every run is kept as an experiment, apart from the recorded runs. ^C ends what runs and keeps what was learnt.
    """
    found = bench(db, test, scope, setup, now=now)
    way = way_of(found)
    if way is Way.PORT:
        _port_of(found)
    if not observer.allow(plan_of(found)):
        return _outcome(found, way.value, "open", "nothing was run", None)
    found.began = found.clock()
    if way is Way.ORDER:
        return _search(found, observer)
    return _contrast(found, way, observer)


def _search(bench: Bench, observer: Observer) -> Outcome:
    search, silent, interrupted = bench.search, 0, False
    try:
        while silent < 3 and not bench.spent():
            experiment = search.propose()
            if experiment is None:
                break
            before = experiment.before
            arranged = bench.runner.arranged(bench.names(before), bench.test)
            if arranged is None:
                search.refuse(before)
                continue
            carried = _carry_out(bench, arranged, _what(bench, before), Way.ORDER.value, observer)
            failed, problem = _told(bench, carried)
            if failed is not None and carried.before is None:
                failed, problem = None, "its report does not tell in which order the tests ran"
            if failed is None:
                silent += 1
                search.refuse(before)
            else:
                silent = 0
                number = {test: n for n, test in enumerate(bench.tests)}
                ran = tuple(number[t] for t in carried.before or () if t in number)
                if ran != before:
                    search.refuse(before)
                search.learn(Trial(ran, failed))
            _note(bench, _what(bench, before), carried, failed, problem, observer)
    except KeyboardInterrupt:
        interrupted = True
    standing = "interrupted" if interrupted else search.standing.value
    if standing == "open" and not bench.spent():
        standing = "stuck"
    return _order_outcome(bench, standing)


def _order_outcome(bench: Bench, standing: str) -> Outcome:
    search = bench.search
    claim, probability = search.claim, search.probability
    failures = sum(trial.failed for trial in search.trials)
    if claim is None:
        conclusion = (
            f"{'not order-dependent' if standing == Standing.CHANCE.value else 'probably not order-dependent'}: "
            f"it failed in {failures} of {len(search.trials)} experiments, whatever ran before it"
        )
        if not search.trials:
            conclusion = "nothing was learnt"
        return _outcome(bench, Way.ORDER.value, standing, conclusion, probability)
    main = ("state-setter", "polluter") if claim.starts_bad else ("polluter", "cleaner")
    parties = [(bench.tests[t].id, main[0]) for term in claim.main for t in term]
    parties += [(bench.tests[t].id, main[1]) for term in claim.others for t in term]
    shortest = () if claim.starts_bad else claim.bad[0]
    sure = standing == Standing.CONFIRMED.value
    if probability < LIKELY:
        words = f"nothing stands out so far; likeliest, of many: {_claim_words(bench, claim)}"
        return _outcome(bench, Way.ORDER.value, standing, words, probability)
    more = "" if search.everything or not sure else "; --all would look for further ones"
    return _outcome(
        bench,
        Way.ORDER.value,
        standing,
        f"{'' if sure else 'so far: '}{_claim_words(bench, claim)}{more}",
        probability,
        reproduce=_shortest(bench, shortest),
        parties=tuple(parties),
    )


def _contrast(bench: Bench, way: Way, observer: Observer) -> Outcome:
    """The test alone, in turn with and without what is suspected."""
    conditions = _conditions(bench, way)
    counts = {what: [0, 0] for what, _ in conditions}  # failures, runs
    silent, interrupted, chance, alike = 0, False, 1.0, 0
    hot, cold = (what for what, _ in conditions)
    try:
        while silent < 3 and not bench.spent():
            what, context = conditions[len(bench.tried) % 2]
            with context():
                carried = _carry_out(bench, (), what, what, observer)
            failed, problem = _told(bench, carried)
            silent = silent + 1 if failed is None else 0
            if failed is not None:
                counts[what][0] += failed
                counts[what][1] += 1
                alike += failed and bool(_signatures(carried) & bench.known)
            chance = _by_chance(counts[hot], counts[cold])
            _note(bench, what, carried, failed, problem, observer, Explanation(_contrast_words(counts), 1 - chance))
            if min(counts[hot][1], counts[cold][1]) >= LEAST and chance < DOUBT:
                break
    except KeyboardInterrupt:
        interrupted = True
    sure = min(counts[hot][1], counts[cold][1]) >= LEAST and chance < DOUBT
    standing = "confirmed" if sure else "interrupted" if interrupted else "stuck" if silent else "open"
    says = (
        "" if sure else ", which may be chance" if any(k for k, _ in counts.values()) else ": the failure did not show"
    )
    odds = f" (by chance: {chance:.2g})" if sure else ""
    if sure and 2 * alike <= counts[hot][0]:
        standing, odds = "open", f"{odds}, but with another failure than the recorded one"
    return _outcome(
        bench, way.value, standing, f"failed {_contrast_words(counts)}{odds}{says}", 1 - chance,
        reproduce=_shortest(bench, ()),
    )  # fmt: skip


def _contrast_words(counts: Mapping[str, Sequence[int]]) -> str:
    return " and ".join(f"in {k} of {n} runs {what.removeprefix('alone, ')}" for what, (k, n) in counts.items())


def _by_chance(hot: Sequence[int], cold: Sequence[int]) -> float:
    """Fisher's exact test, one-sided: so many of the failures, or more, on the suspected side."""
    return hypergeometric_tail(hot[0], hot[1] + cold[1], hot[1], hot[0] + cold[0])


def _conditions(bench: Bench, way: Way) -> list[tuple[str, Callable[[], AbstractContextManager[None]]]]:
    """What is suspected, and its opposite."""
    if way is Way.PORT:
        port = _port_of(bench)
        return [
            (f"alone, with port {port} held", lambda: ports.held(port)),
            (f"alone, with port {port} free", nullcontext),
        ]
    busy = min(64, 2 * (os.cpu_count() or 1) + 1)
    return [
        (f"alone, with {busy} busy processes beside it", lambda: load.pressure(busy, max(1.0, bench.left()))),
        ("alone, with nothing beside it", nullcontext),
    ]


def _port_of(bench: Bench) -> int:
    if bench.setup.port is not None:
        return bench.setup.port
    if bench.finding.cause is not None and bench.finding.cause.ports:
        return bench.finding.cause.ports[0]
    raise UsageError(f"no port is known that {bench.finding.id} uses", "name it: --port 8080")


# --- the certificate ---------------------------------------------------------------------------------------------


def certify(db: Path, test: str, scope: Scope, setup: Setup, observer: Observer, *, now: datetime) -> Outcome:
    """Run a test that is said to be fixed as often, without a failure, as its own failure rate demands."""
    found = bench(db, test, scope, setup, now=now)
    rate = found.finding.rate
    if rate.count == 0:
        raise UsageError(f"{found.finding.id} never failed in the history", "there is nothing to be certified")
    needed = clean_runs_needed(max(rate.low, 1e-4))
    before, after = _worst(found)
    step = Step(what=f"the test {after}, {needed} times", command=_command(found, before))
    asked = Plan(test=found.finding.id, way=Way.ORDER, leading=(), first=step, expected=needed)
    if not observer.allow(asked):
        return _outcome(found, "fixed", "open", "nothing was run", None)
    found.began = found.clock()
    clean, failed, interrupted, silent = 0, False, False, 0
    try:
        while clean < needed and not failed and silent < 3 and not found.spent():
            carried = _carry_out(found, found.names(before), f"the test {after}", "fixed", observer)
            result = carried.result
            outcome = None if result is None or result.outcome.name == "SKIPPED" else _failed_once(result)
            silent = silent + 1 if outcome is None else 0
            failed = bool(outcome)
            clean += outcome is False
            limit = _ruled_out(clean)
            leading = Explanation(f"{clean} of {needed} clean runs", 1 - limit)
            _note(found, f"the test {after}", carried, outcome, carried.problem, observer, leading)
    except KeyboardInterrupt:
        interrupted = True
    if failed:
        return _outcome(found, "fixed", "not-fixed", f"not fixed: it failed after {clean} clean runs {after}", None)
    if clean == 0:
        return _outcome(found, "fixed", "interrupted" if interrupted else "stuck", "nothing was learnt", None)
    says = f"{clean} clean runs {after}: with 95 % its failure rate is now below {_percent(_ruled_out(clean))}"
    if clean < needed:
        says += f"; its own rate demands {needed}"
    standing = "fixed" if clean >= needed else "interrupted" if interrupted else "open"
    return _outcome(found, "fixed", standing, says, None)


def _worst(bench: Bench) -> tuple[tuple[int, ...], str]:
    """Where the failure would show if it were still there: after the polluters that the diagnosis names, else alone."""
    cause = bench.finding.cause
    if cause is None or cause.category is not Category.ORDER:
        return (), "alone"
    ids = {test.id: n for n, test in enumerate(bench.tests)}
    named = [p for p in cause.partners if p.role == "polluter" and p.kind == "test" and p.id in ids]
    if not named:
        return (), "alone"
    best = [p for p in named if p.probability >= 0.5 * named[0].probability][:3]
    return tuple(ids[p.id] for p in best), f"after {', '.join(p.id for p in best)}"


def _failed_once(result: CaseResult) -> bool:
    return result.outcome.failed or any(attempt.outcome.failed for attempt in result.earlier)


def _ruled_out(clean: int) -> float:
    """The rate that so many clean runs rule out with 95 %: (1 - p)^n = 0.05."""
    return 1.0 if clean == 0 else 1 - 0.05 ** (1 / clean)


def _percent(rate: float) -> str:
    return f"{100 * rate:.2g} %"


# --- one run -------------------------------------------------------------------------------------------------------


def _carry_out(
    bench: Bench, before: Sequence[Identity], what: str, condition: str, observer: Observer
) -> carry.Carried:
    names = list(before)
    shown = bench.runner.call([*names, bench.test], Path(gettempdir())).argv
    observer.starting(len(bench.tried) + 1, what, shown)
    carried = carry.carry_out(
        bench.runner, names, bench.test, bench.setup.folder,
        environ=bench.setup.environ, now=datetime.now(UTC), timeout=max(1.0, bench.left()),
    )  # fmt: skip
    carried = replace(carried, argv=shown)
    if carried.report is not None:
        bench.executions += sum(result.outcome.name != "SKIPPED" for result in carried.report.results)
        _keep(bench, carried, condition)
    return carried


def _keep(bench: Bench, carried: carry.Carried, condition: str) -> None:
    """Into the history, as an experiment: it counts for no rate."""
    assert carried.report is not None
    said = from_environ(bench.setup.environ)
    run = replace(
        carried.report.run,
        project=bench.run.project,
        branch=bench.run.branch,
        commit=said.commit,
        job="flakediag confirm",
        experiment=True,
        properties={**carried.report.run.properties, ASKED: bench.finding.id[:200], CONDITION: condition[:200]},
    )
    with History.open(bench.db, "write") as history:
        history.add_runs([replace(carried.report, run=run)], signature_of)


def _told(bench: Bench, carried: carry.Carried) -> tuple[bool | None, str]:
    """Whether it failed in the way that is looked into; None with the reason where the run does not tell."""
    result = carried.result
    if result is None:
        return None, carried.problem
    if result.outcome.name == "SKIPPED":
        return None, "it was skipped"
    if not _failed_once(result):
        return False, ""
    seen = _signatures(carried)
    if bench.signatures is None or not seen or seen & bench.signatures:
        return True, ""
    return None, f"it failed in another way: {min(seen)}"


def _signatures(carried: carry.Carried) -> frozenset[str]:
    """Of the failed attempts of the test."""
    if carried.result is None:
        return frozenset()
    details = [a.failure for a in carried.result.earlier] + [carried.result.failure]
    return frozenset(signature_of(detail) for detail in details if detail is not None)


def _note(
    bench: Bench,
    what: str,
    carried: carry.Carried,
    failed: bool | None,
    problem: str,
    observer: Observer,
    leading: Explanation | None = None,
) -> None:
    if leading is None:
        claim, search = bench.search.claim, bench.search
        words = _claim_words(bench, claim) if claim is not None else "the order does not matter"
        leading = Explanation(words, search.probability)
    tried = Tried(
        number=len(bench.tried) + 1,
        what=what,
        command=carried.argv,
        failed=failed,
        seconds=carried.seconds,
        leading=leading,
        remaining=bench.search.expected_runs(),
        problem=problem,
    )
    bench.tried.append(tried)
    observer.ended(tried)


def _outcome(
    bench: Bench,
    way: str,
    standing: str,
    conclusion: str,
    probability: float | None,
    *,
    reproduce: tuple[str, ...] | None = None,
    parties: tuple[tuple[str, str], ...] = (),
) -> Outcome:
    return Outcome(
        test=bench.finding.id,
        way=way,
        standing=standing,
        conclusion=conclusion,
        probability=probability,
        tried=tuple(bench.tried),
        executions=bench.executions,
        reproduce=reproduce,
        parties=parties,
        notes=(bench.runner.limits,) if bench.runner.limits and way == Way.ORDER.value else (),
    )


ASKED = "flakediag.test"  # the properties of a stored experiment: which test it was about, and what was tried
CONDITION = "flakediag.experiment"
