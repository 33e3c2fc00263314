"""Giving a test its new name: nothing that is stored is touched, a former name is read as the test that it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from flakediag.errors import UsageError
from flakediag.history.server import reading, results, rows
from flakediag.history.server.connecting import Connection
from flakediag.history.server.keys import test_key
from flakediag.history.values import text
from flakediag.model import Identity

Pair = tuple[Identity, Identity]  # a test, and the name that it is to have


@dataclass(slots=True)
class _Names:
    """The tests of a project: what is stored of them, and what is to be."""

    project: int
    tests: dict[int, Identity]
    now: dict[int, int]  # former name → the test that it is now
    added: list[Identity] = field(default_factory=list)

    @classmethod
    def stored(cls, conn: Connection, project: int) -> _Names:
        found = conn.execute("SELECT test FROM flakediag.tests WHERE project = %s", (project,))
        tests = reading.names(conn, project, [row[0] for row in found])
        return cls(project, tests, reading.renames(conn, project))

    def find(self, test: Identity, *, former: bool = False) -> int | None:
        """The test with this name, present or, with `former`, former."""
        key = test_key(self.project, test)
        if key in self.now:
            return self.now[key] if former else None
        return key if key in self.tests else None

    def add(self, test: Identity) -> int:
        key = test_key(self.project, test)
        if key not in self.tests:
            self.tests[key] = test
            self.added.append(test)
        return key

    def become(self, old: Identity, test: int) -> None:
        """From now on `old`, and what became `old` before, is `test`."""
        former = self.add(old)
        self.now = {key: test if present == former else present for key, present in self.now.items()}
        self.now[former] = test
        self.now.pop(test, None)  # a name that a test has now is no former name: the way back has been taken


def tests_of(conn: Connection, project: int) -> tuple[Identity, ...]:
    """The present names, sorted."""
    names = _Names.stored(conn, project)
    return tuple(sorted(name for key, name in names.tests.items() if key not in names.now))


def check(conn: Connection, project: int, pairs: Sequence[Pair]) -> None:
    """Change nothing; raise `UsageError` where a run has a test under both names."""
    _check(conn, _Names.stored(conn, project), pairs)


def rename(conn: Connection, project: int, pairs: Sequence[Pair]) -> None:
    """Rename tests, within the transaction that the caller holds.

    Raises `UsageError` where a run has a test under both names: then they are two tests.
    """
    names = _Names.stored(conn, project)
    before = dict(names.now)
    _check(conn, names, pairs)
    _apply(names, pairs)
    _write(conn, names, before)


def adopt(conn: Connection, project: int, pairs: Sequence[Pair]) -> None:
    """Take over renamings from another history. Where one contradicts what is stored, the two stay two tests."""
    names = _Names.stored(conn, project)
    before = dict(names.now)
    for old, new in pairs:
        if names.find(new, former=True) is None and names.find(old) is None:
            names.add(new)
        try:
            _check(conn, names, [(old, new)])
        except UsageError:
            continue
        _apply(names, [(old, new)])
    _write(conn, names, before)


def _apply(names: _Names, pairs: Sequence[Pair]) -> None:
    for old, new in pairs:
        test = names.find(new, former=True)
        present = names.find(old)
        if old == new or (test is None and present is None):
            continue
        if present is None and test_key(names.project, old) in names.now:
            continue  # a former name stays one of the same test: its past went there
        if test is None or test == present:  # a name that is free, or that this test had before
            test = names.add(new)
        names.become(old, test)


def _check(conn: Connection, names: _Names, pairs: Sequence[Pair]) -> None:
    found = [(names.find(old), names.find(new, former=True)) for old, new in pairs]
    moved = {old: new for old, new in found if old is not None and new is not None and old != new}
    if len(set(moved.values())) < len(moved):
        raise UsageError("two tests would get one name", "rename them one at a time")
    if moved:
        _refuse_both(conn, names, moved)


def _refuse_both(conn: Connection, names: _Names, moved: Mapping[int, int]) -> None:
    last: dict[bytes, int] = dict(
        conn.execute(
            "SELECT roster, max(run) FROM flakediag.runs WHERE project = %s GROUP BY roster", (names.project,)
        ).fetchall()
    )
    old = np.array(list(moved), dtype=np.int64)
    new = np.array(list(moved.values()), dtype=np.int64)
    for roster, tests in results.rosters(conn, names.project, last, names.now).items():
        both = np.isin(old, tests) & np.isin(new, tests)
        if both.any():
            said = sorted(names.tests[int(keys[both][0])].id for keys in (old, new))
            raise UsageError(
                f"run {last[roster]} has both {' and '.join(said)}: they are two tests",
                "only a test that is no longer there can continue under another name",
            )


def _write(conn: Connection, names: _Names, before: Mapping[int, int]) -> None:
    """Only what is new is inserted, so that taking over renamings needs no more rights than that."""
    rows.insert(
        conn,
        "tests",
        "project, test, classname, name, file, variant",
        [(names.project, test_key(names.project, test), *map(text, test)) for test in names.added],
    )
    added = [(names.project, *each) for each in names.now.items() if each[0] not in before]
    rows.insert(conn, "renames", "project, former, test", sorted(added))
    for former, test in names.now.items():
        if before.get(former, test) != test:
            conn.execute(
                "UPDATE flakediag.renames SET test = %s WHERE project = %s AND former = %s",
                (test, names.project, former),
            )
    for former in before.keys() - names.now.keys():
        conn.execute("DELETE FROM flakediag.renames WHERE project = %s AND former = %s", (names.project, former))
