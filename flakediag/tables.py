"""The tables of the package: what it knows as data, in TOML files beside the code that looks it up."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parent


@cache
def read(name: str) -> dict[str, Any]:
    """What stands in the file with this name, a path within the package ("analysis/weights.toml").

    Read once, and not to be changed. By its path: `importlib.resources` takes longer to load than most tables to read.
    """
    from tomllib import loads

    return loads((_PACKAGE / name).read_text("utf-8"))
