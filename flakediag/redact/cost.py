"""How much work a regular expression can make, at the most, at each place where it is tried.

Failures are untrusted text, and a pattern that backtracks can be kept busy for years by a line of it. So every pattern,
ours or a user's, is bounded before it is used, from its parsed form: for each part the steps that it can take and the
ways in which it can match (each of which may be tried again when what follows fails). A sequence multiplies, an
alternative adds, a possessive or atomic part has one way. A repeat without an upper limit is refused, unless nothing
follows that could fail: what such a repeat has taken is never looked at again.
"""

from __future__ import annotations

from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

_MOST = 10**9  # beyond any limit; keeps the arithmetic small
_ONE_CHARACTER = (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN, op.CATEGORY)
_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)


class Cost(NamedTuple):
    """Of one attempt to match: at most so many steps, in at most so many ways."""

    steps: int
    ways: int

    def then(self, after: Cost) -> Cost:
        return Cost(min(_MOST, self.steps + self.ways * after.steps), min(_MOST, self.ways * after.ways))

    def once(self) -> Cost:
        """The first way that matches is kept for good."""
        return Cost(self.steps, 1)


_NOTHING = Cost(0, 1)


def steps(pattern: str) -> int:
    """The most steps that the pattern takes at one place of a text.

    Raises `ValueError` with what is wrong and what to write instead, `re.error` for what is no pattern.
    """
    parsed = parser.parse(pattern)
    if parsed.getwidth()[0] == 0:
        raise ValueError("matches the empty text, and so everywhere")
    return _sequence(parsed, last=True).steps


def _sequence(items: Any, *, last: bool) -> Cost:
    total = _NOTHING
    for place, (kind, value) in enumerate(items):
        total = total.then(_item(kind, value, last=last and place == len(items) - 1))
    return total


def _item(kind: Any, value: Any, *, last: bool) -> Cost:
    """`last`: nothing follows that could fail."""
    if kind in _ONE_CHARACTER or kind is op.AT:
        return Cost(1, 1)
    if kind is op.SUBPATTERN:
        return _sequence(value[3], last=last)
    if kind is op.ATOMIC_GROUP:
        return _sequence(value, last=False).once()
    if kind in (op.ASSERT, op.ASSERT_NOT):
        return _sequence(value[1], last=False).once()
    if kind is op.BRANCH:
        costs = [_sequence(branch, last=last) for branch in value[1]]
        return Cost(sum(cost.steps for cost in costs), sum(cost.ways for cost in costs))
    if kind in _REPEATS:
        return _repeat(kind, *value, last=last)
    raise ValueError("refers back to what it matched, which cannot be bounded")


def _repeat(kind: Any, least: int, most: int, body: Any, *, last: bool) -> Cost:
    inner = _sequence(body, last=False)
    if most is op.MAXREPEAT:
        if not last:
            raise ValueError("repeats something without an upper limit before its end: write {1,100} instead of + or *")
        # Each step of the open part takes text that is then done with; only the last, failing one costs extra.
        return _times(inner, least, least).then(inner).once()
    cost = _times(inner, least, most)
    return cost.once() if kind is op.POSSESSIVE_REPEAT else cost


def _times(inner: Cost, least: int, most: int) -> Cost:
    """`inner`, from `least` to `most` times."""
    so_far, ways = _NOTHING, 1 if least == 0 else 0
    for number in range(1, most + 1):
        so_far = so_far.then(inner)
        if number >= least:
            ways = min(_MOST, ways + so_far.ways)
        if so_far.steps >= _MOST:
            break
    return Cost(so_far.steps, ways)
