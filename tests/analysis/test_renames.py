"""Which vanished and appeared tests look like one that was renamed, and which do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from flakediag.analysis.renames import matches, proposals
from flakediag.analysis.window import Window
from flakediag.model import Identity, RenameKind, Run

START = datetime(2026, 3, 1, tzinfo=UTC)


def window(*runs: tuple[str | None, list[Identity]]) -> Window:
    """Runs as (commit, tests that passed)."""
    tests = sorted({test for _, present in runs for test in present})
    rows = [(r, tests.index(test), p) for r, (_, present) in enumerate(runs) for p, test in enumerate(present)]
    run, test, position = (np.array(column, dtype=np.int32) for column in zip(*rows, strict=True))
    size = len(rows)
    return Window(
        runs=tuple(
            Run(started_at=START + timedelta(hours=r), digest=str(r), commit=commit)
            for r, (commit, _) in enumerate(runs)
        ),
        tests=tuple(tests),
        run=run,
        test=test,
        position=position,
        outcome=np.zeros(size, dtype=np.int8),
        attempts=np.ones(size, dtype=np.int8),
        duration=np.full(size, 0.1, dtype=np.float32),
    )


def named(name: str, classname: str = "tests.test_shop", file: str = "") -> Identity:
    return Identity(classname, name, file)


REST = [named("test_basket_is_empty_at_first"), named("test_voucher_expires")]


def pairs(*runs: tuple[str | None, list[Identity]]) -> list[tuple[str, str]]:
    return [(each.old.name, each.new.name) for each in proposals(window(*runs))]


OLD, NEW = named("test_total_of_order"), named("test_total_of_orders")


def test_a_test_that_vanished_where_a_look_alike_appeared_is_proposed() -> None:
    (found,) = proposals(window(("a", [OLD, *REST]), ("b", [OLD, *REST]), ("c", [NEW, *REST]), ("d", [NEW, *REST])))
    assert (found.old, found.new, found.kind, found.commit) == (OLD, NEW, RenameKind.CLASS, "c")
    assert (found.last, found.first) == (START + timedelta(hours=1), START + timedelta(hours=2))
    assert 0.9 < found.similarity < 1


def test_the_same_name_in_another_class_is_proposed() -> None:
    moved = named("test_total_of_order", "tests.test_store")
    (found,) = proposals(window(("a", [OLD, *REST]), ("b", [moved, *REST])))
    assert (found.new, found.kind) == (moved, RenameKind.NAME)


@pytest.mark.parametrize(
    "runs",
    [
        [("a", [OLD, *REST]), ("b", REST)],  # deleted
        [("a", REST), ("b", [NEW, *REST])],  # new
        [("a", [OLD, *REST]), ("b", REST), ("c", [NEW, *REST])],  # not at one commit
        [("a", [OLD, *REST]), ("b", [OLD, NEW, *REST]), ("c", [NEW, *REST])],  # once together: two tests
        [("a", [OLD, *REST]), ("b", [NEW, *REST]), ("c", [OLD, *REST])],  # came back
        [("a", [OLD, *REST]), ("b", [named("test_login"), *REST])],  # not alike
        [("a", [OLD, *REST]), ("b", [named("test_total_of_order", "com.acme.billing.Invoices"), *REST])],  # elsewhere
        [("a", [OLD, NEW, *REST])],  # one commit only
    ],
)
def test_anything_else_is_not(runs: list[tuple[str | None, list[Identity]]]) -> None:
    assert pairs(*runs) == []


NAMES = ["test_create", "test_delete", "test_list"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Identity("tests.test_shop", ""), Identity("tests.unit.shop.test_shop", "")),  # into a folder
        (Identity("tests.test_shop", ""), Identity("checks.basket", "")),  # unlike, but all at once
        (Identity("", "", "test/cart.test.js"), Identity("", "", "src/cart/cart.test.js")),
        (Identity("", "", "spec/a.js"), Identity("", "", "packages/web/basket.test.ts")),
        (Identity("", "", "spec/a.js", "chrome"), Identity("", "", "packages/web/basket.test.ts", "chrome")),
    ],
)
def test_a_file_that_moved_is_proposed_test_by_test(before: Identity, after: Identity) -> None:
    old, new = ([place._replace(name=name) for name in NAMES] for place in (before, after))
    found = proposals(window(("a", [*old, *REST]), ("b", [*new, *REST])))
    assert [(each.old, each.new, each.kind) for each in found] == [
        (one, other, RenameKind.NAME) for one, other in zip(old, new, strict=True)
    ]


def test_a_file_of_which_a_part_moved_is_proposed_by_that_part() -> None:
    old = [named(name) for name in NAMES]
    new = [named(name, "checks.basket") for name in NAMES[:2]]
    assert pairs(("a", [*old, *REST]), ("b", [*new, old[2], *REST])) == [(name, name) for name in NAMES[:2]]


@pytest.mark.parametrize(
    ("vanished", "appeared"),
    [
        (["test_create"], ["test_create"]),  # one name stands in many places
        (["test_create", "test_a"], ["test_create", "test_b"]),
        (["test_create", "test_list"], ["test_create", "test_list", "test_a", "test_b", "test_c"]),
        (["test_create", "test_list"], []),
    ],
)
def test_tests_that_have_some_names_in_common_did_not_move(vanished: list[str], appeared: list[str]) -> None:
    old = [named(name) for name in vanished]
    new = [named(name, "com.acme.Billing") for name in appeared]
    assert pairs(("a", [*old, *REST]), ("b", [*new, *REST])) == []


def test_where_two_files_could_be_the_one_that_moved_neither_is_proposed() -> None:
    old = [named(name) for name in NAMES]
    new = [named(name, place) for place in ("checks.one", "checks.two") for name in NAMES]
    assert pairs(("a", [*old, *REST]), ("b", [*new, *REST])) == []


def test_several_runs_of_a_commit_are_one_step() -> None:
    shards = [("a", [OLD]), ("a", REST), ("b", REST), ("b", [NEW])]
    assert pairs(*shards) == [(OLD.name, NEW.name)]


def test_runs_without_a_commit_are_steps_of_their_own() -> None:
    assert pairs((None, [OLD, *REST]), (None, [NEW, *REST])) == [(OLD.name, NEW.name)]


def test_where_two_are_equally_alike_nothing_is_proposed() -> None:
    twins = [named("test_total_of_order_1"), named("test_total_of_order_2")]
    assert list(matches([OLD], twins)) == []
    assert list(matches(twins, [OLD])) == []


def test_each_test_is_in_one_pair_at_most() -> None:
    old = [named("test_price_of_apples"), named("test_stock_of_pears")]
    new = [named("test_price_of_apple"), named("test_stock_of_pear")]
    assert [(a.name, b.name) for a, b, _, _ in matches(old, new)] == [
        ("test_price_of_apples", "test_price_of_apple"),
        ("test_stock_of_pears", "test_stock_of_pear"),
    ]


def test_variants_of_a_test_stay_apart() -> None:
    firefox = Identity("shop", "pays by card", "shop.spec.ts", "firefox")
    chrome = Identity("shop", "pays by cards", "shop.spec.ts", "chrome")
    assert list(matches([firefox], [chrome])) == []


def test_an_empty_window_has_no_proposals() -> None:
    empty = np.empty(0, dtype=np.int32)
    small = empty.astype(np.int8)
    assert proposals(Window((), (), empty, empty, empty, small, small, empty.astype(np.float32))) == ()
