"""Why a test fails: causes, the reasons to believe in them, and what would tell more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from flakediag.model.categories import Category


@dataclass(frozen=True, slots=True)
class Partner:
    """The other party of a failure.

    `id` is a test's id, the id of a class, module or package (kind "group"), or who else uses a port
    (kind "service", "run" or "process").
    `role` is polluter, state-setter or cleaner (order dependence), or port-user.
    `earlier`: it did so in the run before, on the same host.
    """

    id: str
    kind: str
    role: str
    probability: float
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason to believe in a cause.

    `kind` names the file of `analysis/evidence/` that it comes from (with a suffix where one file has several).
    `weight` is in nats of log-odds for `category` against the rest: positive speaks for it, negative against.
    `summary` is one sentence for people, without trailing full stop; `data` is what it rests on (JSON-able).
    """

    kind: str
    category: Category
    weight: float
    summary: str
    data: Mapping[str, Any] = field(default_factory=dict)
    partners: tuple[Partner, ...] = ()
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Alternative:
    category: Category
    probability: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Evidence that a diagnosis lacks.

    `kind` is an entry of the catalogue of ways to get it (`remedies/catalogue/settle.toml`); `summary` says in one
    sentence what is missing and how much of it would decide; `how` is the command or setting of the framework in use,
    None where none is known.
    """

    kind: str
    summary: str
    how: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The probable cause of one signature of one test, or of the test as a whole.

    `alternatives` are the other causes, most probable first. `settle` says what would decide, where it is open;
    `missing` lists all evidence that would help then, what tells most first.
    """

    category: Category
    probability: float
    alternatives: tuple[Alternative, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    partners: tuple[Partner, ...] = ()
    ports: tuple[int, ...] = ()
    settle: str | None = None
    missing: tuple[Gap, ...] = ()
