"""The tables on a server, and how they came to be.

Every key begins with the project, and all of a project's rows can lie on one shard; no table refers to another by a
foreign key, so that a check never leaves the shard. What a pruned run loses (results, failures, their texts) is kept by
month, in partitions where the server has them and in one plain table where it has not.
"""

from __future__ import annotations

from collections.abc import Callable

from psycopg import errors
from psycopg.pq import TransactionStatus

from flakediag.errors import HistoryError
from flakediag.history.server import locks, partitions
from flakediag.history.server.connecting import Connection
from flakediag.history.server.partitions import BY_MONTH

_STEPS_TABLE = """
CREATE TABLE IF NOT EXISTS flakediag.schema_steps ( -- Which steps of the schema this history has had
  version integer PRIMARY KEY, -- from 1
  name text NOT NULL, -- what it was for
  applied_at timestamptz NOT NULL DEFAULT now() -- when
)
"""

_FIRST_TABLES = {
    "projects": """
CREATE TABLE IF NOT EXISTS flakediag.projects ( -- One code base
  project bigint PRIMARY KEY, -- its key, made from its name
  name text NOT NULL -- what `--project` calls it
)
""",
    "tests": """
CREATE TABLE IF NOT EXISTS flakediag.tests ( -- What makes two test cases in different runs the same test
  project bigint NOT NULL, -- whose test it is
  test bigint NOT NULL, -- its key, made from the four texts
  classname text NOT NULL, -- class, module or suite path; empty where the report has none
  name text NOT NULL, -- the test's own name
  file text NOT NULL, -- relative to the checkout; empty where the report does not say
  variant text NOT NULL, -- browser, device and the like; empty for most
  PRIMARY KEY (project, test)
)
""",
    "renames": """
CREATE TABLE IF NOT EXISTS flakediag.renames ( -- Former names of tests; results stay under them and are read as the new
  project bigint NOT NULL, -- whose tests they are
  former bigint NOT NULL, -- the test under its former name
  test bigint NOT NULL, -- the test under the name that it has now
  PRIMARY KEY (project, former)
)
""",
    "rosters": """
CREATE TABLE IF NOT EXISTS flakediag.rosters ( -- Which tests a run has; most runs of a suite share one
  project bigint NOT NULL, -- whose tests they are
  roster bytea NOT NULL, -- BLAKE2b-128 of the sorted tests
  size integer NOT NULL, -- how many there are
  tests bytea NOT NULL, -- keys of tests, little-endian 64-bit numbers, in the order of the first run that had them
  PRIMARY KEY (project, roster)
)
""",
    "runs": """
CREATE TABLE IF NOT EXISTS flakediag.runs ( -- One execution of a suite: one CI job attempt on one commit
  project bigint NOT NULL, -- whose run it is
  run bigint NOT NULL, -- its number in this history
  month integer NOT NULL, -- under which its results are kept, 202405 for May 2024
  digest bytea NOT NULL, -- identifies the report files that it came from; text in UTF-8, as bytes sort alike everywhere
  started_at timestamptz NOT NULL, -- when
  commit_sha text, -- the commit that was tested
  branch text, -- the branch that was tested
  job text, -- the CI job
  attempt bigint NOT NULL, -- the CI's own re-run counter for the job, from 1
  shard text, -- which part of a split suite
  host text, -- the machine
  url text, -- where the CI shows the run
  duration double precision, -- wall time in seconds
  producer text NOT NULL, -- what wrote the report: pytest, surefire and so on
  case_order text NOT NULL, -- what file order means: execution, classes (in each), completion, declaration or unknown
  parallelism double precision, -- sum of the test times over the wall time
  experiment boolean NOT NULL, -- an experiment of `flakediag confirm`; counts for no rate
  properties text NOT NULL, -- what the report says of interpreter, system and the like: an object in JSON
  results bigint NOT NULL, -- how many results it has
  failures bigint NOT NULL, -- how many of them ended as failed
  errors bigint NOT NULL, -- how many of them ended in an error outside the test body
  skipped bigint NOT NULL, -- how many of them were skipped
  roster bytea NOT NULL, -- which tests it has
  writer bytea NOT NULL, -- 16 random bytes of the call that stored it, to know its own work by after a lost answer
  stored_at timestamptz NOT NULL DEFAULT now(), -- when it arrived
  PRIMARY KEY (project, run),
  UNIQUE (project, digest)
)
""",
    "files": """
CREATE TABLE IF NOT EXISTS flakediag.files ( -- The report files that were read; the same bytes count once in a project
  project bigint NOT NULL, -- whose report it is
  digest bytea NOT NULL, -- SHA-256 of the uncompressed bytes; hexadecimal text in UTF-8
  run bigint NOT NULL, -- the run that its results went to
  path text NOT NULL, -- where it was found first
  cases bigint NOT NULL, -- how many test cases are written in it
  partial text, -- why only a part of it could be read
  PRIMARY KEY (project, digest)
)
""",
    "pruned_runs": """
CREATE TABLE IF NOT EXISTS flakediag.pruned_runs ( -- Runs whose results `flakediag prune` has dropped; the rest stays
  project bigint NOT NULL, -- whose run it is
  run bigint NOT NULL, -- the run
  pruned_at timestamptz NOT NULL, -- when
  executed bytea NOT NULL, -- bit i % 8 of byte i / 8, lowest first: test i of its roster was executed
  skipped bytea NOT NULL, -- likewise: was only skipped
  failed bytea NOT NULL, -- likewise: failed in an attempt
  PRIMARY KEY (project, run)
)
""",
    "run_results": """
CREATE TABLE IF NOT EXISTS flakediag.run_results ( -- The results of a run, a packed column each
  project bigint NOT NULL, -- whose run it is
  month integer NOT NULL, -- that of the run
  run bigint NOT NULL, -- the run
  places bytea, -- packed numbers: for each result, its test's place in the roster; NULL where they are in its order
  outcomes bytea, -- packed bytes: 0 passed, 1 failed, 2 error, 3 skipped, of last attempts; NULL where all passed
  attempts bytea, -- packed numbers: 1, or more where a test was retried; NULL where none was
  durations bytea, -- packed numbers: milliseconds of last attempts, -1 for not known; NULL where none is known
  PRIMARY KEY (project, month, run)
)
""",
    "failures": """
CREATE TABLE IF NOT EXISTS flakediag.failures ( -- One failed attempt of one result
  project bigint NOT NULL, -- whose run it is
  test bigint NOT NULL, -- the test
  month integer NOT NULL, -- that of the run
  run bigint NOT NULL, -- the run
  position integer NOT NULL, -- the result's place in the run, from 0
  attempt integer NOT NULL, -- which attempt failed, from 1
  outcome smallint NOT NULL, -- 1 failed, 2 error
  signature bytea NOT NULL, -- what kind of failure it is
  detail bytea, -- what the report says; NULL where it says nothing
  duration_ms integer, -- of an attempt before the last one; the last one's stands in run_results
  PRIMARY KEY (project, test, month, run, position, attempt)
)
""",
    "signatures": """
CREATE TABLE IF NOT EXISTS flakediag.signatures ( -- Type and message of failures with the volatile parts masked
  project bigint NOT NULL, -- whose failures they are
  month integer NOT NULL, -- that of the runs
  signature bytea NOT NULL, -- BLAKE2b-128 of the text
  text text NOT NULL, -- the masked text
  example bytea, -- the first detail with this signature; base of the later ones
  PRIMARY KEY (project, month, signature)
)
""",
    "details": """
CREATE TABLE IF NOT EXISTS flakediag.details ( -- What a report says about failures, once for each distinct content
  project bigint NOT NULL, -- whose failures they are
  month integer NOT NULL, -- that of the runs
  detail bytea NOT NULL, -- BLAKE2b-128 of the uncompressed content
  base bytea, -- a like detail of the month, whose last 32 KiB are the zlib dictionary of this one
  content bytea NOT NULL, -- zlib: four little-endian 32-bit lengths, then type, message, text and output in UTF-8
  PRIMARY KEY (project, month, detail)
)
""",
}

