"""A history in which everything that a suite, a CI system or a file system has a say in would act if it could: no
command lets it, and what is stored is what was given."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hostile_names import HARMLESS, NAMES, in_text

from flakediag.analysis.signature import signature_of
from flakediag.cli import main
from flakediag.history import History
from flakediag.model import CaseResult, FailureDetail, Identity, InputFile, Order, Outcome, QuarantineEntry, Run
from flakediag.model import RunReport as Report
from flakediag.quarantine import file as quarantine
from flakediag.quarantine.selections import NAMES as RUNNERS

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUNS = 12
PRODUCERS = {
    "pytest": "pytest",
    "surefire": "surefire",
    "gradle": "gradle",
    "jest": "jest",
    "vitest": "vitest",
    "go": "gotestsum",
    "rspec": "rspec",
    "playwright": "playwright",
}


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


def run(*args: str) -> Said:
    """A command as a shell sees it, whose output goes to files."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(list(args))
    for stream in (out, err):
        stream.flush()
    code = ended.value.code
    assert isinstance(code, int)
    return Said(code, *(stream.buffer.getvalue().decode("utf-8") for stream in (out, err)))


def case(name: str, number: int, run_number: int) -> CaseResult:
    """The test whose every name is `name`; in every third run it fails, on the same commit as it passes."""
    fails = (run_number + number) % 3 == 0
    detail = FailureDetail(name, f"{name} expected 1, got 2", f"E   {name}\n{name}", name) if fails else None
    outcome = Outcome.FAILED if fails else Outcome.PASSED
    return CaseResult(Identity(name, name, name, ""), outcome, 0.1, detail)


