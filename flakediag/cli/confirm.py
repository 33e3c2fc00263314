"""`flakediag confirm`"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flakediag.cli.options import (
    Session,
    format_option,
    make_command,
    output_option,
    pass_session,
    scope,
    scope_options,
)
from flakediag.cli.output import opened
from flakediag.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from flakediag import experiments

EXIT = {
    "confirmed": ExitCode.OK,
    "not-order-dependent": ExitCode.OK,
    "fixed": ExitCode.OK,
    "not-fixed": ExitCode.GATE_TRIPPED,
    "interrupted": ExitCode.INTERRUPTED,
}


@make_command(short_help="Prove a cause, or a fix, with chosen runs.")
@click.argument("test")
@click.option("--yes", is_flag=True, help="Run without asking.")
@click.option("--dry-run", is_flag=True, help="Print what would be run, and run nothing.")
@click.option(
    "--fixed", is_flag=True, help="The test is said to be fixed: run it as often as its failure rate demands."
)
@click.option(
    "--max-runs", type=click.IntRange(min=1), default=40, show_default=True, metavar="N", help="At most so many runs."
)
@click.option(
    "--max-minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="N",
    help="At most so many minutes in all.",
)
@click.option(
    "--by",
    "way",
    type=click.Choice(["order", "timing", "port"]),
    help="What to try: other tests before it, CPU load, or its port held. Default: what the diagnosis says.",
)
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="The port to hold.")
@click.option("--all", "everything", is_flag=True, help="Also look for further polluters, state-setters and cleaners.")
@click.option("--fresh", is_flag=True, help="Leave out what earlier experiments on the same code said.")
@click.option("--program", metavar="WORDS", help="What starts the project's runner: 'poetry run pytest'.")
@click.option(
    "--command",
    "template",
    metavar="WORDS",
    help="Any other runner: {tests} stands for the tests in order, {junit} for the report to write.",
)
@format_option("text", "json")
@output_option
@scope_options
@pass_session
@click.pass_context
def command(
    ctx: click.Context,
    session: Session,
    test: str,
    yes: bool,
    dry_run: bool,
    fixed: bool,
    max_runs: int,
    max_minutes: float,
    way: str | None,
    port: int | None,
    everything: bool,
    fresh: bool,
    program: str | None,
    template: str | None,
    format_name: str,
    output: str,
    since: datetime | None,
    branch: str | None,
    all_branches: bool,
    project: str | None,
) -> None:
    """Run chosen experiments on one test, here, with the project's own runner, until one explanation holds at 99 %.

    Asks before it runs anything, and prints each command as it runs it. The runs are kept in the history as
    experiments: they count for no rate and no verdict. A later confirm of the same code goes on from there. ^C ends
    what runs and prints what was learnt.

    \b
    Examples:
      flakediag confirm tests.test_orders::test_total
      flakediag confirm test_total --yes --max-runs 20 --max-minutes 10
      flakediag confirm test_server --by port --port 8080
      flakediag confirm test_total --fixed
      flakediag confirm test_total --command 'tox -- {tests} --junitxml={junit}'

    \b
    Exit codes:
      0    one explanation holds, or the test is fixed
      1    --fixed: it failed again
      4    the budget did not suffice
      130  interrupted
    """
    from flakediag import experiments

    if port is not None and way not in (None, "port"):
        raise click.UsageError("--port does nothing without --by port")
    setup = experiments.Setup(
        folder=Path.cwd(),
        environ=dict(os.environ),
        command=template,
        program=program,
        runs=max_runs,
        minutes=max_minutes,
        way=experiments.Way.PORT if port is not None else experiments.Way(way) if way else None,
        port=port,
        everything=everything,
        fresh=fresh,
        redactor=session.redactor,
    )
    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    db, now = session.history(), datetime.now(UTC)
    observer = _Observer(session, yes=yes, dry=dry_run, runs=max_runs, minutes=max_minutes)
    verb = experiments.certify if fixed else experiments.confirm
    outcome = verb(db, test, asked, setup, observer, now=now)
    if dry_run:
        return
    if observer.refused:
        raise UsageError("nothing was run", "answer y, or say --yes")
    from flakediag.report import experiment

    with opened(session, output) as (stream, options):
        experiment.write_outcome(outcome, format_name, stream, options)
    ctx.exit(EXIT.get(outcome.standing, ExitCode.NOT_ENOUGH_EVIDENCE))


class _Observer:
    """Asks on the terminal, and tells on standard error what runs and what it said."""

    def __init__(self, session: Session, *, yes: bool, dry: bool, runs: int, minutes: float) -> None:
        self._session = session
        self._yes = yes
        self._dry = dry
        self._budget = f"at most {runs} runs and {minutes:g} minutes"
        self.refused = False

    def allow(self, plan: experiments.Plan) -> bool:
        from flakediag.report import experiment
        from flakediag.report.format import Options

        if self._dry:
            with opened(self._session) as (stream, options):
                experiment.write_plans([plan], "text", stream, options)
            return False
        if not self._yes or not self._session.quiet:
            terminal = sys.stderr.isatty()
            width = max(40, shutil.get_terminal_size().columns) if terminal else None
            shown = Options(width=width, color=self._session.color(terminal=terminal))
            experiment.write_plans([plan], "text", sys.stderr, shown)
            chosen = "; each run is chosen by what the ones before it said" if plan.leading else ""
            click.echo(f"in {Path.cwd()}, {self._budget}{chosen}", err=True)
        if not self._yes:
            try:
                self.refused = not click.confirm("run it?", err=True)
            except click.Abort:
                if sys.stdin.isatty():
                    raise
                click.echo(err=True)
                raise UsageError("nobody is there to be asked", "say --yes to run, or --dry-run to see") from None
        return not self.refused

    def starting(self, number: int, what: str, command: Sequence[str]) -> None:
        from flakediag.report import experiment
        from flakediag.report.text import visible

        if not self._session.quiet:
            width = 100 if self._session.verbosity == 0 else None
            click.echo(f"{number:>3}  {visible(what)}\n     $ {experiment.shell(command, width)}", err=True)

    def ended(self, tried: experiments.Tried) -> None:
        from flakediag.report import experiment

        if not self._session.quiet:
            click.echo("\n".join(experiment.progress(tried)), err=True)
