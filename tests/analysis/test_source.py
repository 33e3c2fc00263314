"""What the quoted source of a test says about waiting: what counts as a fixed wait, and what does not."""

import numpy as np
import pytest
from evidence_samples import failing, with_details

from flakediag.analysis.evidence.source import find
from flakediag.analysis.subjects import subjects_of
from flakediag.model import Category, FailureDetail


def listing(*before: str, failed: str = "assert rows == 1") -> str:
    """A failure as pytest prints it."""
    lines = [f"        {line}" for line in before]
    return "\n".join(
        ["    def test_it():", *lines, f">       {failed}", "E       assert 0 == 1", "", "tests/t.py:9: AssertionError"]
    )


@pytest.fixture
def evidence(draw):
    def of(detail: FailureDetail):
        window = with_details(draw(["F.", ".."]), {0: detail})
        return find(window, subjects_of(window, [0], np.ones(2, dtype=bool)))[0]

    return of


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("time.sleep(0.2)", "time.sleep(0.2)"),
        ("sleep(WAIT)", "sleep(WAIT)"),
        ("await asyncio.sleep(1)", "asyncio.sleep(1)"),
        ("await page.wait_for_timeout(500)", "wait_for_timeout(500)"),
        ("Thread.sleep(100)", "Thread.sleep(100)"),
    ],
)
def test_a_fixed_wait_before_the_line_that_failed_speaks_for_timing(evidence, line: str, shown: str) -> None:
    (found,) = evidence(failing(text=listing("start()", line)))
    assert (found.category, found.data["line"]) == (Category.TIMING, shown)
    assert shown in found.summary


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing is quoted"),
        pytest.param(listing("start()"), id="no wait"),
        pytest.param(listing("await asyncio.sleep(0)"), id="a sleep of nothing only yields"),
        pytest.param(listing("# time.sleep(1) is not needed"), id="a comment"),
        pytest.param(listing("oversleep(3)"), id="another word"),
        pytest.param(listing("start()", failed="time.sleep(99)"), id="the line that failed is the wait itself"),
        pytest.param(
            listing("start()") + "\n\n    def retry():\n        time.sleep(1)\n>       raise E", id="a library's wait"
        ),
        pytest.param("java.lang.AssertionError\n\tat java.lang.Thread.sleep(Native Method)", id="a stack frame"),
        pytest.param("time.sleep(1)\nassert rows", id="no line is marked as the one that failed"),
    ],
)
def test_what_is_not_a_fixed_wait_of_the_test(evidence, text: str) -> None:
    assert evidence(failing(text=text)) == []
