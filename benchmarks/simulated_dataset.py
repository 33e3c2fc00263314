"""A Parquet dataset of simulated projects, written straight from arrays: what a fleet's history looks like.

    python benchmarks/simulated_dataset.py FOLDER [--projects 20] [--tests 10000] [--runs 500] [--seed 7]

Each project has its tests run six times a day, a third of the runs shuffled, two runs a commit. 2 % of the results
fail: 1.7 % of the tests are broken all the time, 100 are flaky (order-dependent, by chance, together on a taken port).
A failure has a trace of about 3 KB, one of twenty for each test. One project at a time is in memory.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from flakediag.analysis.window import Window
from flakediag.history.columnar import manifest as manifests
from flakediag.history.columnar import tables
from flakediag.history.columnar.manifest import Manifest, Month, Part, Project
from flakediag.history.columnar.rows import detail_number, header, microseconds, month_of, tests_table
from flakediag.history.columnar.tables import ResultArrays
from flakediag.model import FailureDetail, Outcome, RunReport
from flakediag.simulate import START, Chance, Flake, OrderDependence, Plan, Regression, Together, simulate

BROKEN = 0.017  # of the tests
TRACES = 20  # distinct ones for each failing test
_FRAME = '  File "/srv/checkout/src/shop/{name}.py", line {line}, in {name}\n    return self.{name}(order, {line})\n'


def flakes(tests: int, rng: np.random.Generator) -> list[Flake]:
    """100 flaky tests (fewer in a small suite), and the broken ones."""
    flaky = min(100, tests // 20)
    broken = int(tests * BROKEN)
    chosen = rng.permutation(tests)[: flaky + broken + flaky].tolist()
    victims, rotten, others = chosen[:flaky], chosen[flaky : flaky + broken], chosen[flaky + broken :]
    made: list[Flake] = [Regression(victims=tuple(rotten), signature="LookupError: no such order", start=0.0)]
    for place, victim in enumerate(victims[: flaky * 2 // 5]):
        made.append(
            OrderDependence(victims=(victim,), signature=f"AssertionError: {place} left", polluters=(others[place],))
        )
    port = victims[flaky * 2 // 5 : flaky * 3 // 5]
    made.append(Together(victims=tuple(port), signature="OSError: [Errno 98] Address already in use: 5432", share=0.1))
    for victim in victims[flaky * 3 // 5 :]:
        made.append(
            Chance(
                victims=(victim,), signature="TimeoutError: timed out after <n> s", rate=float(rng.uniform(0.1, 0.6))
            )
        )
    return made


def windows(projects: int, tests: int, runs: int, seed: int) -> Iterator[tuple[str, Window]]:
    for number in range(projects):
        rng = np.random.default_rng(seed + number)
        plan = Plan(tests=tests, default=runs - runs // 3, shuffled=runs // 3, mixed=True, hosts=8)
        window, _ = simulate(plan, flakes(tests, rng), seed + number)
        yield f"service-{number:03}", window


def write_project(folder: Path, name: str, window: Window, names: Iterator[int], highest: int) -> Project:
    """`names` number the files of the dataset, `highest` is the highest number that a run has so far."""
    window = replace(
        window,
        runs=tuple(
            replace(
                run,
                id=highest + place + 1,
                project=name,
                started_at=START + timedelta(hours=4 * place),
                commit=f"{place // 2 + 1:040x}",
            )
            for place, run in enumerate(window.runs)
        ),
    )
    of_month: dict[str, list[int]] = {}
    for place, run in enumerate(window.runs):
        of_month.setdefault(month_of(run), []).append(place)
    months = {}
    for month, places in of_month.items():
        file = f"000001-{next(names):04}"
        months[month] = Month(source="simulated", parts=(_write_month(folder, name, month, file, window, places),))
    file = f"000001-{next(names):04}"
    numbers = {test: number for number, test in enumerate(window.tests)}
    size = tables.write(tests_table(numbers), "tests", folder / f"tests/project={name}/{file}.parquet")
    described = Part(name=file, runs=0, results=0, failures=0, details=0, bytes=size)
    return Project(name=name, tests=described, months=months)


def _write_month(folder: Path, project: str, month: str, name: str, window: Window, places: list[int]) -> Part:
    first, last = places[0], places[-1]
    rows = slice(*np.searchsorted(window.run, [first, last + 1]))
    started = np.array([microseconds(run.started_at) for run in window.runs])
    numbers = np.array([run.id for run in window.runs])
    run = window.run[rows]
    sizes = np.bincount(run - first, minlength=len(places))
    failed = np.bincount(run[window.outcome[rows] == Outcome.FAILED] - first, minlength=len(places))
    runs = [
        header(RunReport(run=window.runs[place], results=(), files=()), int(numbers[place]), int(size), int(bad), 0, 0)
        for place, size, bad in zip(places, sizes, failed, strict=True)
    ]
    failures, details = _failures(window, first, last)
    content = {
        "runs": pa.Table.from_pylist(runs, schema=tables.RUNS),
        "results": tables.results_table(
            ResultArrays(
                run=numbers[run],
                started=started[run],
                test=window.test[rows],
                position=window.position[rows],
                outcome=window.outcome[rows],
                attempts=window.attempts[rows].astype(np.int32),
                duration=np.round(window.duration[rows] * 1000).astype(np.int32),
                sizes=sizes.tolist(),
            )
        ),
        "failures": pa.Table.from_pylist(failures, schema=tables.FAILURES),
        "details": pa.Table.from_pylist(details, schema=tables.DETAILS),
    }
    size = sum(
        tables.write(table, kind, folder / manifests.path_of(kind, project, month, name))
        for kind, table in content.items()
    )
    return Part(name=name, bytes=size, **{kind: table.num_rows for kind, table in content.items()})


def _failures(window: Window, first: int, last: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows, said = [], {}
    for failure in window.failures:
        if first <= failure.run <= last:
            detail = _trace(failure.detail, failure.test, failure.run % TRACES)
            number = detail_number(detail)
            said[number] = detail
            run = window.runs[failure.run]
            rows.append(
                {
                    "run": run.id,
                    "started_at": run.started_at,
                    "test": failure.test,
                    "position": failure.position,
                    "attempt": 1,
                    "outcome": int(failure.outcome),
                    "signature": failure.signature,
                    "detail": number,
                    "duration_ms": None,
                }
            )
    rows.sort(key=lambda row: (row["test"], row["started_at"]))
    return rows, [{"detail": number, **detail._asdict()} for number, detail in sorted(said.items())]


def _trace(detail: FailureDetail, test: int, variant: int) -> FailureDetail:
    frames = "".join(
        _FRAME.format(name=f"step_{test % 97}_{depth}", line=test + depth + variant) for depth in range(22)
    )
    return detail._replace(text=f"Traceback (most recent call last):\n{frames}{detail.text} [{variant}]")


def make(folder: Path, projects: int, tests: int, runs: int, seed: int) -> None:
    names, made, highest = count(1), {}, 0
    for name, window in windows(projects, tests, runs, seed):
        made[name] = write_project(folder, name, window, names, highest)
        highest += len(window.runs)
        print(f"{name}: {len(window.run):,} results, {len(window.failures):,} failures", file=sys.stderr)
    written = Manifest(generation=1, highest_run=highest, projects=made)
    (folder / manifests.NAME).write_text(manifests.dump(written), "ascii")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--projects", type=int, default=20)
    parser.add_argument("--tests", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    make(asked.folder, asked.projects, asked.tests, asked.runs, asked.seed)
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
