from dataclasses import replace
from datetime import timedelta
from math import comb

import numpy as np
import pytest
from evidence_samples import subjects, weight
from hypothesis import given
from hypothesis import strategies as st

from flakediag.analysis.evidence import environment, randomness
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
    assert {"weekday", "month", "hour"} >= {p.fact for p in environment.predicates(window)} >= {"weekday", "month"}
    ends = {n for n, run in enumerate(window.runs) if (run.started_at + timedelta(days=1)).day == 1}
    window = draw(rows(90, ends), hours_between=24)
    assert ends
    assert all(found.category is C for found in find(window)[0])
