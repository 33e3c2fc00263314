"""Loading a window: a row for each run, unpacked into arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.window import Failure, Window
from flakediag.history.server import failures, reading, results
from flakediag.history.server.connecting import Connection
from flakediag.history.server.reading import Head
from flakediag.model import FailureDetail, Identity, Outcome

_T = TypeVar("_T", bound=np.generic)
_MOST_ATTEMPTS = 127  # what the window's type holds


def load(conn: Connection, heads: Sequence[Head]) -> Window:
    """The window of these runs of one project, oldest first."""
    loaded = [each for _, each in results.load(conn, heads)]
    names, index, index_of = tests(conn, heads, loaded)
    sizes = np.array([len(each.places) for each in loaded], dtype=np.int64)
    duration = _joined([each.milliseconds for each in loaded], np.int32).astype(np.float32)
    duration[duration < 0] = np.nan
    duration /= 1000
    return Window(
        runs=tuple(head.run for head in heads),
        tests=names,
        run=np.repeat(np.arange(len(loaded), dtype=np.int32), sizes),
        test=_joined([index_of[id(each.tests)][each.places] for each in loaded], np.int32),
        position=_joined([np.arange(size, dtype=np.int32) for size in sizes], np.int32),
        outcome=_joined([each.outcomes for each in loaded], np.int8),
        attempts=np.minimum(_joined([each.attempts for each in loaded], np.int32), _MOST_ATTEMPTS).astype(np.int8),
        duration=duration,
        failures=_failures(conn, heads, index),
    )


def _joined(parts: Sequence[NDArray[_T]], dtype: type[_T]) -> NDArray[_T]:
    return np.concatenate([np.empty(0, dtype=dtype), *parts])


def tests(
    conn: Connection, heads: Sequence[Head], loaded: Sequence[results.RunResults]
) -> tuple[tuple[Identity, ...], dict[int, int], dict[int, NDArray[np.int32]]]:
    """The tests by name; key → place among them; and for each roster (by its `id`) the places of its tests."""
    rosters = {id(each.tests): each.tests for each in loaded}
    keys = np.unique(_joined(list(rosters.values()), np.int64))
    found = {} if not heads else reading.names(conn, heads[0].project, keys.tolist())
    in_order = sorted((name, key) for key, name in found.items())
    place = np.empty(len(keys), dtype=np.int32)
    place[np.searchsorted(keys, [key for _, key in in_order])] = np.arange(len(in_order), dtype=np.int32)
    return (
        tuple(name for name, _ in in_order),
        {key: index for index, (_, key) in enumerate(in_order)},
        {known: place[np.searchsorted(keys, tests)] for known, tests in rosters.items()},
    )


def _failures(conn: Connection, heads: Sequence[Head], index: dict[int, int]) -> tuple[Failure, ...]:
    """By run, position and attempt. `index` is the place of each test among the window's."""
    place = {head.number: index for index, head in enumerate(heads)}
    nothing = FailureDetail("", "", "")
    found = [
        Failure(
            run=place[each.run],
            test=index[each.test],
            position=each.position,
            attempt=each.attempt,
            outcome=Outcome(each.outcome),
            signature=each.signature,
            said=each.said or nothing,
        )
        for each in failures.load(conn, heads)
    ]
    found.sort(key=lambda failure: (failure.run, failure.position, failure.attempt))
    return tuple(found)
