"""Which tests look renamed: one vanished, a look-alike appeared, at one commit. Proposals only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

import numpy as np

from flakediag import tables
from flakediag.analysis.window import NOT_RUN, Window
from flakediag.model import Identity, RenameKind, RenameProposal


def _thresholds() -> dict[str, float]:
    return tables.read("analysis/renames.toml")


Place = tuple[str, str, str]  # class name, file, variant


def proposals(window: Window) -> tuple[RenameProposal, ...]:
    """One-to-one pairs, those with the newest change first.

    A test vanished after the last commit that has it and appeared with the first one; runs without a commit count as
    commits of their own. Both must happen at one step from a commit to the next: then no commit has both tests, and
    none lacks both.
    """
    steps = _commits(window)
    if not steps or max(steps) == 0:
        return ()
    present = window.outcomes != NOT_RUN
    by_commit = np.zeros((max(steps) + 1, len(window.tests)), dtype=np.bool_)
    np.logical_or.at(by_commit, np.array(steps), present)
    first = by_commit.argmax(axis=0)
    last = len(by_commit) - 1 - by_commit[::-1].argmax(axis=0)
    vanished: dict[int, list[int]] = defaultdict(list)
    appeared: dict[int, list[int]] = defaultdict(list)
    for test in range(len(window.tests)):
        if last[test] < len(by_commit) - 1:
            vanished[int(last[test]) + 1].append(test)
        if first[test] > 0:
            appeared[int(first[test])].append(test)
    found = []
    for step in sorted(vanished.keys() & appeared.keys(), reverse=True):
        old, new = ([window.tests[test] for test in side[step]] for side in (vanished, appeared))
        before, after = (next(r for r in order if steps[r] == s) for order, s in _ends(steps, step))
        for one, other, kind, similarity in matches(old, new):
            found.append(
                RenameProposal(
                    old=one,
                    new=other,
                    kind=kind,
                    similarity=similarity,
                    commit=window.runs[after].commit,
                    last=window.runs[before].started_at,
                    first=window.runs[after].started_at,
                )
            )
    return tuple(found)


def matches(old: Sequence[Identity], new: Sequence[Identity]) -> Iterable[tuple[Identity, Identity, RenameKind, float]]:
    """The pairs in which each is clearly the most similar to the other, by the old test's name."""
    scored = sorted(
        ((similarity, a, b, kind) for a, b, kind, similarity in _candidates(old, new)),
        key=lambda item: (-item[0], item[1], item[2]),
    )
    distance = _thresholds()["distance"]
    best: dict[tuple[str, Identity], list[float]] = defaultdict(list)
    for similarity, a, b, _ in scored:
        best["old", a].append(similarity)
        best["new", b].append(similarity)

    def clear(side: str, test: Identity, similarity: float) -> bool:
        top = best[side, test]
        return similarity == top[0] and (len(top) == 1 or top[0] - top[1] >= distance)

    pairs = [
        (a, b, kind, similarity)
        for similarity, a, b, kind in scored
        if clear("old", a, similarity) and clear("new", b, similarity)
    ]
    return sorted(pairs)


def _candidates(
    old: Sequence[Identity], new: Sequence[Identity]
) -> Iterable[tuple[Identity, Identity, RenameKind, float]]:
    limits = _thresholds()
    by_place: dict[Place, list[Identity]] = defaultdict(list)
    by_name: dict[tuple[str, str], list[Identity]] = defaultdict(list)
    for test in new:
        by_place[_place(test)].append(test)
        by_name[test.name, test.variant].append(test)
    moved = _moved(old, new, limits["moved"])
    for test in old:
        for other in by_place[_place(test)]:
            similarity = _similarity(test.name, other.name)
            if similarity >= limits["similar"]:
                yield test, other, RenameKind.CLASS, similarity
        for other in by_name[test.name, test.variant]:
            similarity = _similarity(f"{test.classname} {test.file}", f"{other.classname} {other.file}")
            similarity = max(similarity, moved.get((_place(test), _place(other)), 0.0))
            if similarity >= limits["placed"]:
                yield test, other, RenameKind.NAME, similarity


def _place(test: Identity) -> Place:
    return test.classname, test.file, test.variant


def _moved(old: Iterable[Identity], new: Iterable[Identity], least: float) -> dict[tuple[Place, Place], float]:
    """Places whose tests came to stand in another one together, with the share of names that the two have in common.

    A file that moves may get a name unlike its former one; several tests do not go there by chance. One name says
    nothing.
    """
    names: tuple[dict[Place, set[str]], dict[Place, set[str]]] = (defaultdict(set), defaultdict(set))
    for tests, by_place in zip((old, new), names, strict=True):
        for test in tests:
            by_place[_place(test)].add(test.name)
    before, after = names
    homes: dict[str, set[Place]] = defaultdict(set)
    for place, these in after.items():
        for name in these:
            homes[name].add(place)
    found = {}
    for place, these in before.items():
        for other in {home for name in these for home in homes.get(name, ())}:
            common = len(these & after[other])
            share = common / len(these | after[other])
            if common > 1 and share >= least and place[2] == other[2]:
                found[place, other] = share
    return found


def _similarity(one: str, other: str) -> float:
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.real_quick_ratio() < min(_thresholds()["similar"], _thresholds()["placed"]):
        return 0.0
    return matcher.ratio()


def _commits(window: Window) -> list[int]:
    """For each run, the place of its commit among the commits, in order of their first runs."""
    places: dict[str, int] = {}
    return [places.setdefault(run.commit or f"run {r}", len(places)) for r, run in enumerate(window.runs)]


def _ends(steps: Sequence[int], step: int) -> tuple[tuple[Iterable[int], int], tuple[Iterable[int], int]]:
    """Where to look for the last run of the commit before the step, and for the first run of the one after it."""
    return (reversed(range(len(steps))), step - 1), (range(len(steps)), step)
