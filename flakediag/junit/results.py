"""A document as results: which test each case is, what were its attempts, in which order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat

from flakediag.junit.attempts import NOTHING_JOINED, Joined
from flakediag.junit.dialects import PARALLEL, Dialect, Load, Place, by_pytest, recognised, suite_path
from flakediag.junit.document import Cases, Document
from flakediag.junit.identity import relative_file, without_noise
from flakediag.junit.numbers import moment
from flakediag.junit.settings import ReadSettings
from flakediag.junit.targets import Part, part_of
from flakediag.model import Attempt, CaseResult, Identity, InputFile, Order, Results, Told

_new = tuple.__new__  # a NamedTuple without the detour through its keyword arguments


@dataclass(slots=True)
class Reading:
    """One report file, understood. `began` is the earliest moment it names, `assumed` whether its zone was assumed.

    `sign` is what gave the producer away, `written` what `RunReport.written` says.
    """

    document: Document
    dialect: Dialect
    sign: str
    results: Results
    file: InputFile
    began: datetime | None
    assumed: bool
    load: Load
    order: Order
    notes: list[str] = field(default_factory=list)
    written: dict[Identity, str] = field(default_factory=dict)
    part: Part | None = None  # where it stands in Bazel's test logs
    modified: float | None = None  # when the file was last written, in seconds


def understand(document: Document, settings: ReadSettings, dialect: Dialect | None = None) -> Reading:
    """Decide what a document means, in the dialect of its format or else of its producer. Its cases are used up."""
    dialect, sign = (dialect, dialect.sign) if dialect is not None else recognised(document)
    notes = list(document.notes)
    load = dialect.load(document)
    order = _order(document, dialect, load, notes)
    began, assumed = _began(document)
    if assumed:
        notes.append("its timestamps name no zone and were read as UTC")
    cases = len(document.cases)
    written: dict[Identity, str] = {}
    results = _results(document, dialect, settings, notes, written)
    file = InputFile(
        path=document.path,
        digest=document.digest,
        cases=cases,
        results=len(results),
        failures=document.failures,
        errors=document.errors,
        skipped=document.skipped,
        partial=document.partial,
    )
    if dialect.remark:
        notes.append(dialect.remark)
    return Reading(
        document, dialect, sign, results, file, began, assumed, load, order, notes, written, part_of(document.path)
    )


def _order(document: Document, dialect: Dialect, load: Load, notes: list[str]) -> Order:
    if document.order is not None:
        return document.order
    if "xdist" in document.signs:
        notes.append("failures name a pytest-xdist worker: the order is that of completion")
        return dialect.order_parallel
    parallelism = load.parallelism
    if parallelism is not None and parallelism > PARALLEL:
        if dialect.order is not dialect.order_parallel:
            notes.append(f"the tests took {parallelism:.1f} times as long as the run: several workers ran them")
        return dialect.order_parallel
    return dialect.order


def _began(document: Document) -> tuple[datetime | None, bool]:
    """The earliest moment in a document, and whether its zone was assumed."""
    texts = [suite.attributes["timestamp"] for suite in document.suites if "timestamp" in suite.attributes]
    moments = [found for found in map(moment, texts or document.timestamps) if found[0] is not None]
    if not moments:
        return None, False
    return min(moments, key=lambda found: found[0] or datetime.max)


def _results(
    document: Document, dialect: Dialect, settings: ReadSettings, notes: list[str], written: dict[Identity, str]
) -> Results:
    tests, masked = _identities(document, dialect, settings)
    cases = document.cases
    joined = NOTHING_JOINED
    if len(set(tests)) < len(tests):
        joined = dialect.join(document)
        if joined.note:
            notes.append(joined.note)
        tests = _told_apart(document, dialect, tests, joined.absorbed, notes)
    for index in masked:
        classname, name = cases.classnames[index], cases.names[index]
        written.setdefault(tests[index], f"{classname}::{name}" if classname else name)
    results = _columns(document, dialect, tests, joined)
    document.cases = Cases()  # used up
    return results


def _columns(document: Document, dialect: Dialect, tests: list[Identity], joined: Joined) -> Results:
    """The cases as results, those joined put together."""
    cases = document.cases
    outcomes = bytearray(len(cases))  # passed, all of them
    durations = cases.durations
    told: dict[int, Told] = {}

    def tell(place: int, attempts: Sequence[Attempt]) -> None:
        *earlier, last = attempts
        outcomes[place], durations[place] = last.outcome, last.duration
        if last.failure is not None or earlier:
            told[place] = Told(last.failure, tuple(earlier))

    for place in cases.details:  # of what is left there is nothing to work out
        tell(place, dialect.attempts(cases[place]))
    for place, attempts in joined.attempts.items():
        told.pop(place, None)
        tell(place, attempts)
    results = Results(tests, bytes(outcomes), durations, told)
    if not joined.absorbed:
        return results
    return Results.of(result for place, result in enumerate(results) if place not in joined.absorbed)


def result_of(test: Identity, tries: list[Attempt]) -> CaseResult:
    last = tries[-1]
    return CaseResult(test, last.outcome, last.duration, last.failure, tuple(tries[:-1]))


def _identities(document: Document, dialect: Dialect, settings: ReadSettings) -> tuple[list[Identity], Sequence[int]]:
    """Which test each case is, and the indexes of the cases that have parts of their names masked."""
    cases = document.cases
    raw = cases.names
    names = without_noise(raw)
    written = list(set(cases.classnames))
    quiet = without_noise(written)
    classnames: Sequence[str] = cases.classnames
    if quiet is not written:
        masks = dict(zip(written, quiet, strict=True))
        classnames = [masks[classname] for classname in classnames]
    masked: Sequence[int] = ()
    if names is not raw or quiet is not written:
        pairs = zip(names, raw, classnames, cases.classnames, strict=True)
        masked = [place for place, (name, was, classname, had) in enumerate(pairs) if name != was or classname != had]
    if dialect.identity is by_pytest:  # by far the most frequent, and worth being quick about
        if all(classnames):
            return list(map(_new, repeat(Identity), zip(classnames, names, repeat(""), repeat("")))), masked
        return [
            Identity(classname, name) if classname else Identity(name, "")
            for classname, name in zip(classnames, names, strict=True)
        ], masked
    files = {file: relative_file(file, settings.checkout) for file in set(cases.files)}
    identity, checkout = dialect.identity, settings.checkout
    columns = zip(classnames, names, map(files.__getitem__, cases.files), cases.suites, strict=True)
    return [identity(Place(*place, document, checkout)) for place in columns], masked


def _told_apart(
    document: Document, dialect: Dialect, tests: list[Identity], absorbed: set[int], notes: list[str]
) -> list[Identity]:
    """Give tests that would be the same one a variant each, unless they are runs of one test.

    By the suite they stand in, where that tells all of them apart; otherwise by their place among themselves.
    """
    groups: dict[Identity, list[int]] = defaultdict(list)
    for index, test in enumerate(tests):
        if index not in absorbed:
            groups[test].append(index)
    tests = list(tests)
    runs = titles = merged = 0
    for test, group in groups.items():
        if len(group) < 2:
            continue
        written = Counter((document.cases.classnames[index], document.cases.names[index]) for index in group)
        if dialect.repeats_are_runs and len(written) < len(group):
            runs += len(group) - len(written)
        if dialect.repeats_are_runs and len(written) == 1:
            continue
        if len(written) == 1:
            titles += len(group)
        else:
            merged += len(group)
        suites = [suite_path(_place(document, index)) for index in group]
        by_suite = len(set(suites)) == len(group) and all(suites)
        for number, (index, suite) in enumerate(zip(group, suites, strict=True), start=1):
            mark = suite if by_suite else str(number) if number > 1 else ""
            tests[index] = test._replace(variant=" ".join(part for part in (test.variant, mark) if part))
    if runs:
        notes.append(f"{runs} test cases repeat another one: they are kept as further runs of the same test")
    if titles:
        notes.append(f"{titles} test cases share their name with another: told apart by suite, or by their place")
    if merged:
        notes.append(f"{merged} test cases differ only in volatile parts of their names: told apart by their place")
    return tests


def _place(document: Document, index: int) -> Place:
    case = document.cases[index]
    return Place(case.classname, case.name, case.file, case.suite, document)
