"""Histories whose flaky tests have a known cause, for the tools: recorded, simulated, planted, collected."""

from __future__ import annotations

import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from flakediag import service
from flakediag.analysis.inject import inject, survey
from flakediag.analysis.window import Window
from flakediag.history import History
from flakediag.model import Category, Scope
from flakediag.selftest import AIMED, CYCLE, sown
from flakediag.simulate import Chance, Flake, OrderDependence, Plan, Together, simulate

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
LABELS = {
    "order": Category.ORDER,
    "port": Category.PORT,
    "timing": Category.TIMING,
    "concurrency": Category.CONCURRENCY,
}
COLLECTED = {
    "order_dependence": Category.ORDER,
    "port_conflict": Category.PORT,
    "timing": Category.TIMING,
    "time_date": Category.CLOCK,
    "unordered_collection": Category.RANDOMNESS,
    "floating_point": Category.RANDOMNESS,
    "randomness": Category.RANDOMNESS,
    "resource_exhaustion": Category.RESOURCE,
    "network_external": Category.NETWORK,
    "environment_platform": Category.ENVIRONMENT,
    "concurrency_in_code": Category.CONCURRENCY,
    "infrastructure": Category.INFRASTRUCTURE,
}
"""The labels of collected failures."""
BY_CHANCE = frozenset({Category.UNKNOWN, Category.RANDOMNESS})
RUNS = 24  # of a history made of collected failures; each fails in two of them
NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")


@dataclass(frozen=True)
class Truth:
    """Why a test is flaky: every cause that is right, the tests to be named, the port."""

    right: frozenset[Category]
    partners: frozenset[str] = frozenset()
    port: int | None = None


@dataclass(frozen=True)
class Labelled:
    """A history with the truth about its flaky tests. `complete`: those without a truth are not flaky."""

    name: str
    window: Window
    truth: dict[str, Truth] = field(default_factory=dict)
    complete: bool = True


def recorded(name: str, archive: Path, truth: dict[str, Truth], *, complete: bool, one_commit: bool) -> Labelled:
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "history.db"
        info = service.RunInfo(commit="1" * 40 if one_commit else None, branch="main")
        service.ingest(db, [str(archive)], info, now=NOW, environ={})
        with History.open(db, "read") as history:
            window = history.window(Scope(project="default", all_branches=True, days=100_000))
    return Labelled(name, window, truth, complete)


def _truth(flaky: dict[str, Any]) -> dict[str, Truth]:
    return {
        test: Truth(frozenset({Category(true["cause"])}), frozenset(true.get("partners", ())), true.get("port"))
        for test, true in flaky.items()
    }


def fixtures() -> Iterator[Labelled]:
    """The recordings in the repository, by real runners."""
    recordings = FIXTURES / "recordings"
    orders = json.loads((FIXTURES / "orders_service" / "truth.json").read_text("utf-8"))
    for phase in ("before", "after"):
        archive = recordings / "orders" / f"{phase}.tar.xz"
        yield recorded(f"orders, {phase}", archive, _truth(orders[phase]["flaky"]), complete=True, one_commit=False)
    for runner in ("jest", "surefire", "gotestsum", "rspec"):
        truth = json.loads((recordings / runner / "truth.json").read_text("utf-8"))
        archive = recordings / runner / "runs.tar.xz"
        yield recorded(runner, archive, _truth(truth["flaky"]), complete=True, one_commit=True)


def labelled_folder(folder: Path) -> Labelled:
    labels = json.loads((folder / "labels.json").read_text("utf-8"))["tests"]
    truth = {}
    for test, said in labels.items():
        also = said.get("also") or ()
        names = [said["label"], *([also] if isinstance(also, str) else also)]
        right = frozenset(LABELS[name] for name in names if name in LABELS)
        if said["label"] in LABELS:
            truth[test] = Truth(right, frozenset(said.get("partners") or ()))
    return recorded(folder.name, folder / "runs.tar.xz", truth, complete=False, one_commit=True)


