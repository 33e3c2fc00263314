"""Clocks that are wrong, and two versions of flakediag on one history."""

from __future__ import annotations

import io
import sqlite3
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import faults_bench as bench
from faults_bench import Ended, Row, Size, Tally

from flakediag import service, upkeep
from flakediag.history import schema
from flakediag.model import Scope
from flakediag.service import RunInfo

ROOT = Path(__file__).resolve().parents[2]
CLOCKS = (1970, 1999, 2025, 2026, 2038, 2099)  # years that the clock says, where the reports are of early 2026


def versions(size: Size, folder: Path) -> Iterator[Row]:
    for rows in (_own_clock, _clock_of_a_run, _newer_history, _older_flakediag):
        for row in rows(size, folder):
            yield bench.progress(row)


def _reports(folder: Path) -> Path:
    reports = folder / "reports"
    return reports if reports.exists() else bench.write_reports(reports, range(40), 40)


def _said(db: Path, now: datetime) -> str:
    """The report, but for the moment at which it was made and what it says about that."""
    made = service.report(db, Scope(), now=now)
    return repr((made.history, made.rates, made.tests, made.clusters))


def _own_clock(size: Size, folder: Path) -> Iterator[Row]:
    """This machine's clock is wrong, or jumps while a history grows: what is stored and told does not depend on it."""
    reports = sorted(_reports(folder).iterdir())
    right = folder / "right.db"
    service.ingest(right, [str(path) for path in reports], RunInfo(), now=datetime(2026, 6, 1, tzinfo=UTC), environ={})
    expected = _said(right, datetime(2026, 6, 1, tzinfo=UTC))
    tally = Tally()
    for year in CLOCKS:
        db = bench.renewed(None, folder / f"clock-{year}.db")
        for path, now in zip(reports, _jumping(year), strict=False):
            service.ingest(db, [str(path)], RunInfo(), now=now, environ={})
        same = _said(db, datetime(year, 1, 1, tzinfo=UTC)) == expected
        dropped = upkeep.prune(
            db, keep_days=30, keep_runs=None, now=datetime(year, 1, 1, tzinfo=UTC), dry_run=False, window=Scope()
        )
        tally.add(same and dropped.runs == 0, f"clock of {year}: {same=} {dropped}")
    seen = (
        "the same report, and `prune` drops nothing that a right clock would keep: what counts is when the runs started"
    )
    yield Row("This machine's clock jumps back and forth", tally.tries, tally.survived, seen)


def _jumping(year: int) -> Iterator[datetime]:
    while True:
        yield datetime(year, 1, 1, tzinfo=UTC)
        yield datetime(2026, 1, 2, tzinfo=UTC)


def _clock_of_a_run(size: Size, folder: Path) -> Iterator[Row]:
    """One report was written under a wrong clock."""
    tally, noted = Tally(), 0
    template = folder / "right.db"
    now = datetime(2026, 6, 1, tzinfo=UTC)
    first = next(_reports(folder).iterdir()).read_text(encoding="utf-8")
    for year in ("0001", "1601", "1970", "2000", "2038", "2099", "2262", "9999"):
        db = bench.renewed(template, folder / "wrong.db")
        wrong = folder / f"wrong-{year}.xml"
        wrong.write_text(first.replace("2026-01-01T", f"{year}-01-01T").replace('"ci-', '"other-'), encoding="utf-8")
        summary = service.ingest(db, [str(wrong)], RunInfo(), now=now, environ={})
        told = service.report(db, Scope(), now=now).notes
        later = summary.runs == 1 and any("later than now" in note for note in summary.notes)
        noted += later and any("later than now" in note for note in told)
        dropped = upkeep.prune(db, keep_days=365, keep_runs=None, now=now, dry_run=False, window=Scope())
        kept = dropped.runs <= 1  # at most the one that says it is old
        tally.add(summary.runs == 1 and kept, f"a run of {year}: {summary} {dropped}")
    seen = f"stored; {noted} were later than now, and `ingest` and `report` say so; `prune` drops no other run for it"
    yield Row("The clock of a run was wrong by up to 8,000 years", tally.tries, tally.survived, seen)


