"""What mending saves: counted by hand on small histories."""

from collections.abc import Mapping

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flakediag.analysis.cluster import Member, tickets_of
from flakediag.analysis.rank import impacts
from flakediag.analysis.savings import fixes_of
from flakediag.analysis.window import Window
from flakediag.model import Category, Diagnosis, FixStep, Partner


def fixes(window: Window, polluters: Mapping[int, str], *, down: frozenset[int] = frozenset()) -> list[FixStep]:
    """The steps for a window whose flaky tests are the keys; tests with the same polluter are one problem."""
    counted = np.array([r not in down for r in range(len(window.runs))])
    members = []
    for test, polluter in polluters.items():
        cause = Diagnosis(Category.ORDER, 0.9, partners=(Partner(polluter, "test", "polluter", 0.9),))
        failed = np.zeros(len(window.runs), dtype=np.bool_)
        failed[[f.run for f in window.failures if f.test == test and counted[f.run]]] = True
        members.append(Member(test, f"t{test}", cause, "no", failed))
    return fixes_of(window, tickets_of(members), counted, impacts(window, counted))


def counts(steps: list[FixStep]) -> list[tuple[tuple[str, ...], int, int, int]]:
    return [(s.tests, s.saves.red_runs, s.before.count, s.after.count) for s in steps]


def test_a_run_turns_green_when_all_that_failed_in_it_is_mended(draw) -> None:
    window = draw(["F..", "F..", "FF.", ".F.", "...", "..."])
    assert counts(fixes(window, {0: "p", 1: "q"})) == [(("t0",), 2, 4, 2), (("t1",), 1, 2, 0)]
    assert fixes(window, {0: "p", 1: "q"})[0].before.of == 6


def test_a_cluster_is_one_ticket(draw) -> None:
    window = draw(["FF.", "FF.", "..F", "F.F", "..."])
    [first, second] = fixes(window, {0: "p", 1: "p", 2: "q"})
    assert (first.cluster, set(first.tests), first.saves.red_runs, first.after.count) == (1, {"t0", "t1"}, 2, 2)
    assert (second.cluster, second.tests, second.saves.red_runs, second.after.count) == (None, ("t2",), 1, 0)


def test_runs_that_are_red_for_another_reason_stay_red(draw) -> None:
    # Test 2 is broken and on no ticket; the last run is an outage.
    window = draw(["F..", "F.F", "..F", "...", "FFF"])
    assert counts(fixes(window, {0: "p", 1: "q"}, down=frozenset({4}))) == [(("t0",), 1, 4, 3), (("t1",), 0, 3, 3)]


def test_what_passes_on_a_retry_costs_minutes_only(draw) -> None:
    window = draw(["r.", "r.", ".F", ".."], seconds=60.0)
    first, second = fixes(window, {0: "p", 1: "q"})
    assert (first.tests, first.saves.red_runs) == (("t1",), 1)
    assert (second.tests, second.saves.red_runs, second.after.count) == (("t0",), 0, 0)
    assert second.saves.minutes == 2.0


def test_the_sequence_takes_two_fixes_that_only_help_together_before_one_that_helps_less(draw) -> None:
    window = draw(["FF.", "FF.", "FF.", "FF.", "..F", "..."])
    assert [(s.tests, s.after.count) for s in fixes(window, {0: "p", 1: "q", 2: "r"})] == [
        (("t0",), 5),
        (("t1",), 1),
        (("t2",), 0),
    ]


def test_a_failure_of_which_nothing_is_known_needs_every_ticket_of_its_test(draw) -> None:
    window = draw(["F.", "F.", "F."])
    cause = [Diagnosis(c, 0.9) for c in (Category.TIMING, Category.NETWORK)]
    members = [Member(0, "t0", cause[n], f"way {n}", np.arange(3) == n) for n in range(2)]
    counted = np.ones(3, dtype=np.bool_)
    steps = fixes_of(window, tickets_of(members), counted, impacts(window, counted))
    assert [(s.saves.red_runs, s.after.count) for s in steps] == [(1, 2), (1, 0)]


def test_nothing_to_mend(draw) -> None:
    assert fixes(draw(["..", ".."]), {}) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the fixture is a plain function
@given(rows=st.lists(st.text("F.", min_size=4, max_size=4), min_size=1, max_size=12))
def test_each_fix_lowers_and_all_of_them_leave_what_others_broke(draw, rows: list[str]) -> None:
    window = draw(rows)
    flaky = [t for t in range(3) if any(row[t] == "F" for row in rows)]  # the last test is broken
    steps = fixes(window, {t: f"p{t}" for t in flaky})
    assert {id for s in steps for id in s.tests} == {f"t{t}" for t in flaky}
    red = sum("F" in row for row in rows)
    for step in steps:
        assert step.after.count <= step.before.count == red
        red = step.after.count
        assert step.saves.red_runs == sum(row.count("F") == 1 and row[int(step.tests[0][1])] == "F" for row in rows)
    if steps:
        assert red == sum(row[3] == "F" for row in rows)
