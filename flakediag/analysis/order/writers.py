"""When each candidate last wrote before each observation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.candidates import Candidates
from flakediag.analysis.order.pieces import Pieces
from flakediag.analysis.order.units import NEVER, RANKS, Orders, Rows

Places = NDArray[np.signedinteger]
_CELLS = 1 << 17  # candidates × rows at a time, so that the intermediate copies stay in the cache


def last_written(rows: Rows, orders: Orders, candidates: Candidates, only: NDArray[np.intp] | None = None) -> Places:
    """[C, M]: when each candidate last ran before the row's victim, as `RANKS` × position + its rank, or `NEVER`.

    A group's last position is the latest of its members'. Of two writers at one position the more specific one decides:
    a test against its class, a class against all tests. With `only`, the rows of these candidates, in this order.
    In memory it is the other way round, row by row.
    """
    if not orders.differ or len(set(rows.tests)) < len(rows.tests):
        which = orders.classes[rows.run].astype(np.int64) * (int(orders.when.max(initial=0)) + 1) + rows.position
        _, first, again = np.unique(which, return_index=True, return_inverse=True)
        if len(first) < len(rows):  # where two runs had the same order, so had their writers
            by_row: Places = last_written(rows.keep(first), orders, candidates, only).T[again.reshape(-1)]
            return by_row.T
    kind = orders.when.dtype.type
    numbers = np.arange(candidates.size) if only is None else only
    single, group, every = (np.flatnonzero(candidates.kinds[numbers] == rank) for rank in (2, 1, 0))
    written = np.empty((len(rows), len(numbers)), dtype=kind)
    written[:, every] = np.maximum(orders.before[rows.run, rows.position] * kind(RANKS), kind(NEVER))[:, None]
    if len(group):
        latest = _of_groups(rows, orders.pieces(candidates), numbers[group] - len(candidates.tests))
        written[:, group] = np.maximum(latest * kind(RANKS) + kind(1), kind(NEVER))
    when = orders.above_never(candidates.tests)
    if only is not None:
        when = when.take(numbers[single], axis=1)
    limit = (rows.position * RANKS - NEVER).astype(kind)[:, None]
    height = max(1, _CELLS // max(1, len(single)))
    for start in range(0, len(rows), height):
        part = slice(start, start + height)
        above = when[rows.run[part]]
        above *= (above < limit[part]).astype(kind)  # far faster than np.where, and than a product with booleans
        above += kind(NEVER)
        # All tests come first among the candidates: where all are asked for, their places are at hand.
        written[part, slice(len(single)) if only is None else single] = above
    if orders.inside:
        victims = candidates.home[candidates.place[list(rows.tests)]]
        written[candidates.home[numbers] != victims[rows.member][:, None]] = NEVER
    return written.T


def both_written(written: Places, chains: Sequence[tuple[int, int]]) -> Places:
    """[chains, M]: the later of two last positions, `NEVER` where either candidate has not run."""
    first, second = written[[a for a, _ in chains]], written[[b for _, b in chains]]
    both: Places = np.maximum(first, second)
    both[np.minimum(first, second) < 0] = NEVER
    return both


def _of_groups(rows: Rows, pieces: Pieces, groups: NDArray[np.intp]) -> Places:
    """[M, groups]: the latest position before the row's victim at which a test of each group ran, `NEVER` for none."""
    bounds = pieces.bounds[groups]
    found = np.empty((len(rows), len(groups)), dtype=pieces.when.dtype)
    for member, victim in enumerate(rows.tests):
        own = np.flatnonzero(rows.member == member)
        latest = pieces.before(victim)[rows.run[own]]
        padded = np.concatenate([latest, latest[:, :1]], axis=1)  # a range may end with the last piece
        found[own] = np.maximum.reduceat(padded, bounds.ravel(), axis=1)[:, ::2]
    return found


def last_of(wrote: Iterable[Places], start: NDArray[np.integer], kind: np.dtype[np.signedinteger]) -> Places:
    """[M]: the last position at which any of the candidates wrote (`wrote`: [M] each), `start` where none did."""
    last: Places = start.astype(kind)
    for own in wrote:
        last = np.maximum(last, own)
    return last
