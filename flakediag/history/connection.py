"""Opening a history: the right file, of the right version, or an error that says what to do.

Everything else in history/ is handed a connection that is known to be good. Connections run in SQLite's own autocommit
mode (`isolation_level=None`), so that every transaction stands in our code and nowhere else.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from flakediag.errors import HistoryError, NoHistoryError, UsageError
from flakediag.history import schema

_MAGIC = b"SQLite format 3\x00"
_OLDEST_SQLITE = (3, 37)  # STRICT tables
_NEXT_TO_NOTHING = 64 * 1024  # bytes: what SQLite needs beside the file before it writes anything
_CREATE = "create it with: flakediag ingest PATH…"
_OTHER_FILE = "name another file with --db; flakediag does not touch files that it has not made"


def open_to_read(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """A read-only connection. Never creates a file; an older schema is brought up to date first."""
    conn, version = open_as_it_is(path, busy_timeout)
    if version == schema.VERSION:
        return conn
    conn.close()
    open_to_write(path, busy_timeout).close()
    with translated(path, busy_timeout):
        return _connect_to_read(path, busy_timeout)


def open_as_it_is(path: Path, busy_timeout: float) -> tuple[sqlite3.Connection, int]:
    """A read-only connection to a history of this or an earlier version, and that version. Changes nothing."""
    _check_file(path, new_allowed=False)
    with translated(path, busy_timeout):
        conn = _connect_to_read(path, busy_timeout)
        try:
            version = _version(conn, path)
            if version == 0:
                raise NoHistoryError(f"{path}: nothing has been stored in this history yet", hint=_CREATE)
        except BaseException:
            conn.close()
            raise
    return conn, version


def open_raw(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """A read-only connection to whatever the file is, for whoever wants to know what is wrong with it.

    Also to a file that is cut off, as far as it goes. Lets SQLite's own errors through.
    """
    # The pragma changes nothing on a read-only connection, but with it SQLite does not refuse a file that is too short.
    return _connect_to_read(path, busy_timeout, "PRAGMA writable_schema = ON")


def must_exist(path: Path) -> None:
    """Raises `HistoryError` where there is no file."""
    if not path.is_file():
        raise NoHistoryError(f"{path}: there is no history here", hint=f"check the path, or {_CREATE}")


@contextmanager
def open_source(path: Path, busy_timeout: float) -> Iterator[sqlite3.Connection]:
    """A history that is only read, never changed: of one of an earlier version, a copy is brought up to date."""
    conn, version = open_as_it_is(path, busy_timeout)
    with closing(conn), TemporaryDirectory(prefix="flakediag-") as folder:
        if version == schema.VERSION:
            yield conn
            return
        copy = Path(folder) / "history.db"
        with translated(path, busy_timeout), closing(sqlite3.connect(copy)) as target:
            conn.backup(target)
        open_to_write(copy, busy_timeout).close()
        with closing(_connect_to_read(copy, busy_timeout)) as migrated:
            yield migrated


def open_to_write(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """A connection to a history of this version, made or brought up to date where need be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HistoryError(
            f"{path.parent}: cannot make the folder of the history: {error.strerror}",
            hint="name a place that can be written with --db",
        ) from error
    _check_file(path, new_allowed=True)
    with translated(path, busy_timeout):
        conn = _connect(path, "mode=rwc", busy_timeout)
        try:
            if _version(conn, path) < schema.VERSION:
                _use_wal(conn, busy_timeout)
                _migrate(conn, path)
            # 16 MiB of pages: a large ingest stays in memory until it commits, a small one does not notice.
            conn.execute("PRAGMA cache_size = -16384")
            conn.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            conn.close()
            raise
    return conn


@contextmanager
def translated(path: Path, busy_timeout: float) -> Iterator[None]:
    """Turn what SQLite says about the state of the file into what the user can do about it."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise HistoryError(
                f"{path}: the history is locked by another process (waited {busy_timeout:g} s)",
                hint="wait until the other flakediag has finished, then repeat the command",
            ) from error
        if code == sqlite3.SQLITE_IOERR and _is_full(path):
            code = sqlite3.SQLITE_FULL  # SQLite does not say so where it is the log's index that found no room
        explanation = _EXPLANATIONS.get(code)
        if explanation is None:
            _blame_the_file(path, busy_timeout, error)
            raise
        what, hint = explanation
        raise HistoryError(f"{path}: {what} ({error})", hint=hint) from error
    except (HistoryError, UsageError):
        raise
    except Exception as error:
        _blame_the_file(path, busy_timeout, error)
        raise


def _blame_the_file(path: Path, busy_timeout: float, error: Exception) -> None:
    """Raise `HistoryError` where it is the file that made no sense, and not us.

    That may be damage, or another flakediag that has brought the file up to date since it was opened.
    """
    from flakediag.history import damage  # here and not above: it looks at everything, and is rarely asked

    if not isinstance(error, damage.NONSENSE):
        return
    with suppress(*damage.NONSENSE), closing(open_raw(path, busy_timeout)) as conn:
        _version(conn, path)
    found = damage.damage(path, busy_timeout)
    if found is not None:
        what, hint = _DAMAGED
        raise HistoryError(f"{path}: {what} ({found})", hint=hint) from error


_DAMAGED = (
    "the history is damaged",
    "restore it from a copy, or save what can be read of it: flakediag doctor --salvage NEW",
)
_EXPLANATIONS = {
    sqlite3.SQLITE_NOTADB: ("not a flakediag history", _OTHER_FILE),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: ("the disk is full; nothing was changed", "make room, then repeat the command"),
    sqlite3.SQLITE_IOERR: ("the history cannot be read or written", "check the disk and its limits, then repeat"),
    sqlite3.SQLITE_READONLY: ("the history cannot be written", "check the permissions of the file and of its folder"),
    sqlite3.SQLITE_CANTOPEN: ("the history cannot be opened", "check the permissions of the file and of its folder"),
    sqlite3.SQLITE_PERM: ("the history cannot be opened", "check the permissions of the file and of its folder"),
}


def _check_file(path: Path, *, new_allowed: bool) -> None:
    """Refuse, before SQLite sees it, what can be told from the file alone."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise HistoryError(
            f"this Python comes with SQLite {sqlite3.sqlite_version}, which cannot read a history",
            hint="use a Python whose sqlite3 module is built with SQLite 3.37 or newer",
        )
    try:
        if not path.exists():
            if new_allowed:
                return
            raise NoHistoryError(f"{path}: there is no history here", hint=f"check the path, or {_CREATE}")
        if not path.is_file():
            raise HistoryError(f"{path}: not a file", hint="name the history's file with --db")
        header, size = _header_and_size(path)
        if bytes_missing(header, size) and not _has_wal(path):
            # Another process may have been moving its log into the file: with the log gone, it has ended.
            header, size = _header_and_size(path)
    except OSError as error:
        raise HistoryError(
            f"{path}: the history cannot be read: {error.strerror}",
            hint="check the permissions of the file and of its folder",
        ) from error
    if header and (len(header) < 100 or not header.startswith(_MAGIC)):
        raise HistoryError(f"{path}: not a flakediag history (not an SQLite file)", hint=_OTHER_FILE)
    missing = bytes_missing(header, size)
    if header and missing and not _has_wal(path):
        raise HistoryError(
            f"{path}: the history is cut off ({size} of {size + missing} bytes are there)",
            hint="restore it from a copy, or save what can be read of it: flakediag doctor --salvage NEW",
        )


