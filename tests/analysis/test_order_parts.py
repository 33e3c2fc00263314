"""The parts of the last-writer model: likelihoods, candidates, last writers, rivals."""

from __future__ import annotations

import pickle
from math import lgamma

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakediag.analysis.order.candidates import EVERY_TEST, find_candidates, segments
from flakediag.analysis.order.explain import shuffles_needed
from flakediag.analysis.order.fit import Fit
from flakediag.analysis.order.hypotheses import Costs, Writers
from flakediag.analysis.order.marginal import log_marginal, log_sum
from flakediag.analysis.order.nulls import change, latent
from flakediag.analysis.order.scan import Columns, Splits, foremost, largest
from flakediag.analysis.order.search import search, with_chains
from flakediag.analysis.order.units import NEVER, RANKS, Rows, find_orders
from flakediag.analysis.order.writers import both_written, last_written
from flakediag.model import Identity
from flakediag.simulate import Plan, simulate

FLAT = ((1.0, 1, 1),)
GOOD = ((1.0, 1, 19),)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(1, 20), st.integers(1, 20))
def test_the_marginal_is_a_quotient_of_beta_functions(k: int, rest: int, a: int, b: int) -> None:
    def log_beta(x: float, y: float) -> float:
        return lgamma(x) + lgamma(y) - lgamma(x + y)

    expected = log_beta(a + k, b + rest) - log_beta(a, b)
    assert float(log_marginal(k, k + rest, ((1.0, a, b),))) == pytest.approx(expected, abs=1e-8)


@given(st.integers(1, 8))
def test_the_marginals_of_all_sequences_add_up_to_one(n: int) -> None:
    sequences = [bin(number).count("1") for number in range(2**n)]
    prior = ((0.3, 1, 1), (0.7, 19, 1))
    assert log_sum(log_marginal(sequences, [n] * len(sequences), prior)) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (Identity("tests.test_a.TestB", "test_c[1-x]"), ("tests", ".test_a", ".TestB", "::test_c", "[1-x]")),
        (Identity("tests.test_a", "test_c"), ("tests", ".test_a", "::test_c")),
        (Identity("", "works", "src/cart.test.js"), ("src", "/cart.test.js", "::works")),
        (Identity("com.acme.OrderIT$Nested", "total()"), ("com", ".acme", ".OrderIT", "$Nested", "::total()")),
        (Identity("a", "[x]"), ("a", "::[x]")),
    ],
)
def test_names_are_cut_where_groups_end(test: Identity, expected: tuple[str, ...]) -> None:
    assert segments(test) == expected
    assert "".join(expected) == test.id


def test_groups_are_families_classes_modules_and_packages() -> None:
    names = [("p.m.A", "x[1]"), ("p.m.A", "x[2]"), ("p.m.A", "y"), ("p.m.B", "z"), ("p.n.C", "u"), ("q.o", "v")]
    candidates = find_candidates([Identity(*name) for name in names])
    groups = {
        candidates.ids[c]: {candidates.ids[m] for m in candidates.members(c)}
        for c in range(candidates.size)
        if candidates.is_group(c)
    }
    assert set(groups) == {"p", "p.m", "p.m.A", "p.m.A::x", EVERY_TEST}  # one test alone is no group
    assert groups["p.m.A::x"] == {"p.m.A::x[1]", "p.m.A::x[2]"}
    assert groups["p.m"] == {"p.m.A::x[1]", "p.m.A::x[2]", "p.m.A::y", "p.m.B::z"}


def test_the_nearer_the_likelier() -> None:
    names = [("p.m.A", "x"), ("p.m.A", "y"), ("p.m.B", "z"), ("p.n.C", "u"), ("q.o.D", "v")]
    candidates = find_candidates([Identity(*name) for name in names])
    near = dict(zip(candidates.ids, candidates.nearness([0]), strict=True))
    assert [near[f"{c}::{n}"] for c, n in names] == pytest.approx([1, 1, 2 / 3, 1 / 3, 0])


def test_last_writers_against_a_plain_loop() -> None:
    window, _ = simulate(Plan(tests=40, shuffled=12, per_class=4), [], 3)
    orders = find_orders(window)
    candidates = find_candidates(window.tests)
    runs = np.arange(12, dtype=np.int32)
    rows = Rows((9,), np.zeros(12, np.int32), runs, orders.when[:, 9].astype(np.int32), np.zeros(12, np.int32))
    whole = last_written(rows, orders, candidates)
    for candidate in range(candidates.size):
        kind = int(candidates.kinds[candidate])
        for run in range(12):
            when = [int(orders.when[run, candidates.tests[m]]) for m in candidates.members(candidate)]
            latest = max((w for w in when if w < orders.when[run, 9]), default=NEVER)
            assert whole[candidate, run] == (latest * RANKS + kind if latest >= 0 else NEVER)
    some = np.array([3, 17, candidates.size - 1, 44, 40])
    assert (last_written(rows, orders, candidates, some) == whole[some]).all()


