"""Which reports are those of several workers, told from the order of their tests alone.

Workers take the tests from one list and write what they finished into one report. Such a report is a merge of k
sequences that each keep the order of the list. Its longest falling subsequence, by the places in that list, has k
tests at most (Dilworth: as many rising sequences are enough), where that of n shuffled tests has about 2√n. Very few
permutations are so: those of n items with none longer than 2 are counted by the Catalan numbers, none longer than k by
at most k^(2n) (a pair of tableaux of at most k columns for each, Schensted).

Serial runs come in other orders, too. Shuffled modules, or tests shuffled within modules, keep the modules in one
piece, so that only what is not accounted for by such pieces counts. What ran first because it failed last, or is new,
falls only once or twice. Of a suite that several workers *and* a shuffle took apart, the order alone tells nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import lgamma, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.ordering import in_order
from flakediag.model import Identity

Ranks = NDArray[np.int32]
Orders = Sequence[NDArray[np.int32]]

_DESCENTS = 3  # what was moved to the front, or the end, falls once
_FIRST = 64  # tests of an order that are looked at before all of it
_AHEAD = 3  # orders compared with each one to find those of the list
_REMEMBERED = 64  # orders of which the places are remembered: what is compared next is near
_SHUFFLED = 3.0 * 0.29  # standard deviations of the share of descents in a shuffle, × √n


@dataclass(frozen=True)
class Interleaving:
    """What the order of one report gives away: at least `workers` of them, and partly who ran what.

    `lanes`: int32[T], -1 for tests that the list lacks. Tests whose lanes are 2n and 2n + 1 ran on different workers,
    tests of one lane on the same one, and nothing is known of others. Told of two workers only: of tests that stand
    in the report the other way round than in the list, each has one. None for more workers.
    """

    workers: int
    lanes: NDArray[np.int32] | None


def find_interleaved(
    when: NDArray[np.signedinteger],
    suspects: NDArray[np.bool_],
    tests: Sequence[Identity],
    figures: Mapping[str, Any],
) -> dict[int, Interleaving]:
    """The runs whose order is that of several workers.

    `when`: int[R, T], the place of each test in its report, negative where it did not execute. `suspects`: bool[R], the
    runs to look at. `figures`: section `[interleaving]` of `weights.toml`.
    """
    found: dict[int, Interleaving] = {}
    orders, numbers = _distinct(when, suspects)
    if len(orders) < 2:
        return found
    places = lru_cache(_REMEMBERED)(lambda number: _places(orders[number], len(tests)))  # those of near ones
    listed = _listed(orders, np.bincount(numbers[numbers >= 0]), len(tests))
    lists = np.flatnonzero(listed)
    groups: list[NDArray[np.int32]] = []
    for number in np.flatnonzero(~listed).tolist():
        beside = _nearest(lists, number, 1) if len(lists) else _nearest(np.arange(len(orders)), number, _AHEAD)
        least = figures["descent_share" if len(lists) else "descent_share_unlisted"]
        workers: list[Interleaving] = []
        for other in beside:
            ranks, kept = _ranks(orders[number], places(other))
            if not _may_be_merged(ranks, least):
                break
            groups = groups or _groups(tests)
            count = _merged(ranks, [group[kept] for group in groups], least, figures)
            if count < 2:
                break
            lanes = _lanes(ranks, kept, len(tests)) if count == 2 and len(lists) else None
            workers.append(Interleaving(count, lanes))
        if len(workers) == len(beside):
            fewest = min(workers, key=lambda one: one.workers)
            found.update(dict.fromkeys(np.flatnonzero(numbers == number).tolist(), fewest))
    return found


def _lanes(ranks: Ranks, kept: Ranks, tests: int) -> NDArray[np.int32]:
    """See `Interleaving`. Ranks linked by falls belong together; what is higher than all before is on one lane."""
    order = np.argsort(np.argsort(ranks))
    highest = np.maximum.accumulate(order)
    ends = highest == np.arange(len(order))
    piece = np.concatenate(([0], np.cumsum(ends)[:-1]))
    lanes = np.full(tests, -1, dtype=np.int32)
    lanes[kept] = 2 * piece + (order < highest)
    return lanes


def _nearest(numbers: NDArray[np.intp], number: int, count: int) -> list[int]:
    """The orders that were first seen nearest to one: lists change as tests come and go."""
    others = numbers[numbers != number]
    nearest: list[int] = others[np.argsort(np.abs(others - number), kind="stable")][:count].tolist()
    return nearest


def _distinct(
    when: NDArray[np.signedinteger], suspects: NDArray[np.bool_]
) -> tuple[list[NDArray[np.int32]], NDArray[np.int32]]:
    """The different orders (tests in the order of the report), and the number of each run's; -1 for no suspect."""
    seen: dict[bytes, int] = {}
    orders: list[NDArray[np.int32]] = []
    numbers = np.full(len(when), -1, dtype=np.int32)
    for run in np.flatnonzero(suspects):
        ran = np.flatnonzero(when[run] >= 0)
        order = ran.take(in_order(when[run].take(ran))).astype(np.int32).tobytes()
        numbers[run] = seen.setdefault(order, len(seen))
        if numbers[run] == len(orders):
            orders.append(np.frombuffer(order, dtype=np.int32))
    return orders, numbers


