"""Rates, their intervals, and the three figures of the gate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakediag.analysis.diagnose import diagnose
from flakediag.analysis.rates import clean_runs_needed, rate_of, suite_rates


def test_the_wilson_interval_has_its_published_values() -> None:
    # 8 of 10: a common worked example.
    rate = rate_of(8, 10)
    assert (rate.value, round(rate.low, 4), round(rate.high, 4)) == (0.8, 0.4902, 0.9433)


@pytest.mark.parametrize("of", [1, 7, 1000])
def test_the_ends_are_exact_but_never_certain(of: int) -> None:
    none, every = rate_of(0, of), rate_of(of, of)
    assert (none.value, none.low) == (0.0, 0.0)
    assert 0 < none.high < 1
    assert (every.value, every.high) == (1.0, 1.0)
    assert 0 < every.low < 1


def test_nothing_observed_is_nothing_known() -> None:
    assert (rate_of(0, 0).low, rate_of(0, 0).high) == (0.0, 1.0)


@given(st.integers(1, 10_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_interval_holds_the_value_and_a_pass_never_raises_it(counts: tuple[int, int]) -> None:
    count, of = counts
    rate, after = rate_of(count, of), rate_of(count, of + 1)
    assert 0 <= rate.low <= rate.value <= rate.high <= 1
    assert after.value <= rate.value
    assert after.low <= rate.low
    assert after.high <= rate.high


@pytest.mark.parametrize(("rate", "runs"), [(0.1, 29), (0.01, 299), (0.5, 5), (1.0, 1)])
def test_clean_runs_needed(rate: float, runs: int) -> None:
    assert clean_runs_needed(rate) == runs
    assert (1 - rate) ** runs < 0.05 <= (1 - rate) ** (runs - 1)


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1])
def test_a_rate_outside_its_range_is_an_error(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        clean_runs_needed(rate)


def test_what_failed_and_was_then_skipped_has_run(draw) -> None:
    window = draw(["S.", "S.", "s.", ".."])
    assert window.executed[:, 0].tolist() == [True, True, False, True]
    (found,) = diagnose(window).tests
    assert (found.failures, found.runs) == (2, 3)


def test_the_figures_of_the_gate(draw) -> None:
    # Test 0 flaky, test 1 broken, test 2 clean, test 3 always skipped; the last run is an outage.
    window = draw(["F..s", "...s", "FF.s", "rF.s", "FFFs"])
    rates = suite_rates(window, np.array([True, False, False, False]), np.array([True] * 4 + [False]))
    assert (rates.flaky_tests.count, rates.flaky_tests.of) == (1, 3)  # the skipped one is not active
    assert (rates.flaky_runs.count, rates.flaky_runs.of) == (1, 4)  # run 2 is red for the broken test as well
    assert (rates.flaky_executions.count, rates.flaky_executions.of) == (3, 12)  # a recovered retry counts
