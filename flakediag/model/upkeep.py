"""What was done to a history, or would be."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from flakediag.model.results import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedSource:
    """What became of one history, or export, that was merged.

    `runs` were added, with so many `results`; `known` were there before; `replaced` stored runs gave way to fuller
    ones; `doubled` share report files with a stored run and could not be told apart from it; `lost` could not be read
    (of a damaged history); `masked` are the secrets that were masked in what was stored, by kind.
    """

    path: str
    runs: int
    results: int
    known: int
    replaced: int
    doubled: int
    lost: int = 0
    masked: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was dropped, or would be. `details` are distinct failure texts (not counted in a dry run); `oldest` is the
    start of the first run that is kept; sizes are in bytes, log included."""

    dry_run: bool
    runs: int
    results: int
    failures: int
    details: int
    kept: int
    oldest: datetime | None
    size_before: int
    size_after: int
    notes: tuple[str, ...] = ()


class CheckupStatus(StrEnum):
    FINE = "fine"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class CheckupFinding:
    """One thing that was looked at. `remedy` is what `doctor --repair` would do, or what else would help."""

    subject: str
    status: CheckupStatus
    said: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """The state of a history file; `findings` are those after the repair, where `repaired` says what was done."""

    path: str
    findings: tuple[CheckupFinding, ...]
    repaired: tuple[str, ...] | None = None
    salvaged: MergedSource | None = None

    @property
    def sound(self) -> bool:
        return all(finding.status is not CheckupStatus.PROBLEM for finding in self.findings)


class RenameKind(StrEnum):
    """What two names have in common."""

    NAME = "same name, other class or file"
    CLASS = "same class, like name"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameProposal:
    """A test that vanished and a look-alike that appeared at one commit (None where the run has none).

    `similarity` is between 0 and 1. `last` and `first` are the starts of the last run with the old name and of the
    first with the new one.
    """

    old: Identity
    new: Identity
    kind: RenameKind
    similarity: float
    commit: str | None
    last: datetime
    first: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """Tests under their old and new names. `joined`: the new one was known too, and both histories are one now."""

    pairs: tuple[tuple[Identity, Identity], ...]
    joined: int
    dry_run: bool
