"""Planted flakes: true to their rule, and nothing else touched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flakediag.analysis.inject import (
    CAUSES,
    ORDERED,
    Ground,
    Kind,
    Plant,
    fails_after,
    inject,
    plant,
    shuffled_on,
    survey,
)
from flakediag.analysis.outage import outages
from flakediag.analysis.signature import signature_of
from flakediag.analysis.window import Window
from flakediag.model import Category, Order
from flakediag.simulate import Chance, Plan, simulate

FLAKY = 17


def history(default: int = 6, shuffled: int = 24, *, parallel: int = 0, seed: int = 1) -> Window:
    """A suite of 60 tests, one of which (FLAKY) fails by chance."""
    plan = Plan(tests=60, default=default, shuffled=shuffled, parallel=parallel, mixed=True)
    return simulate(plan, [Chance(victims=(FLAKY,), rate=0.3)], seed)[0]


def planted(window: Window, kind: Kind, rate: float = 0.3, seed: int = 5) -> Plant:
    made = plant(survey(window), kind, rate, set(), np.random.default_rng(seed))
    assert made is not None
    return made


@pytest.mark.parametrize("kind", Kind)
def test_a_plant_fails_in_its_runs_and_nothing_else_changes(kind: Kind) -> None:
    window = history()
    made = planted(window, kind)
    after = inject(window, [made])
    others = np.arange(len(window.tests)) != made.test
    assert np.array_equal(after.outcomes[:, others], window.outcomes[:, others])
    assert np.array_equal(after.durations[:, others], window.durations[:, others])
    assert np.array_equal(after.positions, window.positions)
    assert tuple(f for f in after.failures if f.test != made.test) == window.failures
    failed = after.failed[:, made.test]
    assert tuple(np.flatnonzero(failed)) == made.runs
    assert 0 < len(made.runs) < len(window.runs)
    assert {f.signature for f in after.failures if f.test == made.test} == {signature_of(made.words)}


@pytest.mark.parametrize("kind", Kind)
def test_the_window_that_is_planted_into_is_left_as_it_was(kind: Kind) -> None:
    window = history()
    before = [column.copy() for column in (window.outcome, window.duration, window.position)]
    inject(window, [planted(window, kind)])
    for column, kept in zip((window.outcome, window.duration, window.position), before, strict=True):
        assert np.array_equal(column, kept)


@pytest.mark.parametrize("kind", ORDERED)
@pytest.mark.parametrize("seed", range(4))
def test_an_order_dependent_plant_fails_as_the_last_writer_in_the_recorded_order_says(kind: Kind, seed: int) -> None:
    window = history()
    made = planted(window, kind, seed=seed)
    (partner,) = made.partners
    assert made.test not in (partner, *made.cleaners)
    for run in range(len(window.runs)):
        state = kind is Kind.BRITTLE
        for test in np.argsort(window.positions[run]):
            if test == made.test:
                break
            if test == partner:
                state = kind is not Kind.BRITTLE
            elif test in made.cleaners:
                state = False
        assert (run in made.runs) == state, run


@pytest.mark.parametrize(
    ("bad", "good", "brittle", "fails"),
    [
        (1, None, False, True),
        (9, None, False, False),  # after the victim
        (-1, None, False, False),  # did not run
        (1, 2, False, False),  # cleaned in between
        (2, 1, False, True),  # cleaned too early
        (None, 1, True, False),
        (None, 9, True, True),
        (None, -1, True, True),
    ],
)
def test_the_rule(bad: int | None, good: int | None, brittle: bool, fails: bool) -> None:
    def place(at: int | None) -> np.ndarray | None:
        return None if at is None else np.array([at], dtype=np.int32)

    found = fails_after(np.array([5], dtype=np.int32), place(bad), place(good), brittle=brittle)
    assert found.tolist() == [fails]


def test_only_stable_tests_carry_plants() -> None:
    window = history()
    ground = survey(window)
    assert FLAKY not in ground.stable
    assert len(ground.stable) == len(window.tests) - 1
    rng, taken = np.random.default_rng(0), set[int]()
    made = [plant(ground, kind, 0.2, taken, rng) for kind in Kind for _ in range(2)]
    parts = [test for one in made if one for test in (one.test, *one.partners, *one.cleaners)]
    assert FLAKY not in parts
    assert len(parts) == len(set(parts)), "no test has two parts"


def test_the_same_seed_plants_the_same() -> None:
    window = history()
    for kind in Kind:
        assert planted(window, kind) == planted(window, kind)
    assert planted(window, Kind.CHANCE, seed=1) != planted(window, Kind.CHANCE, seed=2)


def test_where_the_order_never_varied_nothing_order_dependent_can_be_planted() -> None:
    ground = survey(history(default=30, shuffled=0))
    assert not ground.order_varies
    assert [plant(ground, kind, 0.3, set(), np.random.default_rng(0)) for kind in ORDERED] == [None] * 3
    assert plant(ground, Kind.PORT, 0.3, set(), np.random.default_rng(0)) is not None


def test_where_no_run_has_a_known_order_nothing_order_dependent_can_be_planted() -> None:
    window = history()
    window = replace(window, runs=tuple(replace(run, order=Order.UNKNOWN) for run in window.runs))
    assert plant(survey(window), Kind.POLLUTED, 0.3, set(), np.random.default_rng(0)) is None


def test_in_a_parallel_run_the_polluter_matters_only_on_the_same_worker() -> None:
    window = history(shuffled=60, parallel=40, seed=3)
    made = planted(window, Kind.POLLUTED)
    (partner,) = made.partners
    parallel = ~window.serial
    before = window.positions[:, partner] < window.positions[:, made.test]
    failed = np.isin(np.arange(len(window.runs)), made.runs)
    assert not (failed & ~before).any()
    assert np.array_equal(failed[~parallel], before[~parallel])
    assert 0 < (failed & parallel).sum() < (before & parallel).sum()


def test_a_timeout_lasts_just_above_a_round_time_and_says_so() -> None:
    made = planted(history(), Kind.TIMEOUT)
    limit = int(made.seconds[0])
    assert all(limit < seconds < 1.02 * limit for seconds in made.seconds)
    assert f"{limit}.0s" in made.words.message


def test_a_port_conflict_names_its_port_in_the_message_or_in_the_output_only() -> None:
    loud, quiet = planted(history(), Kind.PORT), planted(history(), Kind.PORT_IN_OUTPUT)
    assert str(loud.port) in loud.words.message
    assert str(quiet.port) in quiet.words.output
    assert str(quiet.port) not in quiet.words.message


def test_slow_plants_fail_in_slow_runs() -> None:
    ground = survey(history())
    slowness = np.linspace(1, 2, len(ground.window.runs))
    made = plant(
        Ground(ground.window, ground.stable, ground.usable, slowness), Kind.SLOW, 0.3, set(), np.random.default_rng(1)
    )
    assert made is not None
    others = [run for run in range(len(slowness)) if run not in made.runs]
    assert slowness[list(made.runs)].mean() > slowness[others].mean() + 0.3


def test_without_durations_there_are_no_slow_runs_and_no_new_durations() -> None:
    window = history()
    window = replace(window, duration=np.full_like(window.duration, np.nan))
    assert plant(survey(window), Kind.SLOW, 0.3, set(), np.random.default_rng(0)) is None
    assert np.isnan(inject(window, [planted(window, Kind.TIMEOUT)]).duration).all()


def test_what_is_right_for_a_plant() -> None:
    window = history()
    for kind in Kind:
        right = planted(window, kind).right
        assert CAUSES[kind] in right
        assert (Category.RANDOMNESS in right) == (kind is Kind.CHANCE)


@pytest.mark.parametrize(
    ("producer", "assertion", "timeout", "bind"),
    [
        ("pytest", "assert ", "Failed: Timeout >", "OSError: [Errno 98] Address already in use"),
        ("surefire", " ==> expected: <", "timed out after ", "Address already in use: bind"),
        ("jest", "expect(received).toBe(expected)", "Exceeded timeout of ", "listen EADDRINUSE"),
        ("vitest", "// Object.is equality", "Test timed out in ", "listen EADDRINUSE"),
        ("gotestsum", "store_test.go:41: ", "context deadline exceeded", "bind: address already in use"),
        ("rspec", "(compared using ==)", "execution expired", "Address already in use - bind(2)"),
        ("dotnet", "Assert.Equal() Failure", "The operation has timed out", "Failed to bind to address"),
        ("unheard-of", "assert ", "Timeout", "Address already in use"),
    ],
)
def test_failures_are_phrased_as_the_framework_does(producer: str, assertion: str, timeout: str, bind: str) -> None:
    window = history()
    window = replace(window, runs=tuple(replace(run, producer=producer) for run in window.runs))
    for kind in Kind:
        said = planted(window, kind).words
        expected = timeout if kind is Kind.TIMEOUT else bind if kind is Kind.PORT else assertion
        assert expected in said.message, kind
        assert "{" not in said.whole()
        assert (bind in said.output) == (kind is Kind.PORT_IN_OUTPUT)


def test_shuffled_runs_are_added_behind_and_pass() -> None:
    window = history(default=20, shuffled=0)
    after = shuffled_on(window, 5, seed=1)
    assert len(after.runs) == 25
    assert np.array_equal(after.outcomes[:20], window.outcomes)
    assert not after.failed[20:].any()
    assert np.array_equal(np.sort(after.positions[20:], axis=1), np.tile(np.arange(60), (5, 1)))
    assert len(np.unique(after.positions[20:], axis=0)) == 5
    assert after.serial[20:].all()
    assert survey(after).order_varies
    assert not outages(after).any()
