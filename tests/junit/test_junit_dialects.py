"""Who wrote a report, what its names mean, and whether its order is the order of execution."""

from __future__ import annotations

from pathlib import Path

import pytest
from junit_samples import attributes, case, document, failure, pytest_report, read_one, suite, told

from flakediag.junit.dialects import DIALECTS, recognised
from flakediag.model import FailureDetail, Order, Outcome, RunReport

GO = '<properties><property name="go.version" value="go1.22"/></properties>'
AT = "2024-03-01T10:20:30.5Z"


def wrapped(*suites: str, **more: object) -> str:
    return f"<testsuites{attributes(more)}>{''.join(suites)}</testsuites>"


PLAYWRIGHT = wrapped(
    suite(case("a › t", classname="a.spec.ts"), name="a.spec.ts", hostname="chromium", timestamp=AT),
    suite(
        case("[firefox] a › t", failure(), classname="a.spec.ts"), name="a.spec.ts", hostname="firefox", timestamp=AT
    ),
    id="",
    name="",
    time=9,
)
NODE = wrapped(
    suite(
        case("t", classname="test"),
        suite(case("t", classname="test"), name="deep", disabled=0, hostname="h"),
        name="outer",
        disabled=0,
        hostname="h",
    )
)
KARMA = suite(
    '<properties><property name="browser.fullName" value="Mozilla/5.0 Firefox/99.0"/></properties>', case("t"), name="F"
)
JEST = wrapped(
    suite(case("a works", classname="a works", time=1), name="a", timestamp="2024-03-01T10:20:30", time=4),
    suite(case("b works", classname="b works", time=1), name="b", timestamp="2024-03-01T10:20:35", time=4),
    name="jest tests",
    time=2,
)
SUREFIRE_SCHEMA = {"xmlns:xsi": "urn:xsi", "xsi:noNamespaceSchemaLocation": "https://x/surefire-test-report.xsd"}
GRADLE = {"tests": 1, "skipped": 0, "failures": 0, "errors": 0, "timestamp": AT, "hostname": "h", "time": 1}

