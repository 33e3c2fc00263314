"""One file per kind of evidence, each with one pure function of the shape `EvidenceFinder`."""

from collections.abc import Callable, Sequence

from flakediag.analysis.window import Subject, Window
from flakediag.model import Evidence

EvidenceFinder = Callable[[Window, Sequence[Subject]], list[list[Evidence]]]
"""Takes the window and the subjects, returns a list of evidence for each subject, in the same order."""
