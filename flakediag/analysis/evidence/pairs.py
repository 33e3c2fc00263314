"""The two sides of failed comparisons, out of every framework's phrasing (`analysis/comparison.toml`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from flakediag import tables
from flakediag.analysis.evidence.phrases import Phrases

TRIED = 40  # places in a text at which a comparison may begin

_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n\s*\n")
_PLACES = re.compile(
    r"(?m:^)|\b(?:expected|want(?:ed)?|got|actual|received|returned|assert|left|a =|failed asserting|should|to have|"
    r"xctassert)",
    re.IGNORECASE,
)
_PLACEHOLDERS = {
    "VALUE": r"(.{1,600}?)",
    # The last alternatives: how Vitest names the comparison, and where Rust before 1.73 put the place of a panic.
    "END": r"(?=\s*(?:$|\n|\(compared|\(using|\s+at\s|//\s(?:object|deep|strict)|\)?', [\w./\\-]{1,200}\.rs:\d))",
    "NUMBER": r"\d{1,16}(?:\.\d{1,18})?",
}


class Trait(NamedTuple):
    """Something about a pair: the name of its weights in `weights.toml`, and a sentence for people."""

    name: str
    summary: str


class Pair(NamedTuple):
    """The two sides of a comparison. `sure` is False where it is not known which side was the expected one."""

    expected: str
    actual: str
    sure: bool


@cache
def phrasings() -> Mapping[str, Sequence[Phrases]]:
    """The catalogue; lists of plain words are one pattern each."""
    table = dict(tables.read("analysis/comparison.toml"))
    for name in ("time", "extra", "missing", "absent", "going_on", "at_the_end"):
        table[name] = ["|".join(table[name])]
    return {name: [_phrases(pattern) for pattern in patterns] for name, patterns in table.items()}


def _phrases(pattern: str) -> Phrases:
    # "VALUE END" is written with a space for the eye only.
    pattern = pattern.replace("VALUE END", "VALUEEND")
    for name in ("VALUE", "END", "NUMBER"):
        pattern = pattern.replace(name, _PLACEHOLDERS[name])
    return Phrases([pattern], re.IGNORECASE | re.DOTALL)


@lru_cache(maxsize=4096)
def pairs(text: str) -> tuple[Pair, ...]:
    """The comparisons that a text reports, in every framework's phrasing; at most eight.

    Patterns are tried at a limited number of places only (line starts and the words that comparisons begin with), so
    that the cost is bounded whatever the text.
    """
    text = _BLANK_LINES.sub("\n\n", _SPACES.sub(" ", text[:8000])).strip()[:6000]
    places = [match.start() for match, _ in zip(_PLACES.finditer(text), range(TRIED), strict=False)]
    found = list(_search("expected_first", text, places, lambda a, b: Pair(a, b, True)))
    found += _search("actual_first", text, places, lambda a, b: Pair(b, a, True))
    if not found:
        found += _search("unsure", text, places, lambda a, b: Pair(b, a, False))
    return tuple(dict.fromkeys(found))[:8]


class Diff(NamedTuple):
    """A difference of several lines: what only the expected and what only the actual side holds, one string each."""

    expected: str
    actual: str

    def changed(self) -> Pair:
        """The two sides without the words that both begin and end with."""
        one, other = self.expected.split(" "), self.actual.split(" ")
        while len(one) > 1 and len(other) > 1 and one[0] == other[0]:
            one, other = one[1:], other[1:]
        while len(one) > 1 and len(other) > 1 and one[-1] == other[-1]:
            one, other = one[:-1], other[:-1]
        return Pair(_bare(" ".join(one)), _bare(" ".join(other)), True)


_DIFF = re.compile(
    r"(?m)^\s{0,12}-{1,3} ?(?:expected|want)\b[^\n]{0,80}\n\s{0,12}\+{1,3} ?(?:actual|received|got)\b[^\n]{0,80}$",
    re.IGNORECASE,
)
_SIGNED = re.compile(r"\s{0,12}([-+]) ?(.*)")


@lru_cache(maxsize=4096)
def diff(text: str) -> Diff | None:
    """The first unified difference of a text that says which side was the expected one; None where there is none."""
    head = _DIFF.search(text[:8000])
    if head is None:
        return None
    sides: dict[str, list[str]] = {"-": [], "+": []}
    for line in text[head.end() : head.end() + 6000].splitlines():
        signed = _SIGNED.fullmatch(line)
        if signed:
            sides[signed[1]].append(signed[2].strip())
    return Diff(" ".join(sides["-"]), " ".join(sides["+"]))


def _search(name: str, text: str, places: Sequence[int], make: Callable[[str, str], Pair]) -> Iterator[Pair]:
    for phrases in phrasings()[name]:
        pattern = phrases.within(text)
        if pattern is None:
            continue
        end = 0
        for place in places:
            if place >= end and (match := pattern.match(text, place)):
                end = match.end()
                yield make(_bare(match[1]), _bare(match[2]))


def _bare(value: str) -> str:
    """A value without the quotes and brackets that a framework puts around it."""
    value = value.strip().rstrip(",.;") if not value.strip().endswith("...") else value.strip()
    for left, right in (("<", ">"), ('"', '"'), ("'", "'"), ("`", "`")):
        if len(value) >= 2 and value.startswith(left) and value.endswith(right):
            return value[1:-1]
    return value
