"""The overview as a picture: SVG by hand, PNG where a rasteriser is installed."""

from __future__ import annotations

import io
import struct
import sys
from xml.etree import ElementTree

import pytest

from flakediag.model import Category, Report
from flakediag.report import charts, format, png
from flakediag.report.format import Options, UnavailableError
from report import sample
from report.large import large

SVG = "{http://www.w3.org/2000/svg}"


def svg(report: Report) -> ElementTree.Element:
    stream = io.StringIO()
    format.find("svg").write(report, stream, Options())
    return ElementTree.fromstring(stream.getvalue())


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def test_the_picture_has_the_figures() -> None:
    shown = texts(svg(sample.drawn(sample.report())))
    assert shown[0] == "15 flaky tests of 125"
    assert "12.0 %" in shown
    assert "95 %: 7.4–18.8 %" in shown
    assert "order-dependence" in shown
    assert "cluster 1: rows left by test_import_orders" in shown


def test_all_marks_lie_inside() -> None:
    root = svg(large(60, 200))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    heat = list(root.iter(f"{SVG}g"))[-1]
    for element in heat.iter(f"{SVG}rect"):
        assert 0 <= float(element.get("x", 0)) + float(element.get("width", 0)) <= width
        assert float(element.get("y", 0)) + float(element.get("height", 0)) <= height
    assert height < 1200  # the worst tests only


@pytest.mark.parametrize(
    "report",
    [sample.quiet_report(0), sample.quiet_report(), sample.report(), sample.drawn(sample.report(sample.NASTY))],
)
def test_odd_reports_are_well_formed(report: Report) -> None:
    assert texts(svg(report))


def test_a_hostile_name_is_text() -> None:
    root = svg(sample.drawn(sample.report(sample.NASTY)))
    assert not list(root.iter("script")) and not list(root.iter(f"{SVG}script"))


def test_costs_add_up_over_problems() -> None:
    report = large(100, 10)
    found = charts.problems(report)
    assert sum(problem.minutes for problem in found) == pytest.approx(sum(f.impact.minutes for f in report.tests))
    assert [p.tests for p in found if p.cluster == 1] == [2]
    assert sum(problem.tests for problem in found) == 100


def test_unknown_comes_last_among_the_causes() -> None:
    assert [category for category, _, _ in charts.causes(large(11, 3))][-1] is Category.UNKNOWN


@pytest.mark.parametrize("highest", [0.0, 1e-5, 0.003, 0.02, 0.19, 0.2, 0.21, 0.5, 0.97, 1.0])
def test_an_axis_holds_its_values_in_a_few_round_steps(highest: float) -> None:
    end, step = charts._axis(highest)
    assert end >= min(highest, 1.0) - 1e-12
    assert 1 <= round(end / step) <= 6


def png_bytes() -> bytes:
    pytest.importorskip("resvg_py", reason="resvg_py is not installed")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        format.find("png").write(sample.drawn(sample.report()), stream, Options())
    except UnavailableError as missing:
        pytest.skip(str(missing))
    return stream.buffer.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_bitmap_is_the_picture_at_twice_its_size() -> None:
    written = png_bytes()
    assert written.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", written[16:24])
    root = svg(sample.drawn(sample.report()))
    assert (width, height) == (2 * float(root.get("width", 0)), 2 * float(root.get("height", 0)))


def test_without_the_rasteriser_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(UnavailableError, match="needs the library resvg_py") as raised:
        png.rasterised("<svg/>")
    assert "flakediag[pictures]" in raised.value.hint


@pytest.mark.parametrize("stream", [io.StringIO(), io.TextIOWrapper(io.BytesIO())])
def test_a_bitmap_is_not_printed_on_a_terminal(stream: io.TextIOBase) -> None:
    with pytest.raises(UnavailableError, match="no text to print"):
        format.find("png").write(sample.report(), stream, Options(width=80))  # type: ignore[arg-type]
