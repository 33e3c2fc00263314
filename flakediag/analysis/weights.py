"""The weights of the evidence, from the one data file that holds them all."""

from functools import cache
from importlib.resources import files
from tomllib import loads
from typing import Any


@cache
def weights(section: str) -> dict[str, Any]:
    """One section of `weights.toml`; its comments say what each figure is and where it comes from."""
    table: dict[str, Any] = loads(files("flakediag.analysis").joinpath("weights.toml").read_text("utf-8"))[section]
    return table
