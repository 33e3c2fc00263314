"""State that survives between the runs of one host: what failing owes to the run before.

Files, rows in a database, a port still held: what one run leaves on a host the next one finds. Two looks at it:

"previous-run": facts of the run before (a test ran in it, failed in it, ended it, ran in it after the one that cleans
up; it was cut short, of another shard, or had only just ended) against everything else that would make failures come
like that: chance, a bad host, commit or moment, stretches of failing on a host, and the same facts of the run itself
and of the run after (see `flakediag.analysis.lagged`).

"previous-run-carried": where an order dependence within the runs is known already, whether the state at the start of a
run is the one that the writers left in the run before. What the order within a run explains is explained: only the
other failures are asked about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.evidence.portwords import port_words
from flakediag.analysis.evidence.text import sample
from flakediag.analysis.lagged import Fact, Lagged, Rates
from flakediag.analysis.order import nulls
from flakediag.analysis.order.explain import none_of
from flakediag.analysis.order.fit import Fit
from flakediag.analysis.order.hypotheses import Writers
from flakediag.analysis.order.marginal import log_marginal, log_sum, mixture
from flakediag.analysis.order.study import Case
from flakediag.analysis.order.units import NEVER, Rows
from flakediag.analysis.order.writers import Places
from flakediag.analysis.stretches import stretches
from flakediag.analysis.succession import Succession, succession
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Evidence, Partner

KIND = "previous-run"
CARRIED = f"{KIND}-carried"
BEFORE = "the run before it on the same host"
_NAMED = 3  # tests that nobody can tell apart, at most, in a list of partners

Bools = NDArray[np.bool_]


def find(window: Window, subjects: Sequence[Subject], cases: Sequence[Case]) -> list[list[Evidence]]:
    """Evidence of kinds "previous-run" and "previous-run-carried"; none where too few runs have a known predecessor.

    cases: what the order within runs explains, one for each subject.
    """
    figures = weights("previous")
    order = succession(window, figures["longest_gap"])
    if order.known < figures["least_runs"] or not subjects:
        return [[] for _ in subjects]
    look = _Look(window, order, cases[0], figures)
    return [
        [*_carried(look, case), *_facts(look, subject, case)] for subject, case in zip(subjects, cases, strict=True)
    ]


class _Look:
    """What all subjects of a window have in common."""

    def __init__(self, window: Window, order: Succession, case: Case, figures: Mapping[str, Any]) -> None:
        self.window, self.order, self.figures = window, order, figures
        self.groups, self.scales = case.setting.groups, case.setting.scales
        self.rates = Rates(mixture(figures["when_bad"]), mixture(figures["when_good"]), case.setting.chance)
        itself = np.arange(len(window.runs), dtype=np.int32)
        failed = window.failed
        varied = len(np.unique(case.orders.classes[case.orders.trusted])) > 1
        self.before, self.same, self.after = (
            Lagged(window, case.candidates, neighbour, lag, order.gap, figures, self.rates, failed, varied, company)
            for neighbour, lag, company in (
                (order.before, -1, (itself, order.after)),
                (np.where(order.before >= 0, itself, -1).astype(np.int32), 0, ()),
                (order.after, 1, ()),
            )
        )

    def id(self, candidate: int) -> str:
        return self.before.candidates.ids[candidate]


def _facts(look: _Look, subject: Subject, case: Case) -> list[Evidence]:
    figures, rates = look.figures, look.rates
    rows = (subject.failed >= 0) & ~_explained(case, len(look.window.runs))
    failed = rows & (subject.failed == 1)
    told = rows & look.before.known
    k, n = int((failed & told).sum()), int(told.sum())
    if k < figures["least_failures"] or k == n or n < figures["least_runs"]:
        return []
    facts, evidence = look.before.facts(subject.test, failed, rows)
    prior = float(np.log(figures["prior"]))
    if not facts or evidence + prior < float(log_marginal(k, n, rates.chance)):
        return []
    runs = np.flatnonzero(told).astype(np.int32)
    own = Rows((subject.test,), np.zeros_like(runs), runs, np.zeros_like(runs), failed[runs].astype(np.int32))
    rivals = nulls.rivals(own, look.groups, look.scales, rates.chance, rates.good)
    rivals["stretches"] = stretches(failed, told, look.order, figures)
    for name, lagged in (("the run itself", look.same), ("the run after", look.after)):
        there = rows & lagged.known
        _, found = lagged.facts(subject.test, failed, rows)
        against = float(log_marginal(int((failed & there).sum()), int(there.sum()), rates.chance))
        rivals[name] = found - against + rivals["chance"]
    factor = evidence + prior - max(nulls.combined(rivals), max(rivals.values()) - float(np.log(3.0)))
    weight = round(min(figures["cap"], factor * figures["temper"]), 3)
    if weight < figures["least"]:
        return []
    return [_evidence(look, subject, facts, told, factor, weight, max(rivals, key=lambda name: rivals[name]))]


def _explained(case: Case, count: int) -> Bools:
    """bool[R]: the runs in which the order within the run lets this victim expect to fail."""
    explained = np.zeros(count, dtype=np.bool_)
    if case.explanation is not None and case.explanation.factor > 0:
        fit = case.explanation.fit
        mine = fit.expected(fit.best) & np.isin(fit.rows.member, fit.rows.members_of(case.test))
        explained[fit.rows.run[mine]] = True
    return explained


def _evidence(
    look: _Look, subject: Subject, facts: Sequence[Fact], told: Bools, factor: float, weight: float, rival: str
) -> Evidence:
    best = facts[0]
    failed = told & (subject.failed == 1)
    here, there = told & best.holds, told & ~best.holds
    counts = [int((failed & here).sum()), int(here.sum()), int((failed & there).sum()), int(there.sum())]
    if not best.bad:
        counts = counts[2:] + counts[:2]
    text = (
        f"failed in {counts[0]} of {counts[1]} runs where {_where(look, subject.test, best)}, "
        f"and in {counts[2]} of {counts[3]} others"
    )
    left_out = int((look.before.known & (subject.failed >= 0) & ~told).sum())
    if left_out:
        text += f", but for {left_out} in which it had to fail by the order of the tests within"
    partners = _partners(look, facts)
    ports = _ports(subject)
    data: dict[str, Any] = {
        "fact": look.before.run_facts[best.parties[0]] if best.kind == "run" else best.kind,
        "holds_when_failing": best.bad,
        "tests": [look.id(c) for c in best.parties[:10]] if best.kind != "run" else [],
        "counts": counts,
        "runs_with_a_run_before": int(told.sum()),
        "log_bayes_factor": round(factor, 2),
        "rival": rival,
    }
    if ports is None:
        return Evidence(KIND, Category.ORDER, weight, text, data, partners)
    used = tuple(
        Partner(p.id, p.kind, "port-user", p.probability, earlier=True) for p in partners if p.role != "cleaner"
    )
    if not used:
        used = (Partner(BEFORE, "run", "port-user", look.figures["port_user"], earlier=True),)
    return Evidence(KIND, Category.PORT, weight, f"{text}; what ran there may still hold the port", data, used, ports)


def _ports(subject: Subject) -> tuple[int, ...] | None:
    """The ports that most of the failures could not bind, None where they are not about a taken port."""
    found = [(port_words(words), share) for words, share in sample(subject)]
    bound = [words for words, _ in found if words.bind]
    if sum(share for words, share in found if words.bind) < weights("previous")["bound"]:
        return None
    return tuple(dict.fromkeys(port for words in bound for port in words.near))[:2]


def _where(look: _Look, test: int, fact: Fact) -> str:
    """What held in the run before, in words that follow "in 4 of 5 runs where"."""
    if fact.kind == "run":
        return _about_run(look.before.run_facts[fact.parties[0]])
    if fact.kind == "recovered":
        return f"it had passed in {BEFORE}"
    first = _named(look, fact.parties[0])
    if fact.kind == "after":
        last = "it" if fact.parties[1] == look.before.candidates.place[test] else _named(look, fact.parties[1])
        return f"{first} had run, and {last} not after that, in {BEFORE}"
    names = _tied(look, fact.parties)
    if fact.kind == "since":
        return f"{names} had run on the same host since it last did"
    if not fact.bad and _group(look, fact.parties) is not None:
        return f"no {names.removeprefix('a ')} had run in {BEFORE}"
    verb = {"ran": "had run" if fact.bad else "had not run", "failed": "had failed", "last": "was the last test"}
    return f"{names} {verb[fact.kind]} in {BEFORE}"


def _about_run(name: str) -> str:
    if name.startswith("pause "):
        return f"{BEFORE} had ended about {name.removeprefix('pause ')} s ago or less"
    return f"{BEFORE} {'was cut short' if name == 'cut' else f'was of another {name}'}"


def _named(look: _Look, candidate: int) -> str:
    name = look.id(candidate)
    return f"a test of {name}" if look.before.candidates.is_group(candidate) else name


def _tied(look: _Look, parties: Sequence[int]) -> str:
    """Candidates that ran in the same runs: the group that holds them all, or the first and how many others."""
    group = _group(look, parties)
    if group is not None:
        return _named(look, group)
    first, *others = _accused(look, parties)
    name = _named(look, first)
    if not others:
        return name
    several = f"one of {len(others)} others" if len(others) > 1 else _named(look, others[0])
    return f"{name} (or {several}, always in the same runs)"


def _accused(look: _Look, parties: Sequence[int]) -> list[int]:
    """The tests among these candidates, the groups where there is none."""
    return [c for c in parties if not look.before.candidates.is_group(c)] or list(parties)


def _group(look: _Look, parties: Sequence[int]) -> int | None:
    """The group of tests that these candidates are (save the odd one), None where they are no group."""
    candidates = look.before.candidates
    if len(parties) == 1:
        return parties[0] if candidates.is_group(parties[0]) else None
    low, high = candidates.spans[list(parties), 0].min(), candidates.spans[list(parties), 1].max()
    singles = sum(not candidates.is_group(c) for c in parties)
    covering = np.flatnonzero((candidates.starts <= low) & (candidates.ends >= high))
    if not len(covering):
        return None
    sizes = (candidates.ends - candidates.starts)[covering]
    return len(candidates.tests) + int(covering[sizes.argmin()]) if sizes.min() <= singles + 1 else None


def _partners(look: _Look, facts: Sequence[Fact]) -> tuple[Partner, ...]:
    """Who left the state behind, with the share of the facts' posterior that names them; then who undoes it."""
    scores = np.array([fact.score for fact in facts])
    shares = np.exp(scores - log_sum(scores))
    odds: dict[tuple[int, str], float] = {}
    for fact, share in zip(facts, shares, strict=True):
        if fact.kind == "run":
            continue
        role = "polluter" if fact.bad else "state-setter"
        named = fact.parties[:1] if fact.kind == "after" else fact.parties
        group, accused = _group(look, named), _accused(look, named)
        if group is not None:
            odds[group, role] = odds.get((group, role), 0.0) + float(share)
        for candidate in (c for c in accused[:_NAMED] if c != group):
            odds[candidate, role] = odds.get((candidate, role), 0.0) + float(share) / len(accused)
        if fact.kind == "after":
            cleaner = fact.parties[1], "cleaner"
            odds[cleaner] = odds.get(cleaner, 0.0) + float(share)
    return _ranked(look, odds, earlier=True)