WRITTEN: dict[str, tuple[str, str, list[str], Order]] = {
    # what: (producer, report, ids, order)
    "pytest": (
        "pytest",
        pytest_report(case("test_a", classname="tests.test_x.TestY")),
        ["tests.test_x.TestY::test_a"],
        Order.EXECUTION,
    ),
    "pytest, xunit1": (
        "pytest",
        pytest_report(case("test_a", classname="tests.test_x", file="tests/test_x.py", line=3)),
        ["tests.test_x::test_a"],
        Order.EXECUTION,
    ),
    "pytest, suite renamed": (
        "pytest",
        suite(case("a", '<skipped type="pytest.skip"/>'), name="mine"),
        ["pkg.test_mod::a"],
        Order.EXECUTION,
    ),
    "pytest, collection error": (
        "pytest",
        pytest_report(case("tests.test_x", failure(tag="error"), classname="")),
        ["tests.test_x::"],
        Order.EXECUTION,
    ),
    "unittest-xml-reporting": (
        "unittest-xml-reporting",
        wrapped(
            suite(
                case("test_sub [msg] (i=1)", failure(), classname="t.T", file="t.py", line=1), name="t.T-20240301102030"
            )
        ),
        ["t.T::test_sub"],
        Order.DECLARATION,
    ),
    "surefire": (
        "surefire",
        suite(case("t", classname="a.T"), name="a.T", **SUREFIRE_SCHEMA),
        ["a.T::t"],
        Order.EXECUTION,
    ),
    "surefire, suffix": (
        "surefire",
        suite(case("t(int)[1]", classname="a.T(slow)"), flakes=0),
        ["a.T::t(int)[1] [slow]"],
        Order.EXECUTION,
    ),
    "surefire, class set-up": (
        "surefire",
        suite(case("", failure(tag="error"), classname="a.T"), flakes=0),
        ["a.T::"],
        Order.EXECUTION,
    ),
    "gradle": ("gradle", suite(case("t()", classname="a.T"), name="a.T", **GRADLE), ["a.T::t()"], Order.EXECUTION),
    "jest": ("jest", JEST, ["a works::a works", "b works::b works"], Order.EXECUTION),
    "jest, file attribute": (
        "jest",
        wrapped(suite(case("a works", classname="a works", file="./test/a.js")), name="jest tests"),
        ["test/a.js::a works"],
        Order.EXECUTION,
    ),
    "jest, file as class": (
        "jest",
        wrapped(suite(case("works", classname="test/a.js", file="test/a.js")), name="jest tests"),
        ["test/a.js::works"],
        Order.EXECUTION,
    ),
    "jest, file as suite": (
        "jest",
        wrapped(suite(case("works", classname=""), name="test/a.test.js"), name="jest tests"),
        ["test/a.test.js::works"],
        Order.EXECUTION,
    ),
    "vitest": (
        "vitest",
        wrapped(
            suite(case("a > t", classname="a.test.ts"), name="a.test.ts", timestamp=AT, time=1), name="vitest tests"
        ),
        ["a.test.ts::a > t"],
        Order.DECLARATION,
    ),
    "playwright": (
        "playwright",
        PLAYWRIGHT,
        ["a.spec.ts::a › t [chromium]", "a.spec.ts::a › t [firefox]"],
        Order.DECLARATION,
    ),
    "mocha": (
        "mocha",
        suite(
            case("works", classname="a b", file="/".join(["", "home", "runner", "work", "x", "x", "test", "a.js"])),
            name="Mocha Tests",
        ),
        ["test/a.js::a b works"],
        Order.EXECUTION,
    ),
    "mocha-junit-reporter": (
        "mocha",
        wrapped(
            suite(case("a b works", classname="works"), name="a b", file="/builds/g/x/test/a.js"), name="Mocha Tests"
        ),
        ["test/a.js::a b works"],
        Order.EXECUTION,
    ),
    "node": ("node", NODE, ["test::outer > t", "test::outer > deep > t"], Order.EXECUTION),
    "karma": ("karma", KARMA, ["pkg.test_mod::t [Mozilla Firefox]"], Order.EXECUTION),
    "gotestsum": (
        "gotestsum",
        wrapped(suite(GO, case("TestA/b", classname="x.io/p", time="0.000000"))),
        ["x.io/p::TestA/b"],
        Order.DECLARATION,
    ),
    "go-junit-report": (
        "go-junit-report",
        wrapped(suite(GO, case("TestA", classname="p", time="0.000"))),
        ["p::TestA"],
        Order.EXECUTION,
    ),
    "nextest": (
        "nextest",
        wrapped(suite(case("m::t", classname="crate")), name="nextest-run"),
        ["crate::m::t"],
        Order.DECLARATION,
    ),
    "rspec": (
        "rspec",
        suite(case("Cart adds", classname="spec.cart_spec", file="./spec/cart_spec.rb"), name="rspec"),
        ["spec.cart_spec::Cart adds"],
        Order.EXECUTION,
    ),
    "phpunit": (
        "phpunit",
        suite(case("testA", classname="A", **{"class": "A", "assertions": 1, "file": "/x/A.php"})),
        ["A::testA"],
        Order.EXECUTION,
    ),
    "googletest": (
        "googletest",
        suite(case("A", classname="S", status="run", result="completed")),
        ["S::A"],
        Order.EXECUTION,
    ),
    "ctest": (
        "ctest",
        suite(case("a.b", classname="a.b", status="run"), name="(empty)"),
        ["a.b::a.b"],
        Order.DECLARATION,
    ),
    "cypress": (
        "cypress",
        wrapped(
            suite(name="Root Suite", tests=0, file="cypress/e2e/cart.cy.js"),
            suite(case("cart adds", classname="adds"), name="cart"),
            name="Mocha Tests",
        ),
        ["cypress/e2e/cart.cy.js::cart adds"],
        Order.EXECUTION,
    ),
    "go-junit-report 2": (
        "go-junit-report",
        wrapped(
            suite(
                case("TestA", classname="x.io/p", time="0.000"),
                name="x.io/p",
                tests=1,
                failures=0,
                errors=0,
                id=0,
                time=1,
            )
        ),
        ["x.io/p::TestA"],
        Order.EXECUTION,
    ),
    "ginkgo 2": (
        "ginkgo",
        wrapped(
            suite(
                '<properties><property name="SuiteSucceeded" value="true"/></properties>',
                case("[It] Cart adds", classname="Shop Suite", status="passed"),
                name="Shop Suite",
            )
        ),
        ["Shop Suite::[It] Cart adds"],
        Order.EXECUTION,
    ),
    "pest": (
        "phpunit",
        wrapped(
            suite(
                case("it adds", classname="Tests.Unit.CartTest", file="tests/Unit/CartTest.php::it adds", assertions=1),
                name="Tests\\Unit\\CartTest",
            )
        ),
        ["Tests.Unit.CartTest::it adds"],
        Order.EXECUTION,
    ),
    "codeception": (
        "phpunit",
        wrapped(suite(case("adds", classname="CartCest", feature="adds", assertions=1, file="x/CartCest.php"))),
        ["CartCest::adds"],
        Order.EXECUTION,
    ),
    "minitest": (
        "minitest",
        suite(case("test_a", classname="CartTest", file="t/a_test.rb", assertions=1), name="CartTest", assertions=1),
        ["CartTest::test_a"],
        Order.EXECUTION,
    ),
    "minitest, no class": (
        "minitest",
        suite(
            case("test_a", classname="", file="t/a_test.rb", assertions=1).replace('classname="" ', ""),
            name="CartTest",
            assertions=1,
        ),
        ["CartTest::test_a"],
        Order.EXECUTION,
    ),
    "tap-xunit": (
        "tap",
        wrapped(suite(*(f'<testcase name="{name}"/>' for name in ("#1 adds", "#2 - removes", "#3")), name="Default")),
        ["Default::adds", "Default::removes", "Default::#3"],
        Order.EXECUTION,
    ),
    "busted": (
        "busted",
        wrapped(suite(case("cart adds", classname="spec/cart_spec.lua:17"), name="Run 1 of 1")),
        ["spec/cart_spec.lua::cart adds"],
        Order.EXECUTION,
    ),
    ".NET": (
        "dotnet",
        wrapped(suite(case("Adds(1)", classname="Shop.CartTests"), name="Shop.Tests.dll", package="Shop.Tests.dll")),
        ["Shop.CartTests::Adds(1)"],
        Order.UNKNOWN,
    ),
    ".NET, full names": (
        "dotnet",
        wrapped(
            suite(
                suite(
                    case('Shop.CartTests.Adds("a.b",1)', classname=""),
                    case("Shop.CartTests+Inner.Adds", classname=""),
                    case("Shop.CartTests.Removes", classname="Shop.CartTests"),
                    case("Removes one", classname=""),
                    name="Shop.CartTests",
                ),
                name="C:\\build\\Shop.Tests.dll",
            )
        ),
        [
            'Shop.CartTests::Adds("a.b",1)',
            "Shop.CartTests+Inner::Adds",
            "Shop.CartTests::Removes",
            "Shop.CartTests::Removes one",
        ],
        Order.UNKNOWN,
    ),
    "xcresultparser": (
        "xcode",
        wrapped(
            suite(
                case("testAdds()", classname="CartTests", timestamp=AT),
                case("adds()", classname="adds()", timestamp=AT, file="/Users/me/shop/CartTests.swift"),
                name="ShopTests",
            ),
            name="xcresult: Shop",
        ),
        ["CartTests::testAdds()", "ShopTests::adds()"],
        Order.UNKNOWN,
    ),
    "swift test": (
        "xcode",
        wrapped(suite(case("testAdds", classname="ShopTests.Cart"), name="TestResults", errors=0, tests=1, failures=0)),
        ["ShopTests.Cart::testAdds"],
        Order.UNKNOWN,
    ),
    "exunit": (
        "exunit",
        wrapped(
            suite(case("test adds", classname="Elixir.CartTest", file="test/cart_test.exs:7"), name="Elixir.CartTest")
        ),
        ["Elixir.CartTest::test adds"],
        Order.EXECUTION,
    ),
    "dart": (
        "dart",
        wrapped(
            suite(
                case("Cart adds", classname="", file="file:///__w/shop/shop/test/cart_test.dart"),
                name="test/cart_test.dart",
            )
        ),
        ["test/cart_test.dart::Cart adds"],
        Order.UNKNOWN,
    ),
    "maestro": (
        "maestro",
        wrapped(
            suite(
                case("login", classname="login", id="login", status="SUCCESS", file=".maestro/login.yaml"),
                name="Test Suite",
                device="iPhone 16 Pro - iOS 18.5 - 22A85A77-4D21-41B2-AA4E-BC20AFFC9E14",
            )
        ),
        [".maestro/login.yaml::login [iPhone 16 Pro]"],
        Order.UNKNOWN,
    ),
    "maestro, an emulator": (
        "maestro",
        wrapped(
            suite(
                case("login", classname="login", id="login", status="SUCCESS"),
                name="Test Suite",
                device="emulator-5554",
            )
        ),
        ["login::login"],
        Order.UNKNOWN,
    ),
    "flank": (
        "flank",
        wrapped(
            suite(case("adds", classname="a.CartTest"), name="Pixel2-28-en-portrait"),
            suite(case("adds", classname="a.CartTest"), name="NexusLowRes-30-pt_BR-landscape"),
        ),
        ["a.CartTest::adds [Pixel2-28-en-portrait]", "a.CartTest::adds [NexusLowRes-30-pt_BR-landscape]"],
        Order.UNKNOWN,
    ),
    "android": (
        "android",
        suite(
            "<properties>"
            + "".join(
                f'<property name="{name}" value="{value}"/>'
                for name, value in {"device": "Pixel_3a(AVD) - 11", "flavor": "", "project": ":app"}.items()
            )
            + "</properties>",
            case("adds", classname="a.CartTest"),
            name="a.CartTest",
        ),
        ["a.CartTest::adds [Pixel_3a]"],
        Order.EXECUTION,
    ),
    "bazel": (
        "bazel",
        wrapped(suite('<testcase name="shop/cart" status="run" duration="1" time="1"/>', name="shop/cart")),
        ["shop/cart::shop/cart"],
        Order.EXECUTION,
    ),
    "unknown": ("junit", suite(case("t", classname="c")), ["c::t"], Order.UNKNOWN),
    "unknown, no class": ("junit", suite(case("t", classname=""), name="the suite"), ["the suite::t"], Order.UNKNOWN),
    "unknown, no class but a file": (
        "junit",
        suite(case("t", classname="", file="./t/a.t")),
        ["t/a.t::t"],
        Order.UNKNOWN,
    ),
    "unknown, class repeats the name": (
        "junit",
        suite(case("t", classname="t", file="t/a.t")),
        ["t/a.t::t"],
        Order.UNKNOWN,
    ),
    "unknown, nested": (
        "junit",
        suite(suite(case("t", classname=""), name="in"), name="out"),
        ["out > in::t"],
        Order.UNKNOWN,
    ),
}


