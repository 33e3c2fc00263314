"""The beginning of a file, looked at before it is decided how the whole is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

Chunks = Callable[[], Iterator[bytes]]
"""Reads a file from its beginning, in pieces, as often as it is called."""


class Peeked:
    """A file's chunks. What was read to look at its beginning is not read again."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._taken: list[bytes] = []
        self._rest: Iterator[bytes] | None = None

    def head(self, size: int) -> bytes:
        """The first `size` bytes, fewer only where the file is shorter. To be called before the file is read."""
        if self._rest is None:
            self._rest = self._chunks()
        while sum(map(len, self._taken)) < size:
            chunk = next(self._rest, None)
            if chunk is None:
                break
            self._taken.append(chunk)
        return b"".join(self._taken)[:size] if len(self._taken) != 1 else self._taken[0][:size]

    def __call__(self) -> Iterator[bytes]:
        if self._rest is None:
            return self._chunks()
        taken, rest, self._taken, self._rest = self._taken, self._rest, [], None
        return chain(taken, rest)
