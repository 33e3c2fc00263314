"""What flakediag's commands take, as whole processes, beside a bare walk over the same files: docs/performance.md.

    python benchmarks/performance.py [--quick] [--repeat 5] [--folder FOLDER] [--dry]

The walk (walk.py) and the commands run in turn, in one sitting; figures are medians. What misses its bar is profiled.
--quick runs everything once on small histories, whose bars mean nothing, and prints. --folder keeps the large histories
(half a gigabyte), which then need not be made again. --dry leaves the page alone. Needs lxml.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools" / "reliability"))

import planted
from bars import HEAD, Limit, Row
from hot import hot
from measure import Task, Turns, in_turn, machine, run
from page import table, write
from planted import Suite, Workload

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
PROGRAM = (sys.executable, "-m", "flakediag")
WHOLE = {"FLAKEDIAG_MAX_RUNS": "1000000", "FLAKEDIAG_DAYS": "100000"}  # a window that leaves nothing out
ONE_PROCESS = {"FLAKEDIAG_PROCESSES": "1"}
LXML, EXPAT = "lxml", "expat"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Files × tests of the small workload, tests of the one large file, tests × runs of the large histories."""

    files: int
    tests: int
    single: int
    suite: int
    runs: tuple[int, int]
    repeat: int
    large_repeat: int


FULL = Sizes(50, 2_000, 100_000, 10_000, (100, 1_000), 5, 3)
QUICK = Sizes(10, 400, 4_000, 1_000, (20, 100), 1, 1)


