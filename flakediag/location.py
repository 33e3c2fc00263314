"""Where a history is: the path of a file, or an address."""

from __future__ import annotations

import re
from pathlib import Path

Location = Path | str
"""A path is an SQLite file; text is an address that begins with one of `SCHEMES`."""

SCHEMES = ("postgresql", "postgres", "parquet")

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)  # two letters at least: C:\ is a path


def location(text: str) -> Location:
    """`text` as a path or an address. Raises `ValueError` for an address of a kind that is not known."""
    address = _ADDRESS.match(text)
    if address is None:
        return Path(text).expanduser()
    if address[1].lower() in SCHEMES:
        return text
    if "://" not in text:  # a file may be called anything
        return Path(text).expanduser()
    raise ValueError(f"is an address that no history can be at: known are files and {', '.join(SCHEMES)}")


_USER_AND_PASSWORD = re.compile(r"(://[^:/?#@]*):.*@", re.DOTALL)  # up to the last @: a bare one may be in a password
_SECRETS = re.compile(r"\b((?:ssl)?password|passcode)=[^&]*", re.IGNORECASE)


def shown(place: Location) -> str:
    """`place` for people: an address without its password."""
    if isinstance(place, Path):
        return str(place)
    return _SECRETS.sub(r"\1=***", _USER_AND_PASSWORD.sub(r"\1:***@", place))


def absolute(place: Location) -> Location:
    """The same place for a process that works in another folder."""
    if isinstance(place, Path):
        return place.resolve()
    scheme, _, rest = place.partition(":")
    if scheme.lower() == "parquet" and not _ADDRESS.match(rest):
        return f"{scheme}:{Path(rest).expanduser().resolve()}"
    return place
