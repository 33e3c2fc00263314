"""Flaky tests that are one problem, and those that only look alike."""

import numpy as np
import pytest

from flakediag.analysis.cluster import Member, clusters_of
from flakediag.model import Category, Diagnosis, Partner


def member(
    name: str, failed: str, category: Category = Category.UNKNOWN, partner: str | None = None, port: int | None = None
) -> Member:
    partners = (Partner(partner, "test", "polluter", 0.9),) if partner else ()
    cause = Diagnosis(category, 0.9, partners=partners, ports=(port,) if port else ())
    return Member(name, cause, frozenset({f"signature of {name[0]}"}), np.array([c == "F" for c in failed]))


@pytest.mark.parametrize(
    ("members", "together"),
    [
        pytest.param(
            [member("a1", "F...", Category.ORDER, "p"), member("b1", "...F", Category.ORDER, "p")],
            True,
            id="one polluter",
        ),
        pytest.param(
            [member("a1", "F...", Category.ORDER, "p"), member("b1", "F...", Category.ORDER, "q")],
            False,
            id="two polluters",
        ),
        pytest.param(
            [member("a1", "F...", Category.PORT, port=1), member("b1", ".F..", Category.PORT, port=1)],
            True,
            id="one port",
        ),
        pytest.param(
            [member("a1", "FFF.", Category.PORT, port=1), member("a2", "FFF.", Category.PORT, port=2)],
            False,
            id="two ports, though they fail together",
        ),
        pytest.param([member("a1", "FFF."), member("a2", "FFF.")], True, id="one signature, the same runs"),
        pytest.param([member("a1", "FFF..."), member("a2", "...FFF")], False, id="one signature, other runs"),
        pytest.param([member("a1", "FF.."), member("a2", "FF..")], False, id="two common failures are too few"),
        pytest.param(
            [member("a1", "FFF.", Category.TIMING), member("a2", "FFF.", Category.NETWORK)], False, id="causes differ"
        ),
    ],
)
def test_belonging_together(members: list[Member], together: bool) -> None:
    assert [c.tests for c in clusters_of(members)] == ([tuple(m.id for m in members)] if together else [])


def test_the_largest_problem_comes_first_and_belonging_is_transitive() -> None:
    members = [
        member("a1", "F.....", Category.PORT, port=9),
        member("a2", "F.....", Category.PORT, port=9),
        member("b1", "FF....", Category.ORDER, "p"),
        member("b2", "..FFFF", Category.ORDER, "p"),
        member("b3", "...FFF", Category.ORDER, "p"),
    ]
    first, second = clusters_of(members)
    assert (first.id, first.tests, first.summary) == (1, ("b2", "b3", "b1"), "3 tests depend on p")
    assert (second.id, second.category) == (2, Category.PORT)
