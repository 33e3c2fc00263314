"""Break what can break under flakediag, for real, and write the table of docs/reliability.md.

    python tools/reliability/faults.py [--quick | --light] [--only PART…] [-o FILE]

Every try is a process of its own on a history of its own, in a temporary folder. What must hold is said where it is
tried, in the faults_*.py beside this file. --quick and --light (which the tests do) make fewer tries, and the page says
so; --only tries some parts anew and takes the others' figures from build/reliability/. Ends with 1 where something did
not survive. As root, on Linux, it also fills a small disk and mounts it read-only; else these tries are left out, and
the table says so.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import page
from faults_bench import FULL, LIGHT, QUICK, Row, Section, Size, load_everything
from faults_crowd import crowd
from faults_damage import damage
from faults_kills import kills
from faults_storage import storage
from faults_versions import versions

PARTS: dict[str, Section] = {
    "kills": kills,
    "storage": storage,
    "damage": damage,
    "versions": versions,
    "crowd": crowd,
}
KEPT = page.PAGE.parents[1] / "build" / "reliability"
MEANING = """
*Survived* means: the history opens, SQLite's `integrity_check` is content, what is stored is what was there before or
what should be there after, the same command again completes it; and the user got an answer or one clear message, never
a traceback.
"""


def tried(size: Size, part: str) -> list[Row]:
    """The rows of one part, in a folder that is gone afterwards."""
    with TemporaryDirectory(prefix=f"faults-{part}-") as folder:
        return list(PARTS[part](size, Path(folder)))


def keep(path: Path, rows: list[Row], seconds: float, size: Size) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {"seconds": seconds, "quick": size is not FULL, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(said, indent=1))


def told(folder: Path) -> str:
    """The section of the page, of all the parts that have been tried."""
    kept = [json.loads(path.read_text()) for part in PARTS if (path := folder / f"faults-{part}.json").exists()]
    rows = [Row(**row) for said in kept for row in said["rows"]]
    tries, survived = sum(row.tries for row in rows), sum(row.survived for row in rows)
    minutes = sum(said["seconds"] for said in kept) / 60
    how = "a quick pass" if any(said["quick"] for said in kept) else "a full pass"
    table = page.table(
        ("Fault", "Tries", "Survived", "What is seen"),
        [(row.fault, f"{row.tries:,}", f"{row.survived:,}", row.seen) for row in rows],
    )
    return f"{survived:,} of {tries:,} tries survived, in {how} of {minutes:.0f} minutes.\n{MEANING}\n{table}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", dest="size", action="store_const", const=QUICK, default=FULL)
    parser.add_argument("--light", dest="size", action="store_const", const=LIGHT)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("-o", "--output", type=Path, default=page.PAGE)
    parser.add_argument("--kept", type=Path, default=KEPT, help="where the figures are kept")
    wanted = parser.parse_args()
    load_everything()
    lost = 0
    for part in wanted.only:
        began = time.monotonic()
        rows = tried(wanted.size, part)
        lost += sum(row.tries - row.survived for row in rows)
        keep(wanted.kept / f"faults-{part}.json", rows, time.monotonic() - began, wanted.size)
    page.write("faults", told(wanted.kept), wanted.output)
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
