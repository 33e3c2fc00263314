"""Reports in, runs and results out: everything that touches JUnit XML and its kin."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import BinaryIO

from flakediag.errors import UsageError
from flakediag.junit.ahead import read_ahead
from flakediag.junit.documents import read_any
from flakediag.junit.file_reports import duplicate_files, file_report
from flakediag.junit.problems import ForeignError, UnreadableError
from flakediag.junit.results import Reading, understand
from flakediag.junit.runs import belongs_together, group_of, run_of, runs_of
from flakediag.junit.settings import ReadSettings
from flakediag.junit.sources import Refusal, Source, find_sources
from flakediag.model import FileReport, FileStatus, RunReport

__all__ = ["ReadSettings", "file_report", "read_reports"]

Progress = Callable[[int, int | None, str], None]

_DEFAULTS = ReadSettings()


def read_reports(
    paths: Sequence[str],
    *,
    now: datetime,
    settings: ReadSettings = _DEFAULTS,
    stdin: BinaryIO | None = None,
    progress: Progress | None = None,
) -> Iterator[RunReport | FileReport]:
    """Read every report that the paths name: a `RunReport` per run, a `FileReport` per file that yields none.

    A path is a file, a folder, a glob, an archive or `-`, which is `stdin`. Files of a folder whose producer writes a
    file per class are one run, and come when all of them are read. `now` is taken as the start of runs that do not say.
    `progress` is called with (files so far, None, path). Raises `UsageError` where the paths lead to nothing at all;
    whatever else is wrong with one of them never stops the others. What is no test report and was not named, but come
    across in a folder or an archive, is passed over.
    """
    missing: list[Refusal] = []
    foreign: list[FileReport] = []
    waiting: dict[tuple[str, str | None], list[Reading]] = defaultdict(list)  # by folder and scope
    seen: dict[str, str] = {}  # digests of runs, and a path of theirs
    found = False

    def known(report: RunReport | FileReport) -> Iterator[RunReport | FileReport]:
        if isinstance(report, FileReport):
            yield report
        elif report.run.digest in seen:
            yield from duplicate_files(report, seen[report.run.digest])
        else:
            seen[report.run.digest] = report.files[0].path
            yield report

    def complete(scope: str | None, *, everything: bool = False) -> Iterator[RunReport | FileReport]:
        """The runs of folders that no further file can belong to."""
        for key in list(waiting):
            if everything or (key[1] is not None and key[1] != scope):
                for report in runs_of(waiting.pop(key), now):
                    yield from known(report)

    sources = find_sources(paths, settings, stdin)
    for number, item in enumerate(read_ahead(sources, partial(_read, settings=settings))):
        if isinstance(item, Refusal):
            if item.missing:
                missing.append(item)
            else:
                found = True
                yield _refused(item.path, item.reason)
            continue
        source = item.source
        if progress is not None:
            progress(number, None, source.path)
        if waiting:
            yield from complete(source.scope)
        reading = item.outcome()
        if isinstance(reading, FileReport) and reading.status is FileStatus.PASSED_OVER:
            foreign.append(reading)
            continue
        found = True
        if isinstance(reading, FileReport):
            yield reading
        elif belongs_together(reading, source.name):
            reading.modified = source.modified
            waiting[group_of(reading, source.folder, source.scope)].append(reading)
        else:
            yield from known(run_of(reading, now))
    yield from complete(None, everything=True)
    if not found:
        raise UsageError(*_nothing(missing, foreign))
    yield from foreign
    for refusal in missing:
        yield _refused(refusal.path, refusal.reason)


def _read(source: Source, settings: ReadSettings) -> Reading | FileReport:
    try:
        with _collector_paused():
            document, dialect = read_any(source.path, source.chunks, settings)
            return understand(document, settings, dialect)
    except ForeignError as problem:
        status = FileStatus.REFUSED if source.named else FileStatus.PASSED_OVER
        return FileReport(path=source.path, status=status, reason=str(problem))
    except UnreadableError as problem:
        return _refused(source.path, str(problem))
    except OSError as problem:
        return _refused(source.path, f"cannot be read: {problem.strerror or problem}")


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep Python from looking for garbage while hundreds of thousands of objects are made that are all needed."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _refused(path: str, reason: str) -> FileReport:
    return FileReport(path=path, status=FileStatus.REFUSED, reason=reason)


def _nothing(missing: Sequence[Refusal], foreign: Sequence[FileReport]) -> tuple[str, str]:
    hint = "name JUnit XML files, folders or archives of them, or `-` for standard input"
    if foreign:
        others = f" (and {len(foreign) - 1} further files)" if len(foreign) > 1 else ""
        return f"no test report was found: {foreign[0].path}: {foreign[0].reason}{others}", hint
    if not missing:
        return "no path was named", hint
    first = missing[0]
    others = f" (and {len(missing) - 1} further paths)" if len(missing) > 1 else ""
    return f"nothing to read: {first.path}: {first.reason}{others}", hint
