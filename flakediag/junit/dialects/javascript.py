"""JavaScript: Jest, Vitest, Mocha, Cypress, Karma, Playwright, WebdriverIO, Jasmine, node:test, Deno, Bun, Cucumber."""

from __future__ import annotations

import re

from flakediag.junit.attempts import attempts_of_equal_failures
from flakediag.junit.dialects.dialect import Dialect
from flakediag.junit.dialects.load import load_by_moments, load_by_root
from flakediag.junit.dialects.place import Place, by_class, by_full_title, suites_around
from flakediag.junit.dialects.signs import (
    all_of,
    any_of,
    attributes_written,
    property_named,
    root_named,
    suite_named,
    suites_of,
)
from flakediag.junit.document import Document
from flakediag.junit.identity import relative_file
from flakediag.model import Identity, Order

_FAMILY = "JavaScript"


def by_suite_titles(place: Place) -> Identity:
    """The titles of the suites around the test, where the class name is the same for every test (node:test)."""
    titles = [suite.name for suite in suites_around(place) if suite.tag == "testsuite" and suite.name]
    name = " > ".join([*titles, place.name])
    return Identity("", name, place.file) if place.file else Identity(place.classname, name)


def by_spec_file(place: Place) -> Identity:
    """Cypress: the file stands in a suite of its own, without tests, before the suites of that file."""
    for suite in reversed(place.document.suites[: place.suite + 1]):
        if suite.name == "Root Suite" and "file" in suite.attributes:
            return by_full_title(place._replace(file=relative_file(suite.attributes["file"], place.checkout)))
    return by_full_title(place)


def by_project(place: Place) -> Identity:
    """Playwright: the file is the class; the project (a browser) is written as host name."""
    around = list(suites_around(place))
    variant = around[-1].attributes.get("hostname", "") if around else ""
    name = place.name.removeprefix(f"[{variant}] ")  # `includeProjectInTestName`
    return by_class(place._replace(name=name))._replace(variant=variant)


def without_version(browser: str) -> str:
    """ "Chrome Headless 120.0.6099.109 (Linux x86_64)" without its figures, which change with every update."""
    return re.sub(r"[\s/]*\d[\d._]*", "", browser)


def by_browser(place: Place) -> Identity:
    """Karma: one suite per browser, named in a property."""
    around = list(suites_around(place))
    variant = around[-1].properties.get("browser.fullName", "") if around else ""
    return by_class(place)._replace(variant=without_version(variant))


def by_capability(place: Place) -> Identity:
    """WebdriverIO: the class is the browser and the suite; the file of the spec stands in a property."""
    around = suites_around(place)
    properties = around[-1].properties if around else {}
    browser = properties.get("capabilities", "").split(".")[0]
    title = (around[-1].name if around else "").strip()
    file = relative_file(properties.get("file", ""), place.checkout) or place.file
    variant = without_version(browser)
    return Identity("", f"{title} {place.name}", file, variant) if file else Identity(title, place.name, "", variant)


def _playwright_sign(document: Document) -> str:
    root = document.root
    if root.tag != "testsuites" or root.attributes.get("id") != "" or "name" not in root.attributes:
        return ""
    hosts = all("hostname" in suite.attributes for suite in suites_of(document))
    return "the root element has an empty id, and suites have a project for a host" if hosts else ""


def _node_sign(document: Document) -> str:
    if document.root.tag != "testsuites" or document.root.attributes:
        return ""
    shaped = all({"disabled", "hostname"} <= suite.attributes.keys() for suite in suites_of(document))
    its = shaped and document.first_case.get("classname") in ("test", "suite")
    return 'every class is "test" or "suite"' if its else ""


def _cypress_files(document: Document) -> str:
    files = (suite.attributes.get("file", "") for suite in document.suites[:4] if suite.name == "Root Suite")
    its = any(re.search(r"(?:^|[/\\])cypress[/\\]|\.cy\.[cm]?[jt]sx?$", file) for file in files)
    return "the root suite names a Cypress file" if its else ""


_mocha = any_of(root_named("Mocha Tests"), suite_named("Mocha Tests"))

