"""How time, memory and storage grow with a fleet's history in Parquet, and what that predicts.

    python benchmarks/scale.py FOLDER [--projects 2 20] [--tests 10000] [--page docs/scale.md]

Makes a simulated dataset of each number of projects in FOLDER (see simulated_dataset.py; the default are 10 million
and 100 million results), measures whole processes, and prints the figures as Markdown; with --page it writes
them between the marks of that page. A dataset that is there already is measured as it is, and the figures that
are kept beside it (projects-2.json) are not measured again: an interrupted benchmark goes on where it was.

CPU seconds are of all threads and processes; the peak is that of the largest process, in megabytes of 10⁶ bytes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from measure import FailedError, Figure, Task, machine, run

BEGIN, END = "<!-- made by python benchmarks/scale.py -->\n", "<!-- end -->\n"
PER_DAY = 150_000_000  # executions, of the fleet that is predicted
RUNS, RUNS_PER_DAY = 500, 6  # of a simulated project
PATIENCE = 86_400  # seconds for one command: a day
PROGRAM = (sys.executable, "-m", "flakediag")

WINDOW = """
import sys
from flakediag.history import History
from flakediag.model import Scope
with History.open(sys.argv[1]) as history:
    history.window(Scope(project=history.projects()[0], branch="main"))
"""
COUNTERS = """
import sys, duckdb
print(duckdb.execute('''
    SELECT project, test, count(*) FILTER (outcome <> 3) AS executed, count(*) FILTER (outcome IN (1, 2)) AS failed,
           sum(duration_ms) AS spent
    FROM read_parquet($files, hive_partitioning = true) GROUP BY project, test ORDER BY failed DESC LIMIT 20
''', {"files": sys.argv[1] + "/results/*/*/*.parquet"}).fetchall()[0])
"""
ONE_TEST = """
import sys, duckdb
print(len(duckdb.execute('''
    SELECT started_at, run, outcome FROM read_parquet($files, hive_partitioning = true)
    WHERE project = 'service-001' AND test = 4711 ORDER BY started_at
''', {"files": sys.argv[1] + "/results/*/*/*.parquet"}).fetchall()))
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """A dataset, and what was done with it, by what it is called."""

    projects: int
    results: int
    failures: int
    bytes: int
    of_table: dict[str, int]
    figures: dict[str, Figure]


def timed(*command: str) -> Figure:
    try:
        return run(Task([command], patience=PATIENCE))
    except FailedError as error:
        raise SystemExit(f"failed: {' '.join(command)}: {error}") from error


def measured(folder: Path, jobs: int, fleet: bool) -> Measured:
    manifest = json.loads((folder / "flakediag.json").read_text())
    parts = [part for each in manifest["projects"] for month in each["months"].values() for part in month["parts"]]
    db = ("--db", f"parquet:{folder}")
    name = manifest["projects"][0]["name"]
    commands = {
        "the window of one project, read": (sys.executable, "-c", WINDOW, db[1]),
        "`report --project`": (*PROGRAM, *db, "report", "--project", name, "--format", "json"),
        "`tests --project` (counters)": (*PROGRAM, *db, "tests", "--project", name, "--format", "json"),
        "`gate --project` (verdicts)": (*PROGRAM, *db, "gate", "--project", name, "--max-flaky-rate", "100%"),
        "counters of every test of the fleet": (sys.executable, "-c", COUNTERS, str(folder)),
        "every result of one test": (sys.executable, "-c", ONE_TEST, str(folder)),
    }
    if fleet:
        commands[f"`report --all-projects --jobs {jobs}`"] = (
            *(*PROGRAM, *db, "report", "--all-projects", "--jobs", str(jobs), "--format", "json"),
        )
    kept = folder.with_suffix(".json")
    figures = {what: Figure(**row) for what, row in json.loads(kept.read_text()).items()} if kept.exists() else {}
    for what, command in commands.items():
        if what not in figures:
            figures[what] = timed(*command)
            print(f"{folder.name}: {what}: {figures[what]}", file=sys.stderr)
            kept.write_text(json.dumps({what: asdict(figure) for what, figure in figures.items()}, indent=1))
    return Measured(
        projects=len(manifest["projects"]),
        results=sum(part["results"] for part in parts),
        failures=sum(part["failures"] for part in parts),
        bytes=sum(part["bytes"] for part in parts),
        of_table={
            table: sum(file.stat().st_size for file in (folder / table).rglob("*.parquet"))
            for table in ("results", "failures", "details", "runs", "tests")
        },
        figures={what: figures[what] for what in commands},
    )