def suite_of(tests: int) -> Suite:
    """Five in a hundred are flaky, and 2 % of its results fail."""
    return Suite(tests, tests * 3 // 100, tests // 100, tests // 100, tests // 400, (0.0, 0.1))


def of_one_run(tests: int) -> Suite:
    """Of which 2 % fail; one run cannot say more."""
    return Suite(tests, 0, 0, 0, tests // 50, (0.0, 0.0))


def many_files(folder: Path, sizes: Sizes) -> list[Row]:
    """Ingest, report and gate of many reports, and what only prints."""
    suite = suite_of(sizes.tests)
    work = planted.write(folder / "many", suite, sizes.files)
    db = folder / "many.db"
    printed = ("--help", "--version")
    tasks = {
        **walks(work),
        "alone": flakediag(db, "ingest", str(folder / "many"), environ=ONE_PROCESS, prepare=partial(remove, db)),
        "ingest": flakediag(db, "ingest", str(folder / "many"), prepare=partial(remove, db)),
        "report": report(db),
        "again": again(db, folder),
        "gate": gate(db),
        **{what: Task([(*PROGRAM, what)]) for what in printed},
    }
    found = in_turn(tasks, sizes.repeat)
    each = f"{sizes.files} files × {sizes.tests:,} results"
    ratio = {what: found.times(what, LXML) for what in tasks}
    limits = (Limit("CPU ×", ratio["ingest"], 3.0), Limit("wall ×", found.times("ingest", LXML, "wall"), 2.0))
    bar = "3.0 × lxml's CPU, 2.0 × its wall"
    rows = [
        *yardsticks(each, found),
        Row(f"`ingest`, {each}, fresh history", found["ingest"], ratio["ingest"], bar, limits, tasks["ingest"]),
        Row("the same in one process", found["alone"], ratio["alone"]),
        Row(
            f"`report` on these {work.results:,} results, {suite.flaky} flaky tests",
            found["report"],
            ratio["report"],
            "2.0 × lxml's CPU",
            (Limit("CPU ×", ratio["report"], 2.0),),
            tasks["report"],
        ),
        Row("the same report again, nothing new", found["again"], ratio["again"]),
        Row("`gate` on them", found["gate"], ratio["gate"]),
        Row(
            "their history, 2 % failures with 3 KB each",
            bar="25 bytes a result",
            limits=(Limit("bytes", size(db) / work.results, 25),),
        ),
    ]
    for what in printed:
        milliseconds = Limit("CPU ms", 1000 * found[what].cpu, 80)
        rows.append(Row(f"`flakediag {what}`", found[what], None, "80 ms CPU", (milliseconds,), tasks[what]))
    return rows


def one_file(folder: Path, sizes: Sizes) -> list[Row]:
    """Ingest of one report with many different tests."""
    tests = sizes.single
    work = planted.write(folder / "single", of_one_run(tests), 1)
    db = folder / "single.db"
    ingest = flakediag(db, "ingest", str(work.paths[0]), prepare=partial(remove, db))
    found = in_turn({**walks(work), "ingest": ingest}, sizes.repeat)
    ratio = found.times("ingest", LXML)
    limits = (Limit("CPU ×", ratio, 3.0), Limit("MB", found["ingest"].peak, 120))
    each = f"1 file × {tests:,} results"
    bar = "3.0 × lxml's CPU, 120 MB"
    return [
        *yardsticks(each, found),
        Row(f"`ingest`, {each}, fresh history", found["ingest"], ratio, bar, limits, ingest),
        Row(f"its history, a first run of as many new tests: {size(db) / tests:.0f} bytes each, names included"),
    ]


def into_large(folder: Path, sizes: Sizes) -> list[Row]:
    """One report into a large history, and into none."""
    work = planted.write(folder / "next", suite_of(sizes.tests), sizes.repeat + 1, seed=8)
    empty, grown = folder / "empty.db", folder / "grown.db"
    shutil.copyfile(history(folder, sizes, sizes.runs[1]), grown)
    tasks = {
        LXML: walks(work)[LXML],
        "empty": following(empty, work.paths, partial(remove, empty)),
        "grown": following(grown, work.paths),
    }
    found = in_turn(tasks, sizes.repeat)
    limits = tuple(
        Limit(f"{said} ×", found.times("grown", "empty", column), 2.0)
        for said, column in (("CPU", "cpu"), ("wall", "wall"))
    )
    into = f"the same into {sizes.suite * sizes.runs[1]:,} results"
    return [
        Row(f"`ingest` of one file of {sizes.tests:,} results, fresh history", found["empty"]),
        Row(into, found["grown"], None, "2 × that", limits, tasks["grown"]),
    ]


def following(db: Path, paths: Sequence[Path], prepare: Callable[[], object] = lambda: None) -> Task:
    """The ingest of one report after the other, a new one each time, always under the same name."""
    following: Iterator[Path] = iter(paths)
    link = db.with_suffix(".xml")

    def prepared() -> None:
        prepare()
        link.unlink(missing_ok=True)
        link.symlink_to(next(following))

    return flakediag(db, "ingest", str(link), prepare=prepared)


def on_large(folder: Path, sizes: Sizes) -> list[Row]:
    """Report and gate on large histories, of which the larger one has ten times the runs."""
    few, many = (sizes.suite * runs for runs in sizes.runs)
    small, large = (history(folder, sizes, runs) for runs in sizes.runs)
    windows: dict[str, Mapping[str, str]] = {"the default window": {}, "all runs in the window": WHOLE}
    tasks = {"again": again(large, folder), "gate": gate(large)}
    for said, environ in windows.items():
        tasks |= {f"{few}, {said}": report(small, environ), f"{many}, {said}": report(large, environ)}
    found = in_turn(tasks, sizes.large_repeat)
    rows = []
    for said in windows:
        less, more = found[f"{few}, {said}"], found[f"{many}, {said}"]
        times = f"× {few:,}"
        limits = (
            *(Limit("CPU s", more.cpu, 4), Limit("wall s", more.wall, 4), Limit("MB", more.peak, 500)),
            Limit(f"CPU {times}", found.times(f"{many}, {said}", f"{few}, {said}"), 4),
        )
        bar = f"4 s, 500 MB, 4 {times}"
        rows.append(Row(f"`report` on {few:,} results, {said}", less))
        rows.append(Row(f"`report` on {many:,} results, {said}", more, None, bar, limits, tasks[f"{many}, {said}"]))
    decided = found["gate"]
    half = (Limit("CPU s", decided.cpu, 0.5), Limit("wall s", decided.wall, 0.5))
    return [
        *rows,
        Row(f"`report` on {many:,} results again, nothing new", found["again"]),
        Row(f"`gate` on {many:,} results", decided, None, "0.5 s", half, tasks["gate"]),
        Row(f"the history of {many:,} results: {size(large) / many:.1f} bytes each"),
    ]


def history(folder: Path, sizes: Sizes, runs: int) -> Path:
    """Made by large.py where it is not there yet."""
    path = folder / f"{sizes.suite}x{runs}.db"
    if not path.exists():
        made = path.with_suffix(".made")
        script = str(Path(__file__).with_name("large.py"))
        counts = ("--tests", str(sizes.suite), "--runs", str(runs), "--flaky", str(sizes.suite // 100))
        subprocess.run((sys.executable, script, str(made), *counts), check=True)
        made.rename(path)
    return path


# --- what is run -----------------------------------------------------------------------------------------------------


def flakediag(db: Path, *command: str, **how: object) -> Task:
    return Task([(*PROGRAM, "--db", str(db), *command)], **how)  # type: ignore[arg-type]


def report(db: Path, environ: Mapping[str, str] | None = None) -> Task:
    return flakediag(db, "report", "--format", "json", environ=environ or {})


def again(db: Path, folder: Path) -> Task:
    """A report that was made before, with its cache."""
    kept = report(db, {"FLAKEDIAG_CACHE": str(folder / "cache")})
    return flakediag(db, "report", "--format", "json", environ=kept.environ, prepare=partial(run, kept))


def gate(db: Path) -> Task:
    return flakediag(db, "gate", "--max-flaky-rate", "1%", codes=(0, 1))


def walks(work: Workload) -> dict[str, Task]:
    script = str(Path(__file__).with_name("walk.py"))
    return {which: Task([(sys.executable, script, which, *map(str, work.paths))]) for which in (LXML, EXPAT)}


def yardsticks(each: str, found: Turns) -> list[Row]:
    return [Row(f"bare walk, {which}: {each}", found[which], found.times(which, LXML)) for which in (LXML, EXPAT)]


def remove(db: Path) -> None:
    for path in (db, Path(f"{db}-wal"), Path(f"{db}-shm")):
        path.unlink(missing_ok=True)


def size(db: Path) -> int:
    return sum(path.stat().st_size for path in (db, Path(f"{db}-wal")) if path.exists())


# --- what is written -------------------------------------------------------------------------------------------------


def bounds(rows: Sequence[Row]) -> str:
    """Of each bar that was missed, where the time goes."""
    missed = [row for row in rows if row.missed and row.task]
    if not missed:
        return "Every bar was reached."
    lines = []
    for row in missed:
        over = ", ".join(str(limit) for limit in row.limits if limit.missed)
        assert row.task is not None
        found = hot(row.task)
        lines.append(f"- {row.work} ({over})\n    - parts: {found.parts}\n    - functions: {found.functions}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--dry", action="store_true")
    asked = parser.parse_args()
    sizes = QUICK if asked.quick else FULL
    if asked.repeat:
        sizes = replace(sizes, repeat=asked.repeat, large_repeat=min(asked.repeat, sizes.large_repeat))
    with tempfile.TemporaryDirectory(dir=asked.folder) as made:
        folder = asked.folder or Path(made)
        rows = [row for part in (many_files, one_file, into_large, on_large) for row in part(folder, sizes)]
        times = f"Medians of {sizes.repeat}, of {sizes.large_repeat} on the large histories."
        said = f"{machine('flakediag', 'lxml', 'numpy')} {times}\n\n{table(HEAD, (row.cells() for row in rows))}"
        profile = bounds(rows)
    print(said, profile, sep="\n\n")
    if not (asked.quick or asked.dry):
        write("limits", said, PAGE)
        write("bounds", profile, PAGE)


if __name__ == "__main__":
    main()
