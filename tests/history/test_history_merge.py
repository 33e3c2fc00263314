"""Histories that are merged: every run once, whatever the order, all of a source or nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from history_samples import (
    EVERYTHING,
    NOON,
    as_before_packing,
    counts_of,
    everything_in,
    failed,
    hexdigest,
    passed,
    report,
    signature_of,
    skipped,
    store,
    suite,
    told,
    window_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from flakediag import service, upkeep
from flakediag.errors import HistoryError
from flakediag.history import History, schema
from flakediag.history.portable import Portable
from flakediag.history.prune import Limits
from flakediag.history.pruned import PrunedRun
from flakediag.model import Identity, InputFile, RunReport, Scope
from flakediag.report import document

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PROJECTS = ("shop", "bank")


def said(path: Path) -> dict[str, Any]:
    """Everything that a history tells its users: the reports, the windows with experiments, the counters."""
    found: dict[str, Any] = {}
    with History.open(path) as history:
        projects = history.projects()
        for project in projects:
            found[f"window {project}"] = told(
                history.window(replace(EVERYTHING, project=project, all_branches=True, experiments=True))
            )
    for project in projects:
        scope = Scope(project=project, all_branches=True)
        found[f"report {project}"] = json.dumps(document.report(service.report(path, scope, now=NOW)))
    with closing(sqlite3.connect(path)) as conn:
        columns = "project, classname, name, runs, failures, skips, first_seen, last_seen, last_failed"
        found["counters"] = conn.execute(
            f"SELECT {columns} FROM test_overview WHERE runs IS NOT NULL ORDER BY {columns}"
        ).fetchall()
        assert conn.execute("PRAGMA foreign_key_check").fetchall() == []
    return found


def sound(path: Path) -> bool:
    return upkeep.checkup(path).sound


# --- what must always hold ---------------------------------------------------------------------------------------


def made_up(number: int, stage: int, header: int, project: int) -> RunReport:
    """Run `number` as one machine knows it: `stage` 2 has a further file, `header` 1 and 2 know more of it."""
    name = f"{project}-{number}"
    results = [passed("test_a"), failed("test_b") if number % 2 else passed("test_b"), skipped("test_c")]
    if stage == 2:
        results += [failed("test_d", "boom") if number % 3 else passed("test_d")]
    made = report(
        f"{name} stage {stage}",
        *results,
        hours=number,
        project=PROJECTS[project],
        branch=(None, "main", "topic")[header],
        commit=(None, "c" * 40, "d" * 40)[header],
        experiment=number == 3,
    )
    files = [InputFile(path=f"{n}.xml", digest=hexdigest(f"{name} file {n}"), cases=1) for n in range(stage)]
    return replace(made, files=tuple(files))


RUNS = st.builds(made_up, st.integers(0, 3), st.sampled_from([1, 2]), st.integers(0, 2), st.sampled_from([0, 0, 0, 1]))
HISTORIES = st.tuples(st.lists(RUNS, max_size=5), st.booleans())


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("blank") / "blank.db"
    History.open(path, "write").close()
    return path


def history_of(blank: Path, path: Path, runs: list[RunReport], *, pruned: bool) -> Path:
    shutil.copy(blank, path)
    # As if read on machines that know each other's files only by whole runs: what ingest cuts, it cuts by the order.
    seen: set[str] = set()
    fresh = []
    for run in sorted(runs, key=lambda each: -len(each.files)):
        digests = {file.digest for file in run.files}
        if not digests & seen:
            fresh.append(run)
            seen |= digests
    store(path, *fresh)
    if pruned:
        with History.open(path, "write") as history:
            history.prune(Limits(days=0, runs=None), NOW)
    return path


@settings(max_examples=20, deadline=None)
@given(one=HISTORIES, two=HISTORIES, three=HISTORIES)
def test_merging_is_commutative_associative_and_idempotent(blank: Path, one: Any, two: Any, three: Any) -> None:
    with TemporaryDirectory() as folder:
        a, b, c = (
            history_of(blank, Path(folder) / name, runs, pruned=pruned)
            for name, (runs, pruned) in (("a", one), ("b", two), ("c", three))
        )

        def merged(name: str, *sources: Path) -> Path:
            target = Path(folder) / name
            shutil.copy(blank, target)
            upkeep.merge(target, sources)
            return target

        abc = merged("abc", a, b, c)
        expected = said(abc)
        assert said(merged("cba", c, b, a)) == expected
        assert said(merged("a(bc)", a, merged("bc", c, b))) == expected
        again = upkeep.merge(abc, [b, a, c])
        assert [(source.runs, source.replaced) for source in again] == [(0, 0)] * 3
        assert said(abc) == expected
        assert sound(abc)


# --- one by one --------------------------------------------------------------------------------------------------


def test_two_halves_are_the_whole(tmp_path: Path) -> None:
    runs = [suite(f"r{n}", hours=n, fails=("test_b",) if n % 3 == 0 else ()) for n in range(9)]
    store(tmp_path / "whole.db", *runs)
    store(tmp_path / "odd.db", *runs[1::2])
    store(tmp_path / "even.db", *runs[::2], runs[1])
    done = upkeep.merge(tmp_path / "new.db", [tmp_path / "odd.db", tmp_path / "even.db"])
    assert [(source.runs, source.known) for source in done] == [(4, 0), (5, 1)]
    assert counts_of(tmp_path / "new.db").failures == counts_of(tmp_path / "whole.db").failures
    assert (
        json.loads(said(tmp_path / "new.db")["report default"])["tests"]
        == (json.loads(said(whole_again(tmp_path))["report default"])["tests"])
    )


def whole_again(tmp_path: Path) -> Path:
    """The whole history, its signatures made as the service makes them."""
    upkeep.merge(tmp_path / "again.db", [tmp_path / "whole.db"])
    return tmp_path / "again.db"


def test_the_first_source_of_a_new_history_keeps_its_numbers(tmp_path: Path) -> None:
    store(tmp_path / "a.db", *(suite(f"r{n}", hours=n) for n in range(3)))
    with closing(sqlite3.connect(tmp_path / "a.db")) as conn:
        conn.execute("PRAGMA foreign_keys = ON")
        conn.execute("DELETE FROM runs WHERE id = 2")
        conn.commit()
    upkeep.merge(tmp_path / "new.db", [tmp_path / "a.db"])
    assert [run.id for run in window_of(tmp_path / "new.db").runs] == [1, 3]


def test_the_header_that_says_more_is_kept(tmp_path: Path) -> None:
    store(tmp_path / "a.db", suite("r", branch=None))
    store(tmp_path / "b.db", suite("r", branch="main", commit="c" * 40, hours=2))
    for order in ("ab", "ba"):
        upkeep.merge(tmp_path / f"{order}.db", [tmp_path / f"{name}.db" for name in order])
        (run,) = window_of(tmp_path / f"{order}.db").runs
        assert (run.branch, run.commit) == ("main", "c" * 40)
        assert sound(tmp_path / f"{order}.db")  # the counters follow the start that was kept


def test_a_pruned_run_and_a_whole_one_make_a_whole_one(tmp_path: Path) -> None:
    runs = [suite(f"r{n}", hours=n, fails=("test_a",)) for n in range(3)]
    for name in "ab":
        store(tmp_path / f"{name}.db", *runs)
    with History.open(tmp_path / "b.db", "write") as history:
        history.prune(Limits(days=None, runs=1), NOW)
    for order in ("ab", "ba"):
        upkeep.merge(tmp_path / f"{order}.db", [tmp_path / f"{name}.db" for name in order])
        assert counts_of(tmp_path / f"{order}.db").results == 15
        assert sound(tmp_path / f"{order}.db")


def test_pruned_runs_are_moved_as_what_is_left_of_them(tmp_path: Path) -> None:
    store(tmp_path / "a.db", *(suite(f"r{n}", hours=n, fails=("test_a",)) for n in range(3)))
    with History.open(tmp_path / "a.db", "write") as history:
        history.prune(Limits(days=None, runs=1), NOW)
    upkeep.merge(tmp_path / "new.db", [tmp_path / "a.db"])
    assert said(tmp_path / "new.db")["counters"] == said(tmp_path / "a.db")["counters"]
    assert counts_of(tmp_path / "new.db").runs == 1
    assert store(tmp_path / "new.db", suite("r0", fails=("test_a",)))[0].duplicate


def test_runs_that_overlap_both_stay_and_it_is_said(tmp_path: Path) -> None:
    def with_files(name: str, *files: str) -> RunReport:
        made = suite(name)
        return replace(made, files=tuple(InputFile(path=f, digest=hexdigest(f), cases=1) for f in files))

    store(tmp_path / "a.db", with_files("one", "1", "2"))
    store(tmp_path / "b.db", with_files("two", "2", "3"))
    (done,) = upkeep.merge(tmp_path / "a.db", [tmp_path / "b.db"])
    assert (done.runs, done.doubled) == (1, 1)
    assert counts_of(tmp_path / "a.db").runs == 2


@pytest.mark.parametrize("step", range(1, schema.VERSION))
def test_an_older_source_is_read_and_not_changed(tmp_path: Path, step: int) -> None:
    old, fresh = tmp_path / "old.db", tmp_path / "fresh.db"
    store(fresh, suite("r"))
    as_before_packing(fresh, step, old)
    before = everything_in(old)
    upkeep.merge(tmp_path / "new.db", [old])
    assert counts_of(tmp_path / "new.db").results == 5
    assert everything_in(old) == before
    assert "run_results" not in before


def test_nothing_is_written_where_a_source_is_no_history(tmp_path: Path) -> None:
    store(tmp_path / "a.db", suite("r"))
    (tmp_path / "b.db").write_text("no history at all, but long enough to be looked at" * 10)
    with pytest.raises(HistoryError, match=r"b\.db"):
        upkeep.merge(tmp_path / "new.db", [tmp_path / "a.db", tmp_path / "b.db"])
    assert not (tmp_path / "new.db").exists()


def test_a_history_that_is_its_own_source_is_passed_over(tmp_path: Path) -> None:
    store(tmp_path / "a.db", suite("r"))
    assert upkeep.merge(tmp_path / "a.db", [tmp_path / "a.db"]) == ()


# --- all of a source or nothing, several at once -----------------------------------------------------------------

SPAWN = multiprocessing.get_context("spawn")


def merge_slowly(target: Path, source: Path, marker: Path) -> None:
    def progress(done: int, total: int | None, what: str) -> None:
        if done == 2:  # two runs are written, the transaction is open
            marker.touch()
            time.sleep(60)

    upkeep.merge(target, [source], progress)


@pytest.mark.slow
def test_a_merge_that_is_killed_midway_has_changed_nothing(tmp_path: Path) -> None:
    target, source, marker = tmp_path / "target.db", tmp_path / "source.db", tmp_path / "marker"
    store(target, suite("mine"))
    store(source, *(suite(f"r{n}", hours=n) for n in range(5)))
    before = everything_in(target)
    worker = SPAWN.Process(target=merge_slowly, args=(target, source, marker))
    worker.start()
    while not marker.exists():
        assert worker.is_alive()
        time.sleep(0.01)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert everything_in(target) == before
    upkeep.merge(target, [source])
    assert counts_of(target).runs == 6
    assert sound(target)


def merge_one(target: Path, source: Path) -> None:
    upkeep.merge(target, [source])


@pytest.mark.slow
def test_merges_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    sources = [tmp_path / f"{n}.db" for n in range(4)]
    for n, source in enumerate(sources):
        store(source, suite("shared"), *(suite(f"own {n} {i}", hours=10 * n + i) for i in range(5)))
    target = tmp_path / "target.db"
    workers = [SPAWN.Process(target=merge_one, args=(target, source)) for source in sources]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert counts_of(target).runs == 21
    assert sound(target)


def test_two_names_of_a_pruned_run_that_are_one_test_here_are_one(tmp_path: Path) -> None:
    path, now = tmp_path / "history.db", Identity("tests.test_orders", "test_now")
    before = now._replace(name="test_before")
    store(path, report("r", passed("test_now")))
    pruned = PrunedRun(
        run=report("other", hours=1).run,
        files=(),
        pruned_at=NOON,
        executed=(now,),
        skipped=(before,),
        failed=(),
        results=2,
        failures=0,
        errors=0,
        skips=1,
    )
    item = Portable(run=pruned.run, files=(), results=2, pruned=True, load=lambda: pruned)
    with History.open(path, "write") as history:
        history.rename("default", [(before, now)])
        history.absorb([item], [], signature_of)
        [moved] = [each.load() for each in history.portables() if each.pruned]
    assert isinstance(moved, PrunedRun)
    assert (moved.executed, moved.skipped) == ((now,), ())
