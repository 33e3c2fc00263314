"""What makes two test cases the same test: names without what changes from run to run.

Only plain noise is masked. Whatever could be meant stays: a wrongly merged test is worse than one that is counted anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from flakediag.expressions import expression

_HOST = (
    r"(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]*:[0-9a-fA-F:]*\]|[A-Za-z][\w-]*(?:\.[\w-]+)*\.[A-Za-z]{2,})"
)
# Where systems keep temporary files, and what the names look like that tests are given for folders there: Python's and
# mktemp's, Go's and Java's with a long number, Node.js' with six characters of all kinds.
_TEMPORARY = (
    r"(?:(?:/private)?(?:/tmp|/var/tmp|/var/folders/\w\w/\w+/T)/|/dev/shm/"
    r"|[A-Za-z]:[\\/](?:[^\\/\s\"<>|]{1,60}[\\/]){0,8}?(?:Te?mp|TE?MP|te?mp)[\\/])"
)
_RANDOM = (
    r"(?:tmp[a-z0-9_]{8}|tmp\.\w{6,12}|[\w.-]{0,60}?\d{5,}[\w.-]{0,60}"
    r"|[\w.-]{1,60}[.-](?=[A-Za-z]{0,5}\d|[A-Za-z0-9]{0,4}[a-z][A-Z])(?=\d{0,5}[A-Za-z])[A-Za-z0-9]{6})(?![\w.-])"
)
_NOISE = expression(
    rf"""
    0x(?P<address>[0-9a-fA-F]{{6,16}})(?![0-9a-fA-F])
  | (?<=[\w$;\]])@(?P<hash>(?=[a-f]*\d)[0-9a-f]{{5,8}})(?![\w.@/+-])
  | (?<![0-9a-fA-F])(?P<uuid>[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}})(?![0-9a-fA-F])
  | (?<![0-9a-zA-Z])(?P<hex>[0-9a-f]{{32}})(?![0-9a-zA-Z])
  | pytest-of-(?P<user>[^/\\\s]+[/\\]pytest-\d+)
  | (?<=[/\\])pytest-(?P<temp>\d+)(?=[/\\])
  | (?P<folder>{_TEMPORARY}{_RANDOM})
  | /var/folders/(?P<session>\w\w/\w+)(?=/T/)
  | [A-Za-z]:[\\/]Users[\\/](?P<owner>[^\\/\s]{{1,60}})(?=[\\/]AppData[\\/]Local[\\/]Temp[\\/])
  | (?<![\w.-]){_HOST}:(?P<port>\d{{2,5}})(?!\d)
  | (?<!\d)(?P<moment>\d{{4}}-\d\d-\d\d[T\ ]\d\d:\d\d:\d\d[.,]\d{{3,9}}(?:Z|[+-]\d\d:?\d\d)?)(?![\d:])
  | (?<![0-9a-zA-Z.])(?P<number>\d{{10,}}(?:\.\d+)?|\d+\.\d{{9,}})(?![0-9a-zA-Z])
    """,
    re.VERBOSE,
)
_MASKS = {
    "address": "<address>",
    "hash": "<hash>",
    "uuid": "<uuid>",
    "hex": "<uuid>",
    "user": "<user>/pytest-<n>",
    "temp": "<n>",
    "folder": "<tmp>",
    "session": "<n>",
    "owner": "<user>",
    "port": "<port>",
    "moment": "<time>",
    "number": "<n>",
}
_LIMITS = frozenset({"2147483647", "2147483648", "4294967295", "4294967296"}) | frozenset(
    {"9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616"}
)  # of integers: written on purpose
_FIRST_FREE_PORT = 1024  # the ports below are well known: nobody is given one by chance
_FRACTION = expression(r"[.,](\d+)")
_ROUND_FRACTION = expression(
    r"(\d)\1*|123(?:4(?:5(?:6(?:789)?)?)?)?|\d0+"
)  # 000, 999, 123456, 500000: of a written moment
# What Java prints before the hash: a class, the type of an array, or the address of a lambda's class.
_CLASS = expression(r"(?:(?<![\w.$])(?:[\w$]+\.)*[A-Z][\w$]*|\[+(?:L[\w.$]+;|[BCDFIJSZ])|0x[0-9a-f]+)\Z")
_SEPARATOR = "\0"  # stands in no XML

_PARTS = 16
_LOOKED_AT_CLOSELY = 8  # names at a time

_DIGITS = bytes.maketrans(b"012345678", b"999999999")
_HEXADECIMAL = bytes.maketrans(b"0123456789abcdeABCDEF", b"f" * 21)
_PATHS = (b"pytest-", b"tmp", b"Temp", b"TEMP", b"/T/", b"/shm/")


def _mask(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    if (meant := _MEANT.get(kind)) is not None and meant(match):
        return match[0]
    start, end = match.span(kind)
    return match.string[match.start() : start] + _MASKS[kind] + match.string[end : match.end()]


def _no_hash(match: re.Match[str]) -> bool:
    """Whether something else than Java's text for an object without one stands here: a class, @, and its hash."""
    return _CLASS.search(match.string[max(0, match.start() - 120) : match.start()]) is None


