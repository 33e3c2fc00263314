"""Where the data goes: standard output, or a file that is written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from flakediag.errors import UsageError
from flakediag.report.format import Options

if TYPE_CHECKING:
    from flakediag.cli.options import Session


@contextlib.contextmanager
def opened(session: Session, output: str = "-") -> Iterator[tuple[TextIO, Options]]:
    """A stream for the data and how to show it there. `output` is a path, or `-` for standard output.

    A file appears under its name only when everything was written. Raises `UsageError` where it cannot be written.
    """
    if output == "-":
        terminal = sys.stdout.isatty()
        width = max(40, shutil.get_terminal_size().columns) if terminal else None
        yield sys.stdout, Options(width=width, color=session.color(terminal=terminal))
        return
    target = Path(output)
    try:
        with _replacing(target) as stream:
            # A file is no terminal: coloured only where --color always asks for it.
            yield stream, Options(width=None, color=session.color(terminal=False))
    except OSError as error:
        if isinstance(error, BrokenPipeError) or error.filename not in (None, str(target), str(target.parent)):
            raise
        raise UsageError(f"{output} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[TextIO]:
    if target.exists() and not target.is_file():
        # A device or a pipe (/dev/stderr, a named pipe) has nothing to be replaced.
        with target.open("w", encoding="utf-8", errors="backslashreplace") as stream:
            yield stream
        return
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            yield stream
        temporary = Path(name)
        # mkstemp makes files that only their owner may read; a report is to be like any other file, but not one that
        # everybody may write, whatever the umask.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(target.stat().st_mode if target.exists() else 0o664 & ~umask)
        temporary.replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
