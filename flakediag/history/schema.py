"""The tables of a history, and the steps by which a file gets them.

The comments inside the statements are part of the file: SQLite keeps them, `.schema` and Datasette show them, and
docs/schema.md is made of them (see describe.py). A migration is never edited once it has been released; the next idea
is the next migration.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

APPLICATION_ID = 0x666C6B64  # "flkd", so that `file` and we ourselves can tell a history from other SQLite files


def _everything_that_is_kept(conn: sqlite3.Connection) -> None:
    """The first tables. Narrow integers in `results`, because a history is mostly passing results; all text is kept
    once and pointed at. What a gate needs for every test (who ran when) is kept per run as a set, so that it costs
    what the failures cost and not what the results weigh."""
    for statement in _TABLES:
        conn.execute(statement)


def _views_for_people(conn: sqlite3.Connection) -> None:
    """Names instead of numbers, for whoever opens the file with sqlite-utils or Datasette. flakediag reads no view,
    so a later migration may replace them freely."""
    for statement in _VIEWS:
        conn.execute(statement)


def _pruned_runs_and_renames(conn: sqlite3.Connection) -> None:
    """A pruned run keeps its header, its sets and the set of the tests that failed: from these the counters can be
    recomputed. A renamed test keeps its former names, so that reports still to come under them are its own."""
    for statement in LATER_TABLES.values():
        conn.execute(statement)


def _results_packed(conn: sqlite3.Connection) -> None:
    """A row for each result was most of the file and of the time to write it. Now a run has one row of packed columns,
    and the sequence of its tests is kept once for all runs that have the same. Failures stay rows."""
    from flakediag.history import run_results

    conn.execute("DROP VIEW result_overview")
    conn.execute("DROP VIEW failure_overview")
    for name in ("sequences", "run_results"):
        conn.execute(PACKED_TABLES[name])
    run_results.pack_rows(conn)
    conn.execute("ALTER TABLE failures RENAME TO failures_before")
    conn.execute(PACKED_TABLES["failures"])
    conn.execute(
        "INSERT INTO failures SELECT run_id, position, attempt, test_id, outcome, signature_id, detail_id, duration_ms"
        " FROM failures_before"
    )
    conn.execute("DROP TABLE failures_before")
    conn.execute("DROP TABLE results")
    conn.execute("CREATE INDEX failures_by_test ON failures (test_id)")
    conn.execute(_FAILURE_OVERVIEW)


Migration = Callable[[sqlite3.Connection], None]

MIGRATIONS: tuple[Migration, ...] = (
    _everything_that_is_kept,
    _views_for_people,
    _pruned_runs_and_renames,
    _results_packed,
)
"""In order, for ever. `PRAGMA user_version` of a file is how many of them it has had."""

VERSION = len(MIGRATIONS)


def apply(conn: sqlite3.Connection, *, upto: int = VERSION) -> None:
    """Bring the schema of an open history to step `upto`. The caller holds the write lock and commits."""
    if conn.execute("SELECT 1 FROM sqlite_schema").fetchone() is None:
        _begin(conn, MIGRATIONS[:upto])
    else:
        _continue(conn, MIGRATIONS[:upto])
    conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    conn.execute(f"PRAGMA user_version = {upto}")


def _begin(conn: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """All steps on an empty file, with sqlite-utils' record of them, but without sqlite-utils: it loads pandas where
    there is one, which takes half a second, and most histories of CI jobs are new ones."""
    for statement in _RECORD:
        conn.execute(statement)
    for step in steps:
        step(conn)
        conn.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)",
            (_SET, name_of(step), str(datetime.now(UTC))),
        )


def _continue(conn: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    import sqlite_utils

    migrations = sqlite_utils.Migrations(_SET)
    for step in steps:
        migrations(name=name_of(step))(_on_connection(step))
    migrations.apply(sqlite_utils.Database(conn, recursive_triggers=False, execute_plugins=False))


def name_of(step: Migration) -> str:
    """What a step is called in the history's record of its migrations."""
    return step.__name__.strip("_")


def _on_connection(step: Migration) -> Callable[..., None]:
    def migrate(db: object) -> None:
        step(db.conn)  # type: ignore[attr-defined]

    return migrate


