"""A report of whatever kind as a document: JUnit XML by its own reader, anything else by that of its format."""

from __future__ import annotations

from flakediag.junit.dialects import Dialect
from flakediag.junit.document import Document
from flakediag.junit.peek import Chunks, Peeked
from flakediag.junit.problems import BrokenOffError
from flakediag.junit.reader import read_document
from flakediag.junit.settings import KIB, ReadSettings

_SIGHT = 4 * KIB  # bytes in which nearly every JUnit XML shows itself
_HEAD = 64 * KIB  # bytes that are looked at for anything else


def read_any(path: str, chunks: Chunks, settings: ReadSettings) -> tuple[Document, Dialect | None]:
    """Read one report; with the dialect of its format, None where it is JUnit XML and its producer has to be told.

    Raises `UnreadableError` where there is nothing in it to keep.
    """
    peeked = Peeked(chunks)
    try:
        head = peeked.head(_SIGHT)
        if b"<testsuite" not in head:
            from flakediag.junit import formats  # most reports need none of them

            if found := formats.format_of(peeked.head(_HEAD)):
                return formats.read_format(found, path, peeked, settings)
    except BrokenOffError:  # it is broken within its first bytes; the reader says how
        peeked = Peeked(chunks)
    return read_document(path, peeked, settings), None


def is_format(chunks: Chunks) -> bool:
    """Whether this is a report of another format than JUnit XML."""
    from flakediag.junit import formats

    return formats.format_of(Peeked(chunks).head(_HEAD)) is not None
