"""The reports of many projects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from flakediag.model.report import Report


@dataclass(frozen=True, slots=True)
class FailedProject:
    """A project that could not be reported, and why, in one sentence. `bug`: it is flakediag's fault."""

    project: str
    reason: str
    bug: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The reports of all projects of a history, by name; timelines and examples of failures are left out."""

    generated_at: datetime
    reports: tuple[Report, ...]
    failed: tuple[FailedProject, ...] = ()
