"""Flaky or broken: a table of histories, one character a commit.

`.` one run that passed, `F` one that failed, `r` one that passed on retry, a digit: so many of five runs failed.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakediag.analysis import segmentation, verdict
from flakediag.analysis.commits import CLEAN, FAILING, FLAKY, CommitOutcomes
from flakediag.analysis.segmentation import Memory, segments
from flakediag.analysis.verdict import judge
from flakediag.model import Verdict

COMMITS = {".": CommitOutcomes(0, 1, 1, 0), "F": CommitOutcomes(1, 1, 1, 1), "r": CommitOutcomes(1, 2, 1, 1)}
COMMITS |= {str(k): CommitOutcomes(k, 5, 5, k) for k in range(6)}


def history(text: str) -> list[CommitOutcomes]:
    return [COMMITS[c] for c in text]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("....", Verdict.STABLE),
        # Both outcomes on one commit prove a flake, however rare.
        ("2", Verdict.FLAKY),
        ("1000000", Verdict.FLAKY),
        ("0" * 40 + "1", Verdict.FLAKY),
        ("....r....", Verdict.FLAKY),
        # One run a commit: it must have begun to fail more than once.
        (".F.F..F.F.....", Verdict.FLAKY),
        ("." * 10 + "F" + "." * 10 + "F", Verdict.FLAKY),
        # A regression, long or short, at one run a commit or at several.
        ("." * 20 + "FF", Verdict.BROKEN),
        ("." * 20 + "F" * 10, Verdict.BROKEN),
        ("00005", Verdict.BROKEN),
        ("000055", Verdict.BROKEN),
        ("FFFFFFFFFF", Verdict.BROKEN),
        ("2220" + "5" * 4, Verdict.BROKEN),  # a flake that broke for good
        # Repaired.
        ("." * 20 + "FFFFF" + "." * 20, Verdict.FIXED),
        ("0000550", Verdict.FIXED),
        ("222" + "0" * 8, Verdict.FIXED),
        # A flake that has only been quiet for a while.
        ("111" + "0" * 2, Verdict.FLAKY),
        # Nobody can know.
        ("F", Verdict.INSUFFICIENT),
        ("FF", Verdict.INSUFFICIENT),
        (".F", Verdict.INSUFFICIENT),
        ("." * 20 + "F", Verdict.INSUFFICIENT),
        ("." * 20 + "F" + "." * 20, Verdict.INSUFFICIENT),
    ],
)
def test_the_verdict_follows_the_last_segment(text: str, verdict: Verdict) -> None:
    assert judge(history(text), is_new=False).verdict is verdict


def test_a_test_that_appeared_lately_and_only_failed_is_new() -> None:
    assert judge(history("FF"), is_new=True).verdict is Verdict.NEW
    assert judge(history("00005"), is_new=True).verdict is Verdict.BROKEN


def test_the_break_is_dated_to_its_commit() -> None:
    judgement = judge(history("." * 7 + "F" * 6), is_new=False)
    assert judgement.since == 7
    assert "last 6 runs" in judgement.reason


def test_a_quiet_flake_says_how_many_clean_runs_would_show_that_it_is_fixed() -> None:
    judgement = judge(history("111" + "0" * 5), is_new=False)
    assert judgement.verdict is Verdict.FLAKY


def test_no_history_is_an_error() -> None:
    with pytest.raises(ValueError, match="without executions"):
        judge([], is_new=False)


@given(st.lists(st.sampled_from("..F012345r"), min_size=1, max_size=40).map("".join))
def test_both_outcomes_on_the_last_commit_are_always_a_flake(text: str) -> None:
    assert judge(history(text + "2"), is_new=False).verdict is Verdict.FLAKY


@given(st.text(".F05r", min_size=1, max_size=30))
def test_a_clean_history_is_stable_and_a_failing_one_never_is(text: str) -> None:
    assert (judge(history(text), is_new=False).verdict is Verdict.STABLE) == (set(text) <= {".", "0"})


@given(st.text(".F025r", min_size=1, max_size=30))
def test_probabilities_are_probabilities(text: str) -> None:
    assert 0 <= judge(history(text), is_new=False).probability <= 1


@given(st.text("0125F.r", min_size=1, max_size=40), st.lists(st.integers(1, 40), max_size=8))
def test_what_is_remembered_changes_no_verdict(text: str, stops: list[int]) -> None:
    memory = Memory()
    for stop in (*stops, *range(1, len(text) + 1)):
        part = history(text[:stop])
        assert judge(part, is_new=False, memory=memory) == judge(part, is_new=False)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("....", [(CLEAN, 0, 4)]),
        ("." * 20 + "F" * 10, [(CLEAN, 0, 20), (FAILING, 20, 30)]),
        ("." * 20 + "FFFFF" + "." * 20, [(CLEAN, 0, 20), (FAILING, 20, 25), (CLEAN, 25, 45)]),
        ("2220" + "5" * 4, [(FLAKY, 0, 4), (FAILING, 4, 8)]),
        ("222" + "0" * 20, [(FLAKY, 0, 3), (CLEAN, 3, 23)]),
        ("", []),
    ],
)
def test_the_segments_of_a_history(text: str, kinds: list[tuple[int, int, int]]) -> None:
    assert [(s.kind, s.start, s.stop) for s in segments(history(text))] == kinds


@given(st.text("0125F.r", min_size=1, max_size=40))
def test_segments_cover_the_history_and_keep_a_mixed_commit_flaky(text: str) -> None:
    commits, found = history(text), segments(history(text))
    assert [s.start for s in found] == [0, *(s.stop for s in found[:-1])]
    assert found[-1].stop == len(commits)
    for segment in found:
        assert segment.start < segment.stop
        for commit in commits[segment.start : segment.stop]:
            if 0 < commit.failed < commit.tried:
                assert segment.kind == FLAKY


@given(st.text(".Fr0123", min_size=1, max_size=60), st.integers(1, 7))
def test_a_verdict_is_the_same_however_many_boundaries_are_weighed_together(text: str, at_once: int) -> None:
    expected = judge(history(text), is_new=False), segments(history(text))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(verdict, "BRIEF", 0)
        patched.setattr(segmentation, "AT_ONCE", at_once)
        assert (judge(history(text), is_new=False), segments(history(text))) == expected
