"""`flakediag rename`"""

from __future__ import annotations

from datetime import datetime

import click

from flakediag.cli.options import Session, format_option, make_command, pass_session, scope, scope_options
from flakediag.cli.output import opened
from flakediag.errors import UsageError


@make_command(short_help="Let a test continue under its new name.")
@click.argument("names", nargs=-1, metavar="[OLD NEW]")
@click.option("--prefix", is_flag=True, help="OLD and NEW are the beginnings of classes, modules or files.")
@click.option("--dry-run", is_flag=True, help="Only say what would be renamed.")
@scope_options
@format_option("text", "json")
@pass_session
def command(
    session: Session,
    names: tuple[str, ...],
    prefix: bool,
    dry_run: bool,
    since: datetime | None,
    branch: str | None,
    all_branches: bool,
    project: str | None,
    format_name: str,
) -> None:
    """Let the test OLD continue as NEW, so that a rename does not cut its history in two.

    Stored results of OLD become results of NEW, and reports that still use the old name (another branch, an older
    commit, another history that is merged) count for NEW as well. Where one run has both, they are two tests and
    nothing is changed. There is no way to take two joined tests apart again: look with --dry-run first.

    Without names, pairs are listed in which a test vanished and a look-alike appeared at one commit. They are
    proposals; nothing is renamed by itself.

    \b
    Examples:
      flakediag rename
      flakediag rename tests.test_orders::test_sum tests.test_orders::test_total
      flakediag rename --prefix tests.shop tests.store --dry-run
    """
    from flakediag import upkeep
    from flakediag.report import upkeep as formats

    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    db = session.history()
    if not names and not prefix:
        proposed = upkeep.rename_proposals(db, asked)
        with opened(session) as (stream, options):
            formats.write_proposals(proposed, format_name, stream, options)
        return
    if len(names) != 2:
        raise UsageError("rename takes an old and a new name", "flakediag rename OLD NEW, or no name for proposals")
    renamed = upkeep.rename(db, asked, *names, prefix=prefix, dry_run=dry_run)
    with opened(session) as (stream, options):
        formats.write_renamed(renamed, format_name, stream, options)
