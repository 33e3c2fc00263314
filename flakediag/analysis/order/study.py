"""The way through: from a window and its subjects to the best explanation of each subject."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.medians import medians
from flakediag.analysis.order.candidates import Candidates, find_candidates
from flakediag.analysis.order.fit import Fit
from flakediag.analysis.order.hints import Hint, find_hint
from flakediag.analysis.order.hypotheses import Costs
from flakediag.analysis.order.marginal import Doubles, log_marginal, log_sum, mixture
from flakediag.analysis.order.parallel import find_parallel, weigh_anew
from flakediag.analysis.order.pool import Explanation, Setting, Unit, explain, explain_rest, pool, proposals
from flakediag.analysis.order.telling import Told, tell_unnamed
from flakediag.analysis.order.units import Orders, find_orders, orders_inside, rows_of
from flakediag.analysis.spread import spread
from flakediag.analysis.window import Bytes, Subject, Window
from flakediag.model import Identity, Run


@dataclass(frozen=True)
class Case:
    """One subject and what explains it. `explanation` is None where its order never varied, or is not known."""

    test: int
    names: tuple[str, ...]  # [T], the ids of the window's tests
    setting: Setting
    runs: NDArray[np.int32]  # the runs of known order that say something about it
    failures: int  # in these runs
    unordered: int  # runs that say something about it, but whose order is not known
    same_order: float | None  # where the order never varied: ln of the Bayes factor of a fixed outcome against chance
    explanation: Explanation | None = None
    shared: tuple[int, ...] = ()  # the tests that are explained together with it, itself included
    second: Explanation | None = None  # of what the first one leaves over, whatever the signature
    telling: Told = ()  # the tests whose presence tells most, where nobody can be named who explains the failures
    hint: Hint | None = None  # what parallel runs say where no other explanation is known

    @property
    def orders(self) -> Orders:
        return self.setting.orders

    @property
    def candidates(self) -> Candidates:
        return self.setting.candidates

    @property
    def usual(self) -> Doubles | None:
        return self.setting.usual

    def ids(self, fit: Fit) -> Callable[[int], str]:
        """The id of a writer of `fit`."""
        return lambda writer: " and ".join(self.candidates.ids[int(fit.numbers[link])] for link in fit.links(writer))

    def is_every(self, fit: Fit, writer: int) -> bool:
        return int(self.candidates.kinds[int(fit.numbers[writer])]) == 0

    def is_group(self, fit: Fit, writer: int) -> bool:
        return self.candidates.is_group(int(fit.numbers[writer]))

    def words(self, fit: Fit, writer: int) -> str:
        """A writer in a sentence: its bare name where it stands beside the victim."""
        if self.is_every(fit, writer):
            return "any other test"
        if len(links := fit.links(writer)) > 1:
            return "both " + " and ".join(self.words(fit, link) for link in links)
        name = self.ids(fit)(writer)
        return f"a test of {name}" if self.is_group(fit, writer) else self.bare(name)

    def bare(self, name: str) -> str:
        """The id of a test in a sentence: without its class where that is the victim's own."""
        home = self.names[self.test].rpartition("::")[0]
        return name.removeprefix(f"{home}::") if home else name


def study(window: Window, subjects: Sequence[Subject], figures: Mapping[str, Any]) -> list[Case]:
    setting = _setting(window, figures)
    cases = _study(window, subjects, setting, figures)
    inside = orders_inside(window, setting.orders)
    if inside is None:
        return cases
    # No order is unusual here: those of the other classes may have been the same or not.
    within = _study(window, subjects, replace(setting, orders=inside, usual=None), figures)
    return [max(pair, key=_factor) for pair in zip(cases, within, strict=True)]


def _factor(case: Case) -> float:
    """How much the best explanation says for order dependence; 0 where there is none."""
    return case.explanation.factor if case.explanation is not None else 0.0


