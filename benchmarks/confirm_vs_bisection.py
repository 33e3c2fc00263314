"""`flakediag confirm` beside detect-test-pollution: test executions until the partner of an order dependence is named.

    python -m venv /tmp/beside && /tmp/beside/bin/pip install pytest detect-test-pollution
    python benchmarks/confirm_vs_bisection.py --python /tmp/beside/bin/python

Each suite is generated: 100 or 400 tests in files of ten, and one test that fails depending on what ran before it. Both
tools run it with the same interpreter and the same pytest; every execution of a test is counted by the suite itself.
flakediag is given what CI would have recorded: shuffled runs, as many as the column says, at least one of them failed
and one passed; "fixed": three runs in the listed order, which never varied; "none": parallel runs, of which no order is
known, so that it knows no more than the names of the tests. Bisection is given the suite and the failing test, as it
asks for. The partners' and the test's places are drawn from the whole suite; with --near they share its file.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flakediag import experiments, service
from flakediag.analysis.belief import Claim
from flakediag.model import Scope

PER_FILE = 10
START = datetime(2026, 3, 1, tzinfo=UTC)
CONFTEST = """\
import os

def pytest_runtest_call(item):
    with open(os.environ["EXECUTIONS"], "a") as stream:
        stream.write(item.nodeid + "\\n")