def _header_and_size(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return file.read(100), path.stat().st_size


def bytes_missing(header: bytes, size: int) -> int:
    """How much shorter a file is than its first 100 bytes say it is."""
    return max(0, _stated_size(header) - size) if len(header) == 100 else 0


def _stated_size(header: bytes) -> int:
    """How long the file says it is; 0 where it does not say (an SQLite before 3.7 wrote it last)."""
    if header[24:28] != header[92:96]:
        return 0
    page_size = int.from_bytes(header[16:18], "big")
    return int.from_bytes(header[28:32], "big") * (65536 if page_size == 1 else page_size)


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _NEXT_TO_NOTHING
    except OSError:
        return False


def _has_wal(path: Path) -> bool:
    wal = Path(f"{path}-wal")
    return wal.exists() and wal.stat().st_size > 0


def _connect(path: Path, flags: str, busy_timeout: float) -> sqlite3.Connection:
    # A URI, because only that can say "never create"; as_uri also quotes what a path may contain (? # % spaces).
    return sqlite3.connect(f"{path.absolute().as_uri()}?{flags}", uri=True, timeout=busy_timeout, isolation_level=None)


_NO_INDEX = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR)


def _connect_to_read(path: Path, busy_timeout: float, prepare: str = "") -> sqlite3.Connection:
    conn = _connect(path, "mode=ro", busy_timeout)
    try:
        conn.execute(prepare)
        conn.execute("SELECT 1 FROM sqlite_schema").fetchone()
        return conn
    except sqlite3.OperationalError as error:
        conn.close()
        # SQLite keeps an index of the write-ahead log beside the file, and cannot make one in a folder that is
        # read-only, or on a disk that is full. Where there is no log, nobody is writing either, and the file alone is
        # the whole history.
        if error.sqlite_errorcode & 0xFF not in _NO_INDEX or _has_wal(path):
            raise
        conn = _connect(path, "mode=ro&immutable=1", busy_timeout)
        conn.execute(prepare)
        return conn
    except BaseException:
        conn.close()
        raise


def _version(conn: sqlite3.Connection, path: Path) -> int:
    """The schema version of the file, 0 for an empty one. Refuses other people's files and newer histories."""
    with _one_moment(conn):  # else another process could make the tables between the first question and the last
        application_id: int = conn.execute("PRAGMA application_id").fetchone()[0]
        version: int = conn.execute("PRAGMA user_version").fetchone()[0]
        empty = conn.execute("SELECT 1 FROM sqlite_schema").fetchone() is None
    if application_id != schema.APPLICATION_ID:
        if application_id == 0 and version == 0 and empty:
            return 0
        raise HistoryError(f"{path}: an SQLite file of another application, not a flakediag history", hint=_OTHER_FILE)
    if version > schema.VERSION:
        raise HistoryError(
            f"{path}: written by a newer flakediag "
            f"(schema version {version}, this flakediag knows versions up to {schema.VERSION})",
            hint="upgrade with: pip install --upgrade flakediag; or name another history with --db",
        )
    return version


@contextmanager
def _one_moment(conn: sqlite3.Connection) -> Iterator[None]:
    """What is read inside is the file as it was at one moment."""
    if conn.in_transaction:
        yield
        return
    conn.execute("BEGIN")
    try:
        yield
    finally:
        conn.rollback()  # nothing was written; does nothing where SQLite has ended the transaction itself


def _use_wal(conn: sqlite3.Connection, busy_timeout: float) -> None:
    """Switch to write-ahead logging, once in a file's life.

    SQLite does not wait for the lock that this takes where two processes start on a new file at once: we do.
    """
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            conn.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _migrate(conn: sqlite3.Connection, path: Path) -> None:
    conn.execute("BEGIN IMMEDIATE")
    try:
        if _version(conn, path) < schema.VERSION:  # else another process was faster
            schema.apply(conn)
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise
