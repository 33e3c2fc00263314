"""When each candidate last wrote before each observation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.candidates import Candidates
from flakediag.analysis.order.units import NEVER, RANKS, Orders, Rows

Places = NDArray[np.signedinteger]
_ROWS = 64  # at a time, so that the intermediate copies stay in the cache


def last_written(rows: Rows, orders: Orders, candidates: Candidates, only: NDArray[np.intp] | None = None) -> Places:
    """[C, M]: when each candidate last ran before the row's victim, as `RANKS` × position + its rank, or `NEVER`.

    A group's last position is the latest of its members'. Of two writers at one position the more specific one decides:
    a test against its class, a class against all tests. With `only`, the rows of these candidates, in this order.
    In memory it is the other way round, row by row.
    """
    which = orders.classes[rows.run].astype(np.int64) * (int(orders.when.max(initial=0)) + 1) + rows.position
    _, first, again = np.unique(which, return_index=True, return_inverse=True)
    if len(first) < len(rows):  # where two runs had the same order, so had their writers
        by_row: Places = last_written(rows.keep(first), orders, candidates, only).T[again.reshape(-1)]
        return by_row.T
    kind = orders.when.dtype.type
    numbers = np.arange(candidates.size) if only is None else only
    kinds, spans = candidates.kinds[numbers], candidates.spans[numbers]
    single, group, every = (np.flatnonzero(kinds == rank) for rank in (2, 1, 0))
    needed = np.arange(len(candidates.tests)) if only is None else _covered(spans[kinds > 0], len(candidates.tests))
    singles = np.searchsorted(needed, spans[single, 0])
    bounds = np.searchsorted(needed, spans[group]).ravel()
    edges = np.unique(np.append(bounds, 0))  # between two edges, all tests are in the same groups
    edges = edges[edges < len(needed)]
    pieces = np.searchsorted(edges, bounds)
    written = np.empty((len(rows), len(numbers)), dtype=kind)
    written[:, every] = np.maximum(orders.before[rows.run, rows.position] * kind(RANKS), kind(NEVER))[:, None]
    when = orders.above_never(candidates.tests)
    when = when if only is None else when[:, needed]
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        above = when[rows.run[part]]
        earlier = above < (rows.position[part, None] * RANKS - NEVER).astype(kind)
        # All tests come first among the candidates: where all are asked for, their places are at hand.
        ranks = np.multiply(above, earlier, out=written[part, : len(needed)] if only is None else above)
        ranks += kind(NEVER)  # with the product, ten times as fast as np.where
        if only is not None:
            written[part, single] = ranks[:, singles]
        if len(group):
            piece = np.maximum.reduceat(ranks, edges, axis=1)
            latest = np.maximum.reduceat(np.concatenate([piece, piece[:, :1]], axis=1), pieces, axis=1)[:, ::2]
            written[part, group] = np.maximum(latest - kind(1), kind(NEVER))
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


def _covered(spans: NDArray[np.int32], count: int) -> NDArray[np.intp]:
    """The places below `count` that lie in any of the ranges, in rising order."""
    steps = np.zeros(count + 1, dtype=np.int64)
    np.add.at(steps, spans[:, 0], 1)
    np.add.at(steps, spans[:, 1], -1)
    return np.flatnonzero(steps.cumsum())


def last_of(wrote: Iterable[Places], start: NDArray[np.integer], kind: np.dtype[np.signedinteger]) -> Places:
    """[M]: the last position at which any of the candidates wrote (`wrote`: [M] each), `start` where none did."""
    last: Places = start.astype(kind)
    for own in wrote:
        last = np.maximum(last, own)
    return last
