"""The tests of a window: which there are, their names, and the place of each among them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flakediag.history.runs import id_list
from flakediag.history.values import untext
from flakediag.model import Identity

Ints = NDArray[np.int32]


def distinct(sequences: Sequence[Ints]) -> Ints:
    """The ids of all tests in these sequences, rising."""
    seen = np.zeros(max((int(tests.max(initial=-1)) for tests in sequences), default=-1) + 1, dtype=np.bool_)
    for tests in sequences:
        seen[tests] = True
    return np.flatnonzero(seen).astype(np.int32)


def load(conn: sqlite3.Connection, ids: Ints) -> tuple[tuple[Identity, ...], Ints]:
    """The tests with these ids by name, and the place of each id among them (int32[highest id + 1])."""
    found = [
        (Identity(*map(untext, row[1:])), row[0])
        for row in conn.execute(
            "SELECT id, classname, name, file, variant FROM tests WHERE id IN (SELECT value FROM json_each(?))",
            (id_list(ids.tolist()),),
        )
    ]
    found.sort()
    index_of = np.full(int(ids.max(initial=-1)) + 1, -1, dtype=np.int32)
    index_of[[test_id for _, test_id in found]] = np.arange(len(found), dtype=np.int32)
    return tuple(name for name, _ in found), index_of
