"""Writing a history into a dataset: only the months that changed, and all of them at once.

What a month of the dataset holds afterwards: every run that the history has in it, and those runs from before that the
history no longer has whole (pruned), or never had (another history of the same project). A run counts once, by the
digest of its report files.

Two passes over the history. The first reads headers and tells which months changed, by a digest of all that could make
a difference. The second loads the runs of these. New files stand beside the old ones until the manifest names them.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from flakediag.errors import HistoryError, UsageError
from flakediag.history.columnar import manifest as manifests
from flakediag.history.columnar import tables
from flakediag.history.columnar.manifest import Manifest, Month, Part, Project
from flakediag.history.columnar.rows import Rows, month_of, tests_table
from flakediag.history.history import History
from flakediag.history.portable import FormerName, Portable
from flakediag.history.pruned import PrunedRun
from flakediag.history.values import digest, untext
from flakediag.model import FailureDetail, Identity

_MOST_HELD = 4_000_000  # results in memory, some 100 MB; beyond it a month becomes several files


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export did. `runs` and `results` are those of the months that were written; `unchanged` counts months."""

    months: int
    unchanged: int
    runs: int
    results: int
    bytes: int


class _Key(NamedTuple):
    project: str
    month: str


def export(
    history: History,
    folder: Path,
    signature_of: Callable[[FailureDetail], str],
    told: Callable[[Iterable[Portable]], Iterable[Portable]] = lambda runs: runs,
) -> Exported:
    """Bring the dataset in `folder` up to date with the history; it is made where there is none.

    `told` passes the runs of the second pass on, to show progress. Raises `UsageError` where the folder holds something
    else or another export is at work, `HistoryError` where it cannot be written.
    """
    try:
        with _alone(folder):
            return _Export(history, folder, signature_of).run(told)
    except OSError as error:
        raise HistoryError(
            f"{folder} cannot be written: {error.strerror or error}", "what was there before is still whole"
        ) from error


