"""Retries: which test cases of a report are attempts of one result, and in which order they were made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from flakediag.junit.document import Document, RawCase
from flakediag.junit.text import capped
from flakediag.model import Attempt, CaseResult, FailureDetail, Outcome

TEARDOWN = "failed on teardown"
_MAX_JOINED_TEXT = 64 * 1024  # characters, of the failures of one attempt put together


class Joined(NamedTuple):
    """Results made of several test cases: by the index of the first case, all attempts; and the cases used up so.

    `note` says for people what was joined and why.
    """

    attempts: dict[int, list[Attempt]]
    absorbed: set[int]
    note: str = ""


NOTHING_JOINED = Joined({}, set())


def attempts_of(case: RawCase) -> list[Attempt]:
    """The attempts that one test case tells of, the deciding one last.

    Surefire-style children: in a flaky case they are the attempts before the case itself; beside a `failure` they are
    the attempts after it, wherever it stands.
    """
    detail = case.detail
    if detail is None:
        return [Attempt(Outcome.PASSED, case.duration, None)]
    own = Attempt(detail.outcome, case.duration, one_failure(detail.outcome, detail.finals))
    if not detail.reruns:
        return [own]
    return [own, *detail.reruns] if detail.outcome.failed else [*detail.reruns, own]


def attempts_of_equal_failures(case: RawCase) -> list[Attempt]:
    """Like `attempts_of`, for producers that write every failed attempt of a failed test as a `failure` of one case."""
    finals = case.detail.finals if case.detail else ()
    kinds = {(final.outcome, final.failure and (final.failure.type, final.failure.message)) for final in finals}
    if len(finals) < 2 or len(kinds) > 1:
        return attempts_of(case)
    return [Attempt(final.outcome, None, final.failure) for final in finals]


def tried_again(result: CaseResult) -> tuple[Attempt, ...]:
    """The attempts of a result, for a test of which a further one was made: the deciding one is no longer that."""
    return (*result.earlier, Attempt(result.outcome, result.duration, result.failure))


def one_failure(outcome: Outcome, finals: Iterable[Attempt]) -> FailureDetail | None:
    """Several failures of one attempt as one: the first of the deciding kind, with the text of the others below it."""
    if not outcome.failed:
        return None
    failures = [final.failure for final in sorted(finals, key=lambda f: f.outcome is not outcome) if final.failure]
    if len(failures) < 2:
        return failures[0] if failures else None
    first = failures[0]
    texts = [first.text]
    for other in failures[1:]:
        head = ": ".join(part for part in (other.type, other.message) if part and part not in other.text)
        texts.append("\n".join(part for part in (head, other.text) if part))
    return first._replace(text=capped("\n\n".join(text for text in texts if text), _MAX_JOINED_TEXT))


def repeated(document: Document) -> list[list[int]]:
    """The indexes of test cases of one suite that are written alike, per name, in file order."""
    groups: dict[tuple[str, str, str, int], list[int]] = defaultdict(list)
    for index, case in enumerate(document.cases):
        groups[case.classname, case.name, case.file, case.suite].append(index)
    return [group for group in groups.values() if len(group) > 1]


def join_nothing(document: Document) -> Joined:
    return NOTHING_JOINED


def join_mixed(document: Document) -> Joined:
    """The same name twice in one suite, at least once failed: attempts, the last one decides (Gradle, gotestsum).

    Without a failure nobody would have tried again: those are repetitions.
    """
    attempts: dict[int, list[Attempt]] = {}
    absorbed: set[int] = set()
    for group in repeated(document):
        if any(document.cases[index].outcome.failed for index in group):
            attempts[group[0]] = [attempt for index in group for attempt in attempts_of(document.cases[index])]
            absorbed.update(group[1:])
    note = f"{len(absorbed)} repeated test cases were read as retries" if absorbed else ""
    return Joined(attempts, absorbed, note)


def join_pytest(document: Document) -> Joined:
    """pytest writes a retry as a case without any result before the final one, so that failures look like passes.

    Where the header counts fewer tests than there are cases, something was run again: a bare case that is followed by
    the same test is a failed attempt. Where it counts as many, reruns can still be told where only the teardown
    failed: the call passed and was counted. A failure and then "failed on teardown" is one attempt in two cases.
    Where it counts more tests than there are cases, it counts subtests and says nothing of reruns: the same test twice
    was run again, since pytest runs no test twice otherwise.
    """
    cases = document.cases
    groups = [_tries(cases, group) for group in repeated(document)]
    counted = _counted(document)
    in_two_cases = sum(len(one.cases) - 1 for group in groups for one in group)
    rerun = counted is not None and len(cases) - in_two_cases > counted
    subtests = counted is not None and len(cases) < counted

    attempts: dict[int, list[Attempt]] = {}
    absorbed: set[int] = set()
    retries = 0
    for group in groups:
        chains = [[group[0]]]
        for place, (before, after) in enumerate(pairwise(group), start=1):
            again = rerun or subtests
            if before.bare and not again:
                adjacent = after.cases[0] == before.cases[-1] + 1
                again = any(one.teardown for one in group[place:]) or (counted is None and adjacent)
            if again:
                chains[-1].append(after)
            else:
                chains.append([after])
        for chain in chains:
            used = [index for one in chain for index in one.cases]
            if len(used) < 2:
                continue
            last = chain[-1].attempt
            attempts[used[0]] = [*(_failed(one.attempt, last) for one in chain[:-1]), last]
            absorbed.update(used[1:])
            retries += len(chain) - 1
    note = f"{retries} retries are written as test cases of their own, without their failure" if retries else ""
    return Joined(attempts, absorbed, note)


class _Try(NamedTuple):
    """One attempt of a pytest test, written as one case or as two. `bare`: as a case without any result."""

    cases: list[int]
    attempt: Attempt
    bare: bool
    teardown: bool


def _tries(cases: Sequence[RawCase], group: list[int]) -> list[_Try]:
    tries: list[_Try] = []
    for index in group:
        case = cases[index]
        attempt = attempts_of(case)[-1]
        teardown = attempt.failure is not None and attempt.failure.message.startswith(TEARDOWN)
        if teardown and tries and tries[-1].attempt.outcome is Outcome.FAILED and not tries[-1].teardown:
            before = tries[-1]
            tries[-1] = before._replace(cases=[*before.cases, index], attempt=_with_teardown(before.attempt, attempt))
        else:
            tries.append(_Try([index], attempt, case.detail is None, teardown))
    return tries


def _with_teardown(call: Attempt, teardown: Attempt) -> Attempt:
    """The test failed and so did its teardown: the failure of the test is what counts, the other is told below it."""
    failure = one_failure(Outcome.FAILED, (call, teardown))
    durations = [attempt.duration for attempt in (call, teardown) if attempt.duration is not None]
    return Attempt(call.outcome, sum(durations) if durations else None, failure)


def _failed(attempt: Attempt, last: Attempt) -> Attempt:
    """An attempt that was followed by another one: it failed, or as expected (xfail) where the last one did that."""
    if attempt.outcome.failed:
        return attempt
    return attempt._replace(outcome=Outcome.SKIPPED if last.outcome is Outcome.SKIPPED else Outcome.FAILED)


def _counted(document: Document) -> int | None:
    """How many tests the header counts; None where it does not say, or where the file is not complete."""
    if document.partial:
        return None
    holding = set(document.cases.suites)
    counts = [document.suites[index].attributes.get("tests", "") for index in holding]
    return sum(map(int, counts)) if all(count.isdecimal() and len(count) < 10 for count in counts) else None
