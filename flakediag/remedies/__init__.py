"""What to do about a diagnosed failure: a catalogue of remedies, and the commands that reproduce it."""

from flakediag.remedies.advice import suggest

__all__ = ["suggest"]