DIALECTS = (
    Dialect(
        name="jest",
        title="Jest (jest-junit), Detox",
        family=_FAMILY,
        sign="root `jest tests`",
        recognise=root_named("jest tests"),
        identity=by_full_title,
        names="full title; with the file where it is written (`addFileAttribute`)",
        order=Order.EXECUTION,
        order_parallel=Order.COMPLETION,
        load=load_by_moments,
        remark="jest-junit does not show retries; set `addFileAttribute` to tell equal titles of different files apart",
    ),
    Dialect(
        name="vitest",
        title="Vitest",
        family=_FAMILY,
        sign="root `vitest tests`",
        recognise=root_named("vitest tests"),
        names="file, title",
        attempts=attempts_of_equal_failures,
        retries="several equal failures of one case are attempts; a retry that passed is not written",
        order=Order.DECLARATION,  # also under --sequence.shuffle
        order_parallel=Order.DECLARATION,
        load=load_by_moments,
        remark="Vitest does not show a retry that passed, and writes the tests as they stand in the source",
    ),
    Dialect(
        name="playwright",
        title="Playwright",
        family=_FAMILY,
        sign="empty `id` and `name`, projects for hosts",
        recognise=_playwright_sign,
        identity=by_project,
        names="file, title; the project (browser) is a variant",
        retries="children, with `includeRetries`",
        order=Order.DECLARATION,
        order_parallel=Order.DECLARATION,
        load=load_by_root,
        repeats_are_runs=True,
        hostname=False,
        remark="Playwright shows retries only with `includeRetries`",
    ),
    Dialect(
        name="cypress",
        title="Cypress",
        family=_FAMILY,
        sign="as Mocha, and the root suite's file",
        recognise=all_of(_mocha, _cypress_files),
        identity=by_spec_file,
        names="file, full title",
        order=Order.EXECUTION,
        load=load_by_root,
        remark="Cypress does not show retries",
    ),
    Dialect(
        name="mocha",
        title="Mocha (xunit, mocha-junit-reporter)",
        family=_FAMILY,
        sign="`Mocha Tests`",
        recognise=_mocha,
        identity=by_full_title,
        names="file, full title",
        order=Order.EXECUTION,
        load=load_by_root,
        remark="Mocha does not show retries",
    ),
    Dialect(
        name="karma",
        title="Karma",
        family=_FAMILY,
        sign="property `browser.fullName`",
        recognise=property_named("browser.fullName"),
        identity=by_browser,
        names="class, name; the browser without its version is a variant",
        order=Order.EXECUTION,
    ),
    Dialect(
        name="wdio",
        title="WebdriverIO",
        family=_FAMILY,
        sign="property `specId`",
        recognise=property_named("specId"),
        identity=by_capability,
        names="file, suite and name; the browser without its version is a variant",
        order=Order.EXECUTION,
    ),
    Dialect(
        name="jasmine",
        title="Jasmine (jasmine-reporters)",
        family=_FAMILY,
        sign="its attributes and their sequence",
        recognise=attributes_written("name timestamp hostname time errors tests skipped disabled failures"),
        names="suites, name",
        order=Order.EXECUTION,
        load=load_by_root,
    ),
    Dialect(
        name="node",
        title="node:test",
        family=_FAMILY,
        sign="its attributes, class `test`",
        recognise=_node_sign,
        identity=by_suite_titles,
        names="file, titles of the suites, name",
        order=Order.EXECUTION,
    ),
    Dialect(
        name="deno",
        title="Deno",
        family=_FAMILY,
        sign="root name",
        recognise=root_named("deno test"),
        names="file, name",
        order=Order.DECLARATION,
        load=load_by_root,
    ),
    Dialect(
        name="bun",
        title="Bun",
        family=_FAMILY,
        sign="root name",
        recognise=root_named("bun test"),
        names="file, name",
        order=Order.EXECUTION,
        load=load_by_root,
    ),
    Dialect(
        name="cucumber",
        title="Cucumber",
        family=_FAMILY,
        sign="root name",
        recognise=root_named("Cucumber", "cucumber"),
        names="feature, scenario",
        order=Order.EXECUTION,
    ),
)
