"""How reports were understood, before anything is stored: `flakediag ingest --explain`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TextIO

from flakediag.model import CaseResult, FileReport, Identity, RunReport
from flakediag.report import document
from flakediag.report.format import Options
from flakediag.report.screen import OUTCOME, Screen
from flakediag.report.text import iso, leading, plural, seconds, visible

SHOWN = 10  # results of a run

_HANG = 14  # where the answers begin


def write(items: Iterable[RunReport | FileReport], stream: TextIO, options: Options) -> None:
    """A section for each run and each file that makes none, at the width of the terminal."""
    screen = Screen(stream, options)
    for number, item in enumerate(items):
        if number:
            screen.blank()
        if isinstance(item, FileReport):
            screen.line((leading(item.path), "bold"))
            _answer(screen, item.status.value, item.reason or "")
        else:
            _run(screen, item)


def _run(screen: Screen, report: RunReport) -> None:
    for file in report.files[:3]:
        screen.line((leading(file.path), "bold"))
    if len(report.files) > 3:
        screen.line(f"and {plural(len(report.files) - 3, 'file')} more of the same run")
    for label, answer in _answers(report):
        _answer(screen, label, answer)
    cases = sum(file.cases for file in report.files)
    shown = f", the first {SHOWN} of them:" if len(report.results) > SHOWN else ":" if report.results else ""
    _answer(screen, "results", f"{len(report.results):,} of {plural(cases, 'test case')}{shown}")
    for result in report.results[:SHOWN]:
        _result(screen, result, report.written.get(result.test))


def _answers(report: RunReport) -> Iterator[tuple[str, str]]:
    """What was decided, each with a label."""
    run, decided = report.run, report.decisions
    if decided is not None:
        yield "producer", f"{decided.producer}: {decided.sign}"
        yield "identity", decided.identity.replace("`", "")
        yield "retries", decided.retries.replace("`", "")
        yield "order", decided.order
        yield "start", f"{iso(run.started_at)}, {decided.start}"
    for label, value in (
        ("commit", run.commit),
        ("branch", run.branch),
        ("host", run.host),
        ("job", run.job),
        ("shard", run.shard),
        ("attempt", str(run.attempt) if run.attempt > 1 else None),
    ):
        if value:
            yield label, value
    for note in report.notes:
        yield "note", note


def _answer(screen: Screen, label: str, answer: str) -> None:
    screen.line((f"  {label:<{_HANG - 2}}", "dim"), visible(answer), hang=_HANG)


def _result(screen: Screen, result: CaseResult, written: str | None) -> None:
    word = result.outcome.name.lower()
    tries = f" after {plural(len(result.earlier), 'failed attempt')}" if result.earlier else ""
    label = (f"  {word:<8}{seconds(result.duration):>8}", OUTCOME[result.outcome])
    screen.line(label, f"  {visible(result.test.id)}{tries}", indent=2, hang=20)
    if written is not None:
        screen.line(("written as ", "dim"), visible(written), indent=22, hang=2)


def json(items: Iterable[RunReport | FileReport], stream: TextIO) -> None:
    """The same as a document: `runs`, each with its first results, and `files` that make no run."""
    runs: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    for item in items:
        if isinstance(item, FileReport):
            files.append(document.file(item))
        else:
            runs.append(_json_run(item))
    document.write({"schema_version": document.SCHEMA_VERSION, "runs": runs, "files": files}, stream)


def _json_run(report: RunReport) -> dict[str, Any]:
    run, decided = report.run, report.decisions
    return {
        "files": [file.path for file in report.files],
        "partial": [file.partial for file in report.files if file.partial],
        "producer": run.producer,
        "decided": {
            "producer": decided.producer,
            "sign": decided.sign,
            "identity": decided.identity,
            "retries": decided.retries,
            "order": decided.order,
            "start": decided.start,
        }
        if decided
        else None,
        "order": run.order.value,
        "parallelism": run.parallelism,
        "started_at": iso(run.started_at),
        "commit": run.commit,
        "branch": run.branch,
        "host": run.host,
        "job": run.job,
        "shard": run.shard,
        "attempt": run.attempt,
        "cases": sum(file.cases for file in report.files),
        "results": len(report.results),
        "first": [_json_result(result, report.written) for result in islice(report.results, SHOWN)],
        "notes": list(report.notes),
    }


def _json_result(result: CaseResult, written: Any) -> dict[str, Any]:
    test: Identity = result.test
    return {
        "id": test.id,
        "classname": test.classname,
        "name": test.name,
        "file": test.file or None,
        "variant": test.variant or None,
        "written": written.get(test),
        "outcome": result.outcome.name.lower(),
        "duration": result.duration,
        "attempts": result.attempts,
        "earlier": [attempt.outcome.name.lower() for attempt in result.earlier],
    }
