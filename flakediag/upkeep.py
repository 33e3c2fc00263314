"""The verbs that keep a history alive: merge, prune, export, import, doctor, rename."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from flakediag.analysis.renames import proposals
from flakediag.analysis.signature import signature_of
from flakediag.errors import HistoryError, LostHistoryError, UsageError
from flakediag.history import History, lines, parquet
from flakediag.history.doctor import examine
from flakediag.history.portable import FormerName, Portable
from flakediag.history.prune import Limits
from flakediag.history.pruned import PrunedRun
from flakediag.history.repair import Salvage
from flakediag.location import Location, shown
from flakediag.model import (
    Checkup,
    Identity,
    MergedSource,
    Pruned,
    Redaction,
    Renamed,
    RenameProposal,
    Run,
    RunReport,
    Scope,
)
from flakediag.redact import Redactor
from flakediag.service import Progress, resolve

if TYPE_CHECKING:  # pyarrow
    from flakediag.history.columnar.export import Exported

BUSY_TIMEOUT = 60.0  # seconds to wait while another process writes
READINGS = 10  # of a source to which the connection is lost


# --- merge, export, import ---------------------------------------------------------------------------------------


def merge(
    db: Location, sources: Sequence[Location], progress: Progress | None = None, redactor: Redactor | None = None
) -> tuple[MergedSource, ...]:
    """Take the runs of other histories into the one at `db`, which is made where there is none.

    Secrets that they hold are masked as `ingest` masks them, by the `redactor`, or the usual one where none is given.

    One transaction per source: after a crash or a full disk, every source is in it whole or not at all, and merging
    again completes it. A source on a server to which the connection is lost is read anew. The sources are not changed.
    Raises `HistoryError` before anything is written where one of them is no history.
    """
    named = [source for source in dict.fromkeys(sources) if not _same(source, db)]
    for source in named:
        with History.source(source):
            pass
    return tuple(_merged(db, source, progress, redactor) for source in named)


def _merged(
    db: Location, source: Location, progress: Progress | None, redactor: Redactor | None, readings: int = READINGS
) -> MergedSource:
    try:
        with (
            History.source(source) as history,
            History.open(db, "write") as target,
            _runs_of(history, shown(source), progress) as runs,
        ):
            return _absorb(target, shown(source), runs, history.former_names(), redactor)
    except LostHistoryError:
        if readings == 1:
            raise
    return _merged(db, source, progress, redactor, readings - 1)


def export(db: Location, stream: TextIO, progress: Progress | None = None) -> None:
    """Write the whole history as lines of JSON, of one state of it."""
    with History.open(db, "read") as history, _runs_of(history, "exporting", progress) as runs:
        for line in lines.write(history.former_names(), runs):
            stream.write(line + "\n")


def export_parquet(db: Location, target: BinaryIO, progress: Progress | None = None) -> int:
    """Write every result as a row of a Parquet table; returns their number. Raises `UsageError` without pyarrow."""
    parquet.check()
    with History.open(db, "read") as history, _runs_of(history, "exporting", progress) as runs:
        return parquet.write(runs, target)


def export_dataset(db: Location, folder: Path, progress: Progress | None = None) -> Exported:
    """Bring a folder of Parquet files up to date with the history: the months that changed are written anew.

    Such a folder can be read as a history. Raises `UsageError` without pyarrow, or where the folder holds other files.
    """
    parquet.check()
    from flakediag.history.columnar import export

    with History.open(db, "read") as history:
        total = history.number_of_runs()
        return export.export(history, folder, signature_of, lambda runs: _told(runs, total, "exporting", progress))


def import_(
    db: Location,
    stream: Iterable[str],
    name: str,
    progress: Progress | None = None,
    redactor: Redactor | None = None,
) -> MergedSource:
    """Take the runs of an export into the history at `db`, all or none. Secrets are masked as by `merge`.

    Raises `UsageError` that names the line where `stream` is not what `export` writes.
    """
    numbered = enumerate(stream, start=1)
    number, first = next(numbered, (1, ""))
    try:
        names = lines.read_head(first)
    except lines.LineError as error:
        raise _refused(name, number, error) from error

    def runs() -> Iterator[Portable]:
        for number, line in numbered:
            if line.strip():
                try:
                    item = lines.read_run(line)
                except lines.LineError as error:
                    raise _refused(name, number, error) from error
                yield item

    with History.open(db, "write") as target:
        return _absorb(target, name, _told(runs(), None, name, progress), names, redactor)


def _refused(name: str, number: int, error: lines.LineError) -> UsageError:
    return UsageError(f"{name}:{number}: {error}", "import reads what flakediag export wrote; nothing was stored")


def _absorb(
    target: History, path: str, runs: Iterable[Portable], names: Iterable[FormerName], redactor: Redactor | None
) -> MergedSource:
    masked: Counter[str] = Counter()
    done = target.absorb(_without_secrets(runs, redactor or Redactor(), masked), names, signature_of)
    return MergedSource(
        path=path,
        runs=done.runs,
        results=done.results,
        known=done.known,
        replaced=done.replaced,
        doubled=done.doubled,
        masked=dict(masked.most_common()),
    )


def _without_secrets(runs: Iterable[Portable], redactor: Redactor, masked: Counter[str]) -> Iterator[Portable]:
    """The runs as they may be stored. What is masked in those that are loaded, being new, is added to `masked`."""

    def header(run: Run, masked: Counter[str]) -> Run:
        redacted = redactor.report(RunReport(run=run, results=(), files=()))
        masked.update(redacted.masked)
        return redacted.report.run

    def load(item: Portable) -> RunReport | PrunedRun:
        loaded = item.load()
        if isinstance(loaded, PrunedRun):
            return replace(loaded, run=header(loaded.run, masked))
        redacted = redactor.report(loaded)
        masked.update(redacted.masked)
        return redacted.report

    for item in runs:
        yield replace(item, run=header(item.run, Counter()), load=partial(load, item))


@contextmanager
def _runs_of(history: History, what: str, progress: Progress | None) -> Iterator[Iterator[Portable]]:
    """Every run of the history. Its snapshot ends here also where the reader stops half way, before the file closes."""
    total = history.number_of_runs()
    with closing(history.portables()) as runs:
        yield _told(runs, total, what, progress)


def _told(runs: Iterable[Portable], total: int | None, what: str, progress: Progress | None) -> Iterator[Portable]:
    for number, run in enumerate(runs):
        if progress:
            progress(number, total, what)
        yield run


def _same(one: Location, other: Location) -> bool:
    if isinstance(one, Path) and isinstance(other, Path):
        return one.exists() and other.exists() and one.samefile(other)
    return one == other


# --- prune -------------------------------------------------------------------------------------------------------


def prune(
    db: Location, *, keep_days: int | None, keep_runs: int | None, now: datetime, dry_run: bool, window: Scope
) -> Pruned:
    """Drop the results of the runs beyond both limits; `window` is what reports look at by default, for a warning.

    Raises `UsageError` without any limit: then everything would go.
    """
    if keep_days is None and keep_runs is None:
        raise UsageError("prune needs to know what to keep", "--keep-days 180, --keep-runs 1000, or both")
    notes = []
    if (keep_days is None or keep_days < window.days) and (keep_runs is None or keep_runs < window.max_runs):
        notes.append(
            f"reports look at {window.days} days and {window.max_runs} runs of a branch by default: "
            "where less is kept, rates and causes rest on what is left"
        )
    with History.open(db, "read" if dry_run else "write") as history:
        before = history.size()
        dropped = history.prune(Limits(keep_days, keep_runs, now), now, dry_run=dry_run)
        if dropped.runs and not dry_run:
            try:
                history.compact()
            except HistoryError as error:  # another process reads the history, or a full disk has no room for a copy
                notes.append(f"the space will be used again, but the file keeps its size: {error.message}")
        after = history.size()
    return Pruned(
        dry_run=dry_run,
        runs=dropped.runs,
        results=dropped.results,
        failures=dropped.failures,
        details=dropped.details,
        kept=dropped.kept,
        oldest=dropped.oldest,
        size_before=before,
        size_after=after,
        notes=tuple(notes),
    )


# --- doctor ------------------------------------------------------------------------------------------------------


def checkup(db: Location, *, repair: bool = False, salvage: Path | None = None) -> Checkup:
    """Look for what is wrong with the history; put it right, or save what can be read of it, where asked to.

    Raises `HistoryError` where there is no file, or it is too damaged to be repaired, and `UsageError` where `db` is no
    file or `salvage` exists already.
    """
    if isinstance(db, str):
        raise UsageError("doctor looks at files", "a server has its own tools for what is wrong with its tables")
    if salvage is not None and salvage.exists():
        raise UsageError(f"{salvage} exists already", "name a new file: what is saved is not mixed with anything")
    repaired = saved = None
    if repair:
        with History.open(db, "write") as history:
            repaired = tuple(history.repair())
    findings = tuple(examine(db, BUSY_TIMEOUT))
    if salvage is not None:
        saved = _salvage(db, salvage)
    return Checkup(path=str(db), findings=findings, repaired=repaired, salvaged=saved)


def _salvage(db: Path, target: Path) -> MergedSource:
    rescue = Salvage(db, BUSY_TIMEOUT)
    try:
        with History.open(target, "write") as history:
            done = _absorb(history, str(target), rescue.runs(), rescue.names(), Redactor(Redaction.OFF))
    except HistoryError:
        target.unlink(missing_ok=True)  # nothing is in it, and it would stand in the way of the next try
        raise
    return replace(done, lost=rescue.lost)


# --- rename ------------------------------------------------------------------------------------------------------


def rename_proposals(db: Location, scope: Scope) -> tuple[RenameProposal, ...]:
    """Pairs in which a test vanished and a look-alike appeared at one commit; nothing is changed."""
    with History.open(db, "read") as history:
        return proposals(history.window(resolve(history, scope)))


def rename(db: Location, scope: Scope, old: str, new: str, *, prefix: bool = False, dry_run: bool = False) -> Renamed:
    """Let the test `old` continue as `new`: what is stored, and what will still be reported under the old name.

    `old` and `new` are ids; with `prefix`, the beginnings of classes (modules, suites) or files. Raises `UsageError`
    where nothing has that name, or a run has tests of both names.
    """
    with History.open(db, "read" if dry_run else "write") as history:
        project = resolve(history, Scope(project=scope.project)).project
        assert project is not None
        known = history.names(project)
        pairs = _by_prefix(known, old, new) if prefix else _by_id(known, old, new)
        joined = len({pair[1] for pair in pairs} & set(known))
        history.rename(project, pairs, dry_run=dry_run)
    return Renamed(pairs=tuple(pairs), joined=joined, dry_run=dry_run)


def _by_id(known: Sequence[Identity], old: str, new: str) -> list[tuple[Identity, Identity]]:
    mine = [test for test in known if test.id == old]
    if not mine:
        close = get_close_matches(old, [test.id for test in known], n=3)
        raise UsageError(
            f"the history holds no test {old!r}",
            f"did you mean {' or '.join(close)}?"
            if close
            else "flakediag tests lists them; --prefix for a whole class",
        )
    if old == new:
        raise UsageError("both names are the same", "name the old and the new id")
    targets = [test for test in known if test.id == new]
    if len(mine) > 1 or len(targets) > 1:
        raise UsageError(
            f"several tests have the id {(old if len(mine) > 1 else new)!r}", "tell them apart by --prefix"
        )
    return [(mine[0], targets[0] if targets else _named(new, mine[0], known))]


def _named(id: str, old: Identity, known: Sequence[Identity]) -> Identity:
    """A test that nothing is known of but its id: the longest known class before a `::`, else up to the last one."""
    base = id.removesuffix(f" [{old.variant}]") if old.variant else id
    head = re.split(r"[\[(]", base, maxsplit=1)[0]  # a parameter may hold anything
    places = [match.start() for match in re.finditer("::", head)]
    if not places:
        raise UsageError(f"{id!r} is no id of a test", "write it as flakediag tests does: class::name")
    classes = {test.classname or test.file for test in known}
    cut = max((place for place in places if base[:place] in classes), default=places[-1])
    place, name = base[:cut], base[cut + 2 :]
    if not old.classname:
        return Identity("", name, place, old.variant)
    return Identity(place, name, old.file, old.variant)


def _by_prefix(known: Sequence[Identity], old: str, new: str) -> list[tuple[Identity, Identity]]:
    """Every test whose class, or file, is `old` or begins with it, up to a boundary of names.

    Where `new` itself begins with `old` (tests that moved into a folder of their folder), the tests that are there
    already stay.
    """
    if not old or old == new:
        raise UsageError("--prefix needs an old and a new beginning", "for example: --prefix tests.old tests.new")
    as_path = tuple(text.replace(".", "/") if "/" not in text else text for text in (old, new))

    def below(text: str, beginning: str) -> bool:
        rest = text.removeprefix(beginning)
        return text.startswith(beginning) and (not rest or not beginning[-1].isalnum() or bool(re.match(r"\W", rest)))

    def changed(text: str, before: str, after: str) -> str:
        moved = below(after, before) and below(text, after)
        return after + text.removeprefix(before) if below(text, before) and not moved else text

    without_file = defaultdict(list)
    for test in known:
        without_file[test._replace(file="")].append(test)
    pairs = []
    for test in known:
        classname = changed(test.classname, old, new)
        file = changed(test.file, *(as_path if classname != test.classname else (old, new)))
        renamed = test._replace(classname=classname, file=file)
        if renamed != test:
            # The stored test with this name, where only its file is not the one expected.
            there = without_file[renamed._replace(file="")]
            pairs.append((test, there[0] if len(there) == 1 else renamed))
    if not pairs:
        raise UsageError(f"no class and no file begins with {old!r}", "flakediag tests lists the tests")
    return pairs
