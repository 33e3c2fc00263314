"""Files as runs: one each, or a folder of them together where a producer writes a file per class."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from flakediag.expressions import expression
from flakediag.junit.attempts import tried_again
from flakediag.junit.decisions import decisions_of
from flakediag.junit.dialects import PARALLEL
from flakediag.junit.document import Document
from flakediag.junit.results import Reading, result_of
from flakediag.junit.targets import joined_by_target
from flakediag.junit.text import natural
from flakediag.model import (
    CaseResult,
    FileReport,
    FileStatus,
    Identity,
    InputFile,
    Order,
    Results,
    Run,
    RunReport,
)

AGGREGATE = "TESTS-TestSuites.xml"  # Ant's junitreport: the other files of the folder once more

_COMMIT_KEYS = (
    "git.commit.sha", "git.commit.id", "git.commit.id.full", "git.commit", "git.sha", "git_commit", "github_sha",
    "ci_commit_sha", "vcs.ref.head.revision", "vcs.revision", "commit.sha", "commit_sha", "commit", "revision",
)  # fmt: skip
_BRANCH_KEYS = (
    "git.branch", "git_branch", "github_head_ref", "github_ref_name", "ci_commit_ref_name", "vcs.ref.head.name",
    "vcs.branch", "branch.name", "branch",
)  # fmt: skip
_COMMIT = expression(r"[0-9a-f]{7,64}")
_BRANCH = expression(r"[^\s~^:?*\[\\\x00-\x1f\x7f]{1,250}")

# What may explain a difference between runs. Not the fifty properties of every Java machine.
_USEFUL = expression(
    r"""os\.name | os\.version | os\.arch | java\.version | java\.vendor | user\.timezone | user\.language
    | file\.encoding | python[._ ]?version | platform | node[._ ]?version | go\.version | ruby[._ ]?version
    | (?:.*[._-])?(?:random)?[._-]?seed | randomseed | rng-seed | (?:.*[._-])?run_?order(?:\..*)?
    | (?:.*[._-])?(?:workers?|numprocesses|num_?processes|fork_?count|threads?|thread_?count|parallel(?:ism)?)
    | (?:.*\.)?rerunfailingtestscount | junit\.jupiter\.execution\.parallel\..*
    | browser\.fullname | tz | timezone | shard
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MAX_PROPERTIES = 24
_MAX_VALUE = 200
_NO_HOSTS = frozenset({"", "localhost", "localhost.localdomain", "127.0.0.1", "tbd", "unknown", "(empty)", "none"})


def belongs_together(reading: Reading, name: str) -> bool:
    """Whether the file is one of several that make a run."""
    return reading.dialect.per_class or name == AGGREGATE or reading.part is not None


def group_of(reading: Reading, folder: str, scope: str | None) -> tuple[str, str | None]:
    """Where the other files of its run stand, and by what it is told that all were seen: `folder` and `scope` of the
    file, or for a tree its root, of which nothing tells that but the end."""
    return (reading.part.tree, None) if reading.part is not None else (folder, scope)


def run_of(reading: Reading, now: datetime) -> RunReport:
    """One file as one run."""
    report = _report([reading], reading.results, reading.order, reading.load.parallelism, reading.load.wall, now)
    if reading.document.ordered_classes:
        return replace(report, run=replace(report.run, ordered_classes=True))
    return report


def runs_of(readings: Sequence[Reading], now: datetime) -> Iterator[RunReport | FileReport]:
    """The files of one folder as a run; as several where they repeat the same suite under other file names."""
    readings = sorted(readings, key=lambda reading: natural(reading.file.path))
    kept: list[Reading] = []
    digests: dict[str, str] = {}
    alone = {suite.name for reading in readings if _name(reading) != AGGREGATE for suite in reading.document.suites}
    for reading in readings:
        if _name(reading) == AGGREGATE and _repeats(reading.document, alone):
            yield _duplicate(reading, "it repeats the other files of its folder")
        elif reading.file.digest in digests and reading.part is None:
            yield _duplicate(reading, f"the same bytes as {digests[reading.file.digest]}")
        else:
            digests[reading.file.digest] = reading.file.path
            kept.append(reading)
    if len(kept) == 1:
        yield run_of(kept[0], now)
        return
    if any(reading.part is not None for reading in kept):
        yield _tree(kept, now)
        return
    names = Counter(reading.document.root.name for reading in kept)
    if max(names.values()) > 1 and not all(_name(reading).startswith("TEST-") for reading in kept):
        for reading in kept:
            yield run_of(reading, now)
        return
    yield _grouped(kept, now)


def _repeats(aggregate: Document, alone: set[str]) -> bool:
    """Whether the suites of an aggregate, by the names of those that have files of their own, are all among these."""
    names = {
        ".".join(part for part in (suite.attributes.get("package", ""), suite.name) if part)
        for suite in aggregate.suites
        if suite.tag == "testsuite"
    }
    return bool(names) and names <= alone


