"""Windows written down as text, for tests of the analysis."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from flakediag.analysis.window import Failure, Window
from flakediag.model import FailureDetail, Identity, Order, Outcome, Run

START = datetime(2026, 1, 1, tzinfo=UTC)
OUTCOMES = {
    ".": Outcome.PASSED,
    "F": Outcome.FAILED,
    "E": Outcome.ERROR,
    "s": Outcome.SKIPPED,
    "r": Outcome.PASSED,
    "S": Outcome.SKIPPED,
}

Draw = Callable[..., Window]


@pytest.fixture
def draw() -> Draw:
    return draw_window


def draw_window(
    rows: Sequence[str],
    *,
    commits: str | None = None,
    seconds: float = 1.0,
    hours_between: float = 1.0,
    signature: str = "AssertionError: no",
    order: Order = Order.EXECUTION,
) -> Window:
    """One text a run, one character a test: `.` passed, `F` failed, `E` error, `s` skipped, `r` passed on retry,
    `S` failed and was skipped on retry, blank: absent. `commits` names the commit of each run with one character
    (default: all the same).
    """
    runs, columns, failures = [], [], []
    for r, row in enumerate(rows):
        runs.append(
            Run(
                started_at=START + timedelta(hours=r * hours_between),
                digest=str(r),
                commit=commits[r] if commits else "c",
                duration=seconds * len(row),
                producer="pytest",
                order=order,
            )
        )
        position = 0
        for t, mark in enumerate(row):
            if mark == " ":
                continue
            columns.append((r, t, position, OUTCOMES[mark], 2 if mark in "rS" else 1, seconds))
            if mark in "FErS":
                outcome = Outcome.ERROR if mark == "E" else Outcome.FAILED
                detail = FailureDetail(signature.partition(":")[0], signature.partition(": ")[2], "")
                failures.append(Failure(r, t, position, 1, outcome, signature, detail))
            position += 1
    table = np.array(columns, dtype=np.float64).reshape(-1, 6)
    count = max((len(row) for row in rows), default=0)
    return Window(
        runs=tuple(runs),
        tests=tuple(Identity("tests.test_shop", f"test_{t}") for t in range(count)),
        run=table[:, 0].astype(np.int32),
        test=table[:, 1].astype(np.int32),
        position=table[:, 2].astype(np.int32),
        outcome=table[:, 3].astype(np.int8),
        attempts=table[:, 4].astype(np.int8),
        duration=table[:, 5].astype(np.float32),
        failures=tuple(failures),
    )
