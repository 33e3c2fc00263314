"""The same contract, led by coverage: atheris keeps what reaches new code and mutates that further.

    pip install '.[fuzz]'
    PYTHONPATH=tools python -m fuzz.guided [-max_total_time=60] [-runs=N] [-seed=N] [FOLDER]

The options are libFuzzer's; FOLDER (build/fuzz/corpus) keeps what was found worth keeping. The changes are those of
fuzz/mutations.py, so that most of what is tried is nearly a report. Beside the coverage of Python code, nothing here
differs from `python -m fuzz`, which needs nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["flakediag.junit", "flakediag.history"]):
    from fuzz.contract import Contract

from fuzz.inputs import CORPUS, Input, is_packed, seeds
from fuzz.mutations import LARGEST, changed, damaged

FOLDER = Path(__file__).resolve().parents[2] / "build" / "fuzz" / "corpus"


def main() -> None:
    texts = seeds().texts
    contract = Contract()
    count = 0

    def hold(content: bytes) -> None:
        nonlocal count
        count += 1
        contract.hold(Input((("report.xml", content),)), pieces=count % 4 == 0, store=count % 10 == 0)

    def mutate(content: bytes, most: int, seed: int) -> bytes:
        chance = Random(seed)
        if chance.random() < 0.2:  # its own changes know what the code compares with
            return bytes(atheris.Mutate(content, most))
        made = damaged(content, chance) if is_packed(content) else changed(content, chance, texts)
        return made[:most]

    FOLDER.mkdir(parents=True, exist_ok=True)
    given = sys.argv[1:]
    folders = [each for each in given if not each.startswith("-")] or [str(FOLDER)]
    options = [f"-max_len={LARGEST >> 3}", *(each for each in given if each.startswith("-"))]
    atheris.Setup([sys.argv[0], *options, *folders, str(CORPUS)], hold, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
