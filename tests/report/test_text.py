"""Untrusted text made harmless, and numbers that never round to a lie."""

from __future__ import annotations

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakediag.model import Rate
from flakediag.report import text
from flakediag.report.wording import smallest_visible_rate


@pytest.mark.parametrize(
    ("given_", "shown"),
    [
        ("test_total[1-é-日本]", "test_total[1-é-日本]"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b31m", "\\x9b31m"),  # the one-byte escape that some terminals obey
        ("\u202eabc\u200b", "\\u202eabc\\u200b"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("##vso[task.complete]", "# #vso[task.complete]"),
        ("x ##[error]y ##teamcity[z]", "x # #[error]y # #teamcity[z]"),
        ("issue ##12", "issue ##12"),
    ],
)
def test_visible(given_: str, shown: str) -> None:
    assert text.visible(given_) == shown


@given(st.text())
def test_visible_is_one_line_of_printable_characters(anything: str) -> None:
    shown = text.visible(anything)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown)
    assert "##[" not in shown


@given(st.text())
def test_no_line_is_a_workflow_command(anything: str) -> None:
    assert not any(line.lstrip().startswith("::") for line in text.lines(anything))


def test_an_excerpt_keeps_head_and_tail() -> None:
    shown = text.excerpt("\n".join(map(str, range(100))), 9)
    assert shown == ["0", "1", "2", "… 91 lines left out …", "94", "95", "96", "97", "98", "99"]
    assert text.excerpt("a\nb\n", 9) == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (0.12, 1, "12.0 %"),
        (0.005, 1, "0.5 %"),
        (0.44, 0, "44 %"),
        (0, 0, "0 %"),
        (1, 0, "100 %"),
        (0.001, 0, "0.1 %"),
        (0.0004, 1, "0.04 %"),
        (0.999, 0, "99.9 %"),
        (0.9996, 0, "99.96 %"),
        (1e-9, 0, "<0.001 %"),
        (1 - 1e-9, 0, ">99.999 %"),
    ],
)
def test_percent(value: float, digits: int, shown: str) -> None:
    assert text.percent(value, digits) == shown


@given(st.floats(0, 1), st.integers(0, 1))
def test_only_nothing_is_zero_and_only_all_is_a_hundred(value: float, digits: int) -> None:
    shown = text.percent(value, digits)
    assert (shown == "0 %" or (not shown.startswith("<") and float(shown.rstrip(" %").lstrip(">")) == 0)) == (
        value == 0
    )
    assert (shown == "100 %") == (value == 1)


@pytest.mark.parametrize(
    ("p", "shown"), [(0.981, "98 %"), (1.0, ">99 %"), (0.9949, "99 %"), (0.001, "<1 %"), (0, "<1 %")]
)
def test_odds(p: float, shown: str) -> None:
    assert text.odds(p) == shown


def test_an_interval() -> None:
    assert text.with_interval(Rate(23, 52, 23 / 52, 0.31, 0.58)) == "44 % (31–58 %)"
    assert text.with_interval(Rate(15, 125, 0.12, 0.074, 0.188), 1) == "12.0 % (7.4–18.8 %)"


@pytest.mark.parametrize("runs", [1, 2, 45, 10_000])
def test_what_so_many_runs_can_show(runs: int) -> None:
    p = smallest_visible_rate(runs)
    assert math.isclose(1 - (1 - p) ** runs, 0.95, rel_tol=1e-9)


def test_small_words() -> None:
    assert text.plural(1, "run") == "1 run"
    assert text.plural(1200, "run") == "1,200 runs"
    assert text.listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert [text.minutes(m) for m in (0, 0.001, 0.5, 1.5, 42.4, 150)] == [
        *("0 s", "<1 s", "30 s", "1.5 min", "42 min", "2.5 h")
    ]
    assert [text.seconds(s) for s in (None, 0.3, 5.0, 300.0)] == ["–", "300 ms", "5.00 s", "300 s"]
    assert text.commit("a" * 40) == "a" * 10
    assert text.commit("v1.2\x1b") == "v1.2\\x1b"
