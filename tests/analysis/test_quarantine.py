"""When an entry is still needed, and when the history shows that it is not."""

from datetime import date, timedelta

import pytest

from flakediag.analysis.quarantine import standings
from flakediag.analysis.rates import clean_runs_needed, rate_of
from flakediag.model import QuarantineEntry, QuarantineState

TODAY = date(2026, 3, 2)
SIGNATURE = "AssertionError: no"  # what draw's failures say


def standing(window, signature=SIGNATURE, test="tests.test_shop::test_0", left=14):
    entry = QuarantineEntry(
        test=test, signature=signature, reason="x", added=TODAY, expires=TODAY + timedelta(days=left)
    )
    (found,) = standings(window, [entry], TODAY)
    return found


def test_a_failure_is_recovered_after_as_many_clean_runs_as_its_own_rate_demands(draw) -> None:
    flaking = ["F.", "..", "F.", "..", "F.", "..", "F."]
    needed = clean_runs_needed(rate_of(4, 7).low)
    before = standing(draw([*flaking, *[".."] * (needed - 1)]))
    assert (before.state, before.clean, before.needed) == (QuarantineState.FLAKY, needed - 1, needed)
    after = standing(draw([*flaking, *[".."] * needed]))
    assert (after.state, after.clean, after.failures) == (QuarantineState.RECOVERED, needed, 4)
    assert f"{needed} show that it recovered" in after.reason


def test_a_rarer_failure_has_to_be_clean_for_longer(draw) -> None:
    often = standing(draw(["F.", ".."] * 5))
    rare = standing(draw([*["F."], *[".."] * 8, "F."]))
    assert rare.needed > often.needed


def test_a_failure_in_the_latest_run_is_not_over(draw) -> None:
    found = standing(draw(["..", "F.", "..", "F."]))
    assert (found.state, found.clean) == (QuarantineState.FLAKY, 0)
    assert "in the latest one as well" in found.reason


def test_a_test_that_always_fails_is_called_broken(draw) -> None:
    assert "broken rather than flaky" in standing(draw(["F."] * 6)).reason


@pytest.mark.parametrize(
    ("rows", "signature", "test"),
    [
        ([".."] * 5, SIGNATURE, "tests.test_shop::test_0"),
        (["F."] * 5, "KeyError: x", "tests.test_shop::test_0"),
        ([".."] * 5, SIGNATURE, "tests.test_shop::gone"),
        (["s."] * 5, SIGNATURE, "tests.test_shop::test_0"),
        ([], SIGNATURE, "tests.test_shop::test_0"),
    ],
)
def test_what_did_not_run_or_fail_like_this_is_not_seen(draw, rows, signature, test) -> None:
    assert standing(draw(rows), signature, test).state is QuarantineState.UNSEEN


def test_an_entry_for_every_way_of_failing_sees_every_failure(draw) -> None:
    window = draw(["F."] + [".."] * 3, signature="KeyError: x")
    assert standing(window, None).failures == 1
    assert standing(window).failures == 0
    assert standing(window).runs == 3  # the run that failed in another way says nothing


def test_outages_count_for_nothing(draw) -> None:
    good = "." * 20
    found = standing(draw([*[good] * 9, "F" * 20, *[good] * 2]))
    assert (found.state, found.failures) == (QuarantineState.UNSEEN, 0)


@pytest.mark.parametrize(("left", "expired"), [(1, False), (0, False), (-1, True)])
def test_an_entry_holds_until_its_last_day_is_over(draw, left: int, expired: bool) -> None:
    found = standing(draw(["F."]), left=left)
    assert (found.expired, found.days_left) == (expired, left)
