"""The tests of a window: which there are, their names, and the place of each of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flakediag.history.identities import named
from flakediag.model import Identity

Ints = NDArray[np.int32]
NAMELESS = Identity("", "")


def distinct(sequences: Sequence[Ints]) -> Ints:
    """The ids of all tests in these sequences, rising."""
    seen = np.zeros(max((int(tests.max(initial=-1)) for tests in sequences), default=-1) + 1, dtype=np.bool_)
    for tests in sequences:
        seen[tests] = True
    return np.flatnonzero(seen).astype(np.int32)


def load(conn: sqlite3.Connection, ids: Ints) -> tuple[tuple[Identity, ...], Ints]:
    """The tests with these ids by name, and the place of each id among them (int32[highest id + 1])."""
    found = sorted([(name, test_id) for test_id, name in named(conn, ids.tolist())])
    return tuple([name for name, _ in found]), _places([test_id for _, test_id in found])


def none(ids: Ints) -> tuple[tuple[Identity, ...], Ints]:
    """These tests without their names, by id, and the place of each id among them."""
    return (NAMELESS,) * len(ids), _places(ids)


def some(conn: sqlite3.Connection, ids: Ints, wanted: NDArray[np.int64]) -> tuple[Identity, ...]:
    """These tests by id, with the names of those at the places `wanted`."""
    found = dict(named(conn, ids[wanted].tolist()))
    return tuple([found.get(test_id, NAMELESS) for test_id in ids.tolist()])


def _places(ids: Ints | list[int]) -> Ints:
    numbers = np.asarray(ids, dtype=np.int32)
    places = np.full(int(numbers.max(initial=-1)) + 1, -1, dtype=np.int32)
    places[numbers] = np.arange(len(numbers), dtype=np.int32)
    return places
