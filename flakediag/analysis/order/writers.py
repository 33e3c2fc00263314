"""When each candidate last wrote before each observation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.candidates import Candidates
from flakediag.analysis.order.units import NEVER, Orders, Rows

RANKS = 3
Places = NDArray[np.signedinteger]
_ROWS = 256  # at a time, so that the intermediate copies stay small


def last_written(
    rows: Rows, orders: Orders, candidates: Candidates, passed: NDArray[np.bool_], only: NDArray[np.intp] | None = None
) -> Places:
    """[C, M]: when each candidate last ran before the row's victim, as `RANKS` × position + its rank, or `NEVER`.

    `passed`: bool[R, T], what the variants look at. A group's last position is the latest of its members'. Of two
    writers at one position the more specific one decides: a test against its class, a class against all tests.
    With `only`, the rows of these candidates, in this order.
    """
    kind = orders.when.dtype.type
    numbers = np.arange(candidates.size) if only is None else only
    kinds, spans = candidates.kinds[numbers], candidates.spans[numbers]
    single, group, every = kinds >= 2, kinds == 1, kinds == 0
    needed = _covered(spans[~every], len(candidates.tests))
    at = np.searchsorted(needed, spans)
    bounds = at[group].ravel()
    tests = candidates.tests[needed]
    wanted = [
        (place, candidates.variants[n - candidates.size][1]) for place, n in enumerate(numbers) if kinds[place] == 3
    ]
    written = np.empty((len(numbers), len(rows)), dtype=kind)
    written[every] = _ranked(orders.before[rows.run, rows.position], 0)
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        when = np.ascontiguousarray(orders.when[rows.run[part]].T)[tests]  # [tests, rows of this part]
        last = np.where(when < rows.position[part].astype(kind), when, kind(NEVER))
        written[single, part] = _ranked(last[at[single, 0]], 2)
        if group.any():
            padded = np.concatenate([last, last[:1]])
            written[group, part] = _ranked(np.maximum.reduceat(padded, bounds, axis=0)[::2], 1)
        for place, passing in wanted:
            did = passed[rows.run[part], candidates.tests[spans[place, 0]]] == passing
            written[place, part] = np.where(did, written[place, part], kind(NEVER))
    return written


def _covered(spans: NDArray[np.int32], count: int) -> NDArray[np.intp]:
    """The places below `count` that lie in any of the ranges, in rising order."""
    steps = np.zeros(count + 1, dtype=np.int64)
    np.add.at(steps, spans[:, 0], 1)
    np.add.at(steps, spans[:, 1], -1)
    return np.flatnonzero(steps.cumsum())


def _ranked(last: Places, rank: int) -> Places:
    """`RANKS` × position + rank; `NEVER` stays what it is."""
    kind = last.dtype.type
    ranked: Places = np.maximum(last * kind(RANKS) + kind(rank), kind(NEVER))
    return ranked


def last_of(chosen: Sequence[int], written: Places, start: int) -> Places:
    """[M]: the last position at which any of the chosen candidates wrote, `start` where none did."""
    base = np.full(written.shape[1], start, dtype=written.dtype)
    return np.maximum(base, written[list(chosen)].max(axis=0)) if chosen else base