@pytest.mark.parametrize("what", WRITTEN)
def test_producers(tmp_path: Path, what: str) -> None:
    producer, content, ids, order = WRITTEN[what]
    report = read_one(tmp_path, content)
    assert report.run.producer == producer
    assert [result.test.id for result in report.results] == ids
    assert report.run.order is order


def test_the_names_of_producers_are_told_apart() -> None:
    names = [dialect.name for dialect in DIALECTS]
    assert len(set(names)) == len(names) and "junit" not in names


def test_recognising_never_fails_on_an_empty_report() -> None:
    for content in ("<testsuites/>", "<testsuite/>", "<testcase/>", suite(name="")):
        assert recognised(document(content))[0].name == "junit"


LIKENESSES = {
    "assertions alone": suite(case("t", assertions=1), assertions=1),
    "a suite named as a device's": suite(case("t"), name="pixel-portrait"),
    "a number in a name, with a class": wrapped(suite(case("1 - adds"))),
    "a device among other properties": suite('<properties><property name="device" value="x"/></properties>', case("t")),
    "a file with a colon": suite(case("t", file="a.php:7")),
    "a GMT offset": suite(case("t"), timestamp="2026-03-01T10:20:30+00:00 GMT"),
    "a suite with its own name for a test": wrapped(suite(case("S", classname=""), name="S")),
    "an id": wrapped(suite(case("t", id="t"))),
    "nested suites": suite(suite(case("t", classname="elsewhere"), name="in"), name="out"),
    "a status": suite(case("t", classname="S", status="passed"), name="S"),
    "Go's names": wrapped(suite(case("TestA", classname="p"), name="p")),
    "a library": suite(case("t"), name="libshop.so"),
    "times to the second": suite(case("t"), name="S", tests=1, failures=0, errors=0, time=1),
}