def _study(window: Window, subjects: Sequence[Subject], setting: Setting, figures: Mapping[str, Any]) -> list[Case]:
    units = _units(subjects)
    setting.orders.expect(setting.candidates, list(dict.fromkeys(unit.test for unit in units)))
    alone = spread(lambda number: _alone(setting, units, number), range(len(units)))
    keys = [_keys(setting, window, subjects, unit) for unit in units]
    proposed = proposals(units, keys)
    # Who has company can be explained with it; where that fails, an explanation of its own is the less likely.
    in_company = {unit for together, _ in proposed for unit in together}
    alone = [
        own if own is None or number in in_company else replace(own, solo=setting.lone)
        for number, own in enumerate(alone)
    ]
    pooled = spread(lambda proposal: pool(setting, units, alone, *proposal), proposed, least=6)
    pools = [found for found in pooled if found is not None]
    best = [_best(number, units, alone, pools) for number in range(len(subjects))]
    parallel = None if setting.orders.inside else find_parallel(window, setting.orders)
    if parallel is not None:
        anew = {id(e): weigh_anew(setting, parallel, units, e, figures) for e in best if e is not None}
        best = [anew[id(e)] if e is not None else None for e in best]
    seconds = _seconds(setting, subjects, best)
    homes = [_home(window.tests[subject.test]) for subject in subjects]
    telling = tell_unnamed(setting, homes, subjects, _any_failure(subjects), best)
    names = tuple(test.id for test in window.tests)
    cases = [
        replace(_case(setting, names, units, subject, own, second), telling=told)
        for subject, own, second, told in zip(subjects, best, seconds, telling, strict=True)
    ]
    if parallel is None:
        return cases
    return [
        replace(case, hint=find_hint(setting, parallel, unit, figures)) if case.explanation is None else case
        for case, unit in zip(cases, units, strict=False)
    ]


def _seconds(
    setting: Setting, subjects: Sequence[Subject], best: Sequence[Explanation | None]
) -> list[Explanation | None]:
    """A second kind of order dependence beside the first one, for the subjects that have failures left over."""
    failed = _any_failure(subjects)
    found: dict[int, Explanation | None] = {}
    seconds: list[Explanation | None] = []
    for subject, first in zip(subjects, best, strict=True):
        second = None
        if first is not None and first.factor > 0:
            if id(first) not in found:
                found[id(first)] = explain_rest(setting, first, failed)
            second = found[id(first)]
        has_some = second is not None and second.fit.rows.of(subject.test).failures > 0
        seconds.append(second if has_some else None)
    return seconds


def _any_failure(subjects: Sequence[Subject]) -> dict[int, Bytes]:
    """How each test failed, whatever the signature: test -> int8[R]."""
    failed: dict[int, Bytes] = {}
    for subject in subjects:
        known = failed.setdefault(subject.test, subject.failed)
        failed[subject.test] = np.maximum(known, subject.failed)
    return failed


def _units(subjects: Sequence[Subject]) -> list[Unit]:
    """Each subject; and each test with several signatures once more with all of them as one."""
    units = [Unit(subject.test, subject.failed, (number,)) for number, subject in enumerate(subjects)]
    by_test: dict[int, list[int]] = {}
    for number, subject in enumerate(subjects):
        by_test.setdefault(subject.test, []).append(number)
    for test, numbers in by_test.items():
        if len(numbers) > 1:
            failed: Bytes = np.max([subjects[number].failed for number in numbers], axis=0)
            units.append(Unit(test, failed, tuple(numbers)))
    return units


def _alone(setting: Setting, units: Sequence[Unit], number: int) -> Explanation | None:
    rows = rows_of([(units[number].test, units[number].failed)], setting.orders)
    if rows.failures == 0 or rows.failures == len(rows):
        return None
    return explain(setting, units, [number]) if len(np.unique(setting.orders.classes[rows.run])) > 1 else None


def _home(test: Identity) -> str:
    return test.classname or test.file


def _keys(setting: Setting, window: Window, subjects: Sequence[Subject], unit: Unit) -> dict[str, float]:
    """What a unit may have in common with others, and how much that speaks for common writers."""
    test = window.tests[unit.test]
    home = f"class {_home(test)}"
    if len(unit.subjects) > 1:
        return {f"any {home}": setting.same_class}
    signature = f"signature {subjects[unit.subjects[0]].signature}"
    return {home: setting.same_class, signature: setting.same_signature, f"{home} {signature}": setting.same_both}


