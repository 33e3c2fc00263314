"""Where secrets are masked."""

from __future__ import annotations

from enum import StrEnum


class Redaction(StrEnum):
    """Where secrets are masked before a report is stored."""

    ALL = "all"  # whatever a failure says, the run's properties and its URL
    OUTPUT = "output"  # captured output only
    OFF = "off"
