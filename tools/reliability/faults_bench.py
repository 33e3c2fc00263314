"""What every fault is tried on: histories, the commands that use them, and what a history must still be afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the processes forked below have no threads to share

from flakediag.cli import main
from flakediag.cli.app import COMMANDS
from flakediag.errors import HistoryError
from flakediag.history import History, HistoryCounts

FLAKEDIAG = Path(sys.executable).with_name("flakediag")
BUG = "This is a bug in flakediag"
LONGEST = 300.0  # seconds after which a command counts as hanging


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: `survived` of `tries` went as they should, `seen` is what the user saw."""

    fault: str
    tries: int
    survived: int
    seen: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code (negative: the signal), and all that it printed."""

    code: int
    said: str
    seconds: float = 0.0

    @property
    def polite(self) -> bool:
        """Whether it ended by itself, and not as a bug."""
        return self.code in (0, 1, 2, 4, 5) and BUG not in self.said


class State(NamedTuple):
    """What a history holds; equal for equal histories, whichever order their runs came in."""

    counts: HistoryCounts | None
    tests: tuple[tuple[object, ...], ...]
    integrity: str


@dataclass
class Tally:
    """Counts tries, and keeps the first failures to be looked at."""

    tries: int = 0
    survived: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, survived: bool, otherwise: str) -> None:
        self.tries += 1
        self.survived += survived
        if not survived:
            self.failures.append(otherwise)
            print(f"  NOT SURVIVED: {otherwise}", file=sys.stderr)


# --- commands ----------------------------------------------------------------------------------------------------


def environ() -> dict[str, str]:
    """No CI, no settings."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "OPENBLAS_NUM_THREADS": "1"}


