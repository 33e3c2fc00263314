"""What each producer means by what it writes.

A file per family of producers holds their `DIALECTS`: entries, and where one is peculiar, a small function or two. A
new producer is an entry in its family's file, or a new file and a line in the list below. The reader knows none of
them.
"""

from __future__ import annotations

from itertools import chain

from flakediag.junit.dialects import (
    apple,
    bazel,
    beam,
    dart,
    dotnet,
    go,
    java,
    javascript,
    lint,
    mobile,
    native,
    php,
    python,
    ruby,
    rust,
    tap,
)
from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.load import PARALLEL, Load
from flakediag.junit.dialects.place import Place, by_class, suite_path
from flakediag.junit.dialects.python import by_pytest
from flakediag.junit.document import Document

__all__ = [
    "DEFAULT",
    "DIALECTS",
    "PARALLEL",
    "Dialect",
    "Load",
    "Place",
    "by_class",
    "by_pytest",
    "named",
    "recognised",
    "suite_path",
]

# The first one that recognises a report has it. Within a family the most particular stands first; between families
# signs do not meet, but for the name of a file, which comes last.
_FAMILIES = (
    python, mobile, java, javascript, go, rust, ruby, php, tap, native, dotnet, apple, beam, dart, bazel, lint
)  # fmt: skip

DIALECTS: tuple[Dialect, ...] = (*chain.from_iterable(family.DIALECTS for family in _FAMILIES), java.PLAIN)
DEFAULT = Dialect(
    name="junit",
    title="anything else",
    family="unsigned",
    sign="",
    recognise=lambda document: "nothing in it gives its producer away",
    names="class, name; else file or suite",
    retries="none assumed: equal names prove nothing",
)


def named(name: str) -> Dialect:
    """Raises `StopIteration` where there is none of this name."""
    return next(dialect for dialect in (*DIALECTS, DEFAULT) if dialect.name == name)


def recognised(document: Document) -> tuple[Dialect, str]:
    """The producer of a report and the sign that gave it away; `DEFAULT` where nothing does."""
    signs = ((dialect, dialect.recognise(document)) for dialect in DIALECTS)
    return next((found for found in signs if found[1]), (DEFAULT, DEFAULT.recognise(document)))