@pytest.mark.parametrize("what", LIKENESSES)
def test_a_likeness_is_no_sign(what: str) -> None:
    assert recognised(document(LIKENESSES[what]))[0].name == "junit"


def test_every_entry_says_what_its_producer_is_told_by() -> None:
    for dialect in DIALECTS:
        assert dialect.title and dialect.family and dialect.sign and dialect.names and dialect.retries


# --- equal names -------------------------------------------------------------------------------------------------


def test_equal_titles_of_different_suites_are_different_tests(tmp_path: Path) -> None:
    report = read_one(tmp_path, wrapped(suite(case("t", failure()), name="one"), suite(case("t"), name="two")))
    assert told(report) == [("pkg.test_mod::t [one]", "failed", 1), ("pkg.test_mod::t [two]", "passed", 1)]
    assert any("share their name" in note for note in report.notes)


def test_equal_titles_of_one_suite_are_told_apart_by_their_place(tmp_path: Path) -> None:
    report = read_one(tmp_path, suite(case("t"), case("t", failure()), case("t")))
    assert [id for id, _, _ in told(report)] == ["pkg.test_mod::t", "pkg.test_mod::t [2]", "pkg.test_mod::t [3]"]


def test_parameters_that_differ_in_noise_only_stay_different_tests(tmp_path: Path) -> None:
    names = [f"test_a[&lt;object at 0x7f00000000{n}0&gt;]" for n in range(3)]
    for order in (names, names[::-1]):
        report = read_one(
            tmp_path, pytest_report(*(case(name.replace("&lt;", "<").replace("&gt;", ">")) for name in order))
        )
        assert [id for id, _, _ in told(report)] == [
            "pkg.test_mod::test_a[<object at 0x<address>>]",
            "pkg.test_mod::test_a[<object at 0x<address>>] [2]",
            "pkg.test_mod::test_a[<object at 0x<address>>] [3]",
        ]


