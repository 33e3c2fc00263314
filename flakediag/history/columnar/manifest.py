"""What belongs to a dataset: one small file, replaced in one step, that names all others.

Readers open what it names and nothing else, so that neither a file that is being written nor one that was left behind
by an export that died is ever read; and a month changes in all its tables at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from flakediag.errors import HistoryError
from flakediag.history.values import text

NAME = "flakediag.json"
FORMAT = "flakediag-dataset"
VERSION = 1

_LONGEST = 150  # bytes of a project's name in a path; file systems take 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of each table of a month, all with this `name`. The other fields are rows, and bytes in all."""

    name: str
    runs: int
    results: int
    failures: int
    details: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """`source` tells whether the history that was exported has changed since: see export.py."""

    source: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """`tests` is the name of the file with its tests, `months` are by name (2026-11), rising."""

    name: str
    tests: Part
    months: Mapping[str, Month] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        return f"project={escaped(self.name)}"

    def files(self, table: str, months: Iterable[str] | None = None) -> Iterator[str]:
        """The files of a table, relative to the dataset; of all months unless some are named."""
        if table == "tests":
            yield f"tests/{self.folder}/{self.tests.name}.parquet"
            return
        for month in self.months if months is None else months:
            for part in self.months[month].parts:
                yield path_of(table, self.name, month, part.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`generation` counts the exports, `highest_run` is the highest number that a run has."""

    generation: int = 0
    highest_run: int = 0
    projects: Mapping[str, Project] = field(default_factory=dict)

    def parts(self) -> Iterator[Part]:
        for project in self.projects.values():
            for month in project.months.values():
                yield from month.parts

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts()) + sum(p.tests.bytes for p in self.projects.values())

    def files(self) -> Iterator[str]:
        """Every file of the dataset but the manifest itself."""
        for project in self.projects.values():
            for table in ("tests", "runs", "results", "failures", "details"):
                yield from project.files(table)


def escaped(project: str) -> str:
    """A project's name as part of a path: any name makes one, and two names never make the same."""
    name = quote(text(project), safe="")
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST].rpartition('%')[0] or name[:_LONGEST]}~{sha256(name.encode()).hexdigest()[:16]}"


def path_of(table: str, project: str, month: str, name: str) -> str:
    return f"{table}/project={escaped(project)}/month={month}/{name}.parquet"


def dump(manifest: Manifest) -> str:
    """As pure ASCII."""
    said = {
        "format": FORMAT,
        "version": VERSION,
        "generation": manifest.generation,
        "highest_run": manifest.highest_run,
        "projects": [
            {
                "name": project.name,
                "folder": project.folder,
                "tests": asdict(project.tests),
                "months": {name: asdict(month) for name, month in sorted(project.months.items())},
            }
            for _, project in sorted(manifest.projects.items())
        ],
    }
    return json.dumps(said, ensure_ascii=True, indent=1) + "\n"


def load(content: str, place: str) -> Manifest:
    """Raises `HistoryError` for what is no manifest, or one of a newer kind. `place` is for the message."""
    try:
        said = json.loads(content)
        if said["format"] != FORMAT:
            raise ValueError
        if said["version"] > VERSION:
            raise HistoryError(
                f"{place} was written by a newer flakediag (version {said['version']} of the dataset, this one reads "
                f"{VERSION})",
                "update flakediag",
            )
        return Manifest(
            generation=int(said["generation"]),
            highest_run=int(said["highest_run"]),
            projects={each["name"]: _project(each) for each in said["projects"]},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise HistoryError(
            f"{place}/{NAME} is not the list of a dataset", "flakediag export --format parquet -o DIR/ writes one"
        ) from error


def _project(said: Mapping[str, Any]) -> Project:
    return Project(
        name=said["name"],
        tests=Part(**said["tests"]),
        months={
            name: Month(source=month["source"], parts=tuple(Part(**part) for part in month["parts"]))
            for name, month in said["months"].items()
        },
    )
