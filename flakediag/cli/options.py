"""What the commands share: global options before or after the command, the session they describe, parameter types."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flakediag.errors import ConfigError, UsageError
from flakediag.location import Location, location, shown

# The model's dataclasses and the TOML parser take longer to load than `--help` takes to print.
if TYPE_CHECKING:
    from flakediag.config import Settings
    from flakediag.model import Scope
    from flakediag.redact import Redactor

COLOR = ("auto", "always", "never")

F = TypeVar("F", bound=Callable[..., Any])


class Session:  # no dataclass: `--help` would have to load what makes them
    """What the global options say. Settings are read when a command first asks for them.

    given: the options by name; flags: what the command's own options say, by field of `Settings`. Both may come in one
    after the other.
    """

    def __init__(self, given: dict[str, Any] | None = None) -> None:
        self.given: dict[str, Any] = {} if given is None else given
        self.flags: dict[str, Any] = {}
        self._read: tuple[dict[str, Any], Settings] | None = None

    @property
    def settings(self) -> Settings:
        from pathlib import Path

        from flakediag import config

        file = self.given.get("config") or os.environ.get("FLAKEDIAG_CONFIG") or None
        flags = {"db": self.given.get("db"), **self.flags}
        if self._read is not None and self._read[0] == flags:
            return self._read[1]
        settings = config.load(flags, environ=os.environ, directory=Path.cwd(), file=Path(file) if file else None)
        if settings.source and self._read is None:
            self.say(f"settings from {settings.source}")
        self._read = flags, settings
        return settings

    @property
    def redactor(self) -> Redactor:
        """What masks secrets, as the settings say."""
        from flakediag.redact import Redactor

        return Redactor(self.settings.redact, self.settings.redact_patterns)

    @property
    def verbosity(self) -> int:
        return int(self.given.get("verbose") or 0) - int(self.given.get("quiet") or 0)

    @property
    def quiet(self) -> bool:
        return self.verbosity < 0

    def say(self, text: str) -> None:
        """Tell what is being done, on standard error, where `-v` asks for it."""
        if self.verbosity > 0:
            from flakediag.report.text import visible

            click.echo(visible(text), err=True)

    def history(self) -> Location:
        """The history to read. Raises `UsageError` where there is none: reading never creates one."""
        from pathlib import Path

        from flakediag.cli import locate

        db = self.settings.db or locate.nearest(Path.cwd())
        if db is None:
            raise UsageError(
                f"there is no history in {Path.cwd()} or above it ({locate.HISTORY})",
                "read some reports first: flakediag ingest PATH; or name a history with --db",
            )
        if isinstance(db, Path) and not db.is_file():
            raise UsageError(
                f"there is no history at {db}" + (": it is a folder" if db.is_dir() else ""),
                "check the path given with --db, FLAKEDIAG_DB or the configuration; flakediag ingest creates a history",
            )
        self.say(f"history {shown(db)}")
        return db

    def history_to_write(self) -> Location:
        """The history to write, which need not exist yet."""
        from pathlib import Path

        from flakediag.cli import locate

        db = self.settings.db or locate.nearest(Path.cwd()) or locate.project_root(Path.cwd()) / locate.HISTORY
        self.say(f"history {shown(db)}")
        return db

    def color(self, *, terminal: bool) -> bool:
        """Whether to colour: what `--color` says, else only on a terminal that did not ask for none."""
        choice = self.given.get("color") or os.environ.get("FLAKEDIAG_COLOR") or "auto"
        if choice not in COLOR:
            raise ConfigError(f"FLAKEDIAG_COLOR={choice} must be one of {', '.join(COLOR)}")
        if choice != "auto":
            return bool(choice == "always")
        return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class HistoryLocation(click.ParamType):  # type: ignore[type-arg]  # not generic before click 8.4
    """A history's file, or an address."""

    name = "history"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Location:
        from pathlib import Path

        if isinstance(value, Path):
            return value
        try:
            return location(str(value))
        except ValueError as problem:
            self.fail(f"{shown(str(value))!r} {problem}", param, ctx)


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    # The same option may stand before and after the command: the later, nearer one wins.
    if value not in (None, 0):
        assert param.name
        ctx.ensure_object(Session).given[param.name] = value


def _setting(*names: str, **attributes: Any) -> Callable[..., click.Option]:
    return partial(click.Option, names, callback=_keep, expose_value=False, **attributes)


