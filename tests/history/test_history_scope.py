"""Which runs a question looks at: counted back from the newest run, not from today."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from history_samples import NOON, failed, passed, report, skipped, store, suite

from flakediag.errors import UsageError
from flakediag.history import History, StoredRun
from flakediag.location import Location
from flakediag.model import HistorySummary, Scope

DAY = 24


def names(place: Location, scope: Scope) -> list[str]:
    """The commits in scope, which the runs below use as their names."""
    with History.open(place) as history:
        return [stored.run.commit or "" for stored in history.runs(scope)]


@pytest.fixture
def months(place: Location) -> Path:
    """Runs 0, 30, 60 and 91 days before the newest; every second one on a branch."""
    store(
        place,
        *(suite(f"r{ago}", hours=-ago * DAY, commit=str(ago), branch="main") for ago in (0, 60, 91)),
        suite("r30", hours=-30 * DAY, commit="30", branch="topic/ü"),
        suite("tried", hours=-1, commit="tried", branch="main", experiment=True),
        suite("nowhere", hours=-2, commit="nowhere", branch=None),
    )
    return place


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (Scope(), ["0", "nowhere", "30", "60"]),
        (Scope(days=91), ["0", "nowhere", "30", "60", "91"]),
        (Scope(days=30), ["0", "nowhere", "30"]),
        (Scope(days=0), ["0"]),
        (Scope(days=10**9), ["0", "nowhere", "30", "60", "91"]),
        (Scope(max_runs=2), ["0", "nowhere"]),
        (Scope(max_runs=0), []),
        (Scope(branch="main"), ["0", "60"]),
        (Scope(branch="topic/ü"), ["30"]),
        (Scope(branch="topic/ü", days=0), ["30"]),
        (Scope(branch="no such branch"), []),
        (Scope(experiments=True, max_runs=2), ["0", "tried"]),
        (Scope(since=NOON - timedelta(days=91)), ["0", "nowhere", "30", "60", "91"]),
        (Scope(since=NOON - timedelta(days=91) + timedelta(microseconds=1)), ["0", "nowhere", "30", "60"]),
        (Scope(since=NOON - timedelta(days=91), max_runs=1), ["0"]),
        (Scope(since=NOON + timedelta(days=1)), []),
    ],
)
def test_runs_in_scope_newest_first(months: Path, scope: Scope, expected: list[str]) -> None:
    assert names(months, scope) == expected
    with History.open(months) as history:
        assert [run.commit for run in history.window(scope).runs] == expected[::-1]
        assert history.summary(scope).runs == len(expected)


def test_shards_that_start_together_stand_in_one_order_whatever_came_first(path: Path, tmp_path: Path) -> None:
    shards = [suite(f"shard {n}", commit=str(n)) for n in range(5)]
    store(path, *shards)
    store(tmp_path / "other.db", *reversed(shards))
    for limit in range(6):
        assert names(path, Scope(max_runs=limit)) == names(tmp_path / "other.db", Scope(max_runs=limit))


def test_the_only_project_needs_no_name(place: Location) -> None:
    store(place, suite("r", project="shop"))
    with History.open(place) as history:
        assert history.projects() == ("shop",)
        assert history.runs(Scope()) == history.runs(Scope(project="shop"))


def test_several_projects_must_be_chosen_from(place: Location) -> None:
    store(place, suite("r", project="shop", commit="of shop"), suite("r2", project="Büro", commit="of büro"))
    assert names(place, Scope(project="shop")) == ["of shop"]
    with History.open(place) as history:
        assert history.projects() == ("Büro", "shop")
        for ask in (history.runs, history.tests, history.window, history.summary):
            with pytest.raises(UsageError, match="several projects: Büro, shop") as caught:
                ask(Scope())
            assert "--project" in str(caught.value.hint)


def test_a_project_that_does_not_exist_is_named_with_those_that_do(place: Location) -> None:
    store(place, suite("r", project="shop"))
    with History.open(place) as history, pytest.raises(UsageError, match=r"no project 'shpo' in the history.*: shop"):
        history.runs(Scope(project="shpo"))


def test_an_empty_history_answers_every_question(place: Location) -> None:
    store(place)
    with History.open(place) as history:
        for scope in (Scope(), Scope(project="any"), Scope(branch="any")):
            assert history.runs(scope) == ()
            assert history.tests(scope) == ()
            assert history.summary(scope) == HistorySummary(0, 0, 0, None, None)
        assert history.projects() == history.branches() == ()


def test_branches_with_the_newest_run_first(months: Path) -> None:
    with History.open(months) as history:
        assert history.branches() == ("main", "topic/ü")


def test_a_run_is_listed_with_its_counts(place: Location) -> None:
    mixed = report("r", passed("test_a"), failed("test_b"), skipped("test_c"), failed("test_d"))
    [stored] = store(place, mixed)
    with History.open(place) as history:
        run = replace(mixed.run, id=stored.run)
        assert history.runs(Scope()) == (StoredRun(run, results=4, failures=2, errors=0, skipped=1),)


def test_the_summary_counts_what_is_in_scope(place: Location) -> None:
    store(place, suite("old", hours=-200 * DAY), suite("r"), report("r2", skipped("test_new"), hours=1))
    with History.open(place) as history:
        assert history.summary(Scope()) == HistorySummary(
            runs=2, tests=6, results=6, first_run=NOON, last_run=NOON + timedelta(hours=1)
        )


@pytest.mark.parametrize(
    ("pattern", "found"), [(None, 5), ("test_a", 1), ("orders::test_", 5), ("TEST_A", 0), ("%", 0)]
)
def test_a_pattern_is_a_part_of_the_id(place: Location, pattern: str | None, found: int) -> None:
    store(place, suite("r"))
    with History.open(place) as history:
        assert len(history.tests(Scope(), pattern)) == found


def test_scopes_take_hostile_text_as_text(place: Location) -> None:
    hostile: dict[str, Any] = {"branch": "'; DROP TABLE runs; --\x00\ud800", "project": "a\x00b"}
    store(place, suite("r", commit="here", **hostile))
    assert names(place, Scope(**hostile)) == ["here"]
