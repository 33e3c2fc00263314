"""The signature of a failure: what is the same each time it happens.

Exception type and message with the volatile parts masked: `<n>` numbers, `<hex>`, `<uuid>`, `<addr>` memory and network
addresses, `<port>`, `<path>`, `<tmp>`, `<time>`, `<id>` random strings. One line, at most `LENGTH` characters. The
input is capped first and read by patterns without nested repetition, so the cost is linear whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from flakediag.expressions import expression

if TYPE_CHECKING:
    from flakediag.model import FailureDetail

LENGTH = 200  # characters of a signature
READ = 4000  # characters of a message that are looked at
READ_TEXT = 20_000  # characters of a failure's text that are searched for its first meaningful line

NOTHING_SAID = "no message"

_END = r"""[^\s'"`,;:<>()\[\]{}]"""  # a character of a path
_HEX = "[0-9a-fA-F]"
_ROOTS = (
    "home|Users|root|opt|usr|etc|var|builds?|workspace|w|__w|mnt|srv|proc|run|app|github|data|nix|Library|code|src|"
    "project|repo|go|runner|agent|private|media|c|d"
)
_MASKS = expression(
    rf"""
      (?P<uuid>(?<!{_HEX}){_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}(?!{_HEX}))
    | (?P<time>
        (?<!\d)\d{{4}}-\d{{2}}-\d{{2}}
            (?:[T ]\d{{2}}:\d{{2}}(?::\d{{2}}(?:[.,]\d{{1,9}})?)?)?
            (?:\s?(?:Z|UTC|GMT|[+-]\d{{2}}:?\d{{2}})\b)?
      | (?<![\d:])\d{{1,2}}:\d{{2}}:\d{{2}}(?:[.,]\d{{1,9}})?(?![\d:])
      | (?<!\d)\d{{1,2}}/[A-Z][a-z]{{2}}/\d{{4}}(?!\d))
    | (?P<addr>0[xX]{_HEX}{{1,16}}(?!{_HEX}) | (?<![.])@[0-9a-f]{{4,16}}\b(?![.]))
    | (?P<ip>
        (?:(?<![\d.])\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?![\d.]) | \blocalhost\b | \[[0-9a-fA-F:]{{2,39}}\])
        (?P<port>:\d{{1,5}}\b)?)
    | (?P<bareport>(?i:\bport\s?[=:\#]?\s?)\d{{1,5}}\b | (?<=[\s\[(]):\d{{2,5}}\b(?!:))
    | (?P<tmp>
        (?<![\w.])(?:[A-Za-z]:)?(?:/private)?/(?:tmp|var/tmp|var/folders|dev/shm)\b(?:/{_END}*+)?
      | (?<![\w.])[A-Za-z]:/(?=[^\n]{{0,200}}/(?i:te?mp)/){_END}++)
    | (?P<path>(?<![\w./])[A-Za-z]:/{_END}++ | (?<![\w./:])~?/(?:{_ROOTS})/{_END}++)
    | (?P<number>(?:(?<![\w.)\]])[-+])?(?<![A-Za-z0-9_])\d++(?:[.,]\d++)*+(?:[eE][-+]?\d{{1,4}}+)?(?![A-Za-z0-9_]))
    | (?P<word>[A-Za-z0-9]++(?:[_-][A-Za-z0-9]++)*+)
    """,
    re.VERBOSE,
)
_VOLATILE = expression(r"\d|[/@]|\[[0-9a-fA-F:]{2}|localhost|[A-Za-z0-9_-]{20}")  # nothing is masked without one
_SOLID = expression(r"[A-Za-z0-9]+")
_ALL_HEX = expression(r"[0-9a-fA-F]+")
# Digits at the end of a word count things (worker1); a digit or two between letters belongs to a name (opentest4j).
_DIGITS = expression(r"(?<![A-Za-z])\d+|\d{3,}|\d+(?![A-Za-z])")
_NAMES = expression(  # names that end in digits and are no numbers
    r"(?:utf|ascii|latin|http|sha|md|base|int|uint|float|double|x|ipv|oauth|log|i|u|f|h|ec|python|py|es|web)\d{1,3}",
    re.IGNORECASE,
)
# Nothing but the framework speaks here: the next lines say what happened.
_HEADER = expression(
    r"""(?:
        expect\(.{0,200}
      | assertion\ `?.{0,60}`\ failed:?
      | assert(?:ion)?\.?\w{0,40}(?:\(.{0,80}\))?\ ?(?:failure|failed)\b.{0,40}
      | value\ of:\ .{0,120}
      | failure/error:.{0,200}
      | (?:not\ equal|error|failed|failures?|assertionerror):?
      | .{0,200}:
    )$""",
    re.IGNORECASE | re.VERBOSE,
)
_GENERIC_TYPES = frozenset(
    ["failed", "failure", "failures", "error", "errors", "assert", "fail", "exception", "panic", "testcodefailure"]
) | {""}
_EMPTY_MESSAGES = frozenset(
    {"", "failed", "failure", "error", "fail", "null", "none", "test failed", "assertion failed"}
)
_NOISE = expression(
    r"""\s*(?:
        $ | ===\ | ---\ (?:FAIL|PASS) | at\s+\S+[(:] | File\ " | Traceback\  | \.\.\.\ \d+\ more | Stack\ ?trace
      | goroutine\ \d | [-=_*~ ]{4,}$ | \d+\)\s | ●\s | FAIL\b | \#\ [^\s:]+:\d
      | \[?ERROR\]?\s+[\w.$]{1,300}(?::\d+)?\s*$
      | [^\s:]{1,300}\.(?:py|rb|go|rs|js|ts|java|php|kt|cs|c|cc|cpp):\d+:?\s*$
    )""",
    re.VERBOSE,
)
_SPEAKS = expression(
    r"""
        (?:^|[.\s])[A-Za-z_$][\w$]{0,120}(?:Error|Exception|Failure|Violation|Fault|Panic|Refused)\b
      | ^panic: | ^fatal\ error: | \bexpected\b | \bwant(?:ed)?\b | \bassert
    """,
    re.IGNORECASE | re.VERBOSE,
)


def signature_of(detail: FailureDetail) -> str:
    """The signature of a failure, never empty."""
    kind = _short_type(detail.type)
    message = " ".join(_lines_that_speak(detail.message[:READ]))
    if message.strip(" :.").lower() in _EMPTY_MESSAGES:
        message = _from_text(detail.text[:READ_TEXT]) or message
    head = _type_in(message)
    if head and head.lower() == kind.lower():
        message = message[message.index(":") + 1 :].strip() if ":" in message else ""
    elif head and kind.lower() in _GENERIC_TYPES:
        kind = head
        message = message.partition(":")[2].strip()
    masked = " ".join(masked_text(message).split())
    if kind.lower() in _GENERIC_TYPES and masked:
        whole = masked
    else:
        whole = f"{kind}: {masked}" if masked and kind else kind or masked
    return _cut(whole) or NOTHING_SAID


def masked_text(text: str) -> str:
    """A text with its volatile parts masked; Windows' separators become `/`."""
    text = text[:READ].replace("\\\\", "/").replace("\\", "/")
    return _MASKS.sub(_mask, text) if _VOLATILE.search(text) else text


def _mask(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind == "port" or kind == "ip":
        return "<addr>:<port>" if match["port"] else "<addr>"
    if kind == "bareport":
        return _DIGITS.sub("<port>", match[0])
    if kind == "addr":
        return "@<addr>" if match[0].startswith("@") else "<addr>"
    if kind == "number":
        return "<n>"
    if kind == "word":
        return _mask_word(match[0])
    return f"<{kind}>"


def _mask_word(word: str) -> str:
    """A word that may hold a number, a hash or a random identifier."""
    if not any(c.isdigit() for c in word) and not (len(word) >= 20 and _looks_random(word)):
        return word
    return _SOLID.sub(lambda part: _mask_part(part[0]), word)


def _mask_part(part: str) -> str:
    if part.isdigit():
        return "<n>"
    digits = sum(c.isdigit() for c in part)
    if len(part) >= 7 and digits and _ALL_HEX.fullmatch(part) and digits >= 2:
        return "<hex>"
    if digits and _NAMES.fullmatch(part):
        return part
    if len(part) >= 8 and (digits >= 3 or len(part) >= 16) and _looks_random(part):
        return "<id>"
    return _DIGITS.sub("<n>", part)


def _looks_random(part: str) -> bool:
    """Letters, digits and cases change places more often than in anything that people write."""
    kinds = ["d" if c.isdigit() else "u" if c.isupper() else "l" for c in part[:64] if c.isalnum()]
    changes = sum(a != b for a, b in pairwise(kinds))
    digits = kinds.count("d")
    return changes >= max(4, len(kinds) // 3) and (digits >= 2 or changes >= len(kinds) // 2)


def _short_type(kind: str) -> str:
    """`org.opentest4j.AssertionFailedError` → `AssertionFailedError`; `app::Error` → `Error`."""
    name = kind.strip()[:300].split(" ")[0].split("[")[0].rstrip(":")
    return re.split(r"[.:\\$]", name)[-1] or name


def _type_in(message: str) -> str:
    """The exception type that a message starts with, if it does."""
    match = re.match(
        r"(?:[A-Za-z_][\w$]{0,80}[.:]{1,2}){0,12}([A-Z][\w$]{2,100}(?:Error|Exception|Failure|Failed|Violation|Timeout)):",
        message,
    )
    if match:
        return match[1]
    bare = re.fullmatch(r"(?:[A-Za-z_][\w$]{0,80}[.:]{1,2}){0,12}([A-Z][\w$]{2,100}(?:Error|Exception))", message)
    return bare[1] if bare else ""


def _lines_that_speak(message: str) -> Iterator[str]:
    """The first line of a message, and the ones behind it as long as only the framework has spoken."""
    taken = 0
    for line in message.splitlines():
        line = line.strip()[:1000]
        if not line:
            continue
        yield line
        taken += 1
        if taken == 4 or not _HEADER.match(line[:400]):
            return


def _from_text(text: str) -> str:
    """The line of a failure's text that says what happened.

    pytest: the last `E` line that names an exception, else the first; otherwise the first line that names an exception
    or an expectation, else the first that is no noise.
    """
    lines = text.splitlines()
    told = [line[1:].strip() for line in lines if line.startswith("E ") and line[1:].strip()]
    if told:
        named = [line for line in told if _type_in(line)]
        return named[-1] if named else told[0]
    quiet = [n for n, line in enumerate(lines) if line.strip() and not _NOISE.match(line[:400])]
    if not quiet:
        return ""
    first = next((n for n in quiet if _SPEAKS.search(lines[n].strip()[:300])), quiet[0])
    return " ".join(_lines_that_speak("\n".join(lines[first : first + 6])))


def _cut(text: str) -> str:
    """At most `LENGTH` characters, never in the middle of a mask."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else "?" for c in text)
    if len(text) <= LENGTH:
        return text
    short = text[: LENGTH - 1]
    start = short.rfind("<")
    if start > LENGTH - 10 and ">" not in short[start:]:
        short = short[:start]
    return short.rstrip() + "…"
