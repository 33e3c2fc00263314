"""The formats for other programs: JUnit XML, Parquet, Slack."""

from __future__ import annotations

import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flakediag.junit import read_reports
from flakediag.model import Finding, Identity, Outcome, Report, RunReport
from flakediag.report import format, parquet
from flakediag.report.csv import COLUMNS
from flakediag.report.format import Options, UnavailableError
from flakediag.report.slack import BLOCKS, HEADER, TEXT
from report import sample
from report.test_formats import written

# --- JUnit -------------------------------------------------------------------------------------------------------


def read_back(folder: Path, report: Report) -> RunReport:
    path = folder / "flaky.xml"
    path.write_text(written("junit", report), encoding="utf-8")
    (run,) = read_reports([str(path)], now=sample.NOW)
    assert isinstance(run, RunReport)
    assert [file.partial for file in run.files] == [None]
    return run


def test_junit_is_read_back_as_it_was_meant(tmp_path: Path) -> None:
    results = read_back(tmp_path, sample.report()).results
    known = {finding.id: finding for finding in sample.report().tests}
    assert {result.test.id for result in results} == set(known)
    outcomes = {result.test.id: result.outcome for result in results}
    assert outcomes.pop(sample.YOUNG.id) is Outcome.SKIPPED
    assert set(outcomes.values()) == {Outcome.FAILED}
    total = next(result for result in results if result.test.id == sample.TOTAL.id)
    assert total.failure is not None
    assert total.failure.type == "order-dependence"
    assert total.failure.message.startswith("Flaky test: order-dependence 98 %. Why: failed in 23 of 23 runs")
    assert "polluter: tests.test_import::test_import_orders (93 %)" in total.failure.text
    assert f"Reproduce with: {sample.FIX.reproduce}" in total.failure.text


@pytest.mark.parametrize(
    "test",
    [
        Identity("", "adds up", "src/total.test.js"),
        Identity("com.shop.OrderTest", "total(int)[1]"),
        Identity("tests/a.spec.ts", "buys › pays", "tests/a.spec.ts", "chromium"),
    ],
)
def test_ids_survive_junit(tmp_path: Path, test: Identity) -> None:
    (result,) = read_back(tmp_path, sample.report(replace(sample.TOTAL, test=test))).results
    assert result.test.id == test.id


def test_junit_has_a_suite_for_each_cause_and_counts_them() -> None:
    text = written("junit")
    heads = re.findall(r'<testsuites? name="([a-z-]+)" tests="(\d)" failures="(\d)" errors="0" skipped="(\d)"', text)
    assert heads == [
        ("flakediag", "6", "5", "1"),
        ("order-dependence", "1", "1", "0"),
        ("timing", "1", "1", "0"),
        ("port-conflict", "1", "1", "0"),
        ("unknown", "1", "1", "0"),
        ("broken", "1", "1", "0"),
        ("too-little-history", "1", "0", "1"),
    ]


# --- Parquet -----------------------------------------------------------------------------------------------------


def table(report: Report) -> Any:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow.parquet import read_table

    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    format.find("parquet").write(report, stream, Options())
    return read_table(io.BytesIO(stream.buffer.getvalue()))  # type: ignore[attr-defined]


def test_parquet_has_typed_columns_and_names_as_they_are() -> None:
    found = table(sample.report(sample.NASTY, sample.BROKEN))
    assert tuple(found.column_names) == COLUMNS
    first, second = found.to_pylist()
    assert first["name"] == sample.HOSTILE
    assert (first["rank"], first["rate"], first["first_seen"]) == (5, pytest.approx(23 / 52), sample.START)
    assert (second["cause"], second["probability"], second["cluster"]) == (None, None, None)


def test_parquet_has_the_same_types_with_and_without_rows() -> None:
    assert table(sample.quiet_report()).schema.types == table(sample.report()).schema.types


def test_a_lone_surrogate_is_escaped() -> None:
    finding = replace(sample.TOTAL, test=Identity("a", "b\ud800"))
    assert table(sample.report(finding)).to_pylist()[0]["name"] == "b\\ud800"


def test_without_pyarrow_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnavailableError, match="needs the library pyarrow") as raised:
        parquet.table(sample.report())
    assert "flakediag[parquet]" in raised.value.hint


@pytest.mark.parametrize("stream", [io.StringIO(), io.TextIOWrapper(io.BytesIO())])
def test_a_table_of_bytes_is_not_printed_on_a_terminal(stream: io.TextIOBase) -> None:
    with pytest.raises(UnavailableError, match="no text to print"):
        format.find("parquet").write(sample.report(), stream, Options(width=80))  # type: ignore[arg-type]


# --- Slack -------------------------------------------------------------------------------------------------------


def texts(report: Report) -> list[str]:
    """Every text of the message, once it keeps Slack's limits and holds no control sequence of Slack's."""
    message = json.loads(written("slack", report))
    blocks = message["blocks"]
    assert 0 < len(blocks) <= BLOCKS
    found = [part for block in blocks for part in block.get("elements", [block.get("text")])]
    for text in found:
        limit = HEADER if text["type"] == "plain_text" else TEXT
        assert 0 < len(text["text"]) <= limit
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", text["text"])
        assert text["type"] == "plain_text" or text["verbatim"]
    return [text["text"] for text in found]


def test_slack_says_what_is_worst_why_and_what_to_do() -> None:
    said = texts(sample.report(sample.TOTAL, sample.SENT))
    assert said[0] == "Flaky tests: 12.0 % (15 of 125)"
    assert said[2].splitlines() == [
        "*Flaky test: order-dependence 98 %*",
        f"`{sample.TOTAL.id}`",
        "Failed in 23 of 52 runs, 44 % (31–58 %)",
        f"Why: {sample.ORDER.evidence[0].summary}",
        f"Fix: {sample.FIX.summary}",
    ]


def long(finding: Finding, letter: str) -> Finding:
    return replace(
        finding, test=Identity(letter * 9_000, letter * 9_000), fix=replace(sample.FIX, summary=letter * 9_000)
    )


@pytest.mark.parametrize("letter", ["x", "&", "<", "`", "*"])
def test_slack_cuts_long_names_between_entities(letter: str) -> None:
    shown = texts(sample.report(long(sample.TOTAL, letter)))[2]
    assert shown.count("…") == 2
    assert shown.count("`") == 2  # only those around the id


def test_slack_shows_as_many_tests_as_a_message_may_hold_and_counts_the_others() -> None:
    findings = [replace(sample.TOTAL, rank=n) for n in range(200)]
    said = texts(replace(sample.report(*findings), hidden=7))
    assert len(said) == BLOCKS
    assert said[-1] == f"{200 - (BLOCKS - 3) + 7} more tests are not shown."


def test_slack_of_a_quiet_history() -> None:
    assert any("No flaky tests in 45 runs" in text for text in texts(sample.quiet_report()))


def test_a_message_marks_up_no_name() -> None:
    finding = replace(sample.TOTAL, fix=replace(sample.FIX, summary="*all* of _this_ and `that` in snake_case ~now~"))
    assert texts(sample.report(finding))[2].endswith("∗all∗ of ˍthisˍ and ˋthatˋ in snake_case ∼now∼")
