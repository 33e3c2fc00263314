"""What failures say, once for each distinct content of a project and month, compressed against its like."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from flakediag.history import details
from flakediag.history.server import rows
from flakediag.history.server.connecting import Connection
from flakediag.history.server.encoding import Encoder


class Shelf(NamedTuple):
    """Where texts are kept: they go with the results of their month."""

    project: int
    month: int


class _Base(NamedTuple):
    """A detail that others are compressed against, and its plain content."""

    detail: bytes
    content: bytes


def write(conn: Connection, failed: Mapping[Shelf, Mapping[bytes, Collection[bytes]]], encoder: Encoder) -> None:
    """Add what is missing of these signatures and their details.

    Raises `OvertakenError` where somebody else makes one of the signatures: then theirs is the example.
    """
    signatures = list[tuple[int, int, bytes, str, bytes | None]]()
    added = list[tuple[int, int, bytes, bytes | None, bytes]]()
    for shelf, found in sorted(failed.items()):
        known = _bases(conn, shelf, found)
        missing = _missing(conn, shelf, [detail for mine in found.values() for detail in mine])
        for signature, mine in sorted(found.items()):
            base = known.get(signature)
            new = sorted(missing.intersection(mine))
            if base is None and new:
                base = _Base(new[0], zlib.decompress(encoder.said[new[0]].content))
                added.append((*shelf, base.detail, None, details.compress(base.content, None)))
                new = new[1:]
            for detail in new:
                assert base is not None
                content = zlib.decompress(encoder.said[detail].content)
                added.append((*shelf, detail, base.detail, details.compress(content, base.content)))
            if signature not in known:
                signatures.append((*shelf, signature, encoder.signatures[signature], base and base.detail))
    rows.claim(conn, "signatures", "project, month, signature, text, example", signatures)
    added.sort(key=lambda row: row[:3])
    rows.insert(conn, "details", "project, month, detail, base, content", added)


def _bases(conn: Connection, shelf: Shelf, signatures: Iterable[bytes]) -> dict[bytes, _Base | None]:
    """Those of the signatures that are there, with their examples."""
    found = conn.execute(
        "SELECT s.signature, d.detail, d.content FROM flakediag.signatures s LEFT JOIN flakediag.details d"
        " ON d.project = s.project AND d.month = s.month AND d.detail = s.example AND d.base IS NULL"
        " WHERE s.project = %s AND s.month = %s AND s.signature = ANY(%s)",
        (*shelf, list(signatures)),
    )
    return {row[0]: _Base(row[1], details.decompress(row[2], None)) if row[1] else None for row in found}


def _missing(conn: Connection, shelf: Shelf, wanted: Collection[bytes]) -> set[bytes]:
    found = conn.execute(
        "SELECT detail FROM flakediag.details WHERE project = %s AND month = %s AND detail = ANY(%s)",
        (*shelf, list(wanted)),
    )
    return set(wanted) - {row[0] for row in found}
