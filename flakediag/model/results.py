"""What reports say of tests: who they are, and what became of them in one run."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Outcome(IntEnum):
    """What became of one attempt. `ERROR` is a failure outside the test body (set-up, collection, crash)."""

    PASSED = 0
    FAILED = 1
    ERROR = 2
    SKIPPED = 3

    @property
    def failed(self) -> bool:
        return self in (Outcome.FAILED, Outcome.ERROR)


class Identity(NamedTuple):
    """The identity of a test: what makes two test cases the same test in different runs.

    `variant` tells apart the same test run in several flavours of one job (a browser, a device); it is empty for
    most producers. `file` is relative to the checkout and empty where the producer does not say.
    """

    classname: str
    name: str
    file: str = ""
    variant: str = ""

    @property
    def id(self) -> str:
        """`classname::name`, or `file::name` where there is no class name."""
        base = f"{self.classname or self.file}::{self.name}"
        return f"{base} [{self.variant}]" if self.variant else base


class FailureDetail(NamedTuple):
    """What a report says of one failed attempt. All four are untrusted text, capped by the reader."""

    type: str
    message: str
    text: str
    output: str = ""

    def whole(self) -> str:
        """Everything that was said, for evidence that may stand anywhere."""
        return "\n".join(part for part in self if part)


class Attempt(NamedTuple):
    """One earlier try of a result that was retried."""

    outcome: Outcome
    duration: float | None
    failure: FailureDetail | None


class CaseResult(NamedTuple):
    """One test in one run, in its final state, with the attempts before the last one in `earlier`.

    `duration` is in seconds, None where the report does not say. `failure` belongs to the last attempt.
    """

    test: Identity
    outcome: Outcome
    duration: float | None = None
    failure: FailureDetail | None = None
    earlier: tuple[Attempt, ...] = ()

    @property
    def attempts(self) -> int:
        return len(self.earlier) + 1
