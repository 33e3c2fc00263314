"""A progress bar, where someone watches it."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flakediag.cli.options import Session

BETWEEN_DRAWINGS = 0.1  # seconds


@contextlib.contextmanager
def progress(session: Session, what: str) -> Iterator[Callable[[int, int | None, str], None] | None]:
    """A function to call with (done, total or None, what is being done); None where nobody watches standard error."""
    if session.quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

    from flakediag.report.text import visible

    console = Console(stderr=True, no_color=not session.color(terminal=True))
    # Without a thread that draws: beside one, no other process could be made to share the work.
    with Progress(console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task(what, total=None)
        drawn = -math.inf

        def advance(done: int, total: int | None, what: str) -> None:
            # Text().markup escapes what rich would take for markup in a file's name.
            nonlocal drawn
            bar.update(task, completed=done, total=total, description=Text(visible(what)[-40:]).markup)
            if time.monotonic() - drawn > BETWEEN_DRAWINGS:
                bar.refresh()
                drawn = time.monotonic()

        yield advance