def _grouped(readings: list[Reading], now: datetime) -> RunReport:
    """Several files as one run, in the order in which their classes ran where that can be told, else of their paths."""
    notes = []
    wall: float | None = None
    parallelism: float | None = None
    times = [reading.load.wall or 0.0 for reading in readings]
    dated = [reading.began for reading in readings if reading.began is not None]
    known = len(dated) == len(readings) and len(set(dated)) == len(dated)
    if len(dated) == len(readings):
        readings = sorted(readings, key=lambda reading: (reading.began or now, natural(reading.file.path)))
        ends = [(reading.began or now) + timedelta(seconds=reading.load.wall or 0.0) for reading in readings]
        wall = (max(ends) - min(dated)).total_seconds()
        # Timestamps may be cut to the second, so a run may have taken up to a second longer than they show.
        parallelism = round(sum(times) / (wall + 1.0), 3)
    elif _written_one_by_one(readings):
        readings = sorted(readings, key=lambda reading: reading.modified or 0.0)
        known = True
        notes.append("the classes are in the order in which their files were written")
    if known and dated and all(not moment.microsecond for moment in dated):
        notes.append("the classes are in the order of their timestamps, which tell seconds")
    if wall is None and any(times):
        wall = sum(times)
    order = readings[0].order
    within = all(reading.order is Order.EXECUTION for reading in readings)
    if any(reading.order is not order for reading in readings) or (parallelism or 0) > PARALLEL:
        order = Order.UNKNOWN
        notes.append("several classes ran at the same time: the order is not known")
    elif order is Order.EXECUTION and not known:
        order = Order.UNKNOWN
        tied = len(dated) - len(set(dated)) if len(dated) == len(readings) else 0
        notes.append(
            f"{tied} classes began at the same moment as another, as far as their timestamps tell "
            f"({'to the second' if all(not moment.microsecond for moment in dated) else 'to the millisecond'}): "
            "only the order within each class is known"
            if tied
            else "there is a file per class and nothing says in which order the classes ran"
        )
    results, note = _joined_across([reading.results for reading in readings])
    if note:
        notes.append(note)
    report = _report(readings, results, order, parallelism, wall, now, notes)
    return replace(report, run=replace(report.run, ordered_classes=within and order is Order.UNKNOWN))


def _tree(readings: list[Reading], now: datetime) -> RunReport:
    """Bazel's targets as one run. Each is a process of its own, so that no order between them means anything."""
    parts = [(reading.part, reading.results) for reading in readings if reading.part is not None]
    joined, note = joined_by_target(parts)
    processes = {(part.target, part.process) for part, _ in parts}
    within = all(reading.order is Order.EXECUTION for reading in readings)
    order = readings[-1].order if len(processes) == 1 else Order.UNKNOWN
    notes = [f"{len(readings)} files of Bazel's test logs are one run", *([note] if note else [])]
    if order is Order.UNKNOWN:
        notes.append(f"{len(processes)} processes ran the targets: only the order within each class is known")
    report = _report(readings, Results.of(joined), order, None, None, now, notes)
    return replace(report, run=replace(report.run, ordered_classes=within and order is Order.UNKNOWN))


def _written_one_by_one(readings: Sequence[Reading]) -> bool:
    """Whether the files' modification times are those of a run: each file came after the time that its class took.

    Files that were copied, checked out or unpacked come all at once, or in whole seconds, and fail this.
    """
    written = sorted((reading.modified or 0.0, reading.load.wall or 0.0) for reading in readings)
    if any(reading.modified is None for reading in readings):
        return False
    gaps = [(after[0] - before[0], after[1]) for before, after in pairwise(written)]
    took = sum(time for _, time in gaps)
    return took >= 0.05 and all(gap > 0.0 and gap >= 0.5 * time for gap, time in gaps)


def _joined_across(parts: list[Results]) -> tuple[Results, str]:
    """Results of several files; a test in two of them of which one failed was tried again (Surefire before 3.3).

    The failed attempts came first: nobody tries again what passed.
    """
    places: dict[Identity, list[tuple[int, int]]] = defaultdict(list)
    for number, part in enumerate(parts):
        for index, test in enumerate(part.tests):
            places[test].append((number, index))
    replaced: dict[tuple[int, int], CaseResult | None] = {}
    retries = 0
    for test, found in places.items():
        if len({number for number, _ in found}) < 2:
            continue
        results = [parts[number][index] for number, index in found]
        gists = [_gist(result) for result in results]
        if len(set(gists)) == 1:  # written twice, not run twice (Surefire with nested classes)
            replaced.update(dict.fromkeys(found[1:]))
            continue
        if not any(result.outcome.failed for result in results):
            continue
        results.sort(key=lambda result: (not result.outcome.failed, result.attempts))
        tries = [attempt for result in results for attempt in tried_again(result)]
        replaced.update(dict.fromkeys(found))
        replaced[found[0]] = result_of(test, tries)
        retries += len(found) - 1
    if not replaced:
        return Results.joined(parts), ""
    kept = (
        replaced.get((number, index), result) for number, part in enumerate(parts) for index, result in enumerate(part)
    )
    joined = Results.of(result for result in kept if result is not None)
    return joined, f"{retries} retries stood in another file and were joined" if retries else ""


