"""The formats of the report: what must stand in each, and that no name can act in any."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from dataclasses import replace

import pytest

from flakediag.model import Category, Finding, Report, Verdict
from flakediag.report import decision, document, format, page, sums
from flakediag.report.format import Options
from flakediag.report.select import select
from report import sample
from report.validation import valid


def written(name: str, report: Report | None = None, *, width: int | None = None, color: bool = False) -> str:
    stream = io.StringIO()
    format.find(name).write(report or sample.report(), stream, Options(width=width, color=color))
    return stream.getvalue()


def shown(finding: Finding, name: str = "table", width: int | None = None) -> str:
    stream = io.StringIO()
    page.write(finding, name, stream, Options(width=width))
    return stream.getvalue()


# --- the table -------------------------------------------------------------------------------------------------


def test_piped_lines_are_plain_and_uncut() -> None:
    text = written("table")
    assert "\x1b" not in text
    assert f"  1  {sample.TOTAL.id}\n" in text
    cost = "9 red runs, 42 min lost  ·  cluster 1"
    assert f"     flaky  44 % (31–58 %), 23 of 52 runs  ·  order-dependence 98 %  ·  {cost}\n" in text
    assert f"     why  {sample.ORDER.evidence[0].summary}\n" in text
    assert f"     fix  {sample.FIX.summary}\n" in text
    assert "Flaky tests       12.0 % (7.4–18.8 %)   15 of 125 tests\n" in text


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_a_terminal_never_overflows_and_loses_nothing(width: int) -> None:
    text = written("table", width=width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    squeezed = re.sub(r"\s+", "", text)
    for finding in sample.report().tests:
        # Wide tables fold ids beside other columns: look for the pieces.
        assert all(piece in squeezed for piece in re.findall(r"test_\w{1,20}", finding.id))
    assert "order-dependence98%" in squeezed


def test_at_eighty_columns_each_test_is_a_block() -> None:
    text = written("table", width=80)
    assert f"\n  1  {sample.TOTAL.id}\n     44 % (31–58 %), 23 of 52 runs  ·  order-dependence 98 %" in text
    assert "\n  2  tests.integration.test_confirmation_mail::" in text  # a long id begins beside its rank


def test_at_a_hundred_and_twenty_columns_figures_stand_in_columns() -> None:
    text = written("table", width=120)
    heading = next(line for line in text.splitlines() if line.strip().startswith("#  Test"))
    row = next(line for line in text.splitlines() if "44 %" in line)
    assert sample.TOTAL.id in text
    assert heading.index("Fails") == row.index("44 %")
    assert heading.index("Cause") == row.index("order-dependence 98 %")


def test_broken_stands_apart_from_flaky() -> None:
    text = written("table")
    assert (
        text.index("Flaky (4 of 15)") < text.index(sample.RARE.id) < text.index("Broken") < text.index(sample.BROKEN.id)
    )
    assert "since 9999999999" in text


def test_clusters_outages_and_notes_are_told() -> None:
    text = written("table")
    assert "cluster 1: order-dependence: rows left by test_import_orders; mending it " in text
    assert "1 run looks like an outage and counts for no test's flakiness: run 17 of 2026-01-20" in text
    assert "8 of 52 runs were parallel" in text


def test_an_open_cause_says_what_would_settle_it() -> None:
    text = written("table", sample.report(sample.RARE))
    assert "unknown, perhaps timing (31 %)" in text
    assert "why  open: the order never varied" in text


@pytest.mark.parametrize("name", ["table", "markdown"])
def test_nothing_flaky_says_what_that_rules_out(name: str) -> None:
    text = written(name, sample.quiet_report(45))
    assert "45 runs would have shown a test that fails 7 % of the time with 95 % probability" in text
    assert "flakediag ingest PATH" in written(name, sample.quiet_report(0))
    assert "One run on branch main cannot tell" in written(name, sample.quiet_report(1))


def test_a_filter_that_leaves_nothing_does_not_claim_that_nothing_is_flaky() -> None:
    text = written("table", select(sample.report(), causes=[Category.CLOCK]))
    assert "No test fits what was asked for; 15 tests are flaky." in text
    assert "would have shown" not in text


def test_colour_only_where_asked() -> None:
    assert "\x1b[" in written("table", color=True)
    assert "\x1b[" in written("table", width=80, color=True)
    assert "\x1b[" not in written("table", width=80)


# --- data ------------------------------------------------------------------------------------------------------


def test_json_follows_the_schema() -> None:
    text = written("json")
    document_ = valid(json.loads(text))
    test = document_["tests"][0]
    assert test["cause"]["partners"][0] == {
        "id": "tests.test_import::test_import_orders",
        "kind": "test",
        "role": "polluter",
        "probability": 0.93,
    }
    assert document_["rates"]["flaky_tests"] == {"count": 15, "of": 125, "rate": 0.12, "low": 0.074, "high": 0.188}
    assert document_["generated_at"] == "2026-03-01T12:00:00Z"
    assert document_["tests"][4]["cause"] is None
    assert test["cause"]["evidence"][1]["data"]["z"] is None  # NaN is no JSON
    assert "NaN" not in text
    assert text == written("json")


@pytest.mark.parametrize("report", [sample.quiet_report(0), sample.quiet_report(), sample.report(sample.NASTY)])
def test_json_of_odd_reports(report: Report) -> None:
    valid(json.loads(written("json", report)))


def test_json_keeps_names_as_they_are() -> None:
    text = written("json", sample.report(sample.NASTY))
    assert json.loads(text)["tests"][0]["name"] == sample.HOSTILE
    assert text.isascii()


def test_a_schema_that_takes_anything_would_be_noticed() -> None:
    import jsonschema

    whole = document.report(sample.report())
    for broken in ({**whole, "extra": 1}, {**whole, "tests": [{}]}, {k: v for k, v in whole.items() if k != "rates"}):
        with pytest.raises(jsonschema.ValidationError):
            valid(broken)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.12, 1 / 3, 1e-9, 1 - 1e-9])
def test_numbers_round_but_never_to_nothing_or_all(value: float) -> None:
    rounded = document.number(value)
    assert rounded == pytest.approx(value)
    assert (rounded in (0.0, 1.0)) == (value in (0.0, 1.0))


def test_evidence_of_numpy_is_plain() -> None:
    numpy = pytest.importorskip("numpy")
    data = {"a": numpy.float32(0.5), "b": numpy.arange(2), "c": {3, 1}, 4: numpy.int64(2), "d": numpy.bool_(True)}
    assert json.dumps(document.plain(data)) == '{"a": 0.5, "b": [0, 1], "c": [1, 3], "4": 2, "d": true}'


def test_csv_is_one_row_per_test() -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv"))))
    assert [row["id"] for row in rows] == [finding.id for finding in sample.report().tests]
    assert rows[0]["partner"] == "tests.test_import::test_import_orders"
    assert rows[2]["ports"] == "8099"
    assert rows[0]["cluster"] == "1"  # not 1.0
    assert rows[4]["cause"] == ""


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1"])
def test_csv_cells_are_no_formulas(start: str) -> None:
    nasty = replace(sample.RARE, test=sample.RARE.test._replace(classname=start, name=start, file=start))
    row = next(csv.DictReader(io.StringIO(written("csv", sample.report(nasty)))))
    for cell in ("id", "classname", "name", "file"):
        assert row[cell].lstrip()[0] not in "=+-@＝"


def test_markdown() -> None:
    text = written("markdown")
    assert "\n\n### Flaky tests: 12.0 % (15 of 125)\n" in text
    assert text.count("<details>") == text.count("</details>") == 5
    assert "<details><summary>Too little history to say (1)</summary>" in text
    assert "```python\nimport pytest" in text
    assert "- +6.1 order-dependence: " in text


def test_a_fence_is_longer_than_any_in_the_code() -> None:
    from flakediag.report.markdown import fenced

    assert fenced("a\n````\nb", "text").startswith("`````text\n")


# --- hostile names ---------------------------------------------------------------------------------------------

NASTY = sample.report(sample.NASTY, replace(sample.BROKEN, test=sample.NASTY.test, reason=sample.HOSTILE))
NASTY = replace(
    NASTY,
    branch=sample.HOSTILE,
    project=sample.HOSTILE,
    notes=(sample.HOSTILE,),
    clusters=(replace(NASTY.clusters[0], tests=("a", sample.NASTY.id), summary=sample.HOSTILE),),
)


def all_outputs() -> dict[str, str]:
    outputs = {name: written(name, NASTY) for name in format.NAMES if name not in format.BINARY}
    outputs |= {f"table {width}": written("table", NASTY, width=width) for width in (80, 120)}
    outputs |= {f"show {name}": shown(sample.NASTY, name) for name in page.FORMATS}
    outputs["show 80"] = shown(sample.NASTY, width=80)
    for by in sums.GROUPINGS:
        for name in format.SUMMED:
            stream = io.StringIO()
            sums.write(NASTY, by, name, stream, Options())
            outputs[f"by {by} {name}"] = stream.getvalue()
    for name in decision.FORMATS:
        stream = io.StringIO()
        decision.write(
            replace(sample.decision(), offenders=(sample.NASTY,), reason=sample.HOSTILE, baseline=sample.HOSTILE),
            name,
            stream,
            Options(),
        )
        outputs[f"gate {name}"] = stream.getvalue()
    return outputs


@pytest.mark.parametrize("name", all_outputs())
def test_a_hostile_name_is_harmless(name: str) -> None:
    text = all_outputs()[name]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text)
    assert "##[" not in text
    # A terminal is no CI log, and wraps where it has to; github consists of commands (test_hostile.py).
    if "80" not in name and "120" not in name and name != "github":
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    if "markdown" in name:
        outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
        assert "<script" not in outside
        assert "`" not in outside
        assert "@all" not in outside
        assert "|" not in re.sub(r"^\|.*\|$", "", outside, flags=re.MULTILINE)
        assert html.unescape(outside).count("<script>") >= 1  # shown, as text
    if "table" in name or name == "show 80":
        assert "[red]" in re.sub(r"\s+", "", text)  # not taken for markup


def test_rows_of_a_markdown_table_keep_their_cells() -> None:
    rows = [line for line in written("markdown", NASTY).splitlines() if re.match(r"\|.*\|$", line)]
    assert len(rows) == 3
    assert {row.count("|") for row in rows} == {6}


# --- show, sums, selection -------------------------------------------------------------------------------------


def test_show_has_everything() -> None:
    text = shown(sample.TOTAL, width=100)
    for part in (
        "Timeline, oldest run first",
        ". passed  F failed  r passed on a retry",
        "polluter     93 %  tests.test_import::test_import_orders",
        "cleaner      31 %",
        "-0.8  timing: does not fail more in slow runs",
        "│ E   assert 3 == 2",
        "boundary  database",
        "    @pytest.fixture\n    def rolled_back():\n        yield\n",
        "Reproduce\n  pytest tests/test_import.py::test_import_orders tests/test_orders.py::TestOrders::test_total\n",
    ):
        assert part in text


def test_show_in_json_has_the_timeline_and_each_signatures_diagnosis() -> None:
    test = valid(json.loads(shown(sample.TOTAL, "json")), "show")["test"]
    assert len(test["timeline"]) == 52
    assert test["signatures"][0]["diagnosis"]["category"] == "order-dependence"
    assert test["signatures"][0]["example"]["message"] == "assert 3 == 2"


def test_a_command_is_never_broken_into_lines() -> None:
    reproduce = "pytest " + " ".join(f"tests/test_a.py::test_{n}" for n in range(20))
    finding = replace(sample.TOTAL, fix=replace(sample.FIX, reproduce=reproduce))
    assert f"  {reproduce}\n" in shown(finding, width=80)


def test_show_of_a_stable_test() -> None:
    finding = replace(sample.BROKEN, verdict=Verdict.STABLE, failures=0, since_commit=None, reason="never failed")
    assert "stable: never failed" in shown(finding)
    valid(json.loads(shown(finding, "json")), "show")


def test_a_long_life_on_many_commits_is_one_row() -> None:
    entries = tuple(e._replace(run=replace(e.run, commit=str(n))) for n, e in enumerate(sample.timeline(23)))
    text = shown(replace(sample.TOTAL, timeline=entries))
    assert "r|F|.|F|.|F|." in text
    assert "| new commit" in text


@pytest.mark.parametrize("by", sums.GROUPINGS)
def test_sums(by: str) -> None:
    findings = sample.report().tests
    rows = sums.sums(findings, by)
    assert sum(row.tests for row in rows) == len(findings)
    assert sum(row.flaky for row in rows) == 4
    assert sum(row.red_runs for row in rows) == 36
    stream = io.StringIO()
    sums.write(sample.report(), by, "json", stream, Options())
    valid(json.loads(stream.getvalue()), "sums")


@pytest.mark.parametrize(
    ("framework", "classname", "file", "package"),
    [
        ("pytest", "tests.orders.test_api.TestTotal", "", "tests.orders"),
        ("pytest", "tests.orders.test_api", "", "tests.orders"),
        ("pytest", "test_api", "", "test_api"),
        ("junit", "com.shop.OrderTest$Nested", "", "com.shop.OrderTest"),
        ("junit", "com.shop.OrderTest", "", "com.shop"),
        ("go", "example.com/shop/order", "", "example.com/shop/order"),
        ("jest", "Order adds up", "src/order/total.test.js", "src/order"),
        ("unknown", "", "", "(not known)"),
    ],
)
def test_packages(framework: str, classname: str, file: str, package: str) -> None:
    test = sample.RARE.test._replace(classname=classname, file=file)
    assert sums.package(replace(sample.RARE, test=test, framework=framework)) == package


def test_select() -> None:
    whole = sample.report()
    assert [f.id for f in select(whole, verdicts=[Verdict.BROKEN]).tests] == [sample.BROKEN.id]
    one = select(whole, limit=1)
    assert [f.verdict for f in one.tests] == [Verdict.FLAKY, Verdict.BROKEN, Verdict.INSUFFICIENT]
    assert one.hidden == 3
    assert select(whole, causes=[Category.PORT]).clusters == ()
    assert select(whole) == whole


def test_the_gate_in_words() -> None:
    stream = io.StringIO()
    decision.write(sample.decision(), "text", stream, Options(width=80))
    assert max(map(len, stream.getvalue().splitlines())) <= 80
    assert stream.getvalue().startswith("gate: tripped · 12.0 % of tests are flaky")
