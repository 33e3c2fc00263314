"""The gate from the command line to the exit code: limits, parts of the suite, the ratchet."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from report.validation import valid
from reports import write_runs

from flakediag import service
from flakediag.ci import CiInfo
from flakediag.cli.app import app
from flakediag.errors import ExitCode
from flakediag.service import RunInfo

NOW = datetime(2026, 3, 2, tzinfo=UTC)
TESTS = 20


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose history has two flaky tests of twenty, in tests/test_shop.py."""
    monkeypatch.setattr(service, "from_environ", lambda environ: CiInfo(provider="git"))
    (tmp_path / ".git").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_shop.py").touch()
    monkeypatch.chdir(tmp_path)
    stored(tmp_path, "FF")
    return tmp_path


def stored(folder: Path, flaky: str, runs: int = 12) -> None:
    """A history in which as many tests as `flaky` has letters fail in every third run of one commit."""
    db = folder / ".flakediag" / "history.db"
    db.unlink(missing_ok=True)
    db.parent.mkdir(exist_ok=True)
    rows = [(flaky if r % 3 == 0 else "." * len(flaky)) + "." * (TESTS - len(flaky)) for r in range(runs)]
    reports = write_runs(folder / f"r{len(flaky)}", rows, commits="a" * runs)
    service.ingest(db, [str(reports)], RunInfo(), now=NOW, environ={})


def gate(*args: str) -> Result:
    return CliRunner().invoke(app, ["gate", *args], prog_name="flakediag")


def configured(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text)


def test_the_interval_decides_and_strict_takes_the_rate(project: Path) -> None:
    passed = gate("--max-flaky-rate", "5%")
    assert (passed.exit_code, "above the limit, but not beyond doubt" in passed.stdout) == (ExitCode.OK, True)
    assert gate("--max-flaky-rate", "5%", "--strict").exit_code == ExitCode.GATE_TRIPPED
    assert gate("--max-flaky-rate", "1%").exit_code == ExitCode.GATE_TRIPPED
    configured(project, '[tool.flakediag.gate]\nmax-flaky-rate = "5%"\nstrict = true\n')
    assert gate().exit_code == ExitCode.GATE_TRIPPED


def test_every_configured_limit_is_shown_and_any_trips(project: Path) -> None:
    configured(
        project,
        """
        [tool.flakediag.gate]
        max-flaky-tests = "50%"
        max-flaky-runs = "5%"
        [[tool.flakediag.gate.rules]]
        path = "tests/**"
        max = "60%"
        """,
    )
    text = gate()
    assert text.exit_code == ExitCode.GATE_TRIPPED
    assert text.stdout.startswith("gate: tripped · 1 of 3 rules (12 runs looked at, 10 needed)\n")
    assert "tripped · 33.3 % of runs were red only through flaky failures (4 of 12" in text.stdout
    assert "passed · 10.0 % of tests of tests/** are flaky (2 of 20" in text.stdout
    document = valid(json.loads(gate("--format", "json").stdout), "gate")
    assert [(r["metric"], r["path"], r["status"]) for r in document["rules"]] == [
        ("tests", None, "passed"),
        ("runs", None, "tripped"),
        ("tests", "tests/**", "passed"),
    ]
    assert (document["metric"], document["unplaced"]) == ("runs", 0)


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ('path = "tests/*.py"\nmax = "1%"', ExitCode.GATE_TRIPPED),
        ('path = "tests/api/**"\nmax = "1%"', ExitCode.NOT_ENOUGH_EVIDENCE),  # a path that names nothing
        ('owner = "@shop"\nmax = "1%"', ExitCode.GATE_TRIPPED),
        ('owner = "@shop"\nmetric = "executions"\nmax = "20%"', ExitCode.OK),
        ('owner = "@nobody"\nmax = "1%"', ExitCode.NOT_ENOUGH_EVIDENCE),
    ],
)
def test_a_rule_for_a_part_of_the_suite(project: Path, rule: str, code: ExitCode) -> None:
    (project / "CODEOWNERS").write_text("tests/ @shop\n")
    configured(project, f"[[tool.flakediag.gate.rules]]\n{rule}\n")
    assert gate().exit_code == code


def test_one_owner_s_tests(project: Path) -> None:
    assert gate("--max-flaky-rate", "1%", "--owner", "@shop").exit_code == ExitCode.USAGE  # no CODEOWNERS
    (project / "CODEOWNERS").write_text("tests/ @shop\n* @all\n")
    assert gate("--max-flaky-rate", "1%", "--owner", "@shop").exit_code == ExitCode.NOT_ENOUGH_EVIDENCE
    assert gate("--max-flaky-rate", "1%", "--owner", "@all").exit_code == ExitCode.GATE_TRIPPED


