"""What is said of tests that cannot be written yet, for they run or stand inside others, and how much of it is held."""

from __future__ import annotations

from flakediag.junit.settings import MIB, ReadSettings
from flakediag.junit.text import CappedText

MOST = 32 * MIB  # characters, of all tests of a file together


class Held:
    """How much of one file is held at the moment. What goes beyond the room is passed over."""

    def __init__(self, settings: ReadSettings) -> None:
        self.settings = settings
        self.size = 0  # characters


class Output:
    """What one test printed: its head and its tail."""

    __slots__ = ("_held", "_size", "_text")

    def __init__(self, held: Held) -> None:
        self._held = held
        self._size = 0
        self._text = CappedText(held.settings.max_text)

    def add(self, piece: str) -> None:
        if self._held.size < MOST:
            kept = min(len(piece), max(3 * self._held.settings.max_text - self._size, 0))  # what a `CappedText` holds
            self._size += kept
            self._held.size += kept
            self._text.add(piece)

    def text(self) -> str:
        return self._text.text()

    def let_go(self) -> None:
        self._held.size -= self._size
        self._size = 0


class Texts:
    """Texts by name: as many, and each as long, as the settings allow."""

    __slots__ = ("_held", "_texts")

    def __init__(self, held: Held) -> None:
        self._held = held
        self._texts: dict[str, str] = {}

    def get(self, name: str) -> str:
        return self._texts.get(name, "")

    def put(self, name: str, text: str) -> None:
        """Where there is no room, what was there before stays."""
        settings = self._held.settings
        more = len(text) - len(self.get(name))
        known = name in self._texts or len(self._texts) < settings.max_children
        if known and len(text) <= settings.max_text and self._held.size + more <= MOST:
            self._texts[name] = text
            self._held.size += more

    def let_go(self) -> None:
        self._held.size -= sum(map(len, self._texts.values()))
        self._texts = {}
