"""The small pieces of a drawing in SVG: numbers, texts, bars. Every text is made visible and escaped here.

Colours are classes, not attributes: a page gives them the colours of its theme, a picture those of `PALETTE`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from flakediag.report.text import visible

CHARACTER = 6.3  # mean width of a character of the drawings' 12-pixel type, in pixels

# Okabe and Ito's colours (jfly.uni-koeln.de/color): told apart with any kind of colour vision. Passing is pale, so that
# what failed stands out; failures and retries also differ in brightness.
PALETTE = {
    "surface": "#ffffff",
    "ink": "#1b1f24",
    "dim": "#57606a",
    "grid": "#d8dee4",
    "accent": "#0072b2",
    "passed": "#dbe4ea",
    "failed": "#d55e00",
    "error": "#8f2d63",
    "retried": "#56b4e9",
    "skipped": "#9aa5ae",
}


def escaped(text: str) -> str:
    """Untrusted text for an element or an attribute: nothing in it acts."""
    return html.escape(visible(text))


def num(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def shortened(text: str, pixels: float, *, head: bool = False) -> str:
    """As much of a text as fits: its end, which tells tests apart; with `head` half from its start."""
    shown, most = visible(text), max(4, int(pixels / CHARACTER))
    if len(shown) <= most:
        return shown
    first = most // 2 if head else 0
    return f"{shown[:first]}…{shown[len(shown) - most + first + 1 :]}"


def label(x: float, y: float, text: str, kind: str = "t", anchor: str = "start") -> str:
    side = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{kind}" x="{num(x)}" y="{num(y)}"{side}>{escaped(text)}</text>'


def box(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> str:
    shape = f'<rect class="{kind}" x="{num(x)}" y="{num(y)}" width="{num(width)}" height="{num(height)}"'
    return f"{shape}><title>{escaped(title)}</title></rect>" if title else f"{shape}/>"


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{num(x1)}" y1="{num(y1)}" x2="{num(x2)}" y2="{num(y2)}"/>'


def points(pairs: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{num(x)},{num(y)}" for x, y in pairs)
