"""`flakediag ingest`"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from flakediag.cli.options import Moment, Session, make_command, pass_session, redact_options
from flakediag.cli.output import opened
from flakediag.cli.progress import progress
from flakediag.errors import ExitCode
from flakediag.model import FileReport, FileStatus, IngestSummary, InputFile, RunReport

if TYPE_CHECKING:
    from flakediag.service import RunInfo


@make_command(short_help="Read test reports into the history.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--commit", metavar="SHA", help="The commit that was tested.")
@click.option("--branch", metavar="NAME", help="The branch that was tested.")
@click.option("--job", metavar="NAME", help="The CI job.")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Which attempt of the job this was.")
@click.option("--shard", metavar="NAME", help="Which shard of the job this was.")
@click.option("--run-url", metavar="URL", help="Where to look the run up.")
@click.option("--started-at", type=Moment(), metavar="TIME", help="When the run started (ISO 8601).")
@click.option("--project", metavar="NAME", help="The project, where one history holds several.")
@redact_options
@click.option(
    "-f",
    "--format",
    "format_name",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What to print.",
)
@click.option("--explain", is_flag=True, help="Store nothing; say how each report is understood, and why.")
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    paths: tuple[str, ...],
    commit: str | None,
    branch: str | None,
    job: str | None,
    attempt: int | None,
    shard: str | None,
    run_url: str | None,
    started_at: datetime | None,
    project: str | None,
    redact: str | None,
    format_name: str,
    explain: bool,
) -> None:
    """Read test reports into the history: JUnit XML, TRX, NUnit, xUnit.net, Playwright, CTRF, go test -json, TAP.

    PATH is a report, a folder, a quoted glob, an archive (.gz, .zip, .tar.*), or - for standard input. What is not
    said with an option is taken from the report and from the CI system's environment. The same report twice is one
    run. A file that cannot be read does not stop the others. Tokens, keys, passwords and e-mail addresses in what a
    failure says are masked before it is stored.

    With --explain nothing is stored: it says by which sign the producer was recognised, how tests are told apart, what
    a retry is, whether the order is that of execution, when and where the run was, and shows the first results as they
    would be stored.

    \b
    Examples:
      flakediag ingest build/test-results
      flakediag ingest 'shard-*/junit.xml.gz' --commit "$GITHUB_SHA"
      curl -sSf "$REPORT_URL" | flakediag ingest -
      flakediag ingest --explain build/report.xml

    \b
    Exit codes:
      0  everything was stored or known already
      2  nothing was found at the paths
      5  some files could not be read, wholly or in part; the rest was stored
    """
    from flakediag import service
    from flakediag.model import Redaction

    session.flags |= {"project": project, "redact": redact and Redaction(redact)}
    info = service.RunInfo(
        project=session.settings.project,
        commit=commit,
        branch=branch,
        job=job,
        attempt=attempt,
        shard=shard,
        url=run_url,
        started_at=started_at,
    )
    stdin = sys.stdin.buffer if "-" in paths else None
    if explain:
        ctx.exit(_explain(session, paths, info, stdin, format_name))
    db = session.history_to_write()
    with progress(session, "reading") as advance:
        summary = service.ingest(
            db, paths, info, now=datetime.now(UTC), environ=dict(os.environ), stdin=stdin, progress=advance,
            redactor=session.redactor,
        )  # fmt: skip
    _tell_refused(summary)
    _tell_notes(session, summary)
    with opened(session) as (stream, _):
        if format_name == "json":
            from flakediag.report import document

            document.write(document.ingest(summary), stream)
        else:
            stream.write(f"{_line(summary)}\n")
    ctx.exit(_exit_code(summary, paths))


def _explain(
    session: Session, paths: Sequence[str], info: RunInfo, stdin: BinaryIO | None, format_name: str
) -> ExitCode:
    """Show what the reports would be stored as; results beyond those shown are let go of, one run after the other."""
    from flakediag import service
    from flakediag.report import explain

    unread = False

    def heard(items: Iterator[RunReport | FileReport]) -> Iterator[RunReport | FileReport]:
        nonlocal unread
        for item in items:
            files = [item] if isinstance(item, FileReport) else item.files
            unread = unread or any(_unread(file) for file in files)
            yield item

    with opened(session) as (stream, options):
        items = heard(
            service.explain(
                paths, info, now=datetime.now(UTC), environ=dict(os.environ), stdin=stdin, redactor=session.redactor
            )
        )
        if format_name == "json":
            explain.json(items, stream)
        else:
            explain.write(items, stream, options)
    return ExitCode.SOME_FILES_UNREADABLE if unread else ExitCode.OK


def _unread(file: FileReport | InputFile) -> bool:
    return file.status is FileStatus.REFUSED if isinstance(file, FileReport) else file.partial is not None


def _line(summary: IngestSummary) -> str:
    from flakediag.report.text import listed, masked, plural, visible

    parts = [
        plural(summary.runs, "run"),
        plural(summary.results, "result"),
        plural(summary.failures, "failure"),
        plural(len(summary.new_flaky), "new flaky test"),
    ]
    known = sum(file.status is FileStatus.DUPLICATE for file in summary.files)
    refused = sum(file.status is FileStatus.REFUSED for file in summary.files)
    if known:
        parts.append(f"{plural(known, 'file')} known already")
    if refused:
        parts.append(f"{plural(refused, 'file')} refused")
    if summary.masked:
        parts.append(masked(summary.masked))
    new = f": {listed([visible(test) for test in summary.new_flaky])}" if summary.new_flaky else ""
    return f"stored {', '.join(parts[:4])}{new}" + "".join(f"; {part}" for part in parts[4:])


def _tell_refused(summary: IngestSummary) -> None:
    from flakediag.report.text import visible

    for file in summary.files:
        if file.status in (FileStatus.REFUSED, FileStatus.PARTIAL):
            word = "refused" if file.status is FileStatus.REFUSED else "read only in part"
            click.echo(f"{word}: {visible(file.path)}: {visible(file.reason or 'no reason given')}", err=True)


def _tell_notes(session: Session, summary: IngestSummary) -> None:
    from flakediag.report.text import visible

    for note in () if session.quiet else summary.notes:
        click.echo(f"note: {visible(note)}", err=True)


def _exit_code(summary: IngestSummary, paths: Sequence[str]) -> ExitCode:
    statuses = {file.status for file in summary.files}
    if statuses <= {FileStatus.REFUSED} and not any(_names_something(path) for path in paths):
        return ExitCode.USAGE
    if not statuses:
        click.echo("error: no reports found\nhint: name the folder that the test runner writes its XML to", err=True)
        return ExitCode.USAGE
    return ExitCode.SOME_FILES_UNREADABLE if statuses & {FileStatus.REFUSED, FileStatus.PARTIAL} else ExitCode.OK


def _names_something(path: str) -> bool:
    return path == "-" or Path(path).exists() or bool(glob.glob(path, recursive=True))  # noqa: PTH207 - any pattern
