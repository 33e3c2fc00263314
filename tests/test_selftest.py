"""`flakediag selftest`: what it finds and says on histories whose limits are known."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from report.validation import valid

from flakediag import service
from flakediag.analysis.inject import ORDERED
from flakediag.cli.app import app
from flakediag.errors import UsageError
from flakediag.model import Category
from flakediag.report import selftest as formats
from flakediag.report.format import Options
from flakediag.selftest import CYCLE, Selftest, examine, shuffles_needed
from flakediag.simulate import Chance, Plan, simulate

JEST = Path(__file__).parent.parent / "fixtures" / "recordings" / "jest" / "runs.tar.xz"


def examined(plan: Plan, plants: int = 18, seed: int = 0) -> Selftest:
    return examine(simulate(plan, [], 1)[0], plants=plants, seed=seed)


def ordered(result: Selftest) -> list[int]:
    return [tally.planted for tally in result.kinds if tally.cause is Category.ORDER]


@pytest.fixture(scope="module")
def varied() -> Selftest:
    return examined(Plan(tests=120, default=6, shuffled=40, mixed=True))


@pytest.fixture(scope="module")
def fixed() -> Selftest:
    return examined(Plan(tests=60, default=30))


def text(result: Selftest) -> str:
    stream = StringIO()
    formats.write(result, "text", stream, Options())
    return stream.getvalue()


def test_where_orders_vary_everything_is_planted_and_polluters_are_named(varied: Selftest) -> None:
    assert sum(tally.planted for tally in varied.kinds) == 18
    assert all(tally.planted for tally in varied.kinds)
    polluted = varied.kinds[0]
    assert polluted.name == "polluter"
    assert polluted.partner_first is not None
    assert polluted.partner_first.value == 1
    assert varied.with_shuffles is None


def test_one_fixed_order_carries_no_order_dependence_and_the_result_says_why(fixed: Selftest) -> None:
    assert ordered(fixed) == [0] * len(ORDERED)
    assert not fixed.order_varies
    assert "your order never varied in 30 serial runs: order dependence cannot be found here" in fixed.believe


def test_what_shuffled_runs_would_change_is_measured(fixed: Selftest) -> None:
    shuffled = fixed.with_shuffles
    assert shuffled is not None
    assert shuffled.runs == shuffles_needed(60) == 12
    first = shuffled.tally.partner_first
    assert first is not None
    assert first.value > 0.4
    assert any(f"named first in {first.count} of {first.of}" in said for said in fixed.believe)


def test_without_serial_runs_the_result_says_so() -> None:
    result = examined(Plan(tests=40, shuffled=20, parallel=20), plants=9)
    assert ordered(result) == [0, 0, 0]
    assert any("no run has a known order of execution (20 of 20 were parallel)" in said for said in result.believe)


def test_the_same_seed_gives_the_same_result_and_another_one_another(varied: Selftest) -> None:
    plan = Plan(tests=120, default=6, shuffled=40, mixed=True)
    assert examined(plan) == varied
    assert examined(plan, seed=1) != varied


def test_what_is_counted_agrees(varied: Selftest) -> None:
    by_kind, by_failures = varied.kinds, varied.failures
    assert sum(t.planted for t in by_kind) == sum(t.planted for t in by_failures)
    for tally in (*by_kind, *by_failures):
        assert tally.flaky.of == tally.named.of == tally.wrong.of == tally.planted
        assert tally.named.count + tally.wrong.count <= tally.planted
        if tally.partner_first is not None and tally.partner_top3 is not None:
            assert tally.partner_first.count <= tally.partner_top3.count


def test_when_the_time_is_up_no_further_batch_is_planted() -> None:
    ticks = iter(range(100))
    window = simulate(Plan(tests=40, shuffled=20), [], 1)[0]
    result = examine(window, plants=90, seed=0, until=2, clock=lambda: float(next(ticks)))
    assert result.stopped
    assert sum(tally.planted for tally in result.kinds) == 2 * (40 // 8)
    assert "the time was up" in text(result)


def test_progress_ends_at_its_total() -> None:
    told: list[tuple[int, int | None]] = []
    window = simulate(Plan(tests=60, shuffled=20), [], 1)[0]
    examine(window, plants=len(CYCLE), seed=0, progress=lambda done, total, what: told.append((done, total)))
    assert told[0] == (0, len(CYCLE))
    assert told[-1] == (len(CYCLE), len(CYCLE))


def test_a_history_without_stable_tests_is_a_user_s_matter() -> None:
    short = simulate(Plan(tests=10, shuffled=3), [Chance(victims=(1,), rate=0.5)], 1)[0]
    with pytest.raises(UsageError, match="ran 8 times without failing"):
        examine(short, plants=9, seed=0)


def test_the_text_and_the_json_tell_the_same(fixed: Selftest) -> None:
    stream = StringIO()
    formats.write(fixed, "json", stream, Options())
    told = valid(json.loads(stream.getvalue()), "selftest")
    assert told["history"] == {"runs": 30, "tests": 60, "stable": 60, "serial_runs": 30, "order_varies": False}
    assert [kind["planted"] for kind in told["kinds"]] == [tally.planted for tally in fixed.kinds]
    assert told["with_shuffles"]["runs"] == 12
    shown = text(fixed)
    assert all(sentence in shown for sentence in told["believe"])
    assert "order-dependence: polluter" in shown


def test_the_command_reads_a_history_and_leaves_it_as_it_was(tmp_path: Path) -> None:
    db = tmp_path / "history.db"
    now = datetime(2026, 11, 22, tzinfo=UTC)
    service.ingest(db, [str(JEST)], service.RunInfo(commit="c" * 40, branch="main"), now=now, environ={})
    before = db.read_bytes()
    done = CliRunner().invoke(app, ["--db", str(db), "selftest", "--plants", "9", "--format", "json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["history"]["runs"] == 30
    assert db.read_bytes() == before
