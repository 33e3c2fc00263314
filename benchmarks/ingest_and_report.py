"""How long `ingest`, `report` and `gate` take, as whole processes, against a bare walk over the same files.

    python benchmarks/ingest_and_report.py [--files 50] [--tests 2000] [--repeat 5]

Writes synthetic pytest reports (2 % of the results fail with a trace of 3 KB; ten tests are flaky), then prints CPU
seconds, wall seconds and peak memory: the median of several runs, and the ratio to the walk. The walk parses with
the standard library's expat and reads name, classname and time of each case; it is the least that any reader does.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WALK = """
import sys, xml.parsers.expat
for path in sys.argv[1:]:
    rows = []
    def start(name, attributes):
        if name == "testcase":
            rows.append((attributes.get("classname"), attributes.get("name"), attributes.get("time")))
    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = start
    with open(path, "rb") as file:
        parser.ParseFile(file)
"""


def write_reports(folder: Path, files: int, tests: int) -> list[Path]:
    draw = random.Random(7)
    names = [f"test_case_{n}" for n in range(tests)]
    paths = []
    for number in range(files):
        draw.shuffle(names)
        cases = []
        for name in names:
            n = int(name.rpartition("_")[2])
            head = f'<testcase classname="tests.group_{n % 40}.test_part" name="{name}" time="0.0{n % 90:02}"'
            fails = n % 50 == 0 if n >= 200 else n % 20 == 0 and draw.random() < 0.3
            trace = f"def {name}(): ...\n" + f"E   AssertionError: assert {number} == {n}\n" * 75
            cases.append(
                f'{head}><failure message="assert {number} == {n}">{trace}</failure></testcase>'
                if fails
                else f"{head}/>"
            )
        stamp = f"2026-03-{1 + number // 24 % 28:02}T{number % 24:02}:00:00"
        path = folder / f"run-{number:04}.xml"
        path.write_text(
            f'<testsuites><testsuite name="pytest" tests="{tests}" time="{tests * 0.06:.1f}" timestamp="{stamp}">'
            + "".join(cases)
            + "</testsuite></testsuites>"
        )
        paths.append(path)
    return paths


def measure(command: list[str], codes: tuple[int, ...] = (0,)) -> tuple[float, float, float]:
    """(CPU seconds, wall seconds, peak MB) of one process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        raise SystemExit(f"{' '.join(command[:5])} … ended with {process.returncode}")
    wall = time.perf_counter() - began
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--tests", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [str(path) for path in write_reports(folder, asked.files, asked.tests)]
        tool = [sys.executable, "-m", "flakediag", "--db", str(folder / "history.db")]
        commands = {
            "bare walk": ([sys.executable, "-c", WALK, *paths], (0,)),
            "ingest": ([*tool, "ingest", "--commit", "c" * 40, *paths], (0,)),
            "report": ([*tool, "report", "--format", "json"], (0,)),
            "gate": ([*tool, "gate", "--max-flaky-rate", "1%"], (0, 1)),
            "--help": ([*tool, "--help"], (0,)),
        }
        figures: dict[str, list[tuple[float, float, float]]] = {what: [] for what in commands}
        for _ in range(asked.repeat):  # in turn, so that a noisy minute hits all alike
            (folder / "history.db").unlink(missing_ok=True)
            for what, (command, codes) in commands.items():
                figures[what].append(measure(command, codes))
        size = (folder / "history.db").stat().st_size
    results = asked.files * asked.tests
    print(f"{results:,} results in {asked.files} files; history {size / results:.1f} bytes per result")
    walk = statistics.median(cpu for cpu, _, _ in figures["bare walk"])
    print(f"{'':10} {'CPU s':>8} {'wall s':>8} {'peak MB':>8} {'CPU / walk':>11}")
    for what, runs in figures.items():
        cpu, wall, peak = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{what:10} {cpu:8.2f} {wall:8.2f} {peak:8.0f} {cpu / walk:11.1f}")


if __name__ == "__main__":
    main()
