"""The overview as a bitmap, for places that show no SVG: the same picture, drawn by resvg."""

from __future__ import annotations

from typing import TextIO

from flakediag.model import Report
from flakediag.report.format import Options, UnavailableError, binary
from flakediag.report.marks import PALETTE
from flakediag.report.svg import FONT, overview

SCALE = 2  # pixels per unit, so that small type stays sharp


class Png:
    name = "png"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        """Write bytes to the stream's binary buffer. Raises `UnavailableError` where they cannot be made or shown."""
        target = binary(stream, options, "a PNG", "overview.png")
        target.write(rasterised(overview(report)))


def rasterised(svg: str) -> bytes:
    """The picture as PNG. Raises `UnavailableError` without resvg, or without any font to write with."""
    try:
        import resvg_py
    except ImportError as error:
        raise UnavailableError(
            "--format png needs the library resvg_py, which is not installed",
            "install it with: pip install 'flakediag[pictures]'; or take --format svg",
        ) from error

    def draw(text: str) -> bytes:
        return bytes(resvg_py.svg_to_bytes(svg_string=text, zoom=SCALE, background=PALETTE["surface"]))

    # resvg draws no text at all where it finds no font, and does not say so.
    sheet = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">{}</svg>'
    if draw(sheet.format("")) == draw(sheet.format(f'<text x="1" y="15" font-family="{FONT}">A</text>')):
        raise UnavailableError(
            "no font is installed here to draw text with", "install one (fonts-dejavu); or take --format svg"
        )
    return draw(svg)
