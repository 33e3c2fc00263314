"""Files read by other processes: what is read is the same, in the same order, whatever becomes of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from junit_samples import NOW, case, failure, pytest_report, suite, write, zipped

from flakediag.forks import at_most
from flakediag.junit import ReadSettings, ahead, read_reports
from flakediag.junit.ahead import Outcome, Waiting, read_ahead
from flakediag.junit.sources import Refusal, Source, find_sources
from flakediag.model import FileReport, FileStatus, RunReport

FIXTURES = Path(__file__).parents[2] / "fixtures"
pytestmark = pytest.mark.skipif(
    not (hasattr(os, "fork") and hasattr(os, "sched_getaffinity")), reason="this platform has no forks"
)


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch, three_processors: None) -> None:
    """Files that are always worth a process."""
    monkeypatch.setattr(ahead, "_WORTH_A_PROCESS", 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Reports of all kinds, between them an archive and files that are none."""
    for number in range(7):
        cases = [case(f"t{n}", failure() if n % 3 == number % 3 else "") for n in range(number, number + 6)]
        write(tmp_path, f"run-{number}.xml", pytest_report(*cases))
    write(
        tmp_path,
        "class-1/TEST-a.B.xml",
        suite(case("one", classname="a.B"), name="a.B", timestamp="2024-03-01T10:00:00"),
    )
    write(
        tmp_path,
        "class-1/TEST-a.C.xml",
        suite(case("two", classname="a.C"), name="a.C", timestamp="2024-03-01T10:00:05"),
    )
    write(tmp_path, "more.tap", "TAP version 13\n1..2\nok 1 - a\nnot ok 2 - b\n")
    write(tmp_path, "broken.xml", "<testsuite><testcase name='kept'/><testcase name='lost'")
    write(tmp_path, "other.xml", "<project/>")
    write(tmp_path, "nothing.xml", "")
    write(tmp_path, "packed.zip", zipped({"inner.xml": pytest_report(case("inner"))}))
    return tmp_path


def told(folder: Path) -> list[RunReport | FileReport]:
    return list(read_reports([str(folder)], now=NOW))


def test_what_is_read_elsewhere_is_the_same(folder: Path) -> None:
    elsewhere = told(folder)
    with at_most(1):
        here = told(folder)
    assert elsewhere == here
    assert sum(isinstance(item, RunReport) for item in here) == 11


@pytest.mark.parametrize("name", ["recordings", "dialects"])
def test_so_are_recorded_reports(name: str) -> None:
    elsewhere = told(FIXTURES / name)
    with at_most(1):
        assert elsewhere == told(FIXTURES / name)


def sources(folder: Path) -> list[Source | Refusal]:
    paths = [str(write(folder, f"{number}.xml", "<testsuite/>")) for number in range(8)]
    return list(find_sources(paths, ReadSettings()))


def by_whom(source: Source) -> Outcome:
    """A reading that names the process which made it."""
    return FileReport(path=source.path, status=FileStatus.STORED, reason=str(os.getpid()))


def outcomes(waiting: Iterator[Waiting | Refusal]) -> list[Outcome]:
    return [item.outcome() for item in waiting if isinstance(item, Waiting)]


def test_one_process_less_reads_than_there_are_processors(tmp_path: Path) -> None:
    found = outcomes(read_ahead(sources(tmp_path), by_whom))
    assert [Path(file.path).stem for file in found if isinstance(file, FileReport)] == list("01234567")
    processes = {file.reason for file in found if isinstance(file, FileReport)}
    assert len(processes) == 2 and str(os.getpid()) not in processes


@pytest.mark.parametrize("why", ["one processor", "little to read", "another thread"])
def test_this_one_reads_where_no_other_may(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if why == "little to read":
        monkeypatch.setattr(ahead, "_WORTH_A_PROCESS", 1000)
    if why == "another thread":
        monkeypatch.setattr(threading, "active_count", lambda: 2)
    with at_most(1 if why == "one processor" else None):
        found = outcomes(read_ahead(sources(tmp_path), by_whom))
    assert {file.reason for file in found if isinstance(file, FileReport)} == {str(os.getpid())}


def test_what_a_lost_process_had_to_read_is_read_here(tmp_path: Path) -> None:
    here = os.getpid()

    def read(source: Source) -> Outcome:
        if os.getpid() != here and source.name == "3.xml":
            os._exit(9)
        return by_whom(source)

    found = outcomes(read_ahead(sources(tmp_path), read))
    lost = {Path(file.path).stem for file in found if isinstance(file, FileReport) and file.reason == str(here)}
    assert lost == {"3", "5", "7"}


def test_an_error_is_raised_as_here(tmp_path: Path) -> None:
    def read(source: Source) -> Outcome:
        return {}[source.name]  # type: ignore[no-any-return]

    with pytest.raises(KeyError, match=r"0\.xml"):
        outcomes(read_ahead(sources(tmp_path), read))


def test_nobody_goes_on_reading_for_nobody(tmp_path: Path) -> None:
    waiting = read_ahead(sources(tmp_path), by_whom)
    assert len(outcomes(islice(waiting, 2))) == 2
    waiting.close()  # type: ignore[attr-defined]
