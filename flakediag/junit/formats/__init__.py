"""Reports that are no JUnit XML, and are read all the same: a table, looked at only where JUnit XML was not found.

A format is a row of `FORMATS` and a module of this folder that holds `DIALECT`, what its producer means, and
`read(document, chunks, settings)`, which fills a `Document` with the same cases that a JUnit report would give.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module

from flakediag.junit.dialects import Dialect
from flakediag.junit.document import Document
from flakediag.junit.formats.cases import count
from flakediag.junit.problems import BrokenOffError, UnreadableError
from flakediag.junit.repair import encoding_of
from flakediag.junit.settings import ReadSettings

HEAD = 64 * 1024  # bytes of a file that tell what it is


@dataclass(frozen=True, slots=True)
class Format:
    """`looks` matches the beginning of a file, as text. `module` is the file of this folder that reads it."""

    title: str
    module: str
    looks: re.Pattern[str]


def _root(name: str) -> re.Pattern[str]:
    """An XML document with this root element, whatever stands before it."""
    return re.compile(
        rf"\s*(?:<\?xml\b[^>]{{0,300}}\?>\s*)?(?:(?:<!--(?:(?!-->).){{0,4000}}-->|<\?[^>]{{0,500}}\?>)\s*){{0,20}}"
        rf"<(?:\w+:)?{name}[\s/>]",
        re.DOTALL,
    )


_EVENT = r'\{"(?:Time|ImportPath|Action)": ?"[^"\n]{0,400}", ?"'
_PLANNED = r"1\.\.\d+[^\S\n]*(?:#.*)?\r?\n(?:not )?ok\b|1\.\.0 *# *skip"
_POINT = r"(?:not )?ok(?: \d+\b| - )"

FORMATS: tuple[Format, ...] = (
    Format("a Visual Studio test result (TRX)", "trx", _root("TestRun")),
    Format("an NUnit 3 result", "nunit", _root("test-run")),
    Format("an xUnit.net result", "xunit", _root("assembl(?:ies|y)")),
    Format(
        "a Playwright JSON report", "playwright", re.compile(r'\s*\{\s*"config"\s*:\s*\{.*"fullyParallel"', re.DOTALL)
    ),
    Format(
        "a CTRF report",
        "ctrf",
        re.compile(r'\s*\{(?:.{0,2000}"reportFormat"\s*:\s*"CTRF"|\s*"results"\s*:\s*\{\s*"tool"\s*:)', re.DOTALL),
    ),
    # A compiler may have spoken before the first event.
    Format("`go test -json` output", "gotest", re.compile(rf'(?:(?!\{{).*\n)*?{_EVENT}(?:Action|Package|Output)"')),
    Format(
        "TAP output",
        "tap",
        re.compile(rf"(?:.*\n)*?(?:TAP version \d+|{_PLANNED}|{_POINT})", re.IGNORECASE),
    ),
)


def format_of(head: bytes) -> Format | None:
    """The format of a file that begins like this, None where it is none of the table."""
    text = head[:HEAD].decode(encoding_of(head), "replace").removeprefix("\ufeff")
    return next((one for one in FORMATS if one.looks.match(text)), None)


def read_format(
    found: Format, path: str, chunks: Callable[[], Iterator[bytes]], settings: ReadSettings
) -> tuple[Document, Dialect]:
    """Read a report of this format; raises `UnreadableError` where there is nothing in it to keep."""
    module = import_module(f"{__name__}.{found.module}")
    document = Document(path)
    whole = _Digested(chunks())
    try:
        module.read(document, whole, settings)
    except BrokenOffError as problem:
        if not document.cases:
            raise UnreadableError(f"it is {found.title}, but nothing in it can be used: {problem}") from problem
        document.partial = f"{problem}; the {len(document.cases)} test cases before it were read"
    document.digest = whole.digest()
    count(document)
    dialect: Dialect = module.DIALECT
    return document, dialect


class _Digested:
    """The chunks of a file, counted into its digest as they are read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._sum = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self._sum.update(chunk)
        return chunk

    def digest(self) -> str:
        """The digest of the whole file, whatever of it was read before."""
        try:
            for _ in self:
                pass
        except BrokenOffError:  # told already
            pass
        return self._sum.hexdigest()
