"""The recordings by real runners under fixtures/, against what is known of their suites (their truth.json files)."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flakediag import gates, service
from flakediag.ci import CiInfo
from flakediag.model import Category, Finding, GatePolicy, GateRule, GateStatus, Metric, Order, Report, Scope, Verdict
from flakediag.service import RunInfo

FIXTURES = Path(__file__).parent.parent / "fixtures"
RECORDINGS = FIXTURES / "recordings"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
RUNNERS = ("jest", "surefire", "gotestsum", "rspec")

pytestmark = pytest.mark.slow


class Recorded:
    """One recording in a history of its own, with its report and what is true of it."""

    def __init__(self, db: Path, recording: Path, truth: dict[str, Any], **info: Any) -> None:
        self.db, self.truth = db, truth
        self.summary = service.ingest(db, [str(recording)], RunInfo(**info), now=NOW, environ={})
        self.report: Report = service.report(db, Scope(), now=NOW)
        self.found = {finding.id: finding for finding in self.report.tests}

    def flaky(self) -> dict[str, Finding]:
        return {id: f for id, f in self.found.items() if f.verdict is Verdict.FLAKY}


@pytest.fixture(scope="session")
def orders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recorded]:
    folder = tmp_path_factory.mktemp("orders")
    truth = json.loads((FIXTURES / "orders_service" / "truth.json").read_text())
    return {
        phase: Recorded(folder / f"{phase}.db", RECORDINGS / "orders" / f"{phase}.tar.xz", truth[phase])
        for phase in ("before", "after")
    }


@pytest.fixture(scope="session")
def runners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recorded]:
    folder = tmp_path_factory.mktemp("runners")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "from_environ", lambda environ: CiInfo(provider="none"))
        return {
            runner: Recorded(
                folder / f"{runner}.db",
                RECORDINGS / runner / "runs.tar.xz",
                json.loads((RECORDINGS / runner / "truth.json").read_text()),
                commit="c" * 40,
            )
            for runner in RUNNERS
        }


# --- the orders service --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "flaky", "tests", "status"),
    [("before", 15, 125, GateStatus.TRIPPED), ("after", 1, 200, GateStatus.PASSED)],
)
def test_the_gate_before_and_after_the_repair(
    orders: dict[str, Recorded], phase: str, flaky: int, tests: int, status: GateStatus
) -> None:
    policy = GatePolicy(rules=(GateRule(metric=Metric.TESTS, limit=0.01),))
    decision, _ = gates.gate(orders[phase].db, Scope(), policy, now=NOW)
    assert (decision.rate.count, decision.rate.of) == (flaky, tests)
    assert decision.status is status


def test_nothing_in_them_is_taken_for_a_secret(orders: dict[str, Recorded], runners: dict[str, Recorded]) -> None:
    """So that every diagnosis of a recording is the same with masks and without."""
    assert {name: dict(one.summary.masked) for name, one in (orders | runners).items()} == {
        name: {} for name in (*orders, *runners)
    }


@pytest.mark.parametrize("phase", ["before", "after"])
def test_exactly_the_flaky_tests_are_found(orders: dict[str, Recorded], phase: str) -> None:
    assert set(orders[phase].flaky()) == set(orders[phase].truth["flaky"])


def test_each_cause_is_named(orders: dict[str, Recorded]) -> None:
    before = orders["before"]
    called = {id: f.cause.category for id, f in before.flaky().items() if f.cause}
    assert called == {id: Category(true["cause"]) for id, true in before.truth["flaky"].items()}


def test_each_order_dependence_has_its_partners_first(orders: dict[str, Recorded]) -> None:
    before = orders["before"]
    for id, true in before.truth["flaky"].items():
        if true["cause"] == Category.ORDER:
            cause = before.found[id].cause
            assert cause is not None
            accused = [p.id for p in cause.partners if p.role != "cleaner"][: len(true["partners"])]
            assert set(accused) == set(true["partners"]), id
            cleaners = {p.id for p in cause.partners if p.role == "cleaner" and p.probability > 0.5}
            assert cleaners >= set(true.get("cleaners", [])), id


def test_each_port_conflict_has_its_port(orders: dict[str, Recorded]) -> None:
    before = orders["before"]
    for id, true in before.truth["flaky"].items():
        if true["cause"] == Category.PORT:
            cause = before.found[id].cause
            assert cause is not None
            assert true["port"] in cause.ports, id


def test_the_regression_is_broken_and_the_repaired_one_fixed_each_since_its_commit(orders: dict[str, Recorded]) -> None:
    before = orders["before"]
    broken, fixed = before.truth["broken"], before.truth["fixed"]
    assert (before.found[broken["id"]].verdict, before.found[broken["id"]].since_commit) == (
        Verdict.BROKEN,
        broken["first_bad_commit"],
    )
    assert (before.found[fixed["id"]].verdict, before.found[fixed["id"]].since_commit) == (
        Verdict.FIXED,
        fixed["fixed_commit"],
    )


def test_the_suite_says_which_commits_it_ran_on(orders: dict[str, Recorded]) -> None:
    runs = service.runs(orders["before"].db, Scope())
    assert len(runs) >= 60
    assert len({s.run.commit for s in runs}) >= 5
    assert {s.run.branch for s in runs} == {"main"}


# --- Jest, Surefire, gotestsum, RSpec ---------------------------------------------------------------------------------


@pytest.mark.parametrize("runner", RUNNERS)
def test_each_runner_s_flaky_tests_are_found_and_no_other(runners: dict[str, Recorded], runner: str) -> None:
    recorded = runners[runner]
    assert recorded.summary.runs == 30
    assert {file.producer for file in recorded.summary.files} == {runner}
    assert set(recorded.flaky()) == set(recorded.truth["flaky"])


@pytest.mark.parametrize("runner", RUNNERS)
def test_no_cause_is_called_wrongly(runners: dict[str, Recorded], runner: str) -> None:
    for id, finding in runners[runner].flaky().items():
        assert finding.cause is not None
        assert finding.cause.category in (Category.UNKNOWN, Category(runners[runner].truth["flaky"][id]["cause"])), id


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_port_conflict_is_called_with_its_port(runners: dict[str, Recorded], runner: str) -> None:
    ((id, true),) = ((i, t) for i, t in runners[runner].truth["flaky"].items() if t["cause"] == Category.PORT)
    cause = runners[runner].found[id].cause
    assert cause is not None
    assert cause.category is Category.PORT
    assert true["port"] in cause.ports


@pytest.mark.parametrize("runner", ["jest", "rspec", "surefire"])
def test_where_the_report_shows_the_order_the_polluter_is_named(runners: dict[str, Recorded], runner: str) -> None:
    ((id, true),) = ((i, t) for i, t in runners[runner].truth["flaky"].items() if t["cause"] == Category.ORDER)
    cause = runners[runner].found[id].cause
    assert cause is not None
    assert cause.category is Category.ORDER
    accused = cause.partners[0]
    assert accused.id in true["partners"] or any(p.startswith(accused.id) for p in true["partners"])


def test_gotestsum_s_order_is_not_taken_for_the_order_of_execution(runners: dict[str, Recorded]) -> None:
    runs = [s.run for s in service.runs(runners["gotestsum"].db, Scope())]
    assert {run.order for run in runs} <= {Order.UNKNOWN, Order.DECLARATION, Order.COMPLETION}
    assert not any(run.ordered_classes for run in runs)


def test_surefire_s_order_is_that_of_execution_within_each_class_only(runners: dict[str, Recorded]) -> None:
    runs = [s.run for s in service.runs(runners["surefire"].db, Scope())]
    assert {(run.order, run.ordered_classes) for run in runs} == {(Order.UNKNOWN, True)}
