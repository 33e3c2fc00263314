"""Results in columns: a sequence like a tuple of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flakediag.model import Attempt, CaseResult, FailureDetail, Identity, Outcome, Results

failures = st.none() | st.builds(FailureDetail, st.just("T"), st.sampled_from(["m", ""]), st.just("x"))
attempts = st.builds(Attempt, st.sampled_from(Outcome), st.none() | st.just(0.5), failures)
case_results = st.builds(
    CaseResult,
    st.builds(Identity, st.sampled_from(["C", ""]), st.sampled_from("ab")),
    st.sampled_from(Outcome),
    st.none() | st.sampled_from([0.0, 1.5]),
    failures,
    st.lists(attempts, max_size=2).map(tuple),
)
lists = st.lists(case_results, max_size=8)


@given(lists)
def test_they_are_what_they_were_made_of(plain: list[CaseResult]) -> None:
    results = Results.of(plain)
    assert list(results) == plain == [results[place] for place in range(len(results))]
    assert [results[place - len(plain)] for place in range(len(plain))] == plain
    assert results == plain and results == tuple(plain) and Results.of(results) is results
    assert all(isinstance(result.outcome, Outcome) for result in results)


@given(lists, st.integers(-9, 9), st.integers(-9, 9))
def test_a_part_of_them_is_that_part(plain: list[CaseResult], start: int, stop: int) -> None:
    assert Results.of(plain)[start:stop] == plain[start:stop]


@given(st.lists(lists, max_size=4))
def test_several_are_joined_in_order(parts: list[list[CaseResult]]) -> None:
    assert Results.joined([Results.of(part) for part in parts]) == [result for part in parts for result in part]


@given(lists, lists)
def test_they_are_equal_only_to_equal_results(one: list[CaseResult], other: list[CaseResult]) -> None:
    assert (Results.of(one) == Results.of(other)) is (one == other)
    assert (Results.of(one) == other) is (one == other)


@given(lists)
def test_special_are_those_that_did_not_simply_pass(plain: list[CaseResult]) -> None:
    expected = [n for n, result in enumerate(plain) if result.outcome is not Outcome.PASSED or result.earlier]
    assert Results.of(plain).special() == expected
