"""Failures that are excused for a while."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEntry:
    """A decision of people: until a day, this failure does not block.

    `signature` is the way of failing that is excused, None for every way. `expires` is the last day on which it is.
    """

    test: str
    signature: str | None
    reason: str
    owner: str | None = None
    ticket: str | None = None
    added: date
    expires: date


class QuarantineState(StrEnum):
    """How the failure behind an entry stands in the history."""

    FLAKY = "still-flaky"
    RECOVERED = "recovered"  # clean for longer than its own rate would let it be
    UNSEEN = "not-seen"  # the test did not run, or did not fail like this, in the window


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineStanding:
    """An entry and how it stands: whether its last day has passed, and what the history says, in one sentence.

    `days_left` counts today as 0 on the last day and is negative afterwards. `needed` is how many clean runs since the
    last failure would show that it recovered, None where it never failed in the window.
    """

    entry: QuarantineEntry
    days_left: int
    state: QuarantineState
    reason: str
    runs: int = 0
    failures: int = 0
    clean: int = 0
    needed: int | None = None

    @property
    def expired(self) -> bool:
        return self.days_left < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSelection:
    """The quarantined tests in the words of one runner.

    `without` are the arguments that leave them out, `only` those that run nothing else; empty where there is nothing to
    say. `main` and `quarantined` are the commands, with `{}` for the arguments. `file` is the name and content of a
    file that the arguments name. `left_out` are ids that cannot be chosen by name, with the reason; `also` are tests
    that are not quarantined and go along, because the runner cannot tell them apart.
    """

    runner: str
    main: str
    quarantined: str = ""
    without: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    file: tuple[str, str] | None = None
    tests: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    also: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
