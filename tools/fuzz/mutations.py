"""What is done to a report to see whether it can be survived: small changes of its bytes, its markup, its values.

A text is its bytes as Latin-1, so that every byte stays what it is and nothing that a change makes is impossible.
Each change takes the text, a source of chance and the texts of the other seeds, and gives the changed text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

LARGEST = 1 << 18  # bytes; more is cut off: what is large costs time and finds little that is not found small

Change = Callable[[str, Random, Sequence[str]], str]

_TOKEN = re.compile(r"<[^<>]*>?|[^<]+")
_ATTRIBUTE = re.compile(r"""\s([\w:.-]+)\s*=\s*("[^"]*"|'[^']*')""")
_DIGITS = re.compile(r"\d+(?:[.,]\d+)?")


def _bytes(*texts: str) -> tuple[str, ...]:
    """What lies beyond Latin-1 as the bytes of its UTF-8."""
    return tuple(text if max(text, default="") <= "\xff" else text.encode("utf-8").decode("latin-1") for text in texts)


NUMBERS = _bytes(
    *("", " ", "0", "-0", "-1", "1e308", "1e309", "NaN", "nan", "inf", "-Infinity", "1,234.5", "1.234,5"),
    *("0,123", "1_000"),
    *("1" * 30, "9" * 400, "9" * 5_000, "0x10", "1e-400", ".", ",", "1.2.3", "٣", "²", "½", "1:2:3", "99:99:99.9"),
    *("9" * 400 + ":59:59", "9" * 5_000 + ":00:01", "+5", "1e3", "1 s", "PT1S", "true", "null"),
)  # fmt: skip
MOMENTS = _bytes(
    *("2026-02-03T04:05:06", "2026-02-03T04:05:06Z", "2026-02-03T04:05:06.1234567+99:99", "0001-01-01T00:00:00+14:00"),
    *("9999-12-31T23:59:59-14:00", "2026-13-45T25:61:61", "1990-01-01T00:00:00+23:59", "2199-12-31T23:59:59-23:59"),
    *("2026-02-30T04:05:06", "2026-W05-2", "20260203T040506", "1767225600", "1767225600000", "9999999999"),
    *("٢٠٢٦-01-01"),
    *("Tue, 03 Feb 2026 04:05:06 GMT", "Tue Feb 03 2026 04:05:06 GMT+9999 (x)", "3 Foo 2026 04:05:06", "0000-00-00"),
    *("2026-02-03T04:05:06,5", "2026-02-03 04:05:06.5 +01:00", "2026-02-03T04:05:06.123456789012-00:00"),
)  # fmt: skip
TEXTS = (
    *("\x00", "\x1b[2J", "\x07", "\x7f", "\x0b\x0c", "\xff\xfe", "\xed\xa0\x80", "\xed\xa0\xbd\xed\xb8\x80"),
    *("\xf4\x90\x80\x80"),
    *("\xc0\x80", "\xef\xbf\xbe", "\xef\xb7\x900000", "\xef\xbb\xbf", "\xc2\x85", "\xe2\x80\xa8"),
    *("\xe2\x80\xae", "\xc2\x9b31m"),
    *("&#0;", "&#1;", "&#xD800;", "&#xFFFE;", "&#x110000;", "&#99999999999;", "&#x;", "&#", "&", "&amp;"),
    *("&nbsp;", "&lt;"),
    *("]]>", "<![CDATA[", "<![CDATA[x]]>", "<!--", "-->", "<!-- -- -->", "<?xml version='1.0'?>", "<?php"),
    *("?>", "<", ">", '"'),
    *("<!DOCTYPE t>", "<!DOCTYPE t [<!ENTITY a 'b'>]>", "<html>", "\r", "\r\n", "\n", "\t", " ", "'", "%s"),
    *("{}", "$(id)", "\\"),
    *("[gw0] linux -- Python 3", "worker 'gw1' crashed", "failed on teardown", "0x7f3a2b1c"),
    *("/tmp/pytest-of-a/x", "a" * 3_000),
    *("127.0.0.1:8080", "b1d6f4c2-0b5f-4a52-8b5f-0b5f6a520b5f", "::error::x", "=1+1"),
    *("'; DROP TABLE runs; --", "../../etc"),
    *('{"outcome": "error"}', "[" * 500, '{"message": 1}', "null", "flakediag-salvaged", "::", "[", "("),
    *("a[b][c]", "\\u0000"),
)  # fmt: skip
TAGS = (
    *("testsuites", "testsuite", "testcase", "testrun", "properties", "property", "failure", "error", "skipped"),
    *("system-out", "system-err", "rerunFailure", "rerunError", "flakyFailure", "flakyError", "stackTrace"),
    *("x:testcase", "html", "a", "", "1", "flakediag-salvaged", "test-run", "é"),
)  # fmt: skip
KEYS = (
    *("name", "classname", "class", "file", "filepath", "time", "timestamp", "hostname", "status", "result"),
    *("executed"),
    *("message", "type", "value", "tests", "failures", "errors", "skipped", "flakes", "id", "line", "assertions"),
    *("xmlns", "xmlns:a", "xml:lang", "uuid", "package", "disabled"),
)  # fmt: skip
NAMED = (
    *("go.version", "surefire.x", "ant.version", "browser.fullName", "random-seed", "worker_id"),
    *("flakediag.quarantined"),
    *("git.commit.sha", "git.branch", "failsafe.test.class.path", "SuiteSucceeded", "tz", "shard"),
)  # fmt: skip
SUITES = (
    "pytest",
    "jest tests",
    "vitest tests",
    "Mocha Tests",
    "nextest-run",
    "AllTests",
    "rspec",
    "nose2-junit",
    "bun test",
)
ENCODINGS = (
    *("utf-8", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "shift_jis", "utf-8-sig", "cp037", "utf-7"),
)
DECLARED = (
    *("utf-8", "UTF-16", "utf-32", "latin-1", "windows-1252", "Shift_JIS", "US-ASCII", "x-none", "utf-7", "idna"),
    *("base64", "rot13", "cp037", "unicode_escape", "hz", "mbcs", "undefined", "zlib", "punycode", "GB18030", ""),
)


