"""The history gives back what it was given."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from history_samples import (
    EVERYTHING,
    NOON,
    failed,
    hexdigest,
    passed,
    report,
    signature_of,
    skipped,
    store,
    suite,
    window_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from flakediag.history import History
from flakediag.location import Location
from flakediag.model import Attempt, CaseResult, FailureDetail, Identity, InputFile, Order, Outcome, Run, RunReport

FAILED = (Outcome.FAILED, Outcome.ERROR)

texts = st.text(st.characters(exclude_categories=()), max_size=20)  # half surrogates and NUL too
names = st.sampled_from(["test_a", "test_b", "test_c[ü/%?]", "", "App\\Tests\\Foo"]) | texts
identities = st.builds(Identity, names, names, names, names)
details = st.builds(FailureDetail, texts, texts, texts, texts)
durations = st.none() | st.integers(0, 100_000).map(lambda ms: ms / 1000)
failing = st.builds(Attempt, st.sampled_from(FAILED), durations, st.none() | details)
any_attempt = failing | st.just(Attempt(Outcome.PASSED, None, None))
earlier = st.lists(any_attempt, max_size=3).map(tuple)
results = st.builds(
    CaseResult, identities, st.sampled_from([Outcome.PASSED, Outcome.SKIPPED]), durations, st.none(), earlier
) | st.builds(CaseResult, identities, st.sampled_from(FAILED), durations, st.none() | details, earlier)
moments = st.datetimes(
    min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=st.just(timezone(timedelta(hours=2)))
)
optional = st.none() | texts
runs = st.builds(
    Run,
    started_at=moments,
    digest=texts,
    commit=optional,
    branch=optional,
    job=optional,
    attempt=st.integers(1, 9),
    shard=optional,
    host=optional,
    url=optional,
    duration=st.none() | st.floats(0, 1e9),
    producer=texts,
    order=st.sampled_from(Order),
    parallelism=st.none() | st.floats(0, 100),
    properties=st.dictionaries(texts, texts, max_size=3),
    experiment=st.booleans(),
)
reports = st.builds(lambda run, these: RunReport(run=run, results=tuple(these), files=()), runs, st.lists(results))


@given(st.lists(reports, max_size=4, unique_by=lambda each: each.run.digest))
@settings(deadline=None, max_examples=60)
def test_a_run_comes_back_as_the_report_that_it_came_from(
    another: Callable[[], Location], given_reports: list[RunReport]
) -> None:
    place = another()
    stored = store(place, *given_reports)
    with History.open(place, "write") as history:
        for given_report, entry in zip(given_reports, stored, strict=True):
            back = history.run_report(entry.run)
            assert replace(back, run=replace(back.run, id=None)) == given_report
            assert list(back.run.properties) == list(given_report.run.properties)


@given(st.lists(reports, min_size=1, max_size=4, unique_by=lambda each: each.run.digest))
@settings(deadline=None, max_examples=60)
def test_a_window_is_the_reports_as_arrays(another: Callable[[], Location], given_reports: list[RunReport]) -> None:
    place = another()
    store(place, *given_reports)
    window = window_of(place, replace(EVERYTHING, experiments=True, days=10**9))
    in_time = sorted(given_reports, key=lambda each: each.run.started_at)
    assert [run.started_at for run in window.runs] == [each.run.started_at for each in in_time]
    by_digest = {each.run.digest: each.results for each in given_reports}
    in_order = [by_digest[run.digest] for run in window.runs]
    flat = [result for these in in_order for result in these]
    assert window.tests == tuple(sorted({result.test for result in flat}))
    assert window.run.tolist() == [index for index, these in enumerate(in_order) for _ in these]
    assert window.position.tolist() == [position for these in in_order for position in range(len(these))]
    assert [window.tests[index] for index in window.test] == [result.test for result in flat]
    assert window.outcome.tolist() == [result.outcome for result in flat]
    assert window.attempts.tolist() == [result.attempts for result in flat]
    assert window.duration.tolist() == pytest.approx(
        [math.nan if result.duration is None else result.duration for result in flat], nan_ok=True
    )
    assert [tuple(failure) for failure in window.failures] == [
        expected
        for index, these in enumerate(in_order)
        for position, result in enumerate(these)
        for expected in expected_failures(index, window.tests.index(result.test), position, result)
    ]


def expected_failures(run: int, test: int, position: int, result: CaseResult) -> list[tuple[Any, ...]]:
    attempts = [*result.earlier, Attempt(result.outcome, result.duration, result.failure)]
    said = [attempt.failure or FailureDetail("", "", "") for attempt in attempts]
    return [
        (run, test, position, number, attempt.outcome, signature_of(detail), detail)
        for number, (attempt, detail) in enumerate(zip(attempts, said, strict=True), start=1)
        if attempt.outcome.failed
    ]


@pytest.mark.parametrize(
    ("given_seconds", "kept"),
    [(0.0004, 0.0), (0.0006, 0.001), (12.3456, 12.346), (math.nan, None), (math.inf, None), (-1.0, None), (1e9, None)],
)
def test_durations_are_kept_to_the_millisecond_and_what_is_none_is_none(
    place: Location, given_seconds: float, kept: float | None
) -> None:
    [stored] = store(place, report("r", passed("test_a", duration=given_seconds)))
    with History.open(place) as history:
        assert history.run_report(stored.run).results[0].duration == kept


def test_files_come_back(place: Location) -> None:
    files = (
        InputFile(path="a\ud800.xml", digest=hexdigest("a"), cases=1),
        InputFile(path="b ü.xml", digest=hexdigest("b"), cases=1, partial="line 3: not closed"),
    )
    [stored] = store(place, replace(report("r", passed("test_a"), failed("test_b")), files=files))
    with History.open(place) as history:
        assert history.run_report(stored.run).files == files


def test_a_run_that_does_not_exist_is_a_lookup_error(place: Location) -> None:
    store(place, suite("r"))
    with History.open(place) as history, pytest.raises(LookupError):
        history.run_report(2)


def test_a_run_is_found_by_its_digest(place: Location) -> None:
    [stored] = store(place, suite("r"))
    with History.open(place) as history:
        found = history.run_by_digest(suite("r").run.digest)
        assert found == replace(suite("r").run, id=stored.run)
        assert history.run_by_digest("no such digest") is None


def test_a_test_that_stands_twice_in_a_run_stays_twice(place: Location) -> None:
    store(place, report("r", failed("test_a"), passed("test_a")))
    window = window_of(place)
    assert window.test.tolist() == [0, 0]
    assert window.outcome.tolist() == [Outcome.FAILED, Outcome.PASSED]


def test_a_window_without_runs_has_empty_arrays(place: Location) -> None:
    store(place)
    window = window_of(place)
    assert window.shape == (0, 0)
    assert window.outcomes.shape == (0, 0)


@pytest.mark.parametrize("order", Order)
def test_an_order_within_classes_is_one_beside_an_unknown_order(place: Location, order: Order) -> None:
    stored = store(place, report("r", passed("a"), order=order, ordered_classes=True))
    with History.open(place, "write") as history:
        back = history.run_report(stored[0].run)
    assert back is not None
    assert (back.run.order, back.run.ordered_classes) == (order, order is Order.UNKNOWN)


def test_a_run_without_results_is_a_run(place: Location) -> None:
    store(place, report("empty"), suite("r", hours=1))
    assert window_of(place).shape == (2, 5)


def test_more_attempts_than_a_byte_holds_are_cut_in_the_window_only(place: Location) -> None:
    many = tuple(Attempt(Outcome.FAILED, None, FailureDetail("E", str(n), "")) for n in range(200))
    [stored] = store(place, report("r", skipped("test_b"), replace_earlier(passed("test_a"), many)))
    assert window_of(place).attempts.tolist() == [1, 127]
    with History.open(place) as history:
        assert history.run_report(stored.run).results[1].attempts == 201


def replace_earlier(result: CaseResult, attempts: tuple[Attempt, ...]) -> CaseResult:
    return result._replace(earlier=attempts)


def test_moments_are_kept_in_utc(place: Location) -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=-7)))
    store(place, replace(suite("r"), run=replace(suite("r").run, started_at=elsewhere)))
    [run] = window_of(place).runs
    assert run.started_at == NOON
    assert run.started_at.tzinfo == UTC
