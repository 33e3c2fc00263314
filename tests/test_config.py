"""The settings: who wins, what is refused, and what the refusal says."""

from __future__ import annotations

from pathlib import Path

import pytest

from flakediag.config import NAMES, VARIABLES, Settings, load, rate
from flakediag.errors import ConfigError
from flakediag.model import GateRule, Metric, Redaction

DOCS = Path(__file__).parents[1] / "docs" / "configuration.md"


def settings(folder: Path, toml: str = "", *, environ: dict[str, str] | None = None, **flags: object) -> Settings:
    if toml:
        (folder / "pyproject.toml").write_text(toml)
    return load(flags, environ=environ or {}, directory=folder)


def test_the_defaults(tmp_path: Path) -> None:
    assert settings(tmp_path) == Settings()


def test_flag_over_variable_over_file_over_default(tmp_path: Path) -> None:
    toml = "[tool.flakediag]\ndays = 10\nmax-runs = 10\nbranch = 'file'\n"
    environ = {"FLAKEDIAG_MAX_RUNS": "20", "FLAKEDIAG_BRANCH": "variable", "PATH": "/bin"}
    got = settings(tmp_path, toml, environ=environ, branch="flag", project=None)
    assert (got.days, got.max_runs, got.branch, got.min_runs) == (10, 20, "flag", 10)
    assert got.source == tmp_path / "pyproject.toml"


def test_everything_can_be_set_in_the_file(tmp_path: Path) -> None:
    got = settings(
        tmp_path,
        """
        [tool.flakediag]
        db = "ci/history.db"
        project = "shop"
        branch = "main"
        days = 30
        max_runs = 100  # underscores will do
        [tool.flakediag.gate]
        max-flaky-rate = "0.5%"
        metric = "executions"
        min-runs = 3
        baseline = "main"
        max-flaky-runs = "10%"
        strict = true
        ratchet-file = "ci/held.json"
        [[tool.flakediag.gate.rules]]
        path = "tests/api/**"
        metric = "runs"
        max = "2%"
        [[tool.flakediag.gate.rules]]
        owner = "@shop"
        max = 0
        """,
    )
    assert got == Settings(
        db=tmp_path / "ci" / "history.db",
        project="shop",
        branch="main",
        days=30,
        max_runs=100,
        max_flaky_rate=0.005,
        metric=Metric.EXECUTIONS,
        min_runs=3,
        baseline="main",
        max_flaky_runs=0.1,
        strict=True,
        ratchet_file=tmp_path / "ci" / "held.json",
        rules=(
            GateRule(metric=Metric.RUNS, limit=0.02, path="tests/api/**"),
            GateRule(metric=Metric.TESTS, limit=0.0, owner="@shop"),
        ),
        source=tmp_path / "pyproject.toml",
    )


def test_the_file_is_found_upwards_past_those_without_the_table(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.flakediag]\ndays = 7\n")
    inner = tmp_path / "packages" / "a"
    inner.mkdir(parents=True)
    (inner / "pyproject.toml").write_text("[project]\nname = 'a'\n")
    assert settings(inner).days == 7


def test_where_secrets_are_masked(tmp_path: Path) -> None:
    toml = "[tool.flakediag]\nredact = 'output'\n[tool.flakediag.redact-patterns]\ncustomer-number = 'KD-[0-9]{8}'\n"
    got = settings(tmp_path, toml)
    assert (got.redact, got.redact_patterns) == (Redaction.OUTPUT, (("customer-number", "KD-[0-9]{8}"),))
    assert settings(tmp_path, environ={"FLAKEDIAG_REDACT": "off"}).redact is Redaction.OFF
    assert settings(tmp_path, environ={"FLAKEDIAG_REDACT": "off"}, redact=Redaction.ALL).redact is Redaction.ALL


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pyproject.toml", "[tool.flakediag]\ndays = 7\n"),
        ("flaky.toml", "days = 7\n"),
        ("flaky.toml", "[tool.flakediag]\ndays = 7\n"),
    ],
)
def test_a_named_file(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert load({}, environ={}, directory=tmp_path / "elsewhere", file=tmp_path / name).days == 7


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[tool.flakediag]\nbrunch = 'main'\n", "did you mean 'branch'?"),
        ("[tool.flakediag]\nmin-runs = 3\n", "did you mean 'gate.min-runs'?"),
        ("[tool.flakediag.gate]\nmax-flakey-rate = '1%'\n", "did you mean 'gate.max-flaky-rate'?"),
        ("[tool.flakediag]\nxyzzy = 3\n", "known are db, project"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, toml)
    assert str(tmp_path / "pyproject.toml") in caught.value.message
    assert said in (caught.value.hint or "")


def test_an_unknown_variable_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="FLAKEDIAG_MAX_FLAKEY_RATE") as caught:
        settings(tmp_path, environ={"FLAKEDIAG_MAX_FLAKEY_RATE": "1%"})
    assert caught.value.hint == "did you mean 'FLAKEDIAG_MAX_FLAKY_RATE'?"


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[tool.flakediag]\ndays = 0\n", "days = 0 must be a whole number of at least 1"),
        ("[tool.flakediag]\ndays = true\n", "must be a whole number"),
        ("[tool.flakediag]\nbranch = 3\n", "branch = 3 must be text"),
        ("[tool.flakediag]\ngate = 3\n", r"\[tool.flakediag.gate\] must be a table"),
        ("[tool]\nflakediag = 3\n", r"\[tool.flakediag\] must be a table"),
        ("[tool.flakediag.gate]\nmetric = 'test'\n", "must be one of tests, runs, executions"),
        ("[tool.flakediag.gate]\nmax-flaky-rate = 1\n", "ambiguous: write 1% or a fraction below 1"),
        ("[tool.flakediag]\nredact = 'some'\n", "redact = 'some' must be one of all, output, off"),
        ("[tool.flakediag]\nredact-patterns = ['x']\n", "must be a table of names and regular expressions"),
        ("[tool.flakediag.redact-patterns]\nmine = '(x+)+y'\n", "is refused: mine repeats something without an upper"),
        ("[tool.flakediag.redact-patterns]\nmine = '(x'\n", "is refused: mine is no regular expression"),
        ("[tool.flakediag\n", "not valid TOML.*line 1"),
    ],
)
def test_a_value_that_makes_no_sense(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        settings(tmp_path, toml)
    assert "pyproject.toml" in caught.value.message


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration file"):
        load({}, environ={}, directory=tmp_path, file=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1%", 0.01), ("0.5 %", 0.005), ("100%", 1.0), ("0.01", 0.01), (0.01, 0.01), ("0", 0.0), ("0%", 0.0), (0, 0.0)],
)
def test_rates(text: object, value: float) -> None:
    assert rate(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["1", 1, "1.0", "5", "101%", "-1%", "nan", "inf", "", "%", "one", True, None])
def test_what_is_no_rate(text: object) -> None:
    with pytest.raises(ValueError, match=r"must be|ambiguous"):
        rate(text)


def test_the_documentation_names_every_setting() -> None:
    page = DOCS.read_text("utf-8")
    for name in (*NAMES, *VARIABLES):
        assert f"`{name}`" in page
