"""What the two sides of a failed comparison say about its cause.

The words around an assertion are the same whatever went wrong; the values are not: the same elements in another
order, two floating-point numbers that differ in their last digits, a time that is one hour off, a row too many.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from flakediag.analysis.evidence.dates import calendar, has_date, has_moment, moments, spelled_out
from flakediag.analysis.evidence.pairs import Diff, Pair, Trait, diff, pairs, phrasings
from flakediag.analysis.evidence.text import Said, sample
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Evidence

COUNTED = 20
"""Tests that count what is there expect few: in collected failures whose cause is known, hardly ever more than this."""

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
_PLAIN_NUMBER = re.compile(
    rf"\s*(?P<number>{_NUMBER.pattern})(?:f|l|ms|s|u32|i32|u64|i64|usize)?(?: [a-z][a-z ]{{0,40}})?\s*", re.IGNORECASE
)
_TOKEN = re.compile(r"[^\W_]+(?:[.:'-][^\W_]+)*|[^\w\s]")
_TIMED = re.compile(r"\d\s?(?:m|u|µ|n)?s(?:ec(?:ond)?s?)?\s*$", re.IGNORECASE)
_EMPTY = frozenset(
    ["null", "none", "nil", "undefined", "[]", "{}", "()", "set()", "''", '""', "<nil>", "<null>", "0", "default"]
) | {""}
_DRIVE = re.compile(r"(?<![\w])[A-Za-z]:/")
_SETTING = re.compile(r"[\w./:@{}$+-]{2,60}(?: [\w./:@{}$+-]{1,20})?")
_AROUND = re.compile(r"^['\": .]+|['\": .,]+$")
_BOOLEAN = {"true", "false"}
_RAISED = re.compile(r"(?:error|exception)\((?![):])")  # the representation of an exception
_ERROR = re.compile(r"error|exception|refused|denied|timed out|timeout|failed|errno")
_HOLLOW = re.compile(
    r"""(?:\(?(?:array|list|set|map|object|\w{1,40}\[\]|\[\]\w{1,40})\)?\s?)?(?:\[\s?\]|\{\s?\}|\(\s?\))|set\(\)|""|''""",
    re.IGNORECASE,
)
_COLLECTION = re.compile(r"(?:\w{1,40}\s?)?(?:\[\]\w{1,40})?[\[{(]")
_STATUS = re.compile(r"(?:20[0-46]|30[1-478]|40[0-6]|409|41[0235]|42[2359]|50[0-4])$")


_FALSE_YET = Trait("false-yet", "something was not so, or not yet, that should have been")
_TRUE_ALREADY = Trait("true-already", "something was so, or so already, that should not have been")


def traits(pair: Pair) -> list[Trait]:
    """What a pair shows; most pairs show nothing."""
    expected, actual = pair.expected, pair.actual
    if expected == actual:
        return []
    if pair.sure and {expected.lower(), actual.lower()} == _BOOLEAN:
        return [_FALSE_YET if actual.lower() == "false" else _TRUE_ALREADY]
    low, high = spelled_out(expected), spelled_out(actual)
    found = list(_layout(expected, actual)) or list(moments(low, high)) or list(calendar(low, high))
    if not found and has_moment(low) and has_moment(high):
        return []
    found = found or list(_numbers(pair)) or list(_another_order(low, high)) or list(_on_its_way(pair, low, high))
    return found or list(_emptiness(pair, low, high)) or list(_part(pair, low, high)) or list(_another(low, high))


def _layout(expected: str, actual: str) -> Iterator[Trait]:
    one, other = (side.replace("\\r", "").replace("\r", "") for side in (expected, actual))
    if one == other:
        yield Trait("line-endings", "the two sides differ in their line endings only")
    elif _slashed(one) == _slashed(other):
        yield Trait("path-separators", "the two sides differ in their path separators only")


def _slashed(path: str) -> str:
    return _DRIVE.sub("/", path.replace("\\\\", "/").replace("\\", "/"))


def _numbers(pair: Pair) -> Iterator[Trait]:
    one, other = _PLAIN_NUMBER.fullmatch(pair.expected), _PLAIN_NUMBER.fullmatch(pair.actual)
    if not one or not other:
        yield from _last_digits(pair)
        return
    expected, actual = float(one["number"]), float(other["number"])
    if expected == actual:
        return
    integral = expected == int(min(max(expected, -1e15), 1e15)) and actual == int(min(max(actual, -1e15), 1e15))
    if not integral:
        yield from _last_digits(pair)
        return
    if max(abs(expected), abs(actual)) >= 1e9:
        if abs(expected - actual) <= 2000:
            yield Trait("times-close", "the two time stamps lie close together")
        return
    if abs(expected - actual) == 1 and 2000 <= min(expected, actual) <= 2100 and pair.sure:
        yield Trait("years", f"the year stands between the two: {expected:g} and {actual:g}")
        return
    if _STATUS.match(one["number"]) and _STATUS.match(other["number"]):
        if "429" in (one["number"], other["number"]):
            yield Trait("rate-limited", "the limit on the rate of requests was reached on one side only")
            return
        yield Trait("status", f"the answer was {one['number']} on one side and {other['number']} on the other")
        return
    if abs(expected) > 10_000 or abs(actual) > 10_000 or expected < 0 or actual < 0:
        return
    if _TIMED.search(one[0]) and _TIMED.search(other[0]):
        return  # durations are measured, not counted
    # Where the sides are not known, the actual one is taken to stand first, as most who write them do.
    if expected - actual == 1 and actual >= 8:
        yield Trait("one-lost", f"one of {expected:g} was lost")
        return
    if not pair.sure:
        return
    if expected > COUNTED and actual > 0 and abs(actual - expected) > 0.1 * expected:
        return  # two values rather than two counts
    if expected == 0 and actual == 1:
        yield Trait("one-for-none", "one was there where none was expected")
    elif expected == 0:
        yield Trait("some-for-none", f"{actual:g} were there where none was expected")
    elif actual > expected + 1:
        yield Trait("more-than-expected", f"more than expected was there: {actual:g} where {expected:g} were expected")
    elif actual == 0:
        yield Trait("nothing-yet", f"nothing was there yet where {expected:g} were expected")
    elif actual == expected + 1:
        yield Trait("one-too-many", f"one more than expected was there: {actual:g} for {expected:g}")
    elif expected >= 20 and actual >= 0.9 * expected:
        yield Trait("nearly-all", f"some of {expected:g} were lost: {actual:g} were there")
    elif actual < expected:
        yield Trait("fewer-than-expected", f"fewer than expected were there: {actual:g} of {expected:g}")


def _last_digits(pair: Pair) -> Iterator[Trait]:
    """Floating point: the same shape, and every number nearly the same, at least one not exactly."""
    one, other = pair.expected[:400], pair.actual[:400]
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return
    numbers = list(zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True))
    different = [(float(a), float(b), len(a.partition(".")[2])) for a, b in numbers if a != b]
    if different and all(min(a, b) >= 1e9 and abs(a - b) <= (2 if a < 1e12 else 2000) for a, b, _ in different):
        yield Trait("times-close", "the two time stamps lie close together")
        return
    if different and all(
        a != b and digits >= 3 and abs(a - b) <= 2e-3 * max(abs(a), abs(b)) for a, b, digits in different
    ):
        yield Trait("last-digits", "the two numbers differ in their last digits only")


def _another_order(expected: str, actual: str) -> Iterator[Trait]:
    """The same tokens in another order (JUnit's `[…]` marks of the common part left out)."""
    one, other = (sorted(_TOKEN.findall(side.replace("[", "").replace("]", ""))) for side in (expected, actual))
    words = [token for token in one if token[0].isalnum()]
    if len(words) >= 2 and one == other and _squeezed(expected) != _squeezed(actual):
        yield Trait("another-order", "both sides hold the same elements in another order")


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _on_its_way(pair: Pair, expected: str, actual: str) -> Iterator[Trait]:
    """A state that comes before the expected one."""
    phrases = phrasings()
    going_on, at_the_end = phrases["going_on"][0], phrases["at_the_end"][0]
    sides = [(expected, actual)] if pair.sure else [(expected, actual), (actual, expected)]
    for end, state in sides:
        end, state = _plain(end), _plain(state)
        if end in _BOOLEAN or state in _BOOLEAN or not at_the_end.fullmatch(end) or not going_on.fullmatch(state):
            continue
        if not (at_the_end.fullmatch(state) and going_on.fullmatch(end)):
            yield Trait("in-progress", f"it was still “{state}” where “{end}” was expected")
            return


def _plain(value: str) -> str:
    """A value without quotes and punctuation around it."""
    return _AROUND.sub("", value)


def _part(pair: Pair, expected: str, actual: str) -> Iterator[Trait]:
    """A collection that holds all of the other and more."""
    if not pair.sure or not _COLLECTION.match(expected) or not _COLLECTION.match(actual):
        return
    if "..." in expected or "..." in actual or "…" in expected:
        return
    one, other = (Counter(t for t in _TOKEN.findall(side) if t[0].isalnum()) for side in (expected, actual))
    if not one or not other:
        return
    if one <= other and one != other:
        yield Trait("extra-elements", "everything that was expected was there, and more")
    elif other <= one and one != other:
        yield Trait("missing-elements", "only a part of what was expected was there")


def _another(expected: str, actual: str) -> Iterator[Trait]:
    """Two short values that could each be right: a setting, a name, a version."""
    one, other = _plain(expected), _plain(actual)
    if one in _BOOLEAN or other in _BOOLEAN or one in _EMPTY or other in _EMPTY:
        return
    if _NUMBER.sub("#", one) == _NUMBER.sub("#", other) or has_date(one) or has_date(other):
        return
    if _PLAIN_NUMBER.fullmatch(one) or _PLAIN_NUMBER.fullmatch(other) or _ERROR.search(one) or _ERROR.search(other):
        return
    if _SETTING.fullmatch(one) and _SETTING.fullmatch(other):
        yield Trait("another-value", f"another value was there: “{other}” for “{one}”")


def traits_of_diff(found: Diff) -> list[Trait]:
    """What a difference of several lines shows: nothing came, or there is only more, or only less."""
    if _HOLLOW.fullmatch(found.actual.rstrip(",;")) and any(c.isalnum() for c in found.expected.partition("[")[2]):
        return [Trait("empty-collection", "an empty collection was there where elements were expected")]
    if found.actual and not found.expected:
        return [Trait("extra-elements", "everything that was expected was there, and more")]
    if found.expected and not found.actual:
        return [Trait("missing-elements", "only a part of what was expected was there")]
    return []


def _emptiness(pair: Pair, expected: str, actual: str) -> Iterator[Trait]:
    if not pair.sure or expected in _BOOLEAN or actual in _BOOLEAN:
        return
    if _ERROR.search(actual) or _ERROR.search(expected):
        return
    if expected in _EMPTY and actual not in _EMPTY:
        yield Trait("not-empty", "something was there where nothing was expected")
    elif actual == "0":
        yield Trait("nothing-yet", f"nothing was there yet where “{expected[:40]}” was expected")
    elif _HOLLOW.fullmatch(actual) and not _HOLLOW.fullmatch(expected) and expected not in _EMPTY:
        yield Trait("empty-collection", "an empty collection was there where elements were expected")
    elif actual in _EMPTY and expected not in _EMPTY:
        yield Trait("absent", "nothing was there where something was expected")


def over_the_bound(words: str) -> Trait | None:
    """An upper bound that was missed, and by how much: durations usually stand where such bounds do."""
    phrases = phrasings()
    for pattern in phrases["bound"]:
        for n, match in enumerate(pattern.finditer(words[:4000])):
            value, bound = float(match["value"]), float(match["bound"])
            if n < 4 and bound <= value <= 20 * bound and value >= 0.001:
                if phrases["time"][0].search(words[max(0, match.start() - 200) : match.end() + 200]):
                    return Trait("elapsed-above", f"a duration of {value:g} stands above its bound of {bound:g}")
                if value >= 1e9:
                    return Trait("times-close", "the two time stamps lie close together")
                if "." in match["value"] and bound < 1:
                    return Trait("above-decimal", f"{value:g} stands above an upper bound of {bound:g}")
                if bound >= 50 or "." in match["value"]:
                    return Trait("above-bound", f"{value:g} stands above an upper bound of {bound:g}")
    return None


def under_the_bound(words: str) -> Trait | None:
    """A lower bound that was missed: not enough happened in the time, or a clock ran short of a wait."""
    phrases = phrasings()
    for pattern in phrases["floor"]:
        for n, match in enumerate(pattern.finditer(words[:4000])):
            value, bound = float(match["value"]), float(match["bound"])
            if n < 4 and value <= bound:
                if bound >= 1e9:
                    return Trait("times-close", "the two time stamps lie close together")
                if phrases["time"][0].search(words[max(0, match.start() - 200) : match.end() + 200]):
                    return Trait("elapsed-below", f"a duration of {value:g} stands below its bound of {bound:g}")
                if "." in match["value"]:
                    return Trait("below-decimal", f"{value:g} stands below a lower bound of {bound:g}")
                return Trait("below-bound", f"{value:g} stands below a lower bound of {bound:g}")
    return None


_SIDED = {
    "extra": ("extra-elements", "something was there that should not have been"),
    "missing": ("missing-elements", "something was not there that should have been"),
    "absent": ("absent", "nothing was there where something was expected"),
}


def traits_of(words: Said) -> list[Trait]:
    """Everything that the comparisons of one failure show, each trait once."""
    found: dict[str, Trait] = {}
    text = f"{words.message}\n\n{words.text}"
    for pair in pairs(text):
        for trait in traits(pair):
            found.setdefault(trait.name, trait)
    for bound in (over_the_bound(words.said), under_the_bound(words.said)):
        if bound:
            found[bound.name] = bound
    several = diff(text)
    if several and not found:
        found.update((trait.name, trait) for trait in traits_of_diff(several) or traits(several.changed()))
    if not found:
        for name, (kind, summary) in _SIDED.items():
            if name == "extra" and _RAISED.search(words.said):
                continue  # what was there is an error: it says more than that there was something
            if phrasings()[name][0].search(words.said[:6000]):
                return [Trait(kind, summary)]
    return list(found.values())


def find(window: Window, subjects: Sequence[Subject]) -> list[list[Evidence]]:
    """Evidence from the two sides of the subjects' failed comparisons."""
    return [_of(subject) for subject in subjects]


def _of(subject: Subject) -> list[Evidence]:
    table = weights("comparison")
    shares: dict[str, float] = {}
    summaries: dict[str, str] = {}
    for words, share in sample(subject):
        for trait in traits_of(words):
            shares[trait.name] = shares.get(trait.name, 0.0) + share
            summaries.setdefault(trait.name, trait.summary)
    return [
        Evidence("words-comparison", Category(category), weight * share, summaries[name], {"trait": name})
        for name, share in shares.items()
        for category, weight in table[name].items()
    ]
