"""Where text meets the terminal: lines of a given width and colour, which are never read as markup.

Where nobody watches there is nothing to colour or to wrap. What is printed there is the text as it stands, and rich,
which takes longer to load than most commands have to say, is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO, cast

from flakediag.model import Category, Outcome, Verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from flakediag.report.format import Options

# Colours of the terminal's own palette, so that light and dark themes both keep their contrast.
VERDICT = {
    Verdict.FLAKY: "yellow",
    Verdict.BROKEN: "red",
    Verdict.FIXED: "green",
    Verdict.NEW: "cyan",
    Verdict.INSUFFICIENT: "dim",
    Verdict.STABLE: "green",
}
CAUSE = {Category.UNKNOWN: "dim"}
OUTCOME = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.ERROR: "bold magenta", Outcome.SKIPPED: "dim"}


# The beginning of a line, colours aside, behind which GitHub's runner reads a command.
_COMMAND = re.compile(r"^((?:[^\S\n]|\x1b\[[0-9;]*m)*)(?=::)", re.MULTILINE)
_CONTROL = re.compile(r"[\t\x07\x08\v\f\r]")  # what rich expands or drops


class _Log:
    """A stream in which no line is a command for a CI system, wherever a text was broken into lines."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(_COMMAND.sub(r"\1| ", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Screen:
    """Prints lines to a stream: wrapped with a hanging indent at `width`, or uncut where nobody watches."""

    def __init__(self, stream: TextIO, options: Options) -> None:
        self.width = options.width
        self._stream = cast(TextIO, _Log(stream))
        self._options = options

    @cached_property
    def console(self) -> Console:
        """What draws on a terminal."""
        from flakediag.report.console import console

        return console(self._stream, self._options)

    def line(self, *parts: str | tuple[str, str], indent: int = 0, hang: int = 0) -> None:
        """Print one line made of plain strings and (string, style) pairs; what wraps is indented by `hang` more."""
        if self._unwatched(parts, indent):
            return
        from rich.text import Text

        text = Text.assemble(*parts, overflow="fold")
        if self.width is None or indent + text.cell_len <= self.width:
            self._print(text, indent)
            return
        room = max(20, self.width - indent - hang)
        for number, part in enumerate(text.wrap(self.console, room)):
            part.rstrip()
            self._print(part, indent + (hang if number else 0))

    def uncut(self, *parts: str | tuple[str, str], indent: int = 0) -> None:
        """Print one line that stays one for whoever copies it: the terminal may wrap it, we do not."""
        if self._unwatched(parts, indent):
            return
        from rich.text import Text

        self._print(Text.assemble(*parts), indent)

    def verbatim(self, line: str, indent: int) -> None:
        """Print code or a command."""
        self.uncut(line, indent=indent if line else 0)

    def _unwatched(self, parts: Sequence[str | tuple[str, str]], indent: int = 0) -> bool:
        """Whether this was all that there is to print these parts: no width, no colour, and nothing to expand."""
        text = "".join(part if isinstance(part, str) else part[0] for part in parts)
        if self.width is not None or self._options.color or _CONTROL.search(text):
            return False
        self._stream.write(f"{' ' * indent}{text}\n")
        self._stream.flush()
        return True

    def _print(self, text: Text, indent: int) -> None:
        from rich.text import Text

        self.console.print(Text(" " * indent) + text, soft_wrap=True)

    def labelled(self, label: str, label_style: str, text: str, style: str) -> None:
        """A label, and beside it a text without spaces (an id), folded into its own column."""
        if self._unwatched([label, "  ", text]):
            return
        from rich.text import Text

        room = None if self.width is None else max(20, self.width - len(label) - 2)
        cut = [text] if room is None else [str(part) for part in Text(text, overflow="fold").wrap(self.console, room)]
        for number, part in enumerate(cut):
            beside = (label, label_style) if number == 0 else " " * len(label)
            self.console.print(Text.assemble(beside, "  ", (part, style)), soft_wrap=True)

    def blank(self) -> None:
        if not self._unwatched([]):
            self.console.print()

    def heading(self, text: str, style: str = "bold") -> None:
        self.blank()
        self.line((text, style))


def table(screen: Screen, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> None:
    """A table of safe strings. `columns` are (heading, "left" or "right"); off a terminal, columns keep their full
    width and the last one is not padded."""
    widths = [max([len(heading), *(len(row[index]) for row in rows)]) for index, (heading, _) in enumerate(columns)]
    if screen.width is not None and sum(widths) + 2 * (len(widths) - 1) > screen.width:
        _shrink(screen, columns, rows)
        return
    for number, row in enumerate(([heading for heading, _ in columns], *rows)):
        cells = [
            cell.rjust(width) if side == "right" else cell.ljust(width)
            for cell, width, (_, side) in zip(row, widths, columns, strict=True)
        ]
        screen.uncut(("  ".join(cells).rstrip(), "bold" if number == 0 else ""))


def _shrink(screen: Screen, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, (heading, side) in enumerate(columns):
        longest = max((len(row[index]) for row in rows), default=0)
        # Only long texts fold; numbers and dates stay in one piece.
        grid.add_column(
            Text(heading), justify="right" if side == "right" else "left", no_wrap=longest <= 20, overflow="fold"
        )
    for row in rows:
        grid.add_row(*(Text(cell, overflow="fold") for cell in row))
    screen.console.print(grid)