def installed(*command: object, cwd: Path, prepare: Callable[[], None] | None = None) -> Ended:
    """Run the installed `flakediag`. `prepare` is called in the new process before it."""
    began = time.monotonic()
    done = subprocess.run(
        [FLAKEDIAG, *map(str, command)],
        capture_output=True,
        cwd=cwd,
        env=environ(),
        preexec_fn=prepare,
        timeout=LONGEST,
        check=False,
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    return Ended(done.returncode, said, time.monotonic() - began)


def load_everything() -> None:
    """Import what any command imports, so that a forked process spends no time on it."""
    for command in COMMANDS:
        import_module(f"flakediag.cli.{command}{'_' if command == 'import' else ''}")
    for name in (
        *("checks", "gates", "service", "upkeep", "history.merge", "history.portable", "history.prune"),
        *("history.rename", "history.repair", "history.run_reports", "history.tests", "history.windows"),
        *("history.damage", "report.upkeep"),
    ):
        import_module(f"flakediag.{name}")
    import_module("sqlite_utils")


class Forked:
    """The same command line in a process forked from this one: it starts at once, and can be killed."""

    def __init__(self, *command: object, cwd: Path, prepare: Callable[[], None] | None = None) -> None:
        self._out = cwd / f".said-{time.monotonic_ns()}"
        self._began = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            _become(list(map(str, command)), self._out, cwd, prepare)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def running(self) -> bool:
        """Whether it still runs; does not reap it."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def ended(self) -> Ended:
        deadline = time.monotonic() + LONGEST
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.002)
        hung = self.running()
        if hung:
            self.kill()
        _, status = os.waitpid(self.pid, 0)
        said = self._out.read_text("utf-8", "replace") if self._out.exists() else ""
        self._out.unlink(missing_ok=True)
        return Ended(
            os.waitstatus_to_exitcode(status), "hung\n" + said if hung else said, time.monotonic() - self._began
        )


def _become(command: list[str], out: Path, cwd: Path, prepare: Callable[[], None] | None) -> None:
    code = 99
    try:
        os.environ.clear()
        os.environ.update(environ())
        os.chdir(cwd)
        stream = out.open("w", encoding="utf-8", errors="backslashreplace")
        sys.stdout = sys.stderr = stream
        sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123 - for as long as this process lives
        if prepare:
            prepare()
        main(command)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 99
    finally:
        sys.stdout.flush()
        os._exit(code)


def forked(*command: object, cwd: Path, prepare: Callable[[], None] | None = None) -> Ended:
    return Forked(*command, cwd=cwd, prepare=prepare).ended()


# --- histories ---------------------------------------------------------------------------------------------------


def remove(db: Path) -> None:
    for path in (db, Path(f"{db}-wal"), Path(f"{db}-shm"), Path(f"{db}-journal")):
        path.unlink(missing_ok=True)


def renewed(template: Path | None, db: Path) -> Path:
    """`db` as `template` is; away where there is none."""
    remove(db)
    if template is not None:
        shutil.copyfile(template, db)
    return db


def integrity(db: Path) -> str:
    """What SQLite's own check says; "ok" also of a history that is not there yet."""
    if not db.exists():
        return "ok"
    with closing(sqlite3.connect(db, timeout=60)) as conn:
        return "; ".join(str(row[0]) for row in conn.execute("PRAGMA integrity_check"))


def state_of(db: Path) -> State:
    """Opens the history; one of an earlier version is brought up to date."""
    found = integrity(db)
    try:
        with History.open(db) as history:
            from flakediag.model import Scope

            tests = history.tests(Scope(days=100_000, max_runs=1_000_000))
            return State(history.counts(), tuple((t.test.id, *t[1:]) for t in tests), found)
    except HistoryError as error:
        if "there is no history here" in error.message or "nothing has been stored" in error.message:
            return State(None, (), found)
        raise


def is_empty(state: State) -> bool:
    """No history, or one that nothing has been stored in yet."""
    return state.counts is None or not any(state.counts)


_TRACE = "\n  a line of a trace" * 12


def write_reports(folder: Path, runs: range, tests: int) -> Path:
    """One report for each number of `runs`: `tests` tests, some of which fail now and then, or are skipped."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in runs:
        (folder / f"run-{number:05}.xml").write_text(_report(number, tests), encoding="utf-8")
    return folder


def _report(number: int, tests: int) -> str:
    started = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=7 * number)
    return (
        f'<testsuites><testsuite name="pytest" timestamp="{started.isoformat()}" hostname="ci-{number % 3}" '
        f'time="{tests / 10}"><properties><property name="git.commit.sha" value="{number // 3:040x}"/>'
        f'<property name="git.branch" value="main"/></properties>{"".join(_cases(number, tests))}'
        "</testsuite></testsuites>"
    )


def _cases(number: int, tests: int) -> Iterator[str]:
    for test in range(tests):
        head = f'<testcase classname="tests.test_{test // 20}" name="test_{test}" time="0.{(number * test) % 90 + 10}"'
        if test % 41 == 7 and (number * 7 + test) % 5 == 0:
            told = f"assert {number} == {test}"
            yield f'{head}><failure message="{told}">E   {told}{_TRACE}</failure></testcase>'
        elif test % 53 == 3:
            yield f'{head}><skipped message="not on this machine"/></testcase>'
        else:
            yield f"{head}/>"


# --- the table ---------------------------------------------------------------------------------------------------


def shares(counted: Mapping[str, int]) -> str:
    """What was seen how often, most often first: "exit 2 with a message 40, exit 0 3"."""
    return ", ".join(f"{what} {number:,}" for what, number in sorted(counted.items(), key=lambda c: -c[1]) if number)


def progress(row: Row) -> Row:
    print(f"{row.fault}: {row.survived} of {row.tries}. {row.seen}", file=sys.stderr, flush=True)
    return row


Section = Callable[["Size", Path], Iterator[Row]]


@dataclass(frozen=True)
class Size:
    """How often each fault is tried."""

    kills: int  # of an ingest; a quarter as often of each other verb
    limits: int  # of the disk, for each verb
    flips: int
    cuts: int
    processes: int
    files: int
    wait: bool  # for the busy timeout, a minute


FULL = Size(kills=200, limits=20, flips=300, cuts=100, processes=32, files=1000, wait=True)
QUICK = Size(kills=20, limits=4, flips=30, cuts=10, processes=4, files=40, wait=False)
LIGHT = Size(kills=4, limits=2, flips=8, cuts=4, processes=3, files=9, wait=False)  # for the tests


def parts(whole: int, number: int) -> Sequence[int]:
    """`number` values from 0 to `whole`, closer together where they are small: there most goes wrong."""
    return [whole * part**3 // max(number - 1, 1) ** 3 for part in range(number)]
