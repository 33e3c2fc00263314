"""Sets of tests as bitmaps: which tests a run executed, which it skipped.

One bit for each test that the history knows, compressed; the runs of a suite mostly share one set. With it the outcome
of any test in any run follows from the failures alone, without reading a result: executed and no failure is a pass.
"""

from __future__ import annotations

import zlib
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def bitmap(test_ids: AbstractSet[int]) -> bytes:
    """Bit i % 8 of byte i / 8, lowest first, for each of the tests."""
    least, most = min(test_ids, default=0), max(test_ids, default=-1)
    if len(test_ids) == most - least + 1:  # a suite's tests are numbered when it is first seen
        return ((1 << most + 1) - (1 << least)).to_bytes(most // 8 + 1, "little")
    bits = bytearray(most // 8 + 1)
    for test_id in test_ids:
        bits[test_id >> 3] |= 1 << (test_id & 7)
    return bytes(bits)


def holds(bits: bytes, test_id: int) -> bool:
    """Whether the test is in the set."""
    byte = test_id >> 3
    return byte < len(bits) and bool(bits[byte] & 1 << (test_id & 7))


def pack(bits: bytes) -> bytes:
    return zlib.compress(bits)


def unpack(members: bytes) -> NDArray[np.int64]:
    """The ids in the set, rising."""
    import numpy as np

    return np.flatnonzero(np.unpackbits(np.frombuffer(zlib.decompress(members), np.uint8), bitorder="little"))