def simulated(seed: int) -> Labelled:
    """A suite with order dependence of each kind, chance, slow hosts and a taken port.

    The words of all but the last are bare assertions drawn alike.
    """
    rng = np.random.default_rng([seed, 1])
    tests = int(rng.choice((60, 150, 400)))
    plan = Plan(
        tests=tests,
        default=int(rng.integers(8, 25)),
        shuffled=int(rng.integers(10, 40)),
        shuffle=str(rng.choice(("suite", "suite", "module"))),
        mixed=True,
    )
    drawn = iter(rng.permutation(tests).tolist())

    def some(count: int) -> tuple[int, ...]:
        return tuple(next(drawn) for _ in range(count))

    def bare() -> str:
        a, b = rng.choice(np.arange(2, 100), 2, replace=False)
        return f"AssertionError: case {next(drawn)} of {tests}: assert {a} == {b}"

    flakes: list[Flake] = []
    for polluters, cleaners, brittle in ((1, 0, False), (2, 0, False), (1, 1, False), (0, 1, True)):
        flakes.append(
            OrderDependence(
                victims=some(1), signature=bare(), polluters=some(polluters), cleaners=some(cleaners), brittle=brittle
            )
        )
    flakes += [Chance(victims=some(1), signature=bare(), rate=rate) for rate in rng.uniform(0.03, 0.4, 4)]
    flakes += [Together(victims=some(1), signature=bare(), share=float(rng.uniform(0.1, 0.3)), slow=1.6) for _ in "ab"]
    port = int(rng.integers(1_100, 32_000))
    taken = f"OSError: [Errno 98] Address already in use: ('127.0.0.1', {port})"
    flakes.append(Together(victims=some(2), signature=taken, share=float(rng.uniform(0.1, 0.3))))
    window, made = simulate(plan, flakes, seed)
    causes = {OrderDependence: frozenset({Category.ORDER}), Chance: BY_CHANCE}
    truth = {}
    for test, flake in made.flakes.items():
        is_port = flake.signature == taken
        right = causes.get(type(flake), frozenset({Category.PORT if is_port else Category.TIMING}))
        named = made.cleaners if isinstance(flake, OrderDependence) and flake.brittle else made.polluters
        truth[test] = Truth(right, frozenset(named.get(test, ())), port if is_port else None)
    return Labelled(f"simulated {seed}", window, truth)


def planted(base: Labelled, count: int, seed: int) -> Labelled:
    """The history with flakes planted among its own; a part of them only, where it is small."""
    ground = survey(base.window)
    rng = np.random.default_rng([seed, 2])
    wanted = [(CYCLE[n % len(CYCLE)], AIMED[n // len(CYCLE) % len(AIMED)]) for n in range(count)]
    truth = dict(base.truth)
    plants = sown(ground, wanted[: max(1, len(ground.stable) // 4)], rng)
    for one in plants:
        names = frozenset(base.window.tests[partner].id for partner in one.partners)
        truth[base.window.tests[one.test].id] = Truth(one.right, names, one.port)
    return Labelled(base.name, inject(base.window, plants), truth, base.complete)


def collected(path: Path) -> Iterator[Labelled]:
    """Failures collected one by one, JSON a line (id, ecosystem, label, exception_type, classname, name, message,
    stack_or_output), as a history for each ecosystem: the order never varies and each test fails twice."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in path.read_text("utf-8").splitlines():
        if line.strip():
            case = json.loads(line)
            groups[case["ecosystem"]].append(case)
    for ecosystem, cases in sorted(groups.items()):
        truth = {
            f"{c['id']}.{c['classname'] or ''}::{c['name'] or 'test'}": Truth(frozenset({COLLECTED[c["label"]]}))
            for c in cases
        }
        rng = np.random.default_rng(len(cases))
        failing = [set(rng.choice(RUNS, 2, replace=False).tolist()) for _ in cases]
        with tempfile.TemporaryDirectory() as folder:
            for run in range(RUNS):
                _write(Path(folder) / f"run-{run:02}.xml", run, cases, [run in some for some in failing], rng)
            yield recorded(f"failures, {ecosystem}", Path(folder), truth, complete=False, one_commit=True)


def _write(file: Path, run: int, cases: list[dict[str, Any]], failed: list[bool], rng: np.random.Generator) -> None:
    suite = ElementTree.Element("testsuite", name="suite", time="99", timestamp=f"2026-03-{run + 1:02}T10:00:00")
    for case, fails in zip(cases, failed, strict=True):
        names = {"classname": f"{case['id']}.{case['classname'] or ''}", "name": case["name"] or "test"}
        test = ElementTree.SubElement(suite, "testcase", names, time=f"{rng.uniform(0.05, 0.4):.3f}")
        if fails:
            type_, message, text = (
                NO_XML.sub("?", case[key] or "") for key in ("exception_type", "message", "stack_or_output")
            )
            ElementTree.SubElement(test, "failure", type=type_, message=message).text = text
    for number in range(200):  # so that a failure is the exception
        names = {"classname": f"stable.Group{number // 20}", "name": str(number)}
        ElementTree.SubElement(suite, "testcase", names, time="0.01")
    ElementTree.ElementTree(suite).write(file, "utf-8")
