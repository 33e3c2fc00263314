"""The other parties of an order dependence, with their posterior probabilities, and who cannot be told apart."""

from __future__ import annotations

import numpy as np

from flakediag.analysis.order.fit import Fit, Writers
from flakediag.analysis.order.pool import Explanation
from flakediag.analysis.order.study import Case
from flakediag.analysis.order.writers import last_written
from flakediag.model import Partner

_MOST = 8  # partners in a list
_LEAST = 0.02  # the probability below which a partner is not worth a line
_INSIDE = 2  # single tests listed after a group
_GROUP = 200  # a larger group is not looked into


def named_share(explanation: Explanation) -> float:
    """How much of the evidence for order dependence comes from writers that can be named."""
    return float(1 / (1 + np.exp(np.clip(explanation.unnamed - explanation.order - explanation.solo, -500, 500))))


def partners_of(case: Case, explanation: Explanation) -> tuple[Partner, ...]:
    """The main role (polluters of a victim, state-setters of a brittle test) first, in it the most probable first.

    A candidate's probability is the share of all hypotheses that name it, given that the order matters.
    """
    fit = explanation.fit
    hypotheses = fit.telling
    if not hypotheses:
        return ()
    scores = np.array([fit.seen[writers] for writers in hypotheses])
    shares, named = np.exp(scores - np.logaddexp.reduce(scores)), named_share(explanation)
    odds: dict[tuple[int, str], float] = {}
    for writers, share in zip(hypotheses, shares, strict=True):
        for candidate, role in _roles(writers):
            if not case.is_every(fit, candidate):
                odds[candidate, role] = odds.get((candidate, role), 0.0) + float(share)
    main = "state-setter" if fit.best.starts_bad and fit.best.good else "polluter"
    ids = case.ids(fit)
    ranked = sorted(odds.items(), key=lambda item: (item[0][1] != main, -item[1], ids(item[0][0])))
    found: dict[tuple[str, str], Partner] = {}
    looked_into = False
    for (candidate, role), p in ranked:
        if p < _LEAST and found:
            continue
        group = case.candidates.is_group(int(fit.numbers[candidate]))
        found.setdefault(
            (ids(candidate), role), Partner(ids(candidate), "group" if group else "test", role, round(p * named, 4))
        )
        if group and not looked_into:
            looked_into = True
            for name, inside in _inside(case, fit, candidate, role):
                found.setdefault((name, role), Partner(name, "test", role, round(p * named * inside, 4)))
    return tuple(found.values())[:_MOST]


def _roles(writers: Writers) -> list[tuple[int, str]]:
    good = "state-setter" if writers.starts_bad else "cleaner"
    return [(c, "polluter") for c in writers.bad] + [(c, good) for c in writers.good]


def _inside(case: Case, fit: Fit, group: int, role: str) -> list[tuple[str, float]]:
    """The tests of a group with the best evidence of their own: the outcome was right when they ran last of it."""
    members = case.candidates.members(int(fit.numbers[group]))
    if len(members) > _GROUP:
        return []
    written = last_written(fit.rows, case.orders, case.candidates, case.passed, np.array(members))
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
    ties: dict[str, list[str]] = {}
    for writer in best.all:
        if case.candidates.is_group(int(fit.numbers[writer])):
            continue
        rest = best.without(writer)
        extend = rest.with_bad if writer in best.bad else rest.with_good
        same = [
            ids(other)
            for other in range(len(fit.numbers))
            if other not in best.all
            and not case.candidates.is_group(int(fit.numbers[other]))
            and (swapped := extend(other)) in fit.seen
            and abs(fit.seen[swapped] - fit.log_prior(swapped) - likelihood) < 1e-6
        ]
        if same:
            ties[ids(writer)] = sorted(set(same))[:most]
    return ties
