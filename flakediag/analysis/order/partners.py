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
_TINY = _LEAST / 100  # from here on, a name only counts where it has been named before
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
    if not len(fit.found.telling):
        return []
    odds, brittle = _odds(fit, case.test)
    ids, own = case.ids(fit), case.names[case.test]
    found: dict[tuple[str, str, str], float] = {}
    looked_into = False
    for candidate, role, p in odds:
        if p < _TINY and case.candidates.have_names and not looked_into and max(found.values(), default=0.0) >= _LEAST:
            break  # nobody can come to a line any more
        if case.is_every(fit, candidate) or (name := ids(candidate)) == own:
            continue
        group = case.candidates.is_group(int(fit.numbers[candidate]))
        _add(found, (name, "group" if group else "test", role), p)
        if group and p >= _WORTH:
            looked_into = True
            for inside, share in _inside(case, fit, candidate, role):
                _add(found, (inside, "test", role), p * share)
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


_ROLES = ("cleaner", "polluter", "state-setter")


def _odds(fit: Fit, victim: int) -> tuple[list[tuple[int, str, float]], float]:
    """Who writes what by how much of the hypotheses' probability, the most probable first; each link of a chain by
    itself. And how probable it is that the victim is brittle.
    """
    found, places = fit.found, fit.found.telling
    scores, codes = found.scores[places], found.codes[places]
    shares = np.exp(scores - np.logaddexp.reduce(scores))
    starts_bad = found.starts_bad_for(victim)[places]
    writing, good = codes >= 0, codes & 1 == 1
    brittle = float(shares[starts_bad & (writing & good).any(axis=1)].sum())
    role = np.where(good, np.where(starts_bad, 2, 0)[:, None], 1)
    writer = codes >> 1
    links = np.array([*((c, c) for c in range(fit.first_chain)), *fit.chains], dtype=np.int64)[writer]
    names = (np.arange(len(places))[:, None, None] * len(fit.numbers) + links) * len(_ROLES) + role[:, :, None]
    hypothesis, accused = np.divmod(np.unique(names[writing]), len(fit.numbers) * len(_ROLES))
    odds = np.bincount(accused, shares[hypothesis])
    some = np.flatnonzero(odds)
    ranked = some[np.argsort(-odds[some], kind="stable")]
    candidates, roles = np.divmod(ranked, len(_ROLES))
    named = zip(candidates.tolist(), roles.tolist(), odds[ranked].tolist(), strict=True)
    return [(candidate, _ROLES[own], p) for candidate, own, p in named], brittle


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
    likelihood = fit.score_of(best) - fit.log_prior(best)
    like_best = _like(fit, best)
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
            if abs(fit.score_of(swapped) - fit.log_prior(swapped) - likelihood) < 1e-6:
                same.add(ids(others[0]))
        if same:
            ties[ids(writer)] = sorted(same)[:most]
    return ties


def _like(fit: Fit, best: Writers) -> list[Writers]:
    """The hypotheses that name one other writer at most."""
    places = fit.found.of_same_start(best)
    codes = fit.found.codes[places]
    own = [2 * c for c in best.bad] + [2 * c + 1 for c in best.good]
    like = ((codes >= 0).sum(axis=1) == len(own)) & (np.isin(codes, own).sum(axis=1) >= len(own) - 1)
    like &= (codes & 1 == 1).sum(axis=1, where=codes >= 0) == len(best.good)
    return [fit.found.writers(place) for place in places[like].tolist()]


def _is_single(case: Case, fit: Fit, writer: int) -> bool:
    """Whether a writer is one test, no group and no chain."""
    return len(fit.links(writer)) == 1 and not case.is_group(fit, writer)
