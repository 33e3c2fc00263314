"""The whole way from runs to the page about one test: what was measured stands there in words."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from evidence_samples import failing, with_details, with_durations

from flakediag.analysis.diagnose import diagnose
from flakediag.analysis.window import Window
from flakediag.model import Order, Run
from flakediag.remedies import with_ways
from flakediag.report import page
from flakediag.report.format import Options


def shown(window: Window, width: int = 400) -> str:
    """The pages about all flaky tests of a window, one after the other."""
    stream = io.StringIO()
    for finding in diagnose(window).tests:
        page.write(with_ways(finding), "table", stream, Options(width=width))
    return stream.getvalue()


def runs(window: Window, change: Callable[[int], dict[str, object]]) -> Window:
    return replace(window, runs=tuple(replace(run, **change(n)) for n, run in enumerate(window.runs)))


BAD = set(range(0, 27, 3))  # nine of 27 runs


def rows(others: str = ".......", mark: str = "F") -> list[str]:
    return [(mark if n in BAD else ".") + others for n in range(27)]


def test_a_timeout_is_named_with_its_count(draw) -> None:
    window = with_durations(draw(rows()), lambda r, t: 5.01 if t == 0 and r in BAD else 0.2)
    assert "timing: fails at 5.0 s, 9 of 9; passes in 0.2 s" in shown(window)


def test_longer_durations_are_named(draw) -> None:
    window = with_durations(draw(rows()), lambda r, t: (0.9 + 0.13 * r if r in BAD else 0.2) if t == 0 else 0.2)
    assert "s when it fails and 0.2 s when it passes" in shown(window)


def test_slow_runs_are_named(draw) -> None:
    window = with_durations(draw(rows()), lambda r, t: 0.05 if t == 0 else 0.3 if r in BAD else 0.1)
    assert "fails in slow runs: everything took 3 times as long when it failed" in shown(window)


def test_failing_only_under_parallelism_is_named(draw) -> None:
    window = runs(draw(rows()), lambda n: {"order": Order.COMPLETION, "parallelism": 3.8} if n in BAD or n == 1 else {})
    assert "concurrency: fails in parallel runs only: 9 of 10 runs there, 0 of 17 elsewhere" in shown(window)


def test_recovery_on_a_retry_is_named(draw) -> None:
    assert "timing: an immediate retry passed, 9 of 9" in shown(draw(rows(mark="r")))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("AssertionError: expected elapsed time below 200 ms but was 207 ms", "timing: "),
        ("expected: <1> but was: <0>", "nothing was there yet where 1"),
    ],
)
def test_values_that_are_almost_right_are_named(draw, message: str, said: str) -> None:
    assert said in shown(with_details(draw(rows()), lambda r, t: failing(message)))


def test_a_host_is_named(draw) -> None:
    window = runs(draw(rows()), lambda n: {"host": "runner-2" if n in BAD else "runner-1"})
    assert "environment: fails on runner-2 only: 9 of 9 runs there, 0 of 18 elsewhere" in shown(window)


def test_the_second_party_of_a_port_is_named(draw) -> None:
    window = draw([("F" if n in BAD else ".") + ("F" if n == 4 else ".") + "....." for n in range(27)], seconds=30.0)

    def at(n: int, run: Run) -> Run:
        # Run 1 goes on beside run 0, on the same host.
        start = window.runs[0].started_at + (timedelta(seconds=20) if n == 1 else timedelta(hours=n))
        return replace(run, host="box", id=n + 1, started_at=start)

    window = replace(window, runs=tuple(at(n, run) for n, run in enumerate(window.runs)))
    window = with_details(
        window, {0: failing("listen tcp :6379: bind: address already in use"), 1: failing("refused: 127.0.0.1:6379")}
    )
    text = shown(window)
    assert "port-user    70 %  tests.test_shop::test_1" in text
    assert "run 2 (run)" in text
    assert "Redis (port 6379) (service)" in text


def test_what_is_missing_is_asked_for_with_its_number_and_its_command(draw) -> None:
    text = shown(runs(draw(rows()), lambda n: {"order": Order.UNKNOWN}))
    assert "no run tells in which order its tests ran: " in text
    assert " runs shuffled over the whole suite, one test at a time, would decide whether it matters" in text
    assert "--random-order-bucket=global" in text
    assert "flakediag ingest --commit" in shown(runs(draw(rows()), lambda n: {"commit": None, "order": Order.UNKNOWN}))
