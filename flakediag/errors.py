"""Errors that a user can do something about, and the exit codes that a shell sees.

Everything else that escapes is a bug: the command line reports it as one and exits with `ExitCode.BUG`,
never with the code of a tripped gate.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller."""

    OK = 0
    GATE_TRIPPED = 1
    USAGE = 2
    BUG = 3
    NOT_ENOUGH_EVIDENCE = 4
    SOME_FILES_UNREADABLE = 5
    INTERRUPTED = 130
    CLOSED_PIPE = 141


class UserError(Exception):
    """Something that the user can put right.

    `message` says what was wrong, naming file and line where there are any; `hint` says what to do or try next.
    """

    exit_code: ExitCode = ExitCode.USAGE

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(UserError):
    """A flag, a setting or a path that makes no sense."""


class ConfigError(UserError):
    """A setting in pyproject.toml or in the environment that cannot be understood."""


class HistoryError(UserError):
    """The history cannot be opened, read or written."""


class NoHistoryError(HistoryError):
    """There is no history yet, or nothing was ever stored in it."""


class LostHistoryError(HistoryError):
    """The connection to a history was lost while it was read. To read it anew may go through."""


class OutdatedHistoryError(HistoryError):
    """The history is of an earlier flakediag, and is brought up to date only by who may write."""