def _ranked(look: _Look, odds: Mapping[tuple[int, str], float], *, earlier: bool) -> tuple[Partner, ...]:
    ranked = sorted(odds.items(), key=lambda item: (item[0][1] == "cleaner", -round(item[1], 9), look.id(item[0][0])))
    return tuple(
        Partner(look.id(c), _kind(look, c), role, round(min(1.0, share), 4), earlier=earlier)
        for (c, role), share in ranked
        if share >= look.figures["least_named"]
    )


def _kind(look: _Look, candidate: int) -> str:
    return "group" if look.before.candidates.is_group(candidate) else "test"


def _carried(look: _Look, case: Case) -> list[Evidence]:
    """Whether the known writers of the state also decide how the next run on the host starts."""
    explanation = case.explanation
    if explanation is None or explanation.factor <= 0:
        return []
    fit, figures = explanation.fit, look.figures
    outlived = _outlived(look, case, fit, fit.top(figures["hypotheses"]))
    if not outlived:
        return []
    scores = np.array([fit.score_of(one.writers) + one.gain for one in outlived])
    best = outlived[int(scores.argmax())]
    rivals = [fit.score_of(best.writers) + best.rival, fit.score_of(fit.best)]
    factor = float(scores.max()) + log(figures["carried_prior"]) - log_sum(rivals)
    weight = round(min(figures["cap"], factor * figures["temper"]), 3)
    if weight < figures["least"]:
        return []
    odds: dict[tuple[int, str], float] = {}
    for one, share in zip(outlived, np.exp(scores - log_sum(scores)), strict=True):
        for writers, role in ((one.writers.bad, "polluter"), (one.writers.good, "cleaner")):
            for writer in writers:
                key = int(fit.numbers[writer]), role
                odds[key] = odds.get(key, 0.0) + float(share)
    bad, good = best.counts
    text = (
        f"the state outlives the run: where {none_of(case, fit, best.writers.all)} before it, it failed in "
        f"{bad[0]} of {bad[1]} runs where {BEFORE} had left the state bad, and in {good[0]} of {good[1]} others"
    )
    data = {"counts": [*bad, *good], "log_bayes_factor": round(factor, 2)}
    return [Evidence(CARRIED, Category.ORDER, weight, text, data, _ranked(look, odds, earlier=False))]


