"""One file per kind of evidence, each with one pure function of the shape `EvidenceFinder`."""

from collections.abc import Callable, Sequence

from flakediag.analysis.evidence import (
    comparison,
    environment,
    order,
    peers,
    ports,
    randomness,
    source,
    timing,
    words,
)
from flakediag.analysis.window import Subject, Window
from flakediag.model import Evidence

EvidenceFinder = Callable[[Window, Sequence[Subject]], list[list[Evidence]]]
"""Takes the window and the subjects, returns a list of evidence for each subject, in the same order."""

FINDERS: tuple[EvidenceFinder, ...] = (
    order.find,
    timing.find,
    source.find,
    ports.find,
    peers.find,
    environment.find,
    randomness.find,
    words.find,
    comparison.find,
)
