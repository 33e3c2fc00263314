"""A history that says that it can hold no flake holds none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from history_samples import EVERYTHING, failed, passed, report, skipped, store
from hypothesis import given, settings
from hypothesis import strategies as st

from flakediag.analysis.flaky import flaky_tests
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
