"""One experiment, from its order to a run that can be stored."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from flakediag.confirm import process
from flakediag.confirm.runners import Call, Runner
from flakediag.errors import UserError
from flakediag.junit import read_reports
from flakediag.model import CaseResult, Identity, Order, Outcome, RunReport


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of an experiment. `result` is the test's own, None where it did not run; `problem` then says why.

    before: the tests that executed before it, in order, as the report tells; None where it does not tell the order.
    """

    argv: tuple[str, ...]
    report: RunReport | None
    result: CaseResult | None
    before: tuple[Identity, ...] | None
    seconds: float
    problem: str = ""
    order: tuple[Identity, ...] = ()  # all tests of the report, skipped ones too, where it tells their order


def carry_out(
    runner: Runner,
    before: Sequence[Identity],
    test: Identity,
    folder: Path,
    *,
    environ: Mapping[str, str],
    now: datetime,
    timeout: float | None,
    seed: int | None = None,
) -> Carried:
    """Run these tests, then `test`, in a process of its own, and read the report. Nothing is stored here.

    Every result that the runner reports counts: a runner that cannot order tests says what it did.
    """
    with tempfile.TemporaryDirectory(prefix="flakediag-") as name:
        scratch = Path(name)
        call = runner.call([*before, test], scratch, seed)
        began = time.time()
        ended = process.run(
            call.argv, folder, environ={**environ, **call.environ}, timeout=timeout, log=scratch / "output.log"
        )
        found = _reports(call, began)
        report = _read(found, now) if found else None
        result, order = _split(report, test, runner, scratch)
        known = order is not None and runner.executed(order, scratch) is not None
    earlier = None if result is None or order is None else order[: order.index(result.test)]
    if report is not None and order is not None:
        report = report if not known else _ordered(report, order)
        report = replace(report, run=replace(report.run, order=Order.EXECUTION))
        order = order if known else tuple(r.test for r in report.results)
    problem = ""
    if result is None:
        if ended.code is None:
            problem = f"stopped after {ended.seconds:.0f} s: its time was up"
        else:
            problem = f"{call.argv[0]} ended with {ended.code} and " + (
                "its report does not hold the test" if report else "without a report"
            )
            problem += f"; it said:\n{_last_lines(ended.output)}" if ended.output.strip() else ""
    return Carried(call.argv, report, result, earlier, ended.seconds, problem, order or ())


def _reports(call: Call, began: float) -> list[str]:
    found: list[str] = []
    for path in call.reports:
        files = sorted(path.glob("*.xml")) if path.is_dir() else [path] if path.is_file() else []
        found += [str(file) for file in files if file.stat().st_mtime >= began - 1.0 and str(file) not in found]
    return found


def _read(paths: Sequence[str], now: datetime) -> RunReport | None:
    try:
        reports = [item for item in read_reports(paths, now=now) if isinstance(item, RunReport)]
    except UserError:
        return None
    if not reports:
        return None
    joined = tuple(result for report in reports for result in report.results)
    first = reports[0]
    # The same outcome twice may come in the very same bytes; as an experiment it still counts twice.
    salt = f"{first.run.digest} {now.isoformat()} {os.getpid()}"
    files = tuple(
        replace(file, digest=_digest(f"{file.digest} {salt}"), path=Path(file.path).name)
        for report in reports
        for file in report.files
    )
    run = replace(first.run, digest=_digest(salt), started_at=now, experiment=True)
    if len(reports) > 1:
        run = replace(run, order=Order.UNKNOWN)
    return RunReport(run=run, results=joined, files=files)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _split(
    report: RunReport | None, test: Identity, runner: Runner, scratch: Path
) -> tuple[CaseResult | None, tuple[Identity, ...] | None]:
    """The test's result, and all that executed, in order; None where nobody can say in which."""
    result = next((r for r in report.results if _same(r.test, test)), None) if report else None
    if report is None or result is None:
        return None, None
    ran = [r.test for r in report.results if r.outcome is not Outcome.SKIPPED or r is result]
    order = runner.executed(ran, scratch)
    if order is None and (report.run.order is Order.EXECUTION or len(ran) == 1):
        order = ran
    return result, None if order is None else tuple(order)


def _ordered(report: RunReport, order: Sequence[Identity]) -> RunReport:
    """The results as they executed; those that did not, last."""
    place = {test: n for n, test in enumerate(order)}
    return replace(report, results=tuple(sorted(report.results, key=lambda r: place.get(r.test, len(place)))))


def _same(found: Identity, asked: Identity) -> bool:
    """The file may be told in one producer's flavour and not in another's."""
    return (found.classname, found.name) == (asked.classname, asked.name) and (
        found.file == asked.file or not found.file or not asked.file
    )


def _last_lines(output: str) -> str:
    return "\n".join(output.rstrip().splitlines()[-8:])
