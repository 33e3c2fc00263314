"""What must hold for every history."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reports import write_runs

from flakediag import service
from flakediag.ci import CiInfo
from flakediag.model import Report, Scope
from flakediag.service import RunInfo

NOW = datetime(2026, 3, 2, tzinfo=UTC)
NUMBER = count()

rows = st.integers(2, 5).flatmap(
    lambda tests: st.lists(st.text("..F", min_size=tests, max_size=tests), min_size=2, max_size=8)
)
few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def outside_of_any_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "from_environ", lambda environ: CiInfo(provider="none"))


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
        replace(test, timeline=tuple(replace(entry, run=replace(entry.run, id=None)) for entry in test.timeline))
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
