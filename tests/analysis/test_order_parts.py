"""The parts of the last-writer model: likelihoods, candidates, last writers, rivals."""

from __future__ import annotations

import pickle
from copy import deepcopy
from itertools import pairwise
from math import lgamma

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_search import PlainSearch, the_largest

from flakediag.analysis.order import later as later_module
from flakediag.analysis.order import pieces
from flakediag.analysis.order.candidates import EVERY_TEST, find_candidates, segments
from flakediag.analysis.order.explain import shuffles_needed
from flakediag.analysis.order.fit import Fit
from flakediag.analysis.order.hypotheses import Costs, Found, Writers
from flakediag.analysis.order.later import Later, _ones_by_halves, bits_of, counted, number_of, words_of
from flakediag.analysis.order.leads import Leads, among_best, foremost, leading, least_of, trimmed
from flakediag.analysis.order.marginal import log_marginal, log_sum
from flakediag.analysis.order.nulls import change, latent
from flakediag.analysis.order.pieces import Pieces
from flakediag.analysis.order.search import Search, search, with_chains
from flakediag.analysis.order.splits import Splits, at_any_rates
from flakediag.analysis.order.units import NEVER, RANKS, Orders, Rows, find_orders
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


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 3))
def test_orders_are_the_same_where_the_same_tests_ran_one_after_the_other(seed: int, tests: int, most: int) -> None:
    when = np.random.default_rng(seed).integers(NEVER, most, (30, tests)).astype(np.int16)
    when[when < 0] = NEVER
    ran = [tuple(sorted(np.flatnonzero(row >= 0).tolist(), key=row.tolist().__getitem__)) for row in when]
    numbers: dict[tuple[int, ...], int] = {}
    expected = [numbers.setdefault(order, len(numbers)) for order in ran]
    assert Orders(when, np.ones(30, dtype=np.bool_)).classes.tolist() == expected


def test_groups_are_told_for_all_victims_at_once_as_for_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    window, _ = simulate(Plan(tests=40, shuffled=12, per_class=4), [], 3)
    orders, candidates = find_orders(window), find_candidates(window.tests)
    orders.when[3, 9] = NEVER  # a victim that did not run
    alone = [Pieces(orders.when, candidates, ()).before(victim) for victim in range(40)]
    for most in (1, 3 * alone[0].nbytes, 1 << 26):
        monkeypatch.setattr(pieces, "_MOST", most)
        orders.expect(candidates, range(40))
        together = orders.pieces(candidates)
        assert all(
            (together.before(victim) == alone[victim])[orders.when[:, victim] >= 0].all() for victim in range(40)
        )
    for victim, found in enumerate(alone):
        for run, own in enumerate(orders.when[:, victim]):
            ran = [(int(when), place) for when, place in zip(orders.when[run], candidates.place, strict=True)]
            for number, (start, end) in enumerate(pairwise(together.edges)) if own >= 0 else ():
                latest = max((when for when, place in ran if start <= place < end and 0 <= when < own), default=NEVER)
                assert found[run, number] == latest


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


def seen(fit: Fit) -> dict[Writers, float]:
    """The hypotheses of a fit, in the order of their coming."""
    return {fit.found.writers(place): float(score) for place, score in enumerate(fit.found.scores)}


def telling(fit: Fit) -> list[Writers]:
    return [fit.found.writers(place) for place in fit.found.telling.tolist()]


@pytest.mark.parametrize(
    "base",
    [Writers(False), Writers(True), Writers(False, (0,)), Writers(True, (), (1,)), Writers(False, (0,), (), (21,))],
)
def test_a_scan_scores_what_each_hypothesis_scores_by_itself(base: Writers) -> None:
    rng = np.random.default_rng(3)
    written = rng.permuted(np.tile(np.arange(12), (700, 1)), axis=1).astype(np.int16)  # more rows than there is a table
    written[written < 4] = NEVER
    failed = (rng.random(700) < 0.7).astype(np.int32)
    places = np.arange(700, dtype=np.int32)
    rows = Rows((20, 21), (places % 2).astype(np.int32), places, places, failed)
    prior = np.log(np.full(12, 1 / 12))
    scanned, alone = (Fit(rows, np.arange(12), written, prior, COSTS) for _ in range(2))
    Search(scanned).follow([base])
    assert len(seen(scanned)) > 6
    for writers in seen(scanned):
        alone.score(writers)
    assert seen(scanned) == pytest.approx(seen(alone))
    assert {*telling(scanned)} == {*telling(alone)}
    assert scanned.best == alone.best


