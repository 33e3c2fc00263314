"""A report's bytes, read as a stream into a `Document`.

The standard library's expat is fed a chunk at a time and no tree is built; of plain test cases it is not told (see
`plain`). A document type that declares anything is refused before that is looked at, so there is nothing to expand, and
nothing is ever fetched. A file that is not well formed is read once more with what XML may not hold masked; if that
does not help, what is complete is kept.
"""

from __future__ import annotations

import hashlib
from array import array
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice
from sys import intern
from typing import Any
from xml.etree.ElementTree import Element, SubElement
from xml.parsers import expat

from flakediag.junit import case as cases
from flakediag.junit import foreign, plain
from flakediag.junit.budget import affordable, hold
from flakediag.junit.document import CaseDetail, Document, Suite
from flakediag.junit.hardened import refuse_attributes, refuse_depth, refuse_doctype, refuse_token
from flakediag.junit.numbers import seconds
from flakediag.junit.problems import BrokenOffError, ForeignError, UnreadableError
from flakediag.junit.repair import OPENING, ROOT, Repairs, repaired
from flakediag.junit.settings import ReadSettings
from flakediag.junit.text import CappedText, capped
from flakediag.model import Outcome

Attributes = dict[str, str]


_SUITES = frozenset({"testsuite", "testsuites", "testrun"})
_KEPT_INSIDE_RESULTS = frozenset({"stackTrace"}) | cases.OUTPUTS
_HEAD = 4096  # bytes, to tell by what a file is
_MAX_PROPERTIES = 500  # of one suite
_MAX_PROPERTY = 1_000  # characters of a value
_ASCII_ABOVE = frozenset({"utf-8", "us-ascii", "iso-8859-1"})  # encodings in which a byte of ASCII is just that

_errors = expat.errors
_REPAIRABLE = frozenset(
    _errors.codes[message]
    for message in (
        _errors.XML_ERROR_INVALID_TOKEN,
        _errors.XML_ERROR_BAD_CHAR_REF,
        _errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT,
        _errors.XML_ERROR_MISPLACED_XML_PI,
        _errors.XML_ERROR_XML_DECL,
        _errors.XML_ERROR_UNKNOWN_ENCODING,
        _errors.XML_ERROR_INCORRECT_ENCODING,
        _errors.XML_ERROR_SYNTAX,
        _errors.XML_ERROR_UNDEFINED_ENTITY,
        _errors.XML_ERROR_PARTIAL_CHAR,
    )
)
_UNDEFINED_ENTITY = _errors.codes[_errors.XML_ERROR_UNDEFINED_ENTITY]
_UNKNOWN_ENCODING = _errors.codes[_errors.XML_ERROR_UNKNOWN_ENCODING]


def read_document(
    path: str, chunks: Callable[[], Iterator[bytes]], settings: ReadSettings, *, by_pattern: bool = True
) -> Document:
    """Read one report; `chunks` starts reading its (decompressed) bytes from the beginning, as often as it is called.

    Without `by_pattern`, expat reads everything, which takes longer and finds the same. Raises `UnreadableError` where
    there is nothing in it to keep.
    """
    first = _read(path, chunks, settings, by_pattern=by_pattern)
    if first.error is None or first.code not in _REPAIRABLE:
        return _kept(first)
    second = _Reading(path, settings)
    second.repairing = True
    repairs = Repairs()
    second.read(repaired(chunks(), repairs, entities=first.code == _UNDEFINED_ENTITY))
    if len(second.document.cases) <= len(first.document.cases) and (second.error or not second.document.suites):
        return _kept(first)
    second.head = first.head
    second.document.digest = first.document.digest
    document = _kept(second)
    document.notes.append(f"not well formed ({first.error}); repaired: {repairs.describe()}")
    return document


def _read(path: str, chunks: Callable[[], Iterator[bytes]], settings: ReadSettings, *, by_pattern: bool) -> _Reading:
    """One reading; where something is wrong, that of the whole by expat, which then knows the line."""
    quick = _Reading(path, settings, by_pattern=by_pattern)
    try:
        quick.read(chunks())
    except UnreadableError:
        if not quick.left_out:
            raise
    else:
        if quick.error is None or not quick.left_out:
            return quick
    whole = _Reading(path, settings)
    whole.read(chunks())
    return whole


