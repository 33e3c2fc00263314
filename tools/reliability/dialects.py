"""What is read right, by family of producers: `make reliability-dialects` fills the tables of two pages.

    python tools/reliability/dialects.py

The reports are the project's own recordings, `fixtures/dialects`, and where it is at hand, a collection of real reports
of other projects: a folder with `manifest.jsonl` (a line per report: `path`, `own_count` as a plain count of its
elements, `expected` retries where they are known) and `files.tar.xz`. It is looked for beside the repository, as
`shared/dialects`, or where FLAKEDIAG_DIALECTS says. Exits with 1 where a report is read otherwise than it should be.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import page

from flakediag.junit import read_reports
from flakediag.junit.dialects import DEFAULT, DIALECTS
from flakediag.model import FileReport, FileStatus, InputFile, Order, RunReport

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "fixtures" / "dialects" / "recorded"
PRODUCERS_PAGE = ROOT / "docs" / "dialects.md"
FAMILIES = {dialect.name: dialect.family for dialect in (*DIALECTS, DEFAULT)}

# Why a count may differ from that of the elements. Each is a rule of docs/dialects.md, not a list of files.
IN_ATTRIBUTES = "an outcome that stands in an attribute only counts"
EQUAL_NAMES = "equal names in a report that nobody signed are no retries"

_HEADINGS = """\
*Recorded here*: small suites, really run; each result, its attempts and the meaning of the order are as the suite's
source says. *Real reports*: well-formed files of public projects and tools, against a plain count of tests, failures,
errors and skips, and where the retries of a file are known, against those. *Refused*: no JUnit XML, or nothing in it
that could be read."""

_SILENT = frozenset({"", "run", "passed", "completed", "success", "ok", "yes", "true"})
_RETRIED = ("flaky", "rerun")  # what a manifest may say of retries: tests that passed at last, and that did not


@dataclass
class Tally:
    """What became of the files of one family. `held` counts disagreements by the reason they are held right for."""

    files: int = 0
    agreed: int = 0
    refused: int = 0
    retried: int = 0  # files whose retries are known
    retries_agreed: int = 0
    held: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def recorded() -> dict[str, Tally]:
    """The project's own recordings, against what their suites say."""
    expected = json.loads((RECORDED.parent / "expected.json").read_text(encoding="utf-8"))
    tallies: dict[str, Tally] = defaultdict(Tally)
    for what, wanted in expected.items():
        (report,) = (item for item in _read(RECORDED / what) if isinstance(item, RunReport))
        tally = tallies[FAMILIES[report.run.producer]]
        tally.files += len(report.files)
        results = [[one.test.id, one.outcome.name.lower(), one.attempts] for one in report.results]
        if results == wanted["results"] and report.run.order is Order(wanted["order"]):
            tally.agreed += len(report.files)
        else:
            tally.wrong.append(what)
    return tallies