class _Export:
    def __init__(self, history: History, folder: Path, signature_of: Callable[[FailureDetail], str]) -> None:
        self._history = history
        self._folder = folder
        self._signature_of = signature_of
        self._old = _manifest_of(folder)
        self._highest = self._old.highest_run
        self._names = count(1)
        self._tests: dict[str, dict[Identity, int]] = {}
        self._numbers: dict[str, dict[str, int]] = {}  # project → digest → number, of runs in the dataset

    def run(self, told: Callable[[Iterable[Portable]], Iterable[Portable]]) -> Exported:
        sources, digests = self._sources()
        changed = {key for key, source in sources.items() if source != self._known_source(key)}
        if not changed and self._old.generation:
            return Exported(months=0, unchanged=len(sources), runs=0, results=0, bytes=self._old.bytes)
        for project in {key.project for key in changed}:
            self._begin(project)
        parts = self._written(changed, told)
        changed |= self._left(sources, digests)
        written = [part for mine in parts.values() for part in mine]
        for key in changed:
            parts[key] += self._carried(key, digests[key.project])
        new = self._manifest({key: Month(source=sources.get(key, ""), parts=tuple(parts[key])) for key in changed})
        self._commit(new)
        return Exported(
            months=len(changed),
            unchanged=len(sources) - len(changed),
            runs=sum(part.runs for part in written),
            results=sum(part.results for part in written),
            bytes=new.bytes,
        )

    # --- what changed -------------------------------------------------------------------------------------------

    def _sources(self) -> tuple[dict[_Key, str], dict[str, set[str]]]:
        """For each month what tells its state, and for each project the digests of its runs and of their files."""
        renamed: defaultdict[str, list[FormerName]] = defaultdict(list)
        for name in self._history.former_names():
            renamed[name.project].append(name)
        said: defaultdict[_Key, list[str]] = defaultdict(list)
        digests: defaultdict[str, set[str]] = defaultdict(set)
        for item in self._history.portables():
            if not item.pruned:
                key = _Key(item.run.project, month_of(item.run))
                said[key].append(repr((item.run, item.files, item.results)))
                digests[key.project].update((item.run.digest, *(file.digest for file in item.files)))
                self._highest = max(self._highest, item.run.id or 0)
        for key, runs in said.items():
            runs.append(repr(renamed[key.project]))
        return {key: _digest(runs) for key, runs in said.items()}, digests

    def _known_source(self, key: _Key) -> str | None:
        month = self._months_before(key.project).get(key.month)
        return month.source if month else None

    # --- new parts ----------------------------------------------------------------------------------------------

    def _begin(self, project: str) -> None:
        """Learn the numbers that the dataset has for the tests and runs of a project."""
        self._tests[project], self._numbers[project] = {}, {}
        known = self._old.projects.get(project)
        if known is None:
            return
        for file in known.files("tests"):
            for row in tables.read(self._folder / file).to_pylist():
                number = row.pop("test")
                self._tests[project][Identity(**{name: untext(value) for name, value in row.items()})] = number
        for file in known.files("runs"):
            runs = tables.read(self._folder / file, ["run", "digest"])
            self._numbers[project].update(
                zip(map(untext, runs["digest"].to_pylist()), runs["run"].to_pylist(), strict=True)
            )

    def _written(
        self, changed: set[_Key], told: Callable[[Iterable[Portable]], Iterable[Portable]]
    ) -> defaultdict[_Key, list[Part]]:
        """The runs that the history has in these months."""
        parts: defaultdict[_Key, list[Part]] = defaultdict(list)
        held: dict[_Key, Rows] = {}
        for item in told(self._history.portables()):
            key = _Key(item.run.project, month_of(item.run))
            if item.pruned or key not in changed:
                continue
            report = item.load()
            assert not isinstance(report, PrunedRun)
            if key not in held:
                held[key] = Rows(self._numbering(key.project), self._signature_of)
            held[key].add(report, self._number_of(item))
            if sum(rows.results for rows in held.values()) >= _MOST_HELD:
                largest = max(held, key=lambda key: held[key].results)
                parts[largest].append(self._write(largest, held.pop(largest)))
        for key in sorted(held):
            parts[key].append(self._write(key, held[key]))
        return parts

    def _numbering(self, project: str) -> Callable[[Identity], int]:
        numbers = self._tests[project]

        def number_of(test: Identity) -> int:
            return numbers.setdefault(test, len(numbers))

        return number_of

    def _number_of(self, item: Portable) -> int:
        """The number of a run: the one it has in the dataset, else its own, else (another's) a new one."""
        known = self._numbers[item.run.project].get(item.run.digest)
        if known is not None:
            return known
        if item.run.id is not None and item.run.id > self._old.highest_run:
            return item.run.id
        self._highest += 1
        return self._highest

    def _write(self, key: _Key, rows: Rows) -> Part:
        return self._write_part(key, rows.tables())

    def _write_part(self, key: _Key, content: Mapping[str, pa.Table]) -> Part:
        name = self._name()
        size = sum(
            tables.write(content[table], table, self._folder / manifests.path_of(table, *key, name))
            for table in tables.MONTHLY
        )
        return Part(name=name, bytes=size, **{table: content[table].num_rows for table in tables.MONTHLY})

    def _name(self) -> str:
        """No two files of all exports have the same name, whatever a file system takes for the same folder."""
        return f"{self._old.generation + 1:06}-{next(self._names):04}"

    # --- what the history does not have any more --------------------------------------------------------------------

    def _carried(self, key: _Key, digests: set[str]) -> list[Part]:
        """The runs of a month in the dataset that the history has not whole: their parts, as they are where all go."""
        return [
            part if len(kept) == part.runs else self._write_part(key, self._only(key, part, kept))
            for part, kept in self._kept(key, digests)
            if kept
        ]

    def _left(self, sources: Mapping[_Key, str], digests: Mapping[str, set[str]]) -> set[_Key]:
        """Months without a run of the history, where the dataset has one that is in another month by now: of two
        headers of one run, `merge` keeps the one that says more."""
        months = {_Key(name, month) for name in self._tests for month in self._months_before(name)} - sources.keys()
        return {
            key for key in months if any(len(kept) < part.runs for part, kept in self._kept(key, digests[key.project]))
        }

    def _kept(self, key: _Key, digests: set[str]) -> Iterator[tuple[Part, list[int]]]:
        """The parts of a month as it was, each with the runs of it that are none of these, by no report file."""
        month = self._months_before(key.project).get(key.month)
        for part in month.parts if month else ():
            rows = self._read("runs", key, part).select(["run", "digest", "files"]).to_pylist()
            yield (
                part,
                [
                    row["run"]
                    for row in rows
                    if not digests.intersection(
                        map(untext, (row["digest"], *(file["digest"] for file in row["files"])))
                    )
                ],
            )

    def _months_before(self, project: str) -> Mapping[str, Month]:
        return self._old.projects[project].months if project in self._old.projects else {}

    def _only(self, key: _Key, part: Part, runs: list[int]) -> dict[str, pa.Table]:
        mine = {
            name: self._read(name, key, part, pc.field("run").isin(runs))
            for name in tables.MONTHLY
            if name != "details"
        }
        said = pc.field("detail").isin(mine["failures"]["detail"].combine_chunks())
        return {**mine, "details": self._read("details", key, part, said)}

    def _read(self, table: str, key: _Key, part: Part, rows: pc.Expression | None = None) -> pa.Table:
        return tables.read(self._folder / manifests.path_of(table, *key, part.name), rows=rows)

    # --- the manifest -------------------------------------------------------------------------------------------

    def _manifest(self, months: Mapping[_Key, Month]) -> Manifest:
        projects = dict(self._old.projects)
        for name, numbers in self._tests.items():
            table = tests_table(numbers)
            file = self._name()
            target = self._folder / f"tests/project={manifests.escaped(name)}/{file}.parquet"
            size = tables.write(table, "tests", target)
            described = Part(name=file, runs=0, results=0, failures=0, details=0, bytes=size)
            mine = {key.month: month for key, month in months.items() if key.project == name}
            whole = sorted({**self._months_before(name), **mine}.items())
            projects[name] = Project(
                name=name, tests=described, months={key: month for key, month in whole if month.parts}
            )
        return replace(self._old, generation=self._old.generation + 1, highest_run=self._highest, projects=projects)

    def _commit(self, new: Manifest) -> None:
        """From here on readers see the new files; then the others go, also what a broken export has left."""
        temporary = self._folder / f".{manifests.NAME}.part"
        with temporary.open("w", encoding="ascii") as stream:
            stream.write(manifests.dump(new))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self._folder / manifests.NAME)
        mine = {self._folder / file for file in new.files()}
        for table in (*tables.MONTHLY, "tests"):
            for file in (self._folder / table).rglob("*.parquet*"):
                if file not in mine:
                    file.unlink(missing_ok=True)


def _digest(said: Iterable[str]) -> str:
    """Of these texts, whatever their order."""
    return digest(*(each.encode("utf-8", "surrogatepass") for each in sorted(said))).hex()


def _manifest_of(folder: Path) -> Manifest:
    file = folder / manifests.NAME
    if file.exists():
        return manifests.load(file.read_text("ascii", "replace"), str(folder))
    if any(each.name != _LOCK for each in folder.iterdir()) and not _begun(folder):
        raise UsageError(f"{folder} is a folder with other files in it", "name a new folder, or that of a dataset")
    return Manifest()


def _begun(folder: Path) -> bool:
    """Whether everything in the folder is what a first export leaves that was broken off."""
    known = {_LOCK, f".{manifests.NAME}.part", "tests", *tables.MONTHLY}
    return {each.name for each in folder.iterdir()} <= known


_LOCK = ".lock"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other exports out; on a system without such locks, they are to be kept out by whoever starts them."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", "a partitioned export is a folder: name a new one")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        with suppress(ImportError):
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"another export writes to {folder} at this moment", "try again later") from None
        yield
