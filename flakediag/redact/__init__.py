"""Secrets in what reports say, masked before anything is stored. Pure functions over texts and the model."""

from flakediag.redact.own import own_pattern
from flakediag.redact.redactor import Redacted, Redactor

__all__ = ["Redacted", "Redactor", "own_pattern"]
