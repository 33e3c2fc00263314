"""By what a report gives its producer away: small tests of a document, each of which answers in words.

A `Recognise` returns the sign that it saw, as people should read it ("the suite is named …"), and the empty text where
it saw none. Signs are what a producer writes in every report and no other does; a likeness is no sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from flakediag.junit.document import Document, Suite

Recognise = Callable[[Document], str]

_LOOKED_AT = 20  # suites; some reports have thousands, and the first ones are like the others


def suites_of(document: Document) -> list[Suite]:
    """The first test suites, without a `<testsuites>` around them."""
    return [suite for suite in document.suites[:_LOOKED_AT] if suite.tag == "testsuite"]


def root_named(*names: str) -> Recognise:
    return lambda document: f'the root element is named "{document.root.name}"' if document.root.name in names else ""


def suite_named(*names: str) -> Recognise:
    def sign(document: Document) -> str:
        found = next((suite.name for suite in document.suites[:4] if suite.name in names), None)
        return f'a suite is named "{found}"' if found is not None else ""

    return sign


def suite_matches(pattern: str, words: str) -> Recognise:
    """Every test suite has a name of this form; `words` say which."""
    form = re.compile(pattern)

    def sign(document: Document) -> str:
        suites = suites_of(document)
        return words if suites and all(form.fullmatch(suite.name) for suite in suites) else ""

    return sign


def property_named(*names: str) -> Recognise:
    def sign(document: Document) -> str:
        suites = document.suites[:_LOOKED_AT]
        found = next((name for suite in suites for name in names if name in suite.properties), None)
        return f"a suite has the property {found}" if found is not None else ""

    return sign


def properties_named(*names: str) -> Recognise:
    """One suite has all of these properties."""
    wanted = frozenset(names)

    def sign(document: Document) -> str:
        found = any(wanted <= suite.properties.keys() for suite in document.suites[:_LOOKED_AT])
        return f"a suite has the properties {', '.join(names)}" if found else ""

    return sign


def attributes_written(names: str, *, also: Collection[str] = ()) -> Recognise:
    """Every suite has exactly these attributes in this sequence, separated by blanks; those in `also` may be missing.

    Nobody signs with the sequence of attributes, but each writer has one of its own.
    """
    sequence = names.split()

    def fits(suite: Suite) -> bool:
        written = list(suite.attributes)
        return written == [name for name in sequence if name in written or name not in also]

    def sign(document: Document) -> str:
        suites = suites_of(document)
        return "its suites have its attributes in its sequence" if suites and all(map(fits, suites)) else ""

    return sign


def any_of(*tests: Recognise) -> Recognise:
    return lambda document: next((sign for test in tests if (sign := test(document))), "")


def all_of(*tests: Recognise) -> Recognise:
    def sign(document: Document) -> str:
        signs = [test(document) for test in tests]
        return ", and ".join(signs) if all(signs) else ""

    return sign
