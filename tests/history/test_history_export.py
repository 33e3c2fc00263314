"""Lines of JSON: everything goes out, everything comes back, and what is not an export is refused."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from history_samples import everything_in, failed, passed, report, skipped, store, suite
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from test_history_merge import said

from flakediag import upkeep
from flakediag.errors import HistoryError, UsageError
from flakediag.history import History
from flakediag.history.prune import Limits
from flakediag.model import Attempt, CaseResult, FailureDetail, Identity, Outcome, RunReport, Scope

SCHEMA = json.loads(files("flakediag.history").joinpath("export.schema.json").read_text("utf-8"))
NOW = datetime(2026, 3, 2, tzinfo=UTC)


def exported(path: Path) -> str:
    stream = io.StringIO()
    upkeep.export(path, stream)
    return stream.getvalue()


def imported(path: Path, text: str) -> Path:
    upkeep.import_(path, io.StringIO(text), "history.jsonl")
    return path


def everything() -> list[RunReport]:
    """A run of every kind, with names and texts that are hard to write down."""
    nasty = Identity("a\u2028b", 'c"\\\n\x00\ud800', "d/e.py", "firefox")
    retried = CaseResult(
        nasty,
        Outcome.PASSED,
        0.125,
        earlier=(
            Attempt(Outcome.ERROR, 1.5, FailureDetail("E", "\ud800", "text", "out")),
            Attempt(Outcome.FAILED, None, None),
        ),
    )
    return [
        suite("plain", fails=("test_b",), commit="c" * 40, job="unit", attempt=3, shard="1/2", url="https://ci/1"),
        report("odd", passed("test_a", None), skipped("test_b"), failed("test_c"), retried, hours=1, branch="topic"),
        suite(
            "experiment",
            hours=2,
            experiment=True,
            duration=1.25,
            parallelism=0.5,
            host="h",
            properties={"b": "1", "a": ""},
        ),
        suite("elsewhere", hours=3, project="bank", branch=None),
        report("empty", hours=4),
    ]


def full(path: Path) -> Path:
    """A history made by `import` itself, so that signatures are the program's own."""
    source = path.with_name("source.db")
    store(source, *everything(), *(suite(f"r{n}", hours=10 + n, fails=("test_a",) if n % 2 else ()) for n in range(6)))
    with History.open(source, "write") as history:
        history.prune(Limits(days=None, runs=4), NOW)
    upkeep.rename(source, Scope(project="default"), "tests.test_orders::test_e", "tests.test_orders::test_z")
    upkeep.merge(path, [source])
    return path


def test_what_is_exported_comes_back_byte_for_byte(path: Path, tmp_path: Path) -> None:
    text = exported(full(path))
    again = imported(tmp_path / "again.db", text)
    assert exported(again) == text
    assert said(again) == said(path)
    for table in ("runs", "files", "pruned_runs", "renames"):
        kept = [everything_in(each)[table] for each in (path, again)]
        assert len(kept[0]) == len(kept[1]) > 0
    assert upkeep.checkup(again).sound


def test_importing_twice_changes_nothing(path: Path, tmp_path: Path) -> None:
    text = exported(full(path))
    again = imported(tmp_path / "again.db", text)
    before = everything_in(again)
    done = upkeep.import_(again, io.StringIO(text), "history.jsonl")
    assert (done.runs, done.known) == (0, 11)
    assert everything_in(again) == before


def test_every_line_is_as_the_schema_says_and_pure_ascii(path: Path) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    validator = Draft202012Validator(SCHEMA)
    text = exported(full(path))
    assert text.isascii()
    documents = [json.loads(line) for line in text.splitlines()]
    for document in documents:
        validator.validate(document)
    assert {key for document in documents for key in document} == {
        *("format", "version", "renames", "run", "files", "results", "pruned")
    }


@pytest.mark.parametrize("key", ["run", "files"])
def test_the_schema_holds_what_import_refuses(path: Path, key: str) -> None:
    document = json.loads(exported(full(path)).splitlines()[1])
    del document[key]
    assert not Draft202012Validator(SCHEMA).is_valid(document)


@settings(max_examples=10, deadline=None)
@given(
    name=st.text(max_size=8),
    message=st.text(max_size=20),
    milliseconds=st.integers(0, 10**9),
    outcome=st.sampled_from(Outcome),
)
def test_any_text_and_any_duration_survive(
    tmp_path_factory: pytest.TempPathFactory, name: str, message: str, milliseconds: int, outcome: Outcome
) -> None:
    folder = tmp_path_factory.mktemp("export")
    failure = FailureDetail("E", message, "") if outcome.failed else None
    result = CaseResult(Identity("c", name), outcome, milliseconds / 1000, failure)
    store(folder / "a.db", replace(report("r", result, branch=message), results=(result,)))
    text = exported(folder / "a.db")
    assert exported(imported(folder / "b.db", text)) == text
    with History.open(folder / "b.db") as history:
        assert history.run_report(1).results == (result,)


