"""Which victims share their writers: fitted together where that explains more than fitting each alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order import nulls
from flakediag.analysis.order.candidates import Candidates
from flakediag.analysis.order.fit import Fit, evidence_for_order
from flakediag.analysis.order.hypotheses import Costs
from flakediag.analysis.order.marginal import Doubles, Prior, log_sum
from flakediag.analysis.order.search import search, survey, with_chains
from flakediag.analysis.order.units import Orders, Rows, rows_of
from flakediag.analysis.order.writers import last_written
from flakediag.analysis.window import Bytes


@dataclass(frozen=True)
class Unit:
    """Something that fails: one test with one signature, or (several subjects) one test with any of its signatures."""

    test: int
    failed: Bytes
    subjects: tuple[int, ...]


@dataclass(frozen=True)
class Setting:
    """Everything that the fits of one window have in common."""

    orders: Orders
    candidates: Candidates
    groups: Mapping[str, NDArray[np.int32]]
    scales: Mapping[str, Doubles]
    usual: Doubles | None  # [R]: 0 for a run in the most usual order, 1 for another; None where no order was used twice
    costs: Costs
    chance: Prior
    nearness: float  # ln of how much likelier a writer in the victim's own class is than one far away
    group_share: float  # the share of the prior that groups of tests have together
    chain: float  # ln of the prior that tests write only together, given the tests
    unnamed: float  # ln of the prior of an order dependence whose writers the model cannot name
    solo: float  # ln of the prior of named writers for a test alone, though others with something in common fail too
    lone: float  # and where no other failing test has anything in common with it
    another_cause: float  # ln of the prior odds that a test depends on the order in a second way
    each_order: float  # ln of the prior that each order has an outcome of its own, against usual and unusual ones
    not_the_order: float  # ln of the prior that runs in the usual order differ by something else than their order
    same_signature: float  # ln of the prior odds that victims with one signature share their writers
    same_both: float  # those of one class with one signature
    same_class: float  # and those of one class, whatever their signatures
    every_share: float  # the share of the group of all tests
    cells: int  # with more candidates × rows than this, a survey of fewer rows shortlists the candidates first
    shortlist: int


@dataclass(frozen=True)
class Explanation:
    """What order dependence and its rivals make of some units: log marginal likelihoods of the same rows.

    `order` sums the sets of writers that were looked at; `unnamed` is order dependence whose writers nobody names: each
    distinct order has an outcome of its own, or the usual order has another rate than the others.
    """

    units: tuple[int, ...]
    fit: Fit
    order: float
    unnamed: float
    rivals: Mapping[str, float]
    solo: float = 0.0  # ln of the prior of the named writers in `factor`
    sharing: float = 0.0  # ln of the prior odds that these units share their writers
    apart: float = 0.0  # what the rivals explain better with the units that were left out of a common explanation

    @property
    def rival(self) -> float:
        return nulls.combined(self.rivals)

    @property
    def factor(self) -> float:
        """ln of the Bayes factor of order dependence against everything else."""
        return float(np.logaddexp(self.order + self.solo, self.unnamed)) - self.rival - max(0.0, self.apart)

    @property
    def named(self) -> float:
        """How much of the evidence for order dependence comes from writers that can be named."""
        return float(1 / (1 + np.exp(np.clip(self.unnamed - self.order - self.solo, -500, 500))))

    @property
    def evidence(self) -> float:
        """The log marginal likelihood of the rows under what has a name: the writers, or a rival."""
        return float(np.logaddexp(self.order, self.rival) - np.log(2))

    def shares(self) -> Doubles:
        """float64[units]: ln of how well the common writers explain each unit's own rows, at the common rates.

        Each unit bears its part of the price of the writers.
        """
        rows, best = self.fit.rows, self.fit.best
        expected = self.fit.expected(best)
        k, n = rows.failed[expected].sum(), expected.sum()
        high = (k + 0.95) / (n + 1.0)
        low = (rows.failed[~expected].sum() + 0.05) / ((~expected).sum() + 1.0)
        rate = np.where(expected, high, low)
        each = np.where(rows.failed == 1, np.log(rate), np.log1p(-rate))
        price = self.fit.log_prior(best) / len(self.units)
        return np.bincount(rows.member, each, len(self.units)).astype(np.float64) + price


def candidate_prior(setting: Setting, victims: Sequence[int]) -> Doubles:
    """[C]: ln of the prior of each candidate to be the writer, all together one."""
    candidates = setting.candidates
    weight = np.exp(setting.nearness * candidates.nearness(victims))
    shares = (setting.every_share, setting.group_share, 1 - setting.group_share - setting.every_share)
    for kind, share in enumerate(shares):
        of = candidates.kinds == kind
        if of.any():
            weight[of] *= share / weight[of].sum()
    prior: Doubles = np.log(weight)
    return prior


def explain(
    setting: Setting, units: Sequence[Unit], chosen: Sequence[int], starting_bad: frozenset[int] = frozenset()
) -> Explanation:
    """`starting_bad`: the tests that, each by itself, seem to start in bad state."""
    rows = rows_of([(units[u].test, units[u].failed) for u in chosen], setting.orders)
    return _explain(setting, tuple(chosen), rows, starting_bad)


def explain_rest(setting: Setting, first: Explanation, failed: Mapping[int, Bytes]) -> Explanation | None:
    """Order dependence of another kind in the rows that `first` expects to pass; None where that is not likely.

    A test can be polluted by one test and in need of another. `failed`: how each test failed, whatever the signature.
    """
    tests = list(dict.fromkeys(first.fit.rows.tests))
    rows = rows_of([(test, failed[test]) for test in tests], setting.orders)
    written = last_written(rows, setting.orders, setting.candidates, first.fit.numbers[first.fit.links_of_best()])
    rows = rows.keep(~first.fit.elsewhere(rows, written))
    if rows.failures < 2 or rows.failures == len(rows) or len(np.unique(setting.orders.classes[rows.run])) < 2:
        return None
    second = _explain(setting, first.units, rows)
    named = second.order - second.rival
    return second if named + setting.another_cause > 0 else None


def _explain(
    setting: Setting, chosen: tuple[int, ...], rows: Rows, starting_bad: frozenset[int] = frozenset()
) -> Explanation:
    prior = candidate_prior(setting, rows.tests)
    numbers, only = np.arange(setting.candidates.size), None
    if len(rows) * len(numbers) > setting.cells:
        few = rows.keep(_telling_rows(rows, setting.orders, max(64, setting.cells // len(numbers))))
        written = last_written(few, setting.orders, setting.candidates)
        only = numbers = survey(Fit(few, numbers, written.T, prior, setting.costs), setting.shortlist)
    written = last_written(rows, setting.orders, setting.candidates, only)
    fit = search(Fit(rows, numbers, written.T, prior[numbers], setting.costs), starting_bad)
    fit = with_chains(fit, setting.chain, setting.candidates.kinds[numbers] == 2)
    fit = fit.done()
    unnamed, found = _without_writers(setting, rows)
    solo = setting.solo if len(set(rows.tests)) == 1 else 0.0
    return Explanation(chosen, fit, evidence_for_order(fit), unnamed, found, solo)


def _without_writers(setting: Setting, rows: Rows) -> tuple[float, dict[str, float]]:
    """Order dependence whose writers nobody names, and what else than order dependence may explain the rows."""
    found = nulls.rivals(rows, setting.groups, setting.scales, setting.chance, setting.costs.when_good)
    if setting.usual is None:  # where no order was used twice, this could not be told from a cause of the run
        return float("-inf"), found
    by_order = nulls.latent(rows, setting.orders.classes[rows.run], setting.chance, setting.costs.when_good)
    apart = nulls.change(rows, setting.usual[rows.run], setting.chance)
    by_order = log_sum([by_order + setting.each_order, apart])
    return by_order - float(np.log(2)) + setting.unnamed, {**found, "usual order": by_order + setting.not_the_order}


def _telling_rows(rows: Rows, orders: Orders, count: int) -> NDArray[np.intp]:
    """Up to `count` rows to choose suspects by: half failures, half passes, as many different orders as can be."""
    found = []
    for outcome in (0, 1):
        these = np.flatnonzero(rows.failed == outcome)
        key = rows.member[these].astype(np.int64) * len(orders.classes) + orders.classes[rows.run[these]]
        these = these[np.unique(key, return_index=True)[1]]
        found.append(these[np.linspace(0, len(these) - 1, min(len(these), count // 2)).astype(np.intp)])
    return np.sort(np.concatenate(found))


def pool(
    setting: Setting,
    units: Sequence[Unit],
    alone: Sequence[Explanation | None],
    together: Sequence[int],
    sharing: float,
) -> Explanation | None:
    """The best common explanation of (most of) the units in `together`; None where none beats fitting each alone.

    `sharing`: ln of the prior odds that they share their writers.
    """
    everyone = members = [u for u in together if alone[u] is not None]
    starting_bad = frozenset(units[u].test for u in everyone if (e := alone[u]) is not None and e.fit.starts_mostly_bad)
    for _ in range(3):
        if len(members) < 2:
            return None
        joint = explain(setting, units, members, starting_bad)
        if joint.factor <= 0:
            return None
        misfits = _misfits(joint, alone, sharing)
        if not misfits:
            break
        members = [u for u in members if u not in misfits]
    else:
        return None
    gain = joint.order + sharing * (len(members) - 1) - sum(_evidence(alone[u]) for u in members)
    if gain <= 0:
        return None
    joint = replace(joint, sharing=sharing)
    out = [u for u in everyone if u not in members]
    if not out:
        return joint
    # Leaving out whoever does not fit is easy: the rivals may explain everyone at once, those left out included; so may
    # an order dependence without names.
    rows = rows_of([(units[u].test, units[u].failed) for u in everyone], setting.orders)
    unnamed, whole = _without_writers(setting, rows)
    others = sum(e.rival for u in out if (e := alone[u]) is not None)
    apart = nulls.combined(whole) - joint.rival - others
    return replace(joint, apart=apart, unnamed=max(joint.unnamed, unnamed - others))


def _evidence(explanation: Explanation | None) -> float:
    return explanation.evidence if explanation is not None else 0.0


def _misfits(joint: Explanation, alone: Sequence[Explanation | None], sharing: float) -> set[int]:
    """The members whose rows the common writers explain worse than what explains them alone."""
    shares = joint.shares() + sharing
    return {u for u, own in zip(joint.units, shares, strict=True) if own < _evidence(alone[u])}


def proposals(units: Sequence[Unit], keys: Sequence[Mapping[str, float]]) -> list[tuple[tuple[int, ...], float]]:
    """Sets of units that may share their writers, and ln of the prior odds that they do: those with a key in common.

    `keys`: for each unit, what it may have in common with others (a signature, a class) -> what that is worth.
    """
    by_key: dict[str, list[int]] = {}
    worth: dict[str, float] = {}
    for number, own in enumerate(keys):
        for key, odds in own.items():
            by_key.setdefault(key, []).append(number)
            worth[key] = odds
    found: dict[tuple[int, ...], float] = {}
    for key, numbers in by_key.items():
        if len({units[u].test for u in numbers}) > 1:
            found[tuple(numbers)] = max(worth[key], found.get(tuple(numbers), worth[key]))
    return sorted(found.items(), key=lambda item: (-len(item[0]), item[0]))
