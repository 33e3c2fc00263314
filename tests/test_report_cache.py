"""A report from the cache is the one that would be made anew, or there is none."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import write_runs

from flakediag import report_cache, service
from flakediag.history import History
from flakediag.history.prune import Limits
from flakediag.model import Report, Scope
from flakediag.report import document
from flakediag.report_cache import ReportCache
from flakediag.service import RunInfo

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ROWS = ["FF..", "....", "F...", ".F..", "....", "F.F."]


def history(folder: Path, rows: list[str] = ROWS) -> Path:
    reports = write_runs(folder / "runs", rows, commits="a" * len(rows))
    service.ingest(folder / "h.db", [str(reports)], RunInfo(), now=NOW, environ={})
    return folder / "h.db"


def made(db: Path, cache: ReportCache | None = None, scope: Scope = Scope()) -> Report:  # noqa: B008
    return service.report(db, scope, now=NOW, cache=cache)


@pytest.fixture
def cache(tmp_path: Path) -> ReportCache:
    return ReportCache(tmp_path / "cache")


def diagnoses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What grows by one whenever a window is diagnosed."""
    calls: list[str] = []
    diagnosed = service._diagnosed

    def counted(*args: Any, **more: Any) -> Report:
        calls.append("diagnosed")
        return diagnosed(*args, **more)

    monkeypatch.setattr(service, "_diagnosed", counted)
    return calls


def test_the_same_window_is_diagnosed_once(tmp_path: Path, cache: ReportCache, monkeypatch: pytest.MonkeyPatch) -> None:
    db, calls = history(tmp_path), diagnoses(monkeypatch)
    first, again = made(db, cache), made(db, cache)
    assert first == again == made(db)
    assert len(calls) == 2  # the last one was asked for without a cache


def test_only_the_moment_is_another(tmp_path: Path, cache: ReportCache) -> None:
    db = history(tmp_path)
    made(db, cache)
    later = service.report(db, Scope(), now=NOW.replace(hour=9), cache=cache)
    assert later.generated_at == NOW.replace(hour=9)
    assert replace(later, generated_at=NOW) == made(db)


def pruned(db: Path) -> None:
    with History.open(db, "write") as opened:
        opened.prune(Limits(days=None, runs=3), NOW)


def renamed(db: Path) -> None:
    with History.open(db, "write") as opened:
        first = opened.names("default")[0]
        opened.rename("default", [(first, first._replace(name="other"))])


def added(db: Path) -> None:
    more = write_runs(db.parent / "more", ["FFFF"], commits="b")
    service.ingest(db, [str(more)], RunInfo(), now=NOW, environ={})


@pytest.mark.parametrize("change", [pruned, renamed, added])
def test_whatever_changes_the_window_is_seen(tmp_path: Path, cache: ReportCache, change: Any) -> None:
    db = history(tmp_path)
    before = made(db, cache)
    change(db)
    assert made(db, cache) == made(db) != before


def test_another_scope_is_another_report(tmp_path: Path, cache: ReportCache) -> None:
    db = history(tmp_path)
    made(db, cache)
    assert made(db, cache, Scope(max_runs=3)) == made(db, scope=Scope(max_runs=3))


def test_other_code_makes_its_own(tmp_path: Path, cache: ReportCache, monkeypatch: pytest.MonkeyPatch) -> None:
    db, calls = history(tmp_path), diagnoses(monkeypatch)
    made(db, cache)
    monkeypatch.setattr(report_cache, "_code", lambda: b"of tomorrow")
    made(db, cache)
    assert len(calls) == 2


@settings(max_examples=12, deadline=None)
@given(st.lists(st.text("F.s", min_size=4, max_size=4), min_size=1, max_size=6), st.integers(1, 5))
def test_a_cache_never_changes_what_is_reported(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], cut: int
) -> None:
    """Run by run, with the same cache all along."""
    folder = tmp_path_factory.mktemp("cache")
    cache, db = ReportCache(folder / "cache"), folder / "h.db"
    for number in range(0, len(rows), cut):
        reports = write_runs(folder / str(number), rows[: number + cut], commits="abcdef"[: len(rows[: number + cut])])
        service.ingest(db, [str(reports)], RunInfo(), now=NOW, environ={})
        for _ in range(2):
            assert document.report(made(db, cache)) == document.report(made(db))


class Harm:
    def __reduce__(self) -> Any:
        return (print, ("harm",))


# Calls print, found through what a file of the model has imported: its name has dots in it.
FAR = (
    b"\x80\x04\x8c\x16flakediag.model.report\x8c\x1adataclass.__builtins__.get\x93\x8c\x05print\x85R\x8c\x04harm\x85R."
)


@pytest.mark.parametrize("content", [b"", b"x" * 100, pickle.dumps(Harm()), FAR, pickle.dumps("no report")])
def test_what_is_no_report_is_made_anew_and_never_run(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    whole = report_cache.hashlib.blake2b(content, digest_size=16).digest() + content
    for number, stored in enumerate((content, whole)):
        (folder / str(number)).write_bytes(stored)
        assert ReportCache(folder).get(str(number)) is None
    assert capsys.readouterr().out == ""


def test_the_far_attack_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    pickle.loads(FAR)
    assert capsys.readouterr().out == "harm\n"


def test_it_holds_the_latest_used_ones_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, report = ReportCache(tmp_path / "cache"), made(history(tmp_path))
    for hour, key in enumerate("ab"):
        cache.put(key, report)
        os.utime(tmp_path / "cache" / key, (3600 * hour, 3600 * hour))
    assert cache.get("a") is not None
    size = (tmp_path / "cache" / "a").stat().st_size
    monkeypatch.setattr(report_cache, "KEPT", int(2.5 * size))
    cache.put("c", report)
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"HOME": "/home/u"}, Path("/home/u/.cache/flakediag")),
        ({"HOME": "/home/u", "XDG_CACHE_HOME": "/c"}, Path("/c/flakediag")),
        ({"HOME": "/home/u", "FLAKEDIAG_CACHE": "/mine"}, Path("/mine")),
        ({"HOME": "/home/u", "FLAKEDIAG_CACHE": "off"}, None),
        ({}, None),
    ],
)
def test_where_it_stands(environ: dict[str, str], folder: Path | None) -> None:
    assert ReportCache.of_user(environ)._folder == folder


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache, db = ReportCache(tmp_path / "file" / "cache"), history(tmp_path)
    assert made(db, cache) == made(db)