HEAD = '{"format":"flakediag-history","version":1,"renames":[]}'


def line(**changed: Any) -> str:
    run = {"digest": "d", "started_at": "2026-03-01T10:00:00Z", "order": "execution", "properties": {}}
    return json.dumps({"run": run | changed, "files": [], "results": []})


def pruned_line(**changed: Any) -> str:
    counts = dict.fromkeys(("results", "failures", "errors", "skips"), 0)
    tests = {f"{word}_tests": [] for word in ("executed", "skipped", "failed")}
    said = {"at": "2026-03-01T10:00:00Z", **counts, **tests, **changed}
    return json.dumps({"run": json.loads(line())["run"], "files": [], "pruned": said})


@pytest.mark.parametrize(
    ("text", "number", "complaint"),
    [
        ("", 1, "not JSON"),
        ("<testsuite/>", 1, "not JSON"),
        ("[]", 1, "not a JSON object"),
        ('{"format":"other"}', 1, "not an export"),
        ('{"format":"flakediag-history","version":2,"renames":[]}', 1, "version 2"),
        (f"{HEAD}\n{line()}\n{{", 3, "not JSON"),
        (f"{HEAD}\n{{}}", 2, "'run' is missing"),
        (f"{HEAD}\n{line(started_at='yesterday')}", 2, "yesterday"),
        (f"{HEAD}\n{line(started_at='2026-03-01T10:00:00')}", 2, "no zone"),
        (f"{HEAD}\n{line(order='random')}", 2, "random"),
        (f"{HEAD}\n{line(attempt='one')}", 2, "attempt"),
        (f"{HEAD}\n{line(unknown=1)}", 2, "unknown"),
        (f"{HEAD}\n{line(attempt=None)}", 2, "attempt is None"),
        (f"{HEAD}\n{line(experiment='yes')}", 2, "experiment is 'yes'"),
        (f"{HEAD}\n{line(ordered_classes=None)}", 2, "ordered_classes is None"),
        (f"{HEAD}\n{line(started_at='0001-01-01T00:00:00+14:00')}", 2, "out of range"),
        (f"{HEAD}\n{line(pruned=None)}", 2, "pruned"),
        (f"{HEAD}\n{pruned_line(results='many')}", 2, "results is 'many'"),
        (f"{HEAD}\n{pruned_line(at='2026-03-01T10:00:00')}", 2, "at has no zone"),
        (f"{HEAD}\n{pruned_line(failed_tests='abc')}", 2, "failed_tests is 'abc'"),
        (f"{HEAD}\n{line()}".replace('"results": []', '"results": {}'), 2, "results is {}"),
        (f"{HEAD}\n{'[' * 100_000}", 2, "not JSON"),
        (HEAD.replace("[]", '[{"project":5,"old":{},"new":{}}]'), 1, "project is 5"),
        (HEAD.replace("1", "true"), 1, "version True"),
        (f"{HEAD}\n{line(properties={'a': 1})}", 2, "a is 1"),
        (f'{HEAD}\n{{"run": {{}}, "files": 3, "results": []}}', 2, "missing"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_nothing_is_stored(
    path: Path, text: str, number: int, complaint: str
) -> None:
    store(path, suite("mine"))
    before = everything_in(path)
    with pytest.raises(UsageError, match=f"^history.jsonl:{number}: .*{complaint}"):
        imported(path, text)
    assert everything_in(path) == before


@pytest.mark.parametrize(
    "lines",
    [
        [line(id=1, digest="a"), line(id=1, digest="b")],
        [line(attempt=10**30)],
    ],
)
def test_an_export_that_contradicts_itself_is_refused_whole(path: Path, lines: list[str]) -> None:
    with pytest.raises(HistoryError, match="cannot be stored"):
        imported(path, "\n".join([HEAD, *lines]))
    assert everything_in(path)["runs"] == []


def test_parquet_says_what_it_needs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(path, suite("r"))
    monkeypatch.setattr("flakediag.history.parquet.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs the library pyarrow") as raised:
        upkeep.export_parquet(path, io.BytesIO())
    assert "flakediag[parquet]" in str(raised.value.hint)


def test_parquet_has_a_row_for_each_result(path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pandas

    target = io.BytesIO()
    assert upkeep.export_parquet(full(path), target) == 5 * 4 + 4 + 5 + 5
    table = pandas.read_parquet(target)
    assert set(table["outcome"]) == {"passed", "failed", "skipped"}
    assert table["duration"].dtype == "float64"
    assert str(table["started_at"].dtype).endswith("UTC]")
    assert table["failed_attempts"].sum() >= 4