def _written_moment(match: re.Match[str]) -> bool:
    fraction = _FRACTION.search(match["moment"])
    return fraction is None or _ROUND_FRACTION.fullmatch(fraction[1]) is not None


# What looks like noise and was written on purpose.
_MEANT: Mapping[str, Callable[[re.Match[str]], bool]] = {
    "number": lambda match: match["number"] in _LIMITS,
    "port": lambda match: int(match["port"]) < _FIRST_FREE_PORT,
    "hash": _no_hash,
    "moment": _written_moment,
}


def without_noise(names: Sequence[str]) -> Sequence[str]:
    """The names without what changes from run to run; the same object where none of them holds any.

    Masked are memory addresses, Java's object hashes, UUIDs, temporary folders, ports of hosts, moments to the
    microsecond and long numbers. Most reports have no noise at all, and looking for it in every name would
    cost as much as reading the report: all names are looked through at once, for what noise must contain, and ever
    fewer of them, before any is looked at closely.
    """
    joined = _SEPARATOR.join(names)
    if not _may_be_noisy(joined):
        return names
    if len(names) > _LOOKED_AT_CLOSELY:
        size = -(-len(names) // _PARTS)
        parts = [names[start : start + size] for start in range(0, len(names), size)]
        cleaned = [without_noise(part) for part in parts]
        same = all(one is other for one, other in zip(parts, cleaned, strict=True))
        return names if same else [name for part in cleaned for name in part]
    masked = _NOISE.sub(_mask, joined)
    return names if masked == joined else masked.split(_SEPARATOR)


def _may_be_noisy(text: str) -> bool:
    """One character is found many times faster than several: each search stands behind one for what it needs."""
    data = text.encode("utf-8", "surrogatepass")
    if b"0x" in data or b"@" in data:
        return True
    if (b"/" in data or b"\\" in data) and any(path in data for path in _PATHS):
        return True
    digits = data.translate(_DIGITS)
    if b"9" * 9 in digits or (b":" in data and b":99" in digits):
        return True
    hexadecimal = data.translate(_HEXADECIMAL)
    return b"f" * 32 in hexadecimal or (b"-" in data and b"-ffff-" in hexadecimal)


_ANY = "[^/]+"  # a folder of whatever name
# Where hosted CI puts a checkout, folder by folder.
_CHECKOUTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "GitHub Actions": (
        ("(?:home|Users)", "runner", "work", _ANY, _ANY),
        ("__w", _ANY, _ANY),
        ("a", _ANY, _ANY),
        ("github", "workspace"),
    ),
    "GitLab": (("builds", _ANY, _ANY),),
    "CircleCI": (("(?:home/circleci|root|Users/distiller)", "project"),),
    "Jenkins": (("(?:var/lib/jenkins|var/jenkins_home|home/jenkins(?:/agent)?)", "workspace", _ANY),),
    "Azure Pipelines": (
        ("home", "vsts", "work", r"\d+", "s"),
        ("Users", _ANY, "work", r"\d+", "s"),
        ("a", r"\d+", "s"),
    ),
    "Bitbucket": (("opt", "atlassian", "pipelines", "agent", "build"),),
    "Travis": (("home", "travis", "build", _ANY, _ANY),),
    "Buildkite": (("var", "lib", "buildkite-agent", "builds", _ANY, _ANY, _ANY),),
}
_CHECKOUT = expression(
    "(?:[A-Za-z]:)?(?:" + "|".join("/" + "/".join(root) for roots in _CHECKOUTS.values() for root in roots) + ")/"
)


def relative_file(path: str, checkout: str = "") -> str:
    """A file name as it stands in the repository, as far as that can be told: forward slashes, no checkout folder."""
    if not path:
        return ""
    path = path.removeprefix("file://").replace("\\", "/")
    checkout = checkout.replace("\\", "/").rstrip("/")
    if checkout and path.startswith(checkout + "/"):
        path = path[len(checkout) + 1 :]
    elif match := _CHECKOUT.match(path):
        path = path[match.end() :]
    return path.removeprefix("./")
