"""The verb behind `flakediag check`: which failures of the run at hand are known flakes, and which are not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from flakediag.analysis.check import check as judge
from flakediag.analysis.diagnose import diagnose
from flakediag.ci import from_environ
from flakediag.errors import UsageError
from flakediag.history import History
from flakediag.junit import read_reports
from flakediag.location import Location
from flakediag.model import Check, CheckedRun, FileReport, FileStatus, QuarantineEntry, RunReport, Scope
from flakediag.redact import Redactor
from flakediag.service import RunInfo, place, resolve


def check(
    db: Location,
    what: Sequence[str],
    info: RunInfo,
    scope: Scope,
    *,
    now: datetime,
    environ: Mapping[str, str],
    stdin: BinaryIO | None = None,
    quarantine: Sequence[QuarantineEntry] = (),
    redactor: Redactor | None = None,
) -> Check:
    """Judge the failures of these runs by what was known before the first of them started; nothing is stored.

    Secrets are masked as in what is stored, so that a failure is recognised and nothing is passed on.
    `what` are paths of reports, or the numbers of stored runs. Raises `UsageError` where nothing was found.
    """
    with History.open(db, "read") as history:
        scope = resolve(history, scope)
        info = replace(info, project=scope.project)
        reports, refused = _reports(history, what, info, environ, stdin, now, redactor or Redactor())
        if not reports:
            return Check(runs=(), branch=scope.branch, refused=refused)
        before = replace(scope, before=min(report.run.started_at for report in reports))
        window = history.window(before)
        found = diagnose(window)
        known = set(history.branches(scope.project))
        checked: list[CheckedRun] = []
        for report in reports:
            own = report.run.branch
            beside = scope.branch is not None and own not in (None, scope.branch) and own in known
            recent = [history.window(replace(before, branch=own))] if beside else []
            checked.append(judge(report, window, found, recent=recent, quarantine=quarantine, today=now.date()))
    return Check(runs=tuple(checked), branch=scope.branch, refused=refused)


def _is_number(what: str) -> bool:
    """Whether this names a stored run: a number, unless there is a file of that name."""
    return re.fullmatch(r"[0-9]{1,18}", what) is not None and not Path(what).exists()


def _reports(
    history: History,
    what: Sequence[str],
    info: RunInfo,
    environ: Mapping[str, str],
    stdin: BinaryIO | None,
    now: datetime,
    redactor: Redactor,
) -> tuple[list[RunReport], tuple[FileReport, ...]]:
    stored = [int(each) for each in what if _is_number(each)]
    paths = [each for each in what if not _is_number(each)]
    reports: list[RunReport] = []
    for number in stored:
        try:
            report = history.run_report(number)
        except LookupError:
            raise UsageError(f"the history holds no run {number}", "flakediag runs lists them") from None
        if report.run.project != info.project:
            whose = report.run.project
            raise UsageError(f"run {number} is one of project {whose!r}, not of {info.project!r}", f"--project {whose}")
        reports.append(report)
    refused: list[FileReport] = []
    if paths:
        ci = from_environ(environ)
        for item in read_reports(paths, now=now, stdin=stdin):
            if isinstance(item, FileReport):
                refused.append(item)
            else:
                reports.append(redactor.report(place(item, info, ci, [])).report)
    partial = [
        FileReport(path=file.path, status=FileStatus.PARTIAL, reason=file.partial)
        for report in reports
        for file in report.files
        if file.partial
    ]
    return reports, (*refused, *partial)
