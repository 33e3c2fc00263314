"""What makes two test cases the same test: names without what changes from run to run.

Only plain noise is masked. Whatever could be meant stays: a wrongly merged test is worse than one that is counted anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_HOST = (
    r"(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]*:[0-9a-fA-F:]*\]|[A-Za-z][\w-]*(?:\.[\w-]+)*\.[A-Za-z]{2,})"
)
_NOISE = re.compile(
    rf"""
    0x(?P<address>[0-9a-fA-F]{{6,16}})(?![0-9a-fA-F])
  | (?<![0-9a-fA-F])(?P<uuid>[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}})(?![0-9a-fA-F])
  | (?<![0-9a-zA-Z])(?P<hex>[0-9a-f]{{32}})(?![0-9a-zA-Z])
  | pytest-of-(?P<user>[^/\\\s]+[/\\]pytest-\d+)
  | (?<=[/\\])pytest-(?P<temp>\d+)(?=[/\\])
  | (?<![\w.-]){_HOST}:(?P<port>\d{{2,5}})(?!\d)
  | (?<![0-9a-zA-Z.])(?P<number>\d{{10,}}(?:\.\d+)?|\d+\.\d{{9,}})(?![0-9a-zA-Z])
    """,
    re.VERBOSE,
)
_MASKS = {
    "address": "<address>",
    "uuid": "<uuid>",
    "hex": "<uuid>",
    "user": "<user>/pytest-<n>",
    "temp": "<n>",
    "port": "<port>",
    "number": "<n>",
}
_LIMITS = frozenset({"2147483647", "2147483648", "4294967295", "4294967296"}) | frozenset(
    {"9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616"}
)  # of integers: written on purpose
_SEPARATOR = "\0"  # stands in no XML

_DIGITS = bytes.maketrans(b"012345678", b"999999999")
_HEXADECIMAL = bytes.maketrans(b"0123456789abcde", b"fffffffffffffff")
_PORT = re.compile(rb":\d\d")
_DASHES = re.compile(rb"-[0-9a-fA-F]{4}-")


def _mask(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    if match[kind] in _LIMITS:
        return match[0]
    start, end = match.span(kind)
    return match.string[match.start() : start] + _MASKS[kind] + match.string[end : match.end()]


def without_noise(names: Sequence[str]) -> Sequence[str]:
    """The names with memory addresses, UUIDs, pytest's temporary folders, ports of hosts and long numbers masked.

    Most reports have no noise at all, and looking for it in every name would cost as much as reading the report:
    all names are looked through at once, for what noise must contain, before any is looked at closely.
    """
    joined = _SEPARATOR.join(names)
    if not _may_be_noisy(joined):
        return names
    cleaned = _NOISE.sub(_mask, joined)
    return names if cleaned == joined else cleaned.split(_SEPARATOR)


def _may_be_noisy(text: str) -> bool:
    data = text.encode("utf-8", "surrogatepass")
    return (
        b"0x" in data
        or b"pytest-" in data
        or b"9" * 9 in data.translate(_DIGITS)
        or b"f" * 32 in data.translate(_HEXADECIMAL)
        or _PORT.search(data) is not None
        or _DASHES.search(data) is not None
    )


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
_CHECKOUT = re.compile(
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