"""


def name(test: int) -> str:
    return f"test_m{test // PER_FILE:02}::test_t{test:03}"


def node(test: int) -> str:
    return name(test).replace("::", ".py::")


def suite(folder: Path, size: int, claim: Claim, victim: int) -> None:
    folder.mkdir(parents=True)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "state.py").write_text(f"bad = {claim.starts_bad}\n")
    bodies = dict.fromkeys(range(size), "pass")
    for terms, value in ((claim.bad, True), (claim.good, False)):
        bodies.update({term[0]: f"state.bad = {value}" for term in terms})
    bodies[victim] = "assert not state.bad"
    for first in range(0, size, PER_FILE):
        tests = range(first, min(size, first + PER_FILE))
        text = "import state\n" + "".join(f"\n\ndef test_t{t:03}():\n    {bodies[t]}\n" for t in tests)
        (folder / f"test_m{first // PER_FILE:02}.py").write_text(text)


def record(folder: Path, size: int, claim: Claim, victim: int, recorded: str, rng: random.Random) -> None:
    """Reports of shuffled runs, in which both outcomes occur; or of runs in one order, or in one that nobody knows."""
    folder.mkdir()
    seen: list[bool] = []
    runs = int(recorded) if recorded.isdigit() else 3
    while len(seen) < runs:
        order = rng.sample(range(size), size) if recorded.isdigit() else list(range(size))
        failed = claim.fails(order[: order.index(victim)]) if recorded != "none" else len(seen) == 1
        if recorded.isdigit() and len(seen) == runs - 1 and len({*seen, failed}) == 1:
            continue
        seen.append(failed)
        cases = []
        for test in order:
            classname, _, own = name(test).partition("::")
            seconds = 1.0 if recorded == "none" else 0.001  # more than the wall clock: workers beside each other
            head = f'<testcase classname="{classname}" name="{own}" time="{seconds}"'
            said = "AssertionError: assert not True"
            cases.append(
                head
                + (f'><failure message="{said}">E {said}</failure></testcase>' if failed and test == victim else " />")
            )
        moment = (START + timedelta(hours=len(seen))).isoformat()
        (folder / f"{len(seen)}.xml").write_text(
            f'<testsuites name="pytest tests"><testsuite name="pytest" tests="{size}" time="9.0" timestamp="{moment}" '
            f'hostname="ci">{"".join(cases)}</testsuite></testsuites>'
        )


class Silent:
    def allow(self, plan: experiments.Plan) -> bool:
        return True

    def starting(self, *what: object) -> None: ...
    def ended(self, tried: object) -> None: ...


def flakediag(
    folder: Path, python: str, environ: dict[str, str], claim: Claim, victim: int, everything: bool
) -> tuple[int, int, str]:
    """(runs, executions, what it named)"""
    db, count = folder / "history.db", folder / "count"
    count.touch()
    service.ingest(db, [str(folder / "reports")], service.RunInfo(branch="main"), now=START, environ={})
    setup = experiments.Setup(
        folder=folder / "suite",
        environ={**environ, "EXECUTIONS": str(count)},
        program=f"{python} -m pytest -p no:cacheprovider",
        runs=60,
        way=experiments.Way.ORDER,
        everything=everything,
    )
    outcome = experiments.confirm(db, name(victim), Scope(), setup, Silent(), now=START)
    wanted = {(name(t[0]), "polluter") for t in claim.bad}
    wanted |= {(name(t[0]), "state-setter" if claim.starts_bad else "cleaner") for t in claim.good}
    found = set(outcome.parties)
    right = outcome.standing == "confirmed" and found and found <= wanted
    named = " + ".join(sorted({role for _, role in found})) if right else f"no ({outcome.standing})"
    return len(outcome.tried), len(count.read_text().splitlines()), named


def bisection(folder: Path, python: str, environ: dict[str, str], claim: Claim, victim: int) -> tuple[int, int, str]:
    count = folder / "count-bisection"
    count.touch()
    done = subprocess.run(
        [str(Path(python).parent / "detect-test-pollution"), "--failing-test", node(victim), "--tests", "."],
        cwd=folder / "suite", env={**environ, "EXECUTIONS": str(count)}, capture_output=True, text=True,
    )  # fmt: skip
    said = re.search(r"the polluting test is: (\S+)", done.stdout)
    right = said is not None and said[1] in {node(t[0]) for t in claim.bad}
    runs = (
        2 + done.stdout.count("running step") + ("double checking" in done.stdout)
        if said
        else done.stdout.count("ensuring")
    )
    last = done.stdout.strip().splitlines()[-1:] or ["no"]
    return runs, len(count.read_text().splitlines()), "polluter" if right else f"no ({last[0].lstrip('-> ')})"


KINDS = {
    "one polluter": lambda a, b: Claim(False, ((a,),)),
    "brittle, one state-setter": lambda a, b: Claim(True, (), ((a,),)),
    "polluter and a later cleaner": lambda a, b: Claim(False, ((a,),), ((b,),)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="has pytest and detect-test-pollution")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 400])
    parser.add_argument("--recorded", nargs="+", default=["none", "fixed", "2", "8"], help="runs, fixed, or none")
    parser.add_argument("--near", action="store_true", help="the partners are in the test's own file")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--all", action="store_true", help="flakediag also looks for everybody else")
    args = parser.parse_args()
    environ = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    print("| tests | dependence | tool | recorded runs | runs | test executions | named |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for size in args.sizes:
        for kind, make in KINDS.items():
            rows: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
            for seed in range(args.seeds):
                rng = random.Random(f"{size} {kind} {seed}")
                first = rng.randrange(size // PER_FILE) * PER_FILE
                places = range(first, first + PER_FILE) if args.near else range(size)
                a, b, victim = sorted(rng.sample(places, 3))
                claim = make(a, b)
                with tempfile.TemporaryDirectory() as made:
                    base = Path(made)
                    suite(base / "suite", size, claim, victim)
                    rows.setdefault(("bisection", "–"), []).append(bisection(base, args.python, environ, claim, victim))
                    for runs in args.recorded:
                        for old in ("history.db", "count"):
                            (base / old).unlink(missing_ok=True)
                        record(base / f"r{runs}", size, claim, victim, runs, rng)
                        (base / f"r{runs}").rename(base / "reports")
                        rows.setdefault(("flakediag", runs), []).append(
                            flakediag(base, args.python, environ, claim, victim, args.all)
                        )
                        (base / "reports").rename(base / f"r{runs}")
            for (tool, recorded), found in rows.items():
                means = [sum(one[i] for one in found) / len(found) for i in (0, 1)]
                named = ", ".join(sorted({f"{[o[2] for o in found].count(one[2])}× {one[2]}" for one in found}))
                print(
                    f"| {size} | {kind} | {tool} | {recorded} | {means[0]:.0f} | {means[1]:.0f} | {named} |", flush=True
                )


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"\n{time.monotonic() - began:.0f} s", file=sys.stderr)