def rows_with(failed: list[list[int]]) -> Rows:
    """A row for each member (line) and run (column)."""
    table = np.array(failed, dtype=np.int32)
    members, runs = table.shape
    return Rows(
        tuple(range(members)),
        np.repeat(np.arange(members, dtype=np.int32), runs),
        np.tile(np.arange(runs, dtype=np.int32), members),
        np.zeros(table.size, dtype=np.int32),
        table.ravel(),
    )


def test_a_cause_of_the_run_explains_failing_together() -> None:
    together = rows_with([[0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]] * 8)
    apart = rows_with([list(np.roll([0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0], shift)) for shift in range(8)])
    chance = float(log_marginal(24, 96, FLAT))
    assert latent(together, together.run, FLAT, GOOD) > chance + 20
    assert latent(apart, apart.run, FLAT, GOOD) < chance


def test_a_change_explains_what_starts_and_stays() -> None:
    broken, mixed = rows_with([[0] * 10 + [1] * 10]), rows_with([[0, 1] * 10])
    chance = float(log_marginal(10, 20, FLAT))
    assert change(broken, broken.run.astype(float), FLAT) > chance + 5
    assert change(mixed, mixed.run.astype(float), FLAT) < chance
    assert change(broken, np.zeros(20), FLAT) == float("-inf")


def test_a_chain_writes_when_its_last_link_runs() -> None:
    written = np.array([[5, NEVER, 2, NEVER], [3, 4, 8, NEVER], [NEVER, 1, 9, NEVER]], dtype=np.int16)
    assert both_written(written, [(0, 1), (1, 2)]).tolist() == [[5, NEVER, 8, NEVER], [NEVER, 4, 9, NEVER]]


def test_shuffles_needed_grow_with_the_logarithm() -> None:
    assert [shuffles_needed(n) for n in (1, 100, 1_000, 10_000)] == [2, 12, 18, 23]


COSTS = Costs(
    when_bad=((1.0, 19, 1),),
    when_good=GOOD,
    starts_bad=np.log(0.4),
    starts_good=np.log(0.6),
    another=np.log(0.1),
    most_writers=4,
    beam=5,
    kept=24,
    turned=np.log(0.05),
    same_start=np.log(0.95),
)


@pytest.mark.parametrize(
    "base",
    [Writers(False), Writers(True), Writers(False, (0,)), Writers(True, (), (1,)), Writers(False, (0,), (), (21,))],
)
def test_a_scan_scores_what_each_hypothesis_scores_by_itself(base: Writers) -> None:
    rng = np.random.default_rng(3)
    written = rng.permuted(np.tile(np.arange(12), (700, 1)), axis=1).T.astype(np.int16)  # more rows than a byte counts
    written[written < 4] = NEVER
    failed = (rng.random(700) < 0.7).astype(np.int32)
    places = np.arange(700, dtype=np.int32)
    rows = Rows((20, 21), (places % 2).astype(np.int32), places, places, failed)
    prior = np.log(np.full(12, 1 / 12))
    scanned, alone = (Fit(rows, np.arange(12), written, prior, COSTS) for _ in range(2))
    scanned.scan(base)
    assert len(scanned.seen) > 6
    assert scanned.seen == pytest.approx({writers: alone.score(writers) for writers in scanned.seen})
    assert {*scanned.telling} == {*alone.telling}
    assert scanned.best == alone.best


def test_after_a_search_a_fit_says_the_same_with_less() -> None:
    rng = np.random.default_rng(5)
    written = rng.permuted(np.tile(np.arange(400), (60, 1)), axis=1).T.astype(np.int16)
    written[written < 150] = NEVER
    failed = ((written[7] > 0) & (written[31] > 0)).astype(np.int32)  # only both together
    runs = np.arange(60, dtype=np.int32)
    rows = Rows((500,), np.zeros(60, np.int32), runs, runs, failed)
    fit = Fit(rows, np.arange(400), written, np.full(400, -np.log(400)), COSTS)
    fit = with_chains(search(fit), np.log(0.1), np.ones(400, dtype=np.bool_))
    done = fit.done()
    assert fit.links_of_best() == done.links_of_best() == [7, 31]
    assert (done.seen, done.best, done.telling) == (fit.seen, fit.best, fit.telling)
    assert all((done.expected(one) == fit.expected(one)).all() for one in fit.telling)
    assert (done.elsewhere(rows, written[[7, 31]]) == fit.expected(fit.best)).all()
    assert pickle.loads(pickle.dumps(done)).seen == fit.seen


