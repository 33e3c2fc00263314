"""What does not show counts against a cause, as far as it would have shown."""

from math import log

import numpy as np
import pytest
from evidence_samples import subjects, with_durations

from flakediag.analysis.diagnose import diagnose
from flakediag.analysis.evidence import silence
from flakediag.analysis.weights import weights
from flakediag.model import Category, Evidence
from flakediag.simulate import Chance, OrderDependence, Plan, Together, simulate

ORDER, T, U = Category.ORDER, Category.TIMING, Category.UNKNOWN
BARE = "AssertionError: case 7: assert 3 == 12"


def last_writer(named, weight):
    return Evidence("last-writer", ORDER, weight, "so", {"log_bayes_factor_named": named, "orders": 30})


def test_orders_that_deny_every_named_writer_speak_against_order_dependence_by_their_power():
    worth = [silence.of_order([last_writer(named, -0.1)]).weight for named in (-0.2, -1.0, -3.0, -9.0)]
    assert worth == sorted(worth, reverse=True)
    assert worth[0] > -0.2
    least = log(1 - weights("silence")["order_pictured"])
    assert worth[-1] == pytest.approx(least + 0.1, abs=0.01)


def test_what_the_last_writer_evidence_has_said_is_not_said_twice():
    said, unsaid = (silence.of_order([last_writer(-9.0, weight)]).weight for weight in (-1.5, 0.0))
    assert said == pytest.approx(unsaid + 1.5, abs=0.01)
    assert silence.of_order([last_writer(-9.0, -4.0)]).weight == 0


@pytest.mark.parametrize(
    "found",
    [
        [],
        [Evidence("last-writer", ORDER, -0.2, "never varied", {"reason": "order never varied"})],
        [last_writer(-6.0, 1.2)],  # the orders themselves show a dependence, though nobody is named
    ],
)
def test_no_silence_where_the_orders_say_nothing_or_say_yes(found):
    assert silence.of_order(found) is None


def test_a_writer_that_is_likelier_than_chance_is_no_silence():
    assert silence.of_order([last_writer(2.0, 0.5)]).weight == 0


def kinds(plan, flake, seed):
    window, truth = simulate(plan, [flake], seed)
    found = {f.id: f.cause for f in diagnose(window).tests if f.cause is not None}
    return [(found[id], [e for e in found[id].evidence if e.kind.startswith("silence")]) for id in truth.flakes]


def test_a_number_that_differs_is_no_order_dependence_after_many_shuffled_runs_without_a_writer():
    few, many = (
        kinds(Plan(tests=80, default=4, shuffled=n), Chance(victims=(7,), signature=BARE, rate=0.3), 5)[0]
        for n in (4, 60)
    )
    assert many[0].category in (U, Category.RANDOMNESS)
    against = [sum(e.weight for e in found if e.category is ORDER) for _, found in (few, many)]
    assert against[1] < -0.5
    assert against[1] < against[0]


def test_no_silence_about_a_dependence_that_the_orders_show():
    [(cause, found)] = kinds(
        Plan(tests=80, shuffled=40), OrderDependence(victims=(7,), signature=BARE, polluters=(3,)), 5
    )
    assert cause.category is ORDER
    assert not [e for e in found if e.category is ORDER]


def timing_silence(runs, failing, seconds):
    window, _ = simulate(Plan(tests=20, default=runs), [Chance(victims=(7,), signature=BARE, rate=failing)], 3)
    window = with_durations(window, seconds)
    [subject] = subjects(window)
    return len(subject.failures), silence.of_timing(window, subject, [])


def test_timed_failures_without_a_contrast_speak_against_timing_the_more_the_more_there_are():
    (few, little), (many, much) = (timing_silence(runs, 0.3, lambda r, t: 0.2) for runs in (14, 60))
    assert 3 <= few < many
    assert much.weight < little.weight < 0
    assert much.weight >= log(1 - weights("silence")["timing_shows"])


@pytest.mark.parametrize("seconds", [0.0, np.nan])
def test_without_durations_there_is_no_silence(seconds):
    assert timing_silence(60, 0.3, lambda r, t: seconds)[1] is None


def test_slow_runs_are_not_silence():
    for cause, found in kinds(
        Plan(tests=80, default=40), Together(victims=(7, 9), signature=BARE, share=0.25, slow=1.8), 5
    ):
        assert cause.category is T
        assert not [e for e in found if e.category is T]
