"""What became of each test in each run: from the outcomes and the failures, without durations and texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from flakediag.analysis.outcomes import OutcomesOnly
from flakediag.history.server import failures, results, windows
from flakediag.history.server.connecting import Connection
from flakediag.history.server.reading import Head
from flakediag.model import Outcome


def load(conn: Connection, heads: Sequence[Head]) -> OutcomesOnly:
    """The outcomes of these runs of one project, oldest first."""
    loaded = [each for _, each in results.load(conn, heads, durations=False)]
    names, place_of, index_of = windows.tests(conn, heads, loaded)
    failing: dict[int, list[int]] = defaultdict(list)
    for test, run in failures.failing(conn, heads):
        failing[run].append(place_of[test])
    shape = (len(heads), len(names))
    executed, failed, ended_failed, recovered = (np.zeros(shape, dtype=np.bool_) for _ in range(4))
    for place, (head, each) in enumerate(zip(heads, loaded, strict=True)):
        tests = index_of[id(each.tests)][each.places]
        # Of a test that stands in a run more than once, the worst counts, and a pass more than a skip.
        executed[place, tests[each.outcomes != Outcome.SKIPPED]] = True
        ended_failed[place, tests[np.isin(each.outcomes, (Outcome.FAILED, Outcome.ERROR))]] = True
        failed[place] = ended_failed[place]
        failed[place, failing[head.number]] = True
        recovered[place, tests[each.outcomes == Outcome.PASSED]] = True
    return OutcomesOnly(
        runs=tuple(head.run for head in heads),
        tests=names,
        results=sum(head.results for head in heads),
        executed=executed | failed,
        failed=failed,
        ended_failed=ended_failed,
        recovered=recovered & failed,
    )
