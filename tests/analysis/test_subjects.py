"""The ways in which a test fails, and what each run says about each of them."""

from dataclasses import replace

import numpy as np

from flakediag.analysis.subjects import subjects_of
from flakediag.analysis.window import Sealed, Window
from flakediag.model import FailureDetail


def relabel(window: Window, signatures: list[str]) -> Window:
    failures = [
        f._replace(signature=s, said=f.detail._replace(type=s.partition(":")[0]))
        for f, s in zip(window.failures, signatures, strict=True)
    ]
    return Window(
        window.runs, window.tests, window.run, window.test, window.position, window.outcome, window.attempts,
        window.duration, tuple(failures),
    )  # fmt: skip


def test_failures_of_another_signature_say_nothing(draw) -> None:
    window = relabel(draw(["F", ".", "F", "s", "F", " "]), ["A: one", "B: two", "A: one"])
    a, b = subjects_of(window, [0], np.ones(6, dtype=bool))
    assert (a.signature, list(a.failed)) == ("A: one", [1, 0, -1, -1, 1, -1])
    assert (b.signature, list(b.failed)) == ("B: two", [-1, 0, 1, -1, -1, -1])


def test_a_recovered_retry_failed_and_an_outage_says_nothing(draw) -> None:
    (subject,) = subjects_of(draw(["r", ".", "F"]), [0], np.array([True, True, False]))
    assert list(subject.failed) == [1, 0, -1]


def test_signatures_that_hardly_ever_repeat_are_one(draw) -> None:
    window = draw(["F"] * 5 + ["."])
    volatile = relabel(window, [f"AssertionError: {{'id': {word!r}}}" for word in "vwxyz"])
    assert len(subjects_of(volatile, [0], np.ones(6, dtype=bool))) == 1
    three = relabel(window, ["E: a", "E: b", "E: c", "E: a", "E: b"])
    assert len(subjects_of(three, [0], np.ones(6, dtype=bool))) == 3


def silenced(window: Window, attempts: set[int]) -> Window:
    """The window with nothing said of these failures, as of attempts that pytest-rerunfailures retried."""
    failures = tuple(
        f._replace(signature="no message", said=FailureDetail("", "", "")) if i in attempts else f
        for i, f in enumerate(window.failures)
    )
    return replace(window, failures=failures)


def test_what_is_known_to_say_something_is_not_unpacked_for_that(draw) -> None:
    opened: list[FailureDetail] = []

    def sealed(detail: FailureDetail, *, speaks: bool) -> Sealed:
        def unpack() -> FailureDetail:
            opened.append(detail)
            return detail

        return Sealed(unpack, speaks=speaks)

    plain = draw(["F", ".", "F", "F"])
    failures = [f._replace(said=sealed(f.detail, speaks=True)) for f in plain.failures]
    window = replace(plain, failures=tuple(failures))
    assert [list(s.failed) for s in subjects_of(window, [0], np.ones(4, dtype=bool))] == [[1, 0, 1, 1]]
    assert len(opened) == 1  # for the type of what the signature stands for
    failures[1] = failures[1]._replace(signature="no message", said=sealed(FailureDetail("", "", ""), speaks=False))
    window = replace(plain, failures=tuple(failures))
    assert [list(s.failed) for s in subjects_of(window, [0], np.ones(4, dtype=bool))] == [[1, 0, 1, 1]]


def test_a_failure_of_which_nothing_is_kept_is_of_the_only_signature_there_is(draw) -> None:
    window = silenced(draw(["F", ".", "r"]), {1})
    (subject,) = subjects_of(window, [0], np.ones(3, dtype=bool))
    assert list(subject.failed) == [1, 0, 1]


def test_among_several_signatures_a_failure_of_which_nothing_is_kept_says_nothing(draw) -> None:
    window = silenced(relabel(draw(["F", ".", "r", "F"]), ["A: one", "", "B: two"]), {1})
    assert [list(s.failed) for s in subjects_of(window, [0], np.ones(4, dtype=bool))] == [
        [1, 0, -1, -1],
        [-1, 0, -1, 1],
    ]


def test_where_nothing_is_ever_said_there_is_still_one_way_of_failing(draw) -> None:
    (subject,) = subjects_of(silenced(draw(["r", ".", "r"]), {0, 1}), [0], np.ones(3, dtype=bool))
    assert list(subject.failed) == [1, 0, 1]
