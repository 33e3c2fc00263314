"""Opening: the right file, or an error that says what to do; never somebody else's file, never a new one by mistake."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from history_samples import counts_of, signature_of, store, suite, told, window_of

from flakediag.errors import ExitCode, HistoryError
from flakediag.history import History, connection, schema
from flakediag.model import Scope

BOTH: tuple[Literal["read", "write"], ...] = ("read", "write")


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        for statement in statements:
            conn.execute(statement)


def test_reading_what_does_not_exist_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="there is no history here") as caught:
        History.open(tmp_path / "mistyped" / "histroy.db")
    assert "flakediag ingest" in str(caught.value.hint)
    assert caught.value.exit_code == ExitCode.USAGE
    assert list(tmp_path.iterdir()) == []


def test_writing_creates_the_folders_and_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "history.db"
    store(path, suite("r"))
    assert counts_of(path).runs == 1


@pytest.mark.parametrize(
    "name", ["with space.db", "ünï–código 日本.db", "a?b#c%20.db", "-.db", "'quoted'.db", "x=1&y.db"]
)
def test_any_name_is_a_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / name
    store(path, suite("r"))
    assert window_of(path).shape == (1, 5)
    assert path.is_file()


def test_a_relative_path_is_relative_to_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store(Path("history.db"), suite("r"))
    assert counts_of(tmp_path / "history.db").runs == 1


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("content", [b"<testsuites/>", b"SQLite format 3\x00", os.urandom(8192), b"\x00" * 5000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    path: Path, mode: Literal["read", "write"], content: bytes
) -> None:
    path.write_bytes(content)
    with pytest.raises(HistoryError, match="not a flakediag history") as caught:
        History.open(path, mode)
    assert "--db" in str(caught.value.hint)
    assert path.read_bytes() == content


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE runs (id)"],
        ["PRAGMA application_id = 1196444487", "PRAGMA user_version = 1"],
        ["PRAGMA user_version = 2"],
    ],
)
def test_another_applications_database_is_refused_and_left_alone(
    path: Path, mode: Literal["read", "write"], statements: list[str]
) -> None:
    execute(path, *statements)
    before = path.read_bytes()
    with pytest.raises(HistoryError, match="of another application"):
        History.open(path, mode)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", BOTH)
def test_a_newer_history_is_refused_and_left_alone(path: Path, mode: Literal["read", "write"]) -> None:
    store(path, suite("r"))
    execute(path, f"PRAGMA user_version = {schema.VERSION + 3}")
    before = path.read_bytes()
    with pytest.raises(HistoryError, match=f"newer flakediag .schema version {schema.VERSION + 3}") as caught:
        History.open(path, mode)
    assert "upgrade" in str(caught.value.hint)
    assert path.read_bytes() == before


def test_an_empty_file_is_a_history_to_be(path: Path) -> None:
    path.touch()
    with pytest.raises(HistoryError, match="nothing has been stored"):
        History.open(path)
    assert path.read_bytes() == b""
    store(path, suite("r"))
    assert counts_of(path).runs == 1


@pytest.mark.parametrize("mode", BOTH)
def test_a_folder_is_refused(tmp_path: Path, mode: Literal["read", "write"]) -> None:
    with pytest.raises(HistoryError, match="not a file"):
        History.open(tmp_path, mode)


def test_a_fifo_is_refused_without_waiting_for_it(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(HistoryError, match="not a file"):
        History.open(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HistoryError, match="cannot make the folder"):
        History.open(tmp_path / "file" / "history.db", "write")


@pytest.mark.parametrize("mode", BOTH)
def test_a_history_that_was_cut_off_is_recognised(path: Path, mode: Literal["read", "write"]) -> None:
    store(path, suite("r"))
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(HistoryError, match="cut off"):
        History.open(path, mode)


def test_a_damaged_history_is_recognised_when_it_is_read(path: Path) -> None:
    store(path, *(suite(f"r{n}", hours=n) for n in range(200)))
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(HistoryError, match="damaged"), History.open(path) as history:
        history.window(Scope())


def test_a_locked_history_is_an_error_after_the_busy_timeout(path: Path) -> None:
    store(path, suite("r"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with History.open(path, "write", busy_timeout=0.05) as history:
            with pytest.raises(HistoryError, match=r"locked by another process \(waited 0.05 s\)") as caught:
                history.add_runs([suite("r2", hours=1)], signature_of)
            assert "repeat" in str(caught.value.hint)
            other.execute("ROLLBACK")
            assert not history.add_runs([suite("r2", hours=1)], signature_of)[0].duplicate


def test_a_new_history_that_another_process_is_making_is_an_error_after_the_busy_timeout(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(HistoryError, match="locked by another process"):
            History.open(path, "write", busy_timeout=0.05)


def test_a_new_history_that_another_process_completes_meanwhile_is_no_other_application(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(path, "PRAGMA journal_mode = WAL")  # as it is before the first process commits its tables
    connect, made = connection._connect, []

    def slow(*arguments: Any) -> sqlite3.Connection:
        conn = connect(*arguments)
        conn.set_trace_callback(lambda statement: complete() if "user_version" in statement else None)
        return conn

    def complete() -> None:
        if not made:
            made.append(True)
            store(path, suite("r"))

    monkeypatch.setattr(connection, "_connect", slow)
    with History.open(path, "write") as history:
        assert made and history.counts().runs == 1


def test_a_log_that_is_moved_into_the_file_meanwhile_is_no_cut_off_history(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(path, suite("r"))
    whole = path.read_bytes()
    path.write_bytes(whole[:4096])  # its first page is there, the others stand in the log

    def the_log_is_gone(path: Path) -> bool:
        path.write_bytes(whole)
        return False

    monkeypatch.setattr(connection, "_has_wal", the_log_is_gone)
    with History.open(path) as history:
        assert history.counts().runs == 1


def test_readers_and_a_writer_do_not_wait_for_each_other(path: Path) -> None:
    store(path, suite("r"))
    with History.open(path, "read", busy_timeout=0) as reader, History.open(path, "write", busy_timeout=0) as writer:

        def while_reading() -> Iterator[object]:
            yield suite("r2", hours=1)
            assert reader.counts().runs == 1  # the writer has not committed
            assert writer.counts().runs == 2  # it sees what it has written so far

        writer.add_runs(while_reading(), signature_of)  # type: ignore[arg-type]
        assert reader.counts().runs == 2


def test_a_reader_cannot_write(path: Path) -> None:
    store(path, suite("r"))
    with History.open(path) as history, pytest.raises(HistoryError, match="cannot be written"):
        history.add_runs([suite("r2", hours=1)], signature_of)


def test_a_closed_history_is_a_bug_and_not_a_user_error(path: Path) -> None:
    store(path, suite("r"))
    with History.open(path) as history:
        pass
    with pytest.raises(sqlite3.ProgrammingError):
        history.counts()


@pytest.mark.parametrize("mode", BOTH)
def test_an_sqlite_without_strict_tables_is_an_error(
    path: Path, mode: Literal["read", "write"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(HistoryError, match="cannot read a history"):
        History.open(path, mode)
    assert not path.exists()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Permissions do not bind root: for a moment be somebody whom they do."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    """A folder in which nobody but its owner may write, in a place that everybody may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_history_in_a_read_only_folder_is_readable(locked_folder: Path) -> None:
    path = locked_folder / "history.db"
    store(path, suite("r", fails=("test_a",)))
    expected = told(window_of(path))
    for leftover in locked_folder.glob("history.db-*"):
        leftover.unlink()
    path.chmod(0o444)
    locked_folder.chmod(0o555)
    with as_nobody():
        assert told(window_of(path)) == expected
        with pytest.raises(HistoryError, match="cannot be written"), History.open(path, "write") as history:
            history.add_runs([suite("r2", hours=1)], signature_of)
    assert list(locked_folder.iterdir()) == [path]


def test_a_history_that_may_not_be_read_is_an_error(locked_folder: Path) -> None:
    path = locked_folder / "history.db"
    store(path, suite("r"))
    path.chmod(0o000)
    with as_nobody(), pytest.raises(HistoryError, match="cannot be read: Permission denied"):
        History.open(path)


def test_a_new_history_in_a_read_only_folder_is_an_error(locked_folder: Path) -> None:
    locked_folder.chmod(0o555)
    with as_nobody(), pytest.raises(HistoryError, match="cannot be opened"):
        History.open(locked_folder / "history.db", "write")


@pytest.mark.parametrize("mode", BOTH)
def test_opening_an_existing_history_loads_nothing_heavy(path: Path, mode: str) -> None:
    store(path, suite("r"))
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from flakediag.history import History\n"
        "from flakediag.model import Scope\n"
        f"with History.open(Path({str(path)!r}), {mode!r}) as history:\n"
        "    history.runs(Scope()), history.add_runs([], str)\n"
        "print(*sorted({'sqlite_utils', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
