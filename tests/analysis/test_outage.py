"""Runs that count for nobody's flakiness, and runs that do however red they are."""

import pytest

from flakediag.analysis.outage import outages

GOOD = "." * 20


@pytest.mark.parametrize(
    ("rows", "commits", "found"),
    [
        pytest.param([GOOD] * 9 + ["F" * 20], None, [9], id="all fail once"),
        pytest.param([GOOD] * 9 + ["F" * 9 + "." * 11], None, [9], id="half the suite, never seen failing else"),
        pytest.param([GOOD] * 9 + ["F" * 6 + "." * 14], None, [], id="a third is no outage"),
        pytest.param([GOOD] * 3 + ["F" * 10 + "." * 10, GOOD] * 6, None, [], id="half the suite, again and again"),
        pytest.param([GOOD] * 9 + ["F" * 20] * 2, "aaaaaaaaabb", [], id="all runs of a commit: a bad commit"),
        pytest.param([GOOD[:8]] * 9 + ["F" * 8], None, [], id="too few tests to say"),
        pytest.param([], None, [], id="no runs"),
    ],
)
def test_outages(draw, rows: list[str], commits: str | None, found: list[int]) -> None:
    assert list(outages(draw(rows, commits=commits)).nonzero()[0]) == found


def test_a_suite_that_loses_the_same_half_in_many_orders_has_no_outage(draw) -> None:
    rows = [GOOD] * 20 + ["F" * 12 + "." * 8] * 2 + ["F" * 11 + "." * 9] * 3
    rows += ["F" * 5 + "." * 15, "." * 5 + "F" * 7 + "." * 8]  # the same tests fail in smaller company too
    assert not outages(draw(rows)).any()
