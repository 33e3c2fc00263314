"""What the recorded runs say about one test, as the question that a search starts from."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.belief import Trial
from flakediag.analysis.outage import outages
from flakediag.analysis.plan import Question
from flakediag.analysis.subjects import subjects_of
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Finding, Identity

RECENT = 10  # a test that none of so many last runs had is taken to be gone
ROWS = 80  # recorded runs that are taken into account, the latest
NEAR = 2.0  # nats: how much likelier a writer of the test's own class is than one far away
NAMED = 0.5  # the part of the prior that goes to the partners that the diagnosis names


def others_of(window: Window, target: int) -> list[int]:
    """The tests that lately ran in the same runs, in the order of the latest such run; the others of them first."""
    runs = np.flatnonzero(window.executed[:, target])[-RECENT:]
    seen: dict[int, None] = {}
    for r in runs[::-1]:
        row = window.positions[r]
        for t in np.argsort(row, kind="stable"):
            if row[t] >= 0 and window.executed[r, t] and int(t) != target:
                seen.setdefault(int(t))
    return list(seen)


def subject_of(window: Window, target: int) -> Subject | None:
    found = subjects_of(window, [target], ~outages(window))
    return max(found, key=lambda s: int((s.failed == 1).sum()), default=None)


def accepted(known: frozenset[str], subject: Subject) -> frozenset[str] | None:
    """The signatures of the failure that is looked into; None where the test fails in one way only."""
    own = frozenset(failure.signature for failure in subject.failures)
    return None if own == known else own


def question_of(
    window: Window, target: int, places: Sequence[int], subject: Subject | None, finding: Finding
) -> tuple[Question, bool]:
    number = {t: n for n, t in enumerate(places)}
    history: list[Trial] = []
    if subject is not None:
        says = (subject.failed >= 0) & window.serial & window.executed[:, target]
        for r in np.flatnonzero(says)[-ROWS:]:
            row = np.where(window.executed[r], window.positions[r], -1)
            earlier = np.flatnonzero((row >= 0) & (row < row[target]))
            ran = earlier[np.argsort(row[earlier], kind="stable")]
            history.append(
                Trial(tuple(number[int(t)] for t in ran if int(t) in number), bool(subject.failed[r]), experiment=False)
            )
    varied = len({trial.before for trial in history}) > 1
    with np.errstate(all="ignore"):
        seconds = np.nan_to_num(np.nanmedian(window.durations[-ROWS:], axis=0)) if len(window.runs) else np.zeros(0)
    question = Question(
        prior=_prior(window, target, places, finding),
        seconds=seconds[list(places)].astype(np.float64),
        history=tuple(history),
        order=min(0.8, max(0.3, _order_odds(finding))),
        usual=tuple(range(len(places))),
    )
    return question, varied


def _order_odds(finding: Finding) -> float:
    if finding.cause is None:
        return 0.5
    odds = {finding.cause.category: finding.cause.probability}
    odds |= {a.category: a.probability for a in finding.cause.alternatives}
    return odds.get(Category.ORDER, 0.0)


def _prior(window: Window, target: int, places: Sequence[int], finding: Finding) -> NDArray[np.float64]:
    """Nearness of names, and the partners that the diagnosis names: a group's share is its members' together."""
    if not places:
        return np.zeros(0)
    weight = np.exp([NEAR * _nearness(window.tests[target], window.tests[t]) for t in places])
    prior = weight / weight.sum()
    named = np.zeros(len(places))
    for partner in finding.cause.partners if finding.cause else ():
        for n, t in enumerate(places):
            id = window.tests[t].id
            if id == partner.id or (partner.kind == "group" and id.startswith(partner.id)):
                named[n] += partner.probability
    if named.sum() > 0:
        prior = (1 - NAMED) * prior + NAMED * named / named.sum()
    return np.asarray(prior / prior.sum(), dtype=np.float64)


def _nearness(test: Identity, other: Identity) -> float:
    """The share of the test's own packages, modules and classes that the other one is in too, from the outermost on."""
    own, their = (re.split(r"[./$]", one.classname or one.file) for one in (test, other))
    shared = next((n for n, pair in enumerate(zip(own, their, strict=False)) if pair[0] != pair[1]), None)
    return (min(len(own), len(their)) if shared is None else shared) / len(own)
