"""The weights of the evidence, from the one data file that holds them all."""

from typing import Any

from flakediag import tables


def weights(section: str) -> dict[str, Any]:
    """One section of `weights.toml`; its comments say what each figure is and where it comes from."""
    figures: dict[str, Any] = tables.read("analysis/weights.toml")[section]
    return figures