def _best(
    number: int, units: Sequence[Unit], alone: Sequence[Explanation | None], pools: Sequence[Explanation]
) -> Explanation | None:
    """The explanation that explains the subject's own rows best, by itself or with others that share its writers."""
    chosen: list[Explanation] = []
    for unit in [u for u, unit in enumerate(units) if number in unit.subjects]:
        found = [(own.order, own)] if (own := alone[unit]) is not None else []
        found += [(p.shares()[p.units.index(unit)] + p.sharing, p) for p in pools if unit in p.units]
        if found:
            chosen.append(max(found, key=lambda pair: pair[0])[1])
    return max(chosen, key=lambda explanation: explanation.factor, default=None)


def _case(
    setting: Setting,
    names: tuple[str, ...],
    units: Sequence[Unit],
    subject: Subject,
    explanation: Explanation | None,
    second: Explanation | None,
) -> Case:
    says = subject.failed >= 0
    known = setting.orders.trusted & (setting.orders.when[:, subject.test] >= 0)
    runs = np.flatnonzero(says & known).astype(np.int32)
    k, n = int(subject.failed[runs].sum()), len(runs)
    same: float | None = None
    if explanation is None and 0 < k < n:
        fixed = [float(log_marginal(k, n, rate)) for rate in (setting.costs.when_bad, setting.costs.when_good)]
        same = log_sum(fixed) - float(np.log(2)) - float(log_marginal(k, n, setting.chance))
    shared = tuple(dict.fromkeys(units[u].test for u in explanation.units)) if explanation else ()
    return Case(subject.test, names, setting, runs, k, int((says & ~known).sum()), same, explanation, shared, second)


def _setting(window: Window, figures: Mapping[str, Any]) -> Setting:
    orders = find_orders(window)
    costs = Costs(
        when_bad=mixture(figures["when_bad"]),
        when_good=mixture(figures["when_good"]),
        starts_bad=float(np.log(figures["brittle"])),
        starts_good=float(np.log(1 - figures["brittle"])),
        turned=float(np.log(figures["own_start"])),
        same_start=float(np.log(1 - figures["own_start"])),
        another=float(np.log(figures["another_writer"]) + np.log(0.5)),
        most_writers=int(figures["most_writers"]),
        beam=int(figures["beam"]),
        kept=int(figures["kept"]),
    )
    return Setting(
        orders=orders,
        candidates=find_candidates(window.tests),
        groups=_groups(window.runs),
        scales=_scales(window),
        usual=_usual(orders),
        costs=costs,
        chance=mixture(figures["chance"]),
        nearness=float(figures["nearness"]),
        group_share=float(figures["groups"]),
        chain=float(np.log(figures["chain"])),
        unnamed=float(np.log(figures["unnamed"])),
        solo=float(np.log(figures["solo"])),
        lone=float(np.log(figures["lone"])),
        another_cause=float(np.log(figures["another_cause"])),
        each_order=float(np.log(figures["each_order"])),
        not_the_order=float(np.log(figures["not_the_order"])),
        same_signature=float(figures["same_signature"]),
        same_both=float(figures["same_both"]),
        same_class=float(figures["same_class"]),
        every_share=float(figures["every_test"]),
        cells=int(figures["cells"]),
        shortlist=int(figures["shortlist"]),
    )


def _groups(runs: Sequence[Run]) -> dict[str, NDArray[np.int32]]:
    """What runs have in common besides their order, where it varies."""
    found: dict[str, NDArray[np.int32]] = {}
    for name in ("commit", "host", "job", "shard", "branch"):
        values: dict[str | None, int] = {}
        numbers = [values.setdefault(getattr(run, name), len(values)) for run in runs]
        if len(values) > 1:
            found[name] = np.array(numbers, dtype=np.int32)
    return found


def _usual(orders: Orders) -> Doubles | None:
    counts = np.bincount(orders.classes[orders.trusted], minlength=1)
    return (orders.classes != counts.argmax()).astype(np.float64) if counts.max() > 1 else None


def _scales(window: Window) -> dict[str, Doubles]:
    """What runs may be ranked by: their date, and how slow they were."""
    scales: dict[str, Doubles] = {"date": np.arange(len(window.runs), dtype=np.float64)}
    durations = window.durations[:, :2000]
    with np.errstate(all="ignore"):
        usual = medians(durations.T)
        busy = np.flatnonzero(usual > 0)
        if len(busy):
            slow = medians(durations[:, busy] / usual[busy])
            scales["slowness"] = np.nan_to_num(slow, nan=1.0).astype(np.float64)
    return scales
