"""The ways in which a test fails, and what each run says about each of them."""

import numpy as np

from flakediag.analysis.subjects import subjects_of
from flakediag.analysis.window import Window


def relabel(window: Window, signatures: list[str]) -> Window:
    failures = [
        f._replace(signature=s, detail=f.detail._replace(type=s.partition(":")[0]))
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
