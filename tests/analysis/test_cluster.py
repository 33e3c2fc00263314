"""Flaky tests that are one problem, and those that only look alike."""

import numpy as np
import pytest

from flakediag.analysis.cluster import Member, tickets_of
from flakediag.model import Category, Diagnosis, Partner


def member(
    name: str,
    failed: str,
    category: Category = Category.UNKNOWN,
    partner: str | None = None,
    port: int | None = None,
    signature: str | None = None,
    likely: float = 0.9,
) -> Member:
    partners = (Partner(partner, "test", "polluter", likely),) if partner else ()
    cause = Diagnosis(category, 0.9, partners=partners, ports=(port,) if port else ())
    shows = np.array([c == "F" for c in failed])
    return Member(int.from_bytes(name.encode()), name, cause, signature or f"signature of {name[0]}", shows)


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
        pytest.param(
            [member("a1", "FFF.", Category.PORT, port=1), member("b1", "FFF.", Category.PORT)],
            True,
            id="one port, which one failure does not name",
        ),
        pytest.param([member("a1", "FFF."), member("a2", "FFF.")], True, id="one signature, the same runs"),
        pytest.param([member("a1", "FFF..."), member("a2", "...FFF")], False, id="one signature, other runs"),
        pytest.param([member("a1", "FF.."), member("a2", "FF..")], False, id="two common failures are too few"),
        pytest.param(
            [member("a1", "FFF.", Category.TIMING), member("a2", "FFF.", Category.NETWORK)], False, id="causes differ"
        ),
        pytest.param(
            [
                member("a1", "F..F", Category.ORDER, "p", likely=0.1),
                member("b1", "F...", Category.ORDER, "p", likely=0.1),
            ],
            False,
            id="one polluter that is hardly one",
        ),
        pytest.param(
            [member("a1", "FFF.", Category.ORDER), member("b1", "FFF.", Category.ORDER)],
            False,
            id="order dependences of the same runs, of nobody in common",
        ),
    ],
)
def test_belonging_together(members: list[Member], together: bool) -> None:
    tickets = tickets_of(members)
    assert [t.tests for t in tickets if t.cluster] == ([tuple(m.id for m in members)] if together else [])
    assert sorted(id for t in tickets for id in t.tests) == ["a1", members[1].id]


def test_the_largest_problem_comes_first_and_belonging_is_transitive() -> None:
    members = [
        member("c1", "FFFFFF", Category.RANDOMNESS),
        member("a1", "F.....", Category.PORT, port=9),
        member("a2", "F.....", Category.PORT, port=9),
        member("b1", "FF....", Category.ORDER, "p"),
        member("b2", "..FFFF", Category.ORDER, "p"),
        member("b3", "...FFF", Category.ORDER, "p"),
    ]
    first, second, alone = tickets_of(members)
    assert (first.cluster, first.tests, first.summary) == (1, ("b2", "b3", "b1"), "3 tests depend on p")
    assert (second.cluster, second.category, second.summary) == (2, Category.PORT, "2 tests need port 9")
    assert (alone.cluster, alone.tests, alone.summary) == (None, ("c1",), "c1")


def test_tests_meet_in_one_of_the_ways_in_which_they_fail() -> None:
    # Each test fails as often in a way of its own: over all failures they have hardly a third of the runs in common.
    shared = [member(name, "FFF.........", signature="connection lost") for name in ("a1", "b1")]
    own = [
        member("a1", "...FFFFF....", Category.TIMING, signature="timed out"),
        member("b1", "........FFFF", Category.ORDER, "p", signature="3 rows"),
    ]
    first, *rest = tickets_of([shared[0], own[0], shared[1], own[1]])
    assert first.tests == ("a1", "b1")
    assert [m.signature for m in first.members] == ["connection lost"] * 2
    assert [t.summary for t in rest] == ["a1, where it fails with timed out", "b1 depends on p"]


def test_tests_meet_by_one_cause_that_shows_in_several_ways() -> None:
    many = [member("a1", "FF..", Category.PORT), member("a1", "..F.", Category.PORT, signature="refused")]
    other = [member("b1", "F...", Category.PORT), member("b1", ".FF.", Category.PORT, signature="cut")]
    assert [t.tests for t in tickets_of([*many, *other])] == [("a1", "b1")]
    apart = [member("b1", "F...", Category.TIMING), member("b1", ".FF.", Category.TIMING, signature="cut")]
    assert [t.cluster for t in tickets_of([*many, *apart])] == [None, None]


def test_the_ways_of_one_test_are_one_ticket_unless_their_causes_differ() -> None:
    one = [member("a1", "FF..", Category.TIMING), member("a1", "..F.", signature="what else")]
    assert len(tickets_of(one)) == 1
    assert tickets_of(one)[0].cluster is None
    ports = [member("a1", "FF..", Category.PORT, port=1), member("a1", "..F.", Category.PORT, port=2, signature="b")]
    assert len(tickets_of(ports)) == 2
    orders = [member("a1", "FF..", Category.ORDER, "p"), member("a1", "..F.", Category.ORDER, "q", signature="b")]
    assert len(tickets_of(orders)) == 2
    assert tickets_of([]) == []
