"""TAP, versions 12 to 14: a line for each test, tests inside tests indented, more about one in YAML below it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from flakediag.junit.dialects.load import load_by_root
from flakediag.junit.document import Document, Suite
from flakediag.junit.formats.cases import failure, keep, legible
from flakediag.junit.formats.dialect import of_format
from flakediag.junit.formats.held import Held, Output, Texts
from flakediag.junit.formats.lines import tell
from flakediag.junit.numbers import seconds
from flakediag.junit.problems import UnreadableError
from flakediag.junit.settings import ReadSettings
from flakediag.model import Attempt, Order, Outcome

DIALECT = of_format(
    name="tap",
    title="TAP",
    family="TAP",
    sign="its version, plan or lines of `ok` and `not ok`",
    names="the names of the tests around it, its own",
    order=Order.EXECUTION,
    load=load_by_root,
)

INDENT = 4  # blanks before the lines of a test inside a test
_TITLES = " > "
_MOST_INSIDE = 200_000  # tests inside one that has not ended; more than anybody's

_POINT = re.compile(r"(?P<not>not )?ok\b *(?P<number>\d{1,9}\b)? *(?:- +)?(?P<rest>.*)")
_DIRECTIVE = re.compile(r"(?:^| )# *(?P<word>skip|todo)", re.IGNORECASE)
_TIMED = re.compile(r" (?:# )?(?:time=|in )(?P<time>\d{1,12}(?:\.\d+)?) ?(?P<unit>ms|s|sec)$")  # node-tap, bats
_PLAN = re.compile(r"1\.\.(\d{1,9})\s*(?:#.*)?")
_HEADING = re.compile(r"(\S+\.t) \.{2,} *")  # of a file, by `prove -v`
_TOTAL = re.compile(r"# duration_ms (\d{1,12}(?:\.\d+)?)")  # node:test
_PAIR = re.compile(r"(\w+): ?(.*)")
_BLOCK = frozenset({"|", "|-", ">", ">-", "|+", ">+"})
_ESCAPED = re.compile(r"\\([#\\])")


@dataclass(slots=True)
class _Point:
    """A test that ended. `names` are the titles around it and its own, as far as they are known yet."""

    names: list[str]
    outcome: Outcome
    file: str
    duration: float | None = None
    said: Output | None = None
    more: Texts | None = None


def read(document: Document, chunks: Iterable[bytes], settings: ReadSettings) -> None:
    document.suites.append(Suite("testsuites", {}, -1))
    stream = _Stream(document, settings)
    tell(chunks, settings, stream.line, stream.end)


class _Stream:
    """What the lines so far have said."""

    def __init__(self, document: Document, settings: ReadSettings) -> None:
        self._document = document
        self._settings = settings
        self._file = ""
        self._waiting: list[list[_Point]] = [[]]  # by depth: points whose outer test has not ended yet
        self._titles: dict[int, str] = {}  # announced by "# Subtest", by depth
        self._point: _Point | None = None  # the last one: what follows speaks of it
        self._yaml: int | None = None  # the indentation of the YAML that is being read
        self._key = ""
        self._planned: int | None = None
        self._seen = 0
        self._inside = self._named = 0
        self._held = Held(settings)

    def line(self, line: str) -> None:
        text = line.lstrip(" ")
        indent = len(line) - len(text)
        if self._yaml is not None:
            if not text or indent >= self._yaml:
                self._more(text, indent)
                return
            self._yaml = None  # it was never ended
        depth = min(indent // INDENT, self._settings.max_depth)
        if text.startswith("---") and self._point is not None and indent % INDENT:
            self._yaml, self._key = indent, ""
        elif text == "ok" and self._file:
            pass  # what `prove` says of a whole file
        elif text.startswith(("ok", "not ok")) and (match := _POINT.fullmatch(text)):
            self._ended(match, depth)
        elif text.startswith("#"):
            self._comment(text, depth)
        elif text.startswith("1..") and (plan := _PLAN.fullmatch(text.rstrip())):
            if not depth:
                self._planned = (self._planned or 0) + int(plan[1])
        elif text.startswith("Bail out!"):
            self._document.notes.append(f"the run was given up: {legible(text[:200]).strip()}")
        elif not indent and (heading := _HEADING.fullmatch(text)):
            self._flush()
            self._file = heading[1]

    def _ended(self, match: re.Match[str], depth: int) -> None:
        rest = match["rest"].removesuffix("{").rstrip() if match["rest"].endswith(" {") else match["rest"]
        outcome = Outcome.FAILED if match["not"] else Outcome.PASSED
        duration = None
        if timed := _TIMED.search(rest):
            rest = rest[: timed.start()]
            duration = float(timed["time"]) / (1000 if timed["unit"] == "ms" else 1)
        if found := _DIRECTIVE.search(rest):
            rest = rest[: found.start()]
            if found["word"].lower() == "skip" or outcome is Outcome.FAILED:  # a passing "todo" has passed
                outcome = Outcome.SKIPPED
        name = _ESCAPED.sub(r"\1", rest.strip()) or f"test {match['number'] or self._seen + 1}"
        self._wait(name, depth)
        point = _Point([name], outcome, self._file, duration)
        inner: list[_Point] = []
        while len(self._waiting) > depth + 1:
            inner = self._waiting.pop() + inner
        while len(self._waiting) <= depth:
            self._waiting.append([])
        for one in inner:
            one.names.insert(0, name)
        # A test that holds tests failed because one of them did, or by itself: only then it is a test of its own.
        if not inner or (outcome.failed and not any(one.outcome.failed for one in inner)):
            inner.append(point)
        self._waiting[depth].extend(inner)
        self._point = point
        self._titles.pop(depth, None)
        if not depth:
            self._seen += 1
            self._settle()

    def _wait(self, name: str, depth: int) -> None:
        """Count the tests whose outer test has not ended yet, and the characters of their names."""
        self._inside, self._named = (self._inside + 1, self._named + len(name)) if depth else (0, 0)
        if self._inside > _MOST_INSIDE:
            raise UnreadableError(f"more than {_MOST_INSIDE:,} tests inside one")
        if self._named > self._settings.max_held:
            raise UnreadableError(
                f"more than {self._settings.max_held:,} characters of names of tests inside one (setting max_held)"
            )

    def _comment(self, text: str, depth: int) -> None:
        if text.startswith("# Subtest: "):
            self._titles[depth] = text.removeprefix("# Subtest: ").strip()
        elif found := _TOTAL.fullmatch(text):
            self._document.root.attributes = {"time": str(float(found[1]) / 1000)}
        elif self._point is not None and self._point.outcome.failed:
            if self._point.said is None:
                self._point.said = Output(self._held)
            self._point.said.add(text.removeprefix("#").removeprefix(" ") + "\n")

    def _more(self, text: str, indent: int) -> None:
        """A line of the YAML below a test: one level of names, and texts of several lines."""
        point, base = self._point, self._yaml or 0
        if text.startswith("...") and indent <= base:
            self._yaml = None
            if point is not None:
                self._timed(point)
            return
        if point is None:
            return
        if point.more is None:
            point.more = Texts(self._held)
        if indent == base and (pair := _PAIR.fullmatch(text)):
            self._key = pair[1]
            value = "" if pair[2] in _BLOCK else _unquoted(pair[2])
        else:
            before = point.more.get(self._key)
            value = f"{before}\n{' ' * max(indent - base - 2, 0)}{text}" if before else text
        if self._key:
            point.more.put(self._key, value)

    def _timed(self, point: _Point) -> None:
        taken = seconds(point.more.get("duration_ms") if point.more else None)
        if taken is not None:
            point.duration = taken / 1000

    def _settle(self) -> None:
        """Write the outermost tests but the last: more may be said only of that one."""
        waiting, self._waiting[0] = self._waiting[0], []
        for one in waiting:
            if one is self._point:
                self._waiting[0] = [one]
            else:
                self._write(one)

    def _flush(self) -> None:
        """Write everything; what is still inside a test that never ended gets its announced titles."""
        for depth, points in enumerate(self._waiting):
            around = [self._titles[outer] for outer in range(depth) if outer in self._titles]
            for one in points:
                one.names[:0] = around
                self._write(one)
        self._waiting, self._point = [[]], None
        self._titles.clear()

    def _write(self, point: _Point) -> None:
        said, more = None, point.more or Texts(self._held)
        if point.outcome.failed:
            message = more.get("error") or more.get("message")
            text = "\n".join(part for part in (more.get("stack"), point.said.text() if point.said else "") if part)
            said = failure(self._settings, kind=more.get("name"), message=message, text=text)
        more.let_go()
        if point.said is not None:
            point.said.let_go()
        keep(
            self._document,
            self._settings,
            name=_TITLES.join(point.names),
            file=point.file,
            attempts=[Attempt(point.outcome, point.duration, said)],
        )

    def end(self) -> str:
        """Write what is left; says what is missing."""
        inside = sum(len(points) for points in self._waiting[1:])
        self._flush()
        if not inside and self._planned is not None and self._planned > self._seen:
            self._document.notes.append(f"{self._planned} tests were planned and {self._seen} reported")
        return "it ends inside a test" if inside else ""


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        inner = value[1:-1]
        return inner.replace("''", "'") if value[0] == "'" else inner.replace('\\"', '"').replace("\\n", "\n")
    return value
