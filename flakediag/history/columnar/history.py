"""The history in a folder of Parquet files, for the verbs that change nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

from flakediag.errors import UsageError
from flakediag.history.columnar import connection, run_reports, runs
from flakediag.history.columnar.manifest import Manifest, Project
from flakediag.history.columnar.rows import month_of
from flakediag.history.columnar.runs import Loaded
from flakediag.history.history import History, HistoryCounts, Stored, StoredRun
from flakediag.history.values import text, untext
from flakediag.location import Location
from flakediag.model import FailureDetail, HistorySummary, Identity, Run, RunReport, Scope

if TYPE_CHECKING:
    from datetime import datetime

    from flakediag.analysis.outcomes import Outcomes
    from flakediag.analysis.window import Window
    from flakediag.history.merge import Absorbed
    from flakediag.history.portable import FormerName, Portable
    from flakediag.history.prune import Dropped, Limits
    from flakediag.history.tests import CountedTest

_TABLES = ("runs", "results", "failures", "details", "tests")


class ColumnarHistory(History):
    """See `History` for what each verb does.

    What is read is the dataset as it was when this was opened. Where an export replaces a month meanwhile, its old
    files are gone, and the verb says so (`HistoryError`).
    """

    def __init__(self, reader: connection.Reader, manifest: Manifest) -> None:
        self._reader = reader
        self._manifest = manifest

    @classmethod
    def at(cls, place: Location, mode: Literal["read", "write"], busy_timeout: float) -> Self:
        if mode == "write":
            _refuse()
        reader = connection.connect(connection.root_of(str(place)))
        try:
            return cls(reader, connection.manifest(reader))
        except BaseException:
            reader.close()
            raise

    @classmethod
    @contextmanager
    def unchanged(cls, place: Location, busy_timeout: float) -> Iterator[Self]:
        with cls.at(place, "read", busy_timeout) as history:
            yield history

    def close(self) -> None:
        self._reader.close()

    def size(self) -> int:
        return self._manifest.bytes

    # --- list ---------------------------------------------------------------------------------------------------

    def projects(self) -> tuple[str, ...]:
        return tuple(sorted(self._manifest.projects, key=text))

    def branches(self, project: str | None = None) -> tuple[str, ...]:
        chosen = self._project(project)
        if chosen is None:
            return ()
        rows = self._ask(
            "SELECT branch FROM read_parquet($files) WHERE branch IS NOT NULL"
            " GROUP BY branch ORDER BY max(started_at) DESC, branch",
            files=self._files(chosen)["runs"],
        )
        return tuple(untext(row[0]) for row in rows)

    def runs(self, scope: Scope) -> tuple[StoredRun, ...]:
        _, found = self._in_scope(scope)
        return tuple(StoredRun(*each[1:]) for each in reversed(found))

    def tests(self, scope: Scope, pattern: str | None = None) -> tuple[CountedTest, ...]:
        from flakediag.history.columnar import counters

        project, found = self._in_scope(scope)
        if project is None:
            return ()
        counted = counters.count(self._reader, self._files(project, found), self._files(project), found)
        return tuple(each for each in counted if pattern is None or pattern in each.test.id)

    def run_by_digest(self, digest: str, project: str | None = None) -> Run | None:
        chosen = self._project(project)
        if chosen is None:
            return None
        rows = self._ask(
            f"SELECT {runs.COLUMNS} FROM read_parquet($files) WHERE digest = $digest",
            files=self._files(chosen)["runs"],
            digest=text(digest),
        )
        return runs.run_of(rows[0], chosen.name) if rows else None

    def run_report(self, run_id: int) -> RunReport:
        for project in self._manifest.projects.values():
            rows = self._ask(
                f"SELECT {runs.COLUMNS}, files FROM read_parquet($files) WHERE run = $run",
                files=self._files(project)["runs"],
                run=run_id,
            )
            if rows:
                return self._report(project, rows[0])
        raise LookupError(f"no run {run_id}")

    def _report(self, project: Project, row: Sequence[Any]) -> RunReport:
        run = runs.run_of(row, project.name)
        results = run_reports.results(self._reader, self._paths(project, [month_of(run)]), run)
        return RunReport(run=run, results=results, files=runs.files_of(row[-1]))

    def counts(self) -> HistoryCounts:
        tests = signatures = details = 0
        everywhere = [self._files(project) for project in self._manifest.projects.values()]
        if everywhere:
            failures = [file for files in everywhere for file in files["failures"]]
            ((signatures, details),) = self._ask(
                "SELECT count(DISTINCT signature), count(DISTINCT detail) FROM read_parquet($files)", files=failures
            )
        for files in everywhere:
            ((known,),) = self._ask("SELECT count(DISTINCT test) FROM read_parquet($files)", files=files["results"])
            tests += known
        parts = list(self._manifest.parts())
        return HistoryCounts(
            projects=len(self._manifest.projects),
            runs=sum(part.runs for part in parts),
            tests=tests,
            results=sum(part.results for part in parts),
            failures=sum(part.failures for part in parts),
            signatures=signatures,
            details=details,
        )

    def summary(self, scope: Scope) -> HistorySummary:
        from flakediag.history.columnar import counters

        project, found = self._in_scope(scope)
        tests = 0
        if project is not None:
            tests = counters.number_of_tests(self._reader, self._files(project, found), found)
        return HistorySummary(
            runs=len(found),
            tests=tests,
            results=sum(each.results for each in found),
            first_run=found[0].run.started_at if found else None,
            last_run=found[-1].run.started_at if found else None,
        )

    # --- analyse ------------------------------------------------------------------------------------------------

    def window(self, scope: Scope) -> Window:
        from flakediag.history.columnar import windows

        project, found = self._in_scope(scope)
        return windows.load(self._reader, {} if project is None else self._files(project, found), found)

    # --- move and keep up ---------------------------------------------------------------------------------------

    def outcomes(self, scope: Scope, *, failing_only: bool = False) -> Outcomes:
        from flakediag.history.columnar import outcomes

        project, found = self._in_scope(scope)
        return outcomes.load(self._reader, {} if project is None else self._files(project, found), found)

    def portables(self) -> Generator[Portable, None, None]:
        from flakediag.history.portable import Portable

        rows = [
            (row, project)
            for project in self._manifest.projects.values()
            for row in self._ask(
                f"SELECT {runs.COLUMNS}, results, files FROM read_parquet($files)", files=self._files(project)["runs"]
            )
        ]
        for row, project in sorted(rows, key=lambda item: int(item[0][0])):
            yield Portable(
                run=runs.run_of(row, project.name),
                files=runs.files_of(row[-1]),
                results=row[-2],
                pruned=False,
                load=lambda row=row, project=project: self._report(project, row),  # type: ignore[misc]
            )

    def number_of_runs(self) -> int:
        return sum(part.runs for part in self._manifest.parts())

    def former_names(self) -> tuple[FormerName, ...]:
        """None: what is in a dataset has its present name."""
        return ()

    def names(self, project: str) -> tuple[Identity, ...]:
        chosen = self._project(project)
        if chosen is None:
            return ()
        rows = self._ask(
            "SELECT classname, name, file, variant FROM read_parquet($files)", files=self._files(chosen)["tests"]
        )
        return tuple(sorted(Identity(*map(untext, row)) for row in rows))

    # --- what a dataset does not do -------------------------------------------------------------------------------

    def add_runs(self, reports: Iterable[RunReport], signature_of: Callable[[FailureDetail], str]) -> list[Stored]:
        _refuse()

    def absorb(
        self,
        source: Iterable[Portable],
        names: Iterable[FormerName],
        signature_of: Callable[[FailureDetail], str],
    ) -> Absorbed:
        _refuse()

    def prune(self, limits: Limits, now: datetime, *, dry_run: bool = False) -> Dropped:
        _refuse()

    def compact(self) -> None:
        _refuse()

    def repair(self) -> list[str]:
        _refuse()

    def rename(self, project: str, pairs: Sequence[tuple[Identity, Identity]], *, dry_run: bool = False) -> None:
        _refuse()

    # --- how ----------------------------------------------------------------------------------------------------

    def _ask(self, sql: str, **values: object) -> list[Any]:
        return self._reader.rows(sql, values)

    def _project(self, name: str | None) -> Project | None:
        """The project with this name, or the only one; None in an empty dataset."""
        projects = self._manifest.projects
        if name is None and len(projects) <= 1:
            return next(iter(projects.values()), None)
        if name is not None and (name in projects or not projects):
            return projects.get(name)
        names = ", ".join(self.projects())
        said = f"the history has several projects: {names}" if name is None else f"no project {name!r}; it has: {names}"
        raise UsageError(said, "choose one with --project")

    def _in_scope(self, scope: Scope) -> tuple[Project | None, tuple[Loaded, ...]]:
        """The runs in scope, oldest first, and whose they are."""
        project = self._project(scope.project)
        if project is None:
            return None, ()
        newest_first = runs.in_scope(self._reader, project.name, self._files(project)["runs"], scope)
        return project, newest_first[::-1]

    def _files(self, project: Project, found: Sequence[Loaded] | None = None) -> Mapping[str, list[str]]:
        """The files of a project by table; of the months from the first to the last of these runs (oldest first)."""
        months = list(project.months)
        if found is not None:
            first, last = (month_of(each.run) for each in (found[0], found[-1])) if found else ("", "")
            months = [month for month in months if first <= month <= last]
        return self._paths(project, months)

    def _paths(self, project: Project, months: Sequence[str]) -> Mapping[str, list[str]]:
        return {table: [f"{self._reader.root}/{file}" for file in project.files(table, months)] for table in _TABLES}


def _refuse() -> NoReturn:
    raise UsageError(
        "a Parquet dataset is only read",
        "write to a history (ingest, merge, prune, rename), then bring the dataset up to date: "
        "flakediag export --format parquet --partitioned -o DIR",
    )
