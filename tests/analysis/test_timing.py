import warnings
from dataclasses import replace

import numpy as np
import pytest
from conftest import draw_window
from evidence_samples import subjects, weight, with_durations
from hypothesis import given
from hypothesis import strategies as st

from flakediag.analysis.evidence import timing
from flakediag.analysis.weights import weights
from flakediag.model import Category, Outcome

T, ORDER = Category.TIMING, Category.ORDER


def seconds(*values):
    return np.array(values, dtype=np.float64)


PASSING = seconds(0.2, 0.21, 0.19, 0.25, 0.2, 0.22, 0.2, 0.3)

PLATEAUS = [
    (seconds(5.01, 5.02, 5.01), 5.0, "fails at 5.0 s, 3 of 3"),
    (seconds(30.4, 30.1), 30.0, "fails at 30.0 s, 2 of 2"),
    (seconds(1.003, 1.002, 1.004, 0.2), 1.0, "fails at 1.0 s, 3 of 4"),
    (seconds(7.31, 7.33, 7.32), 7.32, "fails at 7.32 s, 3 of 3"),
    (seconds(*[5.01] * 9), 5.0, "fails at 5.0 s, 9 of 9"),
]
NO_PLATEAUS = [
    seconds(5.01),  # one is no plateau
    seconds(0.2, 0.2, 0.2),  # that is how long it takes
    seconds(0.31, 0.29, 0.3),  # too short for a timeout
    seconds(1.0, 3.0, 9.0),  # no constant
    seconds(5.0, 1.0, 2.0, 3.0, 9.0),
    seconds(),
]


@pytest.mark.parametrize(("failing", "at", "said"), PLATEAUS)
def test_failing_durations_that_pile_up(failing, at, said):
    [found] = timing.plateau(failing, PASSING)
    assert found.weight > 1
    assert found.data["seconds"] == at
    assert found.summary.startswith(said)


@pytest.mark.parametrize("failing", NO_PLATEAUS)
def test_no_plateau(failing):
    assert timing.plateau(failing, PASSING) == []


def test_a_test_that_passes_at_the_same_constant_has_no_plateau():
    assert timing.plateau(seconds(5.0, 5.0, 5.0), seconds(5.0, 5.01, 5.0, 0.1, 0.1)) == []


def test_a_round_plateau_weighs_more_and_so_do_more_failures():
    [odd] = timing.plateau(seconds(7.31, 7.32), PASSING)
    [even] = timing.plateau(seconds(5.01, 5.02), PASSING)
    [more] = timing.plateau(seconds(5.01, 5.02, 5.01, 5.0), PASSING)
    assert odd.weight < even.weight < more.weight


def test_longer_when_failing():
    [found] = timing.contrast(seconds(2.0, 1.5, 3.1, 2.2), PASSING)
    assert found.category is T
    assert found.weight > 1


@pytest.mark.parametrize(
    "failing",
    [
        seconds(0.2, 0.21, 0.2, 0.22),  # no difference
        seconds(0.01, 0.01, 0.01, 0.01),  # failing early is what failed assertions do
        seconds(9.0, 9.0),  # too few
        seconds(0.22, 0.23, 0.24),  # a little longer
    ],
)
def test_no_claim_on_little(failing):
    assert timing.contrast(failing, PASSING) == []


def test_always_failing_early_speaks_against_weakly():
    [found] = timing.contrast(seconds(*[0.01] * 10), seconds(*[0.2 + 0.001 * n for n in range(12)]))
    assert -1 < found.weight < 0


@given(st.floats(0.01, 0.4))
def test_another_short_pass_never_lowers_a_plateau(duration):
    [before] = timing.plateau(seconds(5.01, 5.02, 5.01), PASSING)
    [after] = timing.plateau(seconds(5.01, 5.02, 5.01), np.append(PASSING, duration))
    assert after.weight >= before.weight


def test_failing_in_slow_runs(draw):
    slow = {2, 5, 8, 11}
    window = draw(["F......." if r in slow else "........" for r in range(14)])
    window = with_durations(window, lambda r, t: (0.3 if r in slow else 0.1) * (1 + 0.01 * t) if t else 0.05)
    [found] = timing.find(window, subjects(window))
    assert weight(found, T, "timing-slow-runs") > 1
    even = with_durations(window, lambda r, t: 0.1 if t else 0.05)
    assert weight(timing.find(even, subjects(even))[0], T, "timing-slow-runs") == 0


def test_slowdowns_need_tests_and_runs(draw):
    assert np.isnan(timing.slowdowns(draw([".."] * 10))).all()
    assert np.isnan(timing.slowdowns(draw(["........"] * 2))).all()
    assert timing.slowdowns(draw(["........"] * 5)) == pytest.approx(np.ones(5))


def test_recovery_on_retry(draw):
    window = draw(["r..", "...", "r..", "r..", "r..", "..."])
    [found] = timing.find(window, subjects(window))
    assert weight(found, T, "timing-retry") > 0
    assert weight(found, ORDER, "timing-retry") < 0
    once = draw(["r..", "...", "..."])
    assert timing.find(once, subjects(once)) == [[]]


@pytest.mark.parametrize(("producer", "speaks"), [("pytest", True), ("surefire", True), ("gotestsum", False)])
def test_a_retry_in_another_process_says_nothing(draw, producer, speaks):
    window = draw(["r..", "...", "r..", "r..", "r..", "..."])
    window = replace(window, runs=tuple(replace(run, producer=producer) for run in window.runs))
    [found] = timing.find(window, subjects(window))
    assert bool(found) is speaks


def test_nothing_to_look_at(draw):
    assert timing.find(draw(["..."]), []) == []
    window = with_durations(draw(["F..", "...", "F.."]), lambda r, t: float("nan"))
    assert timing.find(window, subjects(window)) == [[]]


@pytest.mark.parametrize(("measured", "round_"), [(5.02, 5.0), (30.4, 30.0), (1.0, 1.0), (0.51, 0.5)])
def test_timeouts_that_people_choose(measured, round_):
    assert timing._round_below(measured) == round_


@pytest.mark.parametrize("measured", [4.9, 7.4, 0.8, 33.0, 0.0])
def test_durations_that_nobody_chooses(measured):
    assert timing._round_below(measured) is None


@given(data=st.data(), at_once=st.sampled_from([1, 2, 1024]))
def test_slowdowns_are_medians_of_what_passed(data, at_once):
    rows = data.draw(st.lists(st.text(".FrsE ", min_size=7, max_size=7), min_size=3, max_size=7))
    seconds = st.sampled_from([np.nan, 0.0, 0.004, 0.01, 0.02, 0.3, 1.7, 5.0])
    window = draw_window(rows)
    window = with_durations(window, lambda run, test: data.draw(seconds))
    passed = np.where(window.outcomes == Outcome.PASSED, window.durations.astype(np.float64), np.nan)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patched:
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of tests that never passed
        patched.setattr(timing, "AT_ONCE", at_once)
        usual = np.nanmedian(passed, axis=0)
        usual[(~np.isnan(passed)).sum(axis=0) < 4] = np.nan
        ratios = passed[:, usual >= 0.01] / usual[usual >= 0.01]
        expected = np.nanmedian(ratios, axis=1) if ratios.size else np.full(len(rows), np.nan)
        expected[(~np.isnan(ratios)).sum(axis=1) < weights("timing")["slow_min_tests"]] = np.nan
        assert np.array_equal(timing.slowdowns(window), expected, equal_nan=True)
