"""The commands that reproduce a failure: exact, in order, and safe to paste."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flakediag.model import Category, Diagnosis, Identity, Partner
from flakediag.remedies import suggest
from flakediag.remedies.reproduce import node_id


@pytest.mark.parametrize(
    ("classname", "name", "file", "expected"),
    [
        ("tests.test_x", "test_a", "", "tests/test_x.py::test_a"),
        ("tests.test_x.TestA", "test_b[1-x]", "", "tests/test_x.py::TestA::test_b[1-x]"),
        ("tests.test_x.TestA.TestB", "test_c", "", "tests/test_x.py::TestA::TestB::test_c"),
        ("tests.test_x._TestA", "test_c", "", "tests/test_x.py::_TestA::test_c"),
        ("TestA", "test_c", "", "TestA.py::test_c"),  # at least one part is the module
        ("tests.test_x.TestA", "test_b", "tests/test_x.py", "tests/test_x.py::TestA::test_b"),
        ("test_x.TestA", "test_b", "src/tests/test_x.py", "src/tests/test_x.py::TestA::test_b"),
        ("tests.test_x.a_class", "test_b", "tests/test_x.py", "tests/test_x.py::a_class::test_b"),
        ("", "test_b", "tests/test_x.py", "tests/test_x.py::test_b"),
        ("tests/test_x.py", "test_b", "", "tests/test_x.py::test_b"),
        ("tests.test_x", "", "", "tests/test_x.py"),
        ("tests.test_x.TestA", "", "", "tests/test_x.py::TestA"),
        ("tests.orders", "", "", "tests/orders"),
    ],
)
def test_pytest_node_ids(classname: str, name: str, file: str, expected: str) -> None:
    assert node_id(Identity(classname, name, file)) == expected


def order(victim: Identity, framework: str, *partners: tuple[str, str, str]) -> str | None:
    found = tuple(Partner(id_, kind, role, 0.9 - n / 10) for n, (id_, kind, role) in enumerate(partners))
    return suggest(victim, Diagnosis(Category.ORDER, 0.9, partners=found), framework).reproduce


PYTEST = "pytest -p no:randomly -p no:random_order -p no:xdist"


@pytest.mark.parametrize(
    ("framework", "victim", "polluter", "command"),
    [
        (
            "pytest",
            Identity("tests.test_b.TestB", "test_v[a b]"),
            "tests.test_a::test_p",
            f"{PYTEST} tests/test_a.py::test_p 'tests/test_b.py::TestB::test_v[a b]'",
        ),
        (
            "pytest",  # the path has a folder above the class name's modules
            Identity("tests.test_b", "test_v", "backend/tests/test_b.py"),
            "tests.test_a::test_p",
            f"{PYTEST} backend/tests/test_a.py::test_p backend/tests/test_b.py::test_v",
        ),
        (
            "junit",
            Identity("shop.OrderTest", "total()"),
            "shop.ImportTest::imports(int)[2]",
            (
                "mvn test -Dtest='shop.ImportTest#imports,shop.OrderTest#total' -Dsurefire.runOrder=alphabetical"
                " -Dsurefire.rerunFailingTestsCount=0"
            ),
        ),
        (
            "junit",
            Identity("shop.AccountTest", "total"),
            "shop.ImportTest::imports",
            (
                "mvn test -Dtest='shop.ImportTest#imports,shop.AccountTest#total'"
                " -Dsurefire.runOrder=reversealphabetical -Dsurefire.rerunFailingTestsCount=0"
            ),
        ),
        (
            "junit",
            Identity("shop.OrderTest", "total"),
            "shop.OrderTest::imports",
            "mvn test -Dtest='shop.OrderTest#imports+total' -Dsurefire.rerunFailingTestsCount=0",
        ),
        (
            "jest",
            Identity("orders adds up", "orders adds up (all)", "test/orders.test.js"),
            "orders adds up::orders imports",
            "npx jest --runInBand --testNamePattern='orders imports|orders adds up \\(all\\)' test/orders.test.js",
        ),
        (
            "vitest",
            Identity("test/orders.test.ts", "orders > adds up"),
            "test/import.test.ts::imports",
            (
                "npx vitest run --no-file-parallelism --sequence.shuffle=false"
                " --testNamePattern='imports|orders adds up' test/import.test.ts test/orders.test.ts"
            ),
        ),
        (
            "go",
            Identity("example.com/shop/order", "TestTotal/empty"),
            "example.com/shop/order::TestImport",
            "go test -run '^(TestImport|TestTotal)$' -count=1 -shuffle=off example.com/shop/order",
        ),
        (
            "rspec",
            Identity("spec.order_spec", "Order adds up", "./spec/order_spec.rb"),
            "spec.import_spec::Import runs",
            (
                "rspec --order defined spec/import_spec.rb spec/order_spec.rb"
                " --example='Import runs' --example='Order adds up'"
            ),
        ),
        (
            "dotnet",
            Identity("Shop.OrderTests", "Total(count: 1)"),
            "Shop.ImportTests::Runs",
            "dotnet test --filter 'FullyQualifiedName~Shop.ImportTests.Runs|FullyQualifiedName~Shop.OrderTests.Total'",
        ),
        ("unknown", Identity("a", "b"), "c::d", None),
    ],
)
def test_polluter_then_victim(framework: str, victim: Identity, polluter: str, command: str | None) -> None:
    assert order(victim, framework, (polluter, "test", "polluter")) == command


def test_a_brittle_test_fails_alone() -> None:
    setter = ("tests.test_a::test_login", "test", "state-setter")
    assert order(Identity("tests.test_b", "test_v"), "pytest", setter) == f"{PYTEST} tests/test_b.py::test_v"


@pytest.mark.parametrize(
    ("framework", "group", "victim", "command"),
    [
        (
            "pytest",
            "tests.test_a.TestA",
            Identity("tests.test_b", "t"),
            f"{PYTEST} tests/test_a.py::TestA tests/test_b.py::t",
        ),
        ("go", "example.com/a", Identity("example.com/a", "T"), "go test -run . -count=1 -shuffle=off example.com/a"),
        ("rspec", "spec.a_spec", Identity("spec.b_spec", "x"), "rspec --order defined spec/a_spec.rb spec/b_spec.rb"),
    ],
)
def test_a_group_runs_as_a_whole(framework: str, group: str, victim: Identity, command: str) -> None:
    assert order(victim, framework, (group, "group", "polluter")) == command


def test_timing_repeats_under_load_and_a_port_is_held() -> None:
    test = Identity("tests.test_a", "test_a")
    timing = suggest(test, Diagnosis(Category.TIMING, 0.9), "pytest").reproduce or ""
    assert "yes >/dev/null" in timing
    assert f"do {PYTEST} tests/test_a.py::test_a || break; done" in timing
    port = suggest(test, Diagnosis(Category.PORT, 0.9, ports=(8099,)), "pytest").reproduce or ""
    assert port.startswith("python3 -m http.server --bind 127.0.0.1 8099 >/dev/null 2>&1 & holder=$!")
    assert port.endswith("; kill $holder")
    assert suggest(test, Diagnosis(Category.PORT, 0.9), "pytest").reproduce == f"{PYTEST} tests/test_a.py::test_a"


@pytest.mark.parametrize("category", [Category.TIMING, Category.PORT, Category.RANDOMNESS, Category.ORDER])
@pytest.mark.parametrize("framework", ["pytest", "junit", "jest", "vitest", "go", "rspec", "dotnet"])
def test_the_shell_takes_every_command(category: Category, framework: str) -> None:
    found = Diagnosis(category, 0.9, partners=(Partner("a.B::c d", "test", "polluter", 0.9),), ports=(80,))
    command = suggest(Identity("a.B", 'it\'s $(x) `y` "z"'), found, framework).reproduce
    assert command
    subprocess.run(["sh", "-n", "-c", command], check=True)


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@example(";", "0", "go")
@given(NAMES, NAMES, st.sampled_from(["pytest", "jest", "vitest", "go", "rspec", "dotnet"]))
def test_names_stay_words_of_the_command(classname: str, name: str, framework: str) -> None:
    command = order(Identity(classname, name), framework, ("p.Q::r", "test", "polluter"))
    if command is None:
        return
    assert command.isprintable() or not command.isascii()
    # No word is a shell operator that a name brought in, and none of a name's words is an option.
    assert not re.search(r"[();<>|&]", re.sub(r"'[^']*'|\"'\"", "quoted", command))
    assert all(not word.startswith("-") or word.split("=")[0] in OPTIONS for word in shlex.split(command))


OPTIONS = {
    *("-p", "--runInBand", "--testNamePattern", "--no-file-parallelism", "--sequence.shuffle", "-run", "-count"),
    *("-shuffle", "--order", "--example", "--filter"),
}


def test_the_pytest_command_reproduces_for_real(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text(
        "import os\nclass TestA:\n    def test_p(self):\n        os.environ['X'] = '1'\n"
    )
    (tmp_path / "tests" / "test_b.py").write_text("import os\ndef test_v():\n    assert 'X' not in os.environ\n")
    command = order(Identity("tests.test_b", "test_v"), "pytest", ("tests.test_a.TestA::test_p", "test", "polluter"))
    assert command
    words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", *words, "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout
