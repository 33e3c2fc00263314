"""Orders and claims in words, and as commands."""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from flakediag.analysis.belief import Claim
from flakediag.experiments.asked import Explanation, Step
from flakediag.experiments.bench import Bench


@cache
def kept_folder() -> Path:
    """Where files stand that a shown command names: a folder of its user's own, kept where one was written."""
    folder = Path(mkdtemp(prefix="flakediag-"))

    def tidy() -> None:
        with contextlib.suppress(OSError):  # not empty, or gone
            folder.rmdir()

    atexit.register(tidy)
    return folder


def step_of(bench: Bench, before: Sequence[int], fails: float | None) -> Step:
    return Step(what=what_of(bench, before), command=command_of(bench, before), fails=fails)


def command_of(bench: Bench, before: Sequence[int]) -> tuple[str, ...]:
    names = bench.names(before)
    arranged = bench.runner.arranged(names, bench.test)
    chosen = names if arranged is None else list(arranged)
    return bench.runner.call([*chosen, bench.test], kept_folder(), bench.seed_for(chosen)).argv


def shortest(bench: Bench, before: Sequence[int]) -> tuple[str, ...]:
    """The command for people: without the report that only flakediag asks for."""
    return tuple(word for word in command_of(bench, before) if not word.startswith("--junitxml="))


def what_of(bench: Bench, before: Sequence[int]) -> str:
    names = bench.names(before)
    if not names:
        return "the test alone"
    if len(names) <= 3:
        return f"the test after {', '.join(t.id for t in names)}"
    return f"the test after {len(names)} others"


def leading(bench: Bench, count: int) -> tuple[Explanation, ...]:
    belief = bench.search.belief
    found = [Explanation(claim_words(bench, claim), share) for claim, share in belief.leading(count)]
    found.append(Explanation("the order does not matter", belief.chance))
    return tuple(sorted(found, key=lambda e: -e.probability)[:count])


def claim_words(bench: Bench, claim: Claim) -> str:
    def words(terms: Sequence[Sequence[int]]) -> str:
        return " or ".join(" and ".join(bench.tests[t].id for t in term) for term in terms)

    if claim.starts_bad:
        text = f"it needs {words(claim.good)} to run before it" if claim.good else "it fails alone"
        return f"{text}, and {words(claim.bad)} undoes that" if claim.bad else text
    together = " together" if any(len(term) > 1 for term in claim.bad) else ""
    text = f"{words(claim.bad)}{together} pollutes it" if claim.bad else "nothing pollutes it"
    return f"{text}, unless {words(claim.good)} runs in between" if claim.good else text
