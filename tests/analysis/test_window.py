"""The tables of a window, against going through its results one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import draw_window
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from flakediag.analysis.window import NOT_RUN, Tables, Window
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


COLUMNS = ("run", "test", "position", "outcome", "attempts", "duration")


@given(st.lists(MARKS, min_size=1, max_size=5), st.data())
def test_a_window_made_of_tables_is_the_one_that_they_were_made_of(rows: list[str], data: st.DataObject) -> None:
    window: Window = draw_window(rows)
    shuffled = [data.draw(st.permutations(np.flatnonzero(window.run == run).tolist())) for run in range(len(rows))]
    order = [row for run in shuffled for row in run]
    window = replace(window, test=window.test[order], outcome=window.outcome[order], attempts=window.attempts[order])
    tables = Tables(window.positions, window.outcomes, window.tries, window.durations)
    made = Window.of_tables(window.runs, window.tests, tables, window.failures)
    assert made.results == len(window.run)
    assert all(np.array_equal(*pair) for pair in zip(made.retried, window.retried, strict=True))
    assert all(np.array_equal(made.seconds(run), window.seconds(run)) for run in range(len(rows)))
    for name in COLUMNS:
        column, original = getattr(made, name), getattr(window, name)
        assert column.dtype == original.dtype, name
        assert np.array_equal(column, original, equal_nan=name == "duration"), name
    assert replace(made, failures=()).run is made.run  # the columns are fields as any others


@given(windows())
def test_what_was_retried_is_told_result_by_result(window: Window) -> None:
    retried = window.retried
    if window.repeated:
        rows = np.flatnonzero(window.attempts > 1)
        assert retried.run.tolist() == window.run[rows].tolist()
        assert retried.test.tolist() == window.test[rows].tolist()
        assert np.array_equal(retried.duration, window.duration[rows], equal_nan=True)
    else:
        found = set(zip(retried.run.tolist(), retried.test.tolist(), retried.attempts.tolist(), strict=True))
        every = zip(window.run.tolist(), window.test.tolist(), window.attempts.tolist(), strict=True)
        assert found == {each for each in every if each[2] > 1}


def test_a_window_has_no_columns_beside_its_own() -> None:
    window = draw_window(["."])
    with pytest.raises(AttributeError, match="seed"):
        getattr(window, "seed")  # noqa: B009 - what the type checker would not let pass
