"""The history of a suite: a small set of verbs, and the engines that stand behind them.

Engines: `sqlite.py`, one local file; `server/`, a server that speaks PostgreSQL; `columnar/`, a folder of Parquet
files, which is only read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self

from flakediag.errors import HistoryError

if TYPE_CHECKING:  # numpy: what only stores does not load it
    from datetime import datetime

    from flakediag.analysis.failing import FailingTests
    from flakediag.analysis.outcomes import Outcomes
    from flakediag.analysis.window import Window
    from flakediag.history.merge import Absorbed
    from flakediag.history.portable import FormerName, Portable
    from flakediag.history.prune import Dropped, Limits
    from flakediag.history.tests import CountedTest
    from flakediag.location import Location
    from flakediag.model import FailureDetail, HistorySummary, Identity, InputFile, Run, RunReport, Scope

BUSY_TIMEOUT = 60.0  # seconds to wait while another process writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What became of one report.

    `run` is the run that its results are in: a new one, or, where `duplicate`, the one that had them already.
    `results` counts what was added. `known` are the files whose results were there before. `doubled` says that they
    could not be told from the others (retries joined across cases), so that they are in the history twice.
    """

    run: int
    duplicate: bool
    results: int
    files: tuple[InputFile, ...]
    known: tuple[InputFile, ...] = ()
    doubled: bool = False


class StoredRun(NamedTuple):
    """One stored run. The counts are of last attempts."""

    run: Run
    results: int
    failures: int
    errors: int
    skipped: int


class HistoryCounts(NamedTuple):
    """How much there is, over all projects. `failures` counts failed attempts, `details` their distinct texts."""

    projects: int
    runs: int
    tests: int
    results: int
    failures: int
    signatures: int
    details: int


