"""Whether a history is what was once written: SQLite looks after its pages, this after what stands in them.

A flipped bit in a page's structure is found by SQLite's own check; one in a text or a number is not. Most of what a
history holds is stored beside its digest, or compressed with a checksum, and so tells for itself.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from flakediag.history import columns, connection, details, portable, schema
from flakediag.history.values import digest

NONSENSE = (
    sqlite3.Error,
    zlib.error,
    struct.error,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    ArithmeticError,
    MemoryError,
)
"""What reading a damaged page may end in. A bug may end so too: `damage` tells them apart."""

_Row = tuple[str | bytes, ...]


def _of_text(*parts: str | bytes) -> bytes:
    return digest(*(part if isinstance(part, bytes) else part.encode() for part in parts))


def _of_set(members: bytes) -> bytes:
    return digest(zlib.decompress(members))


def _of_detail(content: bytes, base: bytes | None) -> bytes:
    return digest(details.decompress(content, None if base is None else details.decompress(base, None)))


def _of_sequence(tests: bytes) -> bytes:
    return digest(columns.unpack_plain(tests).tobytes())


_NAMES = "SELECT digest, CAST(project_id AS TEXT), classname, name, file, variant FROM tests"
_FORMER_NAMES = """
SELECT r.digest, CAST(t.project_id AS TEXT), r.classname, r.name, r.file, r.variant
FROM renames r JOIN tests t ON t.id = r.test_id
"""
_DETAILS = """
SELECT d.digest, d.content, b.content FROM failure_details d LEFT JOIN failure_details b ON b.id = d.base_id
"""

# What is stored beside its digest: what to call it, how to read it (the digest first), how the digest is made.
_DIGESTED: tuple[tuple[str, str, Callable[..., bytes]], ...] = (
    ("test sets", "SELECT digest, members FROM test_sets", _of_set),
    ("sequences", "SELECT digest, tests FROM sequences", _of_sequence),
    ("signatures", "SELECT digest, text FROM signatures", _of_text),
    ("tests", _NAMES, _of_text),
    ("former names", _FORMER_NAMES, _of_text),
    ("failure texts", _DETAILS, _of_detail),
)


def damage(path: Path, busy_timeout: float) -> str | None:
    """The first thing found that cannot have been written so; None where there is none. Reads the whole file."""
    try:
        with closing(connection.open_raw(path, busy_timeout)) as conn:
            (said,) = conn.execute("PRAGMA integrity_check(1)").fetchone()
            if said != "ok":
                return str(said)
            dangling = conn.execute("PRAGMA foreign_key_check").fetchone()
            if dangling is not None:
                return f"rows of {dangling[0]} point at missing {dangling[2]}"
            if conn.execute("PRAGMA user_version").fetchone()[0] != schema.VERSION:
                return None
            return next(wrong_contents(conn), None)
    except NONSENSE as error:
        busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        return None if busy else str(error)


def wrong_contents(conn: sqlite3.Connection) -> Iterator[str]:
    """What of a history of this version is not what was stored, or cannot be read: a sentence for each kind."""
    for name, query, made in _DIGESTED:
        try:
            wrong = sum(not _is(made, row) for row in conn.execute(query))
        except NONSENSE as error:
            yield f"the {name} cannot be read: {error}"
            continue
        if wrong:
            yield f"{wrong} of the {name} are not what was stored"
    unreadable = sum(not _readable(conn, row[0]) for row in conn.execute("SELECT id FROM runs").fetchall())
    if unreadable:
        yield f"{unreadable} of the runs cannot be read"


def _is(made: Callable[..., bytes], row: _Row) -> bool:
    try:
        return made(*row[1:]) == row[0]
    except NONSENSE:
        return False


def _readable(conn: sqlite3.Connection, run_id: int) -> bool:
    try:
        found = portable.portable(conn, run_id)
        return found is not None and found.load() is not None
    except (*NONSENSE, LookupError):
        return False
