"""What must hold for every history."""

import io
import json
import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reports import write_runs

from flakediag import service, upkeep
from flakediag.ci import CiInfo
from flakediag.history import History
from flakediag.model import Report, Scope
from flakediag.service import RunInfo

NOW = datetime(2026, 3, 2, tzinfo=UTC)
NUMBER = count()

# Runs of a few tests each: passed (.), failed (F), skipped (s).
rows = st.integers(2, 5).flatmap(
    lambda tests: st.lists(st.text("..F", min_size=tests, max_size=tests), min_size=2, max_size=8)
)
few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def outside_of_any_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "from_environ", lambda environ: CiInfo(provider="none"))


def ingested(folder: Path, runs: list[str], which: list[int] | None = None) -> Path:
    """A new history of these runs (of all, where nothing else is said), by the files of one folder."""
    reports = folder / "-".join(["reports", *runs])
    if not reports.exists():
        write_runs(reports, runs, commits="c" * len(runs))
    files = sorted(reports.iterdir())
    db = folder / f"history-{next(NUMBER)}.db"
    chosen = [str(files[i]) for i in (range(len(files)) if which is None else which)]
    if chosen:
        service.ingest(db, chosen, RunInfo(), now=NOW, environ={})
    else:
        History.open(db, "write").close()
    return db


def merged(folder: Path, *sources: Path) -> Path:
    db = folder / f"merged-{next(NUMBER)}.db"
    upkeep.merge(db, sources)
    return db


def told_by(db: Path) -> Report:
    return without_run_numbers(service.report(db, Scope(), now=NOW))


def stored_in(db: Path) -> list[str]:
    """Every run with all that is in it, as lines; whichever order they came in."""
    out = io.StringIO()
    upkeep.export(db, out)
    head, *lines = out.getvalue().splitlines()
    runs = [json.loads(line) for line in lines]
    for run in runs:
        run["run"].pop("id", None)
    return [head, *sorted(json.dumps(run, sort_keys=True) for run in runs)]


def shared_out(runs: list[str], draw: random.Random, parts: int) -> list[list[int]]:
    """Which runs each of `parts` histories has; some are in several, and together they have all."""
    owners = [{draw.randrange(parts), draw.randrange(parts)} for _ in runs]
    return [[number for number, mine in enumerate(owners) if part in mine] for part in range(parts)]


def diagnosed(folder: Path, runs: list[str], order: list[int] | None = None, together: bool = True) -> Report:
    """The report on these runs, their files ingested in this order, in one call or one by one."""
    with_files = folder / str(next(NUMBER))
    files = sorted(write_runs(with_files, runs, commits="c" * len(runs)).iterdir())
    files = [files[i] for i in order] if order else files
    db = with_files / "history.db"
    for call in [files] if together else [[file] for file in files]:
        service.ingest(db, [str(file) for file in call], RunInfo(), now=NOW, environ={})
    return service.report(db, Scope(), now=NOW)


def without_run_numbers(report: Report) -> Report:
    """Runs are numbered as they are stored; nothing else may depend on that."""
    tests = tuple(
        replace(test, timeline=tuple(entry._replace(run=replace(entry.run, id=None)) for entry in test.timeline))
        for test in report.tests
    )
    return replace(report, tests=tests, outages=tuple(replace(o, run=replace(o.run, id=None)) for o in report.outages))


