"""flakediag beside the tools that install from the package index, on the same files in the same sitting.

    python benchmarks/peers.py [--quick] [--repeat 3] [--seeds 3] [--venvs FOLDER] [--dry]

Each peer is installed by its name into a throw-away virtual environment of its own (--venvs keeps them). Two workloads
measure time and memory from the files to the report; a third one, with planted flaky and broken tests, compares what is
reported. A peer that does not install or run is listed with the reason. Writes docs/performance.md; --quick runs small
workloads once and prints, --dry leaves the page alone. Needs lxml, for the walk that everybody is measured against.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools" / "reliability"))

import planted
from contenders import TOOLS, Found, Given, Tool
from measure import FailedError, Task, Turns, environ, machine, run
from page import table, write
from performance import PAGE, of_one_run, remove, size, suite_of, walks
from planted import Suite, Workload

PLANTED = Suite(tests=200, order=8, timing=4, port=3, broken=3)
RUNS = 60
WALK = "bare walk"


# --- installing ------------------------------------------------------------------------------------------------------


def installed(tool: Tool, venvs: Path) -> tuple[Path, str]:
    """(the folder of its programs, its version). Raises `FailedError`."""
    if tool.own:
        return Path(sys.executable).parent, _version(Path(sys.executable), tool.name)
    home = venvs / tool.name
    python = home / "bin" / "python"
    if not python.exists():
        print(f"installing {tool.name} …", file=sys.stderr)
        subprocess.run((sys.executable, "-m", "venv", str(home)), check=True)
        pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", tool.name)
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FailedError(f"does not install: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return python.parent, _version(python, tool.name)


def _version(python: Path, name: str) -> str:
    asked = f"from importlib.metadata import version; print(version({name!r}))"
    return subprocess.run((str(python), "-c", asked), capture_output=True, text=True, check=True).stdout.strip()


# --- time and memory -------------------------------------------------------------------------------------------------


def timed(
    folder: Path, work: Workload, programs: Mapping[str, Path], repeat: int
) -> tuple[Turns, dict[str, str], dict[str, int]]:
    """Figures of each tool's steps (`name: step`), beside the walk's; why a tool did not run; bytes of its history."""
    turns, failed, stored = Turns(), dict[str, str](), dict[str, int]()
    for _ in range(repeat):
        turns.add(WALK, run(walks(work)["lxml"]))
        for tool in TOOLS:
            if tool.name not in programs or tool.name in failed:
                continue
            given = Given(programs[tool.name], folder / f"{tool.name}.db", work.paths, None)
            remove(given.db)
            try:
                for step, commands in tool.steps(given).items():
                    turns.add(f"{tool.name}: {step}", run(Task(commands, tool.environ, folder, tool.codes)))
            except FailedError as why:
                failed[tool.name] = str(why)
            stored[tool.name] = size(given.db)
    return turns, failed, stored


def times(folder: Path, work: Workload, programs: Mapping[str, Path], repeat: int) -> str:
    turns, failed, stored = timed(folder, work, programs, repeat)
    walk = turns[WALK]
    rows = [[WALK, "", f"{walk.cpu:.2f}", f"{walk.wall:.2f}", "1.0", f"{walk.peak:.0f}", ""]]
    for tool in TOOLS:
        if tool.name in failed:
            rows.append([tool.name, failed[tool.name], *[""] * 5])
        elif tool.name in programs:
            given = Given(programs[tool.name], folder / f"{tool.name}.db", work.paths, None)
            for step in tool.steps(given):
                what = f"{tool.name}: {step}"
                took, ratio = turns[what], f"{turns.times(what, WALK):.1f}"
                kept = f"{stored[tool.name] / 1e6:.1f}" if stored[tool.name] else ""
                rows.append([tool.name, step, f"{took.cpu:.2f}", f"{took.wall:.2f}", ratio, f"{took.peak:.0f}", kept])
    return table(("tool", "step", "CPU s", "wall s", "× walk", "peak MB", "history MB"), rows)


# --- what is reported ------------------------------------------------------------------------------------------------


def asked(tool: Tool, given: Given, folder: Path) -> Found:
    """What it says of a workload. Raises `FailedError`."""
    remove(given.db)
    *before, last = [command for commands in tool.asking(given).values() for command in commands]
    if before:
        run(Task(before, tool.environ, folder, tool.codes))
    done = subprocess.run(
        last, capture_output=True, text=True, cwd=folder, env={**environ(), **tool.environ}, check=False
    )
    if done.returncode not in tool.codes:
        raise FailedError((done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1])
    return tool.read(done.stdout, done.stderr)


def judged(folder: Path, programs: Mapping[str, Path], seeds: int) -> str:
    head = (
        *("tool", "runs of a commit", "flaky found", "broken called flaky", "broken called broken"),
        *("stable called flaky", "cause named rightly", "polluter named first"),
    )
    rows = []
    for tool in TOOLS:
        if tool.name not in programs:
            continue
        for per_commit in (3, 1):
            try:
                scores = []
                for seed in range(seeds):
                    home = folder / f"planted-{per_commit}-{seed}"
                    work = planted.write(home, PLANTED, RUNS, per_commit, seed)
                    given = Given(programs[tool.name], folder / f"{tool.name}.db", work.paths, work.commits)
                    scores.append(score(work, asked(tool, given, folder)))
                    print(f"{tool.name}, {per_commit} a commit, seed {seed}: {scores[-1]}", file=sys.stderr)
            except FailedError as why:
                rows.append([tool.name, str(per_commit), str(why), *[""] * 5])
                continue
            rows.append([tool.name, str(per_commit), *map(_sum, zip(*scores, strict=True))])
    return table(head, rows)


Share = tuple[int, int] | None  # so many of so many; None where the tool says nothing of the kind


def score(work: Workload, found: Found) -> list[Share]:
    truth = work.truth
    flaky, broken = set(truth.causes), set(truth.broken)
    causes = sum(found.causes.get(test) == cause for test, cause in truth.causes.items()) if found.causes else None
    partners = sum(found.partners.get(test) == partner for test, partner in truth.polluters.items())
    return [
        (len(flaky & found.flaky), len(flaky)),
        (len(broken & found.flaky), len(broken)),
        None if found.broken is None else (len(broken & found.broken), len(broken)),
        (len(found.flaky - flaky - broken), PLANTED.tests - len(flaky) - len(broken)),
        None if causes is None else (causes, len(flaky)),
        (partners, len(truth.polluters)) if found.partners else None,
    ]


def _sum(shares: Sequence[Share]) -> str:
    known = [share for share in shares if share is not None]
    return f"{sum(n for n, _ in known)} of {sum(of for _, of in known)}" if known else "–"


# --- all of it -------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--venvs", type=Path)
    parser.add_argument("--dry", action="store_true")
    chosen = parser.parse_args()
    repeat, seeds = (1, 1) if chosen.quick else (chosen.repeat, chosen.seeds)
    files, tests, single = (10, 400, 4_000) if chosen.quick else (50, 2_000, 100_000)
    programs: dict[str, Path] = {}
    versions: list[str] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for tool in TOOLS:
            try:
                programs[tool.name], version = installed(tool, chosen.venvs or folder / "venvs")
                versions.append(f"{tool.name} {version}")
            except FailedError as why:
                versions.append(f"{tool.name}: {why}")
        works = {
            f"{files} files × {tests:,} results": planted.write(folder / "many", suite_of(tests), files),
            f"1 file × {single:,} results": planted.write(folder / "single", of_one_run(single), 1),
        }
        speed = "\n\n".join(f"**{each}**\n\n{times(folder, work, programs, repeat)}" for each, work in works.items())
        said = f"{machine('lxml')} Medians of {repeat}.\n\n{', '.join(versions)}.\n\n{speed}"
        reported = judged(folder, programs, seeds)
    findings = (
        f"{seeds} histories of {RUNS} shuffled runs of {PLANTED.tests} tests: {PLANTED.order} of them fail after a "
        f"polluter, {PLANTED.timing} when they are slow, {PLANTED.port} when their port is taken, and {PLANTED.broken} "
        f"break at a commit and stay broken.\n\n{reported}"
    )
    print(said, findings, sep="\n\n")
    if not (chosen.quick or chosen.dry):
        write("peers", said, PAGE)
        write("findings", findings, PAGE)


if __name__ == "__main__":
    main()
