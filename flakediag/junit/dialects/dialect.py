"""What there is to say about one producer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flakediag.junit.attempts import Joined, attempts_of, join_nothing
from flakediag.junit.dialects.load import Load, load_by_suite
from flakediag.junit.dialects.place import Place, by_class
from flakediag.junit.dialects.signs import Recognise
from flakediag.junit.document import Document, RawCase
from flakediag.model import Attempt, Identity, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one producer writes.

    `recognise` gives the sign by which a report is this producer's, `sign` names it for the documentation. `names` and
    `retries` say in words what `identity`, and `join` with `attempts`, do.
    `order` is what the order of the cases means where one process ran them; `order_parallel` where several did.
    `repeats_are_runs`: equal names in one report are repetitions of one test; otherwise they are different tests with
    equal titles. `per_class`: writes a file per class or suite, so that the files of a folder are one run.
    """

    name: str
    title: str  # as people call it
    family: str  # whose tests it runs
    sign: str
    recognise: Recognise
    identity: Callable[[Place], Identity] = by_class
    names: str = "class, name"
    join: Callable[[Document], Joined] = join_nothing
    attempts: Callable[[RawCase], list[Attempt]] = attempts_of
    retries: str = "not written"
    order: Order = Order.UNKNOWN
    order_parallel: Order = Order.UNKNOWN
    load: Callable[[Document], Load] = load_by_suite
    repeats_are_runs: bool = False
    per_class: bool = False
    hostname: bool = True  # whether `hostname` names a machine
    remark: str = ""  # what people should know about every report of this producer

    def __reduce__(self) -> tuple[object, ...]:
        """Another process has the same dialects: the name is enough."""
        from flakediag.junit.dialects import named

        return named, (self.name,)