@few
@given(rows, st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_ingest_does_not_matter(
    tmp_path: Path, runs: list[str], draw: random.Random, together: bool
) -> None:
    order = list(range(len(runs)))
    draw.shuffle(order)
    assert without_run_numbers(diagnosed(tmp_path, runs, order, together)) == without_run_numbers(
        diagnosed(tmp_path, runs)
    )


@few
@given(rows)
def test_a_passing_run_never_raises_a_rate(tmp_path: Path, runs: list[str]) -> None:
    before = diagnosed(tmp_path, runs)
    after = diagnosed(tmp_path, [*runs, "." * len(runs[0])])
    rates = {test.id: test.rate.value for test in before.tests}
    assert all(test.rate.value <= rates[test.id] for test in after.tests)


@few
@given(rows)
def test_ingesting_twice_changes_nothing(tmp_path: Path, runs: list[str]) -> None:
    db = ingested(tmp_path, runs)
    before = stored_in(db), told_by(db)
    again = service.ingest(
        db, [str(tmp_path / "-".join(["reports", *runs]))], RunInfo(), now=NOW.replace(year=2027), environ={}
    )
    assert again.runs == again.results == 0
    assert (stored_in(db), told_by(db)) == before


@few
@given(rows, st.randoms(use_true_random=False))
def test_merging_is_commutative(tmp_path: Path, runs: list[str], draw: random.Random) -> None:
    a, b = (ingested(tmp_path, runs, part) for part in shared_out(runs, draw, 2))
    one, other = merged(tmp_path, a, b), merged(tmp_path, b, a)
    assert stored_in(one) == stored_in(other) == stored_in(ingested(tmp_path, runs))
    assert told_by(one) == told_by(other) == told_by(ingested(tmp_path, runs))


@few
@given(rows, st.randoms(use_true_random=False))
def test_merging_is_associative(tmp_path: Path, runs: list[str], draw: random.Random) -> None:
    a, b, c = (ingested(tmp_path, runs, part) for part in shared_out(runs, draw, 3))
    one = merged(tmp_path, merged(tmp_path, a, b), c)
    other = merged(tmp_path, a, merged(tmp_path, b, c))
    assert stored_in(one) == stored_in(other)
    assert told_by(one) == told_by(other)


@few
@given(rows, st.randoms(use_true_random=False))
def test_merging_is_idempotent(tmp_path: Path, runs: list[str], draw: random.Random) -> None:
    a, b = (ingested(tmp_path, runs, part) for part in shared_out(runs, draw, 2))
    once = merged(tmp_path, a, b)
    before = stored_in(once), told_by(once)
    for source in (once, a, b, merged(tmp_path, once)):
        upkeep.merge(once, [source])
        assert (stored_in(once), told_by(once)) == before


@few
@given(rows, st.integers(1, 8))
def test_export_and_import_give_the_same_report(tmp_path: Path, runs: list[str], keep: int) -> None:
    db = ingested(tmp_path, runs)
    upkeep.prune(db, keep_days=None, keep_runs=keep, now=NOW, dry_run=False, window=Scope())
    out = io.StringIO()
    upkeep.export(db, out)
    other = tmp_path / f"imported-{next(NUMBER)}.db"
    upkeep.import_(other, io.StringIO(out.getvalue()), "lines")
    assert stored_in(other) == stored_in(db)
    assert service.report(other, Scope(), now=NOW) == service.report(db, Scope(), now=NOW)


@few
@given(rows)
def test_a_test_renamed_everywhere_changes_only_its_name(tmp_path: Path, runs: list[str]) -> None:
    """By `rename` as well as in the reports themselves."""
    old, new = "tests.test_shop", "tests.test_stop"
    before = told_by(ingested(tmp_path, runs))
    renamed = ingested(tmp_path, runs)
    upkeep.rename(renamed, Scope(), old, new, prefix=True)
    written = tmp_path / f"written-{next(NUMBER)}"
    for file in sorted((tmp_path / "-".join(["reports", *runs])).iterdir()):
        written.mkdir(exist_ok=True)
        (written / file.name).write_text(file.read_text().replace(old, new))
    db = tmp_path / f"{written.name}.db"
    service.ingest(db, [str(written)], RunInfo(), now=NOW, environ={})
    expected = named(before).replace("test_shop", "test_stop")
    assert named(told_by(renamed)) == expected
    assert named(told_by(db)) == expected


def named(report: Report) -> str:
    """A report as text, without the digests of its files."""
    return re.sub(r"digest='[0-9a-f]+'", "", repr(report))