def test_the_name_as_written_is_kept_beside_an_identity_that_masks_parts_of_it(tmp_path: Path) -> None:
    names = ["test_a[<B object at 0x7f92c7365bd0>]", "test_b", "test_c[localhost:39111]"]
    report = read_one(tmp_path, pytest_report(*map(case, names)))
    assert {test.id: name for test, name in report.written.items()} == {
        "pkg.test_mod::test_a[<B object at 0x<address>>]": "pkg.test_mod::test_a[<B object at 0x7f92c7365bd0>]",
        "pkg.test_mod::test_c[localhost:<port>]": "pkg.test_mod::test_c[localhost:39111]",
    }


# --- order and workers -------------------------------------------------------------------------------------------


def order_of(report: RunReport) -> tuple[Order, float | None]:
    return report.run.order, report.run.parallelism


WORKER = "[gw0] linux -- Python 3.12.1 /usr/bin/python\nE assert 0"
NAMED = '<properties><property name="worker_id" value="gw1"/></properties>'


@pytest.mark.parametrize(
    ("cases", "wall", "expected"),
    [
        ([case(f"t{n}", time=1) for n in range(4)], 4.5, (Order.EXECUTION, 0.889)),
        ([case(f"t{n}", time=1) for n in range(4)], 2.0, (Order.COMPLETION, 2.0)),
        ([case(f"t{n}", time=0.01) for n in range(4)], 0.03, (Order.EXECUTION, None)),  # rounding
        ([case("a"), case("b", time="")], "", (Order.EXECUTION, None)),
        # Very short tests take less time than the workers need to start: only their own words give them away.
        ([case("t", failure(text=WORKER))], 9, (Order.COMPLETION, 0.056)),
        (
            [case("t", failure("worker 'gw1' crashed", "worker 'gw1' crashed while running 'x'", "error"))],
            9,
            (Order.COMPLETION, 0.056),
        ),
        ([case("t", NAMED)], 9, (Order.COMPLETION, 0.056)),
        ([case("t", failure(text="gw0 is a gateway"))], 9, (Order.EXECUTION, 0.056)),
    ],
)
def test_several_workers_make_it_the_order_of_completion(
    tmp_path: Path, cases: list[str], wall: object, expected: tuple[Order, float | None]
) -> None:
    assert order_of(read_one(tmp_path, pytest_report(*cases, time=wall))) == expected


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ("2024-03-01T10:20:34", Order.EXECUTION),  # one file after the other, timestamps cut to the second
        ("2024-03-01T10:20:33", Order.EXECUTION),
        ("2024-03-01T10:20:30", Order.COMPLETION),  # both at once
    ],
)
def test_suites_that_overlap_in_time_ran_in_several_workers(tmp_path: Path, second: str, expected: Order) -> None:
    report = read_one(tmp_path, JEST.replace("2024-03-01T10:20:35", second))
    assert report.run.order is expected


