"""What `absorb` does: taking in runs from elsewhere, by the rules of `merge.py`.

The runs are made ready first, while nothing is locked; what is known and what wins is decided anew in the transaction
that writes, from what is stored by then.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from flakediag.history.merge import Absorbed, header_of, says
from flakediag.history.portable import FormerName, Portable
from flakediag.history.pruned import PrunedRun
from flakediag.history.server import adding, locks, pruning, reading, renaming, writing
from flakediag.history.server.connecting import Connection
from flakediag.history.server.encoding import Encoder, Parcel
from flakediag.history.server.reading import Project
from flakediag.history.values import optional_text, text
from flakediag.model import FailureDetail, Identity, Run

_AT_ONCE = 200  # runs whose fate is looked up together
_Key = tuple[int, bytes]  # project, digest


@dataclass(slots=True, eq=False)
class _Candidate:
    """A run of the source; the parcel is made where it seems to be needed."""

    item: Portable
    parcel: Parcel | None = None


@dataclass(slots=True, eq=False)
class _Holder:
    """A run that has its place in the history, or is to have it."""

    run: Run
    files: int  # how many are its own
    kept: bool  # it has results
    results: int
    month: int = 0
    parcel: Parcel | None = None  # where it is new
    whole: Parcel | None = None  # the same with all its files
    improved: bool = False

    def less_than(self, item: Portable) -> bool:
        return (not item.pruned, len(item.files), item.results) > (self.kept, self.files, self.results)

    def improve(self, other: Run) -> None:
        """Of two headers of one run, keep the one that says more; which one was stored first does not matter."""
        if says(header_of(other)) > says(header_of(self.run)):
            self.run = replace(
                self.run,
                started_at=other.started_at,
                commit=other.commit,
                branch=other.branch,
                job=other.job,
                attempt=other.attempt,
                shard=other.shard,
                host=other.host,
                url=other.url,
                experiment=other.experiment,
            )
            self.improved = True


@dataclass(slots=True)
class _State:
    """Who has which digest."""

    runs: dict[_Key, _Holder]
    files: dict[_Key, _Holder]

    def fate(self, project: int, item: Portable) -> tuple[_Holder | None, Counter[_Holder], bool]:
        """The same run, who has how many of the files, and whether the run adds nothing."""
        digests = {_bytes(file.digest) for file in item.files}
        owners = Counter(self.files[project, digest] for digest in digests if (project, digest) in self.files)
        same = self.runs.get((project, _bytes(item.run.digest)))
        if same is not None:
            return same, owners, not same.less_than(item)
        return same, owners, bool(item.files) and owners.total() == len(digests)


class Absorber:
    """Takes in one source; `write` may be repeated."""

    def __init__(self, names: Iterable[FormerName], signature_of: Callable[[FailureDetail], str]) -> None:
        self._encoder = Encoder(signature_of)
        self._renames: dict[int, list[tuple[Identity, Identity]]] = defaultdict(list)
        self._candidates: list[_Candidate] = []
        self._last_try: tuple[Absorbed, Parcel] | None = None  # what it would have answered, and a run that it added
        for former in names:
            self._renames[self._encoder.project(former.project)].append((former.old, former.new))

    def prepare(self, source: Iterable[Portable], look: Callable[[Callable[[Connection], _State]], _State]) -> None:
        """Read the source, as far as its runs are not known. `look` is how to ask the history."""
        stream = iter(source)
        while some := [_Candidate(item) for item in islice(stream, _AT_ONCE)]:
            state = look(lambda conn, some=some: self._state(conn, some))  # type: ignore[misc]
            for candidate in some:
                project = self._encoder.project(candidate.item.run.project)
                if not state.fate(project, candidate.item)[2]:
                    self._load(candidate)
            self._candidates += some

    def write(self, conn: Connection, writer: bytes) -> Absorbed:
        """Within the transaction that the caller holds."""
        locks.take(conn, locks.CONTENT)
        if self._last_try is not None and _has_stored(conn, writer, self._last_try[1]):
            return self._last_try[0]  # it has been done, and only the answer was lost
        keep_numbers = conn.execute("SELECT 1 FROM flakediag.runs LIMIT 1").fetchone() is None
        writing.projects(conn, self._encoder.projects.items())
        for project, pairs in self._renames.items():
            renaming.adopt(conn, project, pairs)
        state = self._state(conn, self._candidates)
        done, removed = Absorbed(), list[_Holder]()
        added: dict[_Holder, None] = {}  # in order
        for candidate in self._candidates:
            self._take(candidate, state, done, added, removed)
        pruning.remove(conn, [self._place(each) for each in removed])
        for holder in state.runs.values():
            if holder.improved and holder.parcel is None:
                _update(conn, self._encoder.project(holder.run.project), holder.run)
        parcels = [self._parcel(holder) for holder in added]
        if parcels:
            if keep_numbers:
                adding.keep_numbers(conn, parcels)
            adding.number(conn, parcels)
            for holder, parcel in zip(added, parcels, strict=True):
                if holder.whole is not None:
                    holder.whole.number = parcel.number  # a repetition need not take another one
            writing.write(conn, parcels, self._encoder, writer)
            self._last_try = done, parcels[0]
        return done

    def _place(self, holder: _Holder) -> tuple[int, int, int]:
        """Project, number and month of a stored run."""
        assert holder.run.id is not None
        return self._encoder.project(holder.run.project), holder.run.id, holder.month

    def _parcel(self, holder: _Holder) -> Parcel:
        assert holder.parcel is not None
        return replace(holder.parcel, run=holder.run)

    def _take(
        self,
        candidate: _Candidate,
        state: _State,
        done: Absorbed,
        added: dict[_Holder, None],
        removed: list[_Holder],
    ) -> None:
        item = candidate.item
        project = self._encoder.project(item.run.project)
        same, owners, adds_nothing = state.fate(project, item)
        if adds_nothing:
            if same is not None:
                same.improve(item.run)
            done.known += 1
            return
        gives_way = {owner for owner, number in owners.items() if number == owner.files}
        if same is not None:
            gives_way.add(same)
        for holder in gives_way:
            state.runs = {key: each for key, each in state.runs.items() if each is not holder}
            state.files = {key: each for key, each in state.files.items() if each is not holder}
            if holder.parcel is None:
                removed.append(holder)
            added.pop(holder, None)
        done.replaced += len(gives_way)
        parcel = candidate.parcel or self._load(candidate)
        files = tuple(
            file for file in writing.distinct(item.files) if (project, _bytes(file.digest)) not in state.files
        )
        holder = _Holder(
            run=parcel.run,
            files=len(files),
            kept=not item.pruned,
            results=item.results,
            parcel=replace(parcel, files=files),
            whole=parcel,
        )
        if same is not None:
            holder.improve(same.run)
        state.runs[project, parcel.digest] = holder
        state.files.update(((project, _bytes(file.digest)), holder) for file in files)
        added[holder] = None
        done.runs += 1
        done.results += 0 if item.pruned else item.results
        done.doubled += bool(owners.keys() - gives_way)

    def _load(self, candidate: _Candidate) -> Parcel:
        loaded = candidate.item.load()
        if isinstance(loaded, PrunedRun):
            candidate.parcel = self._encoder.pruned(loaded)
        else:
            candidate.parcel = self._encoder.report(loaded)
        return candidate.parcel

    def _state(self, conn: Connection, candidates: Sequence[_Candidate]) -> _State:
        """What is stored of these runs and of those that share files with them."""
        state = _State({}, {})
        by_project: dict[str, list[Portable]] = defaultdict(list)
        for candidate in candidates:
            by_project[candidate.item.run.project].append(candidate.item)
        for name, items in by_project.items():
            project = Project(self._encoder.project(name), name)
            digests = [_bytes(file.digest) for item in items for file in item.files]
            owners: dict[bytes, int] = dict(
                conn.execute(
                    "SELECT digest, run FROM flakediag.files WHERE project = %s AND digest = ANY(%s)",
                    (project.key, digests),
                ).fetchall()
            )
            heads = {
                head.number: head
                for head in (
                    *reading.heads_by_digest(conn, project, [_bytes(item.run.digest) for item in items]),
                    *reading.heads(conn, project, set(owners.values())),
                )
            }
            numbers = _files(conn, project.key, list(heads))
            holders = {
                number: _Holder(head.run, numbers.get(number, 0), not head.pruned, head.results, head.month)
                for number, head in heads.items()
            }
            state.runs |= {(project.key, _bytes(each.run.digest)): each for each in holders.values()}
            state.files |= {(project.key, digest): holders[run] for digest, run in owners.items()}
        return state


def _has_stored(conn: Connection, writer: bytes, parcel: Parcel) -> bool:
    """Whether the run is in the history, and this very call has brought it there."""
    row = conn.execute(
        "SELECT writer FROM flakediag.runs WHERE project = %s AND digest = %s", (parcel.project, parcel.digest)
    ).fetchone()
    return row is not None and row[0] == writer


def _files(conn: Connection, project: int, runs: list[int]) -> dict[int, int]:
    rows = conn.execute(
        "SELECT run, count(*) FROM flakediag.files WHERE project = %s AND run = ANY(%s) GROUP BY run", (project, runs)
    )
    return dict(rows.fetchall())


def _update(conn: Connection, project: int, run: Run) -> None:
    conn.execute(
        "UPDATE flakediag.runs SET started_at = %s, commit_sha = %s, branch = %s, job = %s, attempt = %s, shard = %s,"
        " host = %s, url = %s, experiment = %s WHERE project = %s AND run = %s",
        (
            run.started_at,
            *map(optional_text, (run.commit, run.branch, run.job)),
            run.attempt,
            *map(optional_text, (run.shard, run.host, run.url)),
            run.experiment,
            project,
            run.id,
        ),
    )


def _bytes(digest: str) -> bytes:
    return text(digest).encode()