def _span(size: int, chance: Random) -> tuple[int, int]:
    """A stretch of what is `size` long, usually a short one."""
    start = chance.randrange(size + 1)
    return start, min(size, start + chance.choice((1, 1, 2, 4, 16, 64, 256)))


# --- bytes -------------------------------------------------------------------------------------------------------


def flip(text: str, chance: Random, others: Sequence[str]) -> str:
    if not text:
        return text
    place = chance.randrange(len(text))
    return text[:place] + chr(ord(text[place]) ^ (1 << chance.randrange(8))) + text[place + 1 :]


def drop(text: str, chance: Random, others: Sequence[str]) -> str:
    start, end = _span(len(text), chance)
    return text[:start] + text[end:]


def double(text: str, chance: Random, others: Sequence[str]) -> str:
    start, end = _span(len(text), chance)
    return text[:end] + text[start:end] * chance.choice((1, 1, 2, 50)) + text[end:]


def insert(text: str, chance: Random, others: Sequence[str]) -> str:
    place = chance.randrange(len(text) + 1)
    return text[:place] + _anything(chance) + text[place:]


def noise(text: str, chance: Random, others: Sequence[str]) -> str:
    start, end = _span(len(text), chance)
    return text[:start] + chance.randbytes(end - start).decode("latin-1") + text[end:]


def cut(text: str, chance: Random, others: Sequence[str]) -> str:
    return text[: chance.randrange(len(text) + 1)]


def splice(text: str, chance: Random, others: Sequence[str]) -> str:
    """The beginning of this text and the end of another."""
    other = chance.choice(others)
    return text[: chance.randrange(len(text) + 1)] + other[chance.randrange(len(other) + 1) :]


# --- markup ------------------------------------------------------------------------------------------------------


def _tokens(text: str, chance: Random) -> tuple[list[str], int, int]:
    """The text's tags and texts, and two places among them in order."""
    tokens = _TOKEN.findall(text) or [""]
    one, two = chance.randrange(len(tokens)), chance.randrange(len(tokens))
    return tokens, min(one, two), max(one, two)


def swap(text: str, chance: Random, others: Sequence[str]) -> str:
    tokens, one, two = _tokens(text, chance)
    tokens[one], tokens[two] = tokens[two], tokens[one]
    return "".join(tokens)


def lose(text: str, chance: Random, others: Sequence[str]) -> str:
    tokens, one, _ = _tokens(text, chance)
    del tokens[one]
    return "".join(tokens)


def repeat(text: str, chance: Random, others: Sequence[str]) -> str:
    """A stretch of tags and texts several times: cases, suites, children, retries."""
    tokens, one, two = _tokens(text, chance)
    part = tokens[one : min(two, one + 12) + 1]
    return "".join([*tokens[:one], *part * chance.choice((2, 2, 3, 12, 60)), *tokens[one + len(part) :]])


def nest(text: str, chance: Random, others: Sequence[str]) -> str:
    tokens, one, two = _tokens(text, chance)
    tag, depth = chance.choice(TAGS), chance.choice((1, 1, 2, 5, 120))
    return "".join([*tokens[:one], f"<{tag}>" * depth, *tokens[one:two], f"</{tag}>" * depth, *tokens[two:]])


def take_in(text: str, chance: Random, others: Sequence[str]) -> str:
    """Some of another report in the middle of this one."""
    tokens, one, _ = _tokens(text, chance)
    theirs, first, last = _tokens(chance.choice(others), chance)
    return "".join([*tokens[:one], *theirs[first : last + 1], *tokens[one:]])


def rename(text: str, chance: Random, others: Sequence[str]) -> str:
    """Another name for an element, at both of its ends."""
    names = re.findall(r"<([\w:.-]+)", text)
    if not names:
        return text
    old, new = chance.choice(names), chance.choice(TAGS)
    return re.sub(rf"(</?){re.escape(old)}(?![\w:.-])", lambda found: found[1] + new, text)


