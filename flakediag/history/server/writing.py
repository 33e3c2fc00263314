"""Rows of runs: claimed by their keys, then filled in.

A run and its files are claimed by inserting them where nobody has. Who finds a claim taken gives up the transaction
(`OvertakenError`) and looks again; claims are made in the order of their keys, so that two writers never wait for each
other. Everything else either belongs to the run alone (COPY) or is the same whoever writes it (inserted where missing).
"""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

from flakediag.history import columns
from flakediag.history.bitmaps import bitmap
from flakediag.history.columns import NO_DURATION
from flakediag.history.server import rows, texts
from flakediag.history.server.connecting import Connection
from flakediag.history.server.encoding import Columns, Encoder, Parcel, Sums, places
from flakediag.history.server.keys import month_of, pack_keys, roster_key, unpack_keys
from flakediag.history.values import optional_real, optional_text, order_text, text
from flakediag.model import InputFile

_RUN = (
    "project, run, month, digest, started_at, commit_sha, branch, job, attempt, shard, host, url, duration, producer,"
    " case_order, parallelism, experiment, properties, results, failures, errors, skipped, roster, writer"
)
_FILE = "project, digest, run, path, cases, partial"
_RESULTS = "project, month, run, places, outcomes, attempts, durations"
_FAILURES = "project, test, month, run, position, attempt, outcome, signature, detail, duration_ms"


class Roster(NamedTuple):
    """The tests of a run, whatever their order: the key of the set."""

    project: int
    key: bytes


def projects(conn: Connection, named: Iterable[tuple[int, str]]) -> None:
    rows.insert(conn, "projects", "project, name", sorted((key, text(name)) for key, name in named))


def write(conn: Connection, parcels: Sequence[Parcel], encoder: Encoder, writer: bytes) -> None:
    """Add these runs, which have their numbers and whose files nobody else has, so far as the caller knows.

    Raises `OvertakenError` where somebody has them by now.
    """
    rosters = {id(parcel): Roster(parcel.project, roster_key(set(parcel.tests))) for parcel in parcels}
    by_digest = sorted(parcels, key=lambda parcel: (parcel.project, parcel.digest))
    rows.claim(conn, "runs", _RUN, [_run_row(parcel, rosters[id(parcel)].key, writer) for parcel in by_digest])
    files = [row for parcel in parcels for row in _file_rows(parcel)]
    rows.claim(conn, "files", _FILE, sorted(files, key=lambda row: (row[0], row[1])))
    members = _rosters(conn, {rosters[id(parcel)]: parcel for parcel in reversed(parcels)}, encoder)
    whole = [(parcel, parcel.content) for parcel in parcels if isinstance(parcel.content, Columns)]
    texts.write(conn, _failed(whole), encoder)
    rows.copy(
        conn,
        "run_results",
        _RESULTS,
        (_results_row(parcel, content, members[rosters[id(parcel)]]) for parcel, content in whole),
    )
    rows.copy(conn, "failures", _FAILURES, chain.from_iterable(_failure_rows(*each) for each in whole))
    rows.insert(
        conn,
        "pruned_runs",
        "project, run, pruned_at, executed, skipped, failed",
        [
            _sums_row(parcel, parcel.content, members[rosters[id(parcel)]])
            for parcel in parcels
            if isinstance(parcel.content, Sums)
        ],
    )


def _rosters(conn: Connection, first_of: dict[Roster, Parcel], encoder: Encoder) -> dict[Roster, array[int]]:
    """The tests of each roster in the order in which it is kept; those that are new are added, with their tests."""
    found: dict[Roster, array[int]] = {}
    wanted: dict[int, list[bytes]] = defaultdict(list)
    for roster in first_of:
        wanted[roster.project].append(roster.key)
    for project, keys in wanted.items():
        for key, members in conn.execute(
            "SELECT roster, tests FROM flakediag.rosters WHERE project = %s AND roster = ANY(%s)", (project, keys)
        ):
            found[Roster(project, key)] = unpack_keys(members)
    new = {
        roster: array("q", dict.fromkeys(parcel.tests)) for roster, parcel in first_of.items() if roster not in found
    }
    tests = sorted({(roster.project, test) for roster, members in new.items() for test in members})
    add_tests(conn, tests, encoder)
    added = [(*roster, len(members), pack_keys(members)) for roster, members in sorted(new.items())]
    rows.claim(conn, "rosters", "project, roster, size, tests", added)
    return found | new