def collected(folder: Path) -> dict[str, Tally]:
    """The files of a collection, each read by itself, against a plain count of their elements."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    with tempfile.TemporaryDirectory() as name, tarfile.open(folder / "files.tar.xz") as archive:
        archive.extractall(name, filter="data")
        for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
            _compare(Path(name), json.loads(line), tallies)
    return tallies


def _compare(folder: Path, row: Mapping[str, Any], tallies: dict[str, Tally]) -> None:
    (item,) = _read(folder / row["path"])
    if isinstance(item, FileReport):
        assert item.status is FileStatus.REFUSED, item
        tallies[FAMILIES[DEFAULT.name]].refused += 1
        return
    tally = tallies[FAMILIES[item.run.producer]]
    (file,) = item.files
    wanted = row["own_count"]
    if not (row["valid_xml"] and row["junit_root"] and wanted):
        return  # broken, or no JUnit at all: there is nothing to agree with
    tally.files += 1
    more = _more_than(wanted, file)
    if more == 0:
        tally.agreed += 1
    elif more is not None and more <= _stated(folder / row["path"]):
        tally.held[IN_ATTRIBUTES] += 1
    else:
        tally.wrong.append(row["path"])
    _compare_retries(row, item, tally)


def _more_than(wanted: Mapping[str, int], file: InputFile) -> int | None:
    """How many failed or skipped tests were read beyond those with an element; None where it is not just more."""
    failed = file.failures + file.errors - wanted["failures"] - wanted["errors"]
    skipped = file.skipped - wanted["skipped"]
    return failed + skipped if file.cases == wanted["tests"] and failed >= 0 and skipped >= 0 else None


def _stated(path: Path) -> int:
    """How many test cases have no element for their outcome, but an attribute that does not say that they passed."""
    return sum(
        not {child.tag for child in case} & {"failure", "error", "skipped"}
        and any(case.get(name, "").lower() not in _SILENT for name in ("status", "result", "executed"))
        for case in ElementTree.parse(path).iter("testcase")
    )


def _compare_retries(row: Mapping[str, Any], report: RunReport, tally: Tally) -> None:
    expected = row.get("expected") or {}
    known = expected.get("retried", sum(expected.get(key, 0) for key in _RETRIED))
    if not known:
        return
    tally.retried += 1
    if sum(result.attempts > 1 for result in report.results) == known:
        tally.retries_agreed += 1
    elif report.run.producer == DEFAULT.name and all(result.attempts == 1 for result in report.results):
        tally.held[EQUAL_NAMES] += 1
    else:
        tally.wrong.append(f"{row['path']} (retries)")


def _read(path: Path) -> Iterator[RunReport | FileReport]:
    for item in read_reports([str(path)], now=datetime.now(UTC)):
        if not (isinstance(item, FileReport) and item.status is FileStatus.DUPLICATE):
            yield item


def collection() -> Path | None:
    """Where the collection is; None where it is not at hand."""
    named = os.environ.get("FLAKEDIAG_DIALECTS")
    folder = Path(named) if named else ROOT.parent / "shared" / "dialects"
    return folder if (folder / "manifest.jsonl").is_file() else None


def section(own: Mapping[str, Tally], others: Mapping[str, Tally] | None) -> str:
    """The section of docs/reliability.md."""
    families = list(dict.fromkeys(dialect.family for dialect in (*DIALECTS, DEFAULT)))
    head = ["family", "recorded here", "agree"]
    rows: list[list[object]] = []
    if others is not None:
        head += ["real reports", "agree", "held right", "retries known", "agree", "refused"]
    for name in families:
        mine = own.get(name, Tally())
        row: list[object] = [name, mine.files, mine.agreed]
        if others is not None:
            real = others.get(name, Tally())
            row += [real.files, real.agreed, sum(real.held.values()), real.retried, real.retries_agreed, real.refused]
        rows.append(row)
    rows.append(["all", *(sum(int(str(row[column])) for row in rows) for column in range(1, len(head)))])
    parts = [page.table(head, ([cell or "–" for cell in row] for row in rows))]
    if others is None:
        parts.append(
            "The collection of other projects' reports was not at hand: `FLAKEDIAG_DIALECTS` names its folder."
        )
    else:
        held = sum((tally.held for tally in others.values()), Counter[str]())
        parts.append(_HEADINGS)
        parts.append(
            "Disagreements that are held right, with the reason ([dialects](dialects.md#disagreements)):\n\n"
            + "\n".join(f"- {count}: {reason}" for reason, count in sorted(held.items()))
        )
    return "\n\n".join(parts)


def producers() -> str:
    """The table of docs/dialects.md: what the entries of the dialects say of themselves."""
    orders = {Order.UNKNOWN: "unknown"}

    def order(name: Order, parallel: Order) -> str:
        words = orders.get(name, name.value)
        return words if parallel in (Order.UNKNOWN, name) else f"{words}; {parallel.value} with several workers"

    return page.table(
        ["family", "producer", "recorded as", "recognised by", "identity", "retries", "order"],
        (
            [d.family, d.title, f"`{d.name}`", d.sign, d.names, d.retries, order(d.order, d.order_parallel)]
            for d in (*DIALECTS, DEFAULT)
        ),
    )


def _wrong(tallies: Iterable[Tally]) -> list[str]:
    return [what for tally in tallies for what in tally.wrong]


def main() -> int:
    own = recorded()
    folder = collection()
    others = collected(folder) if folder is not None else None
    page.write("dialects", section(own, others))
    page.write("producers", producers(), PRODUCERS_PAGE)
    wrong = _wrong(own.values()) + _wrong((others or {}).values())
    for what in wrong:
        print(f"read otherwise than it should be: {what}", file=sys.stderr)
    if others is None:
        print("the collection of other projects' reports is not at hand (FLAKEDIAG_DIALECTS)", file=sys.stderr)
    print(f"{page.PAGE.relative_to(ROOT)}: {sum(tally.files for tally in own.values())} reports recorded here", end="")
    print(f", {sum(tally.files for tally in others.values())} of other projects" if others else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
