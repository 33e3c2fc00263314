"""In which rows a candidate wrote later than some writers, with a bit for each row.

A candidate wrote later than all of some writers where it wrote later than each: once each writer is compared with all
candidates, what holds of a set of them is told by logical ands, and counted 64 rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.order.writers import Places

_WORD = 64
_FEW = 1 << 15  # of fewer rows than this, products of counts fit into 32 bits
_BYTE = (1 << np.arange(8)).astype(np.uint8)
_REMEMBERED = 1 << 25  # bytes of tables
_CELLS = 1 << 22  # rows × candidates that are compared at a time
_START = -1  # in the place of a writer: the start of the run

Bits = NDArray[np.uint64]
Counts = NDArray[np.signedinteger]


class Later:
    """The rows in which each candidate wrote later than a writer: uint64[words, C] for each writer that is asked for.

    by_row: [M, C], when each candidate last wrote before each row.
    """

    def __init__(self, by_row: Places) -> None:
        self._tables = [by_row]
        self._known: dict[int, list[Bits]] = {}

    def with_more(self, by_row: Places) -> Later:
        """The same with more candidates behind those of before."""
        more = Later(by_row)
        more._tables = [*self._tables, by_row]
        more._known = {writer: list(parts) for writer, parts in self._known.items()}
        return more

    @property
    def ran(self) -> Bits:
        """The rows before which each candidate ran at all."""
        return self._than(_START)

    def than_all(self, writers: Sequence[int]) -> Bits:
        """The rows in which each candidate wrote, and later than each of these."""
        return reduce(np.bitwise_and, [self._than(writer) for writer in writers], self.ran)

    def _than(self, writer: int) -> Bits:
        parts = self._known.pop(writer, [])
        if len(parts) < len(self._tables):
            last = self._wrote(writer)[:, None]
            parts += [_greater(table, last) for table in self._tables[len(parts) :]]
        while self._known and sum(part.nbytes for part in parts) * (len(self._known) + 1) > _REMEMBERED:
            del self._known[next(iter(self._known))]  # what was asked for longest ago
        self._known[writer] = parts
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _wrote(self, writer: int) -> Places:
        if writer == _START:
            return np.full(len(self._tables[0]), _START, dtype=self._tables[0].dtype)
        for table in self._tables:
            if writer < table.shape[1]:
                break
            writer -= table.shape[1]
        wrote: Places = table[:, writer]
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


def counted(bits: Bits, rows: Bits, count: int) -> Counts:
    """[L, C]: how many rows there are, of L tables uint64[L, words, C] in the rows uint64[L, words]; count: M."""
    ones = _ones(bits & rows[:, :, None])
    kind = np.int32 if count < _FEW else np.int64
    return ones[:, 0].astype(kind) if ones.shape[1] == 1 else np.add.reduce(ones, axis=1, dtype=kind)


def _ones_by_halves(bits: Bits) -> NDArray[np.unsignedinteger[Any]]:
    """The number of bits that are set, by adding up neighbours (Warren, Hacker's Delight, section 5-1)."""
    pairs = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + ((pairs >> np.uint64(2)) & np.uint64(0x3333333333333333))
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    ones: NDArray[np.uint64] = (eights * np.uint64(0x0101010101010101)) >> np.uint64(56)
    return ones


_ones: Callable[[Bits], NDArray[np.unsignedinteger[Any]]] = getattr(np, "bitwise_count", _ones_by_halves)
