"""What no XML that is read here may do: the refusals that its readers share."""

from __future__ import annotations

from typing import NoReturn

from flakediag.junit.problems import UnreadableError
from flakediag.junit.settings import ReadSettings


def refuse_doctype(line: int, name: str, *, subset: bool) -> None:
    """Refuse a document type that declares something. One that only names or points at something is passed over:
    nothing is ever fetched, so that it says nothing."""
    if name.lower() == "html":
        raise UnreadableError("it is an HTML page")
    if subset:
        raise UnreadableError(
            f"line {line}: its document type (<!DOCTYPE {name[:60]} […]>) has declarations of its own, "
            "which no report needs and which could expand to anything; remove them to have the file read"
        )


def refuse_depth(line: int, settings: ReadSettings) -> NoReturn:
    raise UnreadableError(f"line {line}: more than {settings.max_depth} elements inside each other (setting max_depth)")


def refuse_attributes(line: int, name: str, count: int, settings: ReadSettings) -> NoReturn:
    raise UnreadableError(
        f"line {line}: <{name[:60]}> has {count:,} attributes "
        f"(at most {settings.max_attributes:,}: setting max_attributes)"
    )


def refuse_token(line: int, settings: ReadSettings) -> NoReturn:
    raise UnreadableError(
        f"line {line}: a single tag or comment of more than {settings.max_token_bytes:,} bytes "
        "(setting max_token_bytes)"
    )
