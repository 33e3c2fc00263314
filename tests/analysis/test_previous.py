"""State that survives between the runs of one host: who is named, and who must not be."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from flakediag.analysis.diagnose import diagnose
from flakediag.analysis.stretches import stretches
from flakediag.analysis.succession import succession
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Failure
from flakediag.model import Category, FailureDetail, Outcome
from flakediag.simulate import Chance, Flake, LeftBehind, OrderDependence, Plan, Regression, Stretches, simulate

WEEK = 7 * 86400.0
VICTIM, POLLUTER, CLEANER = 37, 61, 12


def causes(plan: Plan, flakes: list[Flake], seed: int, change=lambda window: window):
    """The cause of each victim that was found flaky, by id, and the ids of all tests."""
    window, _ = simulate(plan, flakes, seed)
    window = change(window)
    victims = {window.tests[v].id for flake in flakes for v in flake.victims}
    found = {f.id: f.cause for f in diagnose(window).tests if f.id in victims and f.cause is not None}
    return found, [test.id for test in window.tests]


def earlier(cause):
    return [e for e in cause.evidence if e.kind.startswith("previous-run") and e.weight > 0]


def left_behind(**more) -> list[Flake]:
    return [LeftBehind(victims=(VICTIM,), polluters=(POLLUTER,), **more)]


NAMED = [
    # (what is recorded, what happens, the fact that tells it)
    (Plan(tests=80, default=60, hosts=2), left_behind(consumed=True, at_exit=True, when_failing=0.2), "failed"),
    (Plan(tests=80, default=80, hosts=2, share=0.75), left_behind(consumed=True, at_exit=True), ("ran", "since")),
    (Plan(tests=80, shuffled=80, hosts=2), left_behind(consumed=True), ("after", "recovered")),
]


@pytest.mark.parametrize(("plan", "flakes", "fact"), NAMED)
def test_what_a_run_leaves_on_its_host_is_found_with_who_left_it(plan, flakes, fact):
    found, ids = causes(plan, flakes, 5)
    cause = found[ids[VICTIM]]
    assert cause.category is Category.ORDER
    [evidence] = earlier(cause)
    assert evidence.data["fact"] in fact
    assert "on the same host" in evidence.summary
    first = cause.partners[0]
    assert first.earlier
    assert first.role == "polluter"
    # Tests of a class that always run together cannot be told apart: then the class is named.
    assert first.id == ids[POLLUTER] or (first.kind == "group" and ids[POLLUTER].startswith(first.id))


def test_a_group_whose_tests_run_apart_is_named_and_the_order_within_runs_says_nothing_against_it():
    many = LeftBehind(victims=(VICTIM,), polluters=tuple(range(60, 70)), consumed=True, at_exit=True)
    found, ids = causes(Plan(tests=80, default=80, hosts=2, share=0.6, per_class=5), [many], 7)
    cause = found[ids[VICTIM]]
    [evidence] = earlier(cause)
    home = "tests.area_001.test_module_0006"
    assert f"a test of {home} had run in the run before it on the same host" in evidence.summary
    first = evidence.partners[0]
    assert (first.id, first.kind, first.role) == (home, "group", "polluter")
    assert "silence-order" not in {e.kind for e in cause.evidence}


def test_the_runs_that_their_own_order_explains_are_said_to_be_left_out():
    found, ids = causes(*NAMED[2][:2], 5)
    [evidence] = earlier(found[ids[VICTIM]])
    _, here, _, there = evidence.data["counts"]
    assert here + there == evidence.data["runs_with_a_run_before"]
    assert (
        f"but for {78 - here - there} in which it had to fail by the order" in evidence.summary
    )  # of 80, on two hosts


def test_a_known_dependence_is_carried_over_to_the_next_run():
    found, ids = causes(Plan(tests=80, shuffled=80, hosts=2), left_behind(cleaners=(CLEANER,)), 5)
    cause = found[ids[VICTIM]]
    assert "previous-run-carried" in {e.kind for e in cause.evidence}
    assert [(p.id, p.role) for p in cause.partners[:2]] == [(ids[POLLUTER], "polluter"), (ids[CLEANER], "cleaner")]


def test_a_port_that_the_run_before_may_still_hold_is_a_port_conflict():
    def bound(window):
        detail = FailureDetail("OSError", "[Errno 98] Address already in use: ('127.0.0.1', 8099)", "")
        return replace(window, failures=tuple(f._replace(said=detail) for f in window.failures))

    plan, flakes, _ = NAMED[0]
    found, ids = causes(plan, flakes, 5, bound)
    cause = found[ids[VICTIM]]
    [evidence] = earlier(cause)
    assert cause.category is evidence.category is Category.PORT
    assert evidence.ports == (8099,)
    assert (ids[POLLUTER], "port-user", True) in {(p.id, p.role, p.earlier) for p in evidence.partners}


def many(make, count=10):
    return [make(v) for v in range(3, 80, 80 // count)][:count]


SILENT = {
    "chance": (Plan(tests=80, shuffled=60, hosts=2), many(lambda v: Chance(victims=(v,), rate=0.25))),
    "chance, suites of changing tests": (
        Plan(tests=80, default=60, hosts=2, share=0.7),
        many(lambda v: Chance(victims=(v,), rate=0.25)),
    ),
    "bad stretches of a host": (
        Plan(tests=80, default=60, hosts=2),
        [
            Stretches(victims=(3, 20, 44, 60), enter=0.08, leave=0.25, rate=0.9),
            Stretches(victims=(70,), enter=0.1, leave=0.3, rate=0.9),
        ],
    ),
    "broken for a while": (Plan(tests=80, default=60, hosts=1), [Regression(victims=(9,), start=0.4, end=0.6)]),
    "order within the run": (
        Plan(tests=80, shuffled=60, hosts=2),
        [OrderDependence(victims=(VICTIM,), polluters=(POLLUTER,), cleaners=(CLEANER,))],
    ),
    "a host for each run": (Plan(tests=80, default=60, fresh_hosts=True, share=0.7), left_behind(consumed=True)),
    "no host recorded": (Plan(tests=80, default=60, share=0.7), left_behind(consumed=True, at_exit=True)),
}


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_said_of_the_run_before(name, seed):
    found, _ = causes(*SILENT[name], seed)
    assert [e for cause in found.values() for e in earlier(cause)] == []


def test_what_tells_as_much_of_the_run_after_is_no_cause():
    """Two suites that take turns on a host: the run before and the run after hold the same tests."""
    window, _ = simulate(Plan(tests=40, default=60, hosts=1), [Chance(victims=(5,), rate=0.0)], 1)
    turn = window.run % 2 == 0
    kept = turn | (window.test < 20)
    failing = (window.test == 5) & (window.run % 2 == 1)
    detail = FailureDetail("AssertionError", "no", "")
    failures = tuple(
        Failure(int(r), 5, 5, 1, Outcome.FAILED, "AssertionError: no", detail) for r in np.unique(window.run[failing])
    )
    outcome = np.where(failing, Outcome.FAILED, window.outcome).astype(np.int8)
    columns = {name: getattr(window, name)[kept] for name in ("run", "test", "position", "attempts", "duration")}
    window = replace(window, **columns, outcome=outcome[kept], failures=failures)
    assert [e for f in diagnose(window).tests if f.cause for e in earlier(f.cause)] == []


def runs_of(draw, hosts, starts, seconds=1.0):
    window = draw(["..."] * len(hosts))
    first = window.runs[0].started_at.replace(microsecond=1)
    return replace(
        window,
        runs=tuple(
            replace(run, host=host, started_at=first + timedelta(seconds=start), duration=seconds)
            for run, host, start in zip(window.runs, hosts, starts, strict=True)
        ),
    )


SUCCESSIONS = [
    (["a", "b", "a", "b"], [0, 10, 20, 30], [-1, -1, 0, 1]),
    (["a", "a", "a"], [0, 0.5, 20], [-1, -1, 1]),  # the first two went on at the same time
    (["a", None, "a"], [0, 10, 20], [-1, -1, 0]),
    (["a", "a"], [0, 2 * WEEK], [-1, -1]),  # too long ago
    (["a", "b", "c"], [0, 10, 20], [-1, -1, -1]),  # a host for each run
    (["a", "a", "a"], [20, 0, 10], [2, -1, 1]),  # stored in another order
]


@pytest.mark.parametrize(("hosts", "starts", "before"), SUCCESSIONS)
def test_the_run_before_is_the_last_of_the_host_that_had_ended(draw, hosts, starts, before):
    found = succession(runs_of(draw, hosts, starts), WEEK)
    assert found.before.tolist() == before
    assert [int(found.after[b]) for b in before if b >= 0] == [r for r, b in enumerate(before) if b >= 0]


def test_moments_in_whole_seconds_may_be_off_by_one(draw):
    window = runs_of(draw, ["a", "a"], [0, 2], seconds=2.6)
    assert succession(window, WEEK).before.tolist() == [-1, -1]
    coarse = tuple(replace(run, started_at=run.started_at.replace(microsecond=0)) for run in window.runs)
    assert succession(replace(window, runs=coarse), WEEK).before.tolist() == [-1, 0]


def test_failures_in_stretches_are_likelier_under_stretches_than_the_same_number_spread(draw):
    window = runs_of(draw, ["a"] * 40, range(0, 400, 10))
    order, rows = succession(window, WEEK), np.ones(40, dtype=np.bool_)
    together, spread = np.zeros(40, dtype=np.bool_), np.zeros(40, dtype=np.bool_)
    together[10:18] = spread[::5] = True
    figures = weights("previous")
    assert stretches(together, rows, order, figures) > stretches(spread, rows, order, figures) + 5
