"""Order dependence, told from recorded orders: who is named, when nothing is claimed, and what never matters."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from flakediag.analysis.evidence.order import find
from flakediag.analysis.order.study import study
from flakediag.analysis.order.telling import Told, tell
from flakediag.analysis.weights import weights
from flakediag.analysis.window import NOT_RUN, Subject, Window
from flakediag.model import Category, Evidence, Identity, Order, Outcome
from flakediag.simulate import Chance, Flake, OrderDependence, Plan, Together, simulate

VICTIM, FIRST, SECOND, THIRD = 33, 7, 61, 88


def subjects_of(window: Window) -> list[Subject]:
    """One subject for each test and signature that failed, as the diagnosis makes them."""
    by_key: dict[tuple[int, str], list[int]] = {}
    for number, failure in enumerate(window.failures):
        by_key.setdefault((failure.test, failure.signature), []).append(number)
    found = []
    for (test, signature), numbers in sorted(by_key.items()):
        outcomes = window.outcomes[:, test]
        failed = np.where(outcomes == Outcome.PASSED, 0, NOT_RUN).astype(np.int8)
        failures = tuple(window.failures[number] for number in numbers)
        failed[[failure.run for failure in failures]] = 1
        found.append(Subject(test, signature, failed, failures))
    return found


def evidence(plan: Plan, *flakes: Flake, seed: int = 1) -> tuple[Window, dict[int, Evidence]]:
    window, _ = simulate(plan, flakes, seed)
    subjects = subjects_of(window)
    found = find(window, subjects)
    assert len(found) == len(subjects)
    return window, {s.test: own[0] for s, own in zip(subjects, found, strict=True) if own}


def named(window: Window, evidence: Evidence) -> list[tuple[int, str]]:
    places = {test.id: number for number, test in enumerate(window.tests)}
    return [(places[p.id], p.role) for p in evidence.partners if p.kind == "test"]


@pytest.mark.parametrize(
    ("flake", "expected"),
    [
        pytest.param(
            OrderDependence(victims=(VICTIM,), polluters=(FIRST,)),
            [(FIRST, "polluter")],
            id="one polluter",
        ),
        pytest.param(
            OrderDependence(victims=(VICTIM,), cleaners=(FIRST,), brittle=True),
            [(FIRST, "state-setter")],
            id="a brittle test and its state-setter",
        ),
        pytest.param(
            OrderDependence(victims=(VICTIM,), polluters=(FIRST,), cleaners=(SECOND,)),
            [(FIRST, "polluter"), (SECOND, "cleaner")],
            id="a polluter and a cleaner",
        ),
        pytest.param(
            OrderDependence(victims=(VICTIM,), polluters=(FIRST, SECOND), cleaners=(THIRD,)),
            [(FIRST, "polluter"), (SECOND, "polluter"), (THIRD, "cleaner")],
            id="two polluters and a cleaner",
        ),
        pytest.param(
            OrderDependence(victims=(VICTIM,), polluters=(FIRST,), cleaners=(SECOND,), noise=0.03),
            [(FIRST, "polluter"), (SECOND, "cleaner")],
            id="a little noise",
        ),
    ],
)
def test_names_the_writers(flake: OrderDependence, expected: list[tuple[int, str]]) -> None:
    window, found = evidence(Plan(tests=100, default=20, shuffled=60), flake)
    told = found[VICTIM]
    assert told.kind == "last-writer"
    assert told.category is Category.ORDER
    assert told.weight > 3
    json.dumps(dict(told.data))
    assert set(named(window, told)[: len(expected)]) == set(expected)
    assert all(p.probability > 0.5 for p in told.partners[: len(expected)])


def test_the_sentence_counts_the_runs() -> None:
    window, found = evidence(Plan(tests=100, shuffled=40), OrderDependence(victims=(VICTIM,), polluters=(FIRST,)))
    before = int((window.positions[:, FIRST] < window.positions[:, VICTIM]).sum())
    polluter = window.tests[FIRST].id
    assert found[VICTIM].summary == (
        f"failed in {before} of {before} runs in which {polluter} ran before it, and in 0 of {40 - before} others"
    )
    assert found[VICTIM].data["expected_to_fail"] == {"failed": before, "runs": before}


def test_the_sentence_for_a_brittle_test() -> None:
    window, found = evidence(
        Plan(tests=100, shuffled=40), OrderDependence(victims=(VICTIM,), cleaners=(FIRST,), brittle=True)
    )
    after = int((window.positions[:, FIRST] > window.positions[:, VICTIM]).sum())
    assert found[VICTIM].summary == (
        f"failed in {after} of {after} runs in which {window.tests[FIRST].id} had not yet run before it, "
        f"and in 0 of {40 - after} others"
    )


def test_a_class_that_pollutes_is_named_as_one() -> None:
    window, found = evidence(
        Plan(tests=100, shuffled=50), OrderDependence(victims=(VICTIM,), polluters=tuple(range(60, 70)))
    )
    first, *rest = found[VICTIM].partners
    assert (first.id, first.kind, first.role) == (window.tests[60].classname, "group", "polluter")
    assert {p.id for p in rest if p.kind == "test"} <= {window.tests[n].id for n in range(60, 70)}


def test_a_polluter_that_has_to_run_right_before() -> None:
    """Whatever runs in between resets the state, and the victims of one signature are rare."""
    victims = tuple(range(30, 40))
    others = tuple(n for n in range(60) if n != FIRST)
    window, found = evidence(
        Plan(tests=60, shuffled=60), OrderDependence(victims=victims, polluters=(FIRST,), cleaners=others)
    )
    assert found
    for told in found.values():
        assert named(window, told)[0] == (FIRST, "polluter")
        assert "ran right before it" in told.summary


def test_rare_victims_are_explained_together() -> None:
    """Each fails once or twice, which says nothing alone; together they point to one test."""
    victims = (31, 32, 34, 35)
    plan = Plan(tests=100, default=30, shuffled=8)
    _, found = evidence(plan, OrderDependence(victims=victims, polluters=(50,)), seed=3)
    together = [found[v] for v in victims if v in found]
    assert len(together) >= 3
    for told in together:
        assert told.weight > 1
        assert len(told.data["explained_together"]) >= 3


def test_what_one_test_needs_another_may_do_without() -> None:
    """They read the same state, set up by one test and spoilt by another, but it starts good for one of them only."""
    victims = OrderDependence(victims=(31, 32), polluters=(FIRST,), cleaners=(SECOND,))
    flakes = [victims, replace(victims, victims=(33, 34), brittle=True)]
    window, found = evidence(Plan(tests=100, default=20, shuffled=15), *flakes)
    for victim, first, starts in (
        (31, (FIRST, "polluter"), "good"),
        (32, (FIRST, "polluter"), "good"),
        (33, (SECOND, "state-setter"), "bad"),
        (34, (SECOND, "state-setter"), "bad"),
    ):
        told = found[victim]
        assert named(window, told)[0] == first
        assert told.data["starts"] == starts
        assert len(told.data["explained_together"]) == 4


def test_the_tests_of_a_class_tell_together_what_they_all_need() -> None:
    """Each needs two tests, of which one is the same for all; alone, chance decides which of the two tells more."""
    others = {33: 61, 34: 71, 35: 31, 36: 7, 37: 39}
    flakes = [
        OrderDependence(victims=(v,), cleaners=(30, own), brittle=True, chain=True, signature=f"KeyError: {v}")
        for v, own in others.items()
    ]
    window, _ = simulate(Plan(tests=100, default=20, shuffled=30), flakes, 2)
    victims = [(s.test, s.failed) for s in subjects_of(window)]
    setting = study(window, subjects_of(window)[:1], weights("order"))[0].setting

    def first(told: Told) -> tuple[int, str]:
        place, role, _ = told[0]
        return int(setting.candidates.tests[place]), role

    together = [first(told) for told in tell(setting, victims)]
    alone = [first(tell(setting, [victim])[0]) for victim in victims]
    assert together == [(30, "state-setter")] * 5
    assert {test for test, _ in alone} <= {30, *others.values()}
    assert len(set(alone)) > 1


def test_a_chain_is_called_order_and_names_one_of_its_links() -> None:
    flake = OrderDependence(victims=(VICTIM,), cleaners=(FIRST, SECOND), brittle=True, chain=True)
    window, found = evidence(Plan(tests=100, default=20, shuffled=60), flake)
    assert found[VICTIM].weight > 2
    assert {test for test, _ in named(window, found[VICTIM])[:3]} & {FIRST, SECOND}


@pytest.mark.parametrize("brittle", [False, True])
def test_two_tests_that_only_act_together_are_both_named(brittle: bool) -> None:
    both = (FIRST, SECOND)
    flake = OrderDependence(victims=(VICTIM,), polluters=both, chain=True)
    if brittle:
        flake = OrderDependence(victims=(VICTIM,), cleaners=both, brittle=True, chain=True)
    window, found = evidence(Plan(tests=100, default=20, shuffled=40), flake)
    told, role = found[VICTIM], "state-setter" if brittle else "polluter"
    assert set(named(window, told)[:2]) == {(link, role) for link in both}
    assert all(p.probability > 0.5 for p in told.partners[:2])
    links = f"both {window.tests[FIRST].id} and {window.tests[SECOND].id}"
    assert (f"not {links} had run before it" if brittle else f"{links} ran before it") in told.summary


@pytest.mark.parametrize(("polluters", "cleaners"), [((100, 500, 900), ()), ((100, 500), (900,))])
def test_several_writers_among_many_tests(polluters: tuple[int, ...], cleaners: tuple[int, ...]) -> None:
    """Each alone explains little: with one of three polluters known, many failures are left over."""
    flake = OrderDependence(victims=(333,), polluters=polluters, cleaners=cleaners)
    window, found = evidence(Plan(tests=1000, shuffled=90), flake)
    roles = [*((p, "polluter") for p in polluters), *((c, "cleaner") for c in cleaners)]
    assert set(named(window, found[333])[: len(roles)]) == set(roles)


def test_a_test_that_one_pollutes_and_another_must_prepare() -> None:
    """Two dependences of one test: the second is found in what the first leaves over, and named early."""
    victims = (33, 34, 35)
    polluted = OrderDependence(victims=victims, polluters=tuple(range(60, 70)))
    unprepared = OrderDependence(victims=victims, cleaners=(FIRST,), brittle=True, signature="KeyError: <q>")
    window, _ = simulate(Plan(tests=100, default=10, shuffled=50), [polluted, unprepared], 1)
    subjects = subjects_of(window)
    assert {(s.test, s.signature) for s in subjects} == {
        (v, f.signature) for v in victims for f in (polluted, unprepared)
    }
    both = [(window.tests[60].classname, "polluter"), (window.tests[FIRST].id, "state-setter")]
    for subject, (told,) in zip(subjects, find(window, subjects), strict=True):
        accused = [(p.id, p.role) for p in told.partners]
        assert accused[0] == both[subject.signature == unprepared.signature]
        assert set(both) <= set(accused[:3])
        assert "besides, counting any failure, it failed in" in told.summary


def within_classes(window: Window) -> Window:
    """The same runs, as known from a file per class."""
    runs = tuple(replace(run, order=Order.UNKNOWN, ordered_classes=True) for run in window.runs)
    return replace(window, runs=runs)


def test_a_file_per_class_tells_who_pollutes_within_the_class() -> None:
    window, _ = simulate(Plan(tests=100, shuffled=40), [OrderDependence(victims=(VICTIM,), polluters=(37,))], 1)
    inside = within_classes(window)
    ((told,),) = find(inside, subjects_of(inside))
    assert named(window, told)[0] == (37, "polluter")
    assert told.weight > 3
    assert told.data["order_known"] == "within classes"


def test_a_file_per_class_tells_nothing_about_other_classes() -> None:
    window, _ = simulate(Plan(tests=100, shuffled=40), [OrderDependence(victims=(VICTIM,), polluters=(FIRST,))], 1)
    inside = within_classes(window)
    ((told,),) = find(inside, subjects_of(inside))
    assert told.weight <= CALLED
    assert window.tests[FIRST].id not in told.summary


def test_ties_are_stated() -> None:
    """Two tests that always run side by side cannot be told apart."""
    window, _ = simulate(Plan(tests=50, shuffled=40), [OrderDependence(victims=(33,), polluters=(7,))], 5)
    rows = np.argsort(np.concatenate([window.run, np.arange(40)]), kind="stable")  # they stand by run

    def with_twin(column: np.ndarray, value: object) -> np.ndarray:
        return np.concatenate([column, np.broadcast_to(np.asarray(value, dtype=column.dtype), 40)])[rows]

    twin = replace(
        window,
        tests=(*window.tests, Identity(window.tests[7].classname, "twin")),
        run=with_twin(window.run, np.arange(40)),
        test=with_twin(window.test, 50),
        position=with_twin(window.position, window.positions[:, 7]),
        outcome=with_twin(window.outcome, 0),
        attempts=with_twin(window.attempts, 1),
        duration=with_twin(window.duration, 0.01),
    )
    ((told,),) = find(twin, subjects_of(twin))
    ids = {twin.tests[7].id, twin.tests[50].id}
    assert {told.partners[0].id, told.partners[1].id} == ids
    assert told.partners[0].probability == pytest.approx(told.partners[1].probability)
    ((one, others),) = told.data["ties"].items()
    assert {one, *others} == ids


# --- where nothing may be claimed ------------------------------------------------------------------------------


def test_a_fixed_order_says_what_would_settle_it() -> None:
    rare = Chance(victims=tuple(range(0, 100, 10)), rate=0.01)
    _, found = evidence(Plan(tests=100, default=40), rare)
    told = next(iter(found.values()))
    assert told.weight <= 0
    assert told.partners == ()
    assert told.data["reason"] == "order never varied"
    assert 10 <= told.data["shuffled_runs_needed"] <= 14


def test_the_same_order_with_both_outcomes_speaks_against_order() -> None:
    _, found = evidence(Plan(tests=100, default=40), Chance(victims=(VICTIM,), rate=0.4))
    assert found[VICTIM].weight < -1
    assert "although their order was the same" in found[VICTIM].summary


def test_shuffled_parallel_runs_alone_are_weak_evidence() -> None:
    plan = Plan(tests=100, shuffled=30, parallel=30)
    _, found = evidence(plan, OrderDependence(victims=(VICTIM,), polluters=(FIRST,)))
    told = found[VICTIM]
    assert 0 < told.weight <= 3
    assert told.data["reason"] == "parallel runs only"
    assert told.data["unordered_runs"] == 30


def test_a_few_runs_with_a_wrong_order_do_not_hide_the_polluter() -> None:
    plan = Plan(tests=100, default=20, shuffled=50, parallel=8, recognised=False)
    window, found = evidence(plan, OrderDependence(victims=(VICTIM,), polluters=(FIRST,)))
    assert found[VICTIM].weight > 2
    assert named(window, found[VICTIM])[0] == (FIRST, "polluter")


PLANS = {
    "shuffled": Plan(tests=100, shuffled=40),
    "default and shuffled": Plan(tests=100, default=20, shuffled=30, mixed=True),
    "modules shuffled": Plan(tests=100, default=10, shuffled=40, shuffle="module"),
    "fixed": Plan(tests=100, default=50),
}
CALLED = 1.25  # the weight from which on this evidence alone makes order dependence the cause
NOT_ORDER = {
    "rare": Chance(victims=(5, 25, 45, 65, 85), rate=0.03),
    "often": Chance(victims=(5, 25, 45, 65, 85), rate=0.2),
    "every other time": Chance(victims=(5, 25, 45, 65, 85), rate=0.5),
    "a class together": Together(victims=tuple(range(20, 30)), share=0.2),
    "many together": Together(victims=tuple(range(20, 39)), share=0.15),
    "under load": Together(victims=(5, 25, 45, 65), share=0.3, rate=0.6, slow=3.0),
}


@pytest.mark.parametrize("cause", NOT_ORDER)
@pytest.mark.parametrize("plan", PLANS)
def test_other_causes_are_not_called_order(plan: str, cause: str) -> None:
    weights = []
    for seed in range(3):
        _, found = evidence(PLANS[plan], NOT_ORDER[cause], seed=seed)
        weights += [told.weight for told in found.values()]
    assert weights
    assert max(weights) < 3  # never sure


def test_fewer_than_one_in_fifty_of_them_lean_to_order() -> None:
    weights = []
    for plan in PLANS.values():
        for cause in NOT_ORDER.values():
            for seed in range(100, 103):
                _, found = evidence(plan, cause, seed=seed)
                weights += [told.weight for told in found.values()]
    assert len(weights) > 500
    assert np.mean([weight > CALLED for weight in weights]) < 0.02


def test_skipped_tests_do_not_write() -> None:
    """A polluter that is skipped now and then must not be blamed, nor cleared, for those runs."""
    window, _ = simulate(Plan(tests=40, shuffled=40), [OrderDependence(victims=(33,), polluters=(7,))], 2)
    skipped = np.arange(0, 40, 3)
    outcome = window.outcome.copy()
    outcome[(window.test == 7) & np.isin(window.run, skipped)] = Outcome.SKIPPED
    outcome[(window.test == 33) & np.isin(window.run, skipped)] = Outcome.PASSED
    failures = tuple(failure for failure in window.failures if failure.run not in skipped)
    ((told,),) = find((changed := replace(window, outcome=outcome, failures=failures)), subjects_of(changed))
    assert told.partners[0].id == window.tests[7].id
    assert told.data["expected_to_pass"]["failed"] == 0
    assert told.data["expected_to_fail"]["failed"] == told.data["expected_to_fail"]["runs"]


# --- what never matters ----------------------------------------------------------------------------------------


def test_no_subjects_no_evidence() -> None:
    window, _ = simulate(PLANS["fixed"], [], 1)
    assert find(window, []) == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_numbering_of_tests_does_not_matter(seed: int) -> None:
    flakes = [
        OrderDependence(victims=(VICTIM,), polluters=(FIRST,), cleaners=(SECOND,)),
        OrderDependence(victims=(41, 42, 43), polluters=(THIRD,), signature="KeyError: <q>"),
        Chance(victims=(90,), rate=0.2, signature="TimeoutError"),
    ]
    window, _ = simulate(Plan(tests=100, default=10, shuffled=30), flakes, seed)
    new = np.random.default_rng(seed).permutation(100).astype(np.int32)
    tests = [window.tests[0]] * 100
    for old, place in enumerate(new):
        tests[place] = window.tests[old]
    moved = replace(
        window,
        tests=tuple(tests),
        test=new[window.test],
        failures=tuple(failure._replace(test=int(new[failure.test])) for failure in window.failures),
    )

    def told(of: Window) -> dict[str, tuple[object, ...]]:
        subjects = subjects_of(of)
        return {
            of.tests[s.test].id: (own[0].weight, own[0].summary, own[0].partners)
            for s, own in zip(subjects, find(of, subjects), strict=True)
        }

    assert told(window) == told(moved)


def test_renaming_the_suite_changes_only_names() -> None:
    window, _ = simulate(Plan(tests=100, shuffled=40), [OrderDependence(victims=(VICTIM,), polluters=(FIRST,))], 1)
    renamed = replace(
        window, tests=tuple(t._replace(classname=t.classname.replace("tests.", "checks.")) for t in window.tests)
    )
    ((before,),) = find(window, subjects_of(window))
    ((after,),) = find(renamed, subjects_of(renamed))
    assert after.weight == before.weight
    assert [p.id for p in after.partners] == [p.id.replace("tests.", "checks.") for p in before.partners]


def test_a_big_suite_is_surveyed_first() -> None:
    """More candidates × runs than are searched at once: the polluter is still found among 4,000 tests."""
    plan = Plan(tests=4000, default=300, shuffled=340)
    window, found = evidence(plan, OrderDependence(victims=(2000,), polluters=(3100,), cleaners=(150,)))
    assert named(window, found[2000])[:2] == [(3100, "polluter"), (150, "cleaner")]


def test_a_group_none_of_whose_tests_ran_is_not_one_test_that_did_not() -> None:
    flake = OrderDependence(victims=(VICTIM,), cleaners=tuple(range(60, 70)), brittle=True)
    window, found = evidence(Plan(tests=100, shuffled=60), flake)
    home = window.tests[60].classname
    assert f"runs in which no test of {home} had run before it" in found[VICTIM].summary


def test_a_name_that_begins_like_a_chain_is_no_chain() -> None:
    window, _ = simulate(Plan(tests=20, shuffled=40), [OrderDependence(victims=(3,), cleaners=(7,), brittle=True)], 1)
    tests = (*window.tests[:7], Identity(window.tests[7].classname, "both sides agree"), *window.tests[8:])
    [[own]] = find(replace(window, tests=tests), subjects_of(window))
    assert "both sides agree had not yet run before it" in own.summary