def add_tests(conn: Connection, tests: Iterable[tuple[int, int]], encoder: Encoder) -> None:
    """Add those of these (project, test) that are not there yet."""
    named = [(*key, *map(text, encoder.tests[key])) for key in tests]
    rows.insert(conn, "tests", "project, test, classname, name, file, variant", named)


def _run_row(parcel: Parcel, roster: bytes, writer: bytes) -> tuple[Any, ...]:
    run, counts = parcel.run, parcel.counts
    return (
        parcel.project,
        parcel.number,
        month_of(run.started_at),
        parcel.digest,
        run.started_at,
        optional_text(run.commit),
        optional_text(run.branch),
        optional_text(run.job),
        run.attempt,
        optional_text(run.shard),
        optional_text(run.host),
        optional_text(run.url),
        optional_real(run.duration),
        text(run.producer),
        order_text(run),
        optional_real(run.parallelism),
        run.experiment,
        json.dumps({text(name): text(value) for name, value in run.properties.items()}, ensure_ascii=False),
        counts.results,
        counts.failures,
        counts.errors,
        counts.skipped,
        roster,
        writer,
    )


def _file_rows(parcel: Parcel) -> list[tuple[Any, ...]]:
    return [
        (
            parcel.project,
            text(file.digest).encode(),
            parcel.number,
            text(file.path),
            file.cases,
            optional_text(file.partial),
        )
        for file in parcel.files
    ]


def _results_row(parcel: Parcel, content: Columns, roster: array[int]) -> tuple[Any, ...]:
    known = any(duration != NO_DURATION for duration in content.durations)
    retried = any(attempts != 1 for attempts in content.attempts)
    in_order = content.tests == roster
    return (
        parcel.project,
        month_of(parcel.run.started_at),
        parcel.number,
        None if in_order else columns.pack(array("i", places(content.tests, roster))),
        columns.pack_bytes(bytes(content.outcomes)) if any(content.outcomes) else None,
        columns.pack(content.attempts) if retried else None,
        columns.pack(content.durations) if known else None,
    )


def _failure_rows(parcel: Parcel, content: Columns) -> Iterable[tuple[Any, ...]]:
    month = month_of(parcel.run.started_at)
    for failure in content.failures:
        yield (
            parcel.project,
            content.tests[failure.position],
            month,
            parcel.number,
            failure.position,
            failure.attempt,
            failure.outcome,
            failure.signature,
            failure.detail,
            failure.duration,
        )


def _failed(whole: Iterable[tuple[Parcel, Columns]]) -> dict[texts.Shelf, dict[bytes, set[bytes]]]:
    """Where the texts are kept → signature → details."""
    found: dict[texts.Shelf, dict[bytes, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    for parcel, content in whole:
        shelf = texts.Shelf(parcel.project, month_of(parcel.run.started_at))
        for failure in content.failures:
            mine = found[shelf][failure.signature]
            if failure.detail is not None:
                mine.add(failure.detail)
    return found


def _sums_row(parcel: Parcel, sums: Sums, roster: array[int]) -> tuple[Any, ...]:
    sets = [bitmap(set(places(tests, roster))) for tests in (sums.executed, sums.skipped, sums.failed)]
    return (parcel.project, parcel.number, sums.pruned.pruned_at, *sets)


def distinct(files: Iterable[InputFile]) -> tuple[InputFile, ...]:
    """The first of those with equal bytes: a copy in another folder is not another execution."""
    return tuple({file.digest: file for file in reversed(tuple(files))}.values())[::-1]
