"""`flakediag export`"""

from __future__ import annotations

import os
from pathlib import Path

import click

from flakediag.cli.options import Session, make_command, output_option, pass_session
from flakediag.cli.output import opened
from flakediag.cli.progress import progress
from flakediag.errors import UsageError


@make_command(short_help="Write the history as lines of JSON, or as Parquet.")
@click.option(
    "-f",
    "--format",
    "format_name",
    type=click.Choice(("jsonl", "parquet")),
    default="jsonl",
    show_default=True,
    help="jsonl holds everything and can be imported again; parquet is for data frames, or a dataset to report from.",
)
@click.option(
    "--partitioned",
    is_flag=True,
    help="Write Parquet into a folder, by project and month; also where -o names a folder.",
)
@output_option
@pass_session
def command(session: Session, format_name: str, partitioned: bool, output: str) -> None:
    """Write the whole history to files that do not depend on SQLite or on flakediag's own schema.

    JSON lines hold everything: a history that is imported from them gives the same reports. Parquet into one file is
    one row per result. Parquet into a folder is a dataset of results, runs, tests and failures, partitioned by project
    and month, that is a history of its own: flakediag --db parquet:DIR report. Written again, only the months that
    changed are replaced, and what was pruned meanwhile stays. Parquet needs pyarrow, reports from it also DuckDB:
    pip install 'flakediag[columnar]'. docs/history.md describes all three.

    \b
    Examples:
      flakediag export -o history.jsonl
      flakediag export | gzip > history.jsonl.gz
      flakediag export --format parquet -o results.parquet
      flakediag export --format parquet --partitioned -o dataset
    """
    from flakediag import upkeep
    from flakediag.report.format import binary

    db = session.history()
    folder = partitioned or output.endswith(("/", os.sep)) or Path(output).is_dir()
    if folder and format_name != "parquet":
        raise UsageError("only Parquet goes into a folder", "--format parquet; or name a file with -o")
    if output == "-" and format_name == "parquet":
        raise UsageError("Parquet is no text", "name a file: -o results.parquet")
    with progress(session, "exporting") as advance:
        if folder:
            done = upkeep.export_dataset(db, Path(output), advance)
        else:
            with opened(session, output) as (stream, options):
                if format_name == "jsonl":
                    upkeep.export(db, stream, advance)
                else:
                    upkeep.export_parquet(db, binary(stream, options, "Parquet", "results.parquet"), advance)
    if folder and not session.quiet:
        from flakediag.report.text import number, plural

        click.echo(
            f"{plural(done.months, 'month')} written ({plural(done.runs, 'run')}, {plural(done.results, 'result')}), "
            f"{number(done.unchanged)} unchanged; the dataset has {number(done.bytes)} bytes",
            err=True,
        )
