"""A history as a folder of Parquet files says what the SQLite file says, and takes in only what changed."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from history_samples import EVERYTHING, NOON, failed, passed, report, signature_of, store, suite, told
from hypothesis import given, settings
from hypothesis import strategies as st
from test_history_export import everything

from flakediag.errors import HistoryError, UsageError
from flakediag.history import History
from flakediag.history.prune import Limits
from flakediag.model import Attempt, CaseResult, FailureDetail, Identity, Outcome, RunReport, Scope

pytest.importorskip("duckdb", reason="DuckDB is part of the development set-up")

from flakediag.history.columnar import connection, manifest, tables
from flakediag.history.columnar.export import Exported, export

NOW = datetime(2026, 3, 2, tzinfo=UTC)
MONTH = 31 * 24  # hours


def exported(path: Path, folder: Path) -> Exported:
    with History.open(path) as history:
        return export(history, folder, signature_of)


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def of_month(folder: Path, month: str) -> dict[str, bytes]:
    return {name: content for name, content in files(folder).items() if f"month={month}" in name}


def scopes(projects: tuple[str, ...], branches: tuple[str, ...]) -> Iterator[Scope]:
    for project in projects:
        whole = replace(EVERYTHING, project=project)
        yield whole
        yield Scope(project=project)
        yield replace(whole, experiments=True)
        yield replace(whole, max_runs=2)
        yield replace(whole, days=0)
        yield replace(whole, since=NOON + timedelta(hours=1), before=NOON + timedelta(hours=MONTH))
        yield from (replace(whole, branch=branch) for branch in branches)


def answers(history: History) -> dict[str, Any]:
    """What a history answers to every question, comparable. (`tests` of SQLite know pruned runs too: not here.)"""
    projects = history.projects()
    found: dict[str, Any] = {
        "projects": projects,
        "counts": history.counts(),
        "runs": history.number_of_runs(),
        "names": {project: history.names(project) for project in projects},
        "branches": {project: history.branches(project) for project in projects},
        "reports": [item.load() for item in history.portables()],
    }
    for item in found["reports"]:
        assert history.run_report(item.run.id) == item
        assert history.run_by_digest(item.run.digest, item.run.project) == item.run
    for scope in scopes(projects, ("main", "topic", "none")):
        window = history.window(scope)
        found[f"window {scope}"] = told(window), [run.id for run in window.runs]
        found[f"tests {scope}"] = history.tests(scope)
        found[f"runs {scope}"] = history.runs(scope)
        found[f"summary {scope}"] = history.summary(scope)
    return found


def assert_same(path: Path, folder: Path) -> None:
    with History.open(path) as one, History.open(f"parquet:{folder}") as other:
        assert answers(other) == answers(one)


def test_every_question_has_the_same_answer(path: Path, tmp_path: Path) -> None:
    store(path, *everything(), *(suite(f"r{n}", hours=n * 300, fails=("test_a",) if n % 2 else ()) for n in range(6)))
    exported(path, tmp_path / "dataset")
    assert_same(path, tmp_path / "dataset")


# Whatever a report may hold: half a surrogate pair, NUL, what looks like an escape of ours, paths, other scripts.
NASTY = st.sampled_from(["", "a", "test_b", "\ud800", "x\x00y", "\ufdd0d800", "../..", "'; --", "naïve\u2028", "🦆"])
DETAILS = st.none() | st.builds(FailureDetail, NASTY, NASTY, NASTY, NASTY)
OUTCOMES = st.sampled_from(list(Outcome))
DURATIONS = st.none() | st.integers(0, 10_000).map(lambda ms: ms / 1000)


@st.composite
def results(draw: st.DrawFn) -> CaseResult:
    def said(outcome: Outcome) -> FailureDetail | None:
        return draw(DETAILS) if outcome.failed else None

    earlier = []
    for outcome in draw(st.lists(st.sampled_from([Outcome.FAILED, Outcome.ERROR]), max_size=2)):
        earlier.append(Attempt(outcome, draw(DURATIONS), said(outcome)))
    last = draw(OUTCOMES)
    test = Identity(draw(NASTY), draw(NASTY), draw(NASTY), draw(NASTY))
    return CaseResult(test, last, draw(DURATIONS), said(last), tuple(earlier))


@st.composite
def histories(draw: st.DrawFn) -> list[RunReport]:
    made = []
    for number in range(draw(st.integers(1, 6))):
        made.append(
            report(
                f"r{number}",
                *draw(st.lists(results(), max_size=5)),
                hours=draw(st.sampled_from([0, 1, MONTH, 3 * MONTH])),
                project=draw(st.sampled_from(["shop", "a/b=c%", "\ud800\x00", "ü" * 200])),
                branch=draw(st.sampled_from([None, "main", "topic"])),
                experiment=draw(st.booleans()),
                properties={draw(NASTY): draw(NASTY)},
                host=draw(st.none() | NASTY),
            )
        )
    return made


@settings(max_examples=10, deadline=None)
@given(histories())
def test_any_history_comes_back_as_it_was(reports: list[RunReport]) -> None:
    with TemporaryDirectory() as folder:
        path, dataset = Path(folder, "history.db"), Path(folder, "dataset")
        store(path, *reports)
        exported(path, dataset)
        assert_same(path, dataset)


def test_names_of_projects_make_paths_that_differ_and_lead_nowhere_else() -> None:
    names = ["shop", "Shop", "a/b", "a%2Fb", "..", "", "\ud800", "x" * 500, "x" * 501, "ü" * 400, "ü" * 401]
    paths = [manifest.escaped(name) for name in names]
    assert len(set(paths)) == len(names)
    assert all(len(path) < 200 and "/" not in path and path.isascii() for path in paths)


# --- written again -------------------------------------------------------------------------------------------------


def test_what_did_not_change_is_not_written(path: Path, tmp_path: Path) -> None:
    store(path, suite("a"), suite("b", hours=MONTH, fails=("test_a",)))
    assert exported(path, tmp_path / "d").months == 2
    before = files(tmp_path / "d")
    again = exported(path, tmp_path / "d")
    assert (again.months, again.unchanged) == (0, 2)
    assert files(tmp_path / "d") == before


def test_only_the_months_that_changed_are_replaced(path: Path, tmp_path: Path) -> None:
    store(path, suite("a"), suite("b", hours=MONTH, fails=("test_a",)))
    exported(path, tmp_path / "d")
    may, june = of_month(tmp_path / "d", "2024-05"), of_month(tmp_path / "d", "2024-06")
    store(path, suite("c", hours=MONTH + 1), report("new", passed("test_new"), hours=MONTH + 2))
    done = exported(path, tmp_path / "d")
    assert (done.months, done.unchanged, done.runs) == (1, 1, 3)
    assert of_month(tmp_path / "d", "2024-05") == may
    assert not set(of_month(tmp_path / "d", "2024-06")) & set(june)  # the old files are gone
    assert_same(path, tmp_path / "d")


def test_a_header_or_a_name_that_changed_is_taken_over(path: Path, tmp_path: Path) -> None:
    from flakediag import upkeep

    store(path, suite("a", commit=None), suite("b", hours=MONTH))
    exported(path, tmp_path / "d")
    with History.open(path, "write") as history:
        history.rename("default", [(Identity("tests.test_orders", "test_a"), Identity("tests.test_orders", "test_z"))])
    store(path.with_name("other.db"), suite("a", commit="c" * 40))
    upkeep.merge(path, [path.with_name("other.db")])
    assert exported(path, tmp_path / "d").months == 2
    with History.open(path) as one, History.open(f"parquet:{tmp_path / 'd'}") as other:
        assert told(other.window(EVERYTHING)) == told(one.window(EVERYTHING))
        assert {run.commit for run in other.window(EVERYTHING).runs} == {"c" * 40, None}


def test_a_run_that_moved_to_another_month_is_there_once(path: Path, tmp_path: Path) -> None:
    from flakediag import upkeep

    store(path, suite("a", commit=None), suite("b", hours=2 * MONTH))
    exported(path, tmp_path / "d")
    store(path.with_name("other.db"), suite("a", hours=MONTH, commit="c" * 40))  # its header says more
    upkeep.merge(path, [path.with_name("other.db")])
    exported(path, tmp_path / "d")
    assert_same(path, tmp_path / "d")


def test_what_was_pruned_stays_in_the_dataset(path: Path, tmp_path: Path) -> None:
    store(path, *(suite(f"r{n}", hours=n * MONTH / 3, fails=("test_b",)) for n in range(6)))
    exported(path, tmp_path / "d")
    with History.open(f"parquet:{tmp_path / 'd'}") as history:
        before = answers(history)
    with History.open(path, "write") as history:
        history.prune(Limits(days=None, runs=2), NOW)
    exported(path, tmp_path / "d")
    with History.open(f"parquet:{tmp_path / 'd'}") as history:
        assert answers(history) == before


def test_several_histories_of_one_project_become_one_dataset(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    store(path, suite("a"), suite("b", hours=1, fails=("test_a",)))
    store(other, suite("b", hours=1, fails=("test_a",)), suite("c", hours=2), suite("d", project="bank"))
    for _ in range(2):
        exported(path, tmp_path / "d")
        exported(other, tmp_path / "d")
    with History.open(f"parquet:{tmp_path / 'd'}") as history:
        found = history.window(replace(EVERYTHING, project="default"))
        assert [run.digest for run in found.runs] == [s.run.digest for s in (suite("a"), suite("b"), suite("c"))]
        assert len({item.run.id for item in history.portables()}) == history.number_of_runs() == 4
        assert history.projects() == ("bank", "default")


def test_a_dataset_merges_back_into_a_history(path: Path, tmp_path: Path) -> None:
    from flakediag import upkeep

    store(path, *everything())
    exported(path, tmp_path / "d")
    upkeep.merge(tmp_path / "back.db", [f"parquet:{tmp_path / 'd'}"])
    with History.open(path) as one, History.open(tmp_path / "back.db") as other:
        assert answers(other)["reports"] == answers(one)["reports"]


def test_many_results_become_several_files_and_many_blocks(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(path, *(suite(f"r{n}", hours=n, fails=("test_b",) if n % 3 else ()) for n in range(20)))
    monkeypatch.setattr("flakediag.history.columnar.export._MOST_HELD", 30)
    monkeypatch.setattr(tables, "BLOCK", 12)
    exported(path, tmp_path / "d")
    assert len(list((tmp_path / "d" / "results").rglob("*.parquet"))) == 4
    assert_same(path, tmp_path / "d")


def test_a_scan_can_skip_by_run_and_by_test(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet

    store(path, *(suite(f"r{n}", hours=n) for n in range(8)))
    monkeypatch.setattr(tables, "BLOCK", 20)
    monkeypatch.setitem(tables._LAYOUTS, "results", replace(tables._LAYOUTS["results"], row_group=10))
    exported(path, tmp_path / "d")
    (file,) = (tmp_path / "d" / "results").rglob("*.parquet")
    described = pyarrow.parquet.ParquetFile(file).metadata

    def spans(column: int) -> list[tuple[Any, Any]]:
        groups = (described.row_group(group).column(column).statistics for group in range(described.num_row_groups))
        return [(each.min, each.max) for each in groups]

    run, test = (tables.RESULTS.names.index(name) for name in ("run", "test"))
    assert spans(run) == [(1, 4), (1, 4), (5, 8), (5, 8)]
    assert spans(test) == [(0, 2), (2, 4), (0, 2), (2, 4)]


# --- what goes wrong -----------------------------------------------------------------------------------------------


def test_an_export_that_fails_half_way_leaves_what_was_there(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(path, suite("a"))
    exported(path, tmp_path / "d")
    with History.open(f"parquet:{tmp_path / 'd'}") as history:
        before = answers(history)
    store(path, *(suite(f"r{n}", hours=n * MONTH) for n in range(1, 4)))
    wrote, count = tables.write, []

    def write(*args: Any) -> int:
        count.append(args)
        if len(count) > 6:
            raise OSError(28, "No space left on device")
        return wrote(*args)

    with monkeypatch.context() as patch, pytest.raises(HistoryError, match="No space left"):
        patch.setattr(tables, "write", write)
        exported(path, tmp_path / "d")
    assert len(list((tmp_path / "d").rglob("*.parquet"))) > 5
    with History.open(f"parquet:{tmp_path / 'd'}") as history:
        assert answers(history) == before
    exported(path, tmp_path / "d")
    assert_same(path, tmp_path / "d")
    named = set(manifest.load((tmp_path / "d" / manifest.NAME).read_text(), "d").files())
    assert {name for name in files(tmp_path / "d") if name.endswith(".parquet")} == named


def test_two_exports_do_not_write_at_once(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="locks of files are POSIX's")
    store(path, suite("a"))

    def again(detail: FailureDetail) -> str:
        with pytest.raises(UsageError, match="another export"):
            exported(path, tmp_path / "d")
        return signature_of(detail)

    store(path, report("b", failed("test_a")))
    with History.open(path) as history:
        assert export(history, tmp_path / "d", again).runs == 2


def test_a_folder_with_other_files_is_left_alone(path: Path, tmp_path: Path) -> None:
    store(path, suite("a"))
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="other files"):
        exported(path, tmp_path / "d")
    with pytest.raises(UsageError, match="is a file"):
        exported(path, path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no Parquet dataset"),
        ("not JSON", "not the list of a dataset"),
        ("[]", "not the list of a dataset"),
        (json.dumps({"format": "other"}), "not the list of a dataset"),
        (json.dumps({"format": manifest.FORMAT, "version": 2}), "newer flakediag"),
        (json.dumps({"format": manifest.FORMAT, "version": 1, "generation": 1}), "not the list of a dataset"),
    ],
)
def test_what_is_no_dataset_is_said_to_be_none(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / manifest.NAME).write_text(content)
    with pytest.raises(HistoryError, match=said):
        History.open(f"parquet:{tmp_path}")


def test_a_folder_s_name_is_no_pattern(path: Path, tmp_path: Path) -> None:
    store(path, suite("a", project="it's 100 % [ab]*?"))
    exported(path, tmp_path / "we[i]rd*d?r'x")
    assert_same(path, tmp_path / "we[i]rd*d?r'x")


def test_a_file_that_is_gone_is_named(path: Path, tmp_path: Path) -> None:
    store(path, suite("a"))
    exported(path, tmp_path / "d")
    next((tmp_path / "d" / "results").rglob("*.parquet")).unlink()
    with History.open(f"parquet:{tmp_path / 'd'}") as history, pytest.raises(HistoryError, match="results/project"):
        history.window(EVERYTHING)


def test_verbs_that_write_are_refused(path: Path, tmp_path: Path) -> None:
    store(path, suite("a"))
    exported(path, tmp_path / "d")
    place = f"parquet:{tmp_path / 'd'}"
    with pytest.raises(UsageError, match="only read"):
        History.open(place, "write")
    with History.open(place) as history:
        for verb in (
            lambda: history.add_runs([], signature_of),
            lambda: history.absorb([], [], signature_of),
            lambda: history.prune(Limits(days=1, runs=None), NOW),
            history.compact,
            history.repair,
            lambda: history.rename("default", []),
        ):
            with pytest.raises(UsageError, match="only read"):
                verb()


def test_a_project_must_be_named_where_there_are_several(path: Path, tmp_path: Path) -> None:
    store(path, suite("a"), suite("b", project="bank"))
    exported(path, tmp_path / "d")
    with History.open(f"parquet:{tmp_path / 'd'}") as history:
        with pytest.raises(UsageError, match="several projects: bank, default"):
            history.branches()
        with pytest.raises(UsageError, match="no project 'shop'"):
            history.window(Scope(project="shop"))


@pytest.mark.parametrize("lost", [0, -1])
def test_files_that_contradict_their_headers_are_told(path: Path, tmp_path: Path, lost: int) -> None:
    import pyarrow.parquet

    store(path, suite("a"), suite("b", hours=1))
    exported(path, tmp_path / "d")
    (file,) = (tmp_path / "d" / "results").rglob("*.parquet")
    rows = pyarrow.parquet.read_table(file, partitioning=None).to_pylist()
    rows[lost]["position"] += 1  # two results at one place, or one beyond the end
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=tables.RESULTS), file)
    with History.open(f"parquet:{tmp_path / 'd'}") as history, pytest.raises(HistoryError, match="than its header"):
        history.window(EVERYTHING)


@pytest.mark.parametrize("verb", ["outcomes", "tests", "summary"])
def test_no_result_leaves_duckdb_for_what_is_a_sum(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    suites = [suite(f"r{n}", hours=n, fails=("test_a",) if n % 2 else ()) for n in range(30)]
    store(path, *suites)
    exported(path, tmp_path / "d")
    came: list[int] = []  # rows, of each question but the one for the runs

    def counted(self: connection.Reader, sql: str, values: dict[str, object]) -> list[Any]:
        found = self._wait(lambda: self._conn.execute(sql, values).fetchall())
        came.append(0 if "commit_sha" in sql else len(found))
        return found

    def columns(self: connection.Reader, sql: str, values: dict[str, object]) -> dict[str, Any]:
        found = self._wait(lambda: self._conn.execute(sql, values).fetchnumpy())
        came.append(len(next(iter(found.values()))))
        return found

    monkeypatch.setattr(connection.Reader, "rows", counted)
    monkeypatch.setattr(connection.Reader, "columns", columns)
    with History.open(f"parquet:{tmp_path / 'd'}") as history:
        getattr(history, verb)(EVERYTHING)
    assert 0 < max(came) <= len({result.test for each in suites for result in each.results})


def test_an_empty_history_makes_an_empty_dataset(path: Path, tmp_path: Path) -> None:
    store(path)
    exported(path, tmp_path / "d")
    with History.open(f"parquet:{tmp_path / 'd'}") as history:
        assert history.projects() == history.runs(Scope()) == history.tests(Scope()) == history.branches() == ()
        assert history.window(Scope()).shape == (0, 0)
        assert history.outcomes(Scope()).executed.shape == (0, 0)
        assert history.counts() == (0,) * 7


def test_reading_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flakediag.history.columnar.connection.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs DuckDB") as raised:
        History.open(f"parquet:{tmp_path}")
    assert "flakediag[columnar]" in str(raised.value.hint)


class Asked:
    """Stands for DuckDB, which needs an extension before it knows what S3 is."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def execute(self, sql: str) -> None:
        self.said.append(sql)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, []),
        ({"AWS_REGION": "eu-west-1"}, []),  # a public bucket, or nobody to sign as
        (
            {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "it's", "AWS_REGION": ""},
            ["CREATE SECRET (TYPE s3, KEY_ID 'k', SECRET 'it''s')"],
        ),
        (
            {"AWS_ACCESS_KEY_ID": "k", "AWS_ENDPOINT_URL": "http://127.0.0.1:9000"},
            ["CREATE SECRET (TYPE s3, KEY_ID 'k', ENDPOINT '127.0.0.1:9000', URL_STYLE 'path', USE_SSL false)"],
        ),
    ],
)
def test_an_object_store_is_asked_with_the_credentials_of_the_environment(
    environ: dict[str, str], said: list[str]
) -> None:
    asked = Asked()
    connection._sign(asked, environ)  # type: ignore[arg-type]
    assert asked.said == said


