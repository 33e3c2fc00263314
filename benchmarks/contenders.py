"""How each tool is called that peers.py compares: from files to a report, and what the report says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

Command = Sequence[str]
Steps = Mapping[str, Sequence[Command]]


@dataclass(frozen=True, slots=True)
class Given:
    """What a tool is given: where its programs are, a place for its history, the files in order, their commits."""

    programs: Path
    db: Path
    paths: Sequence[Path]
    commits: Sequence[str] | None

    def program(self, name: str) -> str:
        return str(self.programs / name)

    @property
    def folder(self) -> str:
        return str(self.paths[0].parent)


@dataclass(frozen=True, slots=True)
class Found:
    """By `classname::name`. `broken` None: the tool has no such word; causes and partners empty: it names none."""

    flaky: frozenset[str]
    broken: frozenset[str] | None = None
    causes: Mapping[str, str] = field(default_factory=dict)
    partners: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tool:
    """`steps` for the clock; `asking` to be read, with commits where the tool takes them; the last command reports."""

    name: str  # on the package index
    steps: Callable[[Given], Steps]
    asking: Callable[[Given], Steps]
    read: Callable[[str, str], Found]  # of what the last command printed: standard output, standard error
    environ: Mapping[str, str] = field(default_factory=lambda: {"NO_COLOR": "1"})
    codes: tuple[int, ...] = (0,)
    own: bool = False


def _ids(names: Sequence[str]) -> frozenset[str]:
    """Some join class and name with a dot."""
    return frozenset(name if "::" in name else "::".join(name.rsplit(".", 1)) for name in names)


# --- flakediag -------------------------------------------------------------------------------------------------------


def _flakediag(given: Given) -> Steps:
    tool = (given.program("python"), "-m", "flakediag", "--db", str(given.db))
    if given.commits is None:
        ingests: list[Command] = [(*tool, "ingest", "--branch", "main", given.folder)]
    else:
        ingests = [
            (*tool, "ingest", "--branch", "main", "--commit", commit, *(str(path) for path, _ in files))
            for commit, files in groupby(zip(given.paths, given.commits, strict=True), key=lambda each: each[1])
        ]
    return {"ingest": ingests, "report": [(*tool, "report", "--format", "json")]}


def _flakediag_said(out: str, _: str) -> Found:
    tests = json.loads(out)["tests"]
    causes = {test["id"]: test["cause"] for test in tests if test["cause"]}
    return Found(
        flaky=_ids([test["id"] for test in tests if test["verdict"] == "flaky"]),
        broken=_ids([test["id"] for test in tests if test["verdict"] == "broken"]),
        causes={test: cause["category"] for test, cause in causes.items()},
        partners={test: cause["partners"][0]["id"] for test, cause in causes.items() if cause["partners"]},
    )


# --- the peers -------------------------------------------------------------------------------------------------------


def _flakebox(given: Given) -> Steps:
    tool = (given.program("flakebox"), "--db", str(given.db))
    commits = given.commits or [str(number) for number in range(len(given.paths))]
    return {
        "record, a process for each file": [
            (*tool, "record", "--branch", "main", "--commit", commit, "--junit", str(path))
            for path, commit in zip(given.paths, commits, strict=True)
        ],
        "report": [(*tool, "report", "--format", "json")],
    }


def _flakebox_said(out: str, _: str) -> Found:
    said = json.loads(out)
    broken = said.get("failing", said.get("broken", []))
    return Found(_ids([test["test_id"] for test in said["flaky"]]), _ids([test["test_id"] for test in broken]))


def _flakemap(given: Given) -> Steps:
    return {"everything": [(given.program("flakemap"), "--json", given.folder)]}


def _flakemap_said(out: str, _: str) -> Found:
    tests = json.loads(out)["tests"]
    return Found(
        *(_ids([t["test"] for t in tests if t["classification"] == verdict]) for verdict in ("flaky", "broken"))
    )


def _flakeguard(given: Given) -> Steps:
    scan = (given.program("flakeguard"), "scan", "--format", "json", given.folder)
    keeping = ("--history", str(given.db), "--history-keep", "100000")
    return {"scan": [scan], "scan --history": [(*scan, *keeping)]}


def _flakeguard_asked(given: Given) -> Steps:
    assert given.commits is not None
    manifest = given.db.with_suffix(".json")
    runs = [
        {"commit": commit, "label": path.stem, "reports": [str(path)]}
        for path, commit in zip(given.paths, given.commits, strict=True)
    ]
    manifest.write_text(json.dumps({"runs": runs}))
    return {"scan": [(given.program("flakeguard"), "scan", "--format", "json", "--manifest", str(manifest))]}


def _flakeguard_said(out: str, _: str) -> Found:
    return Found(_ids([f"{test['classname']}::{test['name']}" for test in json.loads(out)["flaky_tests"]]))


def _flakewall(given: Given) -> Steps:
    glob = f"{given.folder}/*.xml"
    return {"everything": [(given.program("flakewall"), "score", "--json", "--rich", "--junit", glob)]}


def _flakewall_said(out: str, _: str) -> Found:
    return Found(_ids([test["test_id"] for test in json.loads(out)["flaky_candidates"]]))


def _flaktor(given: Given) -> Steps:
    tool, db = given.program("flaktor"), ("--db", str(given.db))
    commits = given.commits or [str(number) for number in range(len(given.paths))]
    return {
        "upload, a process for each run": [
            (tool, "init", *db),
            *(
                (tool, "upload", *db, "--branch", "main", "--commit", commit, "--run-id", path.stem, str(path))
                for path, commit in zip(given.paths, commits, strict=True)
            ),
        ],
        "list --flaky": [(tool, "list", *db, "--flaky", "--days", "100000", "--limit", "100000")],
    }


def _flaktor_said(out: str, _: str) -> Found:
    return Found(_ids(re.findall(r"tests\.[\w.:]+", out)))


def _flaky(given: Given) -> Steps:
    width = 5 if len(given.paths) >= 5 else 1
    windows = ("--window-size", str(width), "--window-count", str(len(given.paths) // width), "--top-n", "100000")
    return {
        "everything": [
            (given.program("flaky"), "--junit-files", given.folder, "--grouping-option", "runs", *windows),
        ]
    }


def _flaky_said(out: str, err: str) -> Found:
    return Found(_ids(re.findall(r"^(\S+) --- score: (?!0(?:\.0+)?$)", out + err, re.MULTILINE)))


TOOLS = (
    Tool("flakediag", _flakediag, _flakediag, _flakediag_said, own=True),
    Tool("flakebox", _flakebox, _flakebox, _flakebox_said),
    Tool("flakemap", _flakemap, _flakemap, _flakemap_said),
    Tool("flakeguard", _flakeguard, _flakeguard_asked, _flakeguard_said),
    Tool("flakewall", _flakewall, _flakewall, _flakewall_said),
    Tool(
        "flaktor",
        _flaktor,
        _flaktor,
        _flaktor_said,
        environ={"NO_COLOR": "1", "COLUMNS": "400", "HOME": "/nonexistent"},
    ),
    Tool("flaky-tests-detection", _flaky, _flaky, _flaky_said, environ={"NO_COLOR": "1", "MPLCONFIGDIR": "."}),
)
