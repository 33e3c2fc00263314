"""Keys that follow from content: whoever stores the same thing finds the same key, and nobody has to ask for one.

Projects and tests have 63-bit numbers, so that numpy can hold them; in a project with a million tests, the odds that
any two of them meet are one in twenty million. What may come by the billion (texts of failures) has 128 bits.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from datetime import UTC, datetime

from flakediag.history.values import digest, text
from flakediag.model import Identity


def project_key(name: str) -> int:
    return _number(b"project", text(name).encode())


def test_key(project: int, test: Identity) -> int:
    return _number(b"test", b"%d" % project, *(text(part).encode() for part in test))


def roster_key(tests: Iterable[int]) -> bytes:
    """Of a set of tests, whatever their order."""
    return digest(b"roster", pack_keys(array("q", sorted(tests))))


def month_of(moment: datetime) -> int:
    """202405 for May 2024, in UTC."""
    at = moment.astimezone(UTC)
    return at.year * 100 + at.month


def next_month(month: int) -> int:
    return month + 1 if month % 100 < 12 else month + 89


def months_from(month: int, number: int) -> list[int]:
    """`month` and those after it, `number` in all."""
    found = [month]
    while len(found) < number:
        found.append(next_month(found[-1]))
    return found


def pack_keys(keys: array[int]) -> bytes:
    """`keys`, an `array("q")`, as little-endian 64-bit numbers."""
    if sys.byteorder == "big":
        keys = array("q", keys)
        keys.byteswap()
    return keys.tobytes()


def unpack_keys(packed: bytes) -> array[int]:
    """The inverse of `pack_keys`."""
    keys = array("q", packed)
    if sys.byteorder == "big":
        keys.byteswap()
    return keys


def _number(*parts: bytes) -> int:
    return int.from_bytes(digest(*parts)[:8], "big") >> 1
