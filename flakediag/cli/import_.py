"""`flakediag import`"""

from __future__ import annotations

import click

from flakediag.cli.options import Session, format_option, make_command, pass_session, redact_options
from flakediag.cli.output import opened
from flakediag.cli.progress import progress
from flakediag.errors import UsageError
from flakediag.model import Redaction


@make_command(short_help="Take in the runs of an export.")
@click.argument("file", metavar="FILE")
@redact_options
@format_option("text", "json")
@pass_session
def command(session: Session, file: str, redact: str | None, format_name: str) -> None:
    """Take the runs of an export into the history, as merge does; - reads standard input.

    All of the file or nothing: a line that cannot be read is named, and nothing is stored. Secrets are masked as by
    ingest.

    \b
    Examples:
      flakediag import history.jsonl
      gunzip < history.jsonl.gz | flakediag --db new.db import -

    \b
    Exit codes:
      0  everything is in the history
      2  the file is not what export writes, or the history cannot be written
    """
    from flakediag import upkeep

    session.flags |= {"redact": redact and Redaction(redact)}
    target = session.history_to_write()
    name = "standard input" if file == "-" else file
    try:
        with (
            click.open_file(file, encoding="utf-8", errors="backslashreplace") as stream,
            progress(session, "importing") as advance,
        ):
            merged = upkeep.import_(target, stream, name, advance, session.redactor)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}") from error
    from flakediag.report import upkeep as formats

    with opened(session) as (out, options):
        formats.write_merge((merged,), format_name, out, options)
