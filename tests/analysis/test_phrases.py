"""Patterns that are tried only where their words stand find what the patterns themselves find."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flakediag.analysis.boundary import _catalogue as boundary_catalogue
from flakediag.analysis.evidence.literals import needs
from flakediag.analysis.evidence.pairs import phrasings
from flakediag.analysis.evidence.phrases import Phrases
from flakediag.analysis.evidence.portwords import phrases as port_phrases
from flakediag.analysis.evidence.skimming import speaking
from flakediag.analysis.evidence.text import read
from flakediag.analysis.evidence.words import catalogue
from flakediag.model import FailureDetail

NEEDS = [
    ("address in use", [[("address in use",)]]),
    (r"in use\b|\d+ taken", [[("in use",)], [(" taken",)]]),
    (r"timed? ?out", [[("time",), ("out",)]]),
    (r"no+ such{2,3} file", [[(" such",), (" file",), ("no",)]]),
    (r"x{0,3}yz?", [[("y",)]]),
    (r"connection (?:was )?reset", [[("connection ",), ("reset",)]]),
    (r"(?:cannot|unable to) bind", [[("cannot", "unable to"), (" bind",)]]),
    (r"(?:cannot|) bind", [[(" bind",)]]),
    (r"(?:a|bc(?:de|f))+ end", [[(" end",), ("a", "bc")]]),
    (r"\[errno 98\]", [[("[errno 98]",)]]),
    (r"a[bc|d)]e", [[("a",), ("e",)]]),
    (r"[]x]y", [[("y",)]]),
    (r"(?!not )valid(?<!in) (?=http)", [[("valid",), (" ",)]]),
    (r"(?P<what>file) gone", [[(" gone",)]]),
    (r"(?i:Port) 1", [[(" 1",)]]),
    (r"(?m:^)here", [[("here",)]]),
    ("first\nsecond", [[("second",), ("first",)]]),
    (r"\d+|.", [[], []]),
    ("", [[]]),
]


@pytest.mark.parametrize(("pattern", "expected"), NEEDS)
def test_what_a_pattern_cannot_match_without(pattern: str, expected: list[list[tuple[str, ...]]]) -> None:
    assert [list(one.parts) for one in needs(pattern)] == expected
    assert "|".join(one.pattern for one in needs(pattern)) == pattern


@pytest.mark.parametrize("pattern", ["a)", "(a", "[a"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="no pattern"):
        needs(pattern)


def _catalogues() -> Iterator[Phrases]:
    """All patterns that are shipped, of every catalogue."""
    for rule in catalogue():
        yield rule.pattern
        if rule.unless:
            yield rule.unless
    yield from (phrases for phrases in port_phrases().values() if isinstance(phrases, Phrases))
    yield from chain.from_iterable(phrasings().values())
    yield from chain.from_iterable(boundary_catalogue()[0].values())
    yield from (phrases for _, phrases in boundary_catalogue()[1])


SHIPPED = list(_catalogues())


def plain(phrases: Phrases) -> re.Pattern[str]:
    return re.compile("|".join(phrases.patterns), phrases.flags)


def told(match: re.Match[str] | None) -> tuple[tuple[int, int], dict[str, str]] | None:
    return None if match is None else (match.span(), match.groupdict())


def test_every_shipped_alternative_is_spared_most_texts() -> None:
    """An alternative without a word would be tried on every text, and its neighbours skimmed for nothing."""
    without = [phrases.patterns for phrases in SHIPPED if phrases.always]
    assert len(without) <= 6, without


@given(data=st.data(), which=st.sampled_from(SHIPPED))
@settings(suppress_health_check=list(HealthCheck), max_examples=300, deadline=None)
def test_a_text_that_a_shipped_pattern_matches_holds_its_words(data: st.DataObject, which: Phrases) -> None:
    pattern = data.draw(st.sampled_from(which.patterns))
    alternative = data.draw(st.sampled_from(needs(pattern))).pattern
    signs = "".join({sign for sign in alternative if not sign.isascii()})  # such as an arrow
    alphabet = st.characters(max_codepoint=127, include_characters=signs)
    text = data.draw(st.from_regex(re.compile(alternative, which.flags), alphabet=alphabet))
    around = data.draw(st.sampled_from(["", "error: ", "port 8080\n", " is already in use"]))
    for whole in (text, around + text, text + around):
        expected = plain(which)
        assert told(which.search(whole)) == told(expected.search(whole))
        assert [told(m) for m in which.finditer(whole)] == [told(m) for m in expected.finditer(whole)]
        assert (which.fullmatch(whole) is None) == (expected.fullmatch(whole) is None)


@given(st.lists(st.sampled_from(["a", "b", "bc", "(?:a|b)c", "c+", "[ab]d", "a?d", "b|cd"]), min_size=1, max_size=4))
def test_alternatives_are_found_where_the_whole_finds_them(patterns: list[str]) -> None:
    tried = Phrases(patterns)
    for text in ("", "a", "d", "xbc", "acd", "abcabd", "ccc", "bd cd"):
        assert [m.span() for m in tried.finditer(text)] == [m.span() for m in plain(tried).finditer(text)]


@pytest.mark.parametrize("text", ["KILLED", "\N{KELVIN SIGN}illed", "kılled", "\N{LATIN SMALL LETTER LONG S}ocket"])
def test_case_is_ignored_as_the_pattern_ignores_it(text: str) -> None:
    tried = Phrases(["killed", "socket"], re.IGNORECASE)
    assert tried.search(text)
    assert told(tried.search(text)) == told(plain(tried).search(text))


LINES = st.sampled_from(
    [
        *("Address already in use", "port 8080 is taken", "port 8080", "taken", "E   bind: address already in use"),
        *("  at java.net.ServerSocket.bind(ServerSocket.java:5)", "connection", "refused", "EOF", "all is well", ""),
    ]
)
BREAKS = st.sampled_from(["\n", "\r\n", "\x0b", "\u2028", " "])


@st.composite
def texts(draw: st.DrawFn) -> str:
    return "".join(line + draw(BREAKS) for line in draw(st.lists(LINES, max_size=4)))


@given(st.lists(st.builds(FailureDetail, LINES, texts(), texts(), texts()), max_size=5))
def test_no_failure_that_says_something_is_skimmed_over(details: list[FailureDetail]) -> None:
    asked = [port_phrases()[name] for name in ("bind", "refused", "cut")]
    kept = list(speaking(details, asked))
    assert kept == [detail for detail in details if detail in kept]  # in order
    for detail in details:
        if any(plain(phrases).search(read(detail).whole) for phrases in asked):
            assert detail in kept


def test_a_failure_without_a_word_of_the_phrases_is_skimmed_over() -> None:
    silent, loud = FailureDetail("", "all is well", ""), FailureDetail("", "Address already in use", "")
    assert list(speaking([silent, loud], [Phrases(["in use"])])) == [loud]
    assert list(speaking([silent, loud], [Phrases(["in use", r"\d*"])])) == [silent, loud]
