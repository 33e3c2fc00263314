from dataclasses import replace
from datetime import timedelta
from math import comb

import numpy as np
import pytest
from evidence_samples import failing, subjects, weight, with_details
from hypothesis import given
from hypothesis import strategies as st

from flakediag.analysis.evidence import environment, facts, randomness
from flakediag.analysis.evidence.fisher import discoveries, hypergeometric_tail
from flakediag.model import Category, Order

E, C, CO, RA = Category.ENVIRONMENT, Category.CLOCK, Category.CONCURRENCY, Category.RANDOMNESS


def with_runs(window, change):
    return replace(window, runs=tuple(replace(run, **change(n)) for n, run in enumerate(window.runs)))


def rows(count, bad):
    return ["F.." if n in bad else "..." for n in range(count)]


def find(window):
    return environment.find(window, subjects(window))


def test_fails_on_one_host_only(draw):
    bad = set(range(0, 20, 4))
    window = with_runs(draw(rows(20, bad)), lambda n: {"host": "runner-2" if n in bad else "runner-1"})
    [found] = find(window)
    assert weight(found, E) > 2
    assert "fails on runner-2 only" in found[0].summary


def test_a_property_of_the_run(draw):
    bad = set(range(0, 20, 4))
    window = with_runs(draw(rows(20, bad)), lambda n: {"properties": {"os": "windows" if n in bad else "linux"}})
    assert weight(find(window)[0], E, "environment-property") > 2


def test_only_in_parallel_runs(draw):
    bad = set(range(0, 20, 4))
    window = with_runs(draw(rows(20, bad)), lambda n: {"order": Order.COMPLETION} if n in bad else {})
    assert weight(find(window)[0], CO, "environment-parallel") > 1


def test_at_night_only(draw):
    window = draw(rows(60, {n for n in range(60) if n % 6 == 0}), hours_between=4)
    [found] = find(window)
    assert weight(found, C, "environment-hour") > 2


def test_the_hour_says_nothing_within_one_session(draw):
    window = draw(rows(60, set(range(10))), hours_between=0.2)
    assert find(window) == [[]]


SILENT = [
    ({2, 9, 13}, lambda n: {"host": f"runner-{n % 2}"}),  # spread over the hosts
    ({0}, lambda n: {"host": "runner-2" if n == 0 else "runner-1"}),  # one failure
    (set(range(0, 20, 4)), lambda n: {"host": f"runner-{n}"}),  # a host for each run
    (set(range(0, 20, 4)), lambda n: {"host": "runner-1"}),  # one host
    (set(range(0, 20, 4)), lambda n: {}),  # no facts
    ({0, 1, 2}, lambda n: {"properties": {"seed": str(n)}}),  # an identifier
]


@pytest.mark.parametrize(("bad", "change"), SILENT)
def test_no_association(draw, bad, change):
    assert find(with_runs(draw(rows(20, bad)), change)) == [[]]


FACTS = [
    ("job", lambda bad: {"job": "windows" if bad else "linux"}, "in job windows only"),
    ("shard", lambda bad: {"shard": "3" if bad else "1"}, "in shard 3 only"),
    ("branch", lambda bad: {"branch": "next" if bad else "main"}, "on branch next only"),
    ("attempt", lambda bad: {"attempt": 2 if bad else 1}, "in attempt 2 of a job only"),
    ("parallel", lambda bad: {"parallelism": 7.8 if bad else 1.0}, "in parallel runs only"),
    ("property", lambda bad: {"properties": {"java.version": "21" if bad else "17"}}, "where java.version is 21 only"),
    ("property", lambda bad: {"properties": {"seed": "7" if bad else "11"}}, "where seed is 7 only"),
]


@pytest.mark.parametrize(("key", "change", "said"), FACTS)
def test_each_fact_of_a_run_is_tested(draw, key, change, said):
    bad = set(range(0, 20, 4))
    [found] = find(with_runs(draw(rows(20, bad)), lambda n: change(n in bad)))
    assert [e for e in found if e.kind == f"environment-{key}" and f"fails {said}" in e.summary]


def test_from_a_number_of_workers_on(draw):
    bad = {n for n in range(32) if n % 8 >= 5}
    window = with_runs(draw(rows(32, bad)), lambda n: {"properties": {"workers": str(n % 8 + 1)}})
    assert "where workers is 5 or more only" in {
        e.summary.partition("fails ")[2].partition(":")[0] for e in find(window)[0]
    }
    window = with_runs(draw(rows(32, bad)), lambda n: {"parallelism": 8.0 if n in bad else 3.1})
    assert "about 6 workers or more" in find(window)[0][0].summary


def test_a_seed_that_came_up_again_and_again_is_found_among_many_that_did_not(draw):
    bad = set(range(0, 60, 10))
    window = with_runs(draw(rows(60, bad)), lambda n: {"properties": {"seed": "4711" if n in bad else str(n)}})
    assert "where seed is 4711 only" in find(window)[0][0].summary


