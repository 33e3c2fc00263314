"""The file that the gate's ratchet holds the suite to, kept with the code so that a change of it is reviewed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, TextIO

from flakediag.errors import UsageError
from flakediag.model import Metric, Ratchet, Rate

NAME = "flakediag-baseline.json"
VERSION = 1
_KEYS = {"schema_version", "updated", "rates", "flaky"}


def load(path: Path) -> Ratchet | None:
    """The stored state, None where there is no such file.

    Raises `UsageError`, naming the file and the entry, for what cannot be understood.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is not valid JSON: {error}", "set it anew with flakediag gate --ratchet --reset"
        ) from None
    try:
        return _read(document)
    except ValueError as error:
        raise UsageError(f"{path}: {error}", "set it anew with flakediag gate --ratchet --reset") from None


def _read(document: Any) -> Ratchet:
    if not isinstance(document, dict):
        raise ValueError("must hold one object")
    if unknown := sorted(set(document) - _KEYS):
        raise ValueError(f"unknown key {unknown[0]!r}")
    if missing := sorted(_KEYS - set(document)):
        raise ValueError(f"{missing[0]!r} is missing")
    if document["schema_version"] != VERSION:
        raise ValueError(f"schema_version is {document['schema_version']!r}; this flakediag reads {VERSION}")
    if not isinstance(document["rates"], dict) or Metric.TESTS not in document["rates"]:
        raise ValueError("'rates' must hold a rate for 'tests'")
    flaky = document["flaky"]
    if not isinstance(flaky, list) or not all(isinstance(each, str) for each in flaky):
        raise ValueError("'flaky' must be a list of test ids")
    try:
        updated = date.fromisoformat(document["updated"])
    except (TypeError, ValueError):
        raise ValueError("'updated' must be a date such as 2026-03-01") from None
    rates = {_metric(name): _rate(name, entry) for name, entry in document["rates"].items()}
    return Ratchet(rates=rates, flaky=frozenset(flaky), updated=updated)


def _metric(name: str) -> Metric:
    try:
        return Metric(name)
    except ValueError:
        raise ValueError(f"'rates' has the unknown metric {name!r}; known are {', '.join(Metric)}") from None


def _rate(name: str, entry: object) -> Rate:
    if not isinstance(entry, Mapping) or set(entry) != {"count", "of"}:
        raise ValueError(f"rate {name!r} must hold 'count' and 'of'")
    count, of = entry["count"], entry["of"]
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (count, of))
    if not whole or not 0 <= count <= of or of < 1:
        raise ValueError(f"rate {name!r} must count from 0 to 'of', in whole numbers")
    # Only the value is held: the interval belongs to the suite that is measured against it.
    return Rate(count, of, count / of, 0.0, 1.0)


def write(ratchet: Ratchet, stream: TextIO) -> None:
    """Write the file: sorted, so that it differs only where the suite does."""
    document = {
        "schema_version": VERSION,
        "updated": ratchet.updated.isoformat(),
        "rates": {metric.value: _counts(ratchet.rates[metric]) for metric in Metric if metric in ratchet.rates},
        "flaky": sorted(ratchet.flaky),
    }
    stream.write(json.dumps(document, indent=2) + "\n")


def _counts(rate: Rate) -> dict[str, int]:
    return {"count": rate.count, "of": rate.of}
