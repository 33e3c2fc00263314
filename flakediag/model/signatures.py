"""The ways in which a test fails, and where they showed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from flakediag.model.categories import Boundary
    from flakediag.model.diagnosis import Diagnosis
    from flakediag.model.results import FailureDetail


@dataclass(frozen=True, slots=True)
class Artefact:
    """Something lifted out of a failure that helps to find the place: an SQLSTATE, a request id, a status line."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class SignatureFinding:
    """One way in which a test fails, and why. `example` is the latest failure with it."""

    text: str
    failures: int
    diagnosis: Diagnosis
    first_seen: datetime
    last_seen: datetime
    boundary: Boundary | None = None
    artefacts: tuple[Artefact, ...] = ()
    example: FailureDetail | None = None