def _gist(result: CaseResult) -> tuple[object, ...]:
    return (result.outcome, result.duration, tuple((attempt.outcome, attempt.duration) for attempt in result.earlier))


def _report(
    readings: Sequence[Reading],
    results: Results,
    order: Order,
    parallelism: float | None,
    wall: float | None,
    now: datetime,
    notes: Iterable[str] = (),
) -> RunReport:
    documents = [reading.document for reading in readings]
    properties = _properties(documents)
    moments = [reading.began for reading in readings if reading.began is not None]
    producers = Counter(reading.dialect.name for reading in readings)
    if len(readings) == 1:
        digest = readings[0].file.digest
    else:
        digest = hashlib.sha256("".join(sorted(reading.file.digest for reading in readings)).encode()).hexdigest()
    run = Run(
        started_at=min(moments, default=now),
        digest=digest,
        commit=_first(properties, _COMMIT_KEYS, _COMMIT),
        branch=_branch(properties),
        host=_host(readings),
        duration=wall,
        producer=producers.most_common(1)[0][0],
        order=order,
        parallelism=parallelism,
        properties=dict(
            [(key, value[:_MAX_VALUE]) for key, value in properties.items() if _USEFUL.fullmatch(key)][:_MAX_PROPERTIES]
        ),
    )
    said = dict.fromkeys([*notes, *(note for reading in readings for note in reading.notes)])
    if not moments:
        said["it names no moment: the time of reading is taken"] = None
    written = {test: name for reading in readings for test, name in reading.written.items()}
    return RunReport(
        run=run,
        results=results,
        files=tuple(reading.file for reading in readings),
        notes=tuple(said),
        decisions=decisions_of(readings, run),
        written=written,
    )


def _properties(documents: Iterable[Document]) -> dict[str, str]:
    properties: dict[str, str] = {}
    for document in documents:
        for suite in document.suites:
            for key, value in suite.properties.items():
                properties.setdefault(key, value)
        if len(properties) > 5_000:
            break
    return properties


def _first(properties: dict[str, str], keys: Sequence[str], form: re.Pattern[str]) -> str | None:
    lowered = {key.lower().removeprefix("env."): value.strip() for key, value in properties.items()}
    return next((lowered[key] for key in keys if key in lowered and form.fullmatch(lowered[key])), None)


def _branch(properties: dict[str, str]) -> str | None:
    branch = _first(properties, _BRANCH_KEYS, _BRANCH)
    return branch.removeprefix("refs/heads/").removeprefix("origin/") if branch else None


def _host(readings: Sequence[Reading]) -> str | None:
    for reading in readings:
        if reading.dialect.hostname:
            for suite in reading.document.suites:
                host = suite.attributes.get("hostname", "").strip()
                if host.lower() not in _NO_HOSTS:
                    return host[:_MAX_VALUE]
    return None


def _name(reading: Reading) -> str:
    return re.split(r"[/\\!]", reading.file.path)[-1]


def _duplicate(reading: Reading, reason: str) -> FileReport:
    return FileReport(
        path=reading.file.path,
        status=FileStatus.DUPLICATE,
        reason=reason,
        producer=reading.dialect.name,
        cases=reading.file.cases,
        results=reading.file.results,
        failures=reading.file.failures,
        errors=reading.file.errors,
        skipped=reading.file.skipped,
    )


def file_report(
    report: RunReport, file: InputFile, status: FileStatus, reason: str | None, *, run: int | None = None
) -> FileReport:
    """What became of one of the files of a run; `run` is its number in the history."""
    return FileReport(
        path=file.path,
        status=status,
        reason=reason,
        producer=report.run.producer,
        run=run,
        cases=file.cases,
        results=file.results,
        failures=file.failures,
        errors=file.errors,
        skipped=file.skipped,
        order=report.run.order,
        parallelism=report.run.parallelism,
    )


def duplicate_files(report: RunReport, of: str) -> Iterator[FileReport]:
    """The files of a run that was already read in the same call."""
    reason = f"the same bytes as {of}" if len(report.files) == 1 else f"the same run as {of}"
    for file in report.files:
        yield file_report(report, file, FileStatus.DUPLICATE, reason)
