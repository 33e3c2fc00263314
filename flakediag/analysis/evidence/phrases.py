"""Patterns that are alternatives of each other, tried only where they can match.

A catalogue asks hundreds of things of each text, and the answer is nearly always no. So an alternative is compiled and
tried only on a text that holds the words it cannot match without (`literals.py`); what is found is what the whole
pattern would find.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from flakediag.analysis.evidence.literals import Needs, needs


class Phrases:
    """One pattern, made of several without groups that are asked for. `flags` as for `re.compile`, less `VERBOSE`."""

    def __init__(self, patterns: Sequence[str], flags: re.RegexFlag = re.NOFLAG) -> None:
        self.patterns = tuple(patterns)
        self.flags = flags
        self._any_case = bool(flags & re.IGNORECASE)
        self._compiled: dict[tuple[int, ...], re.Pattern[str]] = {}

    def search(self, text: str) -> re.Match[str] | None:
        pattern = self.within(text)
        return pattern.search(text) if pattern else None

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        pattern = self.within(text)
        return pattern.finditer(text) if pattern else iter(())

    def fullmatch(self, text: str) -> re.Match[str] | None:
        pattern = self.within(text)
        return pattern.fullmatch(text) if pattern else None

    def may_match(self, text: str) -> bool:
        """False only where nothing can match: not in the text, nor in a part of it."""
        if self.always or (self._any_case and not text.isascii()):
            return True
        text = text.lower() if self._any_case else text
        for word in self.words:  # noqa: SIM110 - half of the time of `any`, and asked for each rule of each test
            if word in text:
                return True
        return False

    def within(self, text: str) -> re.Pattern[str] | None:
        """Those alternatives that can match somewhere in the text, as one pattern; None where none can."""
        if self._any_case:
            if not text.isascii():  # some letters outside ASCII are, to who ignores case, the same as one in it
                return self._joined(tuple(range(len(self._needs))))
            text = text.lower()
        for word in self.words:
            if word in text:
                return self._joined(self._possible(text))
        return self._joined(self.always) if self.always else None

    def _possible(self, text: str) -> tuple[int, ...]:
        """The numbers of the alternatives whose words the text holds, rising."""
        likely = {way for word, ways in self.words.items() if word in text for way in ways}.union(self.always)
        return tuple(
            way
            for way in sorted(likely)
            if all(any(word in text for word in part) for part in self._needs[way].parts[1:])
        )

    def _joined(self, ways: tuple[int, ...]) -> re.Pattern[str] | None:
        if ways and ways not in self._compiled:
            self._compiled[ways] = re.compile("|".join(self._needs[way].pattern for way in ways), self.flags)
        return self._compiled.get(ways)

    @cached_property
    def _needs(self) -> tuple[Needs, ...]:
        found = [one for pattern in self.patterns for one in needs(pattern)]
        if self._any_case:
            found = [
                Needs(one.pattern, tuple(tuple(map(str.lower, part)) for part in one.parts if "".join(part).isascii()))
                for one in found
            ]
        return tuple(found)

    @cached_property
    def words(self) -> Mapping[str, Sequence[int]]:
        """Each word of the parts that tell most, and the numbers of the alternatives whose it is."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for way, one in enumerate(self._needs):
            for word in one.parts[0] if one.parts else ():
                found[word].append(way)
        return dict(found)

    @cached_property
    def always(self) -> tuple[int, ...]:
        """The alternatives that need no word."""
        return tuple(way for way, one in enumerate(self._needs) if not one.parts)
