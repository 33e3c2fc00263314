"""A JSON document as a stream of its parts, so that only one part at a time is in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator

from flakediag.junit.problems import BrokenOffError, UnreadableError
from flakediag.junit.repair import as_utf8
from flakediag.junit.settings import ReadSettings

Path = tuple[str, ...]
"""Where a part stands: the keys that lead to it, `ITEM` for an element of an array."""

ITEM = "[]"
END = object()
"""The value that comes with the path of a container which was looked into, when it ends."""

_BLANK = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)', re.DOTALL)
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)|([\[{])|([\]}])|,', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\]}]+")


def parts(
    chunks: Iterable[bytes], settings: ReadSettings, looked_into: Callable[[Path], bool]
) -> Iterator[tuple[Path, object]]:
    """(path, value) of everything outside the containers that `looked_into` names, and of everything inside them.

    Raises `BrokenOffError` where the document ends early or is no JSON; what came before can be used. Raises
    `UnreadableError` where one part is larger than a setting allows.
    """
    yield from _Scanner(as_utf8(chunks), settings).value((), looked_into)


class _Scanner:
    """The bytes of a document that are not used up yet, and where the next part begins in them."""

    def __init__(self, chunks: Iterator[bytes], settings: ReadSettings) -> None:
        self._chunks = chunks
        self._settings = settings
        self._bytes = b""
        self._at = 0
        self._gone = 0  # bytes used up before those in `_bytes`

    def value(self, path: Path, looked_into: Callable[[Path], bool]) -> Iterator[tuple[Path, object]]:
        kind = self._next()
        if kind not in b"[{" or not looked_into(path):
            yield path, self._whole(kind)
            return
        if len(path) > self._settings.max_depth:
            raise UnreadableError(
                f"more than {self._settings.max_depth} containers inside each other (setting max_depth)"
            )
        self._at += 1
        end = b"]" if kind == b"[" else b"}"
        first = True
        while (mark := self._next()) != end:
            if not first:
                self._expect(b",")
                mark = self._next()
            first = False
            key = ITEM
            if kind == b"{":
                if mark != b'"':
                    raise self._broken("a name was expected")
                key = str(self._whole(mark))
                self._next()
                self._expect(b":")
            yield from self.value((*path, key), looked_into)
        self._at += 1
        yield path, END

    def _next(self) -> bytes:
        """The next byte that is no blank, which stays where it is."""
        while True:
            match = _BLANK.match(self._bytes, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._bytes):
                return self._bytes[self._at : self._at + 1]
            self._more(self._at)

    def _expect(self, mark: bytes) -> None:
        if self._bytes[self._at : self._at + 1] != mark:
            raise self._broken(f"{mark.decode()!r} was expected")
        self._at += 1

    def _more(self, keep: int) -> None:
        """Take the next chunk, and forget the bytes before `keep`."""
        chunk = next(self._chunks, None)
        if chunk is None:
            raise self._broken("the document ends early")
        self._bytes = self._bytes[keep:] + chunk
        self._gone += keep
        self._at -= keep
        if len(self._bytes) > self._settings.max_value_bytes + self._settings.chunk_bytes:
            raise UnreadableError(
                f"one part of it takes more than {self._settings.max_value_bytes:,} bytes (setting max_value_bytes)"
            )

    def _whole(self, kind: bytes) -> object:
        """The value that begins here, decoded."""
        end = self._end_of_string() if kind == b'"' else self._end_of_container() if kind in b"[{" else self._end()
        text = self._bytes[self._at : end]
        try:
            value: object = json.loads(text)
        except (ValueError, RecursionError) as problem:
            raise self._broken(f"it is not JSON ({problem})") from problem
        self._at = end
        return value

    def _end(self) -> int:
        """Where a number, true, false or null ends."""
        while True:
            match = _SCALAR.match(self._bytes, self._at)
            if match is None:
                raise self._broken("a value was expected")
            if match.end() < len(self._bytes):
                return match.end()
            self._more(self._at)

    def _end_of_string(self) -> int:
        while True:
            match = _STRING.match(self._bytes, self._at)
            if match is not None and match[1]:
                return match.end()
            self._more(self._at)

    def _end_of_container(self) -> int:
        depth = seen = 0
        look = self._at
        while True:
            for match in _STRUCTURE.finditer(self._bytes, look):
                seen += 1
                if match[2]:
                    depth += 1
                elif match[3]:
                    depth -= 1
                    if not depth:
                        return match.end()
                elif match[1] == b"":  # a string that goes on in the next chunk
                    look = match.start()
                    break
                if depth > self._settings.max_depth or seen > self._settings.max_value_parts:
                    raise self._too_much(depth)
            else:
                look = len(self._bytes)
            look -= self._at
            self._more(self._at)
            look += self._at

    def _too_much(self, depth: int) -> UnreadableError:
        if depth > self._settings.max_depth:
            return UnreadableError(
                f"more than {self._settings.max_depth} containers inside each other (setting max_depth)"
            )
        return UnreadableError(
            f"one part of it holds more than {self._settings.max_value_parts:,} values (setting max_value_parts)"
        )

    def _broken(self, what: str) -> BrokenOffError:
        return BrokenOffError(f"byte {self._gone + self._at:,}: {what}")
