"""Windows with chosen failures, durations and runs, for the tests of evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from flakediag.analysis.evidence.text import Said, said
from flakediag.analysis.signature import signature_of
from flakediag.analysis.subjects import subjects_of
from flakediag.analysis.window import Subject, Window
from flakediag.model import Category, Evidence, FailureDetail


def words(message: str = "", kind: str = "", text: str = "", output: str = "") -> Said:
    return said(FailureDetail(kind, message, text, output))


def failing(message: str = "", kind: str = "", text: str = "", output: str = "") -> FailureDetail:
    return FailureDetail(kind, message, text, output)


def with_details(window: Window, detail: Mapping[int, FailureDetail] | Callable[[int, int], FailureDetail]) -> Window:
    """The window with other failures: by test, or by (run, test)."""

    def of(run: int, test: int) -> FailureDetail:
        return detail(run, test) if callable(detail) else detail.get(test, FailureDetail("", "no", ""))

    failures = tuple(
        f._replace(said=of(f.run, f.test), signature=signature_of(of(f.run, f.test))) for f in window.failures
    )
    return replace(window, failures=failures)


def with_durations(window: Window, seconds: Callable[[int, int], float]) -> Window:
    """The window with other durations: seconds of (run, test)."""
    durations = [seconds(int(r), int(t)) for r, t in zip(window.run, window.test, strict=True)]
    return replace(window, duration=np.array(durations, dtype=np.float32))


def subjects(window: Window) -> list[Subject]:
    everything = np.ones(len(window.runs), dtype=np.bool_)
    return subjects_of(window, sorted({f.test for f in window.failures}), everything)


def weight(evidence: Sequence[Evidence], category: Category, kind: str = "") -> float:
    """The sum of the weights for a category (and a kind that starts so)."""
    return sum(e.weight for e in evidence if e.category is category and e.kind.startswith(kind))
