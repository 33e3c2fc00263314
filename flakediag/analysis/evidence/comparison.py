"""What the two sides of a failed comparison say about its cause.

The words around an assertion are the same whatever went wrong; the values are not: the same elements in another
order, two floating-point numbers that differ in their last digits, a time that is one hour off, a row too many.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from flakediag.analysis.evidence.pairs import Diff, Pair, diff, pairs, phrasings
from flakediag.analysis.evidence.text import Said, sample
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Evidence


class Trait(NamedTuple):
    """Something about a pair: the name of its weights in `weights.toml`, and a sentence for people."""

    name: str
    summary: str


_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
_PLAIN_NUMBER = re.compile(
    rf"\s*(?P<number>{_NUMBER.pattern})(?:f|l|ms|s|u32|i32|u64|i64|usize)?(?: [a-z][a-z ]{{0,40}})?\s*", re.IGNORECASE
)
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(z|utc|gmt|[+-]\d\d:?\d\d)?", re.IGNORECASE
)
_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d(?!\d)")
_CLOCK_TIME = re.compile(r"\b(\d{1,2}):(\d\d)(?::(\d\d))?\b")
_ZONE = re.compile(r"\b(?:gmt|utc|cet|cest|est|edt|pst|pdt|bst)\b|[+-]\d\d:?\d\d\b|z\b")
_TOKEN = re.compile(r"[^\W_]+(?:[.:'-][^\W_]+)*|[^\w\s]")
_WORD = re.compile(r"[^\W_]+(?:[.:'_-][^\W_]+)*")
_DAY_WORD = re.compile(
    r"\b(?:yesterday|today|tomorrow|tonight|monday|tuesday|wednesday|thursday|friday|saturday|sunday|"
    r"days?|weeks?|months?|years?|hours?|mon|tue|wed|thu|fri|sat|sun|morning|afternoon|evening)\b"
)
_SECOND_WORD = re.compile(r"\b(?:seconds?|secs?|minutes?|mins?|moments?|just now|ms|milliseconds?)\b")
_MONTH = re.compile(r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\b|\b[ap]\.?m\b")
_EMPTY = frozenset(
    ["null", "none", "nil", "undefined", "[]", "{}", "()", "set()", "''", '""', "<nil>", "<null>", "0", "default"]
) | {""}
_DRIVE = re.compile(r"(?<![\w])[A-Za-z]:/")
_SETTING = re.compile(r"[\w./:@{}$+-]{2,60}(?: [\w./:@{}$+-]{1,20})?")
_AROUND = re.compile(r"^['\": .]+|['\": .,]+$")
_BOOLEAN = {"true", "false"}
_ERROR = re.compile(r"error|exception|refused|denied|timed out|timeout|failed|errno")
_HOLLOW = re.compile(
    r"""(?:\(?(?:array|list|set|map|object|\w{1,40}\[\]|\[\]\w{1,40})\)?\s?)?(?:\[\s?\]|\{\s?\}|\(\s?\))|set\(\)|""|''""",
    re.IGNORECASE,
)
_COLLECTION = re.compile(r"(?:\w{1,40}\s?)?(?:\[\]\w{1,40})?[\[{(]")
_STATUS = re.compile(r"(?:20[0-46]|30[1-478]|40[0-6]|409|41[0235]|42[2359]|50[0-4])$")


def traits(pair: Pair) -> list[Trait]:
    """What a pair shows; most pairs show nothing."""
    expected, actual = pair.expected, pair.actual
    if expected == actual:
        return []
    low, high = expected.lower(), actual.lower()
    found = list(_layout(expected, actual)) or list(_moments(low, high)) or list(_calendar(low, high))
    if not found and _MOMENT.search(low) and _MOMENT.search(high):
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


def _moments(expected: str, actual: str) -> Iterator[Trait]:
    one, other = _MOMENT.search(expected), _MOMENT.search(actual)
    if one and other:
        gap = abs(_moment(one) - _moment(other))
        zones = (one[8] or "").replace(":", ""), (other[8] or "").replace(":", "")
        if zones[0] != zones[1]:
            yield Trait("time-zone", "the two times stand in different time zones")
        elif timedelta(0) < gap <= timedelta(seconds=2) or (not gap and one[7] != other[7]):
            yield Trait("times-close", f"the two times lie {gap.total_seconds():g} s apart")
        elif gap and gap % timedelta(days=1) == timedelta(0):
            yield Trait("days-apart", f"the two times lie {gap.days} day{'s' * (gap.days > 1)} apart")
        elif gap and gap <= timedelta(hours=14) and gap % timedelta(minutes=15) == timedelta(0):
            yield Trait("hours-apart", f"the two times lie {gap.total_seconds() / 3600:g} h apart")
        return
    days = [_DATE.findall(side) for side in (expected, actual)]
    if len(days[0]) == len(days[1]) == 1 and _DATE.sub("", expected) == _DATE.sub("", actual):
        gap = abs(_day(days[0][0]) - _day(days[1][0]))
        if timedelta(0) < gap <= timedelta(days=2):
            yield Trait("days-apart", f"the two dates lie {gap.days} day{'s' * (gap.days > 1)} apart")
        return
    if _ZONE.search(expected) and not _ZONE.search(actual) and expected.startswith(actual.rstrip()):
        yield Trait("zone-missing", "the time is shown without its zone")
    times = [_CLOCK_TIME.findall(side) for side in (expected, actual)]
    if times[0] and times[1] and len(expected) < 120:
        (h1, m1, s1), (h2, m2, s2) = times[0][0], times[1][0]
        first, second = (int(h) * 3600 + int(m) * 60 + int(s or 0) for h, m, s in ((h1, m1, s1), (h2, m2, s2)))
        if 0 < abs(first - second) <= 2 or (not s1 and not s2 and abs(first - second) == 60):
            yield Trait("times-close", "the two times lie one tick apart")


def _moment(match: re.Match[str]) -> datetime:
    try:
        whole = datetime(*(int(match[n] or 0) for n in range(1, 7)))  # type: ignore[arg-type]
        return whole.replace(microsecond=int((match[7] or "0")[:6].ljust(6, "0")))
    except ValueError:
        return datetime(1970, 1, 1)


def _day(date: str) -> datetime:
    try:
        return datetime.fromisoformat(date)
    except ValueError:
        return datetime(1970, 1, 1)


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
        yield Trait("status", f"the answer was {one['number']} on one side and {other['number']} on the other")
        return
    if abs(expected) > 10_000 or abs(actual) > 10_000 or expected < 0 or actual < 0:
        return
    if abs(expected - actual) == 1 and min(expected, actual) >= 8 and not (pair.sure and actual > expected):
        yield Trait("one-lost", f"one of {max(expected, actual):g} was lost")
        return
    if not pair.sure:
        return
    if expected == 0 and actual == 1:
        yield Trait("one-for-none", "one was there where none was expected")
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


def _calendar(expected: str, actual: str) -> Iterator[Trait]:
    if len(expected) > 300 or len(actual) > 300:
        return
    one, other = _WORD.findall(expected), _WORD.findall(actual)
    if len(one) > 1 and sorted(one) == sorted(other) and (_MONTH.search(expected) or _CLOCK_TIME.search(expected)):
        yield Trait("locale", "the same date or time is written in another locale's way")
        return
    if len(one) != len(other):
        return
    changed = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    if not changed or len(changed) > 2:
        return
    if all(_DAY_WORD.fullmatch(a) and _DAY_WORD.fullmatch(b) for a, b in changed):
        yield Trait("day-words", f"the calendar stands between the two: {changed[0][0]} and {changed[0][1]}")
    elif all(a.isdecimal() and b.isdecimal() and abs(int(a[:9]) - int(b[:9])) == 1 for a, b in changed):
        if _DAY_WORD.search(expected):
            yield Trait("day-words", f"a count of days or hours is off by one: {changed[0][0]} and {changed[0][1]}")
        elif _SECOND_WORD.search(expected):
            yield Trait("times-close", f"a count of seconds is off by one: {changed[0][0]} and {changed[0][1]}")


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
    if _NUMBER.sub("#", one) == _NUMBER.sub("#", other) or _DATE.search(one) or _DATE.search(other):
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
        found.update((trait.name, trait) for trait in traits_of_diff(several))
    if not found:
        for name, (kind, summary) in _SIDED.items():
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
