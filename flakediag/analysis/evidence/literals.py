"""What a regular expression cannot match without: words of which a text must hold some, read off the pattern.

Looking for a word is a hundred times cheaper than trying a pattern, and most patterns of a catalogue have nothing to
find in most texts. The reading is cautious: what it does not understand requires nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# The parts of a pattern: an escape, a class, the start of a group, a quantifier, any other sign, a run of plain text.
_TOKEN = re.compile(
    r"""
      (?P<escape>\\.)
    | (?P<class>\[\^?\]?(?:\\.|[^\]\\])*\])
    | (?P<open>\((?:\?(?:P<\w+>|<?[=!]|[a-z]*-?[a-z]*:))?)
    | (?P<close>\))
    | (?P<or>\|)
    | (?P<quantifier>(?:[*+?]|\{(?P<least>\d*),?\d*\})[+?]?)
    | (?P<sign>[.^$\n])
    | (?P<plain>[^\\\[()|*+?{.^$\n]+|\{)
    """,
    re.VERBOSE | re.DOTALL,
)
_TAKEN_AS_THEY_ARE = ("(", "(?:")  # groups that are part of the match, in the case that is written

Words = tuple[str, ...]


class Needs(NamedTuple):
    """One alternative of a pattern. A text in which it matches holds, of each of `parts`, at least one word.

    The part that tells most stands first. No word has a line break in it.
    """

    pattern: str
    parts: tuple[Words, ...]


def needs(pattern: str) -> tuple[Needs, ...]:
    """The alternatives of a pattern (without flags) and what each needs. Raises `ValueError` where it is no pattern."""
    reader = _Reader(pattern)
    found = tuple(
        Needs(pattern[start:end], tuple(sorted(dict.fromkeys(parts), key=_telling, reverse=True)))
        for start, end, parts in reader.alternatives()
    )
    if not reader.at_end():
        raise ValueError(f"no pattern: {pattern!r}")
    return found


def _telling(part: Words) -> tuple[int, int]:
    """A long word is rare; one of many words is not."""
    return min(map(len, part)), -len(part)


class _Reader:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._tokens = list(_TOKEN.finditer(pattern))
        self._size = len(pattern)
        self._next = 0

    def at_end(self) -> bool:
        return self._next == len(self._tokens) and sum(len(token[0]) for token in self._tokens) == self._size

    def alternatives(self) -> Iterator[tuple[int, int, list[Words]]]:
        """Start, end and parts of each alternative, up to the bracket that closes the group or the end."""
        start = self._place()
        while True:
            parts = self._sequence()
            end = self._place()
            yield start, end, parts
            if self._kind() != "or":
                return
            self._next += 1
            start = self._place()

    def _place(self) -> int:
        return self._tokens[self._next].start() if self._next < len(self._tokens) else self._size

    def _kind(self) -> str | None:
        return self._tokens[self._next].lastgroup if self._next < len(self._tokens) else None

    def _sequence(self) -> list[Words]:
        """What one alternative needs: its runs of plain characters, and of each group in it one word or the other."""
        parts: list[Words] = []
        run = ""
        while (kind := self._kind()) not in (None, "or", "close"):
            token = self._tokens[self._next][0]
            self._next += 1
            if kind == "plain" or (kind == "escape" and not token[1].isalnum()):
                run += token[-1] if kind == "escape" else token
                if (least := self._repeated()) is None:
                    continue
                run = run if least else run[:-1]  # the quantifier is for the last character alone
                found = None
            elif kind == "open":
                found = self._group(token)
            else:
                found = None
                self._repeated()
            if run:
                parts.append((run,))
            run = ""
            if found:
                parts.append(found)
        return [*parts, (run,)] if run else parts

    def _group(self, opening: str) -> Words | None:
        """The words of which a group needs one; None where it can do without."""
        each = [max(parts, key=_telling, default=None) for _, _, parts in self.alternatives()]
        self._next += 1
        least = self._repeated()
        if least == 0 or opening not in _TAKEN_AS_THEY_ARE:
            return None
        words = [part for part in each if part is not None]
        return tuple(word for part in words for word in part) if len(words) == len(each) else None

    def _repeated(self) -> int | None:
        """How often at least what was read stands here; None where no quantifier follows, which is once."""
        if self._kind() != "quantifier":
            return None
        token = self._tokens[self._next]
        self._next += 1
        return int(token["least"] or 0) if token[0][0] == "{" else int(token[0][0] == "+")
