"""The posterior and the choice of experiments, against simulated victims."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flakediag.analysis.belief import Claim, Trial, believe
from flakediag.analysis.plan import Question, Search, Standing, demonstrations

SIZE = 14
ORDERS = st.lists(st.permutations(list(range(6))).map(lambda p: tuple(p[: p.index(5)])), max_size=8)

CLAIMS = {
    "polluter": Claim(False, ((3,),)),
    "state-setter": Claim(True, (), ((3,),)),
    "either of two polluters": Claim(False, ((3,), (9,))),
    "two only together": Claim(False, ((3, 9),)),
    "polluter and cleaner": Claim(False, ((3,),), ((9,),)),
    "state-setter and polluter": Claim(True, ((9,),), ((3,),)),
}


def shuffled(victim: Callable[[tuple[int, ...]], bool], runs: int, seed: int) -> tuple[Trial, ...]:
    rng, trials = random.Random(seed), []
    for _ in range(runs):
        before = tuple(rng.sample(range(SIZE), rng.randrange(SIZE + 1)))
        trials.append(Trial(before, victim(before), experiment=False))
    return tuple(trials)


def question(history: tuple[Trial, ...] = ()) -> Question:
    return Question(np.full(SIZE, 1 / SIZE), np.full(SIZE, 0.01), history, usual=tuple(range(SIZE)))


def searched(search: Search, victim: Callable[[tuple[int, ...]], bool], most: int = 60) -> Search:
    while len(search.trials) < most and (experiment := search.propose()) is not None:
        search.learn(Trial(experiment.before, victim(experiment.before)))
    return search


@given(ORDERS, st.lists(st.booleans(), min_size=8, max_size=8))
@settings(max_examples=40, deadline=None)
def test_probabilities_sum_to_one_whatever_was_seen(orders: list[tuple[int, ...]], failed: list[bool]) -> None:
    trials = [Trial(tuple(t for t in before if t < 5), f) for before, f in zip(orders, failed, strict=False)]
    belief = believe(trials, np.full(5, 0.2), 0.5)
    assert belief.share.sum() + belief.chance + belief.rest == pytest.approx(1)
    assert (belief.share >= 0).all()
    claims = [claim for claim, _ in belief.leading(10_000)]
    assert len(claims) == len(set(claims)), "no claim is counted twice"


@pytest.mark.parametrize(
    ("claim", "before", "fails"),
    [
        (Claim(False, ((1,),)), (), False),
        (Claim(False, ((1,),)), (0, 1, 2), True),
        (Claim(False, ((1,),), ((2,),)), (1, 2), False),
        (Claim(False, ((1,),), ((2,),)), (2, 1), True),
        (Claim(False, ((1, 2),)), (1,), False),
        (Claim(False, ((1, 2),)), (2, 0, 1), True),
        (Claim(True, (), ((1,),)), (), True),
        (Claim(True, (), ((1,),)), (1,), False),
        (Claim(True, ((2,),), ((1,),)), (1, 2), True),
        (Claim(True, ((2,),), ((1,),)), (2, 1), False),
    ],
)
def test_the_last_writer_decides(claim: Claim, before: tuple[int, ...], fails: bool) -> None:
    assert claim.fails(before) is fails


def test_the_belief_expects_what_the_claims_say() -> None:
    belief = believe(shuffled(CLAIMS["polluter and cleaner"].fails, 12, 1), np.full(SIZE, 1 / SIZE), 0.5)
    rng = random.Random(2)
    for _ in range(5):
        before = tuple(rng.sample(range(SIZE), 6))
        failing = belief.failing(before)
        for row in range(0, len(failing), 97):
            expected = belief.when_bad[row] if belief.table.claim(row).fails(before) else belief.when_good[row]
            assert failing[row] == expected


@pytest.mark.parametrize("kind", CLAIMS)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_truth_is_found_from_shuffled_runs_and_experiments(kind: str, seed: int) -> None:
    truth = CLAIMS[kind]
    search = searched(Search(question(shuffled(truth.fails, 16, seed))), truth.fails)
    assert search.standing is Standing.CONFIRMED
    claim = search.claim
    assert claim is not None
    assert claim.starts_bad == truth.starts_bad
    assert set(claim.bad) <= set(truth.bad) and set(claim.good) <= set(truth.good)
    assert len(search.trials) <= 12


@pytest.mark.parametrize("kind", ["polluter", "state-setter", "two only together"])
def test_the_truth_is_found_from_nothing(kind: str) -> None:
    truth = CLAIMS[kind]
    search = searched(Search(question()), truth.fails)
    assert (search.standing, search.claim) == (Standing.CONFIRMED, truth)


@pytest.mark.parametrize("kind", ["either of two polluters", "polluter and cleaner"])
def test_everything_means_everybody(kind: str) -> None:
    truth = CLAIMS[kind]
    search = searched(Search(question(shuffled(truth.fails, 12, 5)), everything=True), truth.fails)
    assert (search.standing, search.claim) == (Standing.CONFIRMED, truth)


@pytest.mark.parametrize("rate", [0.0, 0.15, 1.0])
def test_a_test_that_fails_at_random_is_blamed_on_nobody(rate: float) -> None:
    rng = random.Random(11)
    search = searched(Search(question()), lambda before: rng.random() < rate)
    assert search.standing is Standing.CHANCE
    assert any(not trial.before for trial in search.trials)


def test_more_data_never_loses_the_truth() -> None:
    truth = CLAIMS["either of two polluters"]
    seen: list[float] = []
    for runs in (10, 20, 40, 80):
        belief = believe(shuffled(truth.fails, runs, 7), np.full(SIZE, 1 / SIZE), 0.5)
        seen.append(belief.holds(truth))
    assert seen[-1] > 0.99
    assert seen[-1] >= seen[0]


def test_one_wrong_outcome_does_not_lead_astray() -> None:
    truth, wrong = CLAIMS["polluter"], iter([False, False, True])

    def victim(before: tuple[int, ...]) -> bool:
        return truth.fails(before) ^ next(wrong, False)

    assert searched(Search(question(shuffled(truth.fails, 10, 3))), victim).claim == truth


def test_nothing_is_confirmed_that_was_not_shown() -> None:
    truth = CLAIMS["polluter"]
    search = Search(question(shuffled(truth.fails, 60, 3)))
    assert search.probability > 0.99
    assert search.standing is Standing.OPEN, "the history alone proves nothing here and now"
    searched(search, truth.fails)
    assert {trial.before for trial in search.trials} >= {(), (3,)}


def test_demonstrations() -> None:
    assert demonstrations(CLAIMS["polluter"]) == [(), (3,)]
    assert demonstrations(CLAIMS["polluter and cleaner"]) == [(), (3,), (3, 9)]
    assert demonstrations(CLAIMS["two only together"]) == [(), (3, 9), (9,), (3,)]
    assert demonstrations(CLAIMS["state-setter and polluter"]) == [(), (3,), (3, 9)]


def test_a_refused_order_is_not_proposed_again() -> None:
    search = Search(question())
    for _ in range(6):
        experiment = search.propose()
        assert experiment is not None
        assert experiment.before not in search.refused
        search.refuse(experiment.before)


def test_a_demonstration_that_cannot_be_had_confirms_nothing() -> None:
    truth = CLAIMS["polluter"]
    search = Search(question(shuffled(truth.fails, 60, 3)))
    search.refuse((3,))
    search.learn(Trial((), False))
    assert search.probability > 0.99
    assert search.standing is Standing.OPEN
    search.learn(Trial((1, 3, 2), True))
    assert search.standing is Standing.CONFIRMED, "a larger one will do"


def test_a_demonstration_that_fails_is_no_demonstration() -> None:
    truth = CLAIMS["polluter"]
    search = Search(question(shuffled(truth.fails, 60, 3)))
    for before in ((), (3,)):
        search.learn(Trial(before, False))
    assert search.standing is Standing.OPEN


def test_fewer_runs_are_expected_the_more_is_known() -> None:
    truth = CLAIMS["polluter"]
    blind, told = Search(question()), Search(question(shuffled(truth.fails, 12, 3)))
    assert blind.expected_runs() > told.expected_runs() > 0
    assert searched(told, truth.fails).expected_runs() == 0


def wide(size: int) -> Search:
    return Search(Question(np.full(size, 1 / size), np.full(size, 0.001), usual=tuple(range(size))))


def test_from_nothing_it_takes_about_one_execution_of_each_test() -> None:
    size, executions = 60, []
    for writer in (3, 17, 31, 44, 58):
        search = searched(wide(size), Claim(False, ((writer,),)).fails)
        assert (search.standing, search.claim) == (Standing.CONFIRMED, Claim(False, ((writer,),)))
        executions.append(sum(len(trial.before) + 1 for trial in search.trials))
    assert np.mean(executions) <= 1.15 * size, "bisection takes twice as many"


def test_slow_tests_are_spared() -> None:
    seconds = np.full(SIZE, 0.01)
    seconds[:4] = 60.0
    search = Search(Question(np.full(SIZE, 1 / SIZE), seconds, usual=tuple(range(SIZE))))
    searched(search, CLAIMS["polluter"]._replace(bad=((9,),)).fails)
    assert search.standing is Standing.CONFIRMED
    assert sum(t < 4 for trial in search.trials for t in trial.before) <= 4


def test_a_coin_is_recognised_soon() -> None:
    ended = []
    for seed in range(8):
        rng = random.Random(seed)
        ended.append(searched(wide(30), lambda before, rng=rng: rng.random() < 0.5))  # type: ignore[misc]
    assert sum(search.standing is Standing.CHANCE for search in ended) >= 7, "a coin may fool anybody, but seldom"
    assert all(search.probability >= 0.95 for search in ended)
    assert np.mean([len(search.trials) for search in ended]) < 30


@pytest.mark.parametrize("size", [30])
def test_a_failure_that_takes_several_tests_together_is_not_called_chance(size: int) -> None:
    for chain in ((2, 27), (11, 19)):
        search = searched(wide(size), Claim(False, (chain,)).fails, most=80)
        assert search.standing is not Standing.CHANCE


def test_where_the_failure_never_shows_everything_must_have_run_once() -> None:
    search = searched(wide(30), lambda before: False)
    assert search.standing is Standing.CHANCE
    assert max(len(trial.before) for trial in search.trials) == 30


@pytest.mark.parametrize("cleaner", [4, 9])
def test_a_cleaner_written_after_its_polluter_does_not_make_it_chance(cleaner: int) -> None:
    """In the usual order the cleaner hides the polluter: no choice of tests in that order fails."""
    search = searched(Search(question()), Claim(False, ((3,),), ((cleaner,),)).fails)
    assert search.standing is Standing.CONFIRMED
    assert search.claim is not None
    assert search.claim.bad == ((3,),)


def test_one_order_that_came_out_both_ways_makes_the_claim_pay_more() -> None:
    search = Search(question())
    for failed in (True, False):
        search.learn(Trial((3,), failed))
    while search.probability < 0.99 or search.claim != CLAIMS["polluter"]:
        for before, failed in (((), False), ((3,), True)):
            search.learn(Trial(before, failed))
        assert len(search.trials) < 40
    assert search.probability < 0.999
    assert search.standing is Standing.OPEN
