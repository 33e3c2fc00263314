import time

import pytest
from evidence_samples import words

from flakediag.analysis.evidence.comparison import traits, traits_of
from flakediag.analysis.evidence.pairs import Pair, pairs
from flakediag.analysis.weights import weights

PHRASED = [
    ("expected:<3> but was:<4>", ("3", "4")),
    ("expected: <a> but was: <b>", ("a", "b")),
    ("Expected: 3\n  Actual: 4", ("3", "4")),
    ("Expected: 3\nReceived: 4", ("3", "4")),
    ("expected: 3\n     got: 4\n\n(compared using ==)", ("3", "4")),
    ("expected 3, got 4", ("3", "4")),
    ("got 4, want 3", ("3", "4")),
    ("expected 'a' to be 'b'", ("b", "a")),
    ("Expected 4 to equal 3.", ("3", "4")),
    ("assert 4 == 3", ("3", "4")),
    ("4 did not equal 3", ("3", "4")),
    ("left: 4\n right: 3", ("3", "4")),
    ("AssertionError: 4 != 3", ("3", "4")),
    ("--- Expected\n+++ Actual\n@@ @@\n-'x'\n+'y'", ("x", "y")),
]
NO_COMPARISON = ["", "it broke", "expected the unexpected", "the left shoe", "a != sign alone", "got it", "want more"]


@pytest.mark.parametrize(("text", "sides"), PHRASED)
def test_the_two_sides(text, sides):
    assert sides in {(p.expected, p.actual) for p in pairs(text)}


@pytest.mark.parametrize("text", NO_COMPARISON)
def test_no_comparison(text):
    assert not [t for pair in pairs(text) for t in traits(pair)]


SHOWS = [
    ("another-order", "[1, 2, 3]", "[3, 1, 2]"),
    ("another-order", '{"a":1,"b":2}', '{"b":2,"a":1}'),
    ("last-digits", "0.30000000000000004", "0.3000000001"),
    ("last-digits", "[1.25001, 2.0]", "[1.25002, 2.0]"),
    ("times-close", "2026-03-01 10:00:00", "2026-03-01 10:00:01"),
    ("times-close", "1772359200", "1772359201"),
    ("times-close", "created 10 seconds ago", "created 11 seconds ago"),
    ("hours-apart", "2026-03-01 10:00:00", "2026-03-01 12:00:00"),
    ("days-apart", "2026-03-01 10:00:00", "2026-03-02 10:00:00"),
    ("days-apart", "2026-02-28", "2026-03-01"),
    ("years", "2026", "2025"),
    ("time-zone", "2026-03-01 10:00:00 +0200", "2026-03-01 08:00:00 +0000"),
    ("day-words", "due tomorrow", "due today"),
    ("day-words", "3 days left", "2 days left"),
    ("locale", "Mar 4, 2026, 3:05 PM", "4 Mar 2026, 3:05 PM"),
    ("path-separators", "a/b/c.txt", "a\\b\\c.txt"),
    ("line-endings", "one\\ntwo", "one\\r\\ntwo"),
    ("more-than-expected", "1", "14"),
    ("more-than-expected", "0", "2"),
    ("one-too-many", "1", "2"),
    ("nothing-yet", "3", "0"),
    ("fewer-than-expected", "5", "2"),
    ("one-lost", "100", "99"),
    ("status", "200", "404"),
    ("not-empty", "[]", "['left']"),
    ("empty", "paid", "null"),
]
SHOWS_NOTHING = [
    ("true", "false"),
    ("a", "b"),
    ("blue", "green"),
    ("[1, 2, 3]", "[1, 2, 4]"),
    ("1.5", "2.5"),
    ("0.5", "0.9"),
    ("2026-03-01 10:00:00", "2026-03-04 17:23:11"),
    ("2026-02-28", "2026-05-01"),
    ("room 2026-02-28", "hall 2026-03-01"),
    ("a/b/c.txt", "a/b/d.txt"),
    ("same", "same"),
    ("-3", "-9"),
    ("123456", "999999"),
    ("3 apples and pears", "five apples and pears"),
    ("due soon", "due later"),
]


@pytest.mark.parametrize(("name", "expected", "actual"), SHOWS)
def test_what_a_pair_shows(name, expected, actual):
    assert name in {t.name for t in traits(Pair(expected, actual, True))}


@pytest.mark.parametrize(("expected", "actual"), SHOWS_NOTHING)
def test_most_pairs_show_nothing(expected, actual):
    assert traits(Pair(expected, actual, True)) == []


def test_counts_say_nothing_where_the_sides_are_not_known():
    assert traits(Pair("1", "14", False)) == []
    assert [t.name for t in traits(Pair("40", "39", False))] == ["one-lost"]


ABOVE = [
    "assert 1.26 < 1.0",
    "elapsed: expected less than 100 but was 130",
    "Expected: (t.millis()) < (9), actual: 12 vs 9",
]
NOT_ABOVE = ["assert 3 < 2", "expected less than 2 but was 9000", "assert 1.0 < 1.0", "10 is not less than 20"]


@pytest.mark.parametrize("message", ABOVE)
def test_a_bound_that_was_just_missed(message):
    assert {t.name for t in traits_of(words(message))} & {"elapsed-above", "above-bound"}


@pytest.mark.parametrize("message", NOT_ABOVE)
def test_other_bounds(message):
    assert not {t.name for t in traits_of(words(message))} & {"elapsed-above", "above-bound"}


def test_every_trait_has_weights():
    table = weights("comparison")
    for name, expected, actual in SHOWS:
        assert name in table, (expected, actual)
    assert {"elapsed-above", "above-bound", "zone-missing"} <= set(table)


@pytest.mark.parametrize(
    "piece", ["expected but was ", "\n", " ", "expected: x got ", "a != ", "assert 1 < ", "1.1,", "["]
)
def test_hostile_input_takes_bounded_time(piece):
    long = words(piece * (100_000 // len(piece)), text=piece * (100_000 // len(piece)))
    began = time.perf_counter()
    traits_of(long)
    assert time.perf_counter() - began < 4.0
