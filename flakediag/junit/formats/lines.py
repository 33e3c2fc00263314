"""A text file as lines, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from flakediag.junit.problems import BrokenOffError, UnreadableError
from flakediag.junit.repair import as_utf8
from flakediag.junit.settings import ReadSettings


def tell(chunks: Iterable[bytes], settings: ReadSettings, line: Callable[[str], None], end: Callable[[], str]) -> None:
    """Give every line to `line`, then call `end`, which says what is missing, if anything.

    Raises `BrokenOffError` for that, or where the file breaks off: when everything before has been told.
    """
    broken: BrokenOffError | None = None
    try:
        for each in lines(chunks, settings):
            line(each)
    except BrokenOffError as problem:
        broken = problem
    missing = end()
    if broken is not None:
        raise broken
    if missing:
        raise BrokenOffError(missing)


def lines(chunks: Iterable[bytes], settings: ReadSettings) -> Iterator[str]:
    """Every line without its end. Raises `UnreadableError` for one that is longer than any real one.

    A file that breaks off gives the complete lines before it raises `BrokenOffError`.
    """
    held: list[bytes] = []  # the pieces of a line whose end has not come yet
    size = number = 0
    broken: BrokenOffError | None = None
    pieces = as_utf8(chunks)
    while True:
        try:
            piece = next(pieces, None)
        except BrokenOffError as problem:
            piece, broken = None, problem
        if piece is None:
            break
        *complete, rest = piece.split(b"\n")
        for line in complete:
            number += 1
            if held:
                held.append(line)
                line = b"".join(held)
                held, size = [], 0
            yield line.decode("utf-8").removesuffix("\r")
        held.append(rest)
        size += len(rest)
        if size > settings.max_token_bytes:
            raise UnreadableError(
                f"line {number + 1} has more than {settings.max_token_bytes:,} bytes (setting max_token_bytes)"
            )
    if held and size and broken is None:
        yield b"".join(held).decode("utf-8").removesuffix("\r")
    if broken is not None:
        raise broken