def the_largest(scores: list[float], count: int) -> list[int]:
    """Places by a plain sort: all from the count-th largest score on, as they stand up to four times as many."""
    least = sorted(scores)[-count] if len(scores) > count else float("-inf")
    some = [place for place, score in enumerate(scores) if score >= least]
    some = some[: 4 * count] if len(scores) > count else some
    return sorted((place for place in some if scores[place] > float("-inf")), key=lambda place: -scores[place])


SCORES = st.one_of(
    st.lists(st.sampled_from([float("-inf"), 0.0, 1.0, 2.5]), max_size=400),
    st.lists(st.floats(-9, 9) | st.just(float("-inf")), max_size=400),
    st.tuples(st.integers(0, 900), st.lists(st.floats(0, 2), max_size=30)).map(lambda t: [float("-inf")] * t[0] + t[1]),
)


@given(SCORES, SCORES, st.integers(1, 6), st.sets(st.integers(0, 450), max_size=3))
def test_the_leads_hold_the_largest_of_all(one: list[float], other: list[float], count: int, taken: set[int]) -> None:
    """Of the candidates by themselves, and of two tables of them together."""
    prior = [-0.5] * len(one) + [-2.0] * len(other)
    of_all = [score + own for score, own in zip(one + other, prior, strict=True)]
    of_all = [float("-inf") if place in taken else score for place, score in enumerate(of_all)]
    found = []
    for first, scores in ((0, one), (len(one), other)):
        by_row = np.zeros((0, len(scores)), dtype=np.int16)
        columns = Columns(by_row, np.array(prior[first : first + len(scores)]), first)
        found.append(columns.leads(np.array(scores), np.array(scores), 0.0, sorted(taken), count, count))
    for leads, more in zip(*found, strict=True):
        joined = leads.joined(more)
        assert leads.candidates[largest(leads.scores, count)].tolist() == the_largest(of_all[: len(one)], count)
        assert joined.candidates[largest(joined.scores, count)].tolist() == the_largest(of_all, count)
    assert foremost(np.array(one), count).tolist() == sorted(range(len(one)), key=lambda place: -one[place])[:count]


@pytest.mark.parametrize("rows", [3, 40, 600])  # the last one is too large for a table
def test_splits_are_worth_what_their_marginals_are(rows: int) -> None:
    failures = rows // 3
    splits = Splits(rows_with([[1] * failures + [0] * (rows - failures)]), COSTS.when_bad, GOOD)
    n = np.arange(1, rows)
    k = np.minimum(n // 2, failures)
    here, there = log_marginal(k, n, COSTS.when_bad), log_marginal(failures - k, rows - n, GOOD)
    possible = failures - k <= rows - n
    assert (splits.named(k, n) == here + there)[possible].all()
    assert [splits.one(int(a), int(b)) for a, b in zip(k, n, strict=True)] == splits.named(k, n).tolist()
    named, promise = splits.both(int(k[0]), int(n[0]), k - k[0], n - n[0])
    assert named[0] == promise[0] == float("-inf")  # nothing changes
    assert (named == here + there)[1:][possible[1:]].all()
    assert (np.isfinite(promise) == splits.tells(k, n))[1:].all()


def test_a_victim_that_starts_otherwise_is_turned() -> None:
    """The same writer leaves good what one test needs, and what the other does without."""
    written = np.tile(np.array([NEVER, 5], dtype=np.int16), 40)[None]
    member = np.repeat([0, 1], 40).astype(np.int32)
    places = np.arange(80, dtype=np.int32)
    failed = ((written[0] == NEVER) & (member == 1)).astype(np.int32)
    fit = Fit(Rows((20, 21), member, places, places, failed), np.arange(1), written, np.zeros(1), COSTS)
    fit.score(Writers(False, (), (0,)))
    fit.turn(Writers(False, (), (0,)))
    assert fit.best == Writers(False, (), (0,), (21,))
    assert fit.expected(fit.best).tolist() == (failed == 1).tolist()
    assert [fit.best.seen_by(test).starts_bad for test in (20, 21)] == [False, True]
