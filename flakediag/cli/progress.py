"""A progress bar, where someone watches it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flakediag.cli.options import Session


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
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def advance(done: int, total: int | None, what: str) -> None:
            # Text().markup escapes what rich would take for markup in a file's name.
            bar.update(task, completed=done, total=total, description=Text(visible(what)[-40:]).markup)

        yield advance
