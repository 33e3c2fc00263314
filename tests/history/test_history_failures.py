"""Failure texts: once for each distinct content, small, and whole again when read."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from history_samples import counts_of, failed, report, store, suite, window_of
from hypothesis import given
from hypothesis import strategies as st

from flakediag.history import History, details
from flakediag.history.values import text, untext
from flakediag.location import Location
from flakediag.model import Attempt, FailureDetail, Outcome

any_text = st.text(st.characters(exclude_categories=()))
STRANGE = ["", "\x00", "a\x00b", "\ud800", "\udcff\ud83d", "\ud83d\ude00", "\ufdd0", "\ufdd00000", "\U0010ffff", "日本"]


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as conn:
        return conn.execute(sql).fetchall()


@given(any_text)
def test_text_is_storable_and_comes_back(given_text: str) -> None:
    stored = text(given_text)
    stored.encode()
    assert "\x00" not in stored
    assert untext(stored) == given_text


@given(any_text, any_text)
def test_different_texts_are_stored_differently(one: str, other: str) -> None:
    assert (text(one) == text(other)) == (one == other)


@pytest.mark.parametrize("ordinary", ["", "test_a[1-2]", "ü 日本 \U0001f600", "App\\Tests", "a\nb\tc\x1b[31m"])
def test_ordinary_text_is_stored_as_it_is(ordinary: str) -> None:
    assert text(ordinary) == ordinary


@pytest.mark.parametrize("strange", STRANGE)
def test_strange_text_comes_back_from_everywhere(place: Location, strange: str) -> None:
    said = failed(strange, message=strange, text=strange)
    store(place, report("r", said, project=strange, properties={strange: "1"}))
    window = window_of(place)
    assert window.tests[0].name == strange
    assert window.runs[0].properties == {strange: "1"}
    assert window.failures[0].detail == FailureDetail("AssertionError", strange, strange)
    with History.open(place) as history:
        assert history.projects() == (strange,)


@given(st.builds(FailureDetail, any_text, any_text, any_text, any_text), st.none() | st.binary())
def test_a_detail_survives_compression(detail: FailureDetail, base: bytes | None) -> None:
    stored = details.compress(details.encode(detail), base)
    assert details.decode(details.decompress(stored, base)) == detail
    assert any(detail) or not details.speaks(stored)


def test_that_a_packed_detail_says_something_is_seen_without_unpacking_it() -> None:
    said = FailureDetail("AssertionError", "assert 1 == 2", "")
    for each in (said, said._replace(type=""), FailureDetail("", "", "", "printed")):
        assert details.speaks(details.compress(details.encode(each), details.encode(said)))
    assert not details.speaks(details.compress(details.encode(FailureDetail("", "", "")), details.encode(said)))


def test_equal_failures_are_kept_once(path: Path) -> None:
    for n in range(5):
        store(path, suite(f"r{n}", hours=n, fails=("test_a", "test_c")))
    assert query(path, "SELECT count(*) FROM failures") == [(10,)]
    assert query(path, "SELECT count(*) FROM failure_details") == [(1,)]
    assert len({id(failure.detail) for failure in window_of(path).failures}) == 1


def trace(seed: int) -> str:
    letters = random.Random(seed).choices("abcdefghij \n", k=3000)
    return "".join(letters)


def test_failures_that_differ_in_a_number_cost_next_to_nothing(path: Path) -> None:
    cases = [failed(f"test_{n}", message=f"assert {n} == 2", text=f"{trace(1)} at 0x{n:08x}") for n in range(10, 60)]
    store(path, report("first", *cases[:25]))
    store(path, report("second", *cases[25:], hours=1))
    sizes = [size for (size,) in query(path, "SELECT length(content) FROM failure_details WHERE base_id IS NOT NULL")]
    assert len(sizes) == 49
    assert max(sizes) < 100
    assert {(f.detail.message, f.detail.text) for f in window_of(path).failures} == {
        (case.failure.message, case.failure.text) for case in cases if case.failure
    }


def test_details_longer_than_the_dictionary_come_back(place: Location) -> None:
    cases = [failed(f"test_{n}", text=f"{n} {trace(n // 2) * 20} {n}") for n in range(4)]
    store(place, report("r", *cases))
    assert [failure.detail for failure in window_of(place).failures] == [case.failure for case in cases]


def test_details_with_different_signatures_stand_alone(path: Path) -> None:
    store(path, report("r", failed("test_a", message="one"), failed("test_b", message="two")))
    assert query(path, "SELECT base_id FROM failure_details") == [(None,), (None,)]
    assert query(path, "SELECT text, example_id FROM signatures") == [
        ("AssertionError: one", 1),
        ("AssertionError: two", 2),
    ]


def test_a_signature_is_asked_for_once_for_each_distinct_detail(place: Location) -> None:
    asked = []

    def signature_of(detail: FailureDetail) -> str:
        asked.append(detail)
        return "the same"

    with History.open(place, "write") as history:
        history.add_runs([suite(f"r{n}", hours=n, fails=("test_a", "test_b")) for n in range(5)], signature_of)
    assert len(asked) == 1


def test_signatures_made_by_newer_rules_apply_to_new_failures(path: Path) -> None:
    with History.open(path, "write") as history:
        history.add_runs([suite("r1", fails=("test_a",))], lambda detail: "old")
        history.add_runs([suite("r2", hours=1, fails=("test_a",))], lambda detail: "new")
    assert [failure.signature for failure in window_of(path).failures] == ["old", "new"]
    assert query(path, "SELECT count(*) FROM failure_details") == [(1,)]


def test_every_failed_attempt_is_kept_with_its_own_detail(path: Path) -> None:
    said = [FailureDetail("TimeoutError", "after 5 s", ""), FailureDetail("ConnectionError", "refused", "", "log")]
    earlier = (Attempt(Outcome.FAILED, 5.0, said[0]), Attempt(Outcome.ERROR, 0.1, said[1]))
    store(path, report("r", failed("test_a")._replace(outcome=Outcome.PASSED, failure=None, earlier=earlier)))
    failures = window_of(path).failures
    assert [(f.attempt, f.outcome, f.detail) for f in failures] == [
        (1, Outcome.FAILED, said[0]),
        (2, Outcome.ERROR, said[1]),
    ]


def test_a_failure_without_a_word_has_an_empty_detail(place: Location) -> None:
    store(place, report("r", failed("test_a")._replace(failure=None)))
    [failure] = window_of(place).failures
    assert failure.detail == FailureDetail("", "", "")
    assert counts_of(place).details == 0
