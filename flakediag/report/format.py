"""What a report format is, and where each one stands. Formats are loaded when they are asked for: pandas and rich
cost more than the rest of the command together."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO, Protocol, TextIO, cast

if TYPE_CHECKING:
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
    "html": ("flakediag.report.html.page", "Html"),
    "svg": ("flakediag.report.svg", "Svg"),
    "png": ("flakediag.report.png", "Png"),
    "github": ("flakediag.report.github", "Github"),
    "gitlab": ("flakediag.report.gitlab", "Gitlab"),
    "sarif": ("flakediag.report.sarif", "Sarif"),
    "junit": ("flakediag.report.junit", "Junit"),
    "slack": ("flakediag.report.slack", "Slack"),
    "parquet": ("flakediag.report.parquet", "Parquet"),
}
NAMES = tuple(_FORMATS)
SUMMED = ("table", "json", "markdown", "csv")
"""The formats that the sums of `--by` have as well."""
ISSUES = ("github", "gitlab", "sarif", "junit", "slack")
"""The formats that show what is an issue today, and no test that is mended."""
BINARY = ("png", "parquet")
"""The formats that write bytes, through `binary`."""
DRAWN = ("html", "svg", "png")
"""The formats with pictures: they need `Report.series`."""


class UnavailableError(Exception):
    """A format cannot be written here. Says why, then what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def find(name: str) -> Format:
    """The format called `name`, one of `NAMES`."""
    module, attribute = _FORMATS[name]
    return cast(Format, getattr(import_module(module), attribute)())


def binary(stream: TextIO, options: Options, what: str, example: str) -> BinaryIO:
    """The stream's buffer, to write bytes to. Raises `UnavailableError` on a terminal, which is no place for them."""
    target = getattr(stream, "buffer", None)
    if target is None or options.width is not None:
        raise UnavailableError(f"{what} is no text to print", f"name a file with -o {example}")
    return cast(BinaryIO, target)
