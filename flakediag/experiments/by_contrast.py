"""The test alone, in turn with and without what is suspected: CPU load, or its port held."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from flakediag.analysis.evidence.fisher import hypergeometric_tail
from flakediag.confirm import load, ports
from flakediag.errors import UsageError
from flakediag.experiments.asked import Explanation, Observer, Outcome, Way
from flakediag.experiments.attempt import carry_out, note, outcome_of, signatures_in, told
from flakediag.experiments.bench import Bench
from flakediag.experiments.wording import shortest

DOUBT = 0.01  # a contrast that chance gives less often than this is no chance
BUSY = 4  # busy processes for each core: the test's own ones get about a fifth of the machine
MOST_BUSY = 64
LEAST = 5  # repetitions on either side before a contrast is judged


def contrast(bench: Bench, way: Way, observer: Observer) -> Outcome:
    """The test alone, in turn with and without what is suspected."""
    conditions = conditions_of(bench, way)
    counts = {what: [0, 0] for what, _ in conditions}  # failures, runs
    silent, interrupted, chance, alike = 0, False, 1.0, 0
    hot, cold = (what for what, _ in conditions)
    try:
        while silent < 3 and not bench.spent():
            what, context = conditions[len(bench.tried) % 2]
            with context():
                carried = carry_out(bench, (), what, what, observer)
            failed, problem = told(bench, carried)
            silent = silent + 1 if failed is None else 0
            if failed is not None:
                counts[what][0] += failed
                counts[what][1] += 1
                alike += failed and bool(signatures_in(carried) & bench.known)
            chance = _by_chance(counts[hot], counts[cold])
            leading = Explanation(f"not by chance: failed {_contrast_words(counts)}", 1 - chance)
            missing = sum(max(0, LEAST - runs) for _, runs in counts.values())
            note(bench, what, carried, failed, problem, observer, leading, missing)
            if not missing and chance < DOUBT:
                break
    except KeyboardInterrupt:
        interrupted = True
    sure = min(counts[hot][1], counts[cold][1]) >= LEAST and chance < DOUBT
    standing = "confirmed" if sure else "interrupted" if interrupted else "stuck" if silent else "open"
    if not any(runs for _, runs in counts.values()):
        return outcome_of(bench, way.value, standing, "nothing was learnt", None)
    says = (
        "" if sure else ", which may be chance" if any(k for k, _ in counts.values()) else ": the failure did not show"
    )
    odds = f" (by chance: {chance:.2g})" if sure else ""
    if sure and bench.known and 2 * alike <= counts[hot][0]:
        standing, odds = "open", f"{odds}, but with another failure than the recorded one"
    return outcome_of(
        bench, way.value, standing, f"failed {_contrast_words(counts)}{odds}{says}", 1 - chance,
        reproduce=shortest(bench, ()),
    )  # fmt: skip


def _contrast_words(counts: Mapping[str, Sequence[int]]) -> str:
    return " and ".join(f"in {k} of {n} runs {what.removeprefix('alone, ')}" for what, (k, n) in counts.items())


def _by_chance(hot: Sequence[int], cold: Sequence[int]) -> float:
    """Fisher's exact test, one-sided: so many of the failures, or more, on the suspected side."""
    return hypergeometric_tail(hot[0], hot[1] + cold[1], hot[1], hot[0] + cold[0])


def conditions_of(bench: Bench, way: Way) -> list[tuple[str, Callable[[], AbstractContextManager[None]]]]:
    """What is suspected, and its opposite."""
    if way is Way.PORT:
        port = port_of(bench)
        return [
            (f"alone, with port {port} held", lambda: ports.held(port)),
            (f"alone, with port {port} free", nullcontext),
        ]
    busy = min(MOST_BUSY, BUSY * (os.cpu_count() or 1))
    return [
        (f"alone, with {busy} busy processes beside it", lambda: load.pressure(busy, max(1.0, bench.left()))),
        ("alone, with nothing beside it", nullcontext),
    ]


def port_of(bench: Bench) -> int:
    if bench.setup.port is not None:
        return bench.setup.port
    if bench.finding.cause is not None and bench.finding.cause.ports:
        return bench.finding.cause.ports[0]
    raise UsageError(f"no port is known that {bench.finding.id} uses", "name it: --port 8080")
