"""What mending saves and what would settle an open cause, in every format."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest

from flakediag.model import Category, Cluster, Diagnosis, Finding, FixStep, Gap, Rate, Report, Savings
from flakediag.report import format, page, wording
from flakediag.report.format import Options
from report import sample
from report.validation import valid


def rate(count: int) -> Rate:
    return Rate(count, 100, count / 100, max(0.0, count / 100 - 0.05), count / 100 + 0.08)


def step(
    before: int, after: int, *, cluster: int | None = None, summary: str = "3 tests depend on tests.a::b"
) -> FixStep:
    return FixStep(("tests.c::d",), cluster, Category.ORDER, summary, Savings(4, 12.5), rate(before), rate(after))


STEPS = (step(18, 12, cluster=1), step(12, 8), step(8, 6), step(6, 6), step(6, 6))
OPEN = Diagnosis(
    Category.UNKNOWN,
    0.6,
    settle="the order never varied: `pytest --random-order`",
    missing=(Gap("order", "the order never varied", "`pytest --random-order`"), Gap("host", "no host is known", "`h`")),
)


def report(steps: tuple[FixStep, ...] = STEPS, *findings: Finding) -> Report:
    whole = sample.report(*findings)
    return replace(whole, fixes=steps, clusters=(replace(whole.clusters[0], saves=Savings(4, 12.5)),))


def written(name: str, report: Report, width: int | None = None) -> str:
    stream = io.StringIO()
    format.find(name).write(report, stream, Options(width=width))
    return stream.getvalue()


def shown(finding: Finding, name: str = "table", width: int | None = 80) -> str:
    stream = io.StringIO()
    page.write(finding, name, stream, Options(width=width))
    return stream.getvalue()


def test_the_fixes_that_pay_are_counted() -> None:
    text = written("table", report())
    assert "Mend first: these 3 fixes take red runs from 18 % to 6 %; 6 of 100 runs are red for other reasons" in text
    assert "  1. red runs 18 of 100 → 12  ·  order-dependence: 3 tests depend on tests.a::b (cluster 1)\n" in text
    assert "  3. red runs 8 of 100 → 6 " in text
    assert "red runs 6 of 100 → 6" not in text
    assert "mending it alone turns 4 red runs green, 12 min lost on it so far" in text


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((step(5, 0),), "this fix takes red runs from 5 % to 0 %"),
        ((step(6, 6), step(6, 6)), ""),
        ((), ""),
        (tuple(step(20 - n, 19 - n) for n in range(9)), "these 5 fixes take red runs from 20 % to 15 %; 11 of 100"),
        ((*[step(20, 20)] * 6, step(20, 2)), "these 7 fixes take red runs from 20 % to 2 %; 2 of 100"),
    ],
)
def test_the_headline_names_no_fix_that_brings_nothing(steps: tuple[FixStep, ...], said: str) -> None:
    assert wording.fixes(report(steps))[0].startswith(said)
    assert bool(wording.fixes(report(steps))[1]) is bool(said)
    assert ("Mend first" in written("table", report(steps))) is bool(said)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_fixes_fit_a_terminal(width: int) -> None:
    text = written("table", report(), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "Mend first" in text


def test_markdown_has_the_fixes_as_a_list() -> None:
    text = written("markdown", report())
    assert "**Mend first**: these 3 fixes take red runs from 18 % to 6 %" in text
    assert "\n1. red runs 18 of 100 → 12: order-dependence: 3 tests depend on tests.a::b (cluster 1)\n" in text
    assert "- Cluster 1: order-dependence: " in text


def test_json_has_all_of_them() -> None:
    whole = valid(json.loads(written("json", report())))
    assert len(whole["fixes"]) == 5
    assert whole["fixes"][0]["cluster"] == 1
    assert whole["fixes"][0]["saves"] == {"red_runs": 4, "minutes": 12.5}
    assert (whole["fixes"][0]["before"]["count"], whole["fixes"][0]["after"]["count"]) == (18, 12)
    assert whole["clusters"][0]["saves"] == {"red_runs": 4, "minutes": 12.5}


def test_show_tells_what_mending_saves_and_all_that_is_missing() -> None:
    finding = replace(sample.RARE, cause=OPEN, saves=Savings(0, 1.5))
    text = shown(finding)
    assert "mending it  alone turns no run green, 1.5 min lost on it so far" in text
    assert "to settle   the order never varied:\n              pytest --random-order\n" in text
    assert "also        no host is known:\n              h\n" in text
    assert "mending it" not in shown(sample.BROKEN)
    whole = valid(json.loads(shown(finding, "json")), "show")["test"]
    assert whole["saves"] == {"red_runs": 0, "minutes": 1.5}
    assert whole["cause"]["missing"][1] == {"kind": "host", "summary": "no host is known", "how": "`h`"}
    assert "Also missing: no host is known" in shown(finding, "markdown")


@pytest.mark.parametrize("name", ["table", "markdown", "json"])
def test_hostile_names_are_harmless(name: str) -> None:
    nasty = step(18, 2, cluster=1, summary=sample.HOSTILE)
    gap = Gap("order", sample.HOSTILE, sample.HOSTILE)
    cause = replace(OPEN, settle=sample.HOSTILE, missing=(gap, gap))
    finding = replace(sample.RARE, cause=cause, saves=Savings(1, 1.0))
    whole = replace(report((nasty,), finding), clusters=(Cluster(1, ("a", "b"), Category.ORDER, sample.HOSTILE),))
    for text in (written(name, whole), shown(finding, name)):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text)
        assert "##[" not in text
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())
        if name == "markdown":
            assert "<script" not in re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
