"""`flakediag plan`"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

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


@make_command(short_help="The next runs that would tell most, as commands.")
@click.argument("test", required=False)
@click.option("--program", metavar="WORDS", help="What starts the project's runner: 'poetry run pytest'.")
@click.option(
    "--command",
    "template",
    metavar="WORDS",
    help="Any other runner: {tests} stands for the tests in order, {junit} for the report to write.",
)
@format_option("text", "json")
@output_option
@limit_option(10, "Without TEST: plan for at most N flaky tests; 0 for all. Default: 10.")
@scope_options
@pass_session
def command(
    session: Session,
    test: str | None,
    program: str | None,
    template: str | None,
    format_name: str,
    output: str,
    limit: int,
    since: datetime | None,
    branch: str | None,
    all_branches: bool,
    project: str | None,
) -> None:
    """Say which runs would tell most about the cause, as commands for the project's runner. No test is run.

    The runs are chosen by what they are expected to tell about the suspects that the recorded orders leave. Without
    TEST, for each flaky test of the report. For pytest, the tests are collected once to learn their node ids.

    \b
    Examples:
      flakediag plan tests.test_orders::test_total
      flakediag plan test_total --program 'poetry run pytest'
      flakediag plan --limit 3 --format json
    """
    from flakediag import experiments

    setup = experiments.Setup(folder=Path.cwd(), environ=dict(os.environ), command=template, program=program)
    asked = scope(session, since=since, branch=branch, all_branches=all_branches, project=project)
    db, now = session.history(), datetime.now(UTC)
    if test is None:
        plans = experiments.plans(db, asked, setup, now=now, limit=limit)
    else:
        plans = (experiments.plan(db, test, asked, setup, now=now),)
    from flakediag.report import experiment

    with opened(session, output) as (stream, options):
        experiment.write_plans(plans, format_name, stream, options)
