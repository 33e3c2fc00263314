"""The .NET family: NUnit, xUnit.net and MSTest, through JunitXml.TestLogger and by conversion of their own reports."""

from __future__ import annotations

import re
from itertools import pairwise

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.load import load_unknown
from flakediag.junit.dialects.place import Place, by_class, suites_around
from flakediag.junit.dialects.signs import any_of, properties_named, suite_named, suites_of
from flakediag.junit.document import Document
from flakediag.model import Identity, Order

_ASSEMBLY = re.compile(r".+\.(?:dll|exe)", re.IGNORECASE)
_FULL_NAME = re.compile(r"([\w.+`]+(?:<[^<>()]*>)?)\.([^.()]+(?:\(.*)?)", re.DOTALL)


def by_full_name(place: Place) -> Identity:
    """Class and method. Converters leave the class away and write the full name: "Shop.Tests.CartTests.Adds(1)"."""
    full = _FULL_NAME.fullmatch(place.name)
    if full and (not place.classname or place.name.startswith(place.classname + ".")):
        return Identity(full[1], full[2])
    return by_class(place._replace(classname=place.classname or _fixture(place)))


def _fixture(place: Place) -> str:
    """The suites around a test without the assembly, whose path is of one machine, and without outer namespaces."""
    names = [suite.name for suite in suites_around(place) if suite.name and not _ASSEMBLY.fullmatch(suite.name)]
    kept = [name for name, inner in pairwise([*names, ""]) if not inner.startswith(f"{name}.")]
    return " > ".join(kept)


def _assembly_sign(document: Document) -> str:
    found = next((suite.name for suite in suites_of(document) if _ASSEMBLY.fullmatch(suite.name)), None)
    return "a suite is named by an assembly" if found is not None else ""


DIALECTS = (
    Dialect(
        name="dotnet",
        title=".NET: JunitXml.TestLogger, converted NUnit, xUnit.net, TRX",
        family=".NET",
        sign="a suite named by an assembly (`….dll`), `MSTestSuite`, xUnit.net's properties",
        recognise=any_of(_assembly_sign, suite_named("MSTestSuite"), properties_named("nunit-version", "clr-version")),
        identity=by_full_name,
        names="class, method with its parameters",
        order=Order.UNKNOWN,
        load=load_unknown,  # suites are given the sum of their tests' times
    ),
)
