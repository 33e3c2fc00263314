"""Where a history is: the path of a file, or an address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # to load it takes a fifth of the time of `--help`
    from pathlib import Path

Location: TypeAlias = "Path | str"
"""A path is an SQLite file; text is an address that begins with one of `SCHEMES`."""

SCHEMES = ("postgresql", "postgres", "parquet")

_ADDRESS = r"(?i)([a-z][a-z0-9+.-]+):"  # two letters at least: C:\ is a path


def location(text: str) -> Location:
    """`text` as a path or an address. Raises `ValueError` for an address of a kind that is not known."""
    from pathlib import Path

    address = re.match(_ADDRESS, text)
    if address is None:
        return Path(text).expanduser()
    if address[1].lower() in SCHEMES:
        return text
    if "://" not in text:  # a file may be called anything
        return Path(text).expanduser()
    raise ValueError(f"is an address that no history can be at: known are files and {', '.join(SCHEMES)}")


_USER_AND_PASSWORD = r"(?s)(://[^:/?#@]*):.*@"  # up to the last @: a bare one may be in a password
_SECRETS = r"(?i)\b((?:ssl)?password|passcode)=[^&]*"


def shown(place: Location) -> str:
    """`place` for people: an address without its password."""
    from pathlib import Path

    if isinstance(place, Path):
        return str(place)
    return re.sub(_SECRETS, r"\1=***", re.sub(_USER_AND_PASSWORD, r"\1:***@", place))


def absolute(place: Location) -> Location:
    """The same place for a process that works in another folder."""
    from pathlib import Path

    if isinstance(place, Path):
        return place.resolve()
    scheme, _, rest = place.partition(":")
    if scheme.lower() == "parquet" and not re.match(_ADDRESS, rest):
        return f"{scheme}:{Path(rest).expanduser().resolve()}"
    return place
