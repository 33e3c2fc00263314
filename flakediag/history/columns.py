"""The results of a run as packed columns: what a history is mostly made of, in about three bytes for each result.

A column of numbers is written as four planes, first the lowest byte of every number, then the next, and so on, all
deflated together. Small numbers leave three planes of zeros, which take no space; numbers in any order leave one or
two planes that hold what there is to know. A column that holds the same ordinary value everywhere (passed, at the
first attempt, no duration) is not written at all.

Writing needs the standard library alone: who only stores results should not wait for numpy to load.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_DURATION = -1  # in a column of milliseconds
_QUICK = 1  # zlib's level: the higher ones take three times as long and save a twentieth


def pack(numbers: array[int]) -> bytes:
    """`numbers`, an `array("i")` of 32-bit integers, as bytes."""
    if sys.byteorder == "big":
        numbers = array("i", numbers)
        numbers.byteswap()
    plain = numbers.tobytes()
    return zlib.compress(b"".join([plain[0::4], plain[1::4], plain[2::4], plain[3::4]]), _QUICK)


def unpack(packed: bytes) -> NDArray[np.int32]:
    """int32[n]: the inverse of `pack`. Raises `zlib.error` or `ValueError` where the bytes are damaged."""
    import numpy as np

    planes = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(4, -1)
    numbers = np.zeros(planes.shape[1], dtype="<i4")
    plain = numbers.view(np.uint8).reshape(-1, 4)
    for n, plane in enumerate(planes):
        if plane.any():  # the higher ones hold zeros alone in most columns
            plain[:, n] = plane
    return numbers.astype(np.int32, copy=False)


def unpack_plain(packed: bytes) -> array[int]:
    """The same as `array("i")`, without numpy."""
    planes = zlib.decompress(packed)
    size, rest = divmod(len(planes), 4)
    if rest:
        raise ValueError("the planes differ in length")
    plain = bytearray(len(planes))
    for plane in range(4):
        plain[plane::4] = planes[plane * size : (plane + 1) * size]
    numbers = array("i", bytes(plain))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def pack_bytes(values: bytes) -> bytes:
    return zlib.compress(values, _QUICK)


def unpack_bytes(packed: bytes) -> bytes:
    """Raises `zlib.error` where the bytes are damaged."""
    return zlib.decompress(packed)