SETTINGS_OPTIONS = (
    _setting(
        "--db",
        type=HistoryLocation(),
        metavar="HISTORY",
        help="The history (FLAKEDIAG_DB): a file, or postgresql://… Default: .flakediag/history.db, here or above.",
    ),
    _setting(
        "--config",
        type=click.Path(),
        metavar="FILE",
        help="Settings (FLAKEDIAG_CONFIG). Default: [tool.flakediag] in the nearest pyproject.toml.",
    ),
    _setting("--color", type=click.Choice(COLOR), help="When to colour the output."),
    _setting("-v", "--verbose", count=True, help="Say more, on standard error."),
    _setting("-q", "--quiet", count=True, help="No progress and no remarks on standard error."),
)


def make_command(*, short_help: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A command that also takes the global options after its name."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        made = click.command(
            short_help=short_help, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
        )(function)
        # --db is what people try to put last; the others work there but would only repeat the root's help.
        made.params += [option(hidden=number > 0) for number, option in enumerate(SETTINGS_OPTIONS)]
        return made

    return decorate


def make_group(*, short_help: str) -> Callable[[Callable[..., Any]], click.Group]:
    """A command that has commands of its own; each of them takes the global options."""
    return click.group(
        short_help=short_help, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
    )


class Moment(click.ParamType[datetime]):
    """An ISO 8601 date or time; without a zone it is UTC. With `ago`, also `14d`, `2w` or `36h` before now."""

    name = "when"

    def __init__(self, *, ago: bool = False) -> None:
        self.ago = ago

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        found = re.fullmatch(r"(\d{1,5})([hdw])", value.strip()) if self.ago else None
        if found:
            hours = int(found[1]) * {"h": 1, "d": 24, "w": 168}[found[2]]
            return datetime.now(UTC) - timedelta(hours=hours)
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            also = ", or an age such as 14d, 2w or 36h" if self.ago else ""
            self.fail(f"{value!r} is not an ISO 8601 date or time such as 2026-03-01 or 2026-03-01T10:00:00Z{also}")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class RateType(click.ParamType[float]):
    """`1%` or `0.01`."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from flakediag import config

        try:
            return config.rate(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}")


def scope_options(function: F) -> F:
    """`--since`, `--branch`, `--all-branches` and `--project`, gathered by `scope`."""
    for option in reversed(
        (
            click.option(
                "--since",
                type=Moment(ago=True),
                metavar="WHEN",
                help="Only runs since a date or age (14d). Default: 90 days before the newest (FLAKEDIAG_DAYS).",
            ),
            click.option(
                "--branch",
                metavar="NAME",
                help="Only runs of this branch (FLAKEDIAG_BRANCH). Default: the main branch, if there is one.",
            ),
            click.option("--all-branches", is_flag=True, help="The runs of every branch."),
            click.option(
                "--project",
                metavar="NAME",
                help="The project, where the history holds several (FLAKEDIAG_PROJECT).",
            ),
        )
    ):
        function = option(function)
    return function


def scope(
    session: Session, *, since: datetime | None, branch: str | None, all_branches: bool, project: str | None
) -> Scope:
    """The part of the history that flags and settings ask for."""
    from flakediag.model import Scope

    if branch and all_branches:
        raise click.UsageError("--branch and --all-branches exclude each other")
    session.flags |= {"branch": branch, "project": project}
    settings = session.settings
    return Scope(
        project=settings.project,
        branch=None if all_branches else settings.branch,
        all_branches=all_branches,
        since=since,
        days=settings.days,
        max_runs=settings.max_runs,
    )


def format_option(*names: str) -> Callable[[F], F]:
    return click.option(
        "-f",
        "--format",
        "format_name",
        type=click.Choice(names),
        default=names[0],
        show_default=True,
        help="What to print.",
    )


def redact_options(command: F) -> F:
    """Where to mask secrets in what is stored, to be kept in `session.flags`."""
    off = click.option("--no-redact", "redact", flag_value="off", help="Store everything as it is: --redact off.")
    levels = click.Choice(["all", "output", "off"])
    return click.option("--redact", type=levels, help="Where to mask secrets (FLAKEDIAG_REDACT).")(off(command))


def limit_option(default: int | None, text: str) -> Callable[[F], F]:
    return click.option("--limit", type=click.IntRange(min=0), default=default, metavar="N", help=text)


output_option = click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="-",
    help="Write to FILE, complete or not at all. Default: standard output.",
)

pass_session = click.make_pass_decorator(Session, ensure=True)
