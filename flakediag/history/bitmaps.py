"""Sets of tests as bitmaps: which tests a run executed, which it skipped.

One bit for each test that the history knows, compressed; the runs of a suite mostly share one set. With it the outcome
of any test in any run follows from the failures alone, without reading a result: executed and no failure is a pass.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def bitmap(test_ids: Collection[int]) -> bytes:
    bits = bytearray(max(test_ids, default=-1) // 8 + 1)
    for test_id in test_ids:
        bits[test_id >> 3] |= 1 << (test_id & 7)
    return bytes(bits)


def pack(bits: bytes) -> bytes:
    return zlib.compress(bits)


def unpack(members: bytes) -> NDArray[np.int64]:
    """The ids in the set, rising."""
    import numpy as np

    return np.flatnonzero(np.unpackbits(np.frombuffer(zlib.decompress(members), np.uint8), bitorder="little"))
