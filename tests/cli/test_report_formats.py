"""`report` and `check` in the formats for code review and for other programs."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from report import sample

from cli.fake import FakeService, Run
from flakediag.model import Verdict
from flakediag.report import format

TEXTS = ("github", "gitlab", "sarif", "junit", "slack")


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_printed_is_what_is_written_to_a_file(cli: Run, project: Path, name: str) -> None:
    printed = cli("report", "--format", name)
    assert printed.exit_code == 0, printed.stderr
    assert cli("report", "--format", name, "-o", "out").stdout == ""
    assert (project / "out").read_text(encoding="utf-8") == printed.stdout


def test_a_chat_gets_the_worst_ten(cli: Run, fake: FakeService) -> None:
    fake.answers["report"] = sample.report(*[replace(sample.TOTAL, rank=n) for n in range(30)])

    def sections(*args: str) -> int:
        blocks = json.loads(cli("report", "--format", "slack", *args).stdout)["blocks"]
        return sum(block["type"] == "section" for block in blocks)

    assert (sections(), sections("--limit", "3")) == (10, 3)


def test_mended_tests_do_not_count_as_cut(cli: Run, fake: FakeService) -> None:
    mended = [replace(sample.BROKEN, verdict=Verdict.FIXED)] * 30
    fake.answers["report"] = sample.report(sample.TOTAL, *mended)
    for name in format.ISSUES:
        assert not re.search(r"\d more ", cli("report", "--format", name, "--limit", "5").stdout), name


@pytest.mark.parametrize("name", [name for name in format.NAMES if name not in format.SUMMED])
def test_sums_have_only_some_formats(cli: Run, name: str) -> None:
    done = cli("report", "--by", "package", "--format", name)
    assert done.exit_code == 2
    assert f"--by has no --format {name}" in done.stderr
    assert "--by has table, json, markdown, csv" in done.stderr


def test_parquet_goes_to_a_file(cli: Run, project: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    done = cli("report", "--format", "parquet", "-o", "flaky.parquet")
    assert done.exit_code == 0, done.stderr
    assert (project / "flaky.parquet").read_bytes().startswith(b"PAR1")


def test_without_pyarrow_no_file_is_left(cli: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = cli("report", "--format", "parquet", "-o", "flaky.parquet")
    assert done.exit_code == 2
    assert "pip install 'flakediag[parquet]'" in done.stderr
    assert [path.name for path in project.iterdir()] == [".flakediag"]


def test_every_format_is_named_in_the_help(cli: Run) -> None:
    said = cli("report", "--help").stdout
    lines = said[said.index("Formats:") : said.index("Examples:")]
    assert all(name in lines for name in format.NAMES)


def test_every_format_is_described() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", page, re.MULTILINE))))
    assert described == set(format.NAMES)
