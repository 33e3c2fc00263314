from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakediag.junit.numbers import LONGEST, moment, seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5),
        ("0.", 0.0),
        (".25", 0.25),
        (" 1.5 ", 1.5),
        ("4.2e-05", 4.2e-05),
        ("1234", 1234.0),
        ("0.0225059986114501953125", 0.0225059986114501953125),
        ("1,234.5", 1234.5),
        ("12,345,678.25", 12345678.25),
        ("1,234,567", 1234567.0),
        ("0,123", 0.123),  # a decimal comma; never 123
        ("1,234", 1.234),
        ("12,5", 12.5),
        ("1.234,5", 1234.5),
        ("0:01:02.5", 62.5),
        ("01:02", 62.0),
    ],
)
def test_durations_are_read(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "  ", "NaN", "nan", "inf", "-1", "-0.5", "1e400", "1e12", "abc", "1s", "1,2,3", "--", "1;5"),
        *("9" * 5_000 + ":00:01", "9" * 400 + ":59:59", "9" * 5_000, "1234567:00:00"),
    ],
)
def test_what_is_no_duration_is_unknown(text: str | None) -> None:
    assert seconds(text) is None


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_unknown(text: str) -> None:
    value = seconds(text)
    assert value is None or 0 <= value < LONGEST


@pytest.mark.parametrize(
    ("text", "utc", "assumed"),
    [
        ("2024-03-01T10:20:30Z", "2024-03-01T10:20:30", False),
        ("2024-03-01T10:20:30", "2024-03-01T10:20:30", True),
        ("2024-03-01 10:20:30", "2024-03-01T10:20:30", True),
        ("2024-03-01T10:20:30.123456+00:00", "2024-03-01T10:20:30.123456", False),
        ("2024-03-01T10:20:30.1234567Z", "2024-03-01T10:20:30.123456", False),
        ("2024-03-01T10:20:30+05:30", "2024-03-01T04:50:30", False),
        ("2024-03-01T10:20:30+0100", "2024-03-01T09:20:30", False),
        ("Fri, 01 Mar 2024 10:20:30 GMT", "2024-03-01T10:20:30", False),
        ("Fri, 01 Mar 2024 10:20:30 -0500", "2024-03-01T15:20:30", False),
        ("Fri, 01 Mar 2024 10:20:30 PST", "2024-03-01T18:20:30", False),
        ("Fri Mar 01 2024 10:20:30 GMT+0000 (GMT)", "2024-03-01T10:20:30", False),
        ("Fri Mar 01 2024 10:20:30 GMT+0200 (Central European Summer Time)", "2024-03-01T08:20:30", False),
        ("1709288430", "2024-03-01T10:20:30", False),
        ("1709288430500", "2024-03-01T10:20:30.500000", False),
    ],
)
def test_moments_are_read_as_utc(text: str, utc: str, assumed: bool) -> None:
    assert moment(text) == (datetime.fromisoformat(utc).replace(tzinfo=UTC), assumed)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00",
        "0",
        "yesterday",
        "2024-13-01T00:00:00",
        "2024-02-30T10:20:30.1234567",
        "Fri, 31 Feb 2024 10:20:30 GMT",
        "9999-12-31T23:59:59-12:00",
        "2026-02-03T04:05:06.1234567+99:99",
        "99999999999999",
    ],
)
def test_moments_that_nobody_meant_are_unknown(text: str | None) -> None:
    assert moment(text) == (None, False)


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_unknown(text: str) -> None:
    when, _ = moment(text)
    assert when is None or when.tzinfo is UTC
