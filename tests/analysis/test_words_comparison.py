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
    ("Expected size: 3 but was: 4 in:\n[a, b, c, d]", ("3", "4")),
    ("expected [3] but found [4]", ("3", "4")),
    ("Expected: is <3>\n     but: was <4>", ("3", "4")),
    ("expected: a value that is equal to 3\nbut was: 4", ("3", "4")),
    ("  Expected: 3\n  But was:  4\n", ("3", "4")),
    ("Expected basket to have 3 item(s), but found 4.", ("3", "4")),
    ("Expected total to be 3 because two were free, but found 4.", ("3", "4")),
    ("expected `Order.count` to have changed by 3, but was changed by 4", ("3", "4")),
    ("Failed asserting that 4 matches expected 3.", ("3", "4")),
    ("Failed asserting that actual size 4 matches expected size 3.", ("3", "4")),
    ("Failed asserting that 4 is identical to 3.", ("3", "4")),
    ("basket_test.go:12: len(items) = 4, want 3", ("3", "4")),
    ("basket_test.go:12: want 3, got 4", ("3", "4")),
    ('"[x]" should have 3 item(s), but has 4', ("3", "4")),
    ("expected [ 1 ] to have a length of 3 but got +4", ("3", "4")),
    ("3 invoices expected, got 4", ("3", "4")),
    ("Expected values to be strictly equal:\n\n4 !== 3\n", ("3", "4")),
    ("Expected equality of these values:\n  items.size()\n    Which is: 4\n  3", ("3", "4")),
    ('XCTAssertEqual failed: ("4") is not equal to ("3")', ("3", "4")),
    (
        'XCTAssertEqual failed: ("4") is not equal to ("3")\n\nXCTAssertEqual failed: ("4") is not equal to ("3")',
        ("3", "4"),
    ),
    ("Expectation failed: (basket.count → 4) == 3", ("3", "4")),
    ("Expected\n    <int>: 4\nto equal\n    <int>: 3", ("3", "4")),
    ("REQUIRE( n == 3 )\nwith expansion:\n  4 == 3", ("3", "4")),
    ("ERROR: CHECK( n == 3 ) is NOT correct!\n  values: CHECK( 4 == 3 )", ("3", "4")),
    ("<3> expected but was\n<4>.", ("3", "4")),
    ("AssertionError: expected 4 to be 3 // Object.is equality", ("3", "4")),
    ("assert 4 is 3", ("3", "4")),
    ("panicked at 'assertion failed: `(left == right)`\n  left: `4`,\n right: `3`', src/basket.rs:36:9", ("3", "4")),
]
NO_COMPARISON = [
    "",
    "it broke",
    "expected the unexpected",
    "the left shoe",
    "a != sign alone",
    "got it",
    "want more",
    "it has 4 sizes",
    "failed asserting",
    "we have changed by then",
    "Expected values to be equal",
    "assert None is not None",
    "one → two",
]


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
    ("one-too-many", "1", "2"),
    ("nothing-yet", "3", "0"),
    ("fewer-than-expected", "5", "2"),
    ("one-lost", "100", "99"),
    ("nearly-all", "200", "193"),
    ("one-for-none", "0", "1"),
    ("nothing-yet", "exactly one tick", "0"),
    ("in-progress", "done", "running"),
    ("in-progress", "'completed'", "'pending'"),
    ("in-progress", "SUCCEEDED", "IN_PROGRESS"),
    ("empty-collection", "[2]", "[]"),
    ("empty-collection", "['mail']", "Array []"),
    ("empty-collection", "one line", "''"),
    ("extra-elements", "[false, true]", "[false, true, false, true]"),
    ("extra-elements", '[]string{"one"}', '[]string{"one", "two"}'),
    ("missing-elements", "[1, 2, 3]", "[1, 3]"),
    ("another-value", "EUR", "CHF"),
    ("another-value", "/author/ada", "/author/grace"),
    ("another-value", "blue", "green"),
    ("path-separators", "/a/b/c", "C:\\a\\b\\c"),
    ("times-close", "2026-03-01T10:00:00.867Z", "2026-03-01T10:00:00.865Z"),
    ("status", "200", "404"),
    ("not-empty", "[]", "['left']"),
    ("absent", "paid", "null"),
    ("days-apart", "datetime.date(2026, 3, 1)", "datetime.date(2026, 3, 2)"),
    ("times-close", "datetime.datetime(2026, 3, 1, 10, 0, 1)", "datetime.datetime(2026, 3, 1, 10, 0)"),
    ("day-words", "Mar 16, 2026", "Mar 15, 2026"),
    ("summer-time", "2026-09-12 20:00:00 -0400", "2026-09-12 20:00:00 -0300"),
    ("rate-limited", "200", "429"),
    ("some-for-none", "0", "12"),
    ("false-yet", "true", "False"),
    ("true-already", "false", "true"),
]
SHOWS_NOTHING = [
    ("a", "b"),
    ("[1, 2, 3]", "[1, 2, 4]"),
    ("1.5", "2.5"),
    ("0.5", "0.9"),
    ("2026-03-01 10:00:00", "2026-03-04 17:23:11"),
    ("2026-02-28", "2026-05-01"),
    ("room 2026-02-28", "hall 2026-03-01"),
    ("null", "error: no such order"),
    ("level 3", "level 4"),
    ("a sentence of many words that goes on", "another sentence of many words"),
    ("same", "same"),
    ("-3", "-9"),
    ("123456", "999999"),
    ("3 apples and pears", "five apples and pears"),
    ("[1, ...]", "[1, 2, ...]"),
    ("58s", "66s"),
    ("1500 ms", "20 ms"),
    ("20 minutes", "20 minutes"),
]


