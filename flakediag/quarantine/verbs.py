"""The verbs behind `flakediag quarantine`: they take entries and give entries; the caller writes the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from flakediag.analysis.quarantine import standings
from flakediag.analysis.signature import NOTHING_SAID
from flakediag.errors import UsageError
from flakediag.history import History
from flakediag.location import Location
from flakediag.model import (
    Finding,
    Identity,
    QuarantineEntry,
    QuarantineStanding,
    QuarantineState,
    Scope,
    Verdict,
)
from flakediag.service import resolve, show


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What people decided of a test. `signature` is a whole one or a part; None stands for each that it has.

    `any_way` excuses every way of failing. `force` insists on what would be refused.
    """

    reason: str
    expires: date
    owner: str | None = None
    ticket: str | None = None
    signature: str | None = None
    any_way: bool = False
    force: bool = False
    max_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """All `entries` there are now; which of them are `new`, and which were there and `changed` (as they were before).

    `notes` are what the caller should know, one sentence each.
    """

    entries: tuple[QuarantineEntry, ...]
    new: tuple[QuarantineEntry, ...]
    changed: tuple[tuple[QuarantineEntry, QuarantineEntry], ...]
    notes: tuple[str, ...] = ()


def add(
    db: Location, test: str, scope: Scope, entries: Sequence[QuarantineEntry], decision: Decision, *, now: datetime
) -> Added:
    """Excuse failures of the test, one entry for each signature; an entry that is there already gets the new day.

    Raises `UsageError` for a test that is not flaky and for a day too far ahead, unless forced; and for a test or a
    signature that is not known.
    """
    today = now.date()
    _check_days(decision, today)
    finding = show(db, test, scope, now=now)
    if finding.verdict is not Verdict.FLAKY and not decision.force:
        raise UsageError(
            f"{finding.id} is not flaky but {finding.verdict.value}: {finding.reason}",
            "a quarantine is for flaky tests, it would hide what this failure has to say; --force insists",
        )
    there = {(entry.test, entry.signature): entry for entry in entries}
    new, changed = [], []
    for signature in _signatures(finding, decision):
        old = there.get((finding.id, signature))
        if old is None:
            made = QuarantineEntry(
                test=finding.id,
                signature=signature,
                reason=decision.reason,
                owner=decision.owner,
                ticket=decision.ticket,
                added=today,
                expires=decision.expires,
            )
            new.append(made)
        else:
            made = replace(
                old,
                reason=decision.reason,
                owner=decision.owner or old.owner,
                ticket=decision.ticket or old.ticket,
                expires=decision.expires,
            )
            changed.append((old, made))
        there[finding.id, signature] = made
    whole = tuple(there.values())
    return Added(entries=whole, new=tuple(new), changed=tuple(changed), notes=tuple(_uncovered(finding, whole)))


def _check_days(decision: Decision, today: date) -> None:
    days = (decision.expires - today).days
    if days < 0:
        raise UsageError(f"{decision.expires} has passed: the entry would excuse nothing")
    if days > decision.max_days and not decision.force:
        raise UsageError(
            f"{decision.expires} is {days} days ahead, at most {decision.max_days} are allowed",
            "a quarantine is to end: choose a nearer day and extend it when it comes, set quarantine-max-days, "
            "or insist with --force",
        )


def _signatures(finding: Finding, decision: Decision) -> Sequence[str | None]:
    if decision.any_way:
        return [None]
    known = [signature.text for signature in finding.signatures]
    asked = decision.signature
    if asked is None:
        if not known:
            raise UsageError(
                f"{finding.id} never failed in the window, so that no signature is known",
                "say which failure: --signature TEXT, or --any for every way of failing",
            )
        return known
    matches = [asked] if asked in known else [text for text in known if asked in text]
    if len(matches) > 1:
        raise UsageError(f"{asked!r} is part of {len(matches)} signatures of {finding.id}", "give more of it")
    if not matches and not decision.force:
        listed = "; ".join(known) if known else "it never failed in the window"
        raise UsageError(f"{finding.id} never failed with {asked!r}", f"it failed with: {listed}; --force insists")
    return matches or [asked]


def _uncovered(finding: Finding, entries: Sequence[QuarantineEntry]) -> list[str]:
    """What is to be said where failures of the past would not be excused by any entry."""
    excused = {entry.signature for entry in entries if entry.test == finding.id}
    if None in excused:
        return []
    failed = [entry.signature for entry in finding.timeline if entry.signature not in (None, NOTHING_SAID)]
    other = sum(signature not in excused for signature in failed)
    if not other:
        return []
    said = f"{other} of its {len(failed)} failed runs so far failed in other ways and would still block"
    return [f"{said}; --any excuses every way of failing"]


def standing(
    db: Location | None, scope: Scope, entries: Sequence[QuarantineEntry], *, now: datetime
) -> tuple[QuarantineStanding, ...]:
    """How each entry stands. Without a history nothing but its days is known."""
    today = now.date()
    if db is None:
        reason = "there is no history here to look it up in"
        return tuple(
            QuarantineStanding(
                entry=entry, days_left=(entry.expires - today).days, state=QuarantineState.UNSEEN, reason=reason
            )
            for entry in entries
        )
    with History.open(db, "read") as history:
        window = history.window(resolve(history, scope))
    return standings(window, entries, today)


def choose(
    found: Sequence[QuarantineStanding],
    test: str | None,
    *,
    expired: bool = False,
    states: Sequence[QuarantineState] = (),
) -> tuple[QuarantineStanding, ...]:
    """The entries of `test` (an id, or a part that no other entry's test has) that expired or stand like this.

    Without a test those of every test, without a condition all of them. Raises `UsageError` where the test is unknown.
    """
    chosen = found
    if test is not None:
        ids = {standing.entry.test for standing in found}
        matches = {test} if test in ids else {each for each in ids if test in each}
        if len(matches) != 1:
            what = f"is part of {len(matches)} test ids" if matches else "is part of no test id"
            raise UsageError(f"{test!r} {what} of the quarantine", "flakediag quarantine list shows them")
        chosen = [standing for standing in found if standing.entry.test in matches]
    if not expired and not states:
        return tuple(chosen)
    return tuple(s for s in chosen if (expired and s.expired) or s.state in states)


def identities(db: Location | None, scope: Scope) -> dict[str, tuple[Identity, str]]:
    """The tests of the history by id, each with the producer of its latest report; empty without a history."""
    if db is None:
        return {}
    with History.open(db, "read") as history:
        window = history.window(resolve(history, scope))
    latest = np.full(len(window.tests), -1)
    latest[window.test] = window.run  # rows are sorted by run: the last one stays
    return {
        test.id: (test, window.runs[run].producer)
        for test, run in zip(window.tests, latest.tolist(), strict=True)
        if run >= 0
    }
