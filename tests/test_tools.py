"""The tools that fit and judge the weights."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from flakediag.model import Category

ROOT = Path(__file__).parents[1]
WEIGHTS = (ROOT / "flakediag" / "analysis" / "weights.toml").read_text("utf-8")


@pytest.fixture(autouse=True)
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


def test_collected_failures_become_a_history_for_each_ecosystem_in_which_each_fails_twice(tmp_path):
    from labelled import RUNS, collected

    def case(number, ecosystem, label, message):
        return {
            "id": f"c-{number}",
            "ecosystem": ecosystem,
            "label": label,
            "exception_type": "Error",
            "classname": "",
            "name": "works",
            "message": message,
            "stack_or_output": "a\x00 <line>",
        }

    cases = [
        case(1, "go", "port_conflict", "bind: address already in use"),
        case(2, "go", "time_date", "no"),
        case(3, "ruby", "unordered_collection", "no"),
    ]
    file = tmp_path / "failures.jsonl"
    file.write_text("\n".join(map(json.dumps, cases)) + "\n\n", "utf-8")
    go, ruby = collected(file)
    assert [go.name, ruby.name] == ["failures, go", "failures, ruby"]
    assert set(go.truth) <= {test.id for test in go.window.tests}
    assert {next(iter(t.right)) for t in go.truth.values()} == {Category.PORT, Category.CLOCK}
    assert next(iter(ruby.truth.values())).right == {Category.RANDOMNESS}
    assert len(go.window.runs) == RUNS
    assert sorted(f.detail.message for f in go.window.failures) == sorted([c["message"] for c in cases[:2]] * 2)


def test_what_was_fitted_is_written_where_it_belongs_and_nowhere_else():
    from calibrate import rewritten

    before, prior = tomllib.loads(WEIGHTS), {c.value: 1 / len(Category) for c in Category}
    after = tomllib.loads(rewritten(WEIGHTS, prior, {"words": 2.0, "last": 0.5, "silence": 3.0}))
    assert after["combine"]["words"] == 2 * before["combine"]["words"]
    assert after["order"]["cap"] == before["order"]["cap"] / 2
    assert set(after["combine"]["prior"]) == set(before["combine"]["prior"])
    same = {"bar", "repeat", "words_cap"}
    assert {k: after["combine"][k] for k in same} == {k: before["combine"][k] for k in same}
    assert {k: v for k, v in after.items() if k not in ("combine", "order")} == {
        k: v for k, v in before.items() if k not in ("combine", "order")
    }


def test_reliability_counts_the_likeliest_known_causes_by_what_was_stated():
    from calibrate import BANDS, CATEGORIES, Table, reliability

    n = len(CATEGORIES)
    right = np.zeros((2, n))
    right[0, CATEGORIES.index(Category.ORDER)] = 1  # the other one: nothing is right
    speaks = np.zeros((2, 2, 1, n))
    speaks[0, :, 0, CATEGORIES.index(Category.ORDER)] = 9.0
    table = Table(("last",), speaks, np.eye(2), right, np.ones(2), np.zeros(2, dtype=np.int64))
    theta = np.append(np.log(np.full(n, 1 / n)), 0.0)
    rows = reliability([table], [theta])
    assert len(rows) == len(BANDS) - 1
    assert rows[-1][0] == pytest.approx(np.exp(9) / (np.exp(9) + n - 1))
    assert [row[1:] for row in rows[:-1]] == [(0, 0)] * (len(BANDS) - 2)
    assert rows[-1][1:] == (2, 1)