@pytest.mark.parametrize(
    ("place", "root"),
    [
        ("parquet:sets/one/", "sets/one"),
        ("PARQUET:/", "/"),
        ("parquet:s3://bucket/one/", "s3://bucket/one"),
        ("parquet:~/one", str(Path.home() / "one")),
    ],
)
def test_an_address_names_a_folder_or_a_place_in_a_store(place: str, root: str) -> None:
    assert connection.root_of(place) == root


def test_an_object_store_needs_an_extension_that_is_never_fetched_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    def missing(self: object, name: str) -> None:
        raise duckdb.IOException(f"no extension {name}")

    class Connection:
        execute = close = staticmethod(lambda *args: None)
        load_extension = missing

    monkeypatch.setattr(duckdb, "connect", lambda *args, **keywords: Connection())
    with pytest.raises(UsageError, match="its extension httpfs") as raised:
        History.open("parquet:s3://bucket/one")
    assert "install_extension" in str(raised.value.hint)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_a_long_question_can_be_interrupted(path: Path, tmp_path: Path) -> None:
    store(path, suite("a"))
    exported(path, tmp_path / "d")
    reader, begun = connection.connect(str(tmp_path / "d")), threading.Event()

    def note(number: int) -> int:
        begun.set()
        return number

    def interrupt() -> None:
        begun.wait()
        os.kill(os.getpid(), signal.SIGINT)

    reader._conn.create_function("note", note, ["BIGINT"], "BIGINT")  # type: ignore[list-item, arg-type]
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        reader.rows("SELECT count(*) FROM range(10000000000000) AS t(n) WHERE note(n) < 0", {})
    assert reader.rows("SELECT 1", {}) == [(1,)]
    reader.close()
