"""What a selftest found, as text or JSON.

The result is described by what is read of it, so that this part needs to know the model only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TextIO

from flakediag.model import Category, Rate
from flakediag.report import document
from flakediag.report.format import Options
from flakediag.report.screen import Screen, table
from flakediag.report.text import interval, number, percent, plural, visible

FORMATS = ("text", "json")


class Tally(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def cause(self) -> Category | None: ...
    @property
    def planted(self) -> int: ...
    @property
    def flaky(self) -> Rate: ...
    @property
    def named(self) -> Rate: ...
    @property
    def partner_first(self) -> Rate | None: ...
    @property
    def partner_top3(self) -> Rate | None: ...
    @property
    def wrong(self) -> Rate: ...


class WithShuffles(Protocol):
    @property
    def runs(self) -> int: ...
    @property
    def tally(self) -> Tally: ...


class Selftest(Protocol):
    @property
    def seed(self) -> int: ...
    @property
    def runs(self) -> int: ...
    @property
    def tests(self) -> int: ...
    @property
    def stable(self) -> int: ...
    @property
    def serial_runs(self) -> int: ...
    @property
    def order_varies(self) -> bool: ...
    @property
    def kinds(self) -> Sequence[Tally]: ...
    @property
    def failures(self) -> Sequence[Tally]: ...
    @property
    def sure(self) -> Rate: ...
    @property
    def with_shuffles(self) -> WithShuffles | None: ...
    @property
    def believe(self) -> Sequence[str]: ...
    @property
    def stopped(self) -> bool: ...


def write(result: Selftest, format_name: str, stream: TextIO, options: Options) -> None:
    if format_name == "json":
        document.write(_document(result), stream)
    else:
        _text(result, Screen(stream, options))


def _text(result: Selftest, out: Screen) -> None:
    planted = sum(tally.planted for tally in result.kinds)
    cut = ", the time was up" if result.stopped else ""
    out.line(
        ("selftest", "bold"),
        f": {plural(planted, 'flake')} planted into a copy of {plural(result.runs, 'run')} of "
        f"{plural(result.tests, 'test')}, {number(result.stable)} of them stable (seed {result.seed}{cut})",
        hang=10,
    )
    out.heading("By what was planted")
    table(out, _columns("Planted"), [_row(_name(tally), tally) for tally in result.kinds])
    out.heading("By failures on record")
    table(out, _columns("Failures"), [_row(tally.name, tally) for tally in result.failures])
    if result.with_shuffles is not None:
        shuffled = result.with_shuffles
        out.heading(f"Order dependence, were there {plural(shuffled.runs, 'shuffled run')} more")
        table(out, _columns("Planted"), [_row(shuffled.tally.name, shuffled.tally)])
    out.heading("What to believe on this history")
    for sentence in result.believe:
        out.line("- ", visible(sentence), indent=2, hang=2)
    out.blank()
    out.line(
        ("Intervals are 95 %. The right answer to chance is unknown, or randomness; unknown is never wrong.", "dim")
    )


def _name(tally: Tally) -> str:
    cause = "none" if tally.cause in (None, Category.UNKNOWN) else tally.cause.value
    return f"{cause}: {tally.name}"


def _columns(first: str) -> list[tuple[str, str]]:
    headings = ("n", "Found flaky", "Right cause", "Partner first", "In top 3", "Wrong cause")
    return [(first, "left"), *((heading, "right") for heading in headings)]


def _row(name: str, tally: Tally) -> list[str]:
    rates = (tally.flaky, tally.named, tally.partner_first, tally.partner_top3, tally.wrong)
    return [name, number(tally.planted), *map(_cell, rates)]


def _cell(rate: Rate | None) -> str:
    return f"{percent(rate.value)} ({interval(rate)})" if rate is not None and rate.of else "–"


def _document(result: Selftest) -> document.Document:
    shuffled = result.with_shuffles
    return {
        "schema_version": document.SCHEMA_VERSION,
        "seed": result.seed,
        "stopped": result.stopped,
        "history": {
            "runs": result.runs,
            "tests": result.tests,
            "stable": result.stable,
            "serial_runs": result.serial_runs,
            "order_varies": result.order_varies,
        },
        "kinds": [_tally(tally) for tally in result.kinds],
        "failures": [_tally(tally) for tally in result.failures],
        "sure": _rate(result.sure),
        "with_shuffles": None if shuffled is None else {"runs": shuffled.runs, **_tally(shuffled.tally)},
        "believe": list(result.believe),
    }


def _tally(tally: Tally) -> document.Document:
    return {
        "name": tally.name,
        "cause": None if tally.cause is None else tally.cause.value,
        "planted": tally.planted,
        "flaky": _rate(tally.flaky),
        "named": _rate(tally.named),
        "partner_first": _rate(tally.partner_first),
        "partner_top3": _rate(tally.partner_top3),
        "wrong": _rate(tally.wrong),
    }


def _rate(rate: Rate | None) -> document.Document | None:
    return None if rate is None else document.rate(rate)