def moved(tests: int, runs: int) -> tuple[int, Figure]:
    """How long `export` takes from a SQLite history: results, and what it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        db = str(folder / "history.db")
        make(folder / "small", 1, tests, runs)
        timed(*PROGRAM, "-q", "merge", f"parquet:{folder / 'small'}", "--into", db)
        return tests * runs, timed(
            *PROGRAM, "-q", "--db", db, "export", "--format", "parquet", "--partitioned", "-o", str(folder / "again")
        )


def make(folder: Path, projects: int, tests: int, runs: int) -> None:
    script = str(Path(__file__).with_name("simulated_dataset.py"))
    sizes = ("--projects", str(projects), "--tests", str(tests), "--runs", str(runs))
    subprocess.run((sys.executable, script, str(folder), *sizes), check=True)


# --- what is printed -------------------------------------------------------------------------------------------------


def page(found: Sequence[Measured], export: tuple[int, Figure]) -> str:
    small, large = found[0], found[-1]
    where = f"{machine('duckdb', 'pyarrow', 'numpy', 'distributed')} Go by the CPU seconds."
    return "\n".join([where, "", *_table(found), *_storage(large), *_export(*export), *_prediction(small, large)])


def _millions(results: int) -> str:
    return f"{results / 1e6:,.0f} million"


def _table(found: Sequence[Measured]) -> list[str]:
    heads = [f"{_millions(each.results)}: {head}" for each in found for head in ("CPU s", "wall s", "peak MB")]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
    for what in dict.fromkeys(what for each in found for what in each.figures):
        cells = []
        for each in found:
            figure = each.figures.get(what)
            cells += [f"{figure.cpu:,.1f}", f"{figure.wall:,.1f}", f"{figure.peak:,.0f}"] if figure else ["–"] * 3
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return [*lines, ""]


def _storage(large: Measured) -> list[str]:
    parts = ", ".join(f"{table} {size / large.results:.2f}" for table, size in large.of_table.items())
    failing = f"{large.failures / large.results:.1%} of the results failed"
    size = f"{_millions(large.results)} results in {large.bytes / 1e6:,.0f} MB"
    return [f"Storage: **{large.bytes / large.results:.2f} bytes a result** ({parts}): {size}; {failing}.", ""]


def _export(results: int, figure: Figure) -> list[str]:
    each = f"{figure.cpu / results * 1e6:.1f} CPU seconds for each million results"
    return [f"Export from SQLite: {each} (measured on {_millions(results)}, peak {figure.peak:,.0f} MB).", ""]


_PREDICTION = """\
From {small} to {large} results ({times:.0f} times) the counters took {growth:.1f} times the CPU: {rate:.1f} ns a result
at the larger size. The report of one project took {report_growth:.2f} times, for it reads its own files only.

**{per_day} executions a day**, as {projects:,.0f} projects like these ({each:,.0f} results a day each):

| what | predicted |
|---|---|
| storage | {day:.2f} GB a day, {quarter:,.0f} GB for 90 days, {year:,.0f} GB a year |
| counters of every test over one day | {one_day:,.1f} CPU seconds |
| counters of every test over a billion results | {rate:,.0f} CPU seconds |
| counters of every test over 90 days ({billions:.1f} billion) | {ninety:,.0f} CPU seconds |
| reading every project's window once | {read:.1f} CPU-hours |
| every project's verdicts (`gate`) once | {verdicts:.1f} CPU-hours |
| every project's full report once | {hours:.0f} CPU-hours: 16 cores for {sixteen:.1f} hours |
| memory for 16 reports at once | {memory:.0f} GB |
"""


def _prediction(small: Measured, large: Measured) -> list[str]:
    counters, report = "counters of every test of the fleet", "`report --project`"
    rate = large.figures[counters].cpu / large.results * 1e9
    each = large.results / large.projects / RUNS * RUNS_PER_DAY
    projects = PER_DAY / each
    hours = projects * large.figures[report].cpu / 3600
    stored = large.bytes / large.results * PER_DAY / 1e9
    said = _PREDICTION.format(
        small=_millions(small.results),
        large=_millions(large.results),
        times=large.results / small.results,
        growth=large.figures[counters].cpu / small.figures[counters].cpu,
        rate=rate,
        report_growth=large.figures[report].cpu / small.figures[report].cpu,
        per_day=_millions(PER_DAY),
        projects=projects,
        each=each,
        day=stored,
        quarter=stored * 90,
        year=stored * 365,
        one_day=PER_DAY * rate / 1e9,
        billions=PER_DAY * 90 / 1e9,
        ninety=PER_DAY * 90 * rate / 1e9,
        read=projects * large.figures["the window of one project, read"].cpu / 3600,
        verdicts=projects * large.figures["`gate --project` (verdicts)"].cpu / 3600,
        hours=hours,
        sixteen=hours / 16,
        memory=16 * large.figures[report].peak / 1000,
    )
    return said.splitlines()


def write_page(target: Path, text: str) -> None:
    whole = target.read_text("utf-8")
    head, _, rest = whole.partition(BEGIN)
    _, _, tail = rest.partition(END)
    target.write_text(f"{head}{BEGIN}\n{text}\n\n{END}{tail}", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--projects", type=int, nargs="+", default=[2, 20])
    parser.add_argument("--tests", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--fleet", type=int, default=2, help="report the whole fleet of datasets with at most N projects"
    )
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args()
    found = []
    for projects in asked.projects:
        folder = asked.folder / f"projects-{projects}"
        if not (folder / "flakediag.json").exists():
            make(folder, projects, asked.tests, RUNS)
        found.append(measured(folder, asked.jobs, projects <= asked.fleet))
    text = page(found, moved(2000, RUNS))
    print(text)
    if asked.page:
        write_page(asked.page, text)


if __name__ == "__main__":
    main()