@dataclass(frozen=True, slots=True)
class _Outlived:
    """One hypothesis of an order dependence, once more with a state that outlives the run.

    Of the victim's own rows alone, lest what befell a whole run counts for several victims. gain: ln of how much
    likelier they are where the run before on the host decides how the state starts than with a fresh start; rival: the
    same for a fresh start, for a rate of its own where nobody wrote, and decided by the run after. counts:
    (failed, runs) where nobody wrote, after a bad end, and others.
    """

    writers: Writers
    gain: float
    rival: float
    counts: tuple[tuple[int, int], tuple[int, int]]


def _outlived(look: _Look, case: Case, fit: Fit, hypotheses: Sequence[Writers]) -> list[_Outlived]:
    """Those of which it is in question: the run before says often enough otherwise than a fresh start, and tells the
    runs that fail. B hypotheses and the victim's M rows are looked at together.
    """
    asked = [
        one
        for one in hypotheses
        if one.all and not fit.chained(one) and not any(case.is_every(fit, writer) for writer in one.all)
    ]
    if not asked:
        return []
    own = np.isin(fit.rows.member, fit.rows.members_of(case.test))
    mine = replace(fit, rows=fit.rows.keep(own), by_row=fit.by_row[own])
    names = sorted({writer for one in asked for writer in one.all})
    bad, good = _latest(asked, names, np.array([mine.wrote(writer) for writer in names]))
    nobody = np.maximum(bad, good) < 0  # wrote before the victim
    expected = np.where(nobody, np.array([mine.starts(one) for one in asked]), bad > good)
    ends = _end_states(case, fit, asked, names)
    before, after = (order[mine.rows.run] for order in (look.order.before, look.order.after))
    started = _start(expected, nobody, ends, before)
    failed, told = mine.failed, nobody & (before >= 0)
    counts = [
        np.stack([(failed & told & left).sum(axis=1), (told & left).sum(axis=1)], axis=1)
        for left in (started, ~started)
    ]
    least = look.figures["least_failures"]
    # Most that start badly fail, and most others do not.
    telling = (2 * counts[0][:, 0] > counts[0][:, 1]) & (2 * counts[1][:, 0] < counts[1][:, 1])
    telling &= (nobody.sum(axis=1) >= least) & ((started != expected).sum(axis=1) >= least)
    otherwise = _start(expected, nobody, ends, after)
    found = []
    for n in np.flatnonzero(telling).tolist():
        gain, rival = _gain(look.rates, failed, nobody[n], expected[n], started[n], otherwise[n])
        here, there = (tuple(count[n].tolist()) for count in counts)
        found.append(_Outlived(asked[n], gain, rival, (here, there)))
    return found


