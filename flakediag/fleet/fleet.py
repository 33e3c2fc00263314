"""The verb behind `flakediag report --all-projects`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from flakediag.errors import UsageError
from flakediag.fleet import processes
from flakediag.fleet.work import Outcome, Task
from flakediag.history import History
from flakediag.location import Location, absolute
from flakediag.model import FailedProject, Fleet, Report, Scope
from flakediag.service import Progress

Map = Callable[[Sequence[Task]], Iterable[Outcome]]


def report_all(
    db: Location,
    scope: Scope,
    *,
    now: datetime,
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Fleet:
    """The report of every project of the history; one that fails stops no other.

    `jobs` processes of this machine do the work (default: one for each core), or with a `scheduler` the workers of
    the Dask cluster at that address, which must reach the history under the same name. Raises `UsageError` for a
    scope that names a project or where Dask is not installed, `HistoryError` where the history cannot be opened.
    """
    if scope.project is not None:
        raise UsageError(f"all projects are asked for, and project {scope.project!r}", "leave one of them out")
    place = absolute(db)
    with History.open(place, "read") as history:
        projects = history.projects()
    tasks = [Task(db=place, scope=replace(scope, project=project), now=now) for project in projects]
    run = _cluster(scheduler) if scheduler is not None else processes.run(jobs or processes.cores())
    outcomes = []
    for outcome in run(tasks):
        outcomes.append(outcome)
        if progress:
            progress(len(outcomes), len(tasks), outcome.project)
    return Fleet(
        generated_at=now.astimezone(UTC),
        reports=tuple(sorted((o for o in outcomes if isinstance(o, Report)), key=lambda report: report.project)),
        failed=tuple(sorted((o for o in outcomes if isinstance(o, FailedProject)), key=lambda one: one.project)),
    )


def _cluster(scheduler: str) -> Map:
    from flakediag.fleet import cluster

    return cluster.run(scheduler)
