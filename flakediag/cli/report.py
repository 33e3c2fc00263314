"""`flakediag report`"""

from __future__ import annotations

import os
from datetime import UTC, datetime

import click

from flakediag.cli import locate
from flakediag.cli.options import (
    Session,
    format_option,
    limit_option,
    make_command,
    output_option,
    pass_session,
    scope,
    scope_options,
)
from flakediag.cli.output import opened
from flakediag.cli.progress import progress
from flakediag.errors import UsageError
from flakediag.model import Category, Verdict
from flakediag.report import format as formats
from flakediag.report.select import select

DEFAULT_LIMIT = {"table": 20, "markdown": 20, "slack": 10}
GROUPS = ("package", "file", "boundary", "cause")
VERDICTS = tuple(verdict.value for verdict in Verdict if verdict is not Verdict.STABLE)


@make_command(short_help="Rank the flaky tests, with cause, evidence and fix.")
@format_option(*formats.NAMES)
@output_option
@limit_option(None, "At most N tests of each verdict; 0 for all. Default: 20 for table and markdown, 10 for slack.")
@scope_options
@click.option("--by", type=click.Choice(GROUPS), help="Sum up where the flakiness sits instead.")
@click.option("--verdict", "verdicts", multiple=True, type=click.Choice(VERDICTS), help="Only these verdicts.")
@click.option(
    "--cause", "causes", multiple=True, type=click.Choice([c.value for c in Category]), help="Only these causes."
)
@click.option("--owner", metavar="NAME", help="Only the tests of this owner, by CODEOWNERS.")
@pass_session
def command(
    session: Session,
    format_name: str,
    output: str,
    limit: int | None,
    since: datetime | None,
    branch: str | None,
    all_branches: bool,
    project: str | None,
    by: str | None,
    verdicts: tuple[str, ...],
    causes: tuple[str, ...],
    owner: str | None,
) -> None:
    """Rank the flaky tests by what they cost, each with its cause, the odds, the evidence and what to do.

    Broken tests stand apart from flaky ones. Piped, the table is plain, uncut text.

    \b
    Formats:
      table                for people, at a terminal or in a log
      json, csv, parquet   for programs, spreadsheets and data frames
      html, svg, png       a page to look at; its overview as a picture
      markdown, slack      for a pull request or a job summary; for a chat
      github               annotations of a GitHub Actions step
      gitlab, sarif        GitLab Code Quality; code scanning
      junit                for the test view of a CI system

    \b
    Examples:
      flakediag report
      flakediag report --since 14d --cause order-dependence
      flakediag report --format json -o flaky.json
      flakediag report --format markdown >> "$GITHUB_STEP_SUMMARY"
      flakediag report --format html -o flaky.html
      flakediag report --format sarif -o flaky.sarif
      flakediag report --by package
    """
    from flakediag import owners, service
    from flakediag.report_cache import ReportCache

    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    if by and format_name not in formats.SUMMED:
        raise UsageError(f"--by has no --format {format_name}", f"--by has {', '.join(formats.SUMMED)}")
    with progress(session, "diagnosing") as advance:
        whole = service.report(
            session.history(),
            asked,
            now=datetime.now(UTC),
            progress=advance,
            series=format_name in formats.DRAWN,
            cache=ReportCache.of_user(os.environ),
        )
    whole = owners.owned(whole, locate.ownership(), owner)
    most = DEFAULT_LIMIT.get(format_name, 0) if limit is None else limit
    wanted = select(
        whole,
        verdicts=[Verdict(verdict) for verdict in verdicts] or _shown(format_name),
        causes=[Category(cause) for cause in causes],
        limit=0 if by else most,
    )
    with opened(session, output) as (stream, options):
        if by:
            from flakediag.report import sums

            sums.write(wanted, by, format_name, stream, options)
            return
        try:
            formats.find(format_name).write(wanted, stream, options)
        except formats.UnavailableError as missing:
            raise UsageError(str(missing), missing.hint) from missing


def _shown(format_name: str) -> list[Verdict]:
    """The verdicts that the format shows, so that no other is counted as cut by the limit; nothing for all."""
    if format_name not in formats.ISSUES:
        return []
    from flakediag.report.issues import LEVELS

    return list(LEVELS)
