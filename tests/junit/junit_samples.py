"""Small reports for tests, and short ways of reading them."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from flakediag.junit import ReadSettings, read_reports
from flakediag.junit.document import Document
from flakediag.junit.reader import read_document
from flakediag.model import FileReport, RunReport

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def attributes(values: dict[str, object]) -> str:
    return "".join(f" {key}={quoteattr(str(value))}" for key, value in values.items())


def case(name: str, body: str = "", classname: str = "pkg.test_mod", time: object = "0.5", **more: object) -> str:
    return f"<testcase{attributes({'classname': classname, 'name': name, 'time': time, **more})}>{body}</testcase>"


def failure(message: str = "assert 1 == 2", text: str = "E assert 1 == 2", tag: str = "failure") -> str:
    return f"<{tag} message={quoteattr(message)}>{escape(text)}</{tag}>"


def suite(*cases: str, name: str = "S", **more: object) -> str:
    return f"<testsuite{attributes({'name': name, **more})}>{''.join(cases)}</testsuite>"


def pytest_report(*cases: str, tests: int | None = None, time: object = 100, **more: object) -> str:
    counted = len(cases) if tests is None else tests
    return f"<testsuites>{suite(*cases, name='pytest', tests=counted, time=time, **more)}</testsuites>"


def document(content: str | bytes, settings: ReadSettings | None = None, piece: int = 1 << 20) -> Document:
    data = content.encode() if isinstance(content, str) else content

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(data), piece):
            yield data[start : start + piece]

    return read_document("report.xml", chunks, settings or ReadSettings())


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(*paths: Path | str, stdin: bytes | None = None, **settings: object) -> list[RunReport | FileReport]:
    found = read_reports(
        [str(path) for path in paths],
        now=NOW,
        settings=ReadSettings(**settings),  # type: ignore[arg-type]
        stdin=io.BytesIO(stdin) if stdin is not None else None,
    )
    return list(found)


def read_one(folder: Path, content: str | bytes, name: str = "report.xml", **settings: object) -> RunReport:
    """Read a report that is expected to be one run."""
    (report,) = read(write(folder, name, content), **settings)
    assert isinstance(report, RunReport), report
    return report


def runs(found: list[RunReport | FileReport]) -> list[RunReport]:
    return [report for report in found if isinstance(report, RunReport)]


def refusals(found: list[RunReport | FileReport]) -> dict[str, str]:
    return {report.path: report.reason or "" for report in found if isinstance(report, FileReport)}


def told(report: RunReport) -> list[tuple[str, str, int]]:
    """(id, outcome, attempts) of every result."""
    return [(result.test.id, result.outcome.name.lower(), result.attempts) for result in report.results]


def zipped(files: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files: dict[str, str | bytes], compression: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def gzipped(content: str | bytes) -> bytes:
    return gzip.compress(content.encode() if isinstance(content, str) else content)
