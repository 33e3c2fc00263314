"""What is wrong with a history: looked at with raw eyes, because whatever is wrong would stop the ordinary way in."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from flakediag import __version__
from flakediag.history import connection, recount, run_results, schema
from flakediag.history.damage import NONSENSE, wrong_contents
from flakediag.model import CheckupFinding, CheckupStatus, Outcome

_FINE, _NOTE, _PROBLEM = CheckupStatus.FINE, CheckupStatus.NOTE, CheckupStatus.PROBLEM
_SHOWN = 5  # of the complaints of one check
MUCH_FREE = 0.25  # of the pages, from which on it is worth saying

UNUSED = {
    "signatures": "id NOT IN (SELECT signature_id FROM failures)",
    "failure_details": (
        "id NOT IN (SELECT detail_id FROM failures WHERE detail_id IS NOT NULL)"
        " AND id NOT IN (SELECT example_id FROM signatures WHERE example_id IS NOT NULL)"
        " AND id NOT IN (SELECT base_id FROM failure_details WHERE base_id IS NOT NULL)"
    ),
    "test_sets": (
        "id NOT IN (SELECT executed_set_id FROM runs UNION SELECT skipped_set_id FROM runs"
        " UNION SELECT failed_set_id FROM pruned_runs)"
    ),
    "sequences": "id NOT IN (SELECT sequence_id FROM run_results)",
    "properties": "id NOT IN (SELECT property_id FROM run_properties)",
}
"""Rows that nothing points at any more: they cost space and harm nobody. In the order in which they can be dropped."""


class Totals(NamedTuple):
    """Of one run: what its header says of it."""

    results: int
    failures: int
    errors: int
    skipped: int


@dataclass(slots=True)
class Recounted:
    """The runs whose header disagrees with their results, with what it should say; and those whose results are
    damaged."""

    wrong: dict[int, Totals]
    damaged: list[int]


def recounted_totals(conn: sqlite3.Connection) -> Recounted:
    """Count the results of every run that has not been pruned."""
    found = Recounted({}, [])
    for run_id, *said in conn.execute(
        "SELECT id, results, failures, errors, skipped FROM runs WHERE id NOT IN (SELECT run_id FROM pruned_runs)"
    ).fetchall():
        try:
            outcomes = run_results.read(conn, run_id).outcomes
        except (zlib.error, ValueError):
            found.damaged.append(run_id)
            continue
        counted = map(outcomes.count, (Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED))
        right = Totals(len(outcomes), *counted)
        if right != Totals(*said):
            found.wrong[run_id] = right
    return found


def examine(path: Path, busy_timeout: float) -> Iterator[CheckupFinding]:
    """One finding for each thing that was looked at. Changes nothing. Stops where nothing further can be read.

    Raises `HistoryError` where there is no file.
    """
    connection.must_exist(path)
    yield CheckupFinding(
        "versions",
        _FINE,
        f"flakediag {__version__}, schema version {schema.VERSION}, SQLite {sqlite3.sqlite_version}, "
        f"Python {'.'.join(map(str, sys.version_info[:3]))}",
    )
    yield from _file(path)
    try:
        with closing(raw(path, busy_timeout)) as conn:
            yield from _content(conn)
    except NONSENSE as error:
        yield CheckupFinding("reading", _PROBLEM, f"SQLite cannot read the file: {error}", "--salvage NEW")


def raw(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """A read-only connection to whatever the file is."""
    return connection.open_raw(path, busy_timeout)


def _file(path: Path) -> Iterator[CheckupFinding]:
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    said = f"{found.st_size:,} bytes, mode {mode:o}"
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        where = path if not os.access(path, os.W_OK) else path.parent
        yield CheckupFinding(
            "file", _NOTE, f"{said}; {where} cannot be written by this user, so that nothing is stored"
        )
    elif mode & stat.S_IWOTH:
        yield CheckupFinding("file", _NOTE, f"{said}; every user of this machine can change it")
    else:
        yield CheckupFinding("file", _FINE, said)
    wal = Path(f"{path}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size:
        yield CheckupFinding(
            "write-ahead log", _FINE, f"{size:,} bytes in {wal.name}: copy both files, or use VACUUM INTO"
        )
    with path.open("rb") as file:
        missing = connection.bytes_missing(file.read(100), found.st_size)
    if missing and not size:
        yield CheckupFinding("length", _PROBLEM, f"the file is cut off: {missing:,} bytes are missing", "--salvage NEW")


def _content(conn: sqlite3.Connection) -> Iterator[CheckupFinding]:
    application_id: int = conn.execute("PRAGMA application_id").fetchone()[0]
    version: int = conn.execute("PRAGMA user_version").fetchone()[0]
    if not application_id and not version and conn.execute("SELECT 1 FROM sqlite_schema").fetchone() is None:
        yield CheckupFinding("schema", _NOTE, "nothing has been stored in this history yet")
        return
    if application_id != schema.APPLICATION_ID:
        yield CheckupFinding("schema", _PROBLEM, "not a flakediag history: its application_id is another's")
        return
    if version > schema.VERSION:
        yield CheckupFinding(
            "schema", _PROBLEM, f"version {version}, of a newer flakediag", "pip install --upgrade flakediag"
        )
        return
    older = version < schema.VERSION
    later = "; it is brought up to date when it is next used" if older else ""
    yield CheckupFinding("schema", _NOTE if older else _FINE, f"version {version}{later}")
    complaints = [str(row[0]) for row in conn.execute(f"PRAGMA integrity_check({_SHOWN})")]
    if complaints != ["ok"]:
        yield CheckupFinding("integrity", _PROBLEM, "; ".join(complaints), "--salvage NEW")
        return  # what else would be found is the same damage
    yield CheckupFinding("integrity", _FINE, "every page and index is sound")
    yield _references(conn)
    if not older:
        contents = _contents(conn)
        yield contents
        if contents.status is _PROBLEM:
            return  # what cannot be read cannot be counted either
        yield _totals(conn)
        yield _counters(conn)
        yield _unused(conn)
    yield _space(conn)


def _references(conn: sqlite3.Connection) -> CheckupFinding:
    broken: dict[tuple[str, str], int] = {}
    for table, _, parent, _ in conn.execute("PRAGMA foreign_key_check"):
        broken[table, parent] = broken.get((table, parent), 0) + 1
    if not broken:
        return CheckupFinding("references", _FINE, "every row that is pointed at is there")
    said = "; ".join(
        f"{number} rows of {table} point at missing {parent}" for (table, parent), number in broken.items()
    )
    return CheckupFinding("references", _PROBLEM, said, "drop the rows that point nowhere")


def _contents(conn: sqlite3.Connection) -> CheckupFinding:
    wrong = "; ".join(wrong_contents(conn))
    if wrong:
        return CheckupFinding("contents", _PROBLEM, wrong, "--salvage NEW")
    return CheckupFinding("contents", _FINE, "every text, set and run is what was stored")


def _totals(conn: sqlite3.Connection) -> CheckupFinding:
    found = recounted_totals(conn)
    if found.damaged:
        return CheckupFinding(
            "totals",
            _PROBLEM,
            f"the results of {len(found.damaged)} runs are damaged",
            "drop these runs; ingest their reports again where they are still there",
        )
    if found.wrong:
        return CheckupFinding(
            "totals", _PROBLEM, f"{len(found.wrong)} runs have other results than their header says", "count them anew"
        )
    return CheckupFinding("totals", _FINE, "the headers of the runs agree with their results")


def _counters(conn: sqlite3.Connection) -> CheckupFinding:
    right, present = recount.recounted(conn), recount.stored(conn)
    wrong = sum(right.get(test) != present.get(test) for test in right.keys() | present.keys())
    if wrong:
        return CheckupFinding("counters", _PROBLEM, f"those of {wrong} of {len(right)} tests are wrong", "count anew")
    return CheckupFinding("counters", _FINE, f"those of all {len(right)} tests agree with the runs")


def _unused(conn: sqlite3.Connection) -> CheckupFinding:
    counts = {
        table: int(conn.execute(f"SELECT count(*) FROM {table} WHERE {unused}").fetchone()[0])
        for table, unused in UNUSED.items()
    }
    said = ", ".join(f"{number} of {table}" for table, number in counts.items() if number)
    if said:
        return CheckupFinding("unused rows", _NOTE, f"nothing points at {said}", "drop them")
    return CheckupFinding("unused rows", _FINE, "none")


def _space(conn: sqlite3.Connection) -> CheckupFinding:
    pages, free, size = (
        int(conn.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    said = f"{free * size:,} of {pages * size:,} bytes are free for new results"
    if pages and free / pages >= MUCH_FREE:
        return CheckupFinding("space", _NOTE, said, "give them back to the file system")
    return CheckupFinding("space", _FINE, said)