_FIRST_INDEXES = (
    "CREATE INDEX IF NOT EXISTS runs_by_time ON flakediag.runs (project, started_at)",
    "CREATE INDEX IF NOT EXISTS files_by_run ON flakediag.files (project, run)",
    "CREATE INDEX IF NOT EXISTS failures_by_run ON flakediag.failures (project, month, run)",
)

_NUMBERS = "CREATE SEQUENCE IF NOT EXISTS flakediag.run_numbers"


def _everything_that_is_kept(conn: Connection) -> None:
    for name, statement in _FIRST_TABLES.items():
        if name in BY_MONTH:
            partitions.create(conn, name, statement)
        else:
            conn.execute(statement)
    for statement in (*_FIRST_INDEXES, _NUMBERS):
        conn.execute(statement)
    partitions.look_ahead(conn)


STEPS: tuple[Callable[[Connection], None], ...] = (_everything_that_is_kept,)
"""In order, for ever; each can be repeated where it broke off. The version of a history is how many it has had."""

VERSION = len(STEPS)

STATEMENTS = (_STEPS_TABLE, *_FIRST_TABLES.values(), *_FIRST_INDEXES, _NUMBERS)
"""All that is created, for whoever wants to look at it."""


def version_of(conn: Connection) -> int:
    """0 where there is no history. Raises `HistoryError` for one of a newer flakediag."""
    try:
        with conn.transaction():
            row = conn.execute("SELECT max(version) FROM flakediag.schema_steps").fetchone()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return 0
    version = int(row[0] or 0) if row else 0
    if version > VERSION:
        raise HistoryError(
            f"the history was written by a newer flakediag (schema version {version}; this one knows {VERSION})",
            hint="upgrade: pip install --upgrade flakediag",
        )
    return version


class CommitsEarlyError(Exception):
    """The server commits before each change of the schema: there is no transaction of several."""


def bring_up_to_date(conn: Connection) -> None:
    """Apply the steps that are missing, in the transaction that the caller holds, if any.

    Several may do so at once: the lock makes them wait for each other, and where the server has no such lock, all but
    one get an error that is worth a repetition. Raises `CommitsEarlyError` in a transaction that the server has ended;
    then it is to be called without one.
    """
    together = conn.info.transaction_status is TransactionStatus.INTRANS
    locks.take(conn, locks.STEPS)
    done = version_of(conn)
    if done == VERSION:
        return
    if done == 0:
        conn.execute("CREATE SCHEMA IF NOT EXISTS flakediag")
    conn.execute(_STEPS_TABLE)
    if together and conn.info.transaction_status is TransactionStatus.IDLE:
        raise CommitsEarlyError
    for version, step in enumerate(STEPS[done:], start=done + 1):
        step(conn)
        conn.execute(
            "INSERT INTO flakediag.schema_steps (version, name) VALUES (%s, %s)",
            (version, step.__name__.strip("_").replace("_", " ")),
        )
