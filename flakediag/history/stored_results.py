"""The results of a stored run, made of what every engine keeps of it: a column for each field, and what failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flakediag.model import Attempt, Identity, Outcome, Results, Told

_NOTHING_KNOWN = Attempt(Outcome.PASSED, None, None)  # of an earlier attempt that did not fail


def of_columns(
    tests: Sequence[Identity],
    outcomes: bytes,
    attempts: Sequence[int],
    milliseconds: Iterable[int],
    failed: Mapping[int, Mapping[int, Attempt]],
) -> Results:
    """n tests; an `Outcome` each, of the last attempt; how many attempts; how long the last one took, negative where
    that is not known. `failed`: position → attempt from 1 → what is known of it."""
    telling = [place for place, number in enumerate(attempts) if number > 1 or place in failed]
    told = {}
    for place in telling:
        mine, number = failed.get(place, {}), attempts[place]
        failure = mine[number].failure if number in mine else None
        if failure is not None or number > 1:
            told[place] = Told(failure, tuple(mine.get(each, _NOTHING_KNOWN) for each in range(1, number)))
    return Results(tests, outcomes, [None if each < 0 else each / 1000 for each in milliseconds], told)
