"""`flakediag export`"""

from __future__ import annotations

import click

from flakediag.cli.options import Session, make_command, output_option, pass_session
from flakediag.cli.output import opened
from flakediag.cli.progress import progress
from flakediag.errors import UsageError


@make_command(short_help="Write the history as lines of JSON, or as a Parquet table.")
@click.option(
    "-f",
    "--format",
    "format_name",
    type=click.Choice(("jsonl", "parquet")),
    default="jsonl",
    show_default=True,
    help="jsonl holds everything and can be imported again; parquet is one row per result, for data frames.",
)
@output_option
@pass_session
def command(session: Session, format_name: str, output: str) -> None:
    """Write the whole history to a file that does not depend on SQLite or on flakediag's own schema.

    JSON lines hold everything: a history that is imported from them gives the same reports. docs/history.md describes
    them. Parquet needs pyarrow: pip install 'flakediag[parquet]'.

    \b
    Examples:
      flakediag export -o history.jsonl
      flakediag export | gzip > history.jsonl.gz
      flakediag export --format parquet -o results.parquet
    """
    from flakediag import upkeep
    from flakediag.report.format import binary

    db = session.history()
    with progress(session, "exporting") as advance:
        if format_name == "jsonl":
            with opened(session, output) as (stream, _):
                upkeep.export(db, stream, advance)
            return
        if output == "-":
            raise UsageError("Parquet is no text", "name a file: -o results.parquet")
        with opened(session, output) as (stream, options):
            upkeep.export_parquet(db, binary(stream, options, "Parquet", "results.parquet"), advance)
