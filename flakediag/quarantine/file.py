"""The file of the quarantine: JSON that is versioned with the code, so that a decision is reviewed like code."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from flakediag.errors import UsageError
from flakediag.model import QuarantineEntry

NAME = "flakediag-quarantine.json"
SCHEMA_VERSION = 1

_NEEDED = ("test", "signature", "reason", "added", "expires")
_KEYS = ("test", "signature", "reason", "owner", "ticket", "added", "expires")


def nearest(directory: Path) -> Path | None:
    """The file in `directory` or a folder above it, as far as the top of the working tree (or of the disk)."""
    for folder in (directory, *directory.parents):
        if (folder / NAME).is_file():
            return folder / NAME
        if (folder / ".git").exists():
            return None
    return None


def usual(directory: Path) -> Path:
    """Where a new file belongs: beside the nearest pyproject.toml or at the top of the working tree."""
    for folder in (directory, *directory.parents):
        if (folder / "pyproject.toml").is_file() or (folder / ".git").exists():
            return folder / NAME
    return directory / NAME


def read(path: Path) -> tuple[QuarantineEntry, ...]:
    """The entries of the file. Raises `UsageError`, naming file and entry, for anything that is not understood."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no quarantine file {path}", "flakediag quarantine add makes one") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}, line {error.lineno}: not valid JSON: {error.msg}") from error
    except ValueError as error:
        raise UsageError(f"{path}: not UTF-8 text") from error
    except RecursionError:
        raise UsageError(f"{path}: not a quarantine file: nested too deeply") from None
    if not isinstance(document, dict) or "schema_version" not in document:
        raise UsageError(f"{path}: not a quarantine file: it has no schema_version")
    if document["schema_version"] != SCHEMA_VERSION:
        raise UsageError(
            f"{path}: schema_version {document['schema_version']!r} is not known, only {SCHEMA_VERSION}",
            "it was written by another version of flakediag: use that one, or a newer one",
        )
    _refuse_unknown(document, ("schema_version", "entries"), f"{path}")
    rows = document.get("entries")
    if not isinstance(rows, list):
        raise UsageError(f"{path}: entries must be a list")
    places: dict[tuple[str, str | None], int] = {}
    entries = []
    for place, row in enumerate(rows, 1):
        entry = _entry(row, f"{path}: entry {place}")
        before = places.setdefault((entry.test, entry.signature), place)
        if before != place:
            raise UsageError(f"{path}: entry {place} ({entry.test}) repeats entry {before}", "keep one of them")
        entries.append(entry)
    return tuple(sorted(entries, key=_order))


def _entry(row: object, where: str) -> QuarantineEntry:
    if not isinstance(row, dict):
        raise UsageError(f"{where} must be an object")
    if isinstance(row.get("test"), str):
        where += f" ({row['test']})"
    _refuse_unknown(row, _KEYS, where)
    missing = [key for key in _NEEDED if key not in row]
    if missing:
        # A signature that is left out must not silently excuse every way of failing.
        hint = "null excuses every way of failing" if "signature" in missing else None
        raise UsageError(f"{where} lacks {', '.join(missing)}", hint)
    for key in ("test", "reason", "signature", "owner", "ticket"):
        value = row.get(key)
        optional = key not in ("test", "reason") and value is None
        if not optional and not (isinstance(value, str) and value.strip()):
            raise UsageError(f"{where}: {key} must be text")
    return QuarantineEntry(
        test=row["test"],
        signature=row["signature"],
        reason=row["reason"],
        owner=row.get("owner"),
        ticket=row.get("ticket"),
        added=_day(row["added"], f"{where}: added"),
        expires=_day(row["expires"], f"{where}: expires"),
    )


def _day(value: object, where: str) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise UsageError(f"{where} must be a day such as 2026-03-31, not {value!r}") from None


def _refuse_unknown(row: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in row:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
            raise UsageError(f"{where} has the unknown key {key!r}", hint)


def text(entries: Iterable[QuarantineEntry]) -> str:
    """The content of the file: sorted, one key a line, so that a change of one entry is a change of its lines only.

    Characters that an editor does not show (bidirectional overrides, controls) are written as escapes: people review
    this.
    """
    rows = [_row(entry) for entry in sorted(entries, key=_order)]
    document = {"schema_version": SCHEMA_VERSION, "entries": rows}
    plain = json.dumps(document, indent=2, ensure_ascii=False)
    return "".join(f"{shown(line)}\n" for line in plain.split("\n"))


def shown(text: str) -> str:
    """`text` on one line, with what neither an editor nor a terminal shows as escapes."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _row(entry: QuarantineEntry) -> dict[str, str | None]:
    row: dict[str, str | None] = {"test": entry.test, "signature": entry.signature, "reason": entry.reason}
    row |= {key: value for key, value in (("owner", entry.owner), ("ticket", entry.ticket)) if value is not None}
    return row | {"added": entry.added.isoformat(), "expires": entry.expires.isoformat()}


def _order(entry: QuarantineEntry) -> tuple[str, str]:
    return entry.test, entry.signature or ""
