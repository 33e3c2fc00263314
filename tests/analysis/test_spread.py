"""One function over many items, by several processes: the outcome is that of a plain loop."""

from __future__ import annotations

import os
import threading

import pytest

from flakediag.analysis.spread import spread
from flakediag.forks import at_most

ITEMS = range(37)
ELSEWHERE = hasattr(os, "fork") and hasattr(os, "sched_getaffinity")
pytestmark = [
    pytest.mark.skipif(not ELSEWHERE, reason="this platform has no forks: a plain loop is all there is"),
    pytest.mark.usefixtures("three_processors"),
]


def workers(items: range = ITEMS, least: int = 16) -> set[int]:
    return set(spread(lambda item: os.getpid(), items, least))


def test_the_outcomes_come_in_the_order_of_the_items() -> None:
    assert spread(lambda item: item * item, ITEMS) == [item * item for item in ITEMS]
    assert len(workers()) == 3


@pytest.mark.parametrize(
    ("processes", "items", "expected"), [(None, 16, 3), (None, 15, 1), (2, 16, 2), (1, 16, 1), (9, 16, 3)]
)
def test_so_many_processes_work(processes: int | None, items: int, expected: int) -> None:
    with at_most(processes):
        assert len(workers(range(items))) == expected
    assert len(workers()) == 3


def test_nothing_forks_beside_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert workers() == {os.getpid()}


def test_what_a_lost_process_had_to_do_is_done_here() -> None:
    here = os.getpid()

    def work(item: int) -> int:
        if os.getpid() != here and item == 7:
            os._exit(9)
        return item

    assert spread(work, ITEMS) == [*ITEMS]


@pytest.mark.parametrize("broken", [0, 7, 36])
def test_an_error_is_raised_as_in_a_loop(broken: int) -> None:
    with pytest.raises(ZeroDivisionError):
        spread(lambda item: 1 // (item - broken), ITEMS)


def test_large_outcomes_come_through() -> None:
    assert [len(text) for text in spread(lambda item: "x" * 200_000, ITEMS)] == [200_000] * len(ITEMS)