def _gain(
    rates: Rates, failed: Bools, nobody: Bools, expected: Bools, before: Bools, after: Bools
) -> tuple[float, float]:
    """See `_Outlived`. All bool[M]: what failed, where nobody wrote, and how the state is with a fresh start, by the
    run before and by the run after."""

    def likely(bad: Bools, among: Bools) -> float:
        k, n = int((failed & bad & among).sum()), int((bad & among).sum())
        return float(rates.split(k, n, int((failed & among).sum()), int(among.sum()), True))

    everywhere = np.ones(len(failed), dtype=np.bool_)
    fresh = likely(expected, everywhere)
    alone = float(log_marginal(int(failed[nobody].sum()), int(nobody.sum()), rates.chance))
    others = [likely(expected, ~nobody) + alone, likely(after, everywhere)]
    return likely(before, everywhere) - fresh, log_sum([fresh, *others]) - fresh


def _latest(asked: Sequence[Writers], names: Sequence[int], wrote: Places) -> tuple[Places, Places]:
    """[B, M] each: when the last writer wrote bad, and when it wrote good, `NEVER` where none did.

    wrote: [W, M], when each of the writers `names` last wrote.
    """
    place = {writer: n for n, writer in enumerate(names)}
    nobody = np.full((1, wrote.shape[1]), NEVER, dtype=wrote.dtype)
    wrote = np.concatenate([wrote, nobody])
    most = max(len(one.all) for one in asked)
    bad, good = (
        wrote[[[*map(place.__getitem__, of), *[len(names)] * (most - len(of))] for of in sides]].max(axis=1)
        for sides in ([one.bad for one in asked], [one.good for one in asked])
    )
    return bad, good


def _end_states(case: Case, fit: Fit, asked: Sequence[Writers], names: Sequence[int]) -> NDArray[np.int8]:
    """int8[B, R]: the state in which the writers left each run: 1 bad, 0 good, -1 not known (nobody wrote)."""
    when, candidates = case.orders.when, case.candidates
    members = (candidates.members(int(fit.numbers[writer])) for writer in names)
    bad, good = _latest(asked, names, np.array([when[:, candidates.tests[list(of)]].max(axis=1) for of in members]))
    known = case.orders.trusted & (np.maximum(bad, good) >= 0)
    return np.where(known, bad > good, -1).astype(np.int8)


def _start(expected: Bools, nobody: Bools, ends: NDArray[np.int8], neighbour: NDArray[np.int32]) -> Bools:
    """bool[B, M]: `expected`; where nobody wrote, the state that the neighbouring run was left in."""
    state = np.where(neighbour >= 0, ends[:, neighbour], -1)
    result: Bools = np.where(nobody & (state >= 0), state == 1, expected)
    return result
