"""Ports in text: bind errors, refusals and foreign answers, and the port numbers that they are about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from itertools import islice
from typing import Any, NamedTuple

from flakediag import tables
from flakediag.analysis.evidence.phrases import Phrases
from flakediag.analysis.evidence.text import Said

QUOTED = 8  # bind errors of one failure among which the one to quote is chosen
LOST = ("cut", "refused", "foreign")  # the sections of the catalogue that tell of a lost connection
EPHEMERAL = 32768  # from here on operating systems hand out ports by themselves (Linux 32768, the others 49152)

_LOOPBACK = Phrases(
    [r"(?:\b127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\blocalhost|\b0\.0\.0\.0|\[::1?\]|::1|\blocal host)(?![\w.])"]
)
_LOOPBACK_PORT = re.compile(
    r"(?:\b127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\blocalhost(?:/127\.\d\.\d\.\d)?|\b0\.0\.0\.0|\[[0-9a-f:.]{2,40}\]|::1?|\*)"
    r"(?::|['\"]?, ?(?:port=)?|/tcp:)(\d{2,5})\b"
)
_PORTS = [
    _LOOPBACK_PORT,
    re.compile(r"\b(?:tcp|udp|http|https|ws|listen|port|addr|address)[46]?\b[^\w\n]{1,4}\[?:?(\d{2,5})\b(?![.:]\d)"),
    re.compile(r"\bports?\b[\s:=#'\"(\[]{1,4}(?:number |no\.? |is |was )?(\d{2,5})\b"),
    re.compile(r"[\s\[('\"/]:(\d{2,5})\b(?!:)"),
    re.compile(r"['\"][\w.-]{0,60}['\"], ?(\d{2,5})\)"),
    re.compile(r"/\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}:(\d{2,5})\b"),
    re.compile(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}:(\d{2,5})\b"),
    re.compile(r"\bport\b[^\n\d]{0,24}(\d{2,5})\b"),
    re.compile(r"://[\w.-]{1,80}:(\d{2,5})\b"),
]
# An address of this machine with its port, or a port by name.
_LOCAL_OR_NAMED = re.compile(
    rf"{_LOOPBACK_PORT.pattern}|\bports?\b[\s:=#'\"(\[]{{1,4}}(?:number |no\.? )?(\d{{2,5}})\b(?![.:]\d)"
)


class PortWords(NamedTuple):
    """What one failure says about ports. `near` are the ports beside a bind error, `local` those on loopback.

    `said` tells whether the bind error stands in the failure itself rather than in captured output only.
    """

    bind: str  # the words of the bind error, empty where there is none
    said: bool
    near: tuple[int, ...]
    local: tuple[int, ...]
    refused: bool
    foreign: bool
    cut: bool
    remote: bool
    web: bool
    loopback: bool
    expected_refusal: bool


@cache
def phrases() -> dict[str, Any]:
    """The catalogue: for each section its patterns; `services` maps a port to its well-known service."""
    table = tables.read("analysis/ports.toml")
    found: dict[str, Any] = {name: Phrases(listed) for name, listed in table.items() if isinstance(listed, list)}
    found["services"] = {int(port): name for port, name in table["services"].items()}
    return found


def bind_error(words: Said) -> re.Match[str] | None:
    """The first bind error in a failure's own words, else in its output, of which `string` is then the whole."""
    bind = phrases()["bind"]
    found: re.Match[str] | None = bind.search(words.said) or (bind.search(words.whole) if words.output else None)
    return found


def lost_connection(words: Said) -> bool:
    """Whether a connection was refused, cut or answered by a stranger, and nothing speaks of another machine."""
    catalogue = phrases()
    lost = any(catalogue[name].search(words.said) for name in LOST)
    return lost and not catalogue["remote"].search(words.said)


@lru_cache(maxsize=4096)
def port_words(words: Said) -> PortWords:
    """Everything that one failure says about ports."""
    catalogue = phrases()
    match = bind_error(words)
    in_said = match is not None and match.string is words.said
    # The longest of the first ones reads best: "address already in use" rather than "errno 98".
    quoted = max(islice(catalogue["bind"].finditer(match.string), QUOTED), key=lambda m: len(m[0])) if match else None
    near: tuple[int, ...] = ()
    if match:
        near = _near(match.string, catalogue["bind"]) or _last_opened(words.output) or _listed(words.listing)
    # What was refused or answered is judged by the failure's own words; logs of a server test are full of such lines.
    return PortWords(
        bind=" ".join(quoted[0].split())[:80].strip(" []()") if quoted else "",
        said=in_said,
        near=near,
        local=_unique(_LOOPBACK_PORT.findall(words.said)),
        refused=bool(catalogue["refused"].search(words.said)),
        foreign=bool(catalogue["foreign"].search(words.said)),
        cut=bool(catalogue["cut"].search(words.said)),
        remote=bool(catalogue["remote"].search(words.said)),
        web=bool(catalogue["web"].search(words.said)),
        loopback=bool(_LOOPBACK.search(words.said)),
        expected_refusal=bool(catalogue["expected_refusal"].search(words.said)),
    )


@lru_cache(maxsize=4096)
def ports_in(words: Said) -> tuple[int, ...]:
    """Every port number that a failure or its output names, in order of appearance per phrasing."""
    return _of_text(words.whole)


def _near(text: str, bind: Phrases) -> tuple[int, ...]:
    """The ports on the line of a bind error; else the nearest ones up to three lines away; else any on loopback."""
    lines = [line[:1000] for line in text.splitlines()]
    at = [n for n, line in enumerate(lines) if bind.search(line)]
    for reach in range(4):
        near = [lines[m] for n in at[:20] for m in range(max(0, n - reach), n + reach + 1) if m < len(lines)]
        found = _of_text("\n".join(dict.fromkeys(near)))
        if found:
            return found
    return _unique(_LOOPBACK_PORT.findall(text))


def _last_opened(output: str) -> tuple[int, ...]:
    """A bind error that names no port: the port that the output names last, with a local address or in words.

    Whoever says what it is about to open says so just before it fails.
    """
    named = [number for line in output.lower().splitlines() for number in _LOCAL_OR_NAMED.findall(line[:1000])]
    return _unique(number for pair in reversed(named) for number in pair if number)[:1]


def _listed(listing: str) -> tuple[int, ...]:
    """A bind error that names no port: the local address in the source lines that are shown, where it is only one."""
    found = _unique(_LOOPBACK_PORT.findall(listing.lower()))
    return found if len(found) == 1 else ()


def _of_text(text: str) -> tuple[int, ...]:
    return _unique(number for pattern in _PORTS for number in pattern.findall(text))


def _unique(numbers: Iterable[str]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(port for n in numbers if 20 <= (port := int(n)) <= 65535))[:4]
