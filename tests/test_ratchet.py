"""The file of the ratchet: stable text, and nothing in it that is not understood."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flakediag.analysis.rates import rate_of
from flakediag.errors import UsageError
from flakediag.model import Metric, Ratchet
from flakediag.ratchet import load, write

STATE = Ratchet(
    rates={Metric.RUNS: rate_of(6, 30), Metric.TESTS: rate_of(2, 100)},
    flaky=frozenset({"b::x", "a::y"}),
    updated=date(2026, 3, 1),
)


def text(state: Ratchet) -> str:
    stream = io.StringIO()
    write(state, stream)
    return stream.getvalue()


def test_what_is_written_is_read_again_and_is_sorted(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(text(STATE))
    stored = load(file)
    assert stored is not None
    assert text(stored) == text(STATE)
    assert (stored.flaky, stored.rates[Metric.TESTS].value) == (STATE.flaky, 0.02)
    document = json.loads(text(STATE))
    assert (list(document["rates"]), document["flaky"]) == (["tests", "runs"], ["a::y", "b::x"])


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert load(tmp_path / "none.json") is None


GOOD: dict[str, Any] = json.loads(text(STATE))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"extra": 1}, "unknown key 'extra'"),
        ({"schema_version": 2}, "schema_version is 2"),
        ({"rates": {"tests": {"count": 1, "of": 2}, "run": {}}}, "unknown metric 'run'"),
        ({"rates": {"tests": {"count": 3, "of": 2}}}, "rate 'tests' must count"),
        ({"rates": {"tests": {"count": True, "of": 2}}}, "rate 'tests' must count"),
        ({"rates": {"tests": {"count": 1}}}, "must hold 'count' and 'of'"),
        ({"rates": {"runs": {"count": 1, "of": 2}}}, "must hold a rate for 'tests'"),
        ({"flaky": "a"}, "list of test ids"),
        ({"updated": "soon"}, "must be a date"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps(GOOD | change))
    with pytest.raises(UsageError, match=said) as caught:
        load(file)
    assert str(file) in caught.value.message


@pytest.mark.parametrize("content", ["", "[]", '{"schema_version": 1}', "[" * 100_000])
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(content)
    with pytest.raises(UsageError, match=r"baseline\.json"):
        load(file)
