"""A history that says that it can hold no flake holds none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from history_samples import EVERYTHING, failed, passed, report, skipped, store
from hypothesis import given, settings
from hypothesis import strategies as st

from flakediag.analysis.failing import newly_flaky
from flakediag.analysis.flaky import flaky_tests
from flakediag.analysis.outcomes import before
from flakediag.history import History
from flakediag.location import Location
from flakediag.model import Attempt, CaseResult, FailureDetail, Outcome, RunReport

BROKE = Attempt(Outcome.FAILED, 0.1, FailureDetail("AssertionError", "no", ""))


def suspected(place: Location) -> bool:
    with History.open(place) as history:
        return history.may_hold_flakes()


def run(name: str, *results: CaseResult, commit: str | None = None, hours: float = 0) -> RunReport:
    return report(name, *results, commit=commit, hours=hours)


@pytest.mark.parametrize(
    ("reports", "may"),
    [
        ([], False),
        ([run("1", passed("a"), skipped("b"))], False),
        ([run("1", failed("a"), passed("b"))], False),
        ([run("1", failed("a")), run("2", passed("a"), hours=1)], False),
        ([run("1", failed("a"), commit="a" * 40), run("2", passed("a"), commit="b" * 40, hours=1)], False),
        ([run("1", passed("a"), commit="a" * 40), run("2", passed("a"), commit="a" * 40)], False),
        ([run("1", failed("a"), commit="a" * 40), run("2", passed("a"), commit="a" * 40, hours=1)], True),
        ([run("1", failed("a")), run("2", failed("a"), hours=1)], True),
        ([run("1", failed("a")), run("2", failed("b"), hours=1)], False),
        ([run("1", passed("a")._replace(earlier=(BROKE,)))], True),
        ([run("1", passed("a"), failed("a"))], True),
        ([run("1", skipped("b"), skipped("b"), failed("a"))], True),
    ],
)
def test_what_makes_one_possible(tmp_path: Path, reports: list[RunReport], may: bool) -> None:
    place = tmp_path / "h.db"
    store(place, *reports)
    assert suspected(place) is may


RESULT = st.builds(
    lambda make, name, retried: make(name)._replace(earlier=(BROKE,) * retried),
    st.sampled_from([passed, passed, failed, skipped]),
    st.sampled_from("ab"),
    st.sampled_from([0, 0, 0, 1]),
)
RUNS = st.lists(st.tuples(st.lists(RESULT, max_size=2), st.sampled_from([None, None, *"abcde"])), max_size=6)


@settings(max_examples=150, deadline=None)
@given(RUNS)
def test_it_is_certain(another: Callable[[], Location], runs: list[tuple[list[CaseResult], str | None]]) -> None:
    place = another()
    store(place, *(run(str(n), *results, commit=commit, hours=n) for n, (results, commit) in enumerate(runs)))
    with History.open(place) as history:
        flaky = flaky_tests(history.outcomes(EVERYTHING)) if runs else frozenset()
        assert history.may_hold_flakes() or not flaky


def flaky_with(place: Location, added: set[int | None]) -> tuple[frozenset[str] | None, frozenset[str]]:
    """Which tests are flaky with the added runs alone: told in plain Python, where that can tell it, and by arrays."""
    with History.open(place) as history:
        few, outcomes = history.failing(EVERYTHING), history.outcomes(EVERYTHING, failing_only=True)
    earlier = np.array([run.id not in added for run in outcomes.runs], dtype=np.bool_)
    expected = flaky_tests(outcomes) - flaky_tests(before(outcomes, earlier))
    return None if few is None else newly_flaky(few, added), expected


@settings(max_examples=100, deadline=None)
@given(RUNS, st.sets(st.integers(1, 6)))
def test_few_failing_tests_are_judged_alike_with_and_without_arrays(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[list[CaseResult], str | None]], added: set[int | None]
) -> None:
    place = tmp_path_factory.mktemp("few") / "h.db"
    store(place, run("0", passed("c")), *(run(f"{n}", *r, commit=c, hours=n) for n, (r, c) in enumerate(runs, start=1)))
    told, expected = flaky_with(place, added)
    assert told in (None, expected)


@pytest.mark.parametrize("outcomes", [".F.F..F.F.....", "F.", "r....", "....r", "FFFF", "." * 9 + "F.F"])
def test_a_test_that_became_flaky_is_told_without_arrays(tmp_path: Path, outcomes: str) -> None:
    made = {".": passed("a"), "F": failed("a"), "r": passed("a")._replace(earlier=(BROKE,))}
    place = tmp_path / "h.db"
    store(place, *(run(str(hours), made[one], passed("b"), hours=hours) for hours, one in enumerate(outcomes)))
    for added in (set(range(20)), {1, 2}, {len(outcomes)}, set()):
        told, expected = flaky_with(place, added)
        assert told == expected


@pytest.mark.parametrize(
    "results",
    [
        [passed("a"), failed("a")],  # what became of it stands in its results
        [failed(f"t{n}") for n in range(20)],  # may be an outage
    ],
)
def test_what_takes_arrays_is_left_to_them(tmp_path: Path, results: list[CaseResult]) -> None:
    place = tmp_path / "h.db"
    store(place, run("1", *results), run("2", failed("a"), hours=1))
    assert flaky_with(place, {1, 2})[0] is None