_SET = "flakediag"
_RECORD = (
    """CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
)""",
    """CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name")""",
)
"""To the letter what sqlite-utils writes, so that it finds its own table when there is a next step."""

_TABLES = (
    """
CREATE TABLE projects ( -- One code base. Tests of different projects are different tests, whatever their names
  id INTEGER PRIMARY KEY, -- the history's own number for it
  name TEXT NOT NULL UNIQUE -- what `--project` calls it
) STRICT
""",
    """
CREATE TABLE test_sets ( -- Which tests a run executed or skipped; most runs of a suite share one set
  id INTEGER PRIMARY KEY, -- the history's own number for it
  digest BLOB NOT NULL UNIQUE, -- BLAKE2b-128 of the uncompressed members
  size INTEGER NOT NULL, -- how many tests are in it
  members BLOB NOT NULL -- zlib-compressed bitmap: bit i % 8 of byte i / 8, lowest first, stands for the test with id i
) STRICT
""",
    """
CREATE TABLE runs ( -- One execution of a suite: one CI job attempt (a shard is a run of its own), on one commit
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- in order of arrival; never used again, also after pruning
  project_id INTEGER NOT NULL REFERENCES projects, -- whose run it is
  digest TEXT NOT NULL, -- identifies the report files that it came from
  started_at TEXT NOT NULL, -- UTC, ISO 8601 with microseconds, so that text order is time order
  commit_sha TEXT, -- the commit that was tested
  branch TEXT, -- the branch that was tested
  job TEXT, -- the CI job
  attempt INTEGER NOT NULL, -- the CI's own re-run counter for the job, from 1
  shard TEXT, -- which part of a split suite
  host TEXT, -- the machine
  url TEXT, -- where the CI shows the run
  duration REAL, -- wall time in seconds
  producer TEXT NOT NULL, -- what wrote the report: pytest, surefire and so on
  case_order TEXT NOT NULL, -- what file order means: execution, classes (in each), completion, declaration or unknown
  parallelism REAL, -- sum of the test times over the wall time
  experiment INTEGER NOT NULL, -- 1: an experiment of `flakediag confirm`; counts for no rate
  results INTEGER NOT NULL, -- how many results it has
  failures INTEGER NOT NULL, -- how many of them ended as failed
  errors INTEGER NOT NULL, -- how many of them ended in an error outside the test body
  skipped INTEGER NOT NULL, -- how many of them were skipped
  executed_set_id INTEGER NOT NULL REFERENCES test_sets, -- the tests that ran, whatever came of it
  skipped_set_id INTEGER NOT NULL REFERENCES test_sets, -- the tests that were only skipped
  UNIQUE (project_id, digest)
) STRICT
""",
    "CREATE INDEX runs_by_time ON runs (project_id, started_at)",
    """
CREATE TABLE properties ( -- What reports say about their runs: interpreter, operating system, seed and the like
  id INTEGER PRIMARY KEY, -- the history's own number for it
  name TEXT NOT NULL, -- as the report has it
  value TEXT NOT NULL, -- as the report has it
  UNIQUE (name, value)
) STRICT
""",
    """
CREATE TABLE run_properties ( -- Which properties a run had
  run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, -- the run
  position INTEGER NOT NULL, -- the order in which the report names them, from 0
  property_id INTEGER NOT NULL REFERENCES properties, -- name and value
  PRIMARY KEY (run_id, position)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE files ( -- The report files that were read; the same bytes count once in a project
  project_id INTEGER NOT NULL REFERENCES projects, -- whose report it is
  digest TEXT NOT NULL, -- SHA-256 of the uncompressed bytes, in hex
  run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, -- the run that its results went to
  path TEXT NOT NULL, -- where it was found first
  cases INTEGER NOT NULL, -- how many test cases are written in it
  partial TEXT, -- why only a part of it could be read
  PRIMARY KEY (project_id, digest)
) STRICT, WITHOUT ROWID
""",
    "CREATE INDEX files_by_run ON files (run_id)",
    """
CREATE TABLE tests ( -- What makes two test cases in different runs the same test
  id INTEGER PRIMARY KEY, -- the history's own number for it
  project_id INTEGER NOT NULL REFERENCES projects, -- whose test it is
  digest BLOB NOT NULL UNIQUE, -- BLAKE2b-128 of the project and the four texts, for a short index
  classname TEXT NOT NULL, -- class, module or suite path; empty where the report has none
  name TEXT NOT NULL, -- the test's own name
  file TEXT NOT NULL, -- relative to the checkout; empty where the report does not say
  variant TEXT NOT NULL -- browser, device and the like; empty for most
) STRICT
""",
    """
CREATE TABLE results ( -- One test in one run, in its final state; most of a history
  run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, -- the run
  position INTEGER NOT NULL, -- its place in the report, from 0
  test_id INTEGER NOT NULL REFERENCES tests, -- the test
  outcome INTEGER NOT NULL, -- 0 passed, 1 failed, 2 error, 3 skipped; of the last attempt
  attempts INTEGER NOT NULL, -- 1, or more where it was retried
  duration_ms INTEGER, -- of the last attempt, in whole milliseconds; NULL where the report does not say
  PRIMARY KEY (run_id, position)
) STRICT, WITHOUT ROWID
""",
    """
CREATE TABLE failure_details ( -- What a report says about failures, once for each distinct content
  id INTEGER PRIMARY KEY, -- the history's own number for it
  digest BLOB NOT NULL UNIQUE, -- BLAKE2b-128 of the uncompressed content
  base_id INTEGER REFERENCES failure_details, -- a like detail, whose last 32 KiB are the zlib dictionary of this one
  content BLOB NOT NULL -- zlib: four little-endian 32-bit lengths, then type, message, text and output in UTF-8
) STRICT
""",
    """
CREATE TABLE signatures ( -- Type and message of failures with the volatile parts masked: what a cause belongs to
  id INTEGER PRIMARY KEY, -- the history's own number for it
  digest BLOB NOT NULL UNIQUE, -- BLAKE2b-128 of the text, for a short index
  text TEXT NOT NULL, -- the masked text
  example_id INTEGER REFERENCES failure_details -- the first detail with this signature; base of the later ones
) STRICT
""",
    """
CREATE TABLE failures ( -- One failed attempt of one result
  run_id INTEGER NOT NULL, -- the run
  position INTEGER NOT NULL, -- with run_id, the result
  attempt INTEGER NOT NULL, -- which attempt failed, from 1
  test_id INTEGER NOT NULL REFERENCES tests, -- the result's test, once more, to find a test's failures
  outcome INTEGER NOT NULL, -- 1 failed, 2 error
  signature_id INTEGER NOT NULL REFERENCES signatures, -- what kind of failure it is
  detail_id INTEGER REFERENCES failure_details, -- what the report says; NULL where it says nothing
  duration_ms INTEGER, -- of an attempt before the last one; the last one's stands in results
  PRIMARY KEY (run_id, position, attempt),
  FOREIGN KEY (run_id, position) REFERENCES results ON DELETE CASCADE
) STRICT, WITHOUT ROWID
""",
    "CREATE INDEX failures_by_test ON failures (test_id)",
    """
CREATE TABLE test_counters ( -- What became of each test over all its runs on all branches, experiments left out
  test_id INTEGER PRIMARY KEY REFERENCES tests, -- the test
  runs INTEGER NOT NULL, -- in how many runs it was executed
  failures INTEGER NOT NULL, -- in how many of them an attempt failed
  skips INTEGER NOT NULL, -- in how many runs it was only skipped
  first_seen INTEGER NOT NULL, -- when the first run with it started, in seconds since 1970
  last_seen INTEGER NOT NULL, -- when the last run with it started, in seconds since 1970
  last_failed INTEGER -- when the last run in which it failed started, in seconds since 1970; NULL for never
) STRICT
""",
)

