"""What became of each file of a run."""

from __future__ import annotations

from collections.abc import Iterator

from flakediag.junit.results import Reading
from flakediag.model import FileReport, FileStatus, InputFile, RunReport


def duplicate(reading: Reading, reason: str) -> FileReport:
    """Of a file that repeats others of its folder, and belongs to no run."""
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
