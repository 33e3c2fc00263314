"""The work on one project: what is sent to where it is done, and what comes back."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass, replace
from datetime import datetime

from flakediag import service
from flakediag.errors import UserError
from flakediag.forks import at_most
from flakediag.location import Location
from flakediag.model import FailedProject, Finding, Report, Scope
from flakediag.report_cache import ReportCache

Outcome = Report | FailedProject


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One project to be reported. `scope` names it; `db` is where the history is for whoever does the work."""

    db: Location
    scope: Scope
    now: datetime

    @property
    def project(self) -> str:
        assert self.scope.project is not None
        return self.scope.project


def report_of(task: Task) -> Outcome:
    """The project's report, or why there is none: no exception has to find its way back from another machine."""
    try:
        with at_most(1):  # the projects are spread already
            report = service.report(task.db, task.scope, now=task.now, cache=ReportCache.of_user(os.environ))
    except UserError as error:
        return FailedProject(task.project, f"{error.message}; {error.hint}" if error.hint else error.message)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return FailedProject(task.project, f"{error!r} in {last.name}, line {last.lineno}", bug=True)
    return replace(report, tests=tuple(map(_light, report.tests)))


def _light(finding: Finding) -> Finding:
    """Without what no format of a fleet shows: it is most of a report, and there may be a thousand of them."""
    signatures = tuple(replace(signature, example=None) for signature in finding.signatures)
    return replace(finding, timeline=(), signatures=signatures)


def killed(task: Task) -> FailedProject:
    return FailedProject(task.project, "its process was ended from outside: was there too little memory?")