LATER_TABLES = {
    "pruned_runs": """
CREATE TABLE pruned_runs ( -- Runs whose results `flakediag prune` has dropped; their headers, sets and files stay
  run_id INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE, -- the run
  pruned_at TEXT NOT NULL, -- when, in UTC, ISO 8601 with microseconds
  failed_set_id INTEGER NOT NULL REFERENCES test_sets -- the tests of which an attempt failed
) STRICT
""",
    "renames": """
CREATE TABLE renames ( -- Former names of tests; what arrives under one of them is stored as the test it names
  digest BLOB PRIMARY KEY, -- of the former name, made like the digest of a test
  test_id INTEGER NOT NULL REFERENCES tests, -- the test, under the name that it has now
  classname TEXT NOT NULL, -- of the former name
  name TEXT NOT NULL, -- of the former name
  file TEXT NOT NULL, -- of the former name
  variant TEXT NOT NULL -- of the former name
) STRICT, WITHOUT ROWID
""",
}
"""Tables that came after the first version, by name."""

PACKED_TABLES = {
    "sequences": """
CREATE TABLE sequences ( -- The tests of a run in the order of its report; runs that have the same share one
  id INTEGER PRIMARY KEY, -- the history's own number for it
  digest BLOB NOT NULL UNIQUE, -- BLAKE2b-128 of the uncompressed numbers
  size INTEGER NOT NULL, -- how many there are
  tests BLOB NOT NULL -- the ids of the tests, packed as 32-bit numbers
) STRICT
""",
    "run_results": """
CREATE TABLE run_results ( -- The results of a run, a packed column each, in the order of its sequence
  run_id INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE, -- the run
  sequence_id INTEGER NOT NULL REFERENCES sequences, -- which tests, in which order
  outcomes BLOB, -- of last attempts, packed bytes: 0 passed, 1 failed, 2 error, 3 skipped; NULL where all passed
  attempts BLOB, -- packed 32-bit numbers: 1, or more where a test was retried; NULL where none was
  durations BLOB -- of last attempts in whole milliseconds, packed 32-bit numbers, -1 for not known; NULL for none known
) STRICT
""",
    "failures": """
CREATE TABLE failures ( -- One failed attempt of one result
  run_id INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, -- the run
  position INTEGER NOT NULL, -- the result's place in the run's columns, from 0
  attempt INTEGER NOT NULL, -- which attempt failed, from 1
  test_id INTEGER NOT NULL REFERENCES tests, -- the result's test, once more, to find a test's failures
  outcome INTEGER NOT NULL, -- 1 failed, 2 error
  signature_id INTEGER NOT NULL REFERENCES signatures, -- what kind of failure it is
  detail_id INTEGER REFERENCES failure_details, -- what the report says; NULL where it says nothing
  duration_ms INTEGER, -- of an attempt before the last one; the last one's stands in run_results
  PRIMARY KEY (run_id, position, attempt)
) STRICT, WITHOUT ROWID
""",
}
"""What version 4 brought, by name."""

