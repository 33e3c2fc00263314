"""The few verbs that the commands are made of: read → keep → analyse → report.

Knows neither click nor rich; this is what a Python program would import.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, BinaryIO, Literal

from flakediag import model
from flakediag.ci import CiInfo, from_environ
from flakediag.errors import NoHistoryError, OutdatedHistoryError, UsageError
from flakediag.history import History, Stored

# What only some of the verbs need is loaded by them: it takes longer than most of what they do.
if TYPE_CHECKING:
    from flakediag.analysis.window import Window
    from flakediag.location import Location
    from flakediag.model import FileReport, Finding, IngestSummary, InputFile, Report, Run, RunReport, Scope
    from flakediag.redact import Redactor
    from flakediag.report_cache import ReportCache

DEFAULT_PROJECT = "default"
MAIN_BRANCHES = ("main", "master", "trunk", "develop")

CLOCKS_DIFFER = timedelta(days=1)
"""By zones that reports do not name; a run that starts later than that from now was dated by a wrong clock."""

PARSE_AHEAD = 20_000
"""Results that are parsed before the history is locked. Larger ingests go on parsing under the lock, so that memory
stays bounded, one ingest stays one transaction, and files are read by other processes while this one stores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What the caller says of the runs about to be ingested; None where the report or the CI environment decides."""

    project: str | None = None
    commit: str | None = None
    branch: str | None = None
    job: str | None = None
    attempt: int | None = None
    shard: str | None = None
    url: str | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One stored run, for listing."""

    run: Run
    results: int
    failures: int
    errors: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSummary:
    """One known test, for listing. `failures` counts the executions in which an attempt failed."""

    id: str
    runs: int
    failures: int
    last_run: datetime


Progress = Callable[[int, int | None, str], None]
"""Called with (done, total or None, what) during long work."""


def ingest(
    db: Location,
    paths: Sequence[str],
    info: RunInfo,
    *,
    now: datetime,
    environ: Mapping[str, str],
    stdin: BinaryIO | None = None,
    progress: Progress | None = None,
    redactor: Redactor | None = None,
) -> IngestSummary:
    """Read reports into the history at `db`, creating it where there is none, all in one transaction.

    Secrets are masked before anything is stored, by the `redactor`, or by the usual one where none is given.
    A file that cannot be read is refused by name in the summary; the others are stored. Raises `UsageError` where
    nothing was found at the paths, `HistoryError` where the history cannot be written (then nothing was stored).
    """
    from flakediag.junit import read_reports

    items = read_reports(paths, now=now, stdin=stdin, progress=progress)
    first = list(islice(items, 1))  # with it other processes begin to read, while this one makes itself ready

    from flakediag.analysis.signature import signature_of
    from flakediag.redact import Redactor

    ci = from_environ(environ)
    project = info.project or ci.project or _only_project(db)
    refused: list[FileReport] = []
    placed: list[RunReport] = []
    masked: list[Mapping[str, int]] = []  # of each of them
    notes: list[str] = []
    redactor = redactor or Redactor()

    def runs() -> Iterator[RunReport]:
        for item in chain(first, items):
            if isinstance(item, model.FileReport):
                refused.append(item)
            else:
                report, secrets = redactor.report(place(item, replace(info, project=project), ci, notes))
                masked.append(secrets)
                if report.run.started_at - now > CLOCKS_DIFFER:
                    notes.append(
                        f"a run says that it started on {report.run.started_at:%Y-%m-%d}, later than now: "
                        "if its clock was wrong, it hides the runs before it; say when it was with --started-at"
                    )
                placed.append(replace(report, results=()))  # for the summary; the results need not stay in memory
                yield report

    stream = runs()
    ahead = _take(stream, PARSE_AHEAD)
    if not ahead:
        _tell_passed_over(refused, notes)
        return model.IngestSummary(tuple(refused), 0, 0, 0, (), tuple(notes))
    with History.open(db, "write") as history:
        stored = history.add_runs(chain(_drain(ahead), stream), signature_of)
        added = {one.run for one in stored if not one.duplicate}
        new_flaky = _new_flaky(history, {report.run.project for report in placed}, added)
    _tell_passed_over(refused, notes)
    files = [file for report, one in zip(placed, stored, strict=True) for file in _file_reports(report, one)]
    return model.IngestSummary(
        files=(*files, *refused),
        runs=len(added),
        results=sum(one.results for one in stored),
        failures=sum(f.failures + f.errors for f in files if f.status is not model.FileStatus.DUPLICATE),
        new_flaky=tuple(sorted(new_flaky)),
        notes=tuple(dict.fromkeys(notes)),
        masked=_sum(secrets for secrets, one in zip(masked, stored, strict=True) if not one.duplicate),
    )


