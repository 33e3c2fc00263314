"""What must hold for every input (tools/fuzz/contract.py) holds for the corpus, and for what changes make of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from flakediag.errors import UsageError
from flakediag.history import History
from flakediag.model import FileReport, FileStatus, Outcome, Run, RunReport

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="bounds what an input takes, as Unix does")

ROOT = Path(__file__).parents[1]
CORPUS = sorted(path for path in (ROOT / "fixtures" / "fuzz").iterdir() if path.is_file())
SEED, COUNT = 4, 1_500
"""The inputs that every run of the tests tries; `make fuzz` tries others each time."""


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


@pytest.fixture
def contract() -> Iterator[Any]:
    from fuzz.contract import Contract

    with Contract() as made:
        yield made


def runs(read: list[RunReport | FileReport]) -> list[RunReport]:
    return [each for each in read if isinstance(each, RunReport)]


# --- the contract holds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_of_every_seed(path: Path, contract: Any) -> None:
    from fuzz.inputs import Input

    files = ((path.name, path.read_bytes()),)
    for way in ("file", "folder", "stdin"):
        for tight in (False, True):
            contract.hold(Input(files, way, tight))
    contract.finish()
    assert contract.reported == bool(contract.stored)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of codecs that a report names, about its content
def test_of_changed_seeds(contract: Any) -> None:
    from fuzz.inputs import made, seeds

    corpus, found = seeds(), []
    for number in range(COUNT):
        found += runs(contract.hold(made(SEED, number, corpus), pieces=number % 10 == 0, store=number % 5 == 0))
    contract.finish()
    # What is tried must be worth trying: much of it is still a report, with every outcome in it.
    assert len(found) > COUNT / 3
    assert {result.outcome for run in found for result in run.results} == set(Outcome)
    assert len({run.run.producer for run in found}) > 15
    assert contract.stored > COUNT / 20
    assert contract.reported


# --- and would be noticed if it did not --------------------------------------------------------------------------


def test_an_input_is_the_same_every_time() -> None:
    from fuzz.inputs import made, seeds

    corpus = seeds()
    assert [made(1, number, corpus) for number in range(50)] == [made(1, number, corpus) for number in range(50)]
    assert len({made(seed, 0, corpus) for seed in range(50)}) > 40


def test_any_file_of_the_folder_is_a_seed(tmp_path: Path) -> None:
    from fuzz.inputs import seeds

    with pytest.raises(ValueError, match="no seeds"):
        seeds(tmp_path)
    (tmp_path / "a.trx").write_bytes(b"<TestRun/>")
    (tmp_path / "b.gz").write_bytes(b"\x1f\x8bx")
    assert seeds(tmp_path).contents == (b"<TestRun/>", b"\x1f\x8bx")
    assert seeds(tmp_path).texts == ("<TestRun/>",)


GOOD = b'<testsuite name="s"><testcase classname="a" name="b" time="0.1"/></testsuite>'


def crash(*args: Any, **keywords: Any) -> Any:
    raise RecursionError


def never_end(*args: Any, **keywords: Any) -> Any:
    while True:
        pass


def find_nothing(*args: Any, **keywords: Any) -> Any:
    raise UsageError("nothing to read")


def read_as_the_pieces_come(*args: Any, settings: Any, **keywords: Any) -> list[FileReport]:
    return [FileReport(path="a.xml", status=FileStatus.REFUSED if settings.chunk_bytes > 7 else FileStatus.STORED)]


def give_nothing_back(history: Any, run_id: int) -> RunReport:
    return NOTHING


def never_count_alike(history: Any) -> int:
    return next(NUMBER)


NOTHING = RunReport(run=Run(started_at=datetime(2026, 1, 1, tzinfo=UTC), digest="0"), results=(), files=())
NUMBER = count()


@pytest.mark.parametrize(
    ("where", "verb", "broken", "told"),
    [
        ("fuzz.contract", "read_reports", crash, "RecursionError"),
        ("fuzz.contract", "read_reports", never_end, "more than 0.05 s"),
        ("fuzz.contract", "read_reports", read_as_the_pieces_come, "small pieces differs"),
        ("history", "run_report", give_nothing_back, "stored differs"),
        ("history", "counts", never_count_alike, "storing it again"),
        ("flakediag.service", "report", crash, "RecursionError"),
    ],
)
def test_what_breaks_is_told(
    where: str, verb: str, broken: Any, told: str, contract: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from fuzz.inputs import Input

    if where == "history":
        with History.open(tmp_path / "history.db", "write") as history:
            monkeypatch.setattr(type(history), verb, broken)
    else:
        monkeypatch.setattr(f"{where}.{verb}", broken)
    if broken is never_end:
        monkeypatch.setattr("fuzz.contract.SECONDS", 0.05)
    with pytest.raises((AssertionError, RecursionError)) as caught:
        contract.hold(Input((("a.xml", GOOD),)))
        contract.finish()
    assert told in repr(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="tells the peak of an input by /proc")
def test_an_input_may_not_take_much_memory_whatever_was_taken_before(
    contract: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fuzz.inputs import Input

    def take(*args: Any, **keywords: Any) -> list[FileReport]:
        assert len(b"x" * (64 << 20))
        return []

    take()
    monkeypatch.setattr("fuzz.contract.read_reports", take)
    contract.hold(Input((("a.xml", GOOD),)))
    monkeypatch.setattr("fuzz.contract.MEMORY", 32 << 20)
    with pytest.raises(AssertionError, match="MiB of memory"):
        contract.hold(Input((("a.xml", GOOD),)))


def test_that_nothing_was_found_is_an_answer(contract: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from fuzz.inputs import Input

    monkeypatch.setattr("fuzz.contract.read_reports", find_nothing)
    assert contract.hold(Input((("a.xml", GOOD),))) == []


def test_the_command_prints_its_seed_keeps_findings_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fuzz import __main__ as command

    monkeypatch.setattr(command, "FINDINGS", tmp_path)
    assert command.main(["--seed", "7", "--count", "20"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("seed 7\n") and "20 inputs" in out and "0 findings" in out
    monkeypatch.setattr("fuzz.contract.read_reports", crash)
    assert command.main(["--seed", "7", "--first", "3", "--count", "1"]) == 1
    assert (tmp_path / "7-3" / "0.input").is_file()
    assert "RecursionError" in (tmp_path / "7-3" / "why.txt").read_text("utf-8")
    assert command.main(["--seconds", "0"]) == 0  # with no time, nothing is tried
