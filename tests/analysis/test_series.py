"""What pictures are drawn from, on histories whose truth is known."""

from __future__ import annotations

from itertools import pairwise

from flakediag.analysis.diagnose import diagnose
from flakediag.analysis.series import RUNS_PER_STRETCH, SHOWN_RUNS, STRETCHES, series_of
from flakediag.analysis.window import Window
from flakediag.model import Series
from flakediag.simulate import Chance, OrderDependence, Plan, Together, simulate


def drawn(window: Window) -> Series:
    return series_of(window, diagnose(window).tests)


def shuffled() -> Window:
    flakes = [OrderDependence(victims=(7,), polluters=(31,)), Chance(victims=(20,), rate=0.3)]
    return simulate(Plan(tests=40, shuffled=60), flakes, seed=4)[0]


def test_the_partner_ran_before_every_failure_and_after_every_pass() -> None:
    window = shuffled()
    sample = drawn(window).orders[window.tests[7].id]
    partner = sample.others[0]
    assert (partner.id, partner.role) == (window.tests[31].id, "polluter")
    fails, passes = partner.failing[1], partner.passing[1]
    assert partner.failing == (fails, fails)
    assert partner.passing == (0, passes)
    assert fails + passes == 60


def test_gaps_are_places_in_the_recorded_order() -> None:
    window = shuffled()
    sample = drawn(window).orders[window.tests[7].id]
    assert len(sample.runs) == 2 * SHOWN_RUNS
    for run, gap in zip(sample.runs, sample.others[0].gaps, strict=True):
        assert gap == window.positions[run, 7] - window.positions[run, 31]
    failed = [bool(window.outcomes[run, 7]) for run in sample.runs]
    assert failed == [True] * sample.failing + [False] * (len(failed) - sample.failing)


def test_a_test_without_partners_shows_what_ran_directly_before_its_failures() -> None:
    window = shuffled()
    sample = drawn(window).orders[window.tests[20].id]
    assert sample.others
    for other in sample.others:
        assert other.role is None
        assert any(gap == 1 for gap in other.gaps[: sample.failing]) or other.failing[0] > 0


def test_a_group_stands_where_its_nearest_member_stands() -> None:
    writers = tuple(range(10, 20))  # a class
    window = simulate(Plan(tests=40, shuffled=60), [OrderDependence(victims=(3,), polluters=writers)], seed=2)[0]
    others = drawn(window).orders[window.tests[3].id].others
    groups = [other for other in others if other.role and "::" not in other.id]
    assert groups, [other.id for other in others]
    positions = window.positions
    for run, gap in zip(drawn(window).orders[window.tests[3].id].runs, groups[0].gaps, strict=True):
        before = [positions[run, 3] - positions[run, w] for w in writers if positions[run, w] < positions[run, 3]]
        assert gap == min(before) if before else gap is None or gap < 0


def test_parallel_runs_tell_no_order() -> None:
    window = simulate(Plan(tests=40, shuffled=30, parallel=30), [Chance(victims=(20,), rate=0.4)], seed=1)[0]
    sample = drawn(window).orders[window.tests[20].id]
    assert sample.runs == () and all(other.gaps == () for other in sample.others)


def test_stretches_cover_every_run_once_and_leave_outages_out() -> None:
    flakes = [Chance(victims=(20,), rate=0.3), Together(victims=tuple(range(38)), share=0.03, rate=1.0)]
    window = simulate(Plan(tests=40, default=103), flakes, seed=3)[0]
    series = drawn(window)
    down = [place for place, point in enumerate(series.runs) if point.outage]
    assert len(series.rates) == min(STRETCHES, 103 // RUNS_PER_STRETCH)
    assert sum(point.runs for point in series.rates) == 103 - len(down)
    assert down
    ends = [(point.first, point.last) for point in series.rates]
    assert all(a[1] < b[0] for a, b in pairwise(ends))
    for point in series.rates:
        inside = [run for run in range(point.first, point.last + 1) if run not in down]
        seen = {t for t in (20,) if any(window.outcomes[run, t] for run in inside)}
        assert point.rates.flaky_tests.count == len(seen)
        assert point.rates.flaky_tests.of == 40


def test_few_runs_are_one_stretch_and_none_is_none() -> None:
    few = simulate(Plan(tests=12, default=3), [Chance(victims=(2,), rate=0.5)], seed=1)[0]
    assert len(drawn(few).rates) == 1
    none = Window(
        (), (), few.run[:0], few.test[:0], few.position[:0], few.outcome[:0], few.attempts[:0], few.duration[:0]
    )
    assert drawn(none) == Series((), (), {})
