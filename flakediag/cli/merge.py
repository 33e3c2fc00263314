"""`flakediag merge`"""

from __future__ import annotations

import click

from flakediag.cli.options import HistoryLocation, Session, format_option, make_command, pass_session, redact_options
from flakediag.cli.output import opened
from flakediag.cli.progress import progress
from flakediag.location import Location
from flakediag.model import Redaction


@make_command(short_help="Take in the runs of other histories.")
@click.argument("sources", nargs=-1, required=True, metavar="HISTORY...", type=HistoryLocation())
@click.option("--into", type=HistoryLocation(), metavar="HISTORY", help="The history that they go into. Default: --db.")
@redact_options
@format_option("text", "json")
@pass_session
def command(
    session: Session, sources: tuple[Location, ...], into: Location | None, redact: str | None, format_name: str
) -> None:
    """Take the runs of other histories into this one: of parallel jobs, of other machines, of a colleague.

    A run that is known already, by its report files, counts once: merging twice changes nothing, and the order in
    which histories are merged makes no difference to what is reported. Projects, experiments, renamed tests and pruned
    runs are kept. The sources are only read. Each of them is taken in whole or not at all; several merges and ingests
    may run at once. Secrets that a source holds, since it was written without masks, are masked as by ingest.

    \b
    Examples:
      flakediag merge shard-*/history.db
      flakediag merge linux.db windows.db --into all.db
      flakediag merge history.db --into postgresql://ci@server/tests

    \b
    Exit codes:
      0  everything is in the history
      2  a source is no history, or the history cannot be written
    """
    from flakediag import upkeep

    session.flags |= {"redact": redact and Redaction(redact)}
    target = into or session.history_to_write()
    with progress(session, "merging") as advance:
        merged = upkeep.merge(target, sources, advance, session.redactor)
    from flakediag.report import upkeep as formats

    with opened(session) as (stream, options):
        formats.write_merge(merged, format_name, stream, options)
