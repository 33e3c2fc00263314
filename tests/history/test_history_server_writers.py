"""Many writers on one server at once, and a server that goes away in the middle."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path

import psycopg
import pytest
from history_samples import counts_of, failed, passed, report, signature_of, sound, store, suite, told, window_of
from private_server import PrivateServer

from flakediag.errors import HistoryError
from flakediag.history import History
from flakediag.history.server import adding
from flakediag.history.server.connecting import READ, WRITE, Connection, Server
from flakediag.history.server.keys import project_key
from flakediag.model import RunReport

SPAWN = multiprocessing.get_context("spawn")
PROCESSES, THREADS = 2, 8
WRITERS = PROCESSES * THREADS
SHARED = [suite(f"shared {n}", hours=n, fails=("test_a",)) for n in range(4)]


def own(writer: int) -> list[RunReport]:
    cases = [passed("test_a"), failed("test_b", message=f"at {writer}"), passed(f"test_{writer}")]
    return [report(f"own {writer} {n}", *cases, hours=100 * writer + n) for n in range(4)]


def ingest_as(address: str, writer: int) -> None:
    """Everybody's runs and my own, each by itself."""
    mixed = [each for pair in zip(SHARED, own(writer), strict=True) for each in pair]
    for each in mixed if writer % 2 else mixed[::-1]:
        store(address, each)


def ingest_in_threads(address: str, process: int, barrier: Barrier) -> None:
    problems: list[BaseException] = []

    def ingest(writer: int) -> None:
        try:
            barrier.wait()
            ingest_as(address, writer)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=ingest, args=(process * THREADS + n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


@pytest.mark.slow
def test_many_writers_at_once_lose_nothing_and_double_nothing(server: PrivateServer, path: Path) -> None:
    address = server.new_database()  # the tables are made by whoever comes first
    barrier = SPAWN.Barrier(WRITERS)
    workers = [SPAWN.Process(target=ingest_in_threads, args=(address, n, barrier)) for n in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    store(path, *SHARED, *(each for n in range(WRITERS) for each in own(n)))
    assert counts_of(address) == counts_of(path)
    assert told(window_of(address)) == told(window_of(path))
    assert sound(address)


def test_two_that_store_the_same_at_the_same_moment_count_it_once(address: str) -> None:
    with psycopg.connect(address) as other:
        # Another session has claimed the run and its file, and has not committed yet.
        project = project_key("default")
        other.execute(
            "INSERT INTO flakediag.files (project, digest, run, path, cases) VALUES (%s, %s, 7, 'r.xml', 5)",
            (project, suite("r").files[0].digest.encode()),
        )
        stored = []
        waiting = threading.Thread(target=lambda: stored.extend(store(address, suite("r"), suite("r2", hours=1))))
        waiting.start()
        wait_until_somebody_waits(address)
        assert not stored
        other.commit()
        waiting.join()
    assert [(each.duplicate, each.results) for each in stored] == [(True, 0), (False, 5)]
    assert stored[0].run == 7


def wait_until_somebody_waits(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as conn:
        while not conn.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            time.sleep(0.01)


LARGE = [report(f"large {n}", *(passed(f"test_{i}") for i in range(1500)), hours=n) for n in range(6)]


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.0, 1.5])
def test_a_server_that_restarts_in_the_middle_of_an_ingest_loses_nothing(
    server: PrivateServer, address: str, path: Path, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    restarted: list[threading.Timer] = []
    write = adding.writing.write

    def write_and_lose_the_server(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        if not restarted:  # everything is sent, nothing is committed
            server.stop("immediate")
            restarted.append(threading.Timer(pause, server.start))
            restarted[0].start()
            if not pause:
                restarted[0].join()

    monkeypatch.setattr(adding.writing, "write", write_and_lose_the_server)
    stored = store(address, *LARGE)
    restarted[0].join()
    assert not any(each.duplicate for each in stored)
    assert told(window_of(address)) == told(window_of(path_with(path)))
    assert sound(address)


def test_who_comes_while_the_server_is_away_waits_for_it(server: PrivateServer, address: str) -> None:
    server.stop("immediate")
    starting = threading.Timer(0.5, server.start)
    starting.start()
    assert not store(address, suite("r"))[0].duplicate
    starting.join()


def path_with(path: Path) -> Path:
    store(path, *LARGE)
    return path


@pytest.mark.slow
def test_an_ingest_whose_last_answer_is_lost_is_recognised_as_its_own(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = []
    original = Server.transaction

    @contextmanager
    def unheard(self: Server, mode: str = READ) -> Iterator[Connection]:
        with original(self, mode) as conn:
            yield conn
        if mode == WRITE and not lost:  # committed, but nobody has heard of it
            lost.append(True)
            raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(Server, "transaction", unheard)
    first, second = store(address, suite("r0"), suite("r1", hours=1))
    assert lost
    assert [(each.run, each.duplicate, each.results) for each in (first, second)] == [(1, False, 5), (2, False, 5)]
    assert counts_of(address).runs == 2


def test_a_reader_sees_one_state_while_others_write(address: str) -> None:
    store(address, suite("r0"), suite("r1", hours=1))
    with History.open(address) as reader:
        portables = reader.portables()
        next(portables)
        store(address, suite("r2", hours=2))
        assert reader.number_of_runs() == 2  # asked within the snapshot
        assert len(list(portables)) == 1
        assert reader.number_of_runs() == 3


def test_numbers_that_every_connection_takes_by_the_hundred_do_no_harm(address: str, path: Path) -> None:
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute("ALTER SEQUENCE flakediag.run_numbers CACHE 100")  # as YugabyteDB does unasked
    try:
        with History.open(address, "write") as one, History.open(address, "write") as other:
            numbers = [
                history.add_runs([suite(f"r{n}", hours=n)], signature_of)[0].run
                for n, history in enumerate((one, other, one))
            ]
    finally:
        with psycopg.connect(address, autocommit=True) as conn:
            conn.execute("ALTER SEQUENCE flakediag.run_numbers CACHE 1")
    assert len(set(numbers)) == 3
    assert max(numbers) > 100
    store(path, *(suite(f"r{n}", hours=n) for n in range(3)))
    assert told(window_of(address)) == told(window_of(path))
    store(path.with_name("moved.db"), *(item for item in moved(address)))
    assert told(window_of(path.with_name("moved.db"))) == told(window_of(path))
    assert sound(address)


def moved(address: str) -> list[RunReport]:
    with History.open(address) as history:
        return [history.run_report(item.run.id) for item in history.portables() if item.run.id is not None]


def test_a_locked_row_is_an_error_after_the_patience(address: str) -> None:
    with psycopg.connect(address) as other:
        other.execute("LOCK TABLE flakediag.runs")
        with (
            History.open(address, "write", busy_timeout=0.3) as history,
            pytest.raises(HistoryError, match="locked by another session") as caught,
        ):
            history.add_runs([suite("r")], signature_of)
    assert "repeat" in str(caught.value.hint)
