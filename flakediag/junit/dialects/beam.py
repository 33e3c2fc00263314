"""Erlang and Elixir: ExUnit, EUnit, Common Test."""

from __future__ import annotations

import re

from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.place import Place, by_class, by_suite
from flakediag.junit.dialects.signs import all_of, any_of, attributes_written, suite_matches
from flakediag.junit.document import Document
from flakediag.model import Identity, Order

_LINE = re.compile(r"(\.exs?):\d+$")
_EUNIT = re.compile(r"(?P<module>[\w@]+)(?:\.erl)?:(?:\d+ )?(?P<name>.+)", re.DOTALL)


def by_module(place: Place) -> Identity:
    """ExUnit: the class is the module; the file has the line behind it."""
    return by_class(place._replace(file=_LINE.sub(r"\1", place.file)))


def by_function(place: Place) -> Identity:
    """EUnit: "cart_tests:17 adds_test", the module and the line in front."""
    found = _EUNIT.fullmatch(place.name)
    return Identity(found["module"], found["name"]) if found and not place.classname else by_class(place)


def _exunit_sign(document: Document) -> str:
    its = document.first_case.get("classname", "").startswith("Elixir.")
    return 'classes are named "Elixir.…"' if its else ""


def _test_common_sign(document: Document) -> str:
    its = {"group", "log"} & document.first_case.keys() and "name" in document.first_case
    return "tests have Common Test's attributes" if its and "timestamp" in document.first_case else ""


_eunit_sign = any_of(
    suite_matches(r"module '.+'|.+\(application '.+'\)|application \".+\"", "suites are named by a module"),
    all_of(attributes_written("tests failures errors skipped time name"), suite_matches(r"module .+", "by a module")),
)

DIALECTS = (
    Dialect(
        name="exunit",
        title="ExUnit (junit_formatter)",
        family="Erlang, Elixir",
        sign="classes `Elixir.…`",
        recognise=_exunit_sign,
        identity=by_module,
        names="module, name",
        order=Order.EXECUTION,
    ),
    Dialect(
        name="eunit",
        title="EUnit (eunit_surefire)",
        family="Erlang, Elixir",
        sign="suite `module '…'`",
        recognise=_eunit_sign,
        identity=by_function,
        names="module, function",
        order=Order.EXECUTION,
        per_class=True,
    ),
    Dialect(
        name="common-test",
        title="Common Test (cth_surefire)",
        family="Erlang, Elixir",
        sign="`group`, `log` and `timestamp` of tests",
        recognise=_test_common_sign,
        identity=by_suite,
        names="suite, name; set-up and tear-down are cases of their own",
        order=Order.EXECUTION,
    ),
)
