"""What is counted beside the results always agrees with the results."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from history_samples import EVERYTHING, NOON, failed, passed, report, skipped, store, suite, window_of
from hypothesis import given, settings
from hypothesis import strategies as st

from flakediag.history import History, HistoryCounts
from flakediag.history.bitmaps import bitmap, pack, unpack
from flakediag.location import Location
from flakediag.model import Attempt, CaseResult, Outcome, RunReport, Scope

case = st.builds(
    lambda make, name, retried: make(name)._replace(
        earlier=(Attempt(Outcome.FAILED, 0.1, None),) if retried and make is passed else ()
    ),
    st.sampled_from([passed, passed, failed, skipped]),
    st.sampled_from(["test_a", "test_b", "test_c", "test_d"]),
    st.booleans(),
)
SMALL = st.integers(0, 300)
runs = st.lists(st.tuples(st.lists(case), st.integers(0, 300), st.sampled_from(["main", "topic"]), st.booleans()))


@given(runs, st.integers(1, 3), st.sampled_from([None, "main"]))
@settings(deadline=None, max_examples=60)
def test_counts_from_sets_and_failures_are_those_of_the_results(
    another: Callable[[], Location],
    these: list[tuple[list[CaseResult], int, str, bool]],
    calls: int,
    branch: str | None,
) -> None:
    reports = [
        report(str(n), *cases, hours=24 * days, branch=on, experiment=experiment)
        for n, (cases, days, on, experiment) in enumerate(these)
    ]
    place = another()
    for call in range(calls):
        store(place, *reports[call::calls])
    scope = Scope(branch=branch)
    window = window_of(place, scope)
    with History.open(place) as history:
        counted = {each.test: each for each in history.tests(scope)}
        assert history.summary(scope).tests == len(window.tests)
    assert tuple(counted) == window.tests
    failing = {(failure.run, failure.test) for failure in window.failures}
    for index, test in enumerate(window.tests):
        ran = window.executed[:, index]
        present = window.outcomes[:, index] >= 0
        expected = (
            ran.sum(),
            sum(failed_test == index for _, failed_test in failing),
            (present & ~ran).sum(),
            max(run.started_at for run, here in zip(window.runs, present, strict=True) if here),
        )
        assert tuple(counted[test][1:5]) == expected
    if isinstance(place, Path):
        assert lifetime_counters(place) == expected_lifetimes(reports)


def lifetime_counters(path: Path) -> dict[str, tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as conn:
        rows = conn.execute(
            "SELECT name, runs, failures, skips, first_seen, last_seen, last_failed"
            " FROM tests JOIN test_counters ON test_id = id"
        )
        return {row[0]: row[1:] for row in rows}


def expected_lifetimes(reports: list[RunReport]) -> dict[str, tuple[object, ...]]:
    seen: dict[str, list[tuple[int, bool, bool]]] = {}
    for each in reports:
        if each.run.experiment:
            continue
        at = int(each.run.started_at.timestamp())
        for name in {result.test.name for result in each.results}:
            mine = [result for result in each.results if result.test.name == name]
            ran = any(result.outcome != Outcome.SKIPPED for result in mine)
            failed_once = any(result.outcome.failed or result.earlier for result in mine)
            seen.setdefault(name, []).append((at, ran, failed_once))
    return {
        name: (
            sum(ran for _, ran, _ in entries),
            sum(failed_once for _, _, failed_once in entries),
            sum(not ran for _, ran, _ in entries),
            min(at for at, _, _ in entries),
            max(at for at, _, _ in entries),
            max((at for at, _, failed_once in entries if failed_once), default=None),
        )
        for name, entries in seen.items()
    }


def test_first_seen_looks_beyond_the_scope(place: Location) -> None:
    store(place, suite("old", hours=-24 * 300), suite("new"))
    with History.open(place) as history:
        [counted] = history.tests(Scope(), "test_a")
    assert (counted.runs, counted.last_run, counted.first_seen) == (1, NOON, NOON - timedelta(days=300))


def test_a_test_that_only_experiments_had_has_never_been_seen(place: Location) -> None:
    store(place, suite("tried", experiment=True))
    with History.open(place) as history:
        assert history.tests(Scope()) == ()
        assert {each.first_seen for each in history.tests(Scope(experiments=True))} == {None}


def test_a_test_that_was_skipped_after_a_failed_attempt_was_executed(place: Location) -> None:
    gave_up = skipped("test_a")._replace(earlier=(Attempt(Outcome.ERROR, None, None),))
    store(place, report("r", gave_up))
    with History.open(place) as history:
        [counted] = history.tests(Scope())
    assert (counted.runs, counted.failures, counted.skips) == (1, 1, 0)


def test_counts_of_the_whole_history(place: Location) -> None:
    store(place, suite("r", fails=("test_a", "test_b")), suite("r2", project="other", fails=("test_a",)))
    with History.open(place) as history:
        assert history.counts() == HistoryCounts(
            projects=2, runs=2, tests=10, results=10, failures=3, signatures=1, details=1
        )


def test_runs_of_one_suite_share_one_set(path: Path) -> None:
    store(path, *(suite(f"r{n}", hours=n, fails=("test_a",) if n % 2 else ()) for n in range(10)))
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("SELECT size FROM test_sets ORDER BY size").fetchall() == [(0,), (5,)]


@given(st.one_of(st.sets(st.integers(0, 5000)), st.builds(lambda at, size: set(range(at, at + size)), *[SMALL] * 2)))
def test_a_bitmap_gives_back_its_tests(ids: set[int]) -> None:
    assert unpack(pack(bitmap(ids))).tolist() == sorted(ids)


@pytest.mark.parametrize("enough", [1, 7, 200_000])  # results that are counted together: of one run alone, or of some
def test_counters_do_not_wait_for_the_end_of_a_large_ingest(
    path: Path, monkeypatch: pytest.MonkeyPatch, enough: int
) -> None:
    monkeypatch.setattr("flakediag.history.counters._ENOUGH", enough)
    these = [suite(f"r{n}", hours=n, fails=("test_b",) if n % 2 else ()) for n in (3, 1, 4, 2, 0)]
    these.append(report("mixed", passed("test_a"), failed("test_b"), skipped("test_c"), skipped("test_f"), hours=5))
    store(path, *these)
    assert lifetime_counters(path) == expected_lifetimes(these)


def test_everything_is_in_scope_of_everything(place: Location) -> None:
    store(place, suite("old", hours=-24 * 3000), suite("new"))
    assert window_of(place, EVERYTHING).shape == (2, 5)