class History(ABC):
    """An open history. Each verb sees one state of it, whatever other processes write meanwhile.

    Every verb raises `HistoryError` where the history cannot be read or written, and `UsageError` for a scope that
    names no project where there are several, or one that does not exist.
    """

    @staticmethod
    def open(
        place: Location, mode: Literal["read", "write"] = "read", *, busy_timeout: float = BUSY_TIMEOUT
    ) -> History:
        """Open the history at `place`. "write" makes it where there is none; "read" never does.

        `busy_timeout` is how many seconds to wait while another process writes.
        """
        return _engine(place).at(place, mode, busy_timeout)

    @staticmethod
    def source(place: Location, *, busy_timeout: float = BUSY_TIMEOUT) -> AbstractContextManager[History]:
        """The history at `place`, to be read and by no means changed: not even brought up to date."""
        return _engine(place).unchanged(place, busy_timeout)

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def size(self) -> int:
        """How many bytes it takes where it is stored."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- keep ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def add_runs(self, reports: Iterable[RunReport], signature_of: Callable[[FailureDetail], str]) -> list[Stored]:
        """Store these reports, all or none; one entry for each, in order.

        The write lock is taken when the first report arrives and held until `reports` ends, so parse ahead. Whatever
        `reports` or `signature_of` raises comes through, and nothing is stored. What counts once: see writer.py.
        """

    # --- list ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def projects(self) -> tuple[str, ...]:
        """By name."""

    @abstractmethod
    def branches(self, project: str | None = None) -> tuple[str, ...]:
        """The branches that have runs, the one with the newest run first."""

    @abstractmethod
    def runs(self, scope: Scope) -> tuple[StoredRun, ...]:
        """The runs in scope, newest first."""

    @abstractmethod
    def tests(self, scope: Scope, pattern: str | None = None) -> tuple[CountedTest, ...]:
        """The tests of the runs in scope, by identity; `pattern` keeps those whose id contains it."""

    @abstractmethod
    def run_by_digest(self, digest: str, project: str | None = None) -> Run | None:
        """The run that came from the report files with this digest."""

    @abstractmethod
    def run_report(self, run_id: int) -> RunReport:
        """A stored run as the report that it came from. Raises `LookupError` where there is none.

        What comes back is what was given, except: durations are whole milliseconds, `notes` are not kept, `files`
        stand by path, and an earlier attempt that did not fail comes back as passed, without duration.
        """

    def may_hold_flakes(self) -> bool:
        """Whether any test could be flaky; cheaper than to say which. False is certain."""
        return self.counts().failures > 0

    @abstractmethod
    def counts(self) -> HistoryCounts:
        """How much the history holds; pruned runs are not counted."""

    @abstractmethod
    def summary(self, scope: Scope) -> HistorySummary:
        """What the scope holds."""

    # --- analyse ------------------------------------------------------------------------------------------------

    @abstractmethod
    def window(self, scope: Scope) -> Window:
        """The results of the runs in scope as arrays: runs oldest first, tests by identity."""

    def failing(self, scope: Scope) -> FailingTests | None:
        """The tests that failed in scope, without numpy. None where there are too many of them for that, or what they
        did takes arrays to tell: then `outcomes` does."""
        return None

    @abstractmethod
    def outcomes(self, scope: Scope, *, failing_only: bool = False) -> Outcomes:
        """What became of each test in each run in scope, which costs much less than the whole window.

        Tests stand by identity. With `failing_only` nobody will ask for the name of a test that never failed in scope:
        it may be missing (an identity of empty texts), and the tests may stand in any order.
        """

    def fingerprint(self, scope: Scope) -> bytes | None:
        """A digest of everything that `window` would hold; None where making it would cost as much as the window."""
        return None

    # --- move and keep up ---------------------------------------------------------------------------------------

    @abstractmethod
    def portables(self) -> Generator[Portable, None, None]:
        """Every run, in order of arrival, to be moved elsewhere; all of one state of the history."""

    @abstractmethod
    def number_of_runs(self) -> int:
        """Pruned ones included."""

    @abstractmethod
    def former_names(self) -> tuple[FormerName, ...]:
        """The tests that were renamed."""

    @abstractmethod
    def absorb(
        self,
        source: Iterable[Portable],
        names: Iterable[FormerName],
        signature_of: Callable[[FailureDetail], str],
    ) -> Absorbed:
        """Take in the runs of another history and its renamed tests, all or none. What counts once: see merge.py.

        Raises `HistoryError` where a source that somebody has edited contradicts itself.
        """

    @abstractmethod
    def prune(self, limits: Limits, now: datetime, *, dry_run: bool = False) -> Dropped:
        """Drop the results of the runs beyond the limits, all or none."""

    @abstractmethod
    def compact(self) -> None:
        """Give the space of what was dropped back to the file system."""

    @abstractmethod
    def repair(self) -> list[str]:
        """Put right what can be told from the rest of the history; says what was done."""

    @abstractmethod
    def names(self, project: str) -> tuple[Identity, ...]:
        """The tests of a project, sorted."""

    @abstractmethod
    def rename(self, project: str, pairs: Sequence[tuple[Identity, Identity]], *, dry_run: bool = False) -> None:
        """Give tests new names, all or none: results that are stored and such as come later under the old names.

        Raises `UsageError` where a run has a test under both names, also in a dry run.
        """


class Engine(Protocol):
    """What opens histories of one kind."""

    def at(self, place: Location, mode: Literal["read", "write"], busy_timeout: float) -> History: ...

    def unchanged(self, place: Location, busy_timeout: float) -> AbstractContextManager[History]: ...


def _engine(place: Location) -> Engine:
    """Imported late: nobody needs more than one."""
    kind = "file" if isinstance(place, Path) else place.partition(":")[0].lower()
    return _ENGINES[kind]()


def _sqlite() -> Engine:
    from flakediag.history.sqlite import SqliteHistory

    return SqliteHistory


def _server() -> Engine:
    try:
        from flakediag.history.server import ServerHistory
    except ImportError as error:  # psycopg, or the libpq that it needs
        raise HistoryError(
            "a history on a server needs psycopg, which is not installed here, or not whole",
            hint="pip install 'flakediag[postgresql]'",
        ) from error
    return ServerHistory


def _columnar() -> Engine:
    from flakediag.history.columnar.history import ColumnarHistory

    return ColumnarHistory


# By the scheme of an address; "file" stands for a path.
_ENGINES: dict[str, Callable[[], Engine]] = {
    "file": _sqlite,
    "postgresql": _server,
    "postgres": _server,
    "parquet": _columnar,
}
