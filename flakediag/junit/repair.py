"""Bytes that are almost XML, made into XML: the second reading of a file whose first one failed.

Masks what no XML may hold (control characters, bytes that do not belong to the encoding, references to characters
that do not exist), reads encodings that expat does not know, and puts everything under one root so that text before
the document, and a second document after it, do no harm. Nothing here resolves or expands anything.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from flakediag.expressions import expression

ROOT = "flakediag-salvaged"
OPENING = f"<{ROOT}>"
MASK = "\N{REPLACEMENT CHARACTER}"

ILLEGAL = expression("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCE = expression(r"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,10}));")
_UNKNOWN_ENTITY = expression(r"&(?!(?:amp|lt|gt|quot|apos);|#[0-9]|#x[0-9a-fA-F])")
_DECLARATION = expression(r"<\?xml\s[^>]{0,200}\?>")
# A document type that declares nothing. One that does keeps the document from being read.
_DOCTYPE = expression(r"\A(\s*(?:<\?xml\s[^>]{0,200}\?>)?\s*)(<!DOCTYPE\s[^\[\]<>]{1,2000}>)")
_START = expression(r"<\?xml\s|<(?:\w+:)?(?:testsuites?|testcase|testrun)\b|<!DOCTYPE|<html", re.IGNORECASE)
_UNDECODED = expression("\udced[\udca0-\udcaf][\udc80-\udcbf]\udced[\udcb0-\udcbf][\udc80-\udcbf]|[\udc80-\udcff]")
_BEGUN = "\udced(?:[\udca0-\udcaf](?:[\udc80-\udcbf](?:\udced[\udcb0-\udcbf]?)?)?)?"  # of the first kind above
_INCOMPLETE = expression(f"&[#\\w]{{0,12}}\\Z|<(?:\\?[^>]{{0,200}})?\\Z|{_BEGUN}\\Z")
_LONGEST_START = 40  # characters that `_START` may need to see together
_HEAD = 4096

# Not encodings of a report: ways of writing something else, or ambiguous enough to hide markup.
_UNTRUSTED = frozenset(
    {"utf-7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\x00\x00\x00", "utf-32-le"),
    (b"\x00\x00\x00<", "utf-32-be"),
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
    (b"{\x00", "utf-16-le"),
    (b"\x00{", "utf-16-be"),
)
_DECLARED = expression(rb"""<\?xml\s[^>]{0,120}encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")


@dataclass(slots=True)
class Repairs:
    """What was changed, for people."""

    encoding: str = "utf-8"
    masked: int = 0
    undecodable: int = 0

    def describe(self) -> str:
        parts = []
        if self.masked:
            parts.append(f"{self.masked} characters that XML may not hold were masked")
        if self.undecodable:
            parts.append(f"{self.undecodable} characters that are not {self.encoding} were read as Latin-1")
        return "; ".join(parts) or f"read as {self.encoding}, as one document"


