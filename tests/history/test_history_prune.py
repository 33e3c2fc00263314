"""What pruning takes and what it leaves."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from history_samples import (
    NOON,
    counts_of,
    everything_in,
    failed,
    passed,
    report,
    shuffled,
    sound,
    store,
    suite,
    told,
    window_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from flakediag import upkeep
from flakediag.errors import UsageError
from flakediag.history import History
from flakediag.history.prune import Limits
from flakediag.location import Location
from flakediag.model import Pruned, RunReport, Scope

NOW = datetime(2026, 3, 2, tzinfo=UTC)
DAY = 24.0


def daily(days: int, **more: object) -> list[RunReport]:
    """One run a day; test_b fails in every third, each time with a text of its own."""
    return [
        report(
            f"{more.get('branch', 'main')} {day}",
            passed("test_a"),
            failed("test_b", text=f"trace {day} " * 50) if day % 3 == 0 else passed("test_b"),
            hours=DAY * day,
            **more,
        )
        for day in range(days)
    ]


def prune(place: Location, *, days: int | None = None, runs: int | None = None, dry_run: bool = False) -> Pruned:
    return upkeep.prune(place, keep_days=days, keep_runs=runs, now=NOW, dry_run=dry_run, window=Scope())


def starts(place: Location) -> list[int]:
    """The days whose results are still there."""
    return [(run.started_at - NOON).days for run in window_of(place).runs]


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"days": 2}, [7, 8, 9]),
        ({"runs": 4}, [6, 7, 8, 9]),
        ({"days": 2, "runs": 4}, [6, 7, 8, 9]),  # within either limit is within the limits
        ({"days": 5, "runs": 1}, [4, 5, 6, 7, 8, 9]),
        ({"days": 10**9}, list(range(10))),
        ({"runs": 10**30}, list(range(10))),
        ({"days": 0}, [9]),
    ],
)
def test_a_run_within_either_limit_stays(place: Location, limits: dict[str, int], kept: list[int]) -> None:
    store(place, *daily(10))
    assert prune(place, **limits).runs == 10 - len(kept)
    assert starts(place) == kept


def test_every_branch_keeps_its_newest_runs(place: Location) -> None:
    store(place, *daily(10, branch="main"), *daily(3, branch="topic"))
    assert prune(place, runs=2).runs == 9
    with History.open(place) as history:
        assert len(history.runs(Scope(branch="topic"))) == 2


def test_experiments_do_not_push_out_a_branch_s_runs(place: Location) -> None:
    store(place, *daily(3), *(suite(f"e{n}", hours=100 + n, experiment=True) for n in range(5)))
    prune(place, runs=3)
    assert starts(place) == [0, 1, 2]


def test_projects_have_their_own_newest_run(place: Location) -> None:
    store(place, *daily(3, project="old"), report("new", passed("test_a"), hours=DAY * 500, project="new"))
    assert prune(place, days=30).runs == 0


def test_without_any_limit_nothing_is_done(place: Location) -> None:
    store(place, *daily(3))
    with pytest.raises(UsageError, match="what to keep"):
        prune(place)


def test_the_window_that_is_kept_and_the_counters_stay_as_they_were(path: Path) -> None:
    store(path, *daily(30))
    with History.open(path) as history:
        scope = Scope(since=NOON + timedelta(days=20))
        before, counted = told(history.window(scope)), history.tests(scope)
    counters = everything_in(path)["test_counters"]
    done = prune(path, runs=10)
    assert (done.runs, done.results, done.failures, done.details, done.kept) == (20, 40, 7, 6, 10)
    with History.open(path) as history:
        assert told(history.window(scope)) == before
        assert history.tests(scope) == counted
    assert everything_in(path)["test_counters"] == counters
    assert sound(path)


def test_a_pruned_report_is_still_known(place: Location) -> None:
    runs = daily(10)
    store(place, *runs)
    prune(place, runs=2)
    assert all(stored.duplicate for stored in store(place, *runs))
    assert starts(place) == [8, 9]
    assert prune(place, runs=2).runs == 0


def test_a_pruned_run_is_listed_nowhere_and_no_report(place: Location) -> None:
    store(place, *daily(3), *daily(1, branch="gone"))
    prune(place, days=1)
    with History.open(place) as history:
        assert history.branches() == ("main",)
        assert len(history.runs(Scope(all_branches=True))) == 2
        with pytest.raises(LookupError):
            history.run_report(1)


def test_later_runs_are_stored_as_ever(place: Location, tmp_path: Path) -> None:
    store(place, *daily(10))
    prune(place, runs=2)
    store(place, suite("later", hours=DAY * 20, fails=("test_a",)))
    assert sound(place)
    assert window_of(place).failures[-1].detail.text == "a trace"


def test_space_is_given_back(path: Path) -> None:
    store(path, *(shuffled(f"r{n}", 2000, hours=n) for n in range(60)))
    first = prune(path, runs=10)
    assert first.size_after < 0.7 * first.size_before
    second = prune(path, runs=2)  # the file has been prepared: no more rewriting
    assert second.size_after < second.size_before
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA freelist_count").fetchone() == (0,)


def test_a_dry_run_tells_the_same_and_changes_nothing(place: Location) -> None:
    store(place, *daily(10))
    before = everything_in(place)
    told_before = prune(place, runs=2, dry_run=True)
    assert everything_in(place) == before
    done = prune(place, runs=2)
    assert (told_before.runs, told_before.results, told_before.failures, told_before.kept, told_before.oldest) == (
        done.runs,
        done.results,
        done.failures,
        done.kept,
        done.oldest,
    )


def test_a_reader_does_not_stand_in_the_way(path: Path) -> None:
    store(path, *daily(10))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM runs").fetchone()
        with History.open(path, "write", busy_timeout=0.05) as history:
            assert history.prune(Limits(days=None, runs=2), NOW).runs == 8
        assert other.execute("SELECT count(*) FROM run_results").fetchone() == (10,)
    assert starts(path) == [8, 9]


@settings(max_examples=15, deadline=None)
@given(
    hours=st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True),
    days=st.none() | st.integers(0, 40),
    runs=st.none() | st.integers(0, 12),
)
def test_nothing_within_the_limits_is_lost(
    another: Callable[[], Location], hours: list[int], days: int | None, runs: int | None
) -> None:
    if days is None and runs is None:
        return
    place = another()
    store(place, *(suite(f"r{h}", hours=DAY * h, fails=("test_a",)) for h in hours))
    prune(place, days=days, runs=runs)
    newest = sorted(hours, reverse=True)
    expected = {h for h in hours if days is not None and newest[0] - h <= days} | set(newest[: runs or 0])
    assert set(starts(place)) == expected
    assert counts_of(place).failures == len(expected)
    assert sound(place)


SPAWN = multiprocessing.get_context("spawn")


def prune_slowly(path: Path, marker: Path) -> None:
    from flakediag.history import prune as module

    def stall(conn: sqlite3.Connection) -> int:
        marker.touch()  # the results are deleted, the transaction is open
        time.sleep(60)
        return 0

    module.drop_unused_texts = stall
    prune(path, runs=1)


@pytest.mark.slow
def test_a_prune_that_is_killed_midway_has_changed_nothing(path: Path, tmp_path: Path) -> None:
    store(path, *daily(10))
    before, marker = everything_in(path), tmp_path / "marker"
    worker = SPAWN.Process(target=prune_slowly, args=(path, marker))
    worker.start()
    while not marker.exists():
        assert worker.is_alive()
        time.sleep(0.01)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert everything_in(path) == before
    assert prune(path, runs=1).runs == 9