def add_element(text: str, chance: Random, others: Sequence[str]) -> str:
    tokens, one, _ = _tokens(text, chance)
    tag = chance.choice(TAGS)
    if tag == "property":
        made = f'<property name="{chance.choice(NAMED)}" value="{_value(chance)}"/>'
    else:
        said = "".join(f' {chance.choice(KEYS)}="{_value(chance)}"' for _ in range(chance.randrange(4)))
        made = f"<{tag}{said}>{_anything(chance)}</{tag}>"
    return "".join([*tokens[:one], made, *tokens[one:]])


# --- values ------------------------------------------------------------------------------------------------------


def _value(chance: Random) -> str:
    texts: tuple[str, ...] = chance.choice((NUMBERS, MOMENTS, TEXTS, SUITES))
    return chance.choice(texts)


def _anything(chance: Random) -> str:
    return chance.choice((_value, _tag, _run))(chance)


def _run(chance: Random) -> str:
    """One byte, once or many times."""
    return chr(chance.randrange(256)) * chance.choice((1, 2, 9_000))


def _tag(chance: Random) -> str:
    return f"<{chance.choice(('', '/'))}{chance.choice(TAGS)}{chance.choice(('', '/'))}>"


def set_attribute(text: str, chance: Random, others: Sequence[str]) -> str:
    found = list(_ATTRIBUTE.finditer(text))
    if not found:
        return text
    match = chance.choice(found)
    value = _anything(chance) if chance.random() < 0.3 else _value(chance)
    return f"{text[: match.start(2)]}{match[2][0]}{value}{match[2][0]}{text[match.end(2) :]}"


def lose_attribute(text: str, chance: Random, others: Sequence[str]) -> str:
    found = list(_ATTRIBUTE.finditer(text))
    if not found:
        return text
    match = chance.choice(found)
    return text[: match.start()] + text[match.end() :]


def add_attributes(text: str, chance: Random, others: Sequence[str]) -> str:
    opening = [place.start() for place in re.finditer(r"/?>", text)]
    if not opening:
        return text
    place = chance.choice(opening)
    count = chance.choice((1, 1, 1, 2, 60, 1_100))
    if count > 2:  # so many that they must differ by a number
        said = "".join(f' {chance.choice(KEYS)}{n}="{n}"' for n in range(count))
    else:
        said = "".join(f' {chance.choice(KEYS)}="{_value(chance)}"' for _ in range(count))
    return text[:place] + said + text[place:]


def same_value(text: str, chance: Random, others: Sequence[str]) -> str:
    """The value of one attribute for another: equal names, classes for files, moments for times."""
    found = list(_ATTRIBUTE.finditer(text))
    if not found:
        return text
    target, source = chance.choice(found), chance.choice(found)
    return text[: target.start(2)] + source[2] + text[target.end(2) :]


def set_number(text: str, chance: Random, others: Sequence[str]) -> str:
    found = list(_DIGITS.finditer(text))
    if not found:
        return text
    match = chance.choice(found)
    return text[: match.start()] + chance.choice(NUMBERS) + text[match.end() :]


# --- the whole ---------------------------------------------------------------------------------------------------


def encode(text: str, chance: Random, others: Sequence[str]) -> str:
    """In another encoding, whatever the declaration says."""
    readable = text.encode("latin-1").decode("utf-8", "replace")
    return readable.encode(chance.choice(ENCODINGS), "replace").decode("latin-1")


def declare(text: str, chance: Random, others: Sequence[str]) -> str:
    body = re.sub(r"\A\s*<\?xml[^>]*\?>", "", text)
    version, name = chance.choice(("1.0", "1.1", "2", "")), chance.choice(DECLARED)
    return f'<?xml version="{version}" encoding="{name}"?>{body}'


def before(text: str, chance: Random, others: Sequence[str]) -> str:
    return _anything(chance) + text


def after(text: str, chance: Random, others: Sequence[str]) -> str:
    return text + chance.choice((_anything(chance), chance.choice(others), text))


BYTES: tuple[Change, ...] = (flip, drop, double, insert, noise, cut, splice)
MARKUP: tuple[Change, ...] = (swap, lose, repeat, repeat, nest, take_in, rename, add_element, add_element)
VALUES: tuple[Change, ...] = (set_attribute, set_attribute, lose_attribute, add_attributes, same_value, set_number)
WHOLE: tuple[Change, ...] = (encode, declare, before, after)
GROUPS = (BYTES, MARKUP, MARKUP, VALUES, VALUES, VALUES, WHOLE)


def changed(content: bytes, chance: Random, others: Sequence[str]) -> bytes:
    """`content` after one to six changes; `others` are the texts that parts may be taken from."""
    text = content.decode("latin-1")
    for _ in range(chance.choice((1, 1, 2, 2, 3, 4, 6))):
        text = chance.choice(chance.choice(GROUPS))(text, chance, others)[:LARGEST]
    return text.encode("latin-1")


def damaged(content: bytes, chance: Random) -> bytes:
    """`content`, which is packed, after a few changes of its bytes alone."""
    text = content.decode("latin-1")
    for _ in range(chance.choice((1, 1, 2, 4))):
        text = chance.choice((flip, flip, drop, double, noise, cut))(text, chance, ())[:LARGEST]
    return text.encode("latin-1")