def _newer_history(size: Size, folder: Path) -> Iterator[Row]:
    db = bench.renewed(folder / "right.db", folder / "newer.db")
    with closing(sqlite3.connect(db)) as conn:
        conn.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    before = db.read_bytes()
    tally, seen = Tally(), Counter[str]()
    for command in (
        *(
            ("report",),
            ("gate", "--max-flaky-rate", "5%"),
            ("runs",),
            ("tests",),
            ("ingest", _reports(folder)),
            ("prune", "--keep-runs", 1),
        ),
        *(
            ("rename", "--prefix", "tests", "checks"),
            ("export",),
            ("merge", folder / "right.db"),
            ("doctor", "--repair"),
        ),
    ):
        ended = bench.installed("--db", db, *command, cwd=folder)
        clear = ended.code == 2 and "written by a newer flakediag" in ended.said and db.read_bytes() == before
        seen[
            "exit 2: “written by a newer flakediag”, and the file is as it was" if clear else f"exit {ended.code}"
        ] += 1
        tally.add(clear, f"newer history: {command} {ended.code} {ended.said[-300:]}")
    yield Row("A history of a newer flakediag", tally.tries, tally.survived, bench.shares(seen))


def _older_flakediag(size: Size, folder: Path) -> Iterator[Row]:
    """Earlier versions, as the repository has them, ingest together with this one into a history that they began."""
    earlier = _earlier(folder)
    if not earlier:
        yield Row("Two versions on one history", 0, 0, "not tried: this checkout has no earlier version")
    reports = sorted(_reports(folder).iterdir())
    for version, checkout in sorted(earlier.items()):
        db = bench.renewed(None, folder / "both.db")
        tally, seen = Tally(), Counter[str]()
        for number, path in enumerate(reports[:12]):
            old = number % 2 == 0
            ended = (
                _old(checkout, "--db", db, "ingest", path)
                if old
                else bench.installed("--db", db, "ingest", path, cwd=folder)
            )
            if old and number:
                refused = ended.code == 2 and "newer flakediag" in ended.said
                seen[
                    "the older one: exit 2, “written by a newer flakediag”"
                    if refused
                    else f"the older one: exit {ended.code}"
                ] += 1
                tally.add(refused, f"version {version}: {ended.code} {ended.said[-300:]}")
                again = bench.installed("--db", db, "ingest", path, cwd=folder)
                tally.add(again.code == 0, f"version {version}: {again.said[-300:]}")
            else:
                seen["the other: done"] += ended.code == 0
                tally.add(ended.code == 0, f"version {version}: {ended.code} {ended.said[-300:]}")
        whole = bench.renewed(None, folder / "whole.db")
        assert bench.installed("--db", whole, "ingest", *reports[:12], cwd=folder).code == 0
        tally.add(bench.state_of(whole) == bench.state_of(db), f"version {version}: another state")
        yield Row(
            f"Schema version {version} and {schema.VERSION} by turns", tally.tries, tally.survived, bench.shares(seen)
        )


def _earlier(folder: Path) -> dict[int, Path]:
    """Schema version → a checkout that has it, for every one before this."""
    git = ["git", "-C", str(ROOT)]
    listed = subprocess.run(
        [*git, "log", "--format=%H", "--", "flakediag/history/schema.py"], capture_output=True, text=True, check=False
    )
    found: dict[int, Path] = {}
    for commit in listed.stdout.split():
        archived = subprocess.run([*git, "archive", commit, "flakediag"], capture_output=True, check=False)
        if archived.returncode:
            continue
        checkout = folder / commit
        with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
            archive.extractall(checkout, filter="data")
        asked = _python(checkout, "-c", "from flakediag.history import schema; print(schema.VERSION)")
        if asked.code == 0 and (version := int(asked.said)) < schema.VERSION:
            found.setdefault(version, checkout)
    return found


def _python(checkout: Path, *arguments: object) -> Ended:
    done = subprocess.run(
        [sys.executable, "-P", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=checkout,
        env={**bench.environ(), "PYTHONPATH": str(checkout)},
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr)


def _old(checkout: Path, *command: object) -> Ended:
    return _python(checkout, "-m", "flakediag", *command)
