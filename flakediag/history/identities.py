"""The tests of a history: their names as they are stored, and the numbers that stand for them."""

from __future__ import annotations

import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count, islice

from flakediag.history.values import digest, digest_of, text, texts
from flakediag.model import Identity

_MANY = 500  # unknown tests of one run, from which on they are looked up together, and so many at a time
_BATCH = 5_000  # names that are held at a time, beside those of the report
_ROWS = 50  # of one statement: SQLite takes half as long for each as with one statement for every row


class TestWriter:
    """Finds tests, and adds those that are new, within the transaction that the caller holds."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._known: dict[int, dict[Identity, int]] = defaultdict(dict)  # by project

    def numbers(self, project: int, tests: Sequence[Identity]) -> array[int]:
        """The numbers of these tests, each of which may be there more than once."""
        known = self._known[project]
        try:
            return array("i", map(known.__getitem__, tests))
        except KeyError:
            unknown = dict.fromkeys(test for test in tests if test not in known)
        if len(unknown) >= _MANY:
            self._find_many(project, list(unknown))
        for test in unknown:
            self.number(project, test)
        return array("i", map(known.__getitem__, tests))

    def number(self, project: int, test: Identity) -> int:
        """The number of the test with this name, present or former; a new one where there is none."""
        found = self._known[project].get(test)
        if found is not None:
            return found
        texts, key = names_of(project, test)
        row = self._conn.execute(
            "SELECT id FROM tests WHERE digest = ?1 UNION ALL SELECT test_id FROM renames WHERE digest = ?1", (key,)
        ).fetchone()
        if row is None:
            [row] = self._conn.execute(
                "INSERT INTO tests (project_id, digest, classname, name, file, variant) VALUES (?, ?, ?, ?, ?, ?)"
                " RETURNING id",
                (project, key, *texts),
            ).fetchall()
        number = self._known[project][test] = int(row[0])
        return number

    def _find_many(self, project: int, tests: Sequence[Identity]) -> None:
        """The same for many tests with a few statements; a test with a former name is left to `number`.

        New tests are stored by rising digest, so that both the table and the index grow at their ends and nothing has
        to be read back; SQLite numbers them from the highest number on.
        """
        known = self._known[project]
        of_key = dict(zip(digests(project, tests), tests, strict=True))
        renamed = {key for (key,) in self._conn.execute("SELECT digest FROM renames")}
        wanted = sorted(of_key.keys() - renamed if renamed else of_key)
        last = self._conn.execute("SELECT ifnull(max(id), 0) FROM tests").fetchone()[0]
        if last:
            stored = self._stored(wanted)
            known.update((of_key[key], number) for key, number in stored.items())
            wanted = [key for key in wanted if key not in stored]
        for start in range(0, len(wanted), _BATCH):
            keys = wanted[start : start + _BATCH]
            self._insert(project, keys, [of_key[key] for key in keys])
        known.update(zip(map(of_key.__getitem__, wanted), count(last + 1)))

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

    def _stored(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """The tests with these digests that there are."""
        found: dict[bytes, int] = {}
        for start in range(0, len(keys), _MANY):
            part = keys[start : start + _MANY]
            marks = ", ".join("?" * len(part))
            found.update(self._conn.execute(f"SELECT digest, id FROM tests WHERE digest IN ({marks})", part))
        return found


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
