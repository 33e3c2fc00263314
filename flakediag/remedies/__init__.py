"""What to do about a diagnosed failure: a catalogue of remedies, and the commands that reproduce it."""

from flakediag.remedies.advice import suggest
from flakediag.remedies.settle import with_ways

__all__ = ["suggest", "with_ways"]
