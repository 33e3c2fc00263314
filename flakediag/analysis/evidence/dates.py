"""What two dates or times say: how far they lie apart, in which zone they stand, what the calendar put between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from flakediag.analysis.evidence.pairs import Trait

_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(z|utc|gmt|[+-]\d\d:?\d\d)?", re.IGNORECASE
)
_PYTHON_DATE = re.compile(
    r"\bdatetime\.(?:date|datetime)\((\d{4}), (\d{1,2}), (\d{1,2})"
    r"(?:, (\d{1,2}), (\d{1,2})(?:, (\d{1,2}))?[^()]{0,60})?\)"
)
_OFFSET = re.compile(r"[+-]\d{4}")
_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d(?!\d)")
_CLOCK_TIME = re.compile(r"\b(\d{1,2}):(\d\d)(?::(\d\d))?\b")
_ZONE = re.compile(r"\b(?:gmt|utc|cet|cest|est|edt|pst|pdt|bst)\b|[+-]\d\d:?\d\d\b|z\b")
_WORD = re.compile(r"[^\W_]+(?:[.:'_-][^\W_]+)*")
_DAY_WORD = re.compile(
    r"\b(?:yesterday|today|tomorrow|tonight|monday|tuesday|wednesday|thursday|friday|saturday|sunday|"
    r"days?|weeks?|months?|years?|hours?|mon|tue|wed|thu|fri|sat|sun|morning|afternoon|evening)\b"
)
_SECOND_WORD = re.compile(r"\b(?:seconds?|secs?|minutes?|mins?|moments?|just now|ms|milliseconds?)\b")
_MONTH_DAY = re.compile(
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.? \d{1,2}\b|"
    r"\b\d{1,2}\.? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
)
_MONTH = re.compile(r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\b|\b[ap]\.?m\b")


def moments(expected: str, actual: str) -> Iterator[Trait]:
    """What two texts in lower case that hold dates or times show by these."""
    one, other = _MOMENT.search(expected), _MOMENT.search(actual)
    if one and other:
        gap = abs(_moment(one) - _moment(other))
        zones = (one[8] or "").replace(":", ""), (other[8] or "").replace(":", "")
        if _summer(*zones):
            yield Trait("summer-time", "the two times differ by summer time")
        elif zones[0] != zones[1]:
            yield Trait("time-zone", "the two times stand in different time zones")
        elif timedelta(0) < gap <= timedelta(seconds=2) or (not gap and one[7] != other[7]):
            yield Trait("times-close", f"the two times lie {gap.total_seconds():g} s apart")
        elif gap and gap % timedelta(days=1) == timedelta(0):
            yield Trait("days-apart", f"the two times lie {gap.days} day{'s' * (gap.days > 1)} apart")
        elif gap and gap <= timedelta(hours=14) and gap % timedelta(minutes=15) == timedelta(0):
            yield Trait("hours-apart", f"the two times lie {gap.total_seconds() / 3600:g} h apart")
        return
    days = [_DATE.findall(side) for side in (expected, actual)]
    if len(days[0]) == len(days[1]) == 1 and _DATE.sub("", expected) == _DATE.sub("", actual):
        gap = abs(_day(days[0][0]) - _day(days[1][0]))
        if timedelta(0) < gap <= timedelta(days=2):
            yield Trait("days-apart", f"the two dates lie {gap.days} day{'s' * (gap.days > 1)} apart")
        return
    if _ZONE.search(expected) and not _ZONE.search(actual) and expected.startswith(actual.rstrip()):
        yield Trait("zone-missing", "the time is shown without its zone")
    times = [_CLOCK_TIME.findall(side) for side in (expected, actual)]
    if times[0] and times[1] and len(expected) < 120:
        (h1, m1, s1), (h2, m2, s2) = times[0][0], times[1][0]
        first, second = (int(h) * 3600 + int(m) * 60 + int(s or 0) for h, m, s in ((h1, m1, s1), (h2, m2, s2)))
        if 0 < abs(first - second) <= 2 or (not s1 and not s2 and abs(first - second) == 60):
            yield Trait("times-close", "the two times lie one tick apart")


def _summer(one: str, other: str) -> bool:
    """Whether two offsets from UTC such as `-0400` and `-0300` can be one zone's in winter and in summer."""
    if not (_OFFSET.fullmatch(one) and _OFFSET.fullmatch(other)) or not int(one) or not int(other):
        return False
    return abs(int(one) - int(other)) == 100


def spelled_out(text: str) -> str:
    """The text in lower case, with Python's dates as others write them."""
    return _PYTHON_DATE.sub(_iso, text.lower())


def has_date(text: str) -> bool:
    """Whether a text in lower case holds a date."""
    return _DATE.search(text) is not None


def has_moment(text: str) -> bool:
    """Whether a text in lower case holds a date with its time."""
    return _MOMENT.search(text) is not None


def _iso(match: re.Match[str]) -> str:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    date = f"{year:04}-{month:02}-{day:02}"
    return f"{date} {hour:02}:{minute:02}:{second:02}" if match[4] else date


def _moment(match: re.Match[str]) -> datetime:
    try:
        whole = datetime(*(int(match[n] or 0) for n in range(1, 7)))  # type: ignore[arg-type]
        return whole.replace(microsecond=int((match[7] or "0")[:6].ljust(6, "0")))
    except ValueError:
        return datetime(1970, 1, 1)


def _day(date: str) -> datetime:
    try:
        return datetime.fromisoformat(date)
    except ValueError:
        return datetime(1970, 1, 1)


def calendar(expected: str, actual: str) -> Iterator[Trait]:
    """What two texts in lower case show that differ in a word of the calendar, or in a count of days or seconds."""
    if len(expected) > 300 or len(actual) > 300:
        return
    one, other = _WORD.findall(expected), _WORD.findall(actual)
    if len(one) > 1 and sorted(one) == sorted(other) and (_MONTH.search(expected) or _CLOCK_TIME.search(expected)):
        yield Trait("locale", "the same date or time is written in another locale's way")
        return
    if len(one) != len(other):
        return
    changed = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    if not changed or len(changed) > 2:
        return
    if all(_DAY_WORD.fullmatch(a) and _DAY_WORD.fullmatch(b) for a, b in changed):
        yield Trait("day-words", f"the calendar stands between the two: {changed[0][0]} and {changed[0][1]}")
    elif all(a.isdecimal() and b.isdecimal() and abs(int(a[:9]) - int(b[:9])) == 1 for a, b in changed):
        if _DAY_WORD.search(expected) or _MONTH_DAY.search(expected):
            yield Trait("day-words", f"a count of days or hours is off by one: {changed[0][0]} and {changed[0][1]}")
        elif _SECOND_WORD.search(expected):
            yield Trait("times-close", f"a count of seconds is off by one: {changed[0][0]} and {changed[0][1]}")