def reports(producer: str) -> Iterator[Report]:
    names = list(NAMES.values())
    for number in range(RUNS):
        name = names[number % len(names)]
        digest = sha256(f"{producer} {number}".encode()).hexdigest()
        said = Run(
            started_at=START + timedelta(hours=number),
            digest=digest,
            project=NAMES["lines"],
            commit="c" * 40 if number else name,
            branch=NAMES["workflow"],
            job=name,
            shard=name,
            host=name,
            url=name,
            duration=9.0,
            producer=producer,
            order=Order.EXECUTION,
            properties={name: name},
        )
        results = [case(name, place, number) for place, name in enumerate(names)]
        yield Report(run=said, results=tuple(results), files=(InputFile(path=name, digest=digest, cases=len(results)),))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with such a history for each producer, a quarantine, owners and reports to check."""
    folder = tmp_path_factory.mktemp("hostile")
    for runner, producer in PRODUCERS.items():
        with History.open(folder / f"{runner}.db", "write") as history:
            history.add_runs(reports(producer), signature_of)
    said = sorted({Identity(name, name, name).id for name in NAMES.values()})
    entries = [
        QuarantineEntry(
            test=id, signature=None, reason=id, owner=id, ticket=id, added=date(2026, 1, 1), expires=date(2999, 1, 1)
        )
        for id in said
        if id.strip()
    ]
    (folder / "quarantine.json").write_text(quarantine.text(entries), "utf-8")
    (folder / "CODEOWNERS").write_text("* @team/\x1b[31mred::error::x ##vso[x]\n", "utf-8")
    (folder / "reports").mkdir()
    printable = {
        key: re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", n) for key, n in NAMES.items()
    }
    cases = "".join(
        f"<testcase classname={quoteattr(name)} name={quoteattr(name)} file={quoteattr(name)}>"
        f"<failure message={quoteattr(name)} type={quoteattr(name)}/></testcase>"
        for name in printable.values()
    )
    for name in ("a\n::error::b.xml", "##vso[task.complete].xml", "\x1b[2J.xml", "=1+1.xml"):
        (folder / "reports" / name).write_text(f"<testsuite name={quoteattr(name)}>{cases}</testsuite>", "utf-8")
    (folder / "reports" / "::error::broken.xml").write_text("<testsuite><testcase", "utf-8")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith(("FLAKEDIAG_", "GITHUB_", "CI"))]:
        monkeypatch.delenv(variable)


ALL = ("--all-branches",)
ID = Identity(NAMES["lines"], NAMES["lines"], NAMES["lines"]).id
COMMANDS: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("report", *ALL, "--limit", "0"), ("table", "json", "markdown", "csv", "html", "svg")),
    (("report", *ALL, "--limit", "0"), ("github", "gitlab", "sarif", "junit", "slack")),
    *((("report", *ALL, "--by", by), ("table", "json", "markdown", "csv")) for by in ("package", "file", "cause")),
    (("show", *ALL, ID), ("table", "json", "markdown")),
    (("runs", *ALL), ("table", "json")),
    (("tests", *ALL, "--limit", "0"), ("table", "json")),
    (("check", "--branch", NAMES["workflow"], "reports"), ("text", "json", "markdown", "github")),
    (("gate", *ALL, "--max-flaky-rate", "1%"), ("text", "json")),
    (("quarantine", "list", "--file", "quarantine.json"), ("text", "json", "markdown")),
    (("owners", *ALL), ("table", "json", "markdown")),
    (("backtest", "gate", *ALL, "--max-flaky-rate", "1%", "--min-runs", "2"), ("text", "json")),
    (("plan", *ALL, "--command", "run {tests} {junit}"), ("text", "json")),
    (("rename", *ALL), ("text", "json")),
    (("rename", "--dry-run", ID, "a.b::c"), ("text", "json")),
    (("prune", "--keep-runs", "3", "--dry-run"), ("text", "json")),
    (("doctor",), ("text", "json")),
    (("export",), ("jsonl",)),
]
CASES = [(args, kind) for args, kinds in COMMANDS for kind in kinds]


@pytest.mark.parametrize(("args", "kind"), CASES, ids=[f"{args[0]}-{i}-{kind}" for i, (args, kind) in enumerate(CASES)])
def test_no_command_lets_a_name_act(args: tuple[str, ...], kind: str, project: Path) -> None:
    said = run("--db", "pytest.db", *args, "--format", kind)
    assert said.code in (0, 1, 5), said.err
    assert said.out
    HARMLESS[kind](said.out)
    in_text(said.err)


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("kind", ["text", "json", "without", "only", "file"])
def test_no_selection_for_a_runner_lets_a_name_act(runner: str, kind: str, project: Path) -> None:
    said = run("--db", f"{runner}.db", "quarantine", "export", "--for", runner, "--file", "quarantine.json", "-f", kind)
    assert said.code == 0, said.err
    HARMLESS["json" if kind == "json" else "text"](said.out)
    in_text(said.err)
    if kind == "text":
        HARMLESS["script"](said.out)


def test_ingest_tells_of_hostile_files_harmlessly(project: Path, tmp_path: Path) -> None:
    for kind in ("text", "json"):
        said = run("--db", str(tmp_path / f"{kind}.db"), "ingest", "reports", "--format", kind)
        assert said.code == 5
        HARMLESS[kind](said.out)
        in_text(said.err)
        assert "broken.xml" in said.err


def test_merge_and_import_too(project: Path, tmp_path: Path) -> None:
    target = tmp_path / "a\n::error::b.db"
    for kind in ("text", "json"):
        said = run("--db", str(target), "merge", "jest.db", "--format", kind)
        assert said.code == 0, said.err
        HARMLESS[kind](said.out)
        in_text(said.err)


WRONG = [
    ("show", "NAME"),
    ("show", "--branch", "NAME", "x"),
    ("report", "--project", "NAME"),
    ("report", "--since", "NAME"),
    ("report", "--format", "NAME"),
    ("report", "-o", "NAME/x/y"),
    ("--db", "NAME/h.db", "report"),
    ("--config", "NAME", "report"),
    ("ingest", "NAME"),
    ("ingest", "NAME*.xml"),
    ("ingest", "--attempt", "NAME", "reports"),
    ("check", "NAME"),
    ("gate", "--max-flaky-rate", "NAME"),
    ("rename", "NAME", "x"),
    ("quarantine", "add", "NAME", "--reason", "NAME"),
    ("quarantine", "list", "--file", "NAME"),
    ("owners", "--file", "NAME"),
    ("plan", "NAME"),
    ("merge", "NAME"),
    ("import", "NAME"),
    ("NAME",),
    ("report", "--NAME"),
    ("report", "NAME"),
]


@pytest.mark.parametrize(
    "name",
    ("terminal", "C1", "right to left", "lines", "other line ends", "workflow", "pipeline", "rich", "long"),
)
def test_no_error_message_lets_what_was_given_act(name: str, project: Path) -> None:
    for given in WRONG:
        args = [part.replace("NAME", NAMES[name]) for part in given]
        said = run(*([] if given[0].startswith("--db") else ["--db", "pytest.db"]), *args)
        assert said.code != 3, (given, said.err)
        in_text(said.out)
        in_text(said.err)


def test_what_is_stored_is_what_was_given(project: Path) -> None:
    with History.open(project / "pytest.db") as history:
        back = [history.run_report(number) for number in range(1, RUNS + 1)]
    for given, stored in zip(reports("pytest"), back, strict=True):
        assert stored.results == given.results
        assert (stored.run.job, stored.run.host, stored.run.url) == (given.run.job, given.run.host, given.run.url)
        assert dict(stored.run.properties) == dict(given.run.properties)
        assert [file.path for file in stored.files] == [file.path for file in given.files]
    lines = run("--db", "pytest.db", "export").out.splitlines()
    assert any(json.dumps(NAMES["terminal"])[1:-1] in line for line in lines)


def test_a_shell_runs_nothing_but_the_commands_that_are_shown(project: Path, tmp_path: Path) -> None:
    """The exported commands, run by a shell in which every runner only prints its arguments."""
    script = []
    for runner in RUNNERS:
        exported = run("--db", f"{runner}.db", "quarantine", "export", "--for", runner, "--file", "quarantine.json")
        script += [line for line in exported.out.splitlines() if not line.startswith("#")]
    plans = json.loads(run("--db", "pytest.db", "plan", *ALL, "--command", "run {tests} {junit}", "-f", "json").out)[
        "plans"
    ]
    planned = [plan["first"]["command"] for plan in plans if plan["first"]]
    script += [shlex.join(command) for command in planned]
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("pytest", "mvn", "gradle", "npx", "go", "rspec", "flakediag", "run", "touch", "id"):
        (tools / tool).write_text('#!/bin/sh\necho "ran ${0##*/}" >> "$LOG"\n', "utf-8")
        (tools / tool).chmod(0o755)
    assert script
    environ = {"PATH": str(tools), "LOG": str(tmp_path / "log")}
    (tools / "script").write_text("\n".join(script), "utf-8")
    subprocess.run(["/bin/sh", tools / "script"], cwd=tmp_path, env=environ, check=False, timeout=60)
    ran = (tmp_path / "log").read_text("utf-8").splitlines()
    assert len(ran) == len(script)
    assert not {"ran touch", "ran id"} & set(ran)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "log"]
