"""Flaky tests that are one problem with one fix: one ticket for each problem."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flakediag.model import Category, Diagnosis

TOGETHER = 0.6  # Jaccard index of the failing runs from which two tests fail together
COMMON = 3  # … with at least this many failing runs in common
SUSPECTED = 0.3  # the probability from which a partner is one that tests can have in common


@dataclass(frozen=True, slots=True)
class Member:
    """What clustering looks at: one way in which a flaky test fails, its cause, and bool[R] the runs it showed in.

    `test` is the test's index in the window, `id` its id.
    """

    test: int
    id: str
    cause: Diagnosis
    signature: str
    failed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ticket:
    """What one fix would mend. `tests` are ids, most failures first; `cluster` is None where it is one test only."""

    members: tuple[Member, ...]
    tests: tuple[str, ...]
    cluster: int | None
    category: Category
    summary: str


def tickets_of(members: Sequence[Member]) -> list[Ticket]:
    """The members in tickets: the clusters first, the one with most failures first and numbered from 1.

    Two tests belong together when a failure of each shares the suspected partner or the port, or when those failures
    mostly happen in the same runs and nothing says that their causes differ. Belonging is transitive. A test that
    fails in several ways stands on several tickets only where their causes are known to differ, or where one of them
    belongs to another test's problem.
    """
    if not members:
        return []
    groups = _Groups(len(members))
    failed = np.array([m.failed for m in members], dtype=np.float32)
    both = failed @ failed.T
    for i, one in enumerate(members):
        for j in range(i):
            other = members[j]
            if one.test != other.test and _one_problem(one, other, float(both[i, j]), float(both[i, i] + both[j, j])):
                groups.join(i, j)
    _join_by_cause(members, groups)
    _join_within_tests(members, groups)
    whole = [sorted((members[i] for i in group), key=_most_failures) for group in groups.all()]
    whole.sort(key=lambda group: (len(_ids(group)) < 2, -sum(int(m.failed.sum()) for m in group), group[0].id))
    on = Counter(id for group in whole for id in _ids(group))
    return [_describe(number, group, on) for number, group in enumerate(whole, start=1)]


class _Groups:
    """Disjoint sets of 0 … n - 1."""

    def __init__(self, n: int) -> None:
        self.parent = list(range(n))

    def root(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        self.parent[self.root(i)] = self.root(j)

    def all(self) -> list[list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for i in range(len(self.parent)):
            found[self.root(i)].append(i)
        return list(found.values())


def _join_by_cause(members: Sequence[Member], groups: _Groups) -> None:
    """Tests that fail of one cause in the same runs, though in several ways: a cut connection here, none there.

    For causes without a party that could be compared; a shared polluter says more than shared runs.
    """
    found: dict[tuple[int, Category], list[int]] = defaultdict(list)
    for i, member in enumerate(members):
        if member.cause.category not in (Category.UNKNOWN, Category.ORDER):
            found[member.test, member.cause.category].append(i)
    sides = list(found.items())
    runs = np.array([np.any([members[i].failed for i in mine], axis=0) for _, mine in sides], dtype=np.float32)
    both = runs @ runs.T if sides else runs
    for a, ((test, category), mine) in enumerate(sides):
        for b in range(a):
            (other, its), theirs = sides[b]
            if test == other or category is not its or not _together(both[a, b], both[a, a] + both[b, b]):
                continue
            if all(_may_be_one(members[i].cause, members[j].cause) for i in mine for j in theirs):
                for i in (*mine, *theirs):
                    groups.join(i, mine[0])


def _join_within_tests(members: Sequence[Member], groups: _Groups) -> None:
    """The ways of one test that stand alone join its commonest way, unless their causes are known to differ."""
    tests: dict[int, list[int]] = defaultdict(list)
    for i, member in enumerate(members):
        tests[member.test].append(i)
    alone = {group[0] for group in groups.all() if len(group) == 1}
    for mine in tests.values():
        lead = min(mine, key=lambda i: _most_failures(members[i]))
        for i in mine:
            if i != lead and i in alone and _may_be_one(members[i].cause, members[lead].cause):
                groups.join(i, lead)


def _most_failures(member: Member) -> tuple[int, str, str]:
    return -int(member.failed.sum()), member.id, member.signature


def _one_problem(a: Member, b: Member, both: float, sum_: float) -> bool:
    """both: runs in which both failed; sum_: failing runs of the one plus those of the other."""
    one, other = a.cause, b.cause
    if one.category is other.category is Category.ORDER:
        # Whatever depends on the order fails together in unusual orders: only a common party makes it one problem.
        return _suspect(one) is not None and _suspect(one) == _suspect(other)
    if one.category is other.category is Category.PORT and one.ports and other.ports:
        return bool(set(one.ports) & set(other.ports))
    known = {c for c in (one.category, other.category) if c is not Category.UNKNOWN}
    if len(known) > 1 or not (a.signature == b.signature or one.category is other.category):
        return False
    return _together(both, sum_)


def _together(both: float, sum_: float) -> bool:
    return both >= COMMON and both >= TOGETHER * (sum_ - both)


def _may_be_one(one: Diagnosis, other: Diagnosis) -> bool:
    """Nothing says that these two causes are different problems."""
    if Category.UNKNOWN in (one.category, other.category):
        return True
    if one.category is not other.category:
        return False
    if one.category is Category.ORDER and _suspect(one) and _suspect(other):
        return _suspect(one) == _suspect(other)
    if one.category is Category.PORT and one.ports and other.ports:
        return bool(set(one.ports) & set(other.ports))
    return True


def _suspect(cause: Diagnosis) -> tuple[str, str] | None:
    """The partner that is accused first, None where it is hardly likelier than others."""
    first = next((partner for partner in cause.partners if partner.role != "cleaner"), None)
    return (first.id, first.role) if first and first.probability >= SUSPECTED else None


def _ids(group: Sequence[Member]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(m.id for m in group))


def _describe(number: int, group: Sequence[Member], on: Counter[str]) -> Ticket:
    """on: the number of tickets that each test stands on."""
    counted = Counter(m.cause.category for m in group if m.cause.category is not Category.UNKNOWN)
    category = counted.most_common(1)[0][0] if counted else Category.UNKNOWN
    lead = next((m.cause for m in group if m.cause.category is category), group[0].cause)
    tests = _ids(group)
    several = len(tests) > 1
    suspect = _suspect(lead)
    who = f"{len(tests)} tests" if several else tests[0]
    if category is Category.ORDER and suspect:
        summary = f"{who} depend{'' if several else 's'} on {suspect[0]}"
    elif category is Category.PORT and lead.ports:
        summary = f"{who} need{'' if several else 's'} port {lead.ports[0]}"
    elif several:
        summary = f"{who} fail in the same runs"
    else:
        summary = who if on[who] == 1 else f"{who}, where it fails with {group[0].signature}"
    return Ticket(tuple(group), tests, number if several else None, category, summary)
