"""The other parties of an order dependence, with their posterior probabilities, and who cannot be told apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from flakediag.analysis.order.fit import Fit
from flakediag.analysis.order.hypotheses import Writers
from flakediag.analysis.order.pool import Explanation
from flakediag.analysis.order.study import Case
from flakediag.analysis.order.writers import last_written
from flakediag.model import Partner

_MOST = 8  # partners in a list
_LEAST = 0.02  # the probability below which a partner is not worth a line
_INSIDE = 2  # single tests listed after a group
_AHEAD = 2  # of the first explanation come before the first of the second
_WORTH = 0.1  # from this probability on, a group is looked into
_GROUP = 200  # a larger group is not looked into


def partners_of(case: Case, explanation: Explanation) -> tuple[Partner, ...]:
    """Who makes it fail, or keeps it from failing, the most probable first; then the cleaners.

    The first name of a second explanation, of what the first one leaves over, comes before the first one's
    afterthoughts.
    """
    found = _with_telling(case, explanation, _accused(case, explanation))
    if case.second is not None and found:
        best = explanation.fit.best.seen_by(case.test)
        ahead = max(_AHEAD, len(best.good if _is_brittle(best) else best.bad))
        others = [p for p in _accused(case, case.second) if p.role != "cleaner"]
        merged = [*found[:ahead], *others[:1], *found[ahead:], *others[1:]]
        merged.sort(key=lambda p: p.role == "cleaner")
        found = list({(p.id, p.role): p for p in reversed(merged)}.values())[::-1]
    return tuple(found[:_MOST])


def _with_telling(case: Case, explanation: Explanation, found: list[Partner]) -> list[Partner]:
    """With the tests that tell most, as far as nobody can be named who explains the failures."""
    if not found or not case.telling:
        return found
    odds = {(p.id, p.kind, p.role): p.probability for p in found}
    for place, role, share in case.telling:
        if share >= _LEAST:
            _add(odds, (case.candidates.ids[place], "test", role), round(share * (1 - explanation.named), 4))
    ranked = sorted(odds.items(), key=lambda item: (item[0][2] == "cleaner", -item[1], item[0]))
    return [Partner(*key, p) for key, p in ranked]


def _accused(case: Case, explanation: Explanation) -> list[Partner]:
    """A candidate's probability is the share of all hypotheses that name it, given that the order matters.

    A test also has its part in those that name a group of it: as often as the outcome was right when it was the last
    of the group.
    """
    fit = explanation.fit
    hypotheses = fit.telling
    if not hypotheses:
        return []
    scores = np.array([fit.seen[writers] for writers in hypotheses])
    shares = np.exp(scores - np.logaddexp.reduce(scores))
    odds: dict[tuple[int, str], float] = {}
    brittle = 0.0
    for writers, share in zip((w.seen_by(case.test) for w in hypotheses), shares.tolist(), strict=True):
        brittle += share * _is_brittle(writers)
        for accused in _roles(fit, writers):
            odds[accused] = odds.get(accused, 0.0) + share
    ids, own = case.ids(fit), case.names[case.test]
    odds = {(c, role): p for (c, role), p in odds.items() if not case.is_every(fit, c) and ids(c) != own}
    found: dict[tuple[str, str, str], float] = {}
    for (candidate, role), p in sorted(odds.items(), key=lambda item: (-item[1], item[0])):
        group = case.candidates.is_group(int(fit.numbers[candidate]))
        kind = "group" if group else "test"
        _add(found, (ids(candidate), kind, role), p)
        if group and p >= _WORTH:
            for name, inside in _inside(case, fit, candidate, role):
                _add(found, (name, "test", role), p * inside)
    main = "state-setter" if brittle > 0.5 else "polluter"

    def rank(item: tuple[tuple[str, str, str], float]) -> tuple[Any, ...]:
        (name, kind, role), p = item
        return role == "cleaner", role != main, -round(p, 9), kind, name

    ranked = sorted(found.items(), key=rank)
    probable = [item for item in ranked if item[1] >= _LEAST] or ranked[:1]
    sure = explanation.named
    return [Partner(name, kind, role, round(p * sure, 4)) for (name, kind, role), p in probable]


def _add(found: dict[tuple[str, str, str], float], key: tuple[str, str, str], p: float) -> None:
    found[key] = min(1.0, found.get(key, 0.0) + p)


def _is_brittle(writers: Writers) -> bool:
    """Whether it fails unless somebody sets the state; who undoes that comes second."""
    return writers.starts_bad and bool(writers.good)


def _roles(fit: Fit, writers: Writers) -> list[tuple[int, str]]:
    """Who writes what; each link of a chain by itself."""
    good = "state-setter" if writers.starts_bad else "cleaner"
    found = [(link, "polluter") for c in writers.bad for link in fit.links(c)]
    found += [(link, good) for c in writers.good for link in fit.links(c)]
    return list(dict.fromkeys(found))


def _inside(case: Case, fit: Fit, group: int, role: str) -> list[tuple[str, float]]:
    """The tests of a group with the best evidence of their own: the outcome was right when they ran last of it."""
    members = case.candidates.members(int(fit.numbers[group]))
    if len(members) > _GROUP:
        return []
    written = last_written(fit.rows, case.orders, case.candidates, np.array(members))
    latest = written.max(axis=0)
    wanted = fit.rows.failed == (1 if role == "polluter" else 0)
    last = (written == latest) & (latest >= 0)
    hits, rows = (last & wanted).sum(axis=1), last.sum(axis=1)
    share = (hits + 1.0) / (rows + 2.0)
    best = np.lexsort((-hits, -share))[:_INSIDE]
    return [(case.candidates.ids[members[int(m)]], float(share[m])) for m in best if hits[m]]


def ties_of(case: Case, fit: Fit, most: int = 10) -> dict[str, list[str]]:
    """For each writer of the best hypothesis: the tests that explain the recorded runs just as well in its place."""
    best, ids = fit.best, case.ids(fit)
    likelihood = fit.seen[best] - fit.log_prior(best)
    like_best = [
        other
        for other in fit.seen
        if len(other.bad) == len(best.bad)
        and len(other.good) == len(best.good)
        and other.starts_bad == best.starts_bad
        and other.turned == best.turned
    ]
    ties: dict[str, list[str]] = {}
    for writer in best.all:
        if not _is_single(case, fit, writer):
            continue
        rest = {*best.without(writer).all}
        same = set()
        for swapped in like_best:
            kept, changed = (swapped.good, swapped.bad) if writer in best.bad else (swapped.bad, swapped.good)
            if kept != (best.good if writer in best.bad else best.bad):
                continue
            others = [w for w in changed if w not in rest]
            if len(others) != 1 or others[0] == writer or not _is_single(case, fit, others[0]):
                continue
            if abs(fit.seen[swapped] - fit.log_prior(swapped) - likelihood) < 1e-6:
                same.add(ids(others[0]))
        if same:
            ties[ids(writer)] = sorted(same)[:most]
    return ties


def _is_single(case: Case, fit: Fit, writer: int) -> bool:
    """Whether a writer is one test, no group and no chain."""
    return len(fit.links(writer)) == 1 and not case.is_group(fit, writer)
