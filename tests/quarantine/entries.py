"""Entries to test with."""

from __future__ import annotations

from datetime import date
from typing import Any

from flakediag.model import QuarantineEntry

TODAY = date(2026, 3, 2)


def entry(test: str = "tests.test_shop::test_0", signature: str | None = "AssertionError: no", **more: Any) -> Any:
    values: dict[str, Any] = {"reason": "known", "added": TODAY, "expires": date(2026, 3, 16), **more}
    return QuarantineEntry(test=test, signature=signature, **values)
