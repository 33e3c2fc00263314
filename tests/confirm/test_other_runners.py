"""The other runners, executed: each needs its program, and nothing is downloaded here.

For Jest and Vitest, NODE_PROJECT names a folder whose node_modules holds jest and jest-junit, or vitest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from confirm.test_suites import NOW, Watcher
from flakediag import experiments, service
from flakediag.experiments import Outcome, Setup, Way
from flakediag.model import Scope

FIXTURES = Path(__file__).parents[2] / "fixtures"
PROJECTS, RECORDINGS = FIXTURES / "other_runners", FIXTURES / "recordings"
ENVIRON = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "JAVA_HOME") if name in os.environ}


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


def node_modules(package: str) -> Path:
    needs("node")
    folder = Path(os.environ.get("NODE_PROJECT", PROJECTS / "jest")) / "node_modules"
    if not (folder / package / "package.json").exists():
        pytest.skip(f"{package} is not in {folder}: npm install it, or set NODE_PROJECT")
    return folder


def recorded(db: Path, runner: str, folder: Path) -> None:
    with tarfile.open(RECORDINGS / runner / "runs.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    ingest(db, folder)


def ingest(db: Path, folder: Path) -> None:
    service.ingest(db, [str(folder)], service.RunInfo(branch="main"), now=NOW, environ={})


def confirmed(db: Path, folder: Path, test: str, **more: Any) -> Outcome:
    values: dict[str, Any] = {"folder": folder, "environ": ENVIRON, "runs": 24, "minutes": 2.0, "way": Way.ORDER}
    return experiments.confirm(db, test, Scope(), Setup(**(values | more)), Watcher(), now=NOW)


def proves(outcome: Outcome, polluter: str) -> None:
    assert outcome.standing == "confirmed", outcome
    assert outcome.parties == ((polluter, "polluter"),)
    assert outcome.probability is not None and outcome.probability >= 0.99


@pytest.mark.slow
def test_go_names_the_polluter_though_no_recorded_order_is_known(tmp_path: Path) -> None:
    needs("go", "gotestsum")
    project = shutil.copytree(PROJECTS / "gotestsum", tmp_path / "project")
    recorded(tmp_path / "h.db", "gotestsum", tmp_path / "reports")
    environ = {**ENVIRON, "GOCACHE": str(tmp_path / "cache"), "GOPATH": str(tmp_path / "go"), "GOPROXY": "off"}
    outcome = confirmed(tmp_path / "h.db", project, "TestLabelNamesTheWarehouse", environ=environ)
    proves(outcome, "shop.example/shop/warehouse::TestNorthernOrdersLeaveFromTheNorth")


@pytest.mark.slow
def test_jest_names_a_polluter_that_is_written_after_the_test(tmp_path: Path) -> None:
    modules = node_modules("jest-junit")
    project = shutil.copytree(PROJECTS / "jest", tmp_path / "project", ignore=shutil.ignore_patterns("node_modules"))
    (project / "node_modules").symlink_to(modules)
    recorded(tmp_path / "h.db", "jest", tmp_path / "reports")
    program = "node node_modules/jest/bin/jest.js"
    outcome = confirmed(tmp_path / "h.db", project, "basket shows the total with tax", program=program)
    proves(outcome, "test/basket.test.js::basket charges less tax on books")


CART = """\
import { expect, test } from "vitest";
let discount = 0;
test("totals", () => { expect(100 - discount).toBe(100); });
test("is empty", () => { expect([].length).toBe(0); });
test("takes a coupon", () => { discount = 10; expect(discount).toBe(10); });
test("adds", () => { expect(1 + 1).toBe(2); });
"""


@pytest.mark.slow
def test_vitest_tells_its_true_order_where_its_report_does_not(tmp_path: Path) -> None:
    modules = node_modules("vitest")
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    (tmp_path / "cart.test.js").write_text(CART)
    program = "node node_modules/vitest/vitest.mjs"
    for seed in (1, 2):
        subprocess.run(
            [*program.split(), "run", "--sequence.shuffle.tests", f"--sequence.seed={seed}", "--reporter=junit",
             f"--outputFile=reports/{seed}.xml"],
            cwd=tmp_path, env=ENVIRON, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    ingest(tmp_path / "h.db", tmp_path / "reports")
    proves(
        confirmed(tmp_path / "h.db", tmp_path, "cart.test.js::totals", program=program), "cart.test.js::takes a coupon"
    )


@pytest.mark.slow
def test_rspec_names_a_polluter_in_another_file(tmp_path: Path) -> None:
    needs("ruby", "rspec")
    found = subprocess.run(["ruby", "-e", "require 'rspec_junit_formatter'; require 'rspec/retry'"], check=False)
    if found.returncode:
        pytest.skip("rspec_junit_formatter or rspec-retry is not installed")
    project = shutil.copytree(PROJECTS / "rspec", tmp_path / "project")
    recorded(tmp_path / "h.db", "rspec", tmp_path / "reports")
    report = service.report(tmp_path / "h.db", Scope(), now=NOW)
    victim = next(f for f in report.tests if f.cause is not None and f.cause.category == "order-dependence")
    outcome = confirmed(tmp_path / "h.db", project, victim.id)
    assert (outcome.standing, [role for _, role in outcome.parties]) == ("confirmed", ["polluter"]), outcome


UNITTEST = """\
import unittest

DISCOUNT = []

class Cart(unittest.TestCase):
    def test_total(self):
        self.assertEqual(DISCOUNT, [])

    def test_coupon(self):
        DISCOUNT.append(10)

    def test_empty(self):
        pass
"""
# A runner that no part of flakediag knows: unittest, with a report of its own. Words in, JUnit XML out.
RUNNER = """\
import sys, unittest
from xml.sax.saxutils import quoteattr

out, cases = sys.argv[1], []
names = [name.replace(".py::", ".").replace("::", ".") for name in sys.argv[2:]]
for test in unittest.defaultTestLoader.loadTestsFromNames(names):
    for case in test if isinstance(test, unittest.TestSuite) else [test]:
        result = case.run()
        classname, _, name = case.id().rpartition(".")
        failed = "<failure message='AssertionError: not equal'>AssertionError</failure>" if result.failures else ""
        head = f"<testcase classname={quoteattr(classname)} name={quoteattr(name)} time='0.01'>"
        cases.append(f"{head}{failed}</testcase>")
open(out, "w").write(f"<testsuites name='pytest tests'><testsuite name='pytest' tests='{len(cases)}' time='1'>"
                     + "".join(cases) + "</testsuite></testsuites>")
"""


@pytest.mark.slow
def test_a_template_runs_what_flakediag_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "test_cart.py").write_text(UNITTEST)
    (tmp_path / "runner.py").write_text(RUNNER)
    (tmp_path / "reports").mkdir()
    names = [f"test_cart.Cart.test_{name}" for name in ("total", "coupon", "empty")]
    for number, order in enumerate((names, names[1:] + names[:1])):
        report = str(tmp_path / "reports" / f"{number}.xml")
        subprocess.run([sys.executable, "runner.py", report, *order], cwd=tmp_path, env=ENVIRON, check=True)
    ingest(tmp_path / "h.db", tmp_path / "reports")
    command = f"{sys.executable} runner.py {{junit}} {{tests}}"
    outcome = confirmed(tmp_path / "h.db", tmp_path, "test_cart.Cart::test_total", command=command)
    proves(outcome, "test_cart.Cart::test_coupon")
