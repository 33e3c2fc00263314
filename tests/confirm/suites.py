"""Small pytest suites whose tests share a state, and reports of runs in other orders, as if CI had recorded them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flakediag.analysis.belief import Claim

SIZE = 10
VICTIM = 5
START = datetime(2026, 3, 1, tzinfo=UTC)


def name(test: int) -> str:
    return f"test_{test:02}"


def write_suite(folder: Path, claim: Claim | None, *, victim: str | None = None, size: int = SIZE) -> None:
    """A suite whose test `VICTIM` fails as the claim says; tests of the claim are numbered with the victim among them.

    `victim` is its body instead.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    starts_bad = claim is not None and claim.starts_bad
    (folder / "state.py").write_text(f"bad = {starts_bad}\nseen = set()\n")
    lines = ["import state\n"]
    for test in range(size):
        body = []
        for terms, value in ((claim.bad, True), (claim.good, False)) if claim else ():
            for term in terms:
                if test in term:
                    body += [f"state.seen.add({test})", f"if state.seen >= {set(term)}:", f"    state.bad = {value}"]
        if test == VICTIM:
            body = [victim or "assert not state.bad"]
        lines.append(f"def {name(test)}():\n    " + "\n    ".join(body or ["pass"]) + "\n")
    (folder / "test_shop.py").write_text("\n\n".join(lines))


def report(order: Sequence[int], failed: bool, moment: datetime, message: str) -> str:
    """What pytest writes of a run in this order, in which the victim failed or not."""
    cases = []
    for test in order:
        head = f'<testcase classname="test_shop" name="{name(test)}" time="0.001"'
        if test == VICTIM and failed:
            cases.append(f'{head}><failure message="{message}">E {message}</failure></testcase>')
        else:
            cases.append(head + " />")
    return (
        '<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="0" '
        f'failures="{int(failed)}" skipped="0" tests="{len(order)}" time="1.0" timestamp="{moment.isoformat()}" '
        f'hostname="ci">{"".join(cases)}</testsuite></testsuites>'
    )


def write_history(
    folder: Path,
    outcomes: Claim | Sequence[bool],
    *,
    runs: int = 8,
    shuffled: bool = True,
    message: str = "AssertionError: assert not True",
) -> Path:
    """Reports of runs in shuffled orders, the victim failing as the claim says, or run by run."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(3)
    for run in range(runs):
        order = list(range(SIZE))
        if shuffled:
            rng.shuffle(order)
        failed = outcomes.fails(order[: order.index(VICTIM)]) if isinstance(outcomes, Claim) else outcomes[run]
        moment = START + timedelta(hours=run)
        (folder / f"run-{run:02}.xml").write_text(report(order, failed, moment, message), encoding="utf-8")
    return folder