_FAILURE_OVERVIEW = """
CREATE VIEW failure_overview AS -- Every failed attempt with its run, test and signature in words
SELECT p.name AS project, r.id AS run_id, r.started_at, r.branch, r.commit_sha, r.job, r.host,
       t.id AS test_id, t.classname, t.name, f.position, f.attempt,
       CASE f.outcome WHEN 1 THEN 'failed' ELSE 'error' END AS outcome,
       s.text AS signature
FROM failures f
JOIN runs r ON r.id = f.run_id
JOIN projects p ON p.id = r.project_id
JOIN tests t ON t.id = f.test_id
JOIN signatures s ON s.id = f.signature_id
"""

_VIEWS = (
    """
CREATE VIEW test_overview AS -- Every test with its counters, times as text
SELECT p.name AS project, t.id AS test_id, t.classname, t.name, t.file, t.variant,
       c.runs, c.failures, c.skips,
       datetime(c.first_seen, 'unixepoch') AS first_seen,
       datetime(c.last_seen, 'unixepoch') AS last_seen,
       datetime(c.last_failed, 'unixepoch') AS last_failed
FROM tests t
JOIN projects p ON p.id = t.project_id
LEFT JOIN test_counters c ON c.test_id = t.id
""",
    _FAILURE_OVERVIEW,
    """
CREATE VIEW result_overview AS -- Every result with its run and test in words; narrow it down by run_id
SELECT p.name AS project, r.id AS run_id, r.started_at, r.branch, r.commit_sha,
       t.id AS test_id, t.classname, t.name, x.position,
       CASE x.outcome WHEN 0 THEN 'passed' WHEN 1 THEN 'failed' WHEN 2 THEN 'error' ELSE 'skipped' END AS outcome,
       x.attempts, x.duration_ms
FROM results x
JOIN runs r ON r.id = x.run_id
JOIN projects p ON p.id = r.project_id
JOIN tests t ON t.id = x.test_id
""",
)
