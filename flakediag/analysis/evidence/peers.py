"""Port conflicts without a bind error: what the tests of a run have in common shows who answered.

Two looks. Several tests lose their connection in the same runs, at once: somebody else on the machine holds the port.
Wrong answers in parallel runs only: two workers of one run share it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.evidence.comparison import traits_of
from flakediag.analysis.evidence.fisher import enrichment
from flakediag.analysis.evidence.parallel import parallel_runs
from flakediag.analysis.evidence.ports import port_use
from flakediag.analysis.evidence.portwords import port_words
from flakediag.analysis.evidence.text import said
from flakediag.analysis.weights import weights
from flakediag.analysis.window import Failure, Subject, Window
from flakediag.model import Category, Evidence, FailureDetail, Partner

SAME = 0.75  # Jaccard index of the runs in which two tests lose their connection
QUICK = 0.1  # seconds: an answer that comes sooner did not come from another machine through a broken network


def find(window: Window, subjects: Sequence[Subject]) -> list[list[Evidence]]:
    """Evidence of kinds "ports-peer" and "ports-parallel"."""
    if not subjects:
        return []
    gone = window.once(port_use).lost
    together = _together(subjects, gone)
    parallel = parallel_runs(window)
    by_test: dict[int, list[Subject]] = defaultdict(list)
    for subject in subjects:
        by_test[subject.test].append(subject)
    crowd = _parallel_crowd(by_test, parallel)
    return [
        [
            *_shared_peer(window, subject, gone, *together.get(subject.test, ([], []))),
            *_parallel_answers(subject, by_test[subject.test], parallel, crowd),
        ]
        for subject in subjects
    ]


def _together(subjects: Sequence[Subject], gone: Set[FailureDetail]) -> dict[int, tuple[list[int], list[int]]]:
    """For each test that lost its connection, those runs, and the other tests that lost theirs in (nearly) the same."""
    lost: dict[int, set[int]] = defaultdict(set)
    for failure in (f for s in subjects for f in s.failures):
        if failure.detail in gone:
            lost[failure.test].add(failure.run)
    return {
        test: (
            sorted(runs),
            [t for t, others in lost.items() if t != test and len(runs & others) >= SAME * len(runs | others)],
        )
        for test, runs in lost.items()
    }


def _shared_peer(
    window: Window, subject: Subject, gone: Set[FailureDetail], runs: Sequence[int], others: Sequence[int]
) -> list[Evidence]:
    """Several tests lose their connection in the same runs, at once, and never else: what answers is not their server.

    A cut connection needs somebody who listened; within milliseconds that somebody is on this machine. A refusal
    needs nobody, so it says less: a service that is down looks the same.
    """
    table = weights("ports")
    if len(others) < 2 or len(runs) < 2 or not any(f.detail in gone for f in subject.failures):
        return []
    times = window.durations[runs, subject.test]
    times = times[~np.isnan(times)]
    if not len(times) or float(np.median(times)) > QUICK:
        return []
    cut = any(port_words(said(f.detail)).cut or port_words(said(f.detail)).foreign for f in subject.failures)
    weight = table["shared_peer_cut" if cut else "shared_peer_refused"]
    ports = tuple(dict.fromkeys(p for f in subject.failures[:3] for p in port_words(said(f.detail)).local))[:2]
    at = f" on port {ports[0]}" if ports else ""
    summary = (
        f"{len(others) + 1} tests lost their connection{at} in the same {len(runs)} runs, each within "
        f"{float(np.max(times)):.2g} s: somebody else on the machine answered"
        if cut
        else f"{len(others) + 1} tests were refused a connection{at} in the same {len(runs)} runs"
    )
    data = {"tests": len(others) + 1, "runs": len(runs), "median_seconds": round(float(np.median(times)), 4)}
    partners = (Partner("another process on the machine", "process", "port-user", 0.6),) if cut else ()
    return [Evidence("ports-peer", Category.PORT, weight, summary, data, partners, ports)]


def _parallel_crowd(by_test: Mapping[int, Sequence[Subject]], parallel: NDArray[np.bool_]) -> int:
    """How many tests fail in parallel runs and, with enough serial runs to show it, in no others."""
    return sum(_only_parallel(mine, parallel) <= 0.02 for mine in by_test.values())


def _only_parallel(mine: Sequence[Subject], parallel: NDArray[np.bool_]) -> float:
    """The chance (one-sided Fisher) that failures fall into parallel runs like this; 1 where any fell elsewhere."""
    failed, passed = _of_test(mine)
    if not failed[parallel].any() or failed[~parallel].any():
        return 1.0
    return enrichment(failed, failed | passed, parallel)


def _mostly_parallel(mine: Sequence[Subject], parallel: NDArray[np.bool_]) -> bool:
    """Failures in serial runs too, but far fewer."""
    failed, passed = _of_test(mine)
    seen = failed | passed
    here, there = failed[parallel & seen], failed[~parallel & seen]
    if len(here) < 4 or len(there) < 8 or here.mean() < 4 * there.mean():
        return False
    return enrichment(failed, seen, parallel) <= 0.02


def _of_test(mine: Sequence[Subject]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """bool[R] twice: the runs in which a test failed in any way, and those in which it passed."""
    failed = np.any([s.failed == 1 for s in mine], axis=0)
    passed = np.any([s.failed == 0 for s in mine], axis=0) & ~failed
    return failed, passed


def _parallel_answers(
    subject: Subject, mine: Sequence[Subject], parallel: NDArray[np.bool_], crowd: int
) -> list[Evidence]:
    """Wrong answers over HTTP or a socket in parallel runs: two workers share one fixed port."""
    if not parallel[[f.run for f in subject.failures]].any() or not any(_web(f) for s in mine for f in s.failures[:4]):
        return []
    table = weights("ports")
    failed, passed = _of_test(mine)
    seen = failed | passed
    varied = len({detail.message for s in mine for detail in s.details}) > 1
    weight = table["parallel_answers"] + (table["answers_vary"] if varied else 0.0)
    if _only_parallel(mine, parallel) <= (0.05 if crowd >= 2 else 0.01):
        only = "only "
    elif _mostly_parallel(mine, parallel):
        only, weight = "mostly ", weight * table["parallel_mostly"]
    else:
        return []
    here, there = int((failed & parallel).sum()), int((failed & ~parallel).sum())
    summary = (
        f"fails {only}in parallel runs ({here} of {int((parallel & seen).sum())}, and {there} of "
        f"{int((~parallel & seen).sum())} serial ones), with answers that may be another worker's"
    )
    data = {"parallel_failures": here, "serial_failures": there, "answers_vary": varied}
    partner = Partner("another worker of the same run", "process", "port-user", 0.6)
    return [Evidence("ports-parallel", Category.PORT, weight, summary, data, (partner,))]


def _web(failure: Failure) -> bool:
    """The failure is about an answer over HTTP or a socket."""
    words = said(failure.detail)
    return port_words(words).web or any(trait.name == "status" for trait in traits_of(words))
