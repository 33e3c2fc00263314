"""What the pictures of a report are drawn from: the runs one by one, the rates over time, who ran before whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.candidates import Candidates, find_candidates
from flakediag.analysis.outage import outages
from flakediag.analysis.rates import rate_of, suite_rates
from flakediag.analysis.window import Window
from flakediag.model import Finding, OrderSample, RanBefore, RatePoint, RunPoint, Series, SuiteRates, Verdict

STRETCHES = 24  # points of the rates over time, at most
RUNS_PER_STRETCH = 4  # fewer runs than this say next to nothing of a rate
SHOWN_RUNS = 12  # failing ones, and as many passing ones, in an order sample
PARTNERS = 4
NEIGHBOURS = 2  # tests that often ran directly before a failure, beside the partners


def series_of(window: Window, findings: Sequence[Finding]) -> Series:
    """The series of a window. `findings` are its tests with verdict and cause, as `diagnose` gives them."""
    place = {identity: index for index, identity in enumerate(window.tests)}
    flaky = [finding for finding in findings if finding.verdict is Verdict.FLAKY]
    is_flaky = np.zeros(len(window.tests), dtype=np.bool_)
    is_flaky[[place[finding.test] for finding in flaky]] = True
    counted = ~outages(window)
    failed = window.failed & window.executed
    orders = _Orders(window, failed & counted[:, None], counted)
    return Series(
        runs=_runs(window, failed, is_flaky, counted),
        rates=_rates(window, failed, is_flaky, counted),
        orders={finding.id: orders.sample(place[finding.test], finding) for finding in flaky},
    )


def _runs(
    window: Window, failed: NDArray[np.bool_], is_flaky: NDArray[np.bool_], counted: NDArray[np.bool_]
) -> tuple[RunPoint, ...]:
    executed, all_failed, flaky = window.executed.sum(axis=1), failed.sum(axis=1), failed[:, is_flaky].sum(axis=1)
    return tuple(
        RunPoint(run, int(executed[r]), int(all_failed[r]), int(flaky[r]), not counted[r])
        for r, run in enumerate(window.runs)
    )


def _rates(
    window: Window, failed: NDArray[np.bool_], is_flaky: NDArray[np.bool_], counted: NDArray[np.bool_]
) -> tuple[RatePoint, ...]:
    """One point per stretch of about equally many runs, outages not counted."""
    usable = np.flatnonzero(counted)
    stretches = min(STRETCHES, len(usable) // RUNS_PER_STRETCH) or min(1, len(usable))
    points = []
    for runs in np.array_split(usable, stretches) if stretches else []:
        inside = np.zeros(len(window.runs), dtype=np.bool_)
        inside[runs] = True
        ran = window.executed[inside].any(axis=0)
        whole = suite_rates(window, is_flaky, inside)
        seen = rate_of(int((failed[inside].any(axis=0) & is_flaky).sum()), int(ran.sum()))
        rates = SuiteRates(seen, whole.flaky_runs, whole.flaky_executions)
        points.append(RatePoint(int(runs[0]), int(runs[-1]), len(runs), rates))
    return tuple(points)


class _Orders:
    """Who ran before whom, in the runs whose order is that of one process."""

    def __init__(self, window: Window, failed: NDArray[np.bool_], counted: NDArray[np.bool_]) -> None:
        self.window = window
        self.failed = failed
        self.runs = np.flatnonzero(window.serial & counted)
        # What was skipped did nothing before anybody.
        self.when = np.where(window.executed, window.positions, -1)[self.runs]
        self.place = {identity.id: index for index, identity in enumerate(window.tests)}
        self._before: NDArray[np.int32] | None = None
        self._groups: Candidates | None = None

    def sample(self, test: int, finding: Finding) -> OrderSample:
        ran = np.flatnonzero(self.when[:, test] >= 0)
        fails = self.failed[self.runs[ran], test]
        failing, passing = ran[fails], ran[~fails]
        shown = np.concatenate([failing[-SHOWN_RUNS:], passing[-SHOWN_RUNS:]])
        others: list[tuple[str, str | None, NDArray[np.int32]]] = []
        partners = finding.cause.partners if finding.cause else ()
        for partner in partners[:PARTNERS]:
            members = self._members(partner.id, partner.kind)
            if len(members):
                others.append((partner.id, partner.role, members))
        named = {id for id, _, _ in others}
        for index in self._neighbours(test, failing):
            if (id := self.window.tests[index].id) not in named:
                others.append((id, None, np.array([index], dtype=np.int32)))
        return OrderSample(
            runs=tuple(int(run) for run in self.runs[shown]),
            failing=min(len(failing), SHOWN_RUNS),
            others=tuple(self._ran_before(test, *other, failing, passing, shown) for other in others),
        )

    def _ran_before(
        self,
        test: int,
        id: str,
        role: str | None,
        members: NDArray[np.int32],
        failing: NDArray[np.int64],
        passing: NDArray[np.int64],
        shown: NDArray[np.int64],
    ) -> RanBefore:
        def count(rows: NDArray[np.int64]) -> tuple[int, int]:
            gaps = self._gaps(test, members, rows)
            return sum(gap is not None and gap > 0 for gap in gaps), sum(gap is not None for gap in gaps)

        return RanBefore(id, role, count(failing), count(passing), tuple(self._gaps(test, members, shown)))

    def _gaps(self, test: int, members: NDArray[np.int32], rows: NDArray[np.int64]) -> list[int | None]:
        """For each run, the places from the nearest member before the test, else (negative) to the nearest after it."""
        others = self.when[np.ix_(rows, members)]
        gaps = np.where(others >= 0, self.when[rows, test][:, None] - others, 0)
        far = np.iinfo(np.int32).max
        before = np.where(gaps > 0, gaps, far).min(axis=1)
        after = np.where(gaps < 0, -gaps, far).min(axis=1)
        nearest = np.where(before < far, before, np.where(after < far, -after, 0))
        return [int(gap) or None for gap in nearest]

    def _neighbours(self, test: int, failing: NDArray[np.int64]) -> list[int]:
        """The tests that ran directly before the most failures, the commonest first."""
        before = self._directly_before()[failing, test]
        return [index for index, _ in Counter(before[before >= 0].tolist()).most_common(NEIGHBOURS)]

    def _directly_before(self) -> NDArray[np.int32]:
        """int32[serial runs, T]: the test that executed directly before each, -1 for none."""
        if self._before is None:
            self._before = np.full(self.when.shape, -1, dtype=np.int32)
            for row, when in enumerate(self.when):
                ran = np.flatnonzero(when >= 0)
                order = ran[np.argsort(when[ran], kind="stable")]
                self._before[row, order[1:]] = order[:-1]
        return self._before

    def _members(self, id: str, kind: str) -> NDArray[np.int32]:
        """The tests (indices) that a partner stands for; none for what is no test or group."""
        if kind == "test":
            return np.array([self.place[id]] if id in self.place else [], dtype=np.int32)
        if kind != "group":
            return np.array([], dtype=np.int32)
        if self._groups is None:
            self._groups = find_candidates(self.window.tests)
        groups, singles = self._groups, len(self.window.tests)
        if id not in groups.ids[singles:]:
            return np.array([], dtype=np.int32)
        members = groups.members(singles + groups.ids[singles:].index(id))
        return groups.tests[members.start : members.stop]
