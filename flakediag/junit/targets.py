"""Bazel's tree of test logs: a file per target, shard, repetition and attempt, of which one build is one run.

    bazel-testlogs/PACKAGE/TARGET/test.xml                                     the last attempt
    bazel-testlogs/PACKAGE/TARGET/test_attempts/attempt_1.xml                  an attempt before it, which failed
    bazel-testlogs/PACKAGE/TARGET/shard_1_of_2/test.xml                        with `shard_count`
    bazel-testlogs/PACKAGE/TARGET/shard_1_of_2_run_1_of_3/test.xml             and with `--runs_per_test`

Who wrote the files, their content tells: a target may run pytest, JUnit, GoogleTest or anything else.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from flakediag.junit.attempts import tried_again
from flakediag.model import Attempt, CaseResult, Identity

_TREE = re.compile(
    r"(?P<tree>(?:.*[/!])?(?:bazel-)?testlogs)/(?P<target>.+?)"
    r"(?:/(?P<process>(?:shard_\d+_of_\d+)?_?(?:run_\d+_of_\d+)?))?"
    r"/(?:test|test_attempts/attempt_(?P<attempt>\d+))\.xml(?:\.\w+)?"
)
_LAST = 1 << 30


class Part(NamedTuple):
    """Where a file stands in a tree. `process` names shard and repetition; the last attempt has the highest number."""

    tree: str
    target: str
    process: str
    attempt: int


def part_of(path: str) -> Part | None:
    """What the path of a report says; None outside of such a tree."""
    found = _TREE.fullmatch(path.replace("\\", "/"))
    if found is None:
        return None
    return Part(found["tree"], found["target"], found["process"] or "", int(found["attempt"] or _LAST))


def joined_by_target(parts: Iterable[tuple[Part, Sequence[CaseResult]]]) -> tuple[list[CaseResult], str]:
    """The results of a tree, attempts joined, and what people should know of it.

    A test that several targets have is told apart by its target; one that a target runs in several shards or
    repetitions is the same test.
    """
    processes: dict[tuple[str, str], list[tuple[int, Sequence[CaseResult]]]] = defaultdict(list)
    targets: dict[Identity, set[str]] = defaultdict(set)
    for part, results in parts:
        processes[part.target, part.process].append((part.attempt, results))
        for result in results:
            targets[result.test].add(part.target)
    joined: list[CaseResult] = []
    retries = 0
    for (target, _), tries in processes.items():
        results, again = _last_attempts([results for _, results in sorted(tries, key=lambda one: one[0])])
        retries += again
        joined += (_told_apart(result, target, targets) for result in results)
    return joined, f"{retries} retries stood in files of their own and were joined" if retries else ""


def _last_attempts(tries: Sequence[Sequence[CaseResult]]) -> tuple[list[CaseResult], int]:
    """The tests of one process in the order of its last attempt; the attempts before it stand in files of their own."""
    if len(tries) == 1:
        return list(tries[0]), 0
    earlier: dict[Identity, list[Attempt]] = defaultdict(list)
    for results in tries[:-1]:
        for result in results:
            earlier[result.test] += tried_again(result)
    joined = []
    retries = 0
    for result in tries[-1]:
        before = earlier.pop(result.test, [])
        retries += len(before)
        joined.append(result._replace(earlier=(*before, *result.earlier)))
    for test, attempts in earlier.items():  # the last attempt broke off before it came to them
        *before, last = attempts
        joined.append(CaseResult(test, last.outcome, last.duration, last.failure, tuple(before)))
    return joined, retries


def _told_apart(result: CaseResult, target: str, targets: Mapping[Identity, set[str]]) -> CaseResult:
    test = result.test
    if len(targets[test]) < 2:
        return result
    return result._replace(test=test._replace(variant=" ".join(part for part in (test.variant, target) if part)))
