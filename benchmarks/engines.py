"""What the engines take for the same work: a file in SQLite against a PostgreSQL on this machine.

    python benchmarks/engines.py [--runs 50] [--tests 2000] [--window 500] [--repeat 5]

Made-up runs in shuffled orders (2 % of the results fail, each with a text of 3 KB of its own). Times are those of the
verbs alone, in seconds of wall time and of this process's CPU (the server's own CPU is not in it): the median of
several runs, both engines in turn. Bytes are those on the disk, after a VACUUM on the server.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "history"))

from private_server import missing, private_server

from flakediag.analysis.signature import signature_of
from flakediag.history import History
from flakediag.location import Location
from flakediag.model import CaseResult, FailureDetail, Identity, InputFile, Order, Outcome, Run, RunReport, Scope

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERYTHING = Scope(days=10_000, max_runs=10**9, all_branches=True)


def made(number: int, tests: list[Identity], draw: random.Random) -> RunReport:
    draw.shuffle(tests)
    return RunReport(
        run=Run(
            started_at=START + timedelta(minutes=7 * number),
            digest=sha256(b"run %d" % number).hexdigest(),
            commit=f"{number // 3:040x}",
            branch="main",
            order=Order.EXECUTION,
            producer="pytest",
        ),
        results=tuple(_result(number, test, draw) for test in tests),
        files=(InputFile(path=f"{number}.xml", digest=sha256(b"%d" % number).hexdigest(), cases=len(tests)),),
    )


def _result(number: int, test: Identity, draw: random.Random) -> CaseResult:
    duration = round(draw.expovariate(20), 3)
    if draw.random() >= 0.02:
        return CaseResult(test, Outcome.PASSED, duration)
    value = draw.randrange(10**6)
    trace = f"def {test.name}(): ...\n" + f"E   AssertionError: assert {value} == 7\n" * 80
    return CaseResult(test, Outcome.FAILED, duration, FailureDetail("AssertionError", f"assert {value} == 7", trace))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def store(place: Location, reports: list[RunReport]) -> None:
    with History.open(place, "write") as history:
        history.add_runs(reports, signature_of)


def ask(place: Location, verb: Callable[[History], object]) -> None:
    with History.open(place) as history:
        verb(history)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--tests", type=int, default=2000)
    parser.add_argument("--window", type=int, default=500, help="runs in the history whose window is loaded")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    if why := missing():
        print(why, file=sys.stderr)
        return 2
    draw = random.Random(7)
    tests = [Identity(f"tests.group_{n % 40}.test_part", f"test_case_{n}") for n in range(options.tests)]
    reports = [made(n, tests, draw) for n in range(max(options.runs, options.window) + options.repeat)]
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
    sizes: dict[str, float] = {}
    with private_server() as server, tempfile.TemporaryDirectory() as folder:
        places: dict[str, Location] = {}
        for turn in range(options.repeat):
            for engine, new in (("SQLite", Path(folder) / f"{turn}.db"), ("PostgreSQL", server.new_database())):
                History.open(new, "write").close()
                fresh = reports[: options.runs]
                work = f"ingest {options.runs} × {options.tests}"
                taken.setdefault((work, engine), []).append(timed(lambda new=new, fresh=fresh: store(new, fresh)))
                places[engine] = new
        for engine, place in places.items():
            for start in range(options.runs, options.window, 50):
                store(place, reports[start : min(start + 50, options.window)])
            with History.open(place, "write") as history:
                history.compact()
                counts = history.counts()
                sizes[engine] = history.size() / counts.results
        asked: dict[str, Callable[[History], object]] = {
            "window": lambda history: history.window(EVERYTHING),
            "outcomes": lambda history: history.outcomes(EVERYTHING),
            "tests": lambda history: history.tests(EVERYTHING),
        }
        for turn in range(options.repeat):
            for engine, place in places.items():
                for name, verb in asked.items():
                    work = f"{name} of {counts.results:,}"
                    taken.setdefault((work, engine), []).append(timed(lambda place=place, verb=verb: ask(place, verb)))
                one = [reports[-1 - turn]]
                work = f"ingest 1 × {options.tests} into {counts.results:,}"
                taken.setdefault((work, engine), []).append(timed(lambda place=place, one=one: store(place, one)))
    print(f"{'work':34} {'engine':11} {'wall':>8} {'CPU':>8}")
    for (work, engine), times in sorted(taken.items()):
        wall, cpu = (statistics.median(each) for each in zip(*times, strict=True))
        print(f"{work:34} {engine:11} {wall:8.3f} {cpu:8.3f}")
    for engine, size in sizes.items():
        print(f"{'bytes for each result':34} {engine:11} {size:8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
