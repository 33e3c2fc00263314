"""rich's console, with width and colour decided by the caller alone."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console

from flakediag.report.format import Options


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the caller see the BrokenPipeError that rich is handling; its own answer is to exit with 1."""
        raise


def console(stream: TextIO, options: Options) -> Console:
    """A console that writes to the stream, wrapping nothing but what it is told to."""
    return _Console(
        file=stream,
        width=options.width or 1_000_000,
        force_terminal=options.color,
        force_jupyter=False,
        color_system="standard" if options.color else None,
        no_color=not options.color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
