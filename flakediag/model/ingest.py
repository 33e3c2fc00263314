"""What became of report files."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from flakediag.model.runs import Order

if TYPE_CHECKING:
    from collections.abc import Mapping


class FileStatus(StrEnum):
    """What became of one input file."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    PARTIAL = "partial"
    REFUSED = "refused"
    PASSED_OVER = "passed-over"  # no test report, and nobody named it


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What became of one path that was named, or found in a folder or archive."""

    path: str
    status: FileStatus
    reason: str | None = None
    producer: str | None = None
    run: int | None = None
    cases: int = 0
    results: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    order: Order = Order.UNKNOWN
    parallelism: float | None = None


@dataclass(frozen=True, slots=True)
class IngestSummary:
    files: tuple[FileReport, ...]
    runs: int
    results: int
    failures: int
    new_flaky: tuple[str, ...]
    notes: tuple[str, ...] = ()  # what the caller should know, one sentence each
    masked: Mapping[str, int] = field(default_factory=dict)  # secrets that were masked in what was stored, by kind
