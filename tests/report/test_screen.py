"""Lines for a terminal, and for where nobody watches: there rich would print the same, and is not asked."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakediag.report.console import console
from flakediag.report.format import Options
from flakediag.report.screen import Screen, table

TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("  \t\n\r\x07\x08\x0b\x0c\x1b:[/]#😀中")), max_size=30)
PARTS = st.lists(st.one_of(TEXTS, st.tuples(TEXTS, st.sampled_from(["", "dim", "bold red"]))), max_size=4)


def printed(draw: object, *, options: Options = Options(), rich: bool = False) -> str:  # noqa: B008 - frozen
    stream = io.StringIO()
    screen = Screen(stream, options)
    if rich:
        screen._unwatched = lambda parts, indent=0: False  # type: ignore[method-assign]
    assert callable(draw)
    draw(screen)
    return stream.getvalue()


@given(PARTS, st.integers(0, 6), TEXTS)
def test_rich_would_print_the_same(parts: list[str | tuple[str, str]], indent: int, text: str) -> None:
    def draw(screen: Screen) -> None:
        screen.line(*parts, indent=indent, hang=2)
        screen.uncut(*parts, indent=indent)
        screen.verbatim(text, indent)
        screen.labelled("label", "dim", text, "bold")
        screen.blank()
        screen.heading(text)
        table(screen, [("one", "left"), ("two", "right")], [(text, "2")])

    assert printed(draw) == printed(draw, rich=True)


@pytest.mark.parametrize(
    ("options", "written"),
    [
        (Options(), "::error::x [red]y[/red]"),
        (Options(width=12), "::error::x\n[red]y[/red]"),
        (Options(color=True), "\x1b[1m::error::x [red]y[/red]\x1b[0m"),
    ],
)
def test_nothing_is_markup_nor_a_command_of_a_log(options: Options, written: str) -> None:
    said = printed(lambda screen: screen.line(("::error::x [red]y[/red]", "bold")), options=options)
    assert said == written.replace("::error", "| ::error") + "\n"


def test_where_nobody_watches_rich_is_not_loaded() -> None:
    script = (
        "import sys\nfrom flakediag.report.format import Options\nfrom flakediag.report.screen import Screen\n"
        "Screen(sys.stdout, Options()).line(('said', 'bold'), indent=2)\n"
        "assert not any(name.startswith('rich') for name in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "  said\n"


def test_a_console_has_the_width_that_it_is_given() -> None:
    assert console(io.StringIO(), Options(width=33)).width == 33