@pytest.mark.parametrize(("name", "expected", "actual"), SHOWS)
def test_what_a_pair_shows(name, expected, actual):
    assert name in {t.name for t in traits(Pair(expected, actual, True))}


@pytest.mark.parametrize(("expected", "actual"), SHOWS_NOTHING)
def test_most_pairs_show_nothing(expected, actual):
    assert traits(Pair(expected, actual, True)) == []


def test_counts_say_nothing_where_the_sides_are_not_known():
    assert traits(Pair("1", "14", False)) == []
    assert traits(Pair("true", "false", False)) == []
    assert traits(Pair("10", "11", False)) == []
    assert [t.name for t in traits(Pair("40", "39", False))] == ["one-lost"]


ABOVE = [
    "assert 1.26 < 1.0",
    "elapsed: expected less than 100 but was 130",
    "Expected: (t.millis()) < (9), actual: 12 vs 9",
    "Expected: < 300\nReceived:   1317",
    "expected 36.1999 to be less than 30.4",
    "the loop paid it once: expected 96 to be less than 94",
    "assert 1.0 < 1.0",
]
NOT_ABOVE = ["assert 3 < 2", "expected less than 2 but was 9000", "assert 0.24 < 0.2", "10 is not less than 20"]


@pytest.mark.parametrize("message", ABOVE)
def test_a_bound_that_was_just_missed(message):
    assert {t.name for t in traits_of(words(message))} & {"elapsed-above", "above-bound"}


@pytest.mark.parametrize("message", NOT_ABOVE)
def test_other_bounds(message):
    assert not {t.name for t in traits_of(words(message))} & {"elapsed-above", "above-bound"}


BELOW = [
    ("assert 1 >= 2", "below-bound"),
    ("assert 18 >= 30", "below-bound"),
    ("Expected: (hits) > (0), actual: 0 vs 0", "below-bound"),
    ("  Expected: greater than or equal to 100\n  But was:  98", "below-bound"),
    ("Expected elapsed >= 2; assert 1.98 >= 2", "elapsed-below"),
    ("assert 0.0007 > 0.001", "below-decimal"),
    ("expected 1488902643384 to be >= 1488902643385", "times-close"),
]
NOT_BELOW = ["assert 3 >= 2", "assert 5 > 4", "greater than ever", "at least one of us", "> 3"]


