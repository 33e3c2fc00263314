"""Many unknown tests are looked up and added together: to the same effect as one by one."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from history_samples import EVERYTHING, passed, report, store, window_of
from hypothesis import given, settings
from hypothesis import strategies as st

from flakediag import upkeep
from flakediag.history import identities
from flakediag.history.values import digest, text
from flakediag.model import Identity, Listed, Results, RunReport

TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("a:1\x00\ud800\ufdd0é")), max_size=6)
IDENTITIES = st.builds(Identity, TEXTS, TEXTS, TEXTS, TEXTS)


@given(st.integers(1, 10**6), IDENTITIES)
def test_the_digest_of_a_test_is_that_of_its_texts(project: int, test: Identity) -> None:
    texts, key = identities.names_of(project, test)
    assert tuple(texts) == tuple(map(text, test))
    assert key == digest(str(project).encode(), *(text(part).encode() for part in test))


@contextmanager
def together_from(number: int) -> Iterator[None]:
    before, identities._MANY = identities._MANY, number
    try:
        yield
    finally:
        identities._MANY = before


def named(place: Path) -> dict[bytes, tuple[str, ...]]:
    with closing(sqlite3.connect(place)) as conn:
        return {key: tuple(texts) for key, *texts in conn.execute("SELECT digest, classname, name, file FROM tests")}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(IDENTITIES, min_size=1, max_size=8), min_size=1, max_size=4))
def test_the_same_is_stored(tmp_path_factory: pytest.TempPathFactory, runs: list[list[Identity]]) -> None:
    folder = tmp_path_factory.mktemp("many")
    for number in (1, 10**6):
        with together_from(number):
            for hours, tests in enumerate(runs):
                results = [passed("t")._replace(test=test) for test in tests]
                store(folder / f"{number}.db", report(f"r{hours}", *results, hours=hours))
    alone, together = folder / f"{10**6}.db", folder / "1.db"
    assert named(together) == named(alone)
    told, expected = window_of(together), window_of(alone)
    assert told.tests == expected.tests
    assert (told.test.tolist(), told.run.tolist()) == (expected.test.tolist(), expected.run.tolist())


@settings(max_examples=25, deadline=None)
@given(st.lists(IDENTITIES, min_size=1, max_size=6), st.lists(st.lists(st.integers(0, 5), min_size=1), max_size=4))
def test_tests_given_by_their_places_in_a_list_are_stored_alike(
    tmp_path_factory: pytest.TempPathFactory, every: list[Identity], runs: list[list[int]]
) -> None:
    folder = tmp_path_factory.mktemp("listed")
    roster = [*every, Identity("named", "by no report")]
    reports: list[tuple[list[RunReport], str]] = [([], "plain"), ([], "listed")]
    for hours, some in enumerate(runs):
        places = array("i", [place % len(every) for place in some])
        plain = report(f"r{hours}", *(passed("t")._replace(test=roster[place]) for place in places), hours=hours)
        listed = replace(plain, results=Results.of(plain.results).of_tests(Listed(roster, places)))
        assert listed.results == plain.results
        for (made, _), one in zip(reports, (plain, listed), strict=True):
            made.append(one)
    for made, name in reports:
        store(folder / name, *made)
    if runs:
        assert named(folder / "listed") == named(folder / "plain")
        told, expected = window_of(folder / "listed"), window_of(folder / "plain")
        assert (told.tests, told.test.tolist()) == (expected.tests, expected.test.tolist())


def test_a_former_name_is_found(tmp_path: Path) -> None:
    place = tmp_path / "h.db"
    store(place, report("r1", passed("old"), passed("b")))
    upkeep.rename(place, EVERYTHING, "tests.test_orders::old", "tests.test_orders::new")
    with together_from(1):
        store(place, report("r2", passed("c"), passed("old"), passed("b"), hours=1))
    assert [test.name for test in window_of(place).tests] == ["b", "c", "new"]
    assert len(named(place)) == 3
