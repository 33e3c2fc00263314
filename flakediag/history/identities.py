"""The tests of a history: their names as they are stored, and the numbers that stand for them."""

from __future__ import annotations

import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count, islice

from flakediag.history.runs import id_list
from flakediag.history.values import digest, digest_of, text, texts, untext
from flakediag.model import Identity, Listed

_MANY = 500  # unknown tests of one run, from which on they are looked up together, and so many at a time
_BATCH = 5_000  # names that are held at a time, beside those of the report
_UNKNOWN = 0  # no test has this number
_ROWS = 50  # of one statement: SQLite takes half as long for each as with one statement for every row


class TestWriter:
    """Finds tests, and adds those that are new, within the transaction that the caller holds."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._known: dict[int, dict[Identity, int]] = defaultdict(dict)  # by project
        self._rosters: dict[tuple[int, int], tuple[Sequence[Identity], array[int]]] = {}  # lists of tests, with numbers

    def numbers(self, project: int, tests: Sequence[Identity]) -> array[int]:
        """The numbers of these tests, each of which may be there more than once: those of the tests with these names,
        present or former; new ones where there are none."""
        if isinstance(tests, Listed):
            return self._numbers_of_listed(project, tests)
        known = self._known[project]
        try:
            return array("i", map(known.__getitem__, tests))
        except KeyError:
            unknown = list(dict.fromkeys(test for test in tests if test not in known))
        found = self._find_many(project, unknown) if len(unknown) >= _MANY else self._find_each(project, unknown)
        known.update(zip(unknown, found, strict=True))
        # New tests are mostly all that a report holds, and once each.
        return array("i", found if len(unknown) == len(tests) else map(known.__getitem__, tests))

    def _numbers_of_listed(self, project: int, tests: Listed) -> array[int]:
        """The same of tests of a list, each of which is asked for by name once."""
        roster, found = self._rosters.setdefault((project, id(tests.roster)), (tests.roster, array("i")))
        found.extend([_UNKNOWN] * (len(roster) - len(found)))
        numbers = array("i", map(found.__getitem__, tests.places))
        if _UNKNOWN in numbers:
            unknown = (place for place, number in zip(tests.places, numbers, strict=True) if number == _UNKNOWN)
            places = list(dict.fromkeys(unknown))
            for place, number in zip(places, self.numbers(project, [roster[p] for p in places]), strict=True):
                found[place] = number
            numbers = array("i", map(found.__getitem__, tests.places))
        return numbers

    def _find_each(self, project: int, tests: Iterable[Identity]) -> list[int]:
        found = []
        for test in tests:
            stored, key = names_of(project, test)
            row = self._conn.execute(
                "SELECT id FROM tests WHERE digest = ?1 UNION ALL SELECT test_id FROM renames WHERE digest = ?1", (key,)
            ).fetchone()
            if row is None:
                [row] = self._conn.execute(
                    "INSERT INTO tests (project_id, digest, classname, name, file, variant) VALUES (?, ?, ?, ?, ?, ?)"
                    " RETURNING id",
                    (project, key, *stored),
                ).fetchall()
            found.append(int(row[0]))
        return found

    def _find_many(self, project: int, tests: Sequence[Identity]) -> list[int]:
        """The same with a few statements.

        New tests are stored by rising digest, so that both the table and the index grow at their ends and nothing has
        to be read back; SQLite numbers them from the highest number on.
        """
        keys = digests(project, tests)
        number_of: dict[bytes, int] = dict(self._conn.execute("SELECT digest, test_id FROM renames"))
        last = self._conn.execute("SELECT ifnull(max(id), 0) FROM tests").fetchone()[0]
        if last:
            number_of.update(self._stored(keys))
        new = sorted(key for key in keys if key not in number_of)
        of_key = dict(zip(keys, tests, strict=True))
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            self._insert(project, batch, [of_key[key] for key in batch])
        number_of.update(zip(new, count(last + 1)))
        return [number_of[key] for key in keys]

    def _insert(self, project: int, keys: Sequence[bytes], tests: Sequence[Identity]) -> None:
        columns = [texts(column) for column in zip(*tests, strict=True)]
        # Most reports name no file and no variant: what is empty everywhere need not be handed over again and again.
        columns = [column if any(column) else () for column in columns]
        marks = ", ".join("?" if column else "''" for column in columns)
        values = chain.from_iterable(zip(keys, *filter(None, columns), strict=True))
        width = 1 + sum(map(bool, columns))
        whole, rest = divmod(len(keys), _ROWS)
        for rows, times in ((_ROWS, whole), (rest, min(rest, 1))):
            self._conn.executemany(
                "INSERT INTO tests (project_id, digest, classname, name, file, variant) VALUES "
                + ", ".join([f"({project}, ?, {marks})"] * max(rows, 1)),
                (tuple(islice(values, rows * width)) for _ in range(times)),
            )

    def _stored(self, keys: Iterable[bytes]) -> dict[bytes, int]:
        """The tests with these digests that there are."""
        found: dict[bytes, int] = {}
        left = iter(sorted(keys))  # one part of the index after the other
        while part := list(islice(left, _MANY)):
            marks = ", ".join("?" * len(part))
            found.update(self._conn.execute(f"SELECT digest, id FROM tests WHERE digest IN ({marks})", part))
        return found


def named(conn: sqlite3.Connection, ids: Iterable[int]) -> Iterator[tuple[int, Identity]]:
    """The tests with these numbers, each with its name."""
    rows = conn.execute(
        "SELECT id, classname, name, file, variant FROM tests WHERE id IN (SELECT value FROM json_each(?))",
        (id_list(ids),),
    )
    for test_id, classname, name, file, variant in rows:
        yield test_id, Identity(untext(classname), untext(name), untext(file), untext(variant))


def names_of(project: int, test: Identity) -> tuple[tuple[str, ...], bytes]:
    """The four texts of an identity as they are stored, and their digest."""
    [said] = _said(project, [test])
    if said.isascii() and "\x00" not in said:  # nearly always: nothing to replace, and a byte for each character
        return test, digest_of(said.encode())
    stored = tuple(map(text, test))
    return stored, digest(b"%d" % project, *(part.encode() for part in stored))


def digests(project: int, tests: Sequence[Identity]) -> list[bytes]:
    """Those of many tests."""
    found: list[bytes] = []
    for start in range(0, len(tests), _BATCH):
        part = tests[start : start + _BATCH]
        whole = "\x00".join(_said(project, part))
        if whole.isascii() and whole.count("\x00") == len(part) - 1:
            found += map(digest_of, whole.encode().split(b"\x00"))
        else:
            found += [names_of(project, test)[1] for test in part]
    return found


def _said(project: int, tests: Iterable[Identity]) -> Iterator[str]:
    """What the digest of each test is made of, if its texts are stored as they are and a character is a byte."""
    heads: dict[str, str] = {}  # by class, which most tests share with others
    of = str(project)
    for classname, name, file, variant in tests:
        head = heads.get(classname)
        if head is None:
            head = heads[classname] = f"{len(of)}:{of}{len(classname)}:{classname}"
        tail = f"{len(file)}:{file}{len(variant)}:{variant}" if file or variant else "0:0:"
        yield f"{head}{len(name)}:{name}{tail}"
