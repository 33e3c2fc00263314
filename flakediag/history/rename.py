"""Giving a test its new name: what was stored under the old one, and what will still arrive under it, is one test.

Stored results are re-pointed (where the new name is not known yet, the test itself takes it), and the old name is kept
in `renames`, so that a later report under it (another branch, an older commit, another history) finds the same test.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from flakediag.errors import UsageError
from flakediag.history import run_results
from flakediag.history.bitmaps import bitmap, pack, unpack
from flakediag.history.identities import names_of
from flakediag.history.runs import id_list
from flakediag.history.values import digest, untext
from flakediag.model import Identity

_COUNTERS = """
INSERT INTO test_counters
SELECT new, runs, failures, skips, first_seen, last_seen, last_failed FROM test_counters JOIN moved ON test_id = old
WHERE true
ON CONFLICT (test_id) DO UPDATE SET
  runs = runs + excluded.runs,
  failures = failures + excluded.failures,
  skips = skips + excluded.skips,
  first_seen = min(first_seen, excluded.first_seen),
  last_seen = max(last_seen, excluded.last_seen),
  last_failed = max(ifnull(last_failed, excluded.last_failed), ifnull(excluded.last_failed, last_failed))
"""
_SETS = ("executed_set_id", "skipped_set_id")


class Pair(NamedTuple):
    """A test, and the name that it is to have."""

    old: Identity
    new: Identity


def tests_of(conn: sqlite3.Connection, project: int) -> dict[Identity, int]:
    """The tests of a project by name, with their numbers."""
    rows = conn.execute("SELECT id, classname, name, file, variant FROM tests WHERE project_id = ?", (project,))
    return {Identity(*map(untext, row[1:])): row[0] for row in rows}


def check(conn: sqlite3.Connection, project: int, pairs: Sequence[Pair]) -> None:
    """Change nothing; raise `UsageError` where a run has a test under both names."""
    found = [(_stored(conn, project, old), _stored(conn, project, new, former=True)) for old, new in pairs]
    moved = {old: new for old, new in found if old is not None and new is not None and old != new}
    if moved:
        _refuse_both(conn, moved)


def move(conn: sqlite3.Connection, project: int, pairs: Sequence[Pair]) -> None:
    """Rename stored tests, within the transaction that the caller holds, with foreign keys off.

    Raises `UsageError` where a run has a test under both names: then they are two tests.
    """
    moved: dict[int, int] = {}  # tests that become another one that is stored
    for old, new in pairs:
        old_id = _stored(conn, project, old)
        new_id = _stored(conn, project, new, former=True)
        if old_id is None or old == new:
            continue
        if new_id is None or new_id == old_id:  # a name that is free, or that this test had before
            texts, key = names_of(project, new)
            conn.execute(
                "UPDATE tests SET digest = ?, classname = ?, name = ?, file = ?, variant = ? WHERE id = ?",
                (key, *texts, old_id),
            )
        else:
            moved[old_id] = new_id
    if moved:
        _refuse_both(conn, moved)
        _repoint(conn, moved)
    for old, new in pairs:
        _remember(conn, project, old, new)


def adopt(conn: sqlite3.Connection, project: int, old: Identity, new: Identity) -> None:
    """Take over a renaming from another history. Where it contradicts what is stored, the two stay two tests."""
    if _stored(conn, project, new, former=True) is None and _stored(conn, project, old) is None:
        texts, key = names_of(project, new)
        conn.execute(
            "INSERT INTO tests (project_id, digest, classname, name, file, variant) VALUES (?, ?, ?, ?, ?, ?)",
            (project, key, *texts),
        )
    try:
        move(conn, project, [Pair(old, new)])
    except UsageError:
        return


def _stored(conn: sqlite3.Connection, project: int, test: Identity, *, former: bool = False) -> int | None:
    _, key = names_of(project, test)
    row = conn.execute("SELECT id FROM tests WHERE digest = ?", (key,)).fetchone()
    if row is None and former:
        row = conn.execute("SELECT test_id FROM renames WHERE digest = ?", (key,)).fetchone()
    return None if row is None else int(row[0])


def _remember(conn: sqlite3.Connection, project: int, old: Identity, new: Identity) -> None:
    test = _stored(conn, project, new, former=True)
    texts, key = names_of(project, old)
    if test is None or _stored(conn, project, old) is not None:
        return
    # What is a former name already stays one of the same test: its past went there.
    conn.execute("INSERT OR IGNORE INTO renames VALUES (?, ?, ?, ?, ?, ?)", (key, test, *texts))
    # A name that a test has now is no former name: the way back has been taken.
    conn.execute("DELETE FROM renames WHERE digest IN (SELECT digest FROM tests WHERE id = ?)", (test,))


def _refuse_both(conn: sqlite3.Connection, moved: Mapping[int, int]) -> None:
    old = np.array(list(moved), dtype=np.int64)
    new = np.array(list(moved.values()), dtype=np.int64)
    members = {row[0]: unpack(row[1]) for row in conn.execute("SELECT id, members FROM test_sets")}
    if len(set(moved.values())) < len(moved):
        raise UsageError("two tests would get one name", "rename them one at a time")
    for run_id, executed, skipped in conn.execute(
        f"SELECT max(id), {', '.join(_SETS)} FROM runs GROUP BY {', '.join(_SETS)}"
    ):
        present = np.concatenate([members[executed], members[skipped]])
        both = np.isin(old, present) & np.isin(new, present)
        if both.any():
            names = [
                Identity(*map(untext, row)).id
                for row in conn.execute(
                    "SELECT classname, name, file, variant FROM tests WHERE id IN (?, ?)",
                    (int(old[both][0]), int(new[both][0])),
                )
            ]
            raise UsageError(
                f"run {run_id} has both {' and '.join(sorted(names))}: they are two tests",
                "only a test that is no longer there can continue under another name",
            )


def _repoint(conn: sqlite3.Connection, moved: Mapping[int, int]) -> None:
    """Make the old tests of `moved` the new ones, everywhere."""
    conn.execute("CREATE TEMP TABLE moved (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)")
    conn.executemany("INSERT INTO moved VALUES (?, ?)", moved.items())
    for run_id in _runs_with(conn, moved):  # the sets say which runs have one of them
        run_results.move_tests(conn, run_id, moved)
    conn.execute("DELETE FROM sequences WHERE id NOT IN (SELECT sequence_id FROM run_results)")
    conn.execute(
        "UPDATE failures SET test_id = (SELECT new FROM moved WHERE old = test_id)"
        " WHERE test_id IN (SELECT old FROM moved)"
    )
    _repoint_sets(conn, moved)
    conn.execute(_COUNTERS)
    conn.execute("DELETE FROM test_counters WHERE test_id IN (SELECT old FROM moved)")
    conn.execute(
        "UPDATE renames SET test_id = (SELECT new FROM moved WHERE old = test_id)"
        " WHERE test_id IN (SELECT old FROM moved)"
    )
    conn.execute("DELETE FROM tests WHERE id IN (SELECT old FROM moved)")
    conn.execute("DROP TABLE moved")


def _runs_with(conn: sqlite3.Connection, moved: Iterable[int]) -> list[int]:
    sets = id_list(_sets_with(conn, moved))
    rows = conn.execute(
        "SELECT id FROM runs WHERE executed_set_id IN (SELECT value FROM json_each(?1))"
        " OR skipped_set_id IN (SELECT value FROM json_each(?1))",
        (sets,),
    )
    return [row[0] for row in rows]


def _sets_with(conn: sqlite3.Connection, tests: Iterable[int]) -> list[int]:
    wanted = np.array(list(tests), dtype=np.int64)
    rows = conn.execute("SELECT id, members FROM test_sets")
    return [set_id for set_id, members in rows if np.isin(wanted, unpack(members)).any()]


def _repoint_sets(conn: sqlite3.Connection, moved: Mapping[int, int]) -> None:
    for set_id in _sets_with(conn, moved):
        (members,) = conn.execute("SELECT members FROM test_sets WHERE id = ?", (set_id,)).fetchone()
        ids = {moved.get(test, test) for test in unpack(members).tolist()}
        bits = bitmap(ids)
        key = digest(bits)
        row = conn.execute("SELECT id FROM test_sets WHERE digest = ?", (key,)).fetchone()
        if row is None:
            conn.execute(
                "UPDATE test_sets SET digest = ?, size = ?, members = ? WHERE id = ?",
                (key, len(ids), pack(bits), set_id),
            )
            continue
        for column in _SETS:
            conn.execute(f"UPDATE runs SET {column} = ? WHERE {column} = ?", (row[0], set_id))
        conn.execute("UPDATE pruned_runs SET failed_set_id = ? WHERE failed_set_id = ?", (row[0], set_id))
        conn.execute("DELETE FROM test_sets WHERE id = ?", (set_id,))