def _kept(reading: _Reading) -> Document:
    document = reading.document
    if reading.error is not None:
        if not document.cases:
            damaged = not reading.head and not reading.code  # nothing could be unpacked: that is not an empty file
            looks = None if damaged else foreign.by_head(reading.head)
            raise UnreadableError(f"it is {looks}" if looks else f"not well formed: {reading.error}")
        document.partial = f"{reading.error}; the {len(document.cases)} test cases before it were read"
    elif not document.suites:
        looks = foreign.by_head(reading.head)
        raise UnreadableError(f"it is {looks}" if looks else "it holds no JUnit XML")
    elif reading.unknown and len(document.suites) == 1 and not document.cases:
        raise UnreadableError(
            f"<{document.root.tag}> holds neither suites nor test cases, but <{reading.unknown[:60]}>"
        )
    _lend_output(document)
    return document


def _lend_output(document: Document) -> None:
    """Give failures without output of their own the output of their suite, where the producer writes it there."""
    if not any(suite.output for suite in document.suites):
        return
    cases = document.cases
    for number, detail in cases.details.items():
        if not detail.finals:
            continue
        index = cases.suites[number]
        while index >= 0 and not document.suites[index].output:
            index = document.suites[index].parent
        if index < 0:
            continue
        output = document.suites[index].output
        finals = tuple(
            attempt._replace(failure=attempt.failure._replace(output=output))
            if attempt.failure and not attempt.failure.output
            else attempt
            for attempt in detail.finals
        )
        cases.details[number] = detail._replace(finals=finals)