def explain(
    paths: Sequence[str],
    info: RunInfo,
    *,
    now: datetime,
    environ: Mapping[str, str],
    stdin: BinaryIO | None = None,
    progress: Progress | None = None,
    redactor: Redactor | None = None,
) -> Iterator[RunReport | FileReport]:
    """The runs as `ingest` would store them, one after the other, and the files that make none; nothing is stored.

    Raises `UsageError` where nothing was found at the paths.
    """
    from flakediag.junit import read_reports
    from flakediag.redact import Redactor

    redactor = redactor or Redactor()
    ci = from_environ(environ)
    named = replace(info, project=info.project or ci.project)
    for item in read_reports(paths, now=now, stdin=stdin, progress=progress):
        if isinstance(item, model.FileReport):
            yield item
        else:
            notes: list[str] = []
            report, _ = redactor.report(place(item, named, ci, notes))
            yield replace(report, notes=(*report.notes, *notes))


def _tell_passed_over(files: Iterable[FileReport], notes: list[str]) -> None:
    passed = [file for file in files if file.status is model.FileStatus.PASSED_OVER]
    if passed:
        others = f" and {len(passed) - 1} further files were" if len(passed) > 1 else " was"
        notes.append(f"{passed[0].path}{others} passed over: {passed[0].reason}")


def _sum(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total.most_common())


def _only_project(db: Location) -> str:
    """What runs are filed under that name no project: the project of a history that has one, else "default"."""
    try:
        projects = _projects(db, "read")
    except NoHistoryError:
        return DEFAULT_PROJECT
    except OutdatedHistoryError:
        projects = _projects(db, "write")
    return projects[0] if len(projects) == 1 else DEFAULT_PROJECT


def _projects(db: Location, mode: Literal["read", "write"]) -> tuple[str, ...]:
    with History.open(db, mode) as history:
        return history.projects()


def _take(stream: Iterable[RunReport], results: int) -> list[RunReport]:
    """The next reports of the stream, until they hold so many results."""
    taken, count = [], 0
    for report in stream:
        taken.append(report)
        count += len(report.results)
        if count >= results:
            break
    return taken


def _drain(reports: list[RunReport]) -> Iterator[RunReport]:
    """The reports in order, each let go of once it has been handed on."""
    reports.reverse()
    while reports:
        yield reports.pop()


def place(report: RunReport, info: RunInfo, ci: CiInfo, notes: list[str]) -> RunReport:
    """The report with its place in the world: what the caller says, else what it says itself, else the environment."""
    run = report.run
    if ci.provider == "git":  # no CI system: the checkout speaks only for runs that could have been made from it
        ci = _checked_out(ci, run, info, notes)
    commit = info.commit or run.commit or ci.commit
    placed = replace(
        run,
        project=info.project or DEFAULT_PROJECT,
        commit=commit,
        branch=info.branch or run.branch or ci.branch,
        job=info.job or run.job or ci.job,
        attempt=info.attempt or ci.attempt or run.attempt,
        shard=info.shard or run.shard or ci.shard,
        url=info.url or run.url or ci.url,
        host=run.host or ci.host,
        started_at=info.started_at or run.started_at,
    )
    return replace(report, run=placed)


def _checked_out(ci: CiInfo, run: Run, info: RunInfo, notes: list[str]) -> CiInfo:
    """What git says, or nothing where the run is known to be of another commit or older than the one checked out.

    Old reports read on a desk would else all be results of one commit, and every regression among them a flake.
    """
    nothing = CiInfo(provider="git")
    if run.commit not in (None, ci.commit):
        return nothing
    started = info.started_at or run.started_at
    if run.commit or info.commit or ci.commit is None or ci.commit_time is None or started >= ci.commit_time:
        return ci
    notes.append(
        f"runs older than commit {ci.commit[:12]}, which is checked out, were stored without a commit: "
        "say theirs with --commit"
    )
    return nothing


