"""How Python values become SQLite values and come back the same: text, moments, durations, digests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from flakediag.expressions import expression
from flakediag.history.columns import NO_DURATION
from flakediag.model import Order, Run

# SQLite's tools cut text at a NUL, and neither SQLite nor PostgreSQL takes half a surrogate pair. Reports have both.
# Such a character is written as U+FDD0 (which Unicode sets aside for a program's own use) and four hex digits.
_MARK = "\ufdd0"
_UNSTORABLE = expression("[\x00\ud800-\udfff\ufdd0]")
_MARKED = expression(_MARK + "([0-9a-f]{4})")

_LONGEST = 2**31 / 1000 - 1  # 24 days in seconds; more is a mad report, and would overflow 32 bits of milliseconds


def text(value: str) -> str:
    """`value` as every database can keep it; almost always `value` itself."""
    if value.isascii() and "\x00" not in value:
        return value
    return _UNSTORABLE.sub(lambda match: f"{_MARK}{ord(match[0]):04x}", value)


def texts(values: Sequence[str]) -> Sequence[str]:
    """The same of many; the very object where nothing has to be replaced."""
    whole = "".join(values)
    return values if text(whole) == whole else [text(value) for value in values]


def untext(stored: str) -> str:
    """The inverse of `text`."""
    if _MARK not in stored:
        return stored
    return _MARKED.sub(lambda match: chr(int(match[1], 16)), stored)


def optional_text(value: str | None) -> str | None:
    return None if value is None else text(value)


def optional_untext(stored: str | None) -> str | None:
    return None if stored is None else untext(stored)


CLASSES = "classes"  # in `case_order`: the order of execution within each class, unknown between them


def order_text(run: Run) -> str:
    return CLASSES if run.order is Order.UNKNOWN and run.ordered_classes else run.order.value


RUN_COLUMNS = (
    *("commit_sha", "branch", "job", "attempt", "shard", "host", "url", "duration"),
    *("producer", "case_order", "parallelism", "experiment"),
)
"""What every engine keeps of a run in columns with these names, beside its number, digest, start and properties."""


def stored_run(
    number: int,
    project: str,
    digest: str,
    started_at: datetime,
    columns: Sequence[Any],
    properties: Mapping[str, str],
) -> Run:
    """The run of a row that holds `RUN_COLUMNS`; `digest` and `properties` as they are stored."""
    commit, branch, job, attempt, shard, host, url, duration, producer, order, parallelism, experiment = columns
    return Run(
        id=number,
        project=project,
        digest=untext(digest),
        started_at=started_at,
        commit=optional_untext(commit),
        branch=optional_untext(branch),
        job=optional_untext(job),
        attempt=attempt,
        shard=optional_untext(shard),
        host=optional_untext(host),
        url=optional_untext(url),
        duration=duration,
        producer=untext(producer),
        order=Order.UNKNOWN if order == CLASSES else Order(order),
        ordered_classes=order == CLASSES,
        parallelism=parallelism,
        experiment=bool(experiment),
        properties={untext(name): untext(value) for name, value in properties.items()},
    )


def moment(value: datetime) -> str:
    """UTC in ISO 8601, always with microseconds: text order is time order."""
    return value.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def unmoment(stored: str) -> datetime:
    return datetime.fromisoformat(stored)


def milliseconds(seconds: float | None) -> int | None:
    """Whole milliseconds, which is what most producers write; None for what is no duration."""
    if seconds is None or not 0 <= seconds <= _LONGEST:  # one comparison that NaN and infinity fail as well
        return None
    return round(seconds * 1000)


@lru_cache(maxsize=10_000)  # most durations repeat
def stored_milliseconds(seconds: float | None) -> int:
    """The same in a column, which has a number of its own for what is no duration."""
    value = milliseconds(seconds)
    return NO_DURATION if value is None else value


def seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def optional_real(value: float | None) -> float | None:
    """SQLite has no NaN: it would turn into NULL at its own time, here it does at ours."""
    return None if value is None or math.isnan(value) else value


_UNHASHED = blake2b(digest_size=16)  # a copy of it is made in half the time that another one takes


def digest(*parts: bytes) -> bytes:
    """16 bytes that stand for `parts`; unlike a mere concatenation, ("ab", "c") and ("a", "bc") differ."""
    hashed = _UNHASHED.copy()
    for part in parts:
        hashed.update(b"%d:" % len(part))
        hashed.update(part)
    return hashed.digest()


def digest_of(said: bytes) -> bytes:
    """The same of parts that stand in one already, each behind its length and a colon."""
    hashed = _UNHASHED.copy()
    hashed.update(said)
    return hashed.digest()