class _Reading:
    """One reading of one document: expat's handlers and what they have seen so far."""

    def __init__(self, path: str, settings: ReadSettings, *, by_pattern: bool = False) -> None:
        self.document = Document(path)
        self.settings = settings
        self.head = b""
        self.error: str | None = None
        self.code = 0
        self.unknown = ""  # an element that is not JUnit's
        self.repairing = False

        self.by_pattern = by_pattern  # whether plain test cases are looked for
        self.form: plain.Form | None = None  # theirs, once one was seen
        self.begun = False  # whether expat told of a test case: signs are looked for in the first one
        self.left_out = False  # whether expat was not told of some

        self.fed = 0
        self.given = 0  # of it, to expat
        self.weighed = 0  # test cases whose names are counted
        self.seconds = lru_cache(maxsize=10_000)(seconds)  # most durations of a report repeat
        self.suite = -1
        self.levels: list[int] = []  # by suite, the depth of its element
        self.depth = 0
        self.in_cdata = False
        self.case: Attributes | None = None  # the test case that is open
        self.element: Element | None = None  # the same, once it has children
        self.plain = True  # no test case is open that has children
        self.inside = 0  # how many elements are open inside it
        self.children = 0
        self.stack: list[tuple[Element | None, CappedText | None, bool]] = []
        self.outer: list[tuple[Any, ...]] = []  # test cases around the one that is open
        self.collector: CappedText | None = None  # of a suite's output or property
        self.property = ""

        self.begin()

    def begin(self, encoding: str | None = None) -> None:
        """A new parser; `encoding` counts more than what the document declares."""
        self.given = 0
        self.parser = parser = expat.ParserCreate(encoding)
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.StartElementHandler = self.start_root
        parser.EndElementHandler = self.end
        parser.StartDoctypeDeclHandler = self.doctype
        parser.SkippedEntityHandler = self.skipped_entity
        if self.by_pattern:
            parser.XmlDeclHandler = self.declaration
            parser.StartCdataSectionHandler = self.start_cdata
            parser.EndCdataSectionHandler = self.end_cdata

    # --- feeding -----------------------------------------------------------------------------------------------

    def read(self, chunks: Iterable[bytes]) -> None:
        """Feed everything. What goes wrong with the content stands in `error` and `code` afterwards."""
        digest = hashlib.sha256()
        broken: str | None = None
        try:
            for chunk in chunks:
                if not self.fed and chunk.startswith(BOM_UTF8):
                    self.begin("utf-8")
                if len(self.head) < _HEAD:
                    self.head += chunk[: _HEAD - len(self.head)]
                digest.update(chunk)
                if self.error is None:
                    self.feed(chunk, final=False)
        except BrokenOffError as problem:
            broken = str(problem)
        if self.error is None and broken is None:
            self.feed(b"", final=True)
        elif self.error is None:
            self.error = broken
        self.document.digest = digest.hexdigest()
        self.parser.StartElementHandler = self.parser.EndElementHandler = None  # they refer back to us
        self.parser.CharacterDataHandler = None
        self.parser.StartDoctypeDeclHandler = self.parser.SkippedEntityHandler = None
        self.parser.XmlDeclHandler = None
        self.parser.StartCdataSectionHandler = self.parser.EndCdataSectionHandler = None

    def feed(self, chunk: bytes, *, final: bool) -> None:
        parser, settings = self.parser, self.settings
        try:
            if self.by_pattern and not final:
                self.feed_around_plain(chunk)
            else:
                self.parse(chunk, final=final)
        except expat.ExpatError as problem:
            self.code = problem.code
            line, column = problem.lineno, problem.offset + 1
            if self.repairing and line == 1:
                column -= len(OPENING)
            self.error = f"line {line}, column {max(column, 1)}: {expat.ErrorString(problem.code)}"
        except (LookupError, ValueError) as problem:  # from the codec that the declaration names
            self.code = _UNKNOWN_ENCODING
            self.error = f"line {parser.ErrorLineNumber}, column {parser.ErrorColumnNumber + 1}: {problem}"
        if len(self.document.cases) > settings.max_cases:
            raise UnreadableError(f"more than {settings.max_cases:,} test cases (setting max_cases)")
        self.fed += len(chunk)
        if self.fed > settings.max_held:  # a shorter report cannot have longer names
            hold(self.document, sum(map(len, islice(self.document.cases.names, self.weighed, None))), settings)
            self.weighed = len(self.document.cases)
        if self.error is None and self.given - parser.CurrentByteIndex > settings.max_token_bytes:
            refuse_token(parser.CurrentLineNumber, settings)

    def parse(self, piece: bytes, *, final: bool = False) -> None:
        self.given += len(piece)
        self.parser.Parse(piece, final)

    def feed_around_plain(self, chunk: bytes) -> None:
        """Feed what is not a plain test case. They are looked for wherever such an element may stand: behind each piece
        that was fed, expat tells whether it is between two elements of a suite or inside of something."""
        text = chunk.decode("latin-1")  # each byte a character, for patterns of ASCII alone
        if self.form is None:
            found = plain.first_form(text)
            if found is None:
                self.parse(chunk)
                return
            self.form, end = found
            self.parse(chunk[:end])
            text = text[end:]
        split = plain.split(self.form, text)
        between = split.between
        kept, last = 0, len(between) - 1
        for number in [number for number, other in enumerate(between) if other or not number]:
            self.keep_plain(split, kept, number)
            kept = number
            self.parse(between[number].encode("latin-1"))
            if not self.is_between_cases():
                if number < last:  # it only looks like a test case, or must wait for the end of a token
                    self.parse(text[plain.beginning(self.form, text, number) :].encode("latin-1"))
                return
        self.keep_plain(split, kept, last)

    def is_between_cases(self) -> bool:
        """Whether a test case may begin here: directly in a suite, and behind everything that expat has been given."""
        return (
            self.begun
            and self.case is None
            and self.suite >= 0
            and self.depth == self.levels[self.suite]
            and not self.in_cdata
            and self.by_pattern
            and self.parser.CurrentByteIndex == self.given
        )

    def keep_plain(self, split: plain.Found, start: int, stop: int) -> None:
        if start == stop:
            return
        self.left_out = True
        cases, count = self.document.cases, stop - start
        classnames, names, files, times = split.columns(start, stop)
        cases.classnames += map(intern, classnames) if classnames else [""] * count
        cases.names += names or [""] * count
        cases.files += map(intern, files) if files else [""] * count
        cases.suites += array("i", [self.suite]) * count
        cases.durations += map(self.seconds, times) if times else [None] * count

    # --- expat's handlers --------------------------------------------------------------------------------------

    def doctype(self, name: str, system: str | None, public: str | None, subset: bool) -> None:
        refuse_doctype(self.parser.CurrentLineNumber, name, subset=subset)

    def skipped_entity(self, name: str, parameter: bool) -> None:
        """A reference to what only a document type elsewhere could declare, which is not looked at."""
        if self.parser.CharacterDataHandler is not None and not parameter:
            self.parser.CharacterDataHandler(f"&{name};")

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ASCII_ABOVE:
            self.by_pattern = False

    def start_cdata(self) -> None:
        self.in_cdata = True

    def end_cdata(self) -> None:
        self.in_cdata = False

    def start_root(self, name: str, attributes: Attributes) -> None:
        local = name.rpartition(":")[2]
        if local == ROOT and self.repairing:
            return
        if local not in foreign.JUNIT_ROOTS:
            kind = ForeignError if foreign.holds_no_tests(local) else UnreadableError
            raise kind(f"it is not JUnit XML but {foreign.by_root(local, attributes.get('xmlns', ''))}")
        self.parser.StartElementHandler = self.start_first
        if local == "testcase":
            self.open_suite("testsuite", {})
            self.levels[-1] = -1  # it is no element: nothing may stand behind the root
        self.start_first(name, attributes)

    def start_first(self, name: str, attributes: Attributes) -> None:
        """What stands before the first test case, and that."""
        if name.rpartition(":")[2] == "testcase":
            self.document.first_case = attributes
            self.begun = True
            self.parser.StartElementHandler = self.start
        self.start(name, attributes)

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "testcase" and self.case is None:
            if len(attributes) > self.settings.max_attributes:
                refuse_attributes(self.parser.CurrentLineNumber, name, len(attributes), self.settings)
            self.case = attributes
            return
        local = name.rpartition(":")[2] if ":" in name else name
        self.depth += 1
        if self.depth > self.settings.max_depth:
            refuse_depth(self.parser.CurrentLineNumber, self.settings)
        if len(attributes) > self.settings.max_attributes:
            refuse_attributes(self.parser.CurrentLineNumber, name, len(attributes), self.settings)
        if self.case is not None:
            self.start_inside(local, attributes)
        else:
            self.start_outside(local, attributes)

    def end(self, name: str) -> None:
        case = self.case
        if case is None:
            self.end_outside(name.rpartition(":")[2] if ":" in name else name)
        elif self.plain:
            self.end_plain(case)
            self.case = None
        elif self.inside:
            self.end_inside()
        else:
            self.end_case(case)

    # --- suites ------------------------------------------------------------------------------------------------

    def open_suite(self, tag: str, attributes: Attributes) -> None:
        suites = self.document.suites
        if len(suites) >= self.settings.max_suites:
            raise UnreadableError(f"more than {self.settings.max_suites:,} test suites (setting max_suites)")
        hold(self.document, sum(map(len, attributes)) + sum(map(len, attributes.values())), self.settings)
        suites.append(Suite(tag, attributes, self.suite))
        self.levels.append(self.depth)
        self.suite = len(suites) - 1

    def start_outside(self, local: str, attributes: Attributes) -> None:
        if local in _SUITES:
            self.open_suite(local, attributes)
        elif local == "testcase":
            self.depth -= 1
            self.case = attributes
        elif local == "property":
            self.property = attributes.get("name", "")
            if "value" in attributes:
                self.keep_property(attributes["value"])
            else:
                self.collect(_MAX_PROPERTY)
        elif local in cases.OUTPUTS:
            self.collect(self.settings.max_output)
        elif local in ("error", "failure"):
            suite = self.document.suites[self.suite].name if self.suite >= 0 else ""
            message = attributes.get("message", "") or attributes.get("type", "")
            if len(self.document.notes) < 20:
                self.document.notes.append(
                    f"suite {suite[:200]!r} reports an {local} outside its tests: {message[:200]}"
                )
        elif local not in ("properties", "skipped"):
            self.unknown = self.unknown or local

    def end_outside(self, local: str) -> None:
        self.depth -= 1
        if self.collector is not None:
            text = self.collector.text()
            self.collector = None
            self.parser.CharacterDataHandler = None
            if local == "property":
                self.keep_property(text)
            elif self.suite >= 0 and text and not text.isspace():
                suite = self.document.suites[self.suite]
                hold(self.document, len(text), self.settings)
                suite.output = capped(f"{suite.output}\n{text}".strip(), self.settings.max_output)
        elif local in _SUITES and self.suite >= 0:
            self.suite = self.document.suites[self.suite].parent

    def collect(self, limit: int) -> None:
        self.collector = CappedText(limit)
        self.parser.CharacterDataHandler = self.collector.add

    def keep_property(self, value: str) -> None:
        if self.suite >= 0 and self.property:
            properties = self.document.suites[self.suite].properties
            if len(properties) < _MAX_PROPERTIES:
                name, value = self.property[:200], value[:_MAX_PROPERTY]
                properties.setdefault(name, value)
                hold(self.document, len(name) + len(value), self.settings)

    # --- test cases --------------------------------------------------------------------------------------------

    def start_inside(self, local: str, attributes: Attributes) -> None:
        self.plain = False
        parent, collector, _ = self.stack[-1] if self.stack else (None, None, False)
        self.inside += 1
        child: Element | None = None
        own = False
        if not self.stack:
            if local == "testcase":  # some writers put subtests inside their test
                self.inside -= 1
                self.outer.append((self.case, self.element, self.inside, self.children))
                self.case, self.element, self.inside, self.children = attributes, None, 0, 0
                return
            if local == "properties":
                self.stack.append((None, None, False))
                return
            self.children += 1
            wanted = local in cases.RESULTS or local in cases.RERUNS or local in cases.OUTPUTS
            if wanted and self.children <= self.settings.max_children:
                if self.element is None:
                    assert self.case is not None
                    self.element = Element("testcase", self.case)
                child, own = SubElement(self.element, local, self.bounded(attributes)), True
        elif parent is not None:
            if local in _KEPT_INSIDE_RESULTS and parent.tag in cases.RERUNS and len(parent) < 10:
                child, own = SubElement(parent, local), True
            else:  # an element inside a failure's text: its text belongs to the failure
                child = parent
        elif local == "property":
            self.case_property(attributes)
        if own:
            collector = CappedText(self.settings.max_output if local in cases.OUTPUTS else self.settings.max_text)
        elif child is None:
            collector = None
        self.stack.append((child, collector, own))
        self.parser.CharacterDataHandler = collector.add if collector is not None else None

    def case_property(self, attributes: Attributes) -> None:
        if cases.names_xdist_worker(attributes):
            self.document.signs.add("xdist")
        elif excused := cases.excused_failure(attributes):
            self.children += 1
            if self.children <= self.settings.max_children:
                tag, message, text = excused
                if self.element is None:
                    assert self.case is not None
                    self.element = Element("testcase", self.case)
                failure = SubElement(self.element, tag, self.bounded({"message": message}))
                failure.text = capped(text, self.settings.max_text)

    def bounded(self, attributes: Attributes) -> Attributes:
        limit = self.settings.max_message
        if any(len(value) > limit for value in attributes.values()):
            return {key: capped(value, limit) for key, value in attributes.items()}
        return attributes

    def end_inside(self) -> None:
        self.inside -= 1
        self.depth -= 1
        element, collector, own = self.stack.pop()
        if own and element is not None and collector is not None:
            element.text = collector.text()
        above = self.stack[-1][1] if self.stack else None
        self.parser.CharacterDataHandler = above.add if above is not None else None

    def end_plain(self, case: Attributes) -> None:
        """The end of a test case without children: its attributes are all there is."""
        detail = None
        if "status" in case or "result" in case or "executed" in case:
            detail = self.stated(case)
        if "timestamp" in case:
            self.document.timestamps[1:] = [case["timestamp"]]
        self.keep(case, detail)

    def keep(self, case: Attributes, detail: CaseDetail | None) -> None:
        get = case.get
        cases = self.document.cases
        if detail is not None:
            cases.details[len(cases.names)] = detail
        cases.classnames.append(intern(get("classname", "")))
        cases.names.append(get("name", ""))
        cases.files.append(intern(get("file", "")))
        cases.suites.append(self.suite)
        cases.durations.append(self.seconds(get("time", "")))

    def stated(self, case: Attributes) -> CaseDetail | None:
        """The outcome in the attributes, counted."""
        detail = cases.by_attributes(case)
        if detail is not None:
            self.document.failures += detail.outcome is Outcome.FAILED
            self.document.errors += detail.outcome is Outcome.ERROR
            self.document.skipped += detail.outcome is Outcome.SKIPPED
        return detail

    def end_case(self, case: Attributes) -> None:
        """The end of a test case with children."""
        document = self.document
        tags = {child.tag for child in self.element} if self.element is not None else set()
        if self.element is not None and tags - cases.OUTPUTS:
            said = cases.by_children(self.element, document.signs)
            detail: CaseDetail | None = affordable(document, said, self.settings)
            document.failures += "failure" in tags
            document.errors += "error" in tags
            document.skipped += "skipped" in tags
        else:
            detail = self.stated(case)
        if when := case.get("timestamp"):
            document.timestamps[1:] = [when]
        self.keep(case, detail)
        self.close_case()

    def close_case(self) -> None:
        if self.outer:
            self.case, self.element, self.inside, self.children = self.outer.pop()
            self.depth -= 1
        else:
            self.case, self.element, self.inside, self.children = None, None, 0, 0
            self.plain = True
