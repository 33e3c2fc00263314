"""Patterns of the user's own: checked before they are let loose on untrusted text."""

from __future__ import annotations

import re

from flakediag.redact import cost

LONGEST = 1_000  # characters of a pattern
MOST_STEPS = 3_000  # at each character of a text, at the very worst

_NAME = re.compile(r"[a-z](?:[a-z-]{0,38}[a-z])?")


def own_pattern(name: str, pattern: str) -> re.Pattern[str]:
    """The compiled pattern. Raises `ValueError` with what is wrong with it, and what to write instead.

    A name becomes the mask `<redacted:name>`. It has no digits: a signature would mask them once more.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("has a name that is not made of small letters and hyphens, such as customer-number")
    if len(pattern) > LONGEST:
        raise ValueError(f"is longer than {LONGEST:,} characters")
    try:
        compiled = re.compile(pattern)
        steps = cost.steps(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if steps > MOST_STEPS:
        raise ValueError(
            "could keep a hostile text busy for too long: lower its limits, or make them possessive ({1,100}+)"
        )
    return compiled
