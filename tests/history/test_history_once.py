"""What counts once: the same bytes, however often and in whatever order they are ingested."""

from __future__ import annotations

import itertools
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from history_samples import counts_of, everything_in, failed, hexdigest, passed, report, store, suite, told, window_of
from hypothesis import given, settings
from hypothesis import strategies as st

from flakediag.history import History
from flakediag.location import Location
from flakediag.model import CaseResult, InputFile, Run, RunReport

TEN = [suite(f"r{n}", hours=n % 4, fails=("test_b",) if n % 3 else ("test_c", "test_e")) for n in range(10)]


def test_ingesting_twice_changes_nothing(place: Location) -> None:
    first = store(place, *TEN)
    before = everything_in(place)
    second = store(place, *TEN)
    assert everything_in(place) == before
    assert [each.run for each in second] == [each.run for each in first]
    assert all(each.duplicate and each.results == 0 for each in second)
    assert not any(each.duplicate for each in first)


def test_the_same_report_twice_in_one_call_counts_once(place: Location) -> None:
    first, second = store(place, suite("r"), suite("r"))
    assert (first.duplicate, second.duplicate) == (False, True)
    assert first.run == second.run
    assert counts_of(place).results == 5


@given(st.permutations(range(10)), st.sets(st.integers(1, 9)))
@settings(deadline=None, max_examples=25)
def test_the_order_of_ingest_does_not_matter(order: list[int], cuts: set[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        straight, shuffled = Path(folder, "straight.db"), Path(folder, "shuffled.db")
        store(straight, *TEN)
        starts = [0, *sorted(cuts), 10]
        for start, end in itertools.pairwise(starts):
            store(shuffled, *(TEN[n] for n in order[start:end]))
        assert told(window_of(shuffled)) == told(window_of(straight))
        with History.open(straight) as one, History.open(shuffled) as other:
            assert one.counts() == other.counts()


def test_the_same_bytes_in_two_projects_count_in_both(place: Location) -> None:
    mine, other = suite("r", project="mine"), suite("r", project="other")
    assert [each.duplicate for each in store(place, mine, other)] == [False, False]
    assert counts_of(place).tests == 10


def grouped(name: str, **files: tuple[CaseResult, ...]) -> RunReport:
    """A run that comes from several files, as Surefire writes it."""
    inputs = tuple(InputFile(path=key, digest=hexdigest(key), cases=len(these)) for key, these in files.items())
    return RunReport(
        run=Run(started_at=suite("r").run.started_at, digest=hexdigest(name)),
        results=tuple(result for these in files.values() for result in these),
        files=inputs,
    )


A, B, C = (passed("test_a"), failed("test_a2")), (passed("test_b"),), (failed("test_c"),)


@pytest.mark.parametrize(
    ("earlier", "later", "added", "known"),
    [
        (grouped("1", a=A), grouped("2", a=A, b=B), B, ["a"]),
        (grouped("1", b=B), grouped("2", a=A, b=B, c=C), A + C, ["b"]),
        (grouped("1", a=A, b=B), grouped("2", b=B, c=C), C, ["b"]),
        (grouped("1", a=A, b=B), grouped("2", b=B), (), ["b"]),
        (grouped("1", a=A, b=B), grouped("2", b=B, a=A), (), ["b", "a"]),
        (grouped("1", a=A), grouped("2", b=B), B, []),
    ],
)
def test_a_file_counts_once_also_when_its_folder_has_grown(
    place: Location, earlier: RunReport, later: RunReport, added: tuple[CaseResult, ...], known: list[str]
) -> None:
    store(place, earlier)
    [stored] = store(place, later)
    assert [file.path for file in stored.known] == known
    assert stored.results == len(added)
    assert stored.duplicate == (not added)
    assert not stored.doubled
    with History.open(place) as history:
        if added:
            assert history.run_report(stored.run).results == added
        else:
            assert stored.run == 1
    before = everything_in(place)
    assert store(place, later)[0].duplicate
    assert everything_in(place) == before


def test_a_copy_of_a_file_in_the_same_report_counts_once(place: Location) -> None:
    report_ = grouped("1", a=A, b=B)
    copy = replace(report_.files[0], path="copy of a")
    [stored] = store(place, replace(report_, results=A + A + B, files=(report_.files[0], copy, report_.files[1])))
    assert stored.results == 3
    assert counts_of(place).results == 3


def test_where_results_cannot_be_told_apart_by_file_the_report_is_stored_whole_and_says_so(place: Location) -> None:
    store(place, grouped("1", a=A))
    later = grouped("2", a=A, b=B)
    joined = replace(later, files=(later.files[0], replace(later.files[1], cases=2)))  # a retry joined into one result
    [stored] = store(place, joined)
    assert stored.doubled
    assert stored.results == 3
    assert store(place, joined)[0].duplicate


def test_all_or_nothing(place: Location) -> None:
    store(place, suite("r0"))
    before = everything_in(place)

    def reports() -> object:
        yield suite("r1", hours=1, fails=("test_a",))
        raise RuntimeError("the parser broke")

    with History.open(place, "write") as history, pytest.raises(RuntimeError, match="the parser broke"):
        history.add_runs(reports(), lambda detail: detail.type)  # type: ignore[arg-type]
    assert everything_in(place) == before


def test_a_signature_that_cannot_be_made_stores_nothing(place: Location) -> None:
    def signature_of(detail: object) -> str:
        raise ZeroDivisionError

    with History.open(place, "write") as history, pytest.raises(ZeroDivisionError):
        history.add_runs([suite("r", fails=("test_a",))], signature_of)
    assert counts_of(place).runs == 0


def test_a_run_is_seen_by_the_next_call_on_the_same_history(place: Location) -> None:
    with History.open(place, "write") as history:
        for n in random.Random(5).sample(range(10), 10):
            history.add_runs([TEN[n]], lambda detail: detail.type)
        assert history.counts().runs == 10
        assert history.add_runs([report("r3", passed("test_z"))], lambda detail: detail.type)[0].duplicate