@pytest.mark.parametrize(("message", "name"), BELOW)
def test_a_lower_bound_that_was_missed(message, name):
    assert name in {t.name for t in traits_of(words(message))}


@pytest.mark.parametrize("message", NOT_BELOW)
def test_lower_bounds_that_hold(message):
    assert not {t.name for t in traits_of(words(message))} & {name for _, name in BELOW}


SIDED = [
    (
        "extra-elements",
        "Expecting:\n  <[1, 2]>\nto contain only:\n  <[1]>\nbut the following elements were unexpected:\n  <[2]>",
    ),
    ("extra-elements", "the extra elements were: [2]"),
    ("extra-elements", "assert [['a...'], ...] == [['a...']]\n  Left contains 6 more items, first extra item: 'b'"),
    ("extra-elements", "Should be empty, but was [2]"),
    ("extra-elements", "Expecting empty but was: [2]"),
    ("missing-elements", "the missing elements were: [2]"),
    ("missing-elements", "Should NOT be empty"),
    ("missing-elements", "'mail' not found in []"),
    ("missing-elements", "Sequence contains no elements"),
    ("absent", "expected null not to be null"),
    ("absent", "Assert.NotNull() Failure: Value is null"),
    ("absent", "expected: not nil\n     got: nil"),
]
NOT_SIDED = [
    "an element",
    "more items are in the shop",
    "null and void",
    "the drawer is empty",
    "not nil by nature",
    "assert [OSError('no disk')] == []\nLeft contains one more item: OSError('no disk')",
]


@pytest.mark.parametrize(("name", "message"), SIDED)
def test_what_is_said_of_one_side_only(name, message):
    assert name in {t.name for t in traits_of(words(message))}


@pytest.mark.parametrize("message", NOT_SIDED)
def test_one_side_that_says_nothing(message):
    assert not {t.name for t in traits_of(words(message))} & {name for name, _ in SIDED}


DIFFS = [
    ("empty-collection", '- Expected  - 3\n+ Received  + 1\n\n- Array [\n-   "a mail",\n- ]\n+ Array []'),
    ("extra-elements", "--- Expected\n+++ Actual\n@@ @@\n     'a' => 1\n+    'b' => 2\n+    'c' => 3\n )"),
    ("missing-elements", '- Expected  - 1\n+ Received  + 0\n\n  Array [\n-   "b",\n  ]'),
    (
        "another-value",
        "--- Expected\n+++ Actual\n@@ @@\n Array (\n-    0 => 'unit_price'\n+    0 => 'unitPrice'\n     1 => 'b'\n )",
    ),
    ("times-close", "--- Expected\n+++ Actual\n@@ @@\n Array (\n-    'at' => 1772359200\n+    'at' => 1772359201\n )"),
]


@pytest.mark.parametrize(("name", "text"), DIFFS)
def test_differences_of_several_lines(name, text):
    assert [t.name for t in traits_of(words(text=text))] == [name]


@pytest.mark.parametrize("text", ["- one\n+ two", "--- Expected\n+++ Actual\n same\n", "-1\n+1"])
def test_differences_that_say_nothing(text):
    assert not {t.name for t in traits_of(words(text=text))} & {name for name, _ in DIFFS}


def test_every_trait_has_weights():
    table = weights("comparison")
    for name, expected, actual in SHOWS:
        assert name in table, (expected, actual)
    assert {"elapsed-above", "above-bound", "above-decimal", "zone-missing"} <= set(table)
    assert {name for _, name in BELOW} | {name for name, _ in SIDED + DIFFS} <= set(table)


@pytest.mark.parametrize(
    "piece", ["expected but was ", "\n", " ", "expected: x got ", "a != ", "assert 1 < ", "1.1,", "["]
)
def test_hostile_input_takes_bounded_time(piece):
    long = words(piece * (100_000 // len(piece)), text=piece * (100_000 // len(piece)))
    began = time.process_time()
    traits_of(long)
    assert time.process_time() - began < 4.0
