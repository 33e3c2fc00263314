"""The reports that benchmarks are made with hold what they claim to hold; how the figures are put together."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import measure
import planted
import walk
from bars import Limit, Row

SUITE = planted.Suite(tests=60, order=5, timing=2, port=2, broken=3)


@pytest.fixture(scope="module")
def suite_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[planted.Workload, list[dict[str, bool]]]:
    """The workload, and of each run the tests in the order of execution, with whether they failed."""
    work = planted.write(tmp_path_factory.mktemp("planted"), SUITE, 24, per_commit=3)
    runs = [
        {f"{c.get('classname')}::{c.get('name')}": c.find("failure") is not None for c in tree.iter("testcase")}
        for tree in map(ElementTree.parse, work.paths)
    ]
    return work, runs


def test_a_victim_fails_when_its_polluter_ran_before_it(
    suite_runs: tuple[planted.Workload, list[dict[str, bool]]],
) -> None:
    work, runs = suite_runs
    assert len(work.truth.polluters) == SUITE.order
    for run in runs:
        order = list(run)
        for victim, polluter in work.truth.polluters.items():
            assert run[victim] == (order.index(polluter) < order.index(victim))


def test_a_broken_test_passes_until_a_commit_and_never_again(
    suite_runs: tuple[planted.Workload, list[dict[str, bool]]],
) -> None:
    work, runs = suite_runs
    assert len(work.truth.broken) == SUITE.broken
    for test in work.truth.broken:
        failed = [run[test] for run in runs]
        since = failed.index(True)
        assert not any(failed[:since])
        assert all(failed[since:])
        assert work.commits[since] != work.commits[since - 1]


def test_nothing_fails_but_what_was_planted(suite_runs: tuple[planted.Workload, list[dict[str, bool]]]) -> None:
    work, runs = suite_runs
    assert len(work.truth.causes) == SUITE.flaky
    assert {test for run in runs for test, failed in run.items() if failed} <= {*work.truth.causes, *work.truth.broken}


def test_both_walks_see_the_same(suite_runs: tuple[planted.Workload, list[dict[str, bool]]]) -> None:
    pytest.importorskip("lxml")
    work, runs = suite_runs
    seen = walk.with_lxml(str(work.paths[0]))
    assert seen == walk.with_expat(str(work.paths[0]))
    assert [children for *_, children in seen] == [int(failed) for failed in runs[0].values()]


def test_a_ratio_is_the_median_of_those_of_the_turns() -> None:
    turns = measure.Turns()
    for walked, ingested in ((1.0, 3.0), (2.0, 4.0), (1.0, 9.0)):  # the second in a slow minute
        turns.add("walk", measure.Figure(walked, walked, 10))
        turns.add("ingest", measure.Figure(ingested, ingested, 20))
    assert turns["ingest"].cpu == 4.0
    assert turns.times("ingest", "walk") == 3.0


def test_what_ends_otherwise_than_it_should_says_so() -> None:
    said = measure.Task([(sys.executable, "-c", "raise SystemExit('no such thing')")])
    with pytest.raises(measure.FailedError, match="no such thing"):
        measure.run(said)
    late = measure.Task([(sys.executable, "-c", "import time; time.sleep(60)")], patience=1)
    with pytest.raises(measure.FailedError, match="in time"):
        measure.run(late)


@pytest.mark.parametrize(("measured", "said"), [(2.9, "yes: CPU × 2.9"), (3.1, "**no**: CPU × 3.1 > 3")])
def test_a_bar_is_reached_or_missed(measured: float, said: str) -> None:
    assert Row("ingest", None, None, "3 ×", (Limit("CPU ×", measured, 3.0),)).cells()[-1] == said
