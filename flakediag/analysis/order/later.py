"""In which rows a candidate wrote later than some writers, with a bit for each row.

A candidate wrote later than all of some writers where it wrote later than each: once each writer is compared with all
candidates, what holds of a set of them is told by logical ands, and counted 64 rows at a time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.writers import Places

_WORD = 64
_BYTE = (1 << np.arange(8)).astype(np.uint8)
_REMEMBERED = 1 << 25  # bytes of tables
_CELLS = 1 << 22  # rows × candidates that are compared at a time
_START = -1  # in the place of a writer: the start of the run

Bits = NDArray[np.uint64]
Counts = NDArray[np.unsignedinteger[Any]]


class Later:
    """The rows in which each candidate wrote later than a writer, for each writer that is asked for.

    tables: [M, C] each, when each candidate of one part last wrote before each row; their numbers go on from part to
    part.
    """

    def __init__(self, *tables: Places) -> None:
        self._tables = tables
        self._firsts = [0, *accumulate(table.shape[1] for table in tables)]
        self._known: dict[tuple[int, int], Bits] = {}
        self._bytes = 0

    def with_more(self, by_row: Places) -> Later:
        """The same with one more part."""
        more = Later(*self._tables, by_row)
        more._known, more._bytes = dict(self._known), self._bytes
        return more

    def ran(self, part: int = 0) -> Bits:
        """uint64[words, C]: the rows before which each candidate of a part ran at all."""
        return self._than(_START, part)

    def than_all(self, writers: Sequence[int], part: int = 0) -> Bits:
        """uint64[words, C]: the rows in which each candidate of a part wrote, and later than each of these."""
        return reduce(np.bitwise_and, [self._than(writer, part) for writer in writers or (_START,)])

    def rows(self, candidate: int, writers: Sequence[int]) -> int:
        """The rows, a bit for each, in which one candidate wrote, and later than each of these."""
        part = bisect_right(self._firsts, candidate) - 1
        place, found = candidate - self._firsts[part], -1
        for writer in writers or (_START,):
            known = self._known.get((part, writer))
            if known is None:
                known, column = bits_of(self._wrote(candidate) > self._wrote(writer))[:, None], 0
            else:
                column = place
            found &= int(known[0, column]) if len(known) == 1 else int.from_bytes(known[:, column].tobytes(), "little")
        return found

    def _than(self, writer: int, part: int) -> Bits:
        found = self._known.pop((part, writer), None)
        if found is None:
            found = _greater(self._tables[part], self._wrote(writer)[:, None])
            self._bytes += found.nbytes
        while self._known and self._bytes > _REMEMBERED:
            self._bytes -= self._known.pop(next(iter(self._known))).nbytes  # what was asked for longest ago
        self._known[part, writer] = found
        return found

    def _wrote(self, writer: int) -> Places:
        if writer == _START:
            return np.full(len(self._tables[0]), _START, dtype=self._tables[0].dtype)
        part = bisect_right(self._firsts, writer) - 1
        wrote: Places = self._tables[part][:, writer - self._firsts[part]]
        return wrote


def bits_of(rows: NDArray[np.bool_]) -> Bits:
    """uint64[..., words] of bool[..., M]."""
    *lines, size = rows.shape
    padded = np.zeros((*lines, -(-size // _WORD) * _WORD), dtype=np.bool_)
    padded[..., :size] = rows
    return np.packbits(padded, axis=-1, bitorder="little").view(np.uint64)


def _greater(table: Places, last: Places) -> Bits:
    """uint64[words, C]: which rows of a table [M, C] are greater than `last` [M, 1].

    As `packbits` along the first axis, in a tenth of the time.
    """
    count, size = table.shape
    words = -(-count // _WORD)
    found = np.empty((words, size), dtype=np.uint64)
    at_once = max(1, _CELLS // (_WORD * max(1, size)))  # words
    for start in range(0, words, at_once):
        into = found[start : start + at_once]
        rows = slice(start * _WORD, min(count, (start + len(into)) * _WORD))
        later = np.zeros((len(into) * _WORD, size), dtype=np.bool_)
        np.greater(table[rows], last[rows], out=later[: rows.stop - rows.start])
        eights = later.view(np.uint8).reshape(len(into) * 8, 8, size)
        eights *= _BYTE[:, None]
        in_bytes = np.add.reduce(eights, axis=1, dtype=np.uint8).reshape(len(into), 8, size)
        into[:] = np.ascontiguousarray(in_bytes.transpose(0, 2, 1)).view(np.uint64)[..., 0]
    return found


def number_of(rows: NDArray[np.bool_]) -> int:
    """A bit for each of bool[M]."""
    return int.from_bytes(np.packbits(rows, bitorder="little").tobytes(), "little")


def words_of(rows: Sequence[int], count: int) -> Bits:
    """uint64[L, words] of L numbers with a bit for each of M rows; count: M."""
    size = 8 * -(-count // _WORD)
    return np.frombuffer(b"".join(one.to_bytes(size, "little") for one in rows), dtype="<u8").reshape(len(rows), -1)


def counted(bits: Bits, rows: Bits, room: Bits | None = None) -> Counts:
    """[L, C]: how many rows there are, of L tables uint64[L, words, C] in the rows uint64[L, words].

    As small numbers as will do. room: as large as the tables, to be written over.
    """
    ones, kind = _ones(np.bitwise_and(bits, rows[:, :, None], out=room)), np.min_scalar_type(_WORD * rows.shape[1])
    return ones[:, 0].astype(kind, copy=False) if ones.shape[1] == 1 else np.add.reduce(ones, axis=1, dtype=kind)


def _ones_by_halves(bits: Bits) -> NDArray[np.unsignedinteger[Any]]:
    """The number of bits that are set, by adding up neighbours (Warren, Hacker's Delight, section 5-1)."""
    pairs = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + ((pairs >> np.uint64(2)) & np.uint64(0x3333333333333333))
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    ones: NDArray[np.uint64] = (eights * np.uint64(0x0101010101010101)) >> np.uint64(56)
    return ones


_ones: Callable[[Bits], NDArray[np.unsignedinteger[Any]]] = getattr(np, "bitwise_count", _ones_by_halves)