KEPT = '{"outcome": "error", "message": "no database", "text": "E boom"}'.replace('"', "&quot;")


@pytest.mark.parametrize(
    ("value", "outcome", "failure"),
    [
        (KEPT, Outcome.ERROR, FailureDetail("", "no database", "E boom")),
        ("{&quot;message&quot;: 3}", Outcome.FAILED, FailureDetail("", "", "")),
        ("AssertionError: no", Outcome.FAILED, FailureDetail("", "AssertionError: no", "")),
        ("[" * 5000, Outcome.FAILED, FailureDetail("", "[" * 5000, "")),
    ],
)
def test_a_failure_that_a_plugin_excused_counts_as_the_failure_that_it_was(
    tmp_path: Path, value: str, outcome: Outcome, failure: FailureDetail
) -> None:
    case = (
        f'<testcase classname="a" name="b"><properties><property name="flakediag.quarantined" value="{value}"/>'
        '</properties><skipped type="pytest.xfail" message="in quarantine"/></testcase>'
    )
    report = read_one(tmp_path, f'<testsuites><testsuite name="pytest" tests="1">{case}</testsuite></testsuites>')
    (result,) = report.results
    assert (result.outcome, result.failure) == (outcome, failure)
    assert (report.files[0].failures + report.files[0].errors, report.files[0].skipped) == (1, 1)