@given(
    st.integers(0, 2**32),
    st.sampled_from([3, 40, 130]),
    st.sampled_from([8, 30, 70]),
    st.sampled_from([1, 3]),
    st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_a_search_finds_what_a_plain_one_finds(seed: int, size: int, runs: int, victims: int, dependent: bool) -> None:
    """The same hypotheses with the same scores, to the last digit; with many ties, and with a cause to find or none."""
    rng = np.random.default_rng(seed)
    count = runs * victims
    written = rng.permuted(np.tile(np.arange(size), (count, 1)), axis=1).astype(np.int16)
    written[rng.random(written.shape) < rng.choice([0.1, 0.5, 0.95])] = NEVER
    fails = written[:, 0] > written[:, 1] if dependent else rng.random(count) < rng.choice([0.1, 0.5])
    failed = (fails ^ (rng.random(count) < 0.05)).astype(np.int32)
    member = np.repeat(np.arange(victims), runs).astype(np.int32)
    places = np.tile(np.arange(runs), victims).astype(np.int32)
    rows = Rows(tuple(range(1000, 1000 + victims)), member, places, places, failed)
    prior = np.log(rng.choice([0.2, 0.2, 1.0], size) / size)
    plain = PlainSearch(rows, written.T, prior, COSTS)
    plain.search()
    fit = search(Fit(rows, np.arange(size), written, prior, COSTS))
    assert list(seen(fit).items()) == list(plain.seen.items())
    assert telling(fit) == plain.telling
    assert fit.best == plain.best


def random_fit(rng: np.random.Generator, size: int, runs: int, victims: int) -> Fit:
    """Two tests write only together, or nobody does; many candidates write at the same time, and some hardly ever."""
    written = rng.integers(0, 25, (runs * victims, size)).astype(np.int16)
    written[rng.random(written.shape) < rng.choice([0.1, 0.5, 0.95])] = NEVER
    fails = np.minimum(written[:, 0], written[:, 1]) >= 0 if rng.random() < 0.7 else rng.random(len(written)) < 0.2
    member = np.repeat(np.arange(victims), runs).astype(np.int32)
    places = np.tile(np.arange(runs), victims).astype(np.int32)
    rows = Rows(tuple(range(1000, 1000 + victims)), member, places, places, (fails ^ (member == 2)).astype(np.int32))
    return Fit(rows, np.arange(size), written, np.log(rng.choice([0.2, 1.0], size) / size), COSTS)


@given(st.integers(0, 2**32), st.sampled_from([3, 40, 130]), st.sampled_from([8, 70]), st.sampled_from([1, 3]))
@settings(deadline=None, max_examples=40)
def test_with_chains_what_is_known_is_not_looked_at_again(seed: int, size: int, runs: int, victims: int) -> None:
    fit = search(random_fit(np.random.default_rng(seed), size, runs, victims))
    forgetful = pickle.loads(pickle.dumps(fit))
    forgetful.known.clear()
    forgetful.found.promise, forgetful.found._places = deepcopy((fit.found.promise, fit.found._places))
    both = [with_chains(one, np.log(0.1), np.ones(size, dtype=np.bool_)) for one in (fit, forgetful)]
    assert list(seen(both[0]).items()) == list(seen(both[1]).items())
    assert telling(both[0]) == telling(both[1])
    for writers in seen(both[0]):
        assert both[0].expecting(writers) == number_of(both[0].expected(writers))


def test_after_a_search_a_fit_says_the_same_with_less() -> None:
    rng = np.random.default_rng(5)
    written = rng.permuted(np.tile(np.arange(400), (60, 1)), axis=1).astype(np.int16)
    written[written < 150] = NEVER
    failed = ((written[:, 7] > 0) & (written[:, 31] > 0)).astype(np.int32)  # only both together
    runs = np.arange(60, dtype=np.int32)
    rows = Rows((500,), np.zeros(60, np.int32), runs, runs, failed)
    fit = Fit(rows, np.arange(400), written, np.full(400, -np.log(400)), COSTS)
    fit = with_chains(search(fit), np.log(0.1), np.ones(400, dtype=np.bool_))
    done = fit.done()
    assert fit.links_of_best() == done.links_of_best() == [7, 31]
    assert (seen(done), done.best, telling(done)) == (seen(fit), fit.best, telling(fit))
    assert all((done.expected(one) == fit.expected(one)).all() for one in telling(fit))
    assert (done.elsewhere(rows, written.T[[7, 31]]) == fit.expected(fit.best)).all()
    again = pickle.loads(pickle.dumps(done))
    assert seen(again) == seen(fit)
    assert [again.score_of(one) for one in telling(fit)] == [fit.score_of(one) for one in telling(fit)]


SCORES = st.one_of(
    st.lists(st.sampled_from([float("-inf"), 0.0, 1.0, 2.5]), max_size=400),
    st.lists(st.floats(-9, 9) | st.just(float("-inf")), max_size=400),
    st.tuples(st.integers(0, 900), st.lists(st.floats(0, 2), max_size=30)).map(lambda t: [float("-inf")] * t[0] + t[1]),
)


@given(SCORES, SCORES, st.integers(1, 6), st.booleans())
def test_the_leads_are_the_largest_of_each_line(one: list[float], other: list[float], count: int, rough: bool) -> None:
    size = max(len(one), len(other))
    scores = np.full((2, size), -np.inf)
    scores[0, : len(one)], scores[1, : len(other)] = one, other

    def leads(start: int, end: int, least: np.ndarray | None = None) -> Leads:
        part = scores[:, start:end]
        flat = among_best(part.astype(np.float32) if rough else part, count, least)
        line, place = flat // max(1, end - start), flat % max(1, end - start)
        return leading(Leads(line, place + start, part.ravel()[flat], place + start), 2, count)

    # Those of two parts, one after the other, are those of both together.
    part = leads(0, size // 2)
    parts = leading(Leads.joined([part, leads(size // 2, size, least_of(part, 2, count))]), 2, count)
    found, of_parts = (trimmed(some, 2, size, count) for some in (leads(0, size), parts))
    assert [column.tolist() for column in of_parts] == [column.tolist() for column in found]
    first = foremost(scores, count)
    for number, own in enumerate(scores.tolist()):
        expected = the_largest([(place, score, score) for place, score in enumerate(own)], 1, count)
        assert found.place[found.line == number].tolist() == [place for place, _, _ in expected]
        finite = [place for place in range(size) if own[place] > float("-inf")]
        assert first.place[first.line == number].tolist() == sorted(finite, key=lambda place: -own[place])[:count]


@given(st.integers(1, 150), st.integers(1, 40), st.integers(0, 2**32))
def test_rows_are_counted_by_their_bits(rows: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    by_row = rng.integers(-1, 9, (rows, size)).astype(np.int16)
    by_row[by_row < 0] = NEVER
    some = rng.random((3, rows)) < 0.5
    last = np.maximum(-1, by_row[:, [0, size // 2]].max(axis=1))
    later = Later(by_row[:, : size // 2 + 1]).with_more(by_row[:, size // 2 + 1 :])
    bits = np.concatenate([later.than_all([0, size // 2], part) for part in range(2)], axis=1)
    after = by_row > last[:, None]
    expected = [(after & own[:, None]).sum(axis=0).tolist() for own in some]
    assert counted(np.array([bits] * 3), bits_of(some)).tolist() == expected
    assert words_of([number_of(own) for own in some], rows).tolist() == bits_of(some).tolist()
    assert counted(later.ran()[None], bits_of(np.ones((1, rows), np.bool_))).tolist() == [
        (by_row[:, : size // 2 + 1] >= 0).sum(axis=0).tolist()
    ]
    for known in (later, Later(*later._tables)):  # told from the tables that there are, or anew
        assert [known.rows(c, [0, size // 2]) for c in range(size)] == [number_of(own) for own in after.T]
        assert known.rows(size - 1, []) == number_of(by_row[:, -1] >= 0)
    assert _ones_by_halves(bits).tolist() == [[int(word).bit_count() for word in words] for words in bits.tolist()]


def test_what_was_asked_for_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    by_row = np.random.default_rng(1).integers(NEVER, 9, (70, 20)).astype(np.int16)
    later = Later(by_row)
    whole = [later.than_all([writer]) for writer in range(20)]
    monkeypatch.setattr(later_module, "_REMEMBERED", 3 * whole[0].nbytes)
    later = Later(by_row)
    for writer in (0, 1, 2, 0, 3, 0, *range(20)):
        assert (later.than_all([writer]) == whole[writer]).all()
        assert sum(bits.nbytes for bits in later._known.values()) == later._bytes <= 3 * whole[0].nbytes


CODES = st.lists(st.integers(0, 5), max_size=2, unique=True).map(lambda codes: tuple(sorted(codes)))
WRITERS = st.builds(Writers, st.booleans(), CODES, CODES.map(lambda codes: tuple(c + 6 for c in codes)), CODES)


@given(st.dictionaries(WRITERS, st.sampled_from([-3.0, -2.0, -1.0]), min_size=1), st.integers(1, 5))
def test_of_equal_hypotheses_the_fewer_and_then_the_larger_come_first(some: dict[Writers, float], count: int) -> None:
    found = Found(4)
    for writers, score in some.items():
        found.add_one(writers, score, tells=True)
        found.add_one(writers, 0.0, tells=False)  # known already
    assert [found.writers(place) for place in range(len(found))] == list(some)
    ranked = sorted(some, key=lambda writers: (some[writers], -len(writers.all), writers), reverse=True)
    assert found.ranked(np.arange(len(some)), count) == ranked[:count]
    assert found.best == next((writers for writers in ranked if writers.all), Writers(False))
    assert found.most == max(some.values())


@pytest.mark.parametrize("rows", [3, 40, 600])  # the last one is too large for a table
def test_splits_are_worth_what_their_marginals_are(rows: int) -> None:
    failures = rows // 3
    splits = Splits(failures, rows, COSTS.when_bad, GOOD)
    n = np.arange(1, rows)
    k = np.minimum(n // 2, failures)
    here, there = log_marginal(k, n, COSTS.when_bad), log_marginal(failures - k, rows - n, GOOD)
    anywhere = log_marginal(k, n, FLAT) + log_marginal(failures - k, rows - n, FLAT)
    possible = failures - k <= rows - n
    assert (splits.named(k, n) == here + there)[possible].all()
    assert [splits.one(int(a), int(b)) for a, b in zip(k, n, strict=True)] == splits.named(k, n).tolist()
    named, promise = splits.both(k, n)
    assert (named == here + there)[possible].all()
    tells = k * (rows - n) > (failures - k) * n
    assert (np.isfinite(promise) == tells).all()
    assert (promise == anywhere)[tells & possible].all()
    assert (at_any_rates(k, n, np.full(rows - 1, failures), np.full(rows - 1, rows)) == anywhere)[possible].all()


def test_a_victim_that_starts_otherwise_is_turned() -> None:
    """The same writer leaves good what one test needs, and what the other does without."""
    written = np.tile(np.array([NEVER, 5], dtype=np.int16), 40)[:, None]
    member = np.repeat([0, 1], 40).astype(np.int32)
    places = np.arange(80, dtype=np.int32)
    failed = ((written[:, 0] == NEVER) & (member == 1)).astype(np.int32)
    fit = Fit(Rows((20, 21), member, places, places, failed), np.arange(1), written, np.zeros(1), COSTS)
    Search(fit).follow([Writers(False, (), (0,))], score=True, turn=True)
    assert fit.best == Writers(False, (), (0,), (21,))
    assert fit.expected(fit.best).tolist() == (failed == 1).tolist()
    assert [fit.best.seen_by(test).starts_bad for test in (20, 21)] == [False, True]
