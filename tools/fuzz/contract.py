"""What must hold for every input, whatever it is.

- Reading ends, within `SECONDS` of processor time and `MEMORY`, with runs, with refusals or with the one error that
  says that nothing was found. No other exception comes through.
- What neither meets a limit nor is packed reads the same in pieces of any size.
- What was read can be stored, and the history gives it back.
- Storing it again changes nothing.
- Every format of the report can be written of the history that came of it.
"""

from __future__ import annotations

import io
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from flakediag import service
from flakediag.analysis.signature import signature_of
from flakediag.errors import UsageError
from flakediag.history import History
from flakediag.history.values import milliseconds, seconds
from flakediag.junit import ReadSettings, read_reports
from flakediag.model import Attempt, CaseResult, FileReport, InputFile, Outcome, RunReport, Scope
from flakediag.report import format
from fuzz.inputs import Input, is_packed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVERYTHING = Scope(all_branches=True, since=datetime(1900, 1, 1, tzinfo=UTC), max_runs=1_000_000)
SECONDS = 10.0  # of processor time for one input; most take a millisecond
MEMORY = 250 << 20  # bytes for one input; flakediag itself takes up to 50 MiB
RUNS_OF_A_HISTORY = 250  # after so many it is reported on, and a new one begun

TIGHT = ReadSettings(
    max_file_bytes=20_000,
    max_archive_bytes=30_000,
    max_ratio=20,
    ratio_floor=2_000,
    max_members=4,
    max_cases=8,
    max_suites=6,
    max_depth=6,
    max_attributes=12,
    max_token_bytes=400,
    max_children=2,
    max_message=20,
    max_text=30,
    max_output=40,
    chunk_bytes=64,
)
LOOSE = ReadSettings()
IN_PIECES = ReadSettings(chunk_bytes=7)


class BrokenError(AssertionError):
    """Something that must hold does not."""


Read = list[RunReport | FileReport]


class Contract:
    """Holds inputs against the contract, one after the other, in a folder of its own."""

    def __init__(self) -> None:
        shm = Path("/dev/shm")
        self._folder = Path(tempfile.mkdtemp(prefix="flakediag-fuzz-", dir=shm if shm.is_dir() else None))
        self._inputs = self._folder / "inputs"
        self._db = self._folder / "history.db"
        self._history: History | None = None
        self._runs = 0
        self.stored = 0  # runs, over all histories
        self.reported = 0  # histories

    def close(self) -> None:
        self._forget_history()
        shutil.rmtree(self._folder)

    def __enter__(self) -> Contract:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def hold(self, given: Input, *, pieces: bool = True, store: bool = True) -> Read:
        """Read this input; with `pieces` once more in small ones; with `store` keep it. Gives what was read.

        Raises `BrokenError`, or what came through, where the contract does not hold.
        """
        self._lay(given)
        with _bounded():
            read = self._read(given, TIGHT if given.tight else LOOSE)
            # What is packed and damaged gives up more or less before the damage.
            if pieces and not given.tight and not any(is_packed(content) for _, content in given.files):
                _compare(read, self._read(given, IN_PIECES))
            if store:
                self._store([each for each in read if isinstance(each, RunReport)])
        return read

    def finish(self) -> None:
        """Report on the history as it is, and forget it."""
        if self._history is not None and self._runs:
            self._report()
        self._forget_history()

    # --- reading -----------------------------------------------------------------------------------------------

    def _lay(self, given: Input) -> None:
        shutil.rmtree(self._inputs, ignore_errors=True)
        for name, content in given.files:
            path = self._inputs / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def _read(self, given: Input, settings: ReadSettings) -> Read:
        first, content = given.files[0]
        paths = {"file": str(self._inputs / first), "folder": str(self._inputs), "stdin": "-"}
        try:
            return list(read_reports([paths[given.way]], now=NOW, settings=settings, stdin=io.BytesIO(content)))
        except UsageError:  # nothing that is a report was found at all
            return []

    # --- storing -----------------------------------------------------------------------------------------------

    def _store(self, reports: Sequence[RunReport]) -> None:
        if not reports:
            return
        if self._history is None:
            self._history = History.open(self._db, "write")
        history = self._history
        stored = history.add_runs(reports, signature_of)
        for report, one in zip(reports, stored, strict=True):
            if not one.known:
                back = history.run_report(one.run)
                _equal("what was stored", _plain(back), _plain(as_stored(report)))
                self.stored += 1
        before = history.counts()
        again = history.add_runs(reports, signature_of)
        if not all(one.duplicate for one in again) or history.counts() != before:
            raise BrokenError(f"storing it again changed the history: {before} became {history.counts()}")
        self._runs += len(reports)
        if self._runs >= RUNS_OF_A_HISTORY:
            self.finish()

    def _report(self) -> None:
        made = service.report(self._db, EVERYTHING, now=NOW, series=True)
        for name in format.NAMES:
            stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
            if name == "png":  # the picture is the SVG, drawn by a library of others
                continue
            with suppress(format.UnavailableError):  # Parquet, where its library is not installed
                format.find(name).write(made, stream, format.Options())
                stream.flush()
        self.reported += 1

    def forget(self) -> None:
        """Begin a new history, after a finding."""
        self._forget_history()

    def _forget_history(self) -> None:
        if self._history is not None:
            self._history.close()
        self._history, self._runs = None, 0
        for path in self._folder.glob("history.db*"):
            path.unlink()


def as_stored(report: RunReport) -> RunReport:
    """What the history promises to give back of a report: see `History.run_report`."""
    return replace(
        report,
        results=tuple(_result(result) for result in report.results),
        files=tuple(
            InputFile(path=file.path, digest=file.digest, cases=file.cases, partial=file.partial)
            for file in sorted(report.files, key=lambda file: file.path)
        ),
        notes=(),
    )


def _result(result: CaseResult) -> CaseResult:
    earlier = tuple(
        attempt._replace(duration=seconds(milliseconds(attempt.duration)))
        if attempt.outcome.failed
        else Attempt(Outcome.PASSED, None, None)
        for attempt in result.earlier
    )
    return result._replace(duration=seconds(milliseconds(result.duration)), earlier=earlier)


def _plain(report: RunReport) -> dict[str, Any]:
    run = replace(report.run, id=None)
    return {"run": run, "properties": list(run.properties), "results": report.results, "files": report.files}


def _compare(whole: Read, pieces: Read) -> None:
    """Hold what was read in large pieces against what was read in small ones, remarks aside: where a text stops being
    XML is told a little differently."""
    _equal("what was read in small pieces", [_told(each) for each in pieces], [_told(each) for each in whole])


def _told(read: RunReport | FileReport) -> Any:
    if isinstance(read, FileReport):
        return read.path, read.status
    return read.run, list(read.run.properties), read.results, [(file.digest, file.cases) for file in read.files]


def _equal(what: str, got: Any, expected: Any) -> None:
    if got != expected:
        raise BrokenError(f"{what} differs:\n  got      {got!r}\n  expected {expected!r}")


@contextmanager
def _bounded() -> Iterator[None]:
    """Interrupts what takes too long, and complains of what took too much memory."""
    with suppress(OSError):  # from here on the peak is that of this input, where the system is Linux
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    previous = signal.signal(signal.SIGPROF, _too_long)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if (after - before) * 1024 > MEMORY:
        raise BrokenError(f"took {after - before >> 10} MiB of memory")


def _too_long(signal_number: int, frame: FrameType | None) -> None:
    raise BrokenError(f"took more than {SECONDS:g} s of processor time")