def encoding_of(head: bytes) -> str:
    """The encoding that a file beginning with `head` is written in, as far as it tells."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    declared = _DECLARED.search(head[:1000])
    if declared is None:
        return "utf-8"
    name = declared[1].decode("ascii")
    try:
        found = codecs.lookup(name).name
    except LookupError:
        return "utf-8"
    # A declaration that could be read byte by byte is not UTF-16, whatever it says.
    if found in _UNTRUSTED or found.startswith(("utf-16", "utf-32")):
        return "utf-8"
    try:
        b"<".decode(found)  # of nothing at all, any codec makes nothing
    except (LookupError, ValueError):  # a codec, but not one of text
        return "utf-8"
    return found


def _errors_in(encoding: str) -> str:
    """The handler of what cannot be decoded, which keeps the bytes of encodings that are made of single ones."""
    if encoding == "utf-8":
        return "surrogateescape"  # which is quick
    return "replace" if encoding.startswith(("utf-16", "utf-32")) else "flakediag-undecodable"


def _undecodable(problem: UnicodeError) -> tuple[str, int]:
    """As "surrogateescape", which does not take bytes of ASCII: some encodings of Asia have such among their errors."""
    assert isinstance(problem, UnicodeDecodeError)
    bad = problem.object[problem.start : problem.end]
    return bad.decode("ascii", "surrogateescape") if max(bad) > 0x7F else MASK * len(bad), problem.end


codecs.register_error("flakediag-undecodable", _undecodable)


def _latin(match: re.Match[str]) -> str:
    """What bytes that could not be decoded stand for: a pair of surrogates written as UTF-8, else Latin-1."""
    bad = match[0].encode("utf-8", "surrogateescape")
    if len(bad) == 1:
        return bad.decode("latin-1")
    return bad.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16")


def as_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The text in `chunks` as UTF-8, whatever a byte order mark says that it is; bytes that do not fit as Latin-1."""
    pieces = _with_head(chunks)
    head = next(pieces, b"")
    encoding = encoding_of(head)
    if encoding == "utf-8":
        head = head.removeprefix(codecs.BOM_UTF8)
    wide = encoding.startswith(("utf-16", "utf-32"))
    decoder = codecs.getincrementaldecoder(encoding)("replace" if wide else "surrogateescape")
    for chunk in chain((head,), pieces, (b"",)):
        text = decoder.decode(chunk, final=not chunk)
        if not text.isascii():
            text = _UNDECODED.sub(_latin, text.removeprefix("\ufeff") if chunk is head else text)
        yield text.encode("utf-8", "replace")


def repaired(chunks: Iterable[bytes], repairs: Repairs, *, entities: bool) -> Iterator[bytes]:
    """The document in `chunks` as UTF-8 under one root element; `entities` escapes `&` before unknown names too."""

    def mask(match: re.Match[str]) -> str:
        number = int(match[1], 16) if match[1] else int(match[2])
        fine = number in (0x9, 0xA, 0xD) or 0x20 <= number < 0xD800 or 0xE000 <= number < 0x110000
        if fine and number not in (0xFFFE, 0xFFFF):
            return match[0]
        repairs.masked += 1
        return MASK

    def clean(text: str) -> bytes:
        if not text.isascii():
            text, count = _UNDECODED.subn(_latin, text)
            repairs.undecodable += count
        text, count = ILLEGAL.subn(MASK, text)
        repairs.masked += count
        if "&" in text:
            text = _REFERENCE.sub(mask, text)
            if entities:
                text, count = _UNKNOWN_ENTITY.subn("&amp;", text)
                repairs.masked += count
        if "<?xml" in text:
            text = _DECLARATION.sub(lambda match: " " * len(match[0]), text)
        return text.encode("utf-8")

    pieces = _with_head(chunks)
    head = next(pieces, b"")
    repairs.encoding = encoding_of(head)
    decoder = codecs.getincrementaldecoder(repairs.encoding)(_errors_in(repairs.encoding))
    held = ""
    started = False
    yield OPENING.encode()
    for chunk in chain((head,), pieces, (b"",)):
        text = held + decoder.decode(chunk, final=not chunk)
        if not started:
            # Text before the document is blanked out rather than cut off, so that lines keep their numbers.
            start = _START.search(text)
            keep = start.start() if start else max(0, len(text) - _LONGEST_START) if chunk else len(text)
            yield re.sub(r"[^\n]", " ", text[:keep].removeprefix("\ufeff")).encode()
            text = _DOCTYPE.sub(lambda match: match[1] + re.sub(r"[^\n]", " ", match[2]), text[keep:])
            started = start is not None
            if not started:
                held = text
                continue
        partial = _INCOMPLETE.search(text, max(0, len(text) - 210)) if chunk else None
        held = text[partial.start() :] if partial else ""
        yield clean(text[: partial.start()] if partial else text)
    yield f"</{ROOT}>".encode()


def _with_head(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, the first of them long enough to tell the encoding by; shorter only where the file is."""
    waiting = iter(chunks)
    head = b""
    for chunk in waiting:
        head += chunk
        if len(head) >= _HEAD:
            break
    yield head
    yield from waiting
