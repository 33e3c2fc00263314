"""Outcomes that are told from sets and failures are those of the whole window."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from history_samples import EVERYTHING, failed, passed, report, signature_of, skipped, store, suite, window_of
from hypothesis import given, settings
from hypothesis import strategies as st

from flakediag.analysis.outcomes import Outcomes
from flakediag.history import History
from flakediag.location import Location
from flakediag.model import Attempt, CaseResult, FailureDetail, Outcome, RunReport

BROKE = Attempt(Outcome.FAILED, 0.1, FailureDetail("AssertionError", "no", ""))
WENT = Attempt(Outcome.PASSED, None, None)


def outcomes_of(place: Location, *, failing_only: bool = False) -> Outcomes:
    with History.open(place) as history:
        return history.outcomes(EVERYTHING, failing_only=failing_only)


def columns(outcomes: Outcomes) -> list[Any]:
    """What became of each test, in no order; without the names of tests that never failed."""
    names = (
        str(test) if failed else ""
        for test, failed in zip(outcomes.tests, outcomes.failed.any(axis=0).tolist(), strict=True)
    )
    flags = (outcomes.executed, outcomes.failed, outcomes.ended_failed, outcomes.recovered)
    return sorted(zip(names, *(each.T.tolist() for each in flags), strict=True))


def same(place: Location) -> None:
    """In the history, and in a dataset that is made from it where Parquet can be read here."""
    are_those_of_the_window(place)
    if isinstance(place, Path) and find_spec("duckdb"):
        from flakediag.history.columnar.export import export

        with TemporaryDirectory() as folder, History.open(place) as history:
            export(history, Path(folder), signature_of)
            are_those_of_the_window(f"parquet:{folder}")


def are_those_of_the_window(place: Location) -> None:
    told, window = outcomes_of(place), window_of(place)
    assert told.runs == window.runs
    assert told.results == window.results
    # A test that no run in scope executed or skipped stands in neither.
    assert told.tests == window.tests
    for name in ("executed", "failed", "ended_failed", "recovered"):
        assert np.array_equal(getattr(told, name), getattr(window, name)), name
    failing = outcomes_of(place, failing_only=True)
    assert (failing.runs, failing.results) == (window.runs, window.results)
    assert columns(failing) == columns(window)


@pytest.mark.parametrize(
    "results",
    [
        [passed("a"), failed("b"), skipped("c")],
        [passed("a")._replace(earlier=(BROKE,)), passed("b")],
        [failed("a", earlier=(BROKE, BROKE)), passed("b")],
        [failed("a", earlier=(WENT,)), passed("b")],
        [skipped("a")._replace(earlier=(BROKE,)), passed("b")],
        [passed("a"), failed("a"), passed("b")],
        [skipped("a"), passed("a"), failed("b")],
        [skipped("a"), failed("a")],
        [failed("a"), skipped("a")],
        [skipped("a")],
        [],
    ],
)
def test_a_run_of_any_kind(place: Location, results: list[CaseResult]) -> None:
    store(place, report("r", *results), suite("s", hours=1, fails=("test_a",)))
    same(place)


def result(name: str, outcome: Outcome, earlier: int) -> CaseResult:
    made = {Outcome.PASSED: passed, Outcome.SKIPPED: skipped}.get(outcome, failed)(name)
    return made._replace(earlier=(BROKE, WENT)[:earlier])


RESULTS = st.lists(st.builds(result, st.sampled_from("abcd"), st.sampled_from(Outcome), st.integers(0, 2)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(RESULTS, min_size=1, max_size=5))
def test_whatever_is_stored(another: Callable[[], Location], runs: list[list[CaseResult]]) -> None:
    place = another()
    reports: list[RunReport] = [report(f"r{n}", *results, hours=n) for n, results in enumerate(runs)]
    store(place, *reports)
    same(place)
