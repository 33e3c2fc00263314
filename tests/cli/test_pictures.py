"""`report` in the formats with pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from report import sample

from cli.fake import FakeService, Run


@pytest.mark.parametrize(("name", "asked"), [("html", True), ("svg", True), ("json", False), ("table", False)])
def test_only_pictures_ask_for_what_they_are_drawn_from(cli: Run, fake: FakeService, name: str, asked: bool) -> None:
    assert cli("report", "--format", name).exit_code == 0
    assert fake.asked["report"][1]["series"] is asked


def test_the_page_goes_to_a_file(cli: Run, fake: FakeService, project: Path) -> None:
    fake.answers["report"] = sample.drawn(sample.report())
    done = cli("report", "--format", "html", "-o", "flaky.html")
    assert (done.exit_code, done.stdout) == (0, "")
    assert (project / "flaky.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_bitmap_goes_to_a_file(cli: Run, project: Path) -> None:
    pytest.importorskip("resvg_py", reason="resvg_py is not installed")
    done = cli("report", "--format", "png", "-o", "overview.png")
    if "no font" in done.stderr:
        pytest.skip(done.stderr)
    assert done.exit_code == 0, done.stderr
    assert (project / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_without_the_rasteriser_no_file_is_left(cli: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    done = cli("report", "--format", "png", "-o", "overview.png")
    assert done.exit_code == 2
    assert "pip install 'flakediag[pictures]'" in done.stderr
    assert [path.name for path in project.iterdir()] == [".flakediag"]


@pytest.mark.parametrize("name", ["html", "svg", "png"])
def test_sums_have_no_picture(cli: Run, name: str) -> None:
    done = cli("report", "--by", "package", "--format", name)
    assert done.exit_code == 2
    assert f"--by has no --format {name}" in done.stderr