@pytest.mark.parametrize("name", ["@org/shop", "org/shop", "@Org/Shop"])
def test_an_owner_s_own_rules_hold_however_the_name_is_written(project: Path, name: str) -> None:
    (project / "CODEOWNERS").write_text("* @org/shop\n")
    configured(project, '[[tool.flakediag.gate.rules]]\nowner = "@org/shop"\nmax = "0%"\n')
    assert gate("--max-flaky-rate", "50%", "--owner", name).exit_code == ExitCode.GATE_TRIPPED


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[[tool.flakediag.gate.rules]]\npath = "x"\nmaximum = "1%"', "unknown key 'maximum' in rule 1"),
        ('[[tool.flakediag.gate.rules]]\npath = "x"\nmax = 5', "max = 5 in rule 1"),
        ('[[tool.flakediag.gate.rules]]\nmax = "1%"', "either a path or an owner"),
        ('[[tool.flakediag.gate.rules]]\npath = "x"\nowner = "@y"\nmax = "1%"', "either a path or an owner"),
        ('[tool.flakediag.gate]\nrules = "x"', "must be tables"),
        ('[tool.flakediag.gate]\nstrict = "very"', "must be true or false"),
        ('[tool.flakediag.gate]\nmax-flaky-rate = "1%"\nmax-flaky-tests = "2%"', "limit the same"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_name(project: Path, toml: str, said: str) -> None:
    configured(project, toml + "\n")
    refused = gate()
    assert refused.exit_code == ExitCode.USAGE
    assert said in refused.stderr
    assert "pyproject.toml" in refused.stderr


def test_the_ratchet_holds_what_was_stored_and_only_tightens(project: Path) -> None:
    file = project / "flakediag-baseline.json"
    missing = gate("--ratchet")
    assert (missing.exit_code, "gate --ratchet --update" in missing.stderr) == (ExitCode.USAGE, True)
    first = gate("--ratchet", "--update")
    assert (first.exit_code, "baseline 10.0 %" in first.stdout) == (ExitCode.OK, True)
    assert json.loads(file.read_text())["rates"] == {"tests": {"count": 2, "of": TESTS}}
    assert gate("--ratchet").exit_code == ExitCode.OK
    before = file.read_text()

    stored(project, "FFF")
    worse = gate("--ratchet", "--update")
    assert worse.exit_code == ExitCode.GATE_TRIPPED
    assert "1 flaky test is not in the stored baseline" in worse.stdout
    assert "tests.test_shop::test_2" in worse.stdout
    assert "tests.test_shop::test_1" not in worse.stdout
    assert file.read_text() == before  # never loosened

    stored(project, "F")
    assert gate("--ratchet", "--update").exit_code == ExitCode.OK
    assert json.loads(file.read_text())["flaky"] == ["tests.test_shop::test_0"]
    stored(project, "FF")
    assert gate("--ratchet").exit_code == ExitCode.GATE_TRIPPED
    assert gate("--ratchet", "--reset").exit_code == ExitCode.OK
    assert len(json.loads(file.read_text())["flaky"]) == 2


def test_too_few_runs_store_no_baseline(project: Path) -> None:
    short = gate("--ratchet", "--update", "--min-runs", "50")
    assert (short.exit_code, "nothing is stored" in short.stderr) == (ExitCode.NOT_ENOUGH_EVIDENCE, True)
    assert not (project / "flakediag-baseline.json").exists()


@pytest.mark.parametrize(
    "args", [["--update"], ["--reset"], ["--ratchet", "--owner", "@x"], ["--ratchet", "--new-only", "--baseline", "m"]]
)
def test_options_that_do_not_go_together(project: Path, args: list[str]) -> None:
    assert gate("--max-flaky-rate", "1%", *args).exit_code == ExitCode.USAGE


def owners(*args: str) -> Result:
    return CliRunner().invoke(app, ["owners", *args], prog_name="flakediag")


def test_owners_of_flaky_tests(project: Path) -> None:
    assert owners().exit_code == ExitCode.USAGE
    (project / "CODEOWNERS").write_text("* @shop @all\n")
    (row, other) = valid(json.loads(owners("--format", "json").stdout), "owners")["owners"]
    assert (row["owner"], row["flaky"], row["red_runs"]) == ("@all", 2, 4)  # four runs, though both failed in each
    assert other["owner"] == "@shop"
    assert "@shop" in owners().stdout
    assert json.loads(owners("--format", "json", "--owner", "@none").stdout)["owners"] == []
    report = CliRunner().invoke(app, ["report", "--format", "json", "--owner", "@shop"], prog_name="flakediag")
    assert [t["owners"] for t in valid(json.loads(report.stdout))["tests"]] == [["@shop", "@all"]] * 2
    page = CliRunner().invoke(app, ["report", "--format", "markdown"], prog_name="flakediag").stdout
    assert "| Owner |" in page
    assert "@shop" not in page  # an @ that would notify people is defused


def test_show_names_the_owners(project: Path) -> None:
    (project / "CODEOWNERS").write_text("/tests/ @shop\n")
    shown = CliRunner().invoke(app, ["show", "test_0", "--format", "json"], prog_name="flakediag")
    assert valid(json.loads(shown.stdout), "show")["test"]["owners"] == ["@shop"]
