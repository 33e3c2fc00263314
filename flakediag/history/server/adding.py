"""What `add_runs` does: which reports are new, by the rule of the history (a report file counts once in a project)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import errors

from flakediag.history.history import Stored
from flakediag.history.server import locks, writing
from flakediag.history.server.connecting import Connection
from flakediag.history.server.encoding import Encoder, Parcel
from flakediag.history.values import text

_Key = tuple[int, bytes]  # project, digest


@dataclass(slots=True)
class Entry:
    """What became of one report; `run` is a stored run's number, or the parcel that is to be one."""

    run: int | Parcel
    parcel: Parcel  # the report as it came
    known: tuple[int, ...]  # places of the files that were there before
    added: Parcel | None = None
    doubled: bool = False


@dataclass(slots=True)
class Known:
    """What the history has of the reports at hand: who has a digest."""

    runs: dict[_Key, int | Parcel] = field(default_factory=dict)
    files: dict[_Key, int | Parcel] = field(default_factory=dict)
    mine: bool = False  # this very call has stored them: only the answer was lost


def add(
    conn: Connection, parcels: Sequence[Parcel], encoder: Encoder, writer: bytes, earlier: list[Stored]
) -> list[Stored]:
    """Store what is new of these, in the transaction that the caller holds; may be repeated.

    `earlier` is what the last try would have answered; it is kept up to date.
    """
    locks.take(conn, locks.CONTENT, shared=True)
    known = _known(conn, parcels, writer)
    if known.mine:
        return earlier
    entries = [_decide(parcel, known) for parcel in parcels]
    new = [entry.added for entry in entries if entry.added is not None]
    number(conn, new)
    for entry in entries:
        if entry.added is not None:
            entry.parcel.number = entry.added.number  # a repetition need not take another one
    writing.projects(conn, encoder.projects.items())
    writing.write(conn, new, encoder, writer)
    earlier[:] = [_stored(entry) for entry in entries]
    return earlier


def number(conn: Connection, parcels: Sequence[Parcel]) -> None:
    """Give a number to each that has none, in order; a number is never given again."""
    without = [parcel for parcel in parcels if parcel.number is None]
    rows = conn.execute("SELECT nextval('flakediag.run_numbers') FROM generate_series(1, %s)", (len(without),))
    for parcel, row in zip(without, sorted(rows.fetchall()), strict=True):
        parcel.number = int(row[0])


def keep_numbers(conn: Connection, parcels: Sequence[Parcel]) -> None:
    """Let runs that had numbers where they come from keep them, where this role may set the sequence.

    For a history without runs only, and once all of them are named: later numbers are higher.
    """
    numbers = [parcel.run.id for parcel in parcels]
    highest = max((number for number in numbers if number is not None), default=0)
    if None in numbers or len(set(numbers)) < len(numbers) or highest < 1:
        return
    try:
        with conn.transaction():
            conn.execute("SELECT setval('flakediag.run_numbers', %s)", (highest,))
    except errors.InsufficientPrivilege:
        return
    for parcel in parcels:
        parcel.number = parcel.run.id


def _known(conn: Connection, parcels: Sequence[Parcel], writer: bytes) -> Known:
    known = Known()
    runs: dict[int, list[bytes]] = defaultdict(list)
    files: dict[int, list[bytes]] = defaultdict(list)
    for parcel in parcels:
        runs[parcel.project].append(parcel.digest)
        files[parcel.project] += [_bytes(file.digest) for file in parcel.files]
    for project, digests in runs.items():
        for digest, run, by in conn.execute(
            "SELECT digest, run, writer FROM flakediag.runs WHERE project = %s AND digest = ANY(%s)", (project, digests)
        ):
            known.runs[project, digest] = run
            known.mine |= by == writer
    for project, digests in files.items():
        rows = conn.execute(
            "SELECT digest, run FROM flakediag.files WHERE project = %s AND digest = ANY(%s)", (project, digests)
        )
        known.files.update(((project, digest), run) for digest, run in rows)
    return known


def _decide(parcel: Parcel, known: Known) -> Entry:
    keys = [(parcel.project, _bytes(file.digest)) for file in parcel.files]
    there = tuple(place for place, key in enumerate(keys) if key in known.files)
    missing = {file.digest for file, key in zip(parcel.files, keys, strict=True) if key not in known.files}
    new = tuple(file for file in writing.distinct(parcel.files) if file.digest in missing)
    same = known.runs.get((parcel.project, parcel.digest))
    if same is not None or (there and not new):
        return Entry(known.files[keys[0]] if same is None else same, parcel, tuple(range(len(keys))))
    added, doubled = parcel.only(new) if len(new) < len(parcel.files) else (parcel, False)
    known.runs[parcel.project, parcel.digest] = added
    known.files.update(((parcel.project, _bytes(file.digest)), added) for file in new)
    return Entry(added, parcel, there, added, doubled)


def _stored(entry: Entry) -> Stored:
    run = entry.run if isinstance(entry.run, int) else entry.run.number
    assert run is not None
    files = entry.parcel.files
    return Stored(
        run=run,
        duplicate=entry.added is None,
        results=0 if entry.added is None else entry.added.counts.results,
        files=files,
        known=tuple(files[place] for place in entry.known),
        doubled=entry.doubled,
    )


def _bytes(digest: str) -> bytes:
    return text(digest).encode()