def test_a_line_that_another_test_printed(draw):
    bad = set(range(0, 24, 4))
    window = draw(["F.F" if n in bad else "..F" for n in range(24)])
    quiet = failing("no", output="10:00:01 connected to replica-1")
    window = with_details(window, lambda r, t: quiet._replace(output="10:07:33 replica-2") if r in bad and t else quiet)
    [found, carrier] = find(window)
    assert "fails where tests.test_shop::test_2 prints “#" in found[0].summary
    assert "replica-2” only: 6 of 6" in found[0].summary
    assert carrier == []  # it failed in every run; and its own output is no news about it
    # The same line in every failure tells nothing.
    assert find(with_details(window, lambda r, t: quiet)) == [[], []]


def test_what_one_bad_day_did_is_no_rule_about_its_weekday(draw):
    # Thirty days of four runs; all failures on one Monday, or spread over four of them.
    monday = next(
        n for n, run in enumerate(draw(rows(120, set()), hours_between=6).runs) if run.started_at.weekday() == 0
    )
    once = draw(rows(120, {monday + k for k in range(4)}), hours_between=6)
    often = draw(rows(120, {monday + 28 * week + k for week in range(4) for k in (0, 2)}), hours_between=6)
    assert not [e for e in find(once)[0] if e.kind in ("environment-calendar", "environment-hour")]
    assert "on Mondays only" in find(often)[0][0].summary


def test_a_fact_that_half_the_runs_do_not_know_says_nothing_about_these(draw):
    bad = set(range(0, 24, 4))
    window = draw(rows(40, bad))
    window = with_runs(window, lambda n: {"host": None if n >= 24 else "runner-2" if n in bad else "runner-1"})
    [found] = find(window)
    assert "6 of 6 runs there, 0 of 18 elsewhere" in found[0].summary


def test_hundreds_of_tests_and_facts_by_chance(draw):
    rng = np.random.default_rng(11)
    rates = rng.beta(1, 6, size=150) + 0.03
    window = draw(["".join("F" if f else "." for f in rng.random(150) < rates) for _ in range(80)], hours_between=17)
    values, numbers = rng.integers(0, 3, size=(80, 20)), rng.integers(1, 9, size=80)
    window = with_runs(
        window,
        lambda n: {
            "host": f"runner-{values[n, 0]}",
            "job": f"job-{values[n, 1]}",
            "attempt": int(values[n, 2] == 0) + 1,
            "parallelism": float(numbers[n]),
            "properties": {f"fact{k}": str(values[n, k]) for k in range(3, 20)} | {"workers": str(numbers[n])},
        },
    )
    assert len(facts.predicates(window)) > 100
    assert sum(bool(found) for found in find(window)) <= 1


def test_many_facts_pay_for_their_luck(draw):
    rng = np.random.default_rng(7)
    values = rng.integers(0, 2, size=(40, 30))
    window = draw(rows(40, set(rng.choice(40, 8, replace=False).tolist())))
    window = with_runs(window, lambda n: {"properties": {f"fact{k}": str(values[n, k]) for k in range(30)}})
    assert find(window) == [[]]


@given(st.integers(1, 30), st.data())
def test_the_tail_is_a_sum_of_binomials(total, data):
    inside, drawn = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
    hits = data.draw(st.integers(0, total))
    exact = sum(
        comb(inside, k) * comb(total - inside, drawn - k) for k in range(hits, min(inside, drawn) + 1) if drawn >= k
    ) / comb(total, drawn)
    assert hypergeometric_tail(hits, total, inside, drawn) == pytest.approx(exact, abs=1e-9)


def test_benjamini_and_hochberg():
    assert discoveries([0.01, 0.04, 0.03, 0.9], 0.05) == [True, False, False, False]
    assert discoveries([0.01, 0.02, 0.03, 0.9], 0.05) == [True, True, True, False]
    assert discoveries([0.5, 0.9], 0.05) == [False, False]
    assert discoveries([], 0.05) == []


def shuffled(window, seed=1):
    rng = np.random.default_rng(seed)
    position = window.position.copy()
    for run in range(len(window.runs)):
        mine = np.flatnonzero(window.run == run)
        position[mine] = rng.permutation(len(mine))
    return replace(window, position=position)


def test_a_constant_rate_whatever_the_order(draw):
    rng = np.random.default_rng(3)
    bad = set(rng.choice(60, 15, replace=False).tolist())
    window = shuffled(draw(rows(60, bad)))
    [found] = randomness.find(window, subjects(window))
    assert 0 < weight(found, RA) < 1.5
    # The order never varied; failures in one stretch; too few runs.
    for other in (draw(rows(60, bad)), shuffled(draw(rows(60, set(range(15))))), shuffled(draw(rows(20, {1, 5, 9})))):
        assert randomness.find(other, subjects(other)) == [[]]


def test_weekdays_and_month_ends(draw):
    window = draw(rows(90, set()), hours_between=24)
    assert {"weekday", "month", "hour"} >= {p.fact for p in facts.predicates(window)} >= {"weekday", "month"}
    ends = {n for n, run in enumerate(window.runs) if (run.started_at + timedelta(days=1)).day == 1}
    window = draw(rows(90, ends), hours_between=24)
    assert ends
    assert all(found.category is C for found in find(window)[0])