def _file_reports(report: RunReport, stored: Stored) -> Iterator[FileReport]:
    from flakediag.junit import file_report

    known = {file.digest for file in stored.known}
    for file in report.files:
        reason = "its content is in the history already" if file.digest in known else file.partial
        yield file_report(report, file, _status(file, known), reason, run=stored.run)


def _status(file: InputFile, known: set[str]) -> model.FileStatus:
    if file.digest in known:
        return model.FileStatus.DUPLICATE
    return model.FileStatus.PARTIAL if file.partial else model.FileStatus.STORED


def _new_flaky(history: History, projects: Iterable[str], added: set[int]) -> set[str]:
    """The tests that are flaky with the added runs and were not without them."""
    if not added or not history.may_hold_flakes():
        return set()
    from flakediag.analysis.failing import newly_flaky

    found: set[str] = set()
    for project in projects:
        scope = resolve(history, model.Scope(project=project))
        few = history.failing(scope)
        flaky = None if few is None else newly_flaky(few, added)
        found |= _among_many(history, scope, added) if flaky is None else flaky
    return found


def _among_many(history: History, scope: Scope, added: set[int]) -> frozenset[str]:
    """The same with arrays."""
    import numpy as np

    from flakediag.analysis.flaky import flaky_tests
    from flakediag.analysis.outcomes import before

    outcomes = history.outcomes(scope, failing_only=True)
    earlier = np.array([run.id not in added for run in outcomes.runs], dtype=np.bool_)
    return frozenset() if earlier.all() else flaky_tests(outcomes) - flaky_tests(before(outcomes, earlier))


def report(
    db: Location,
    scope: Scope,
    *,
    now: datetime,
    progress: Progress | None = None,
    series: bool = False,
    cache: ReportCache | None = None,
) -> Report:
    """Diagnose the history: every test whose verdict is not stable, ranked, with fixes; with `series`, what pictures
    are drawn from as well. A report of the same window that is in the cache is not made again."""
    tell = progress or (lambda done, total, what: None)
    with History.open(db, "read") as history:
        resolved = resolve(history, scope)
        tell(0, 2, "reading the history")
        kept = cache is not None and cache.keeps and not series
        fingerprint = history.fingerprint(resolved) if kept else None
        key = None if fingerprint is None or cache is None else cache.key(fingerprint, resolved)
        found = cache.get(key) if key is not None and cache is not None else None
        if found is None:
            window = history.window(resolved)
            tell(1, 2, "diagnosing")
            found = _diagnosed(resolved, window, now, series=series)
            if key is not None and cache is not None:
                cache.put(key, found)
        tell(2, 2, "done")
        return _told(history, found, scope, resolved, now)


def read(history: History, scope: Scope) -> tuple[Scope, Window]:
    """The scope with its project and branch settled, and what it holds."""
    resolved = resolve(history, scope)
    return resolved, history.window(resolved)


def report_of(history: History, scope: Scope, resolved: Scope, window: Window, now: datetime) -> Report:
    """The report of a window that was read for `scope`."""
    return _told(history, _diagnosed(resolved, window, now), scope, resolved, now)


def _told(history: History, found: Report, scope: Scope, resolved: Scope, now: datetime) -> Report:
    """The report with what does not follow from the window alone."""
    return replace(
        found,
        generated_at=now.astimezone(UTC),
        notes=(
            *found.notes,
            *_other_branches(history, scope, resolved),
            *_ahead_of(now, found.history.last_run),
        ),
    )


def _diagnosed(resolved: Scope, window: Window, now: datetime, *, series: bool = False) -> Report:
    from flakediag.analysis.diagnose import diagnose
    from flakediag.analysis.series import series_of

    found = diagnose(window)
    return model.Report(
        generated_at=now.astimezone(UTC),
        project=resolved.project or DEFAULT_PROJECT,
        branch=resolved.branch,
        history=found.summary,
        rates=found.rates,
        tests=tuple(_with_fix(finding) for finding in found.tests),
        clusters=found.clusters,
        fixes=found.fixes,
        outages=found.outages,
        notes=found.notes,
        series=series_of(window, found.tests) if series else None,
    )


def _with_fix(finding: Finding) -> Finding:
    if finding.verdict is not model.Verdict.FLAKY or finding.cause is None:
        return finding
    from flakediag.remedies import suggest, with_ways

    finding = with_ways(finding)
    assert finding.cause is not None
    signature = finding.signatures[0].text if finding.signatures else None
    return replace(finding, fix=suggest(finding.test, finding.cause, finding.framework, signature=signature))


