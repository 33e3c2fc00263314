"""The exported selections, run by the runners: each needs its program, and nothing is downloaded here.

For Jest and Vitest, NODE_PROJECT names a folder whose node_modules holds jest and jest-junit, or vitest.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from confirm.test_other_runners import ENVIRON, needs, node_modules

from flakediag.model import Identity, RunnerSelection
from quarantine.test_export import chosen

pytestmark = pytest.mark.slow


def output(folder: Path, *command: str, **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        command, cwd=folder, env=ENVIRON | environ, capture_output=True, text=True, timeout=200, check=False
    )
    return done.returncode, done.stdout + done.stderr


GO = """\
package shop

import "testing"

func TestTotal(t *testing.T) { t.Fatal("no") }
func TestTotals(t *testing.T) {}
func TestOrder(t *testing.T) {
	t.Run("two (a+b)", func(t *testing.T) { t.Fatal("no") })
	t.Run("two", func(t *testing.T) {})
}
"""


def test_go_runs_the_quarantined_tests_alone_and_the_others_without_them(tmp_path: Path) -> None:
    needs("go")
    (tmp_path / "go.mod").write_text("module shop.example/shop\n\ngo 1.19\n")
    (tmp_path / "shop_test.go").write_text(GO)
    selection = chosen(
        "go", Identity("shop.example/shop", "TestTotal"), Identity("shop.example/shop", "TestOrder/two_(a+b)")
    )
    environ = {"GOCACHE": str(tmp_path / "cache"), "GOPATH": str(tmp_path / "go"), "GOPROXY": "off", "GOFLAGS": "-v"}
    _, said = output(tmp_path, "go", "test", *selection.only, **environ)
    assert re.findall(r"=== RUN +(\S+)", said) == ["TestTotal", "TestOrder", "TestOrder/two_(a+b)"]
    version = re.search(r"go1\.(\d+)", output(tmp_path, "go", "version")[1])
    if version is None or int(version[1]) < 20:
        pytest.skip("-skip needs Go 1.20; -run chose the right ones")
    code, said = output(tmp_path, "go", "test", *selection.without, "./...", **environ)
    assert (code, re.findall(r"=== RUN +(\S+)", said)) == (0, ["TestTotals", "TestOrder", "TestOrder/two"])


SPEC = """\
RSpec.describe "cart" do
  it("adds it's #{1} (a|b)") { expect(1).to eq(2) }
  it("adds") { expect(1).to eq(1) }
  context "empty" do
    it("is free") { expect(1).to eq(2) }
  end
end
"""


def test_rspec_tells_examples_apart_by_file_and_description(tmp_path: Path) -> None:
    needs("ruby", "rspec")
    (tmp_path / "spec" / "shop").mkdir(parents=True)
    (tmp_path / "spec" / "shop" / "cart_spec.rb").write_text(SPEC)
    (tmp_path / "spec" / "other_spec.rb").write_text(SPEC.replace("eq(2)", "eq(1)"))
    home = "spec.shop.cart_spec"
    selection = chosen("rspec", Identity(home, "cart adds it's 1 (a|b)"), Identity(home, "cart empty is free"))
    assert selection.file is not None
    (tmp_path / selection.file[0]).write_text(selection.file[1])
    code, said = output(tmp_path, "rspec", *selection.without)
    assert (code, "4 examples, 0 failures" in said) == (0, True), said
    code, said = output(tmp_path, "rspec", *selection.only)
    assert (code, "2 examples, 2 failures" in said) == (1, True), said


CART = """\
describe("cart", () => {
  test("adds $1 (a|b) [x] /y/", () => { expect(1).toBe(2); });
  test("adds", () => { expect(1).toBe(1); });
});
test("totals", () => { expect(1).toBe(2); });
test("totals all", () => { expect(1).toBe(1); });
"""


def selected(runner: str, separator: str) -> RunnerSelection:
    file = "cart.test.js"
    return chosen(runner, Identity("", f"cart{separator}adds $1 (a|b) [x] /y/", file), Identity("", "totals", file))


def outcomes(report: Path) -> dict[str, str]:
    """The outcome of each test in Jest's JSON, which Vitest writes as well; those that were not chosen left out."""
    results = json.loads(report.read_text("utf-8"))["testResults"]
    told = {row["fullName"].strip(): row["status"] for result in results for row in result["assertionResults"]}
    return {name: status for name, status in told.items() if status in ("passed", "failed")}


@pytest.mark.parametrize(
    ("runner", "program", "separator"),
    [
        ("jest", ["node", "node_modules/jest/bin/jest.js", "--ci", "--json"], " "),
        ("vitest", ["node", "node_modules/vitest/vitest.mjs", "run", "--globals", "--reporter=json"], " > "),
    ],
)
def test_javascript_runs_the_quarantined_tests_alone_and_the_others_without_them(
    tmp_path: Path, runner: str, program: list[str], separator: str
) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules(runner))
    (tmp_path / "package.json").write_text('{"private": true}')
    (tmp_path / "cart.test.js").write_text(CART)
    selection = selected(runner, separator)
    report = tmp_path / "report.json"
    code, said = output(tmp_path, *program, f"--outputFile={report}", *selection.without)
    assert code == 0, said
    assert outcomes(report) == {"cart adds": "passed", "totals all": "passed"}
    output(tmp_path, *program, f"--outputFile={report}", *selection.only)
    assert outcomes(report) == {"cart adds $1 (a|b) [x] /y/": "failed", "totals": "failed"}
