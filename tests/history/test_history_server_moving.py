"""A history that moves to the server and back says the same, to the byte."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from history_samples import counts_of, everything_in, failed, report, sound, store, suite, told, window_of
from private_server import PrivateServer

from flakediag import service, upkeep
from flakediag.errors import LostHistoryError
from flakediag.history import History
from flakediag.history.prune import Limits
from flakediag.history.server import moving
from flakediag.location import Location
from flakediag.model import Scope
from flakediag.report import document

RECORDINGS = Path(__file__).parents[2] / "fixtures" / "recordings"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
ARCHIVES = sorted(RECORDINGS.glob("*/*.tar.xz"))


def ingest(place: Location, archive: Path) -> None:
    service.ingest(place, [archive], service.RunInfo(), now=NOW, environ={})


def report_of(place: Location) -> str:
    made = document.report(service.report(place, Scope(all_branches=True), now=NOW))
    made.pop("generated_at")
    return json.dumps(made, indent=2)


@pytest.mark.slow
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_a_recording_says_the_same_from_both_engines_and_after_every_move(
    address: str, server: PrivateServer, tmp_path: Path, archive: Path
) -> None:
    file, back = tmp_path / "file.db", tmp_path / "back.db"
    ingest(file, archive)
    ingest(address, archive)
    expected = report_of(file)
    assert json.loads(expected)["history"]["results"] > 0
    assert report_of(address) == expected
    moved = server.new_database()
    upkeep.merge(moved, [file])
    assert report_of(moved) == expected
    upkeep.merge(back, [moved])
    assert report_of(back) == expected
    assert sound(moved)
    assert [(done.runs, done.replaced) for done in upkeep.merge(moved, [file, back, address])] == [(0, 0)] * 3


def test_a_history_keeps_its_numbers_its_pruned_runs_and_its_renames(address: str, path: Path, tmp_path: Path) -> None:
    store(path, *(suite(f"r{n}", hours=n, fails=("test_b",) if n % 2 else ()) for n in range(9)))
    with History.open(path, "write") as history:
        history.prune(Limits(days=None, runs=5), NOW)
        history.rename("default", [(test, test._replace(name="test_z")) for test in history.names("default")[:1]])
    upkeep.merge(address, [path])
    assert [run.id for run in window_of(address).runs] == [5, 6, 7, 8, 9]
    assert told(window_of(address))[:-1] == told(window_of(path))[:-1]  # merge makes the signatures anew
    assert store(address, suite("r0"))[0].duplicate
    assert [each.run for each in store(address, suite("later", hours=20))] == [10]
    back = tmp_path / "back.db"
    upkeep.merge(back, [address])
    with History.open(back) as one, History.open(address) as other:
        assert [item.load() for item in one.portables()] == [item.load() for item in other.portables()]
        assert one.former_names() == other.former_names()
    assert sound(back)


def merge_slowly(address: str, source: Path, marker: Path) -> None:
    from flakediag.history.server import absorbing

    def stall(*arguments: object) -> None:
        marker.touch()  # the transaction is open
        time.sleep(60)

    absorbing.writing.write = stall  # type: ignore[assignment]
    upkeep.merge(address, [source])


@pytest.mark.slow
def test_a_merge_that_is_killed_midway_has_changed_nothing(address: str, path: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    store(address, suite("mine"))
    store(path, *(suite(f"r{n}", hours=n) for n in range(5)))
    before = everything_in(address)
    worker = multiprocessing.get_context("spawn").Process(target=merge_slowly, args=(address, path, marker))
    worker.start()
    while not marker.exists():
        assert worker.is_alive()
        time.sleep(0.01)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert everything_in(address) == before
    upkeep.merge(address, [path])
    assert counts_of(address).runs == 6
    assert sound(address)


@pytest.mark.parametrize("lost_for", [1, 5, 99])
@pytest.mark.parametrize("to_server", [False, True])
def test_a_merge_whose_source_is_lost_midway_reads_it_anew(
    server: PrivateServer, path: Path, to_server: bool, lost_for: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = server.new_database(), server.new_database() if to_server else path
    store(source, *(suite(f"r{n}", hours=n, fails=("test_a",)) for n in range(9)))
    monkeypatch.setattr(moving, "_AT_ONCE", 3)
    lost = []

    def lose(done: int, total: int | None, what: str) -> None:
        if done in (2, 4, 6) and len(lost) < lost_for:  # before the next runs are asked for, or what they hold
            lost.append(done)
            with psycopg.connect(source, autocommit=True) as conn:
                conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

    if lost_for == 99:
        with pytest.raises(LostHistoryError, match="the connection was lost while runs were read"):
            upkeep.merge(target, [source], lose)
        assert len(lost) == upkeep.READINGS
        assert counts_of(target).runs == 0
        return
    (merged,) = upkeep.merge(target, [source], lose)
    assert len(lost) == lost_for
    assert (merged.runs, merged.known) == (9, 0)
    assert told(window_of(target))[:-1] == told(window_of(source))[:-1]  # merge makes the signatures anew
    assert sound(target)


def test_export_and_import_go_through_the_server(address: str, path: Path, tmp_path: Path) -> None:
    store(address, *(suite(f"r{n}", hours=n, fails=("test_b",)) for n in range(3)))
    lines = tmp_path / "lines"
    with lines.open("w") as stream:
        upkeep.export(address, stream)
    with lines.open() as stream:
        upkeep.import_(path, stream, "lines")
    assert counts_of(path)[:5] == counts_of(address)[:5]
    again = tmp_path / "again"
    with again.open("w") as stream:
        upkeep.export(path, stream)
    assert again.read_text() == lines.read_text()


def test_secrets_are_masked_on_the_way_to_the_server_and_nothing_more_on_the_way_back(
    address: str, path: Path, tmp_path: Path
) -> None:
    secret = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    store(path, *(report(f"r{n}", failed("test_a", message=f"refused {secret}"), hours=n) for n in range(3)))
    (there,) = upkeep.merge(address, [path])
    assert there.masked == {"github-token": 3}
    (back,) = upkeep.merge(tmp_path / "back.db", [address])
    assert back.masked == {}
    with History.open(tmp_path / "back.db") as one, History.open(address) as other:
        found = [item.load() for item in one.portables()]
        assert found == [item.load() for item in other.portables()]
    assert secret not in str(found) and "refused <redacted:github-token>" in str(found)
    assert told(window_of(tmp_path / "back.db")) == told(window_of(address))
