"""Times and moments as reports write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from flakediag.expressions import expression

LONGEST = 1e9  # seconds; a test of thirty years is a mistake

_GROUPED = expression(r"\d{1,3}(,\d{3})+\.\d*|\d{1,3}(,\d{3}){2,}")  # 1,234.5 and 1,234,567
_GROUPED_DOTS = expression(r"\d{1,3}(\.\d{3})*,\d+")  # 1.234,5 and 0,123
_CLOCK = expression(r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")  # 0:01:02.5


def seconds(text: str | None) -> float | None:
    """A duration in seconds; None where it is missing, negative or no number.

    "1,234.5" has a comma between the thousands; "0,123" and "1.234,5" have a decimal comma, and so has "1,234":
    writers of thousands write a fraction too, writers of a decimal comma usually write three digits after it.
    """
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        text = text.strip()
        if _GROUPED.fullmatch(text):
            value = float(text.replace(",", ""))
        elif _GROUPED_DOTS.fullmatch(text):
            value = float(text.replace(".", "").replace(",", "."))
        elif match := _CLOCK.fullmatch(text):
            hours, minutes, rest = match.groups()
            value = int(hours or 0) * 3600 + int(minutes) * 60 + float(rest)
        else:
            return None
    return value if 0.0 <= value < LONGEST else None


def of_milliseconds(value: object) -> float | None:
    """The seconds of a number of milliseconds; None for what is no number, negative or longer than `LONGEST`."""
    # Compared before it is divided: of an integer with hundreds of digits Python makes no float.
    return value / 1000 if isinstance(value, (int, float)) and 0 <= value < 1000 * LONGEST else None


_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_ZONES = {"GMT": 0, "UTC": 0, "UT": 0, "Z": 0, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300}
_ZONES |= {"MST": -420, "MDT": -360, "PST": -480, "PDT": -420}
_CLOCK_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)"
_OFFSET = r"(?P<offset>[+-]\d\d:?\d\d)"
_RFC1123 = expression(
    rf"(?:\w{{3,9}},\s*)?(?P<day>\d{{1,2}})[ -](?P<month>\w{{3}})\w*[ -](?P<year>\d{{4}})\s+{_CLOCK_TIME}"
    rf"\s*(?:(?P<zone>[A-Z]{{1,4}})|{_OFFSET})?"
)
_JS_DATE = expression(
    rf"\w{{3}} (?P<month>\w{{3}}) (?P<day>\d{{1,2}}) (?P<year>\d{{4}}) {_CLOCK_TIME}"
    rf"(?: (?P<zone>GMT|UTC)?{_OFFSET}?)?(?: \(.*\))?"
)
_EPOCH = expression(r"\d{10}(?:\.\d+)?|\d{13}")

EARLIEST, LATEST = 1990, 2200  # years; a moment outside was never set (0001-01-01, 1970-01-01) or is broken


def moment(text: str | None) -> tuple[datetime | None, bool]:
    """The moment that `text` names, in UTC, and whether its zone had to be assumed to be UTC."""
    text = (text or "").strip()
    if not text:
        return None, False
    when = _iso(text) or _worded(text) or _epoch(text)
    if when is None or not EARLIEST <= when.year < LATEST:
        return None, False
    if when.tzinfo is None:
        return when.replace(tzinfo=UTC), True
    return when.astimezone(UTC), False


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    # A fraction of more digits than Python reads, or of an unusual number of them.
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)[.,]\d+\s*(Z|[+-]\d\d:?\d\d)?", text)
    try:
        return datetime.fromisoformat(match[1] + (match[2] or "")) if match else None
    except ValueError:  # no such day, or no such zone
        return None


def _worded(text: str) -> datetime | None:
    match = _RFC1123.fullmatch(text) or _JS_DATE.fullmatch(text)
    if not match or match["month"].lower() not in _MONTHS:
        return None
    try:
        when = datetime(
            int(match["year"]),
            _MONTHS[match["month"].lower()],
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            int(match["second"]),
        )
        if offset := match["offset"]:
            minutes = int(offset[1:3]) * 60 + int(offset[-2:])
            return (when - timedelta(minutes=-minutes if offset[0] == "-" else minutes)).replace(tzinfo=UTC)
        if match["zone"] in _ZONES:
            return (when - timedelta(minutes=_ZONES[match["zone"]])).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return when


def _epoch(text: str) -> datetime | None:
    if not _EPOCH.fullmatch(text):
        return None
    value = float(text)
    return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
