"""What would settle an open diagnosis: which evidence is missing, and how much of it is needed."""

from dataclasses import replace
from math import ceil, log2

import numpy as np
import pytest
from evidence_samples import subjects, with_durations

from flakediag.analysis.combine import combine
from flakediag.analysis.settle import Record, record_of, settled, settled_test, shuffles_to_name
from flakediag.model import Alternative, Category, Diagnosis, Evidence, Gap, Partner

ORDER, T, P = Category.ORDER, Category.TIMING, Category.PORT
WHOLE = Record(runs=40, failures=10)


def speaks(category, weight, kind="words", **data):
    return Evidence(kind, category, weight, "so", data)


def asked(*evidence, record=WHOLE):
    return settled(combine(evidence), evidence, record)


NEVER = speaks(ORDER, 0.0, "last-writer", reason="order never varied", runs=45, shuffled_runs_needed=12)


def test_an_order_that_never_varied_asks_for_shuffled_runs_first():
    found = asked(NEVER)
    assert found.settle == (
        "the order never varied in 45 runs: 12 runs shuffled over the whole suite would decide whether it matters"
    )
    assert found.missing[0] == Gap("order", found.settle)


def test_an_order_that_is_not_known_asks_for_serial_runs():
    found = asked(speaks(ORDER, 0.0, "last-writer", reason="order unknown", shuffled_runs_needed=9))
    assert "9 runs shuffled over the whole suite, one test at a time" in (found.settle or "")


def test_orders_that_leave_it_open_ask_for_as_many_more_as_single_out_one_test():
    varied = speaks(ORDER, 0.9, "last-writer", orders=11, candidates=125)
    found = asked(varied, speaks(T, 0.9))
    assert found.settle.startswith("the 11 recorded orders leave it open: about 15 more runs")


def test_shuffles_grow_with_the_suspects_and_with_how_rare_the_failure_is():
    assert shuffles_to_name(1024, 0.5) == ceil(10 / log2(1.5))
    assert shuffles_to_name(1024, 0.5) < shuffles_to_name(4096, 0.5) < shuffles_to_name(4096, 0.1)
    assert shuffles_to_name(64, 0.2) == shuffles_to_name(64, 0.8)


@pytest.mark.parametrize("weight", [-2.0, 9.0])
def test_an_order_that_is_settled_asks_for_none(weight):
    writer = speaks(ORDER, weight, "last-writer", orders=11, candidates=125)
    found = asked(replace(writer, partners=(Partner("t", "test", "polluter", 0.9),)))
    assert "order" not in {gap.kind for gap in found.missing}
    assert found.settle is None or weight < 0


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        (T, "load"),
        (Category.CONCURRENCY, "load"),
        (P, "output"),
        (Category.RANDOMNESS, "seed"),
        (Category.CLOCK, "clock"),
        (Category.NETWORK, "offline"),
    ],
)
def test_the_likeliest_cause_asks_for_its_own(category, kind):
    open_ = Diagnosis(Category.UNKNOWN, 0.5, (Alternative(category, 0.4), Alternative(ORDER, 0.1)))
    assert settled(open_, [speaks(category, 1.0)], WHOLE).missing[0].kind == kind
    called = replace(open_, category=category, probability=0.6, alternatives=())
    assert [gap.kind for gap in settled(called, [speaks(category, 1.0)], WHOLE).missing] == [kind] * (category is not P)


def test_a_sure_order_dependence_without_a_likely_partner_asks_who_it_is():
    def sure(*partners):
        writer = replace(speaks(ORDER, 8.0, "last-writer", orders=11, candidates=125), partners=partners)
        return settled(combine([writer]), [writer], WHOLE)

    assert (sure().settle or "").startswith("the 11 recorded orders leave it open")
    assert sure(Partner("t", "test", "polluter", 0.2), Partner("c", "test", "cleaner", 0.9)).missing
    assert not sure(Partner("t", "test", "polluter", 0.8)).missing


LACKING = [
    ({"hosts": False}, "host"),
    ({"facts": False}, "facts"),
    ({"commits": False}, "commit"),
    ({"failures": 1}, "failures"),
    ({"output": False}, "output"),
]


@pytest.mark.parametrize(("change", "kind"), LACKING)
def test_what_the_reports_leave_out_is_asked_for(change, kind):
    evidence = [speaks(ORDER, -4.0), speaks(T, -4.0), speaks(Category.ENVIRONMENT, 1.5)]
    assert kind in {gap.kind for gap in asked(*evidence, record=replace(WHOLE, **change)).missing}
    assert kind not in {gap.kind for gap in asked(*evidence).missing}


def test_durations_are_asked_for_where_time_may_be_the_cause():
    evidence = [speaks(T, 0.7), speaks(ORDER, -3.0)]
    assert asked(*evidence, record=replace(WHOLE, timed=False)).missing[0].kind == "times"
    assert "times" not in {gap.kind for gap in asked(*evidence).missing}


def test_few_failures_say_how_many_runs_bring_more():
    gaps = asked(speaks(ORDER, -1.0), record=Record(runs=39, failures=1)).missing
    [few] = [gap for gap in gaps if gap.kind == "failures"]
    assert few.summary == "it failed only once: about 54 more runs would bring it to 3 failures at this rate"


def test_a_single_run_of_known_order_is_no_order_that_never_varied():
    once = speaks(ORDER, 0.0, "last-writer", reason="order never varied", runs=1, shuffled_runs_needed=12)
    assert (asked(once).settle or "").startswith("only one run tells its order: 12 runs")


def test_fewer_repetitions_than_a_rare_failure_takes_do_not_promise_to_tell():
    often, rare = (asked(speaks(T, 0.9), record=Record(runs, 4)).settle or "" for runs in (40, 400))
    assert "repetitions of the test alone under CPU load would tell" in often
    assert rare.startswith("100 repetitions of the test alone under CPU load (of the 266 that it takes at this rate)")


def test_a_sure_diagnosis_lacks_nothing():
    found = asked(speaks(T, 5.0, "timing-plateau"), record=Record(2, 1, *[False] * 5))
    assert (found.settle, found.missing) == (None, ())


def test_a_test_lacks_what_its_signatures_lack():
    sure, open_ = asked(speaks(T, 5.0, "timing-plateau")), asked(NEVER)
    whole = settled_test(combine([]), [sure, open_, open_])
    assert whole.missing == open_.missing
    assert settled_test(Diagnosis(T, 0.7), [sure]).settle is None


def test_the_record_of_a_subject(draw):
    window = draw(["F..", "...", "s..", "F.."])
    [subject] = subjects(window)
    assert record_of(window, subject) == Record(3, 2, hosts=False, facts=False, output=False)
    untimed = with_durations(window, lambda r, t: float("nan"))
    runs = tuple(replace(run, host="a", properties={"os": "x"}, commit=None) for run in untimed.runs)
    known = record_of(replace(untimed, runs=runs), subject)
    assert known == Record(3, 2, timed=False, commits=False, output=False)
    assert 0 < known.rate < 1
    assert np.isclose(known.rate, 2.5 / 4)