def _listed(orders: Orders, runs: NDArray[np.intp], tests: int) -> NDArray[np.bool_]:
    """bool[orders]: those that ran twice, or that another one agrees with on all tests that both have."""
    listed = runs > 1
    for number, order in enumerate(orders):
        place = _places(order, tests)
        for other in range(number + 1, min(number + 1 + _AHEAD, len(orders))):
            if listed[number] and listed[other]:
                continue
            if _falls(_ranks(orders[other][:_FIRST], place)[0]):  # as nearly all do that are not from one list
                continue
            ranks, _ = _ranks(orders[other], place)
            common = len(ranks) > 1 and 2 * len(ranks) >= min(len(order), len(orders[other]))
            if common and not _falls(ranks):
                listed[number] = listed[other] = True
    found: NDArray[np.bool_] = listed
    return found


def _places(order: NDArray[np.int32], tests: int) -> Ranks:
    """int[T]: the inverse of an order, -1 for tests that it lacks."""
    place = np.full(tests, -1, dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return place


def _ranks(order: NDArray[np.int32], place: Ranks) -> tuple[Ranks, NDArray[np.int32]]:
    """The places in a list of the tests of an order that the list has, and which tests these are."""
    ranks = place.take(order)
    kept = ranks >= 0
    return (ranks, order) if kept.all() else (ranks[kept], order[kept])


def _falls(ranks: Ranks) -> int:
    """How often a rank is below the one before it."""
    return int(np.count_nonzero(ranks[1:] < ranks[:-1]))


def _may_be_merged(ranks: Ranks, least: float) -> bool:
    """Whether the ranks fall too often for a few that were moved, and too seldom for a shuffle."""
    if len(ranks) < 2:
        return False
    descents = _falls(ranks)
    share = descents / (len(ranks) - 1)
    return descents >= _DESCENTS and least <= share < 0.5 - _SHUFFLED / len(ranks) ** 0.5


def _groups(tests: Sequence[Identity]) -> list[NDArray[np.int32]]:
    """The packages, modules, classes and parametrised families of the tests as numbers, the largest first."""
    homes = [(test.classname or test.file).replace("/", ".").split(".") for test in tests]
    names = [(*home, test.name.partition("[")[0]) for home, test in zip(homes, tests, strict=True)]
    levels = []
    for depth in range(1, max(map(len, names), default=0) + 1):
        numbers: dict[tuple[str, ...], int] = {}
        levels.append(np.array([numbers.setdefault(name[:depth], len(numbers)) for name in names], dtype=np.int32))
    return levels


def _merged(ranks: Ranks, groups: Sequence[NDArray[np.int32]], least: float, figures: Mapping[str, Any]) -> int:
    """The number of rising sequences that make up the ranks where a shuffle hardly ever has so few, else 0."""
    parts = [part for part in _parts(ranks, groups) if _may_be_merged(part, least)]
    workers = max(map(_longest_fall, parts), default=1)
    odds = sum(_log_share(len(part), workers) for part in parts)
    return workers if odds < log(figures["chance"]) else 0


def _parts(ranks: Ranks, groups: Sequence[NDArray[np.int32]]) -> list[Ranks]:
    """What may have been shuffled for itself: the order of groups that the run left in one piece, and that in each."""
    groups = [group for group in groups if bool((group != group[0]).any())]
    if not groups:
        return [ranks]
    alone, begins = np.ones(len(ranks), dtype=np.bool_), np.ones(len(ranks), dtype=np.bool_)
    for group in groups:  # the largest group in one piece that a test belongs to
        changes = np.concatenate(([True], group[1:] != group[:-1]))
        whole = (np.bincount(group[changes])[group] == 1) & alone
        begins[whole & ~changes] = False
        alone &= ~whole
    blocks = np.cumsum(begins) - 1
    heads = np.full(int(blocks[-1]) + 1, np.iinfo(np.int32).max, dtype=np.int32)
    np.minimum.at(heads, blocks, ranks)
    parts = [heads]
    for start, end in pairwise([*np.flatnonzero(begins).tolist(), len(ranks)]):
        if end - start > 1:
            parts += _parts(ranks[start:end], [group[start:end] for group in groups])
    return parts


def _longest_fall(ranks: Ranks) -> int:
    """The length of the longest falling subsequence (patience sorting)."""
    tops: list[int] = []
    for rank in (-ranks).tolist():
        at = bisect_left(tops, rank)
        tops[at : at + 1] = [rank]
    return len(tops)


def _log_share(size: int, longest: int) -> float:
    """ln of an upper bound of the share of permutations without a longer falling subsequence."""
    whole = lgamma(size + 1)
    if longest == 2:
        return lgamma(2 * size + 1) - lgamma(size + 2) - 2 * whole
    return min(0.0, 2 * size * log(longest) - whole)
