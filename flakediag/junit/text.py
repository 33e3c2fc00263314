"""Long texts, kept by their head and their tail, and names in an order that people expect."""

from __future__ import annotations

import re


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """A sort key that puts run-2 before run-10."""
    parts = re.split(r"(\d+)", text)
    return (
        *((len(part.lstrip("0")), part.lstrip("0")) if part.isdigit() else (-1, part) for part in parts),
        (-2, text),
    )


def capped(text: str, limit: int) -> str:
    """`text`, or where it is longer than `limit` characters its head and its tail with a remark between them."""
    if len(text) <= limit:
        return text
    collector = CappedText(limit)
    collector.add(text)
    return collector.text()


class CappedText:
    """Collects a text that arrives in pieces, holding at most about three times `limit` characters at any time."""

    __slots__ = ("_head", "_head_room", "_limit", "_seen", "_tail", "_tail_length", "_tail_room")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tail_room = limit // 2
        self._head_room = limit - self._tail_room
        self._head: list[str] = []
        self._tail: list[str] = []
        self._tail_length = 0
        self._seen = 0

    def add(self, piece: str) -> None:
        self._seen += len(piece)
        if self._head_room:
            self._head.append(piece[: self._head_room])
            kept = min(len(piece), self._head_room)
            self._head_room -= kept
            piece = piece[kept:]
        if not piece:
            return
        self._tail.append(piece)
        self._tail_length += len(piece)
        if self._tail_length > 2 * self._limit:
            self._shrink()

    def _shrink(self) -> None:
        joined = "".join(self._tail)
        self._tail = [joined[len(joined) - self._tail_room :]]
        self._tail_length = len(self._tail[0])

    def text(self) -> str:
        if self._seen <= self._limit:
            return "".join(self._head) + "".join(self._tail)
        self._shrink()
        return f"{''.join(self._head)}\n[… {self._seen - self._limit} characters left out …]\n{''.join(self._tail)}"
