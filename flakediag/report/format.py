"""What a report format is, and where each one stands. Formats are loaded when they are asked for: pandas and rich
cost more than the rest of the command together."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, TextIO, cast

from flakediag.model import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to show something. `width` None means that nobody watches (a pipe, a file): nothing is cut or wrapped."""

    width: int | None = None
    color: bool = False


class Format(Protocol):
    """Writes a whole report to a text stream."""

    name: str

    def write(self, report: Report, stream: TextIO, options: Options) -> None: ...


_FORMATS = {
    "table": ("flakediag.report.table", "Table"),
    "json": ("flakediag.report.json", "Json"),
    "markdown": ("flakediag.report.markdown", "Markdown"),
    "csv": ("flakediag.report.csv", "Csv"),
}
NAMES = tuple(_FORMATS)


def find(name: str) -> Format:
    """The format called `name`, one of `NAMES`."""
    module, attribute = _FORMATS[name]
    return cast(Format, getattr(import_module(module), attribute)())
