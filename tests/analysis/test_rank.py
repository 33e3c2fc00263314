"""What a flaky test costs."""

import pytest

from flakediag.analysis.rank import impacts
from flakediag.analysis.window import Window


def costs(window: Window) -> list[tuple[int, float]]:
    import numpy as np

    return [(i.red_runs, round(i.minutes, 3)) for i in impacts(window, np.ones(len(window.runs), dtype=bool))]


def test_a_red_run_costs_its_duration_shared_by_those_that_failed(draw) -> None:
    window = draw(["F...", "FF..", "...."], seconds=15)  # a run of four takes a minute
    assert costs(window) == [(2, 1.5), (1, 0.5), (0, 0.0), (0, 0.0)]


def test_a_recovered_retry_costs_the_time_of_the_attempt_but_no_run(draw) -> None:
    assert costs(draw(["r..."], seconds=15))[0] == (0, 0.25)


def test_recent_red_runs_weigh_more(draw) -> None:
    import numpy as np

    window = draw(["F.", "..", ".."] + [".."] * 30 + [".F"], hours_between=24)
    early, late = impacts(window, np.ones(len(window.runs), dtype=bool))
    assert early.red_runs == late.red_runs
    assert late.score > 3 * early.score


@pytest.mark.parametrize("rows", [[], ["...."], ["FFFF"] * 3])
def test_scores_lie_between_nought_and_one(draw, rows: list[str]) -> None:
    import numpy as np

    window = draw(rows)
    assert all(0 <= i.score <= 1 for i in impacts(window, np.ones(len(window.runs), dtype=bool)))
