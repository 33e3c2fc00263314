"""A test that was renamed goes on as one test."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from history_samples import counts_of, everything_in, failed, passed, report, skipped, sound, store, told, window_of

from flakediag import upkeep
from flakediag.errors import UsageError
from flakediag.history import History
from flakediag.history.prune import Limits
from flakediag.location import Location
from flakediag.model import CaseResult, Identity, Outcome, Renamed, Scope

OLD, NEW = "tests.test_orders::test_old", "tests.test_orders::test_new"


def rename(place: Location, old: str = OLD, new: str = NEW, **more: bool) -> Renamed:
    return upkeep.rename(place, Scope(), old, new, **more)


def before_and_after(place: Location) -> None:
    """Five runs with the old name, five with the new one; both fail once."""
    for n in range(10):
        name = "test_old" if n < 5 else "test_new"
        mine = failed(name) if n in (2, 7) else skipped(name) if n == 4 else passed(name)
        store(place, report(f"r{n}", passed("test_other"), mine, hours=n))


def ids(place: Location) -> set[str]:
    return {test.id for test in window_of(place).tests}


def test_both_pasts_become_one(path: Path, tmp_path: Path) -> None:
    before_and_after(path)
    done = rename(path)
    assert (len(done.pairs), done.joined) == (1, 1)
    assert ids(path) == {NEW, "tests.test_orders::test_other"}
    with History.open(path) as history:
        counted = {each.test.id: (each.runs, each.failures, each.skips) for each in history.tests(Scope())}
    assert counted[NEW] == (9, 2, 1)
    always = tmp_path / "always.db"
    for n in range(10):
        mine = failed("test_new") if n in (2, 7) else skipped("test_new") if n == 4 else passed("test_new")
        store(always, report(f"r{n}", passed("test_other"), mine, hours=n))
    assert told(window_of(path)) == told(window_of(always))
    assert sound(path)


def test_a_name_that_is_not_known_yet_is_taken_on(place: Location) -> None:
    store(place, report("r", failed("test_old")))
    assert rename(place).joined == 0
    assert ids(place) == {NEW}
    store(place, report("s", passed("test_new"), hours=1))
    assert counts_of(place).tests == 1


def test_later_reports_under_the_old_name_are_the_new_one_s(place: Location) -> None:
    before_and_after(place)
    rename(place)
    store(place, report("late", passed("test_old"), hours=20))
    assert ids(place) == {NEW, "tests.test_orders::test_other"}
    assert sound(place)


def test_names_may_change_twice_and_back(place: Location) -> None:
    store(place, report("r", passed("test_old")))
    rename(place)
    rename(place, NEW, "tests.test_orders::test_newest")
    store(place, report("s", passed("test_old"), hours=1), report("t", passed("test_new"), hours=2))
    assert ids(place) == {"tests.test_orders::test_newest"}
    rename(place, "tests.test_orders::test_newest", OLD)
    store(place, report("u", passed("test_old"), hours=3), report("v", passed("test_newest"), hours=4))
    assert ids(place) == {OLD}
    assert sound(place)


@pytest.mark.parametrize("dry_run", [False, True])
def test_two_tests_of_one_run_are_not_one(place: Location, dry_run: bool) -> None:
    store(place, report("r", passed("test_old"), failed("test_new")))
    before = everything_in(place)
    with pytest.raises(UsageError, match="run 1 has both"):
        rename(place, dry_run=dry_run)
    assert everything_in(place) == before


def test_a_dry_run_changes_nothing(place: Location) -> None:
    before_and_after(place)
    before = everything_in(place)
    assert rename(place, dry_run=True).joined == 1
    assert everything_in(place) == before


def test_pruned_runs_are_renamed_too(place: Location) -> None:
    before_and_after(place)
    with History.open(place, "write") as history:
        history.prune(Limits(days=None, runs=3), datetime(2026, 3, 2, tzinfo=UTC))
    rename(place)
    assert sound(place)


def test_a_merge_brings_the_renaming_along(path: Path, tmp_path: Path) -> None:
    before_and_after(path)
    store(tmp_path / "other.db", report("elsewhere", failed("test_old"), hours=30))
    rename(path)
    one, other = tmp_path / "one.db", tmp_path / "two.db"
    upkeep.merge(one, [path, tmp_path / "other.db"])
    upkeep.merge(other, [tmp_path / "other.db", path])
    for merged in (one, other):
        assert ids(merged) == {NEW, "tests.test_orders::test_other"}
        assert sound(merged)
    assert told(window_of(one)) == told(window_of(other))


def test_a_former_name_is_not_given_to_another_test(place: Location, tmp_path: Path) -> None:
    store(place, report("r", passed("test_old"), passed("test_other")))
    rename(place)
    elsewhere = tmp_path / "elsewhere.db"
    store(elsewhere, report("s", passed("test_old"), hours=1))
    rename(elsewhere, OLD, "tests.test_orders::test_other")
    upkeep.merge(place, [elsewhere])  # which says something else of the old name
    store(place, report("t", passed("test_old"), hours=2))
    with History.open(place) as history:
        assert {each.test.name: each.runs for each in history.tests(Scope())} == {"test_new": 2, "test_other": 2}
    assert sound(place)


def in_place(classname: str, name: str, file: str = "") -> CaseResult:
    return CaseResult(Identity(classname, name, file), Outcome.PASSED)


def test_a_prefix_renames_every_test_below_it_and_no_other(place: Location) -> None:
    store(
        place,
        report(
            "r",
            in_place("tests.shop.test_a", "test_x", "tests/shop/test_a.py"),
            in_place("tests.shop", "test_y"),
            in_place("tests.shopping.test_a", "test_z", "tests/shopping/test_a.py"),
            in_place("", "works", "spec/tests.shop.js"),
        ),
    )
    rename(place, "tests.shop", "tests.store", prefix=True)
    assert {test[:3] for test in window_of(place).tests} == {
        ("tests.store.test_a", "test_x", "tests/store/test_a.py"),
        ("tests.store", "test_y", ""),
        ("tests.shopping.test_a", "test_z", "tests/shopping/test_a.py"),
        ("", "works", "spec/tests.shop.js"),
    }


def test_tests_that_moved_deeper_become_those_that_are_there(place: Location) -> None:
    store(place, report("r", in_place("tests.test_a", "test_x")))
    store(place, report("s", in_place("tests.unit.test_a", "test_x"), in_place("tests.unit.test_b", "test_y"), hours=1))
    assert rename(place, "tests", "tests.unit", prefix=True).joined == 1
    assert {test[:2] for test in window_of(place).tests} == {
        ("tests.unit.test_a", "test_x"),
        ("tests.unit.test_b", "test_y"),
    }
    with pytest.raises(UsageError, match="no class and no file"):
        rename(place, "tests", "tests.unit", prefix=True)


def test_a_file_can_be_the_prefix(place: Location) -> None:
    store(place, report("r", in_place("", "works", "spec/shop/basket.js"), in_place("", "works", "spec/shopping.js")))
    rename(place, "spec/shop", "spec/store", prefix=True)
    assert {test.file for test in window_of(place).tests} == {"spec/store/basket.js", "spec/shopping.js"}


@pytest.mark.parametrize(
    ("old", "new", "prefix", "complaint"),
    [
        ("tests.test_orders::test_odl", NEW, False, "holds no test"),
        (OLD, OLD, False, "the same"),
        (OLD, "no id", False, "no id of a test"),
        ("nowhere", "elsewhere", True, "no class and no file"),
        ("", "x", True, "beginning"),
    ],
)
def test_names_that_make_no_sense_are_refused(
    place: Location, old: str, new: str, prefix: bool, complaint: str
) -> None:
    before_and_after(place)
    with pytest.raises(UsageError, match=complaint):
        rename(place, old, new, prefix=prefix)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (Identity("pkg.A", "b"), "pkg.A::c", Identity("pkg.A", "c")),
        (Identity("pkg.A", "b", "a.py"), "pkg.A::c[x::y]", Identity("pkg.A", "c[x::y]", "a.py")),
        (Identity("", "b", "a.spec.ts"), "b.spec.ts::b", Identity("", "b", "b.spec.ts")),
        (Identity("pkg.A", "b"), "pkg::B::c", Identity("pkg::B", "c")),
    ],
)
def test_an_unknown_id_is_taken_apart(place: Location, old: Identity, new: str, expected: Identity) -> None:
    store(place, report("r", CaseResult(old, Outcome.PASSED)))
    assert rename(place, old.id, new, dry_run=True).pairs[0][1] == expected
