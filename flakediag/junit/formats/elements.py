"""XML that is no JUnit XML, as a stream of the elements that say something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element, SubElement
from xml.parsers import expat

from flakediag.junit.hardened import refuse_attributes, refuse_depth, refuse_doctype, refuse_token
from flakediag.junit.problems import BrokenOffError
from flakediag.junit.repair import ILLEGAL, MASK, as_utf8
from flakediag.junit.settings import ReadSettings
from flakediag.junit.text import CappedText, capped


def elements(
    chunks: Iterable[bytes], settings: ReadSettings, *, whole: frozenset[str], opened: frozenset[str]
) -> Iterator[Element]:
    """The elements named in `whole` when they end, with what is in them; those in `opened` when they begin, without.

    An element of `whole` inside another one stands for itself: the outer one comes after it, and without it. Names
    come without their namespace, texts capped. Raises `UnreadableError` beyond a limit and `BrokenOffError` where the
    document breaks off or is not well formed.
    """
    stream = _Stream(settings, whole, opened)
    for chunk in as_utf8(chunks):
        stream.feed(ILLEGAL.sub(MASK, chunk.decode("utf-8")).encode("utf-8"), final=False)
        yield from stream.take()
        stream.check()
    stream.feed(b"", final=True)
    yield from stream.take()
    stream.check()


class _Stream:
    """expat's handlers, and the elements that are open."""

    def __init__(self, settings: ReadSettings, whole: frozenset[str], opened: frozenset[str]) -> None:
        self._settings = settings
        self._whole = whole
        self._opened = opened
        self._ready: list[Element] = []
        self._open: list[tuple[Element, CappedText] | None] = []  # None: of no interest
        self._children: list[int] = []  # of the whole elements that are open
        self._problem: str | None = None
        self._fed = 0
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, chunk: bytes, *, final: bool) -> None:
        if self._problem is not None:
            return
        parser = self._parser
        try:
            parser.Parse(chunk, final)
        except expat.ExpatError as problem:
            self._problem = f"line {problem.lineno}, column {problem.offset + 1}: {expat.ErrorString(problem.code)}"
        self._fed += len(chunk)
        if self._fed - parser.CurrentByteIndex > self._settings.max_token_bytes:
            refuse_token(parser.CurrentLineNumber, self._settings)

    def take(self) -> list[Element]:
        ready, self._ready = self._ready, []
        return ready

    def check(self) -> None:
        if self._problem is not None:
            raise BrokenOffError(self._problem)

    def _doctype(self, name: str, system: str | None, public: str | None, subset: bool) -> None:
        refuse_doctype(self._parser.CurrentLineNumber, name, subset=subset)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        line, settings = self._parser.CurrentLineNumber, self._settings
        if len(self._open) >= settings.max_depth:
            refuse_depth(line, settings)
        if len(attributes) > settings.max_attributes:
            refuse_attributes(line, name, len(attributes), settings)
        local = name.rpartition(":")[2]
        if local in self._whole:
            element: Element | None = Element(local, attributes)
            self._children.append(0)
        elif self._children and self._open[-1] is not None:
            self._children[-1] += 1
            bounded = {key: capped(value, settings.max_message) for key, value in attributes.items()}
            wanted = self._children[-1] <= settings.max_children
            element = SubElement(self._open[-1][0], local, bounded) if wanted else None
        else:
            element = None
            if local in self._opened:
                self._ready.append(Element(local, attributes))
        self._open.append((element, CappedText(settings.max_text)) if element is not None else None)

    def _end(self, name: str) -> None:
        last = self._open.pop()
        if last is None:
            return
        element, text = last
        element.text = text.text()
        if element.tag in self._whole:
            self._children.pop()
            self._ready.append(element)

    def _text(self, text: str) -> None:
        if self._open and self._open[-1] is not None:
            self._open[-1][1].add(text)


def text_of(element: Element, *path: str) -> str:
    """The text at this path inside an element, empty where there is none."""
    found: Element | None = element
    for name in path:
        found = found.find(name) if found is not None else None
    return (found.text or "").strip() if found is not None else ""
