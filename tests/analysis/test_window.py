"""The tables of a window, against going through its results one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from conftest import draw_window
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flakediag.analysis.window import NOT_RUN, Window
from flakediag.model import Outcome

MARKS = st.text(".FEsrS ", min_size=4, max_size=4)
WORST_FIRST = (Outcome.ERROR, Outcome.FAILED, Outcome.PASSED, Outcome.SKIPPED)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Windows of up to five runs in which a test may stand more than once."""
    window: Window = draw_window(draw(st.lists(MARKS, min_size=1, max_size=5)))
    size = len(window.run)
    tests = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    seconds = draw(st.lists(st.floats(0, 9, width=32) | st.just(np.nan), min_size=size, max_size=size))
    return replace(
        window,
        test=np.array(tests, dtype=np.int32),
        duration=np.array(seconds, dtype=np.float32),
        failures=tuple(f._replace(test=int(tests[_row(window, f.run, f.position)])) for f in window.failures),
    )


def _row(window: Window, run: int, position: int) -> int:
    return int(np.flatnonzero((window.run == run) & (window.position == position))[0])


def one_by_one(window: Window, column: NDArray[np.generic], absent: float) -> NDArray[np.float64]:
    table = np.full(window.shape, absent, dtype=np.float64)
    for run, test, value in zip(window.run, window.test, column, strict=True):
        table[run, test] = value
    return table


@given(windows())
def test_a_table_holds_what_was_recorded_last(window: Window) -> None:
    assert np.array_equal(window.positions, one_by_one(window, window.position, -1))
    assert np.array_equal(window.durations, one_by_one(window, window.duration, np.nan), equal_nan=True)
    assert np.array_equal(window.tries, one_by_one(window, window.attempts, 0))


@given(windows())
def test_of_several_outcomes_the_worst_counts_and_a_pass_is_a_recovery(window: Window) -> None:
    for run in range(window.shape[0]):
        for test in range(window.shape[1]):
            rows = (window.run == run) & (window.test == test)
            found = {Outcome(int(outcome)) for outcome in window.outcome[rows]}
            worst = next((outcome for outcome in WORST_FIRST if outcome in found), NOT_RUN)
            assert window.outcomes[run, test] == worst
            failed = worst in WORST_FIRST[:2] or any((f.run, f.test) == (run, test) for f in window.failures)
            assert window.failed[run, test] == failed
            assert window.recovered[run, test] == (failed and Outcome.PASSED in found)


@given(windows())
def test_a_test_is_repeated_where_a_run_has_it_twice(window: Window) -> None:
    pairs = list(zip(window.run.tolist(), window.test.tolist(), strict=True))
    assert window.repeated == (len(set(pairs)) < len(pairs))


def test_what_is_made_once_is_not_made_again() -> None:
    made = []
    window = draw_window(["."])

    def make(asked: Window) -> int:
        made.append(asked)
        return len(made)

    assert [window.once(make), window.once(make)] == [1, 1]
    assert replace(window, failures=()).once(make) == 2  # of another window, something else
