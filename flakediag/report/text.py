"""Text that came from a test suite, made safe to show; and words for numbers and moments.

Names and messages are untrusted: they may hold terminal escapes, bidirectional overrides or the commands that a CI
system reads from a job's log. `visible` shows what is there without letting it act.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flakediag.expressions import expression

if TYPE_CHECKING:
    from flakediag.model import Rate

# Cc control, Cf invisible format (bidi, zero width), Cs lone surrogate, Zl/Zp line ends, Co/Cn nobody knows.
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"}
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Azure Pipelines, TeamCity and the older GitHub runner find these anywhere in a line.
_LOG_COMMAND = expression(r"#(?=#(?:\[|vso\[|teamcity\[))", re.IGNORECASE)


def visible(text: str) -> str:
    """One line in which every control, format or bidirectional character is written out as an escape."""
    plain = text.isascii() and text.isprintable()  # nearly every name: not worth a look at each character
    shown = text if plain else "".join(_escape(character) for character in text)
    return _LOG_COMMAND.sub("# ", shown)


def _escape(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN:
        return character
    code = ord(character)
    return _NAMED.get(character) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )


def lines(text: str) -> list[str]:
    """The lines of `text`, each visible, none of which a CI log takes for a command."""
    return [leading(line.expandtabs(4)) for line in re.split(r"\r\n|\n|\r", text)]


def leading(text: str) -> str:
    """Visible text that stands first in a line of a log: GitHub takes `::error::` for a command only there."""
    shown = visible(text)
    return f"| {shown}" if shown.lstrip().startswith("::") else shown


def excerpt(text: str, most: int) -> list[str]:
    """At most `most` lines: the head and the tail, with a line between that says how many are left out."""
    whole = lines(text.strip("\r\n"))
    if len(whole) <= most:
        return whole
    head = most // 3
    return [*whole[:head], f"… {len(whole) - most} lines left out …", *whole[len(whole) - (most - head) :]]


def percent(value: float, digits: int = 0) -> str:
    """`12.0 %`. Only exactly 0 and 1 print as 0 % and 100 %: digits are added until the difference shows."""
    if value in (0, 1):
        return f"{100 * value:.0f} %"
    for places in range(digits, 4):
        shown = f"{100 * value:.{places}f}"
        if float(shown) not in (0.0, 100.0):
            return f"{shown} %"
    return "<0.001 %" if value < 0.5 else ">99.999 %"


def odds(probability: float) -> str:
    """`98 %`; a posterior is never certain and its further digits mean nothing: `>99 %` and `<1 %` at the ends."""
    if probability >= 0.995:
        return ">99 %"
    return percent(probability) if probability >= 0.005 else "<1 %"


def interval(rate: Rate, digits: int = 0) -> str:
    """`31–58 %`"""
    return f"{percent(rate.low, digits).removesuffix(' %')}–{percent(rate.high, digits)}"


def with_interval(rate: Rate, digits: int = 0) -> str:
    """`44 % (31–58 %)`"""
    return f"{percent(rate.value, digits)} ({interval(rate, digits)})"


def number(value: int) -> str:
    return f"{value:,}"


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    return f"{number(count)} {noun if count == 1 else nouns or noun + 's'}"


def minutes(value: float) -> str:
    """A cost in minutes, in the unit that reads best: `41 min`, `2.5 h`, `24 s`."""
    if value >= 120:
        return f"{value / 60:.1f} h"
    if value < 1:
        return f"{60 * value:.0f} s" if value >= 1 / 60 else "<1 s" if value > 0 else "0 s"
    return f"{value:.0f} min" if value >= 10 else f"{value:.1f} min"


def seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def day(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d") if moment else "–"


def minute(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if moment else "–"


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with a Z, to the second (to the microsecond where there is one)."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def listed(items: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`"""
    shown = ", ".join(items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


def masked(secrets: Mapping[str, int]) -> str:
    """`5 secrets masked (3 password, 2 github-token)`"""
    kinds = listed([f"{count} {kind}" for kind, count in secrets.items()])
    return f"{plural(sum(secrets.values()), 'secret')} masked ({kinds})"


def commit(text: str | None) -> str:
    """A commit id short enough to read, as git shortens it; other version names are kept."""
    if not text:
        return "–"
    return text[:10] if re.fullmatch(r"[0-9a-f]{12,64}", text) else visible(text)
