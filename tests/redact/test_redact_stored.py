"""From a report file into the history and out again: no secret gets there, and a failure is still recognised."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from flakediag import checks, service, upkeep
from flakediag.ci import CiInfo
from flakediag.cli.app import app
from flakediag.history import History
from flakediag.history.pruned import PrunedRun
from flakediag.model import IngestSummary, Redaction, RunReport, Scope
from flakediag.redact import Redactor

NOW = datetime(2026, 3, 30, tzinfo=UTC)
TOKENS = ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_xYz7e42F292c6912E7710c838347Ae178Qqq")


@pytest.fixture(autouse=True)
def outside_of_any_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (service, checks):
        monkeypatch.setattr(module, "from_environ", lambda environ: CiInfo(provider="none"))


def write_report(folder: Path, day: int, token: str | None) -> Path:
    failure = (
        f'<failure message="AssertionError: no access with {token}">E  AssertionError: no access with {token}</failure>'
        f"<system-out>login(password='hunter2-{day}')\nbind: address already in use 0.0.0.0:8080</system-out>"
        if token
        else ""
    )
    path = folder / f"run-{day:02}.xml"
    path.write_text(
        f'<testsuites><testsuite name="pytest" tests="1" timestamp="2026-03-{day:02}T10:00:00Z" time="1">'
        f'<testcase classname="tests.test_api" name="test_login" time="0.5">{failure}</testcase>'
        "</testsuite></testsuites>"
    )
    return path


@pytest.fixture
def history(tmp_path: Path) -> Iterator[tuple[Path, IngestSummary]]:
    db = tmp_path / "history.db"
    paths = [str(write_report(tmp_path, day, TOKENS[day // 3 % 2] if day % 3 == 0 else None)) for day in range(1, 21)]
    info = service.RunInfo(commit="c" * 40, branch="main")
    yield db, service.ingest(db, paths, info, now=NOW, environ={})


def test_no_secret_is_stored_and_each_is_counted(history: tuple[Path, IngestSummary]) -> None:
    db, summary = history
    assert summary.masked == {"github-token": 12, "password": 6}
    with closing(History.open(db)) as opened:
        runs = opened.runs(Scope(all_branches=True))
        reports = [opened.run_report(one.run.id) for one in runs if one.run.id is not None]
    said = "".join(r.failure.whole() for report in reports for r in report.results if r.failure)
    assert "no access with <redacted:github-token>" in said
    assert not any(secret in said for secret in (*TOKENS, "hunter2"))


def test_one_signature_whatever_the_token_and_the_port_is_still_seen(
    history: tuple[Path, IngestSummary],
) -> None:
    found = service.show(history[0], "test_login", Scope(), now=NOW)
    assert [s.text for s in found.signatures] == ["AssertionError: no access with <redacted:github-token>"]
    assert found.cause is not None and found.cause.ports == (8080,)


def test_check_recognises_a_known_flake_by_its_masked_failure(
    history: tuple[Path, IngestSummary], tmp_path: Path
) -> None:
    run = write_report(tmp_path, 25, "ghp_" + "n3w" * 12)
    [checked] = checks.check(
        history[0], [str(run)], service.RunInfo(commit="d" * 40, branch="main"), Scope(), now=NOW, environ={}
    ).runs
    assert [failure.blocks for failure in checked.failures] == [False]


def test_a_known_report_counts_nothing_again(history: tuple[Path, IngestSummary], tmp_path: Path) -> None:
    again = service.ingest(history[0], [str(tmp_path / "run-03.xml")], service.RunInfo(), now=NOW, environ={})
    assert (again.runs, again.masked) == (0, {})


def test_off_stores_what_was_said(tmp_path: Path) -> None:
    path, redactor = write_report(tmp_path, 3, TOKENS[0]), Redactor(Redaction.OFF)
    summary = service.ingest(
        tmp_path / "plain.db", [str(path)], service.RunInfo(), now=NOW, environ={}, redactor=redactor
    )
    assert summary.masked == {}
    with closing(History.open(tmp_path / "plain.db")) as opened:
        assert TOKENS[0] in str(opened.run_report(1).results[0].failure)


@pytest.mark.parametrize(
    ("arguments", "toml", "said", "masked"),
    [
        ((), "", "; 3 secrets masked (2 github-token, 1 password)\n", 3),
        (("--redact", "output"), "", "; 1 secret masked (1 password)\n", 1),
        (("--no-redact",), "redact = 'all'", "0 new flaky tests\n", 0),
        ((), "redact = 'off'", "0 new flaky tests\n", 0),
        ((), "[redact-patterns]\nport = 'bind: [a-z ]{1,40}'", "(2 github-token, 1 password, 1 port)\n", 4),
    ],
)
def test_what_ingest_says(tmp_path: Path, arguments: tuple[str, ...], toml: str, said: str, masked: int) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(toml)
    path = write_report(tmp_path, 3, TOKENS[0])

    def run(name: str, *more: str) -> str:
        words = ["--config", str(settings), "--db", str(tmp_path / name), "ingest", str(path), *arguments, *more]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        return done.stdout

    assert run("one.db").endswith(said)
    assert sum(json.loads(run("two.db", "--format", "json"))["masked"].values()) == masked


# --- what an older history holds ---------------------------------------------------------------------------------


@pytest.fixture
def unmasked(tmp_path: Path) -> Path:
    """A history that was written without masks, with secrets in failures, an earlier attempt, a property and a URL;
    the oldest run is pruned."""
    db = tmp_path / "unmasked.db"
    paths = [str(write_report(tmp_path, day, TOKENS[day % 2])) for day in (3, 4, 5)]
    info = service.RunInfo(commit="c" * 40, branch="main", url=f"https://ci:{TOKENS[0]}@ci.example.org/1")
    service.ingest(db, paths, info, now=NOW, environ={}, redactor=Redactor(Redaction.OFF))
    upkeep.prune(db, keep_days=None, keep_runs=2, now=NOW, dry_run=False, window=Scope())
    return db


def moved(source: Path, target: Path, verb: str, *arguments: str) -> dict[str, Any]:
    """What the command says, as JSON."""
    words = ["--config", str(target.with_suffix(".toml")), "--db", str(target), verb, "--format", "json", *arguments]
    target.with_suffix(".toml").touch()
    if verb == "import":
        with source.with_suffix(".jsonl").open("w") as stream:
            upkeep.export(source, stream)
    done = CliRunner().invoke(app, [*words, str(source if verb == "merge" else source.with_suffix(".jsonl"))])
    assert done.exit_code == 0, done.output
    [said] = json.loads(done.stdout)["sources"]
    return cast(dict[str, Any], said)


def contents(db: Path) -> list[RunReport | PrunedRun]:
    with History.open(db) as opened, closing(opened.portables()) as portables:
        return [item.load() for item in portables]


@pytest.mark.parametrize("verb", ["merge", "import"])
def test_what_is_moved_is_masked_as_if_it_were_ingested_now(tmp_path: Path, unmasked: Path, verb: str) -> None:
    target, ingested = tmp_path / "target.db", tmp_path / "ingested.db"
    said = moved(unmasked, target, verb)
    assert (said["runs"], said["masked"]) == (3, {"github-token": 7, "password": 2})
    assert not any(secret in str(contents(target)) for secret in (*TOKENS, "hunter2"))
    paths = [str(tmp_path / f"run-{day:02}.xml") for day in (3, 4, 5)]
    info = service.RunInfo(commit="c" * 40, branch="main", url=f"https://ci:{TOKENS[0]}@ci.example.org/1")
    service.ingest(ingested, paths, info, now=NOW, environ={})
    upkeep.prune(ingested, keep_days=None, keep_runs=2, now=NOW, dry_run=False, window=Scope())
    assert contents(target) == contents(ingested)
    signatures = [
        {s.text for s in service.show(db, "test_login", Scope(), now=NOW).signatures} for db in (target, ingested)
    ]
    assert signatures[0] == signatures[1] == {"AssertionError: no access with <redacted:github-token>"}


@pytest.mark.parametrize("verb", ["merge", "import"])
def test_what_is_masked_or_known_already_is_not_counted(tmp_path: Path, unmasked: Path, verb: str) -> None:
    moved(unmasked, tmp_path / "target.db", verb)
    assert moved(unmasked, tmp_path / "target.db", verb)["masked"] == {}
    assert moved(tmp_path / "target.db", tmp_path / "again.db", verb)["masked"] == {}
    assert contents(tmp_path / "again.db") == contents(tmp_path / "target.db")


@pytest.mark.parametrize("verb", ["merge", "import"])
def test_it_can_be_moved_as_it_is(tmp_path: Path, unmasked: Path, verb: str) -> None:
    assert moved(unmasked, tmp_path / "target.db", verb, "--no-redact")["masked"] == {}
    assert contents(tmp_path / "target.db") == contents(unmasked)


def test_a_header_that_says_more_brings_no_secret(tmp_path: Path, unmasked: Path) -> None:
    target = tmp_path / "target.db"
    service.ingest(target, [str(tmp_path / "run-05.xml")], service.RunInfo(), now=NOW, environ={})
    assert moved(unmasked, target, "merge")["known"] == 1
    assert all(run.run.url == "https://ci:<redacted:github-token>@ci.example.org/1" for run in contents(target))
