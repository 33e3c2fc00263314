"""A document as results: which test each case is, what were its attempts, in which order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flakediag.junit.attempts import NOTHING_JOINED
from flakediag.junit.dialects import PARALLEL, Dialect, Load, Place, by_pytest, recognised, suite_path
from flakediag.junit.document import Document, RawCase
from flakediag.junit.identity import relative_file, without_noise
from flakediag.junit.numbers import moment
from flakediag.junit.settings import ReadSettings
from flakediag.junit.targets import Part, part_of
from flakediag.model import Attempt, CaseResult, Identity, InputFile, Order, Outcome

_AT_A_TIME = 50_000  # cases that are in memory both as they were written and as results
_USED = RawCase("", "", "", 0, None, None)

_new = tuple.__new__  # a NamedTuple without the detour through its keyword arguments


@dataclass(slots=True)
class Reading:
    """One report file, understood. `began` is the earliest moment it names, `assumed` whether its zone was assumed.

    `sign` is what gave the producer away, `written` what `RunReport.written` says.
    """

    document: Document
    dialect: Dialect
    sign: str
    results: list[CaseResult]
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
) -> list[CaseResult]:
    tests, masked = _identities(document, dialect, settings)
    cases = document.cases
    joined = NOTHING_JOINED
    if len(set(tests)) < len(tests):
        joined = dialect.join(document)
        if joined.note:
            notes.append(joined.note)
        tests = _told_apart(document, dialect, tests, joined.absorbed, notes)
    for index in masked:
        classname, name = cases[index].classname, cases[index].name
        written.setdefault(tests[index], f"{classname}::{name}" if classname else name)
    attempts, absorbed = joined.attempts, joined.absorbed
    passed = Outcome.PASSED
    results: list[CaseResult] = []
    for start in range(0, len(cases), _AT_A_TIME):
        part = cases[start : start + _AT_A_TIME]
        cases[start : start + _AT_A_TIME] = [_USED] * len(part)  # let go of what was written
        results += [
            _new(CaseResult, (test, passed, case[4], None, ()))
            if case[5] is None  # no detail: it passed, and there is nothing to work out
            else result_of(test, dialect.attempts(case))
            for test, case in zip(tests[start : start + _AT_A_TIME], part, strict=True)
        ]
    if attempts:
        for index, tries in attempts.items():
            results[index] = result_of(tests[index], tries)
        results = [result for index, result in enumerate(results) if index not in absorbed]
    cases.clear()
    return results


def result_of(test: Identity, tries: list[Attempt]) -> CaseResult:
    last = tries[-1]
    return CaseResult(test, last.outcome, last.duration, last.failure, tuple(tries[:-1]))


def _identities(document: Document, dialect: Dialect, settings: ReadSettings) -> tuple[list[Identity], Sequence[int]]:
    """Which test each case is, and the indexes of the cases that have parts of their names masked."""
    cases = document.cases
    raw = [case[1] for case in cases]
    names = without_noise(raw)
    written = list({case[0] for case in cases})
    quiet = without_noise(written)
    classes = dict(zip(written, quiet, strict=True))
    masked: Sequence[int] = ()
    if names is not raw or quiet is not written:
        masked = [
            n for n, case in enumerate(cases) if names[n] != case.name or classes[case.classname] != case.classname
        ]
    if dialect.identity is by_pytest:  # by far the most frequent, and worth being quick about
        return [
            _new(Identity, (classes[case[0]], name, "", "")) if case[0] else Identity(name, "")
            for case, name in zip(cases, names, strict=True)
        ], masked
    files = {file: relative_file(file, settings.checkout) for file in {case[2] for case in cases}}
    identity, checkout = dialect.identity, settings.checkout
    return [
        identity(_new(Place, (classes[case[0]], name, files[case[2]], case[3], document, checkout)))
        for case, name in zip(cases, names, strict=True)
    ], masked


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
        written = Counter((document.cases[index].classname, document.cases[index].name) for index in group)
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