def resolve(history: History, scope: Scope) -> Scope:
    """The scope with its project and branch settled. Raises `UsageError` where several projects leave it open."""
    projects = history.projects()
    project = scope.project
    if project is None and len(projects) > 1:
        raise UsageError(
            f"the history holds {len(projects)} projects: {', '.join(projects)}", "say which one with --project"
        )
    if project is None:
        project = projects[0] if projects else DEFAULT_PROJECT
    elif project not in projects:
        raise UsageError(f"the history holds no project {project!r}", _nearest(project, projects))
    branch = scope.branch
    branches = history.branches(project)
    if branch is not None and branch not in branches:
        raise UsageError(f"the history holds no run of branch {branch!r}", _nearest(branch, branches))
    if branch is None and not scope.all_branches:
        branch = next((name for name in MAIN_BRANCHES if name in branches), None)
    return replace(scope, project=project, branch=branch)


def _nearest(word: str, known: Sequence[str]) -> str:
    if not known:
        return "nothing is stored yet: flakediag ingest PATH…"
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=3)
    return f"did you mean {' or '.join(close)}?" if close else f"it holds: {', '.join(sorted(known)[:10])}"


def _other_branches(history: History, asked: Scope, resolved: Scope) -> tuple[str, ...]:
    if asked.branch is not None or resolved.branch is None:
        return ()
    others = [b for b in history.branches(resolved.project or DEFAULT_PROJECT) if b != resolved.branch]
    if not others:
        return ()
    return (f"only branch {resolved.branch} was looked at; --branch or --all-branches for the {len(others)} others",)


def _ahead_of(now: datetime, newest: datetime | None) -> tuple[str, ...]:
    if newest is None or newest - now <= CLOCKS_DIFFER:
        return ()
    note = (
        f"the newest run says that it started on {newest:%Y-%m-%d}, later than now: a wrong clock. Runs long before it "
        "are not in this window: --since DATE takes them in"
    )
    return (note,)


def show(db: Location, test: str, scope: Scope, *, now: datetime) -> Finding:
    """Everything about one test, stable or not, by its id or a unique part of it.

    Raises `UsageError` where none or several match, naming the nearest.
    """
    with History.open(db, "read") as history:
        resolved = resolve(history, scope)
        window = history.window(resolved)
    from flakediag.analysis.diagnose import diagnose

    index = _find(test, [identity.id for identity in window.tests])
    if not window.executed[:, index].any():
        raise UsageError(
            f"{window.tests[index].id} was skipped in every run of the window", "look further: --since DATE"
        )
    found = diagnose(window, also=[index])
    return _with_fix(next(f for f in found.tests if f.test == window.tests[index]))


def _find(asked: str, ids: Sequence[str]) -> int:
    if ids.count(asked) == 1:
        return ids.index(asked)
    matches = sorted({id for id in ids if asked in id})
    if len(matches) == 1:
        return ids.index(matches[0])
    if matches:
        some = ", ".join(matches[:5]) + (", …" if len(matches) > 5 else "")
        raise UsageError(f"{asked!r} is part of {len(matches)} test ids: {some}", "give more of it, or the whole id")
    raise UsageError(f"no test in the window has {asked!r} in its id", _nearest(asked, ids))


def runs(db: Location, scope: Scope) -> tuple[RunSummary, ...]:
    """The stored runs, newest first; every branch unless the scope names one."""
    with History.open(db, "read") as history:
        stored = history.runs(resolve(history, replace(scope, all_branches=True)))
    return tuple(
        RunSummary(run=s.run, results=s.results, failures=s.failures, errors=s.errors, skipped=s.skipped)
        for s in stored
    )


def tests(db: Location, scope: Scope, pattern: str | None = None) -> tuple[TestSummary, ...]:
    """The known tests, by id; `pattern` keeps those whose id contains it."""
    with History.open(db, "read") as history:
        counted = history.tests(resolve(history, replace(scope, all_branches=True)), pattern)
    return tuple(
        TestSummary(id=c.test.id, runs=c.runs, failures=c.failures, last_run=c.last_run)
        for c in sorted(counted, key=lambda c: c.test.id)
    )
