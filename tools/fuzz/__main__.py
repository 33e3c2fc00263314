"""Fuzz the reader and the store with mutated reports: `make fuzz SECONDS=20`, or `COUNT=1000000`.

    PYTHONPATH=tools python -m fuzz [--seconds S] [--count N] [--seed SEED] [--first N]

Input `number` of a seed is always the same, so that `--seed SEED --first NUMBER --count 1` shows a finding again. Ends
with 1 where an input breaks what must hold for every input (fuzz/contract.py), after writing it to build/fuzz/.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from secrets import randbelow

from flakediag.model import RunReport
from fuzz.contract import Contract
from fuzz.inputs import Input, made, seeds

FINDINGS = Path(__file__).resolve().parents[2] / "build" / "fuzz"
HANGS = 120.0  # seconds of no progress at all after which even what cannot be interrupted is ended
EVERY = 10_000  # inputs between two lines of progress


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description="Hold mutated reports against the reader and the store.")
    parser.add_argument("--seconds", type=float, default=None, help="how long (20 without --count)")
    parser.add_argument("--count", type=int, default=None, help="how many inputs")
    parser.add_argument("--seed", type=int, default=None, help="chosen by chance and printed")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    parser.add_argument("--store-every", type=int, default=10, help="which share of the inputs is stored too")
    parser.add_argument("--pieces-every", type=int, default=20, help="which share is read in small pieces too")
    asked = parser.parse_args(args)
    seed = randbelow(1_000_000) if asked.seed is None else asked.seed
    seconds = 20.0 if asked.seconds is None and asked.count is None else asked.seconds
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    corpus, told, found, number = seeds(), Counter[str](), 0, asked.first
    with Contract() as contract:
        while asked.count is None or number < asked.first + asked.count:
            if seconds is not None and time.monotonic() - began > seconds:
                break
            if number % 100 == 0 or number == asked.first:
                _mark(seed, number)
            given = made(seed, number, corpus)
            alone = asked.count == 1
            try:
                read = contract.hold(
                    given,
                    pieces=alone or number % asked.pieces_every == 0,
                    store=alone or number % asked.store_every == 0,
                )
            except Exception:
                found += 1
                _keep(given, f"{seed}-{number}", traceback.format_exc())
                contract.forget()
            else:
                runs = [each for each in read if isinstance(each, RunReport)]
                told["runs" if runs else "refused" if read else "nothing found"] += 1
                told["partial"] += any(file.partial for run in runs for file in run.files)
            number += 1
            if number % EVERY == 0:
                print(_line(number - asked.first, began, told, contract, found), flush=True)
        contract.finish()
        print(_line(number - asked.first, began, told, contract, found))
    faulthandler.cancel_dump_traceback_later()
    return 1 if found else 0


def _line(count: int, began: float, told: Counter[str], contract: Contract, found: int) -> str:
    return (
        f"{count:,} inputs in {time.monotonic() - began:,.0f} s: {told['runs']:,} gave runs ({told['partial']:,} only "
        f"in part), {told['refused']:,} were refused, in {told['nothing found']:,} nothing was found; "
        f"{contract.stored:,} runs stored and given back, {contract.reported:,} histories reported on; {found} findings"
    )


def _mark(seed: int, number: int) -> None:
    """Name the inputs that come next, and end the process where one of them keeps it from ever coming back here."""
    FINDINGS.mkdir(parents=True, exist_ok=True)
    (FINDINGS / "now").write_text(f"--seed {seed} --first {number} --count 100\n", "utf-8")
    faulthandler.dump_traceback_later(HANGS, exit=True, file=sys.__stderr__ or 2)


def _keep(given: Input, name: str, why: str) -> None:
    folder = FINDINGS / name
    folder.mkdir(parents=True, exist_ok=True)
    for place, (_, content) in enumerate(given.files):
        (folder / f"{place}.input").write_bytes(content)
    (folder / "why.txt").write_text(
        f"{given.way}, tight={given.tight}, {[n for n, _ in given.files]!r}\n{why}", "utf-8", "backslashreplace"
    )
    print(f"FINDING {folder}\n{why[-600:]}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
