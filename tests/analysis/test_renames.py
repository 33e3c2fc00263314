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
