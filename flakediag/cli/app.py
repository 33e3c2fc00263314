"""The root command: finds a command's file when it is invoked, and turns every ending into an exit code."""

from __future__ import annotations

import contextlib
import errno
import io
import keyword
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from flakediag import __version__
from flakediag.cli.options import SETTINGS_OPTIONS, Session
from flakediag.errors import ConfigError, ExitCode, UserError

# name -> what it does. Kept here so that `flakediag --help` imports no command; a test compares it with the commands.
COMMANDS = {
    "ingest": "Read test reports into the history.",
    "report": "Rank the flaky tests, with cause, evidence and fix.",
    "show": "Everything about one test.",
    "plan": "The next runs that would tell most, as commands.",
    "confirm": "Prove a cause, or a fix, with chosen runs.",
    "check": "Judge the failures of a run: known flake, or to be looked at.",
    "quarantine": "Excuse flaky failures until a day.",
    "gate": "Exit 1 when the suite is too flaky.",
    "owners": "Whose tests are flaky, by CODEOWNERS.",
    "backtest": "Replay the history under a policy: what it would have blocked and let through.",
    "runs": "List the stored runs.",
    "tests": "List the known tests.",
    "selftest": "Plant known flakes into a copy of the history and see which are found.",
    "merge": "Take in the runs of other histories.",
    "prune": "Drop the results of old runs, keep their sums.",
    "export": "Write the history as lines of JSON, or as Parquet.",
    "import": "Take in the runs of an export.",
    "rename": "Let a test continue under its new name.",
    "doctor": "Look for damage in the history, repair or salvage it.",
    "completion": "Print the shell's completion script.",
}

PROCESSES = "FLAKEDIAG_PROCESSES"
"""The variable that says how many processes may work at the same time."""

_THREADS = "OPENBLAS_NUM_THREADS"
"""The variable by which numpy's library for matrices is told how many threads to start. They wait for work by spinning,
and ours is small: with one for each processor a report takes a twentieth more, and to load numpy twice as long."""

_SHOWN = 200  # characters of a path that is too long for the file system
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _module(command: str) -> str:
    """The name of a command's file in this folder; a word of Python's own (`import`) has an underscore there."""
    return f"{command}_" if keyword.iskeyword(command) else command


class ClosedPipe(Exception):  # noqa: N818 - no error: whoever read our output has enough
    """Nobody reads standard output any more. Not an `OSError`: click answers those with exit code 1."""


@contextlib.contextmanager
def _telling_closed_pipes() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ClosedPipe from error


class FlakediagGroup(click.Group):
    """A lazy group whose `main` is the one place that decides exit codes.

    click ends with 1 for an uncaught exception, ^C, a closed pipe and its own errors alike; 1 is what the gate says.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"flakediag.cli.{_module(cmd_name)}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"commands are {', '.join(COMMANDS)}"
            ctx.fail(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _telling_closed_pipes():  # --help and --version write while the arguments are read
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _telling_closed_pipes():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run and exit the process with an `ExitCode`; never returns."""
        said = list(sys.argv[1:] if args is None else args)
        code = _ending(
            lambda: super(FlakediagGroup, self).main(args, prog_name, complete_var, standalone_mode=False, **extra),
            said,
        )
        sys.exit(code)


def _ending(run: Callable[[], Any], args: Sequence[str]) -> int:
    """The exit code of `run`, with what went wrong told on standard error."""
    try:
        result = run()
        sys.stdout.flush()  # now, while a closed pipe can still be told from a crash
        return result if isinstance(result, int) else ExitCode.OK
    except (ClosedPipe, BrokenPipeError):
        _silence_stdout()
        return ExitCode.CLOSED_PIPE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except click.Abort:  # click's word for ^C
        return ExitCode.INTERRUPTED
    except UserError as error:
        return _user_error(error)
    except click.UsageError as error:
        return _usage_error(error)
    except click.ClickException as error:
        return _user_error(UserError(error.format_message()))
    except PermissionError as error:
        if error.filename is None:
            return _bug(error, args)
        hint = "check the permissions of the file and of the folders above it"
        return _user_error(UserError(f"{error.filename}: {error.strerror}", hint))
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return _user_error(UserError(f"{str(error.filename)[:_SHOWN]}…: {error.strerror}"))
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or error.filename is not None:
            return _bug(error, args)
        _silence_stdout()
        return _user_error(UserError(f"the output cannot be written: {error.strerror}"))
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else ExitCode.OK
    except Exception as error:
        return _bug(error, args)


def _bug(error: Exception, args: Sequence[str]) -> int:
    from flakediag.cli.crash import tell

    tell(error, args)
    return ExitCode.BUG


def _user_error(error: UserError) -> int:
    from flakediag.report.text import lines

    first, *more = lines(error.message)
    told = [f"error: {first}", *(f"  {line}" for line in more)]
    if error.hint:
        first, *more = lines(error.hint)
        told += [f"hint: {first}", *(f"  {line}" for line in more)]
    click.echo("\n".join(told), err=True)
    return error.exit_code


def _usage_error(error: click.UsageError) -> int:
    """What click has to say, in which it repeats what it was given."""
    from flakediag.report.text import lines

    told = io.StringIO()
    error.show(told)
    click.echo("\n".join(lines(told.getvalue().rstrip("\n"))), err=True)
    return ExitCode.USAGE


def _silence_stdout() -> None:
    # Python flushes standard output once more on its way out; give it somewhere to go.
    with contextlib.suppress(OSError, ValueError):  # a stream without a file behind it needs nothing
        target = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, target)
        os.close(nowhere)


def _apply(command: click.Group) -> click.Group:
    for option in SETTINGS_OPTIONS:
        command.params.append(option())
    return command


@click.group(cls=FlakediagGroup, name="flakediag", context_settings=CONTEXT)
@click.version_option(__version__, prog_name="flakediag", message="%(prog)s %(version)s")
@click.pass_context
def app(ctx: click.Context) -> None:
    """Say why a test is flaky: which cause, which other party, which fix.

    flakediag reads the JUnit XML that CI already writes, keeps it in a local history and answers from that. Unless
    told otherwise it looks at the main branch: the last 90 days, at most 500 runs. `flakediag COMMAND --help` says
    more.

    \b
    Examples:
      flakediag ingest build/reports          read reports into the history
      flakediag report                        rank the flaky tests
      flakediag show test_total               everything about one test
      flakediag check build/reports           are these failures known flakes?
      flakediag gate --max-flaky-rate 1%      exit 1 when over 1 % are flaky

    \b
    Exit codes:
      0    fine
      1    the gate tripped, a check blocks: what the command is there to tell
      2    a usage or user error
      3    a bug in flakediag, with a report to paste
      4    not enough evidence to decide
      5    some files could not be read, or some projects not reported; the rest was
      130  interrupted
      141  the reader of a pipe went away
    """
    ctx.ensure_object(Session)
    if said := os.environ.get(PROCESSES):
        if not said.isdecimal() or int(said) < 1:
            raise ConfigError(f"{PROCESSES}={said} must be a number from 1 on")
        from flakediag.forks import at_most

        ctx.with_resource(at_most(int(said)))


_apply(app)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The entry point: run `argv` (default: the process's own arguments) and exit with an `ExitCode`."""
    if _THREADS not in os.environ:
        os.putenv(_THREADS, "1")  # not `os.environ`, which is handed on to the tests that `confirm` runs
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # warnings of libraries are for developers: -W shows them
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its escape instead of a crash.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app.main(list(argv) if argv is not None else None, prog_name="flakediag")
