"""The ways in which flaky tests fail: one subject per (test, signature), the unit that a cause belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from flakediag.analysis.window import Failure, Subject, Window

FRAGMENTS = 3  # more signatures than this of one exception type, hardly ever repeated, are one


def subjects_of(window: Window, tests: Iterable[int], counted: NDArray[np.bool_]) -> list[Subject]:
    """The subjects of these tests, in the order of the tests, the commonest signature of each test first.

    counted: bool[R]; the other runs (outages) say nothing about anybody.
    """
    found = []
    for test in tests:
        failures = [failure for failure in window.failures_of.get(test, ()) if counted[failure.run]]
        found.extend(_split(window, test, failures, counted))
    return found


def is_known_way(failures: Sequence[Failure], failure: Failure) -> bool:
    """Whether `failure`, of the same test, is of a signature that `failures` already hold."""
    groups = _by_signature([*failures, failure])
    return any(len(members) > 1 for members in groups.values() if any(member is failure for member in members))


def _split(window: Window, test: int, failures: Sequence[Failure], counted: NDArray[np.bool_]) -> list[Subject]:
    groups = _by_signature(failures)
    passed = window.executed[:, test] & counted
    for failure in failures:
        passed[failure.run] = False
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    found = []
    for signature, members in ranked:
        failed = np.where(passed, 0, -1).astype(np.int8)
        failed[[member.run for member in members]] = 1
        found.append(Subject(test, signature, failed, tuple(members)))
    return found


def _by_signature(failures: Sequence[Failure]) -> dict[str, list[Failure]]:
    """Failures by signature.

    Some producers keep nothing of an attempt that was retried but that it failed. Such a failure is taken to be of the
    test's signature where there is only one; where there are several it says nothing about any of them.

    Masking cannot know every volatile part: a message that prints a whole object makes a signature of its own each
    time, and a cause split into single failures cannot be seen. So signatures of one exception type that hardly ever
    repeat are taken as one, named by the commonest.
    """
    exact: dict[str, list[Failure]] = defaultdict(list)
    silent: list[Failure] = []
    for failure in failures:
        (silent if failure.silent else exact[failure.signature]).append(failure)
    if silent and not exact:
        return {silent[0].signature: silent}
    if len(exact) == 1:
        (only,) = exact
        exact[only] = sorted(exact[only] + silent, key=lambda f: (f.run, f.attempt))
    by_type: dict[str, list[str]] = defaultdict(list)
    for signature, members in exact.items():
        by_type[members[0].detail.type or signature.partition(":")[0]].append(signature)
    merged: dict[str, list[Failure]] = {}
    for signatures in by_type.values():
        count = sum(len(exact[s]) for s in signatures)
        if len(signatures) > FRAGMENTS and count < 2 * len(signatures):
            commonest = min(signatures, key=lambda s: (-len(exact[s]), s))
            merged[commonest] = sorted((f for s in signatures for f in exact[s]), key=lambda f: (f.run, f.attempt))
        else:
            merged.update((s, exact[s]) for s in signatures)
    return merged
