"""Flaky tests that are one problem with one fix."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flakediag.model import Category, Cluster, Diagnosis

TOGETHER = 0.6  # Jaccard index of the failing runs from which two tests fail together
COMMON = 3  # … with at least this many failing runs in common


@dataclass(frozen=True, slots=True)
class Member:
    """What clustering looks at: a flaky test's id, its cause, its signatures, and bool[R] the runs it failed in."""

    id: str
    cause: Diagnosis
    signatures: frozenset[str]
    failed: NDArray[np.bool_]


def clusters_of(members: Sequence[Member]) -> list[Cluster]:
    """Clusters of two or more, the one with most failures first, numbered from 1.

    Two tests belong together when they share the suspected partner or the port, or when they mostly fail in the same
    runs and nothing says that their causes differ. Belonging is transitive.
    """
    parent = list(range(len(members)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i in range(len(members)):
        for j in range(i):
            if root(i) != root(j) and _one_problem(members[i], members[j]):
                parent[root(i)] = root(j)
    groups: dict[int, list[Member]] = defaultdict(list)
    for i, member in enumerate(members):
        groups[root(i)].append(member)
    whole = [sorted(group, key=lambda m: (-int(m.failed.sum()), m.id)) for group in groups.values() if len(group) > 1]
    whole.sort(key=lambda group: (-sum(int(m.failed.sum()) for m in group), group[0].id))
    return [_describe(number, group) for number, group in enumerate(whole, start=1)]


def _one_problem(a: Member, b: Member) -> bool:
    one, other = a.cause, b.cause
    if one.category is other.category is Category.ORDER:
        return _suspect(one) is not None and _suspect(one) == _suspect(other)
    if one.category is other.category is Category.PORT:
        return bool(set(one.ports) & set(other.ports))
    known = {c for c in (one.category, other.category) if c is not Category.UNKNOWN}
    if len(known) > 1 or not (a.signatures & b.signatures or one.category is other.category):
        return False
    both = int((a.failed & b.failed).sum())
    either = int((a.failed | b.failed).sum())
    return both >= COMMON and both >= TOGETHER * either


def _suspect(cause: Diagnosis) -> tuple[str, str] | None:
    for partner in cause.partners:
        if partner.role != "cleaner":
            return partner.id, partner.role
    return None


def _describe(number: int, group: Sequence[Member]) -> Cluster:
    counted = Counter(m.cause.category for m in group if m.cause.category is not Category.UNKNOWN)
    category = counted.most_common(1)[0][0] if counted else Category.UNKNOWN
    lead = next((m.cause for m in group if m.cause.category is category), group[0].cause)
    suspect = _suspect(lead)
    if category is Category.ORDER and suspect:
        summary = f"{len(group)} tests depend on {suspect[0]}"
    elif category is Category.PORT and lead.ports:
        summary = f"{len(group)} tests need port {lead.ports[0]}"
    else:
        summary = f"{len(group)} tests fail in the same runs"
    return Cluster(number, tuple(m.id for m in group), category, summary)
