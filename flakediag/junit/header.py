"""What report files say of their run as a whole: when and where it was, of which commit, with which settings."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from flakediag.expressions import expression
from flakediag.junit.decisions import decisions_of
from flakediag.junit.document import Document
from flakediag.junit.results import Reading
from flakediag.model import Order, Results, Run, RunReport

_COMMIT_KEYS = (
    "git.commit.sha", "git.commit.id", "git.commit.id.full", "git.commit", "git.sha", "git_commit", "github_sha",
    "ci_commit_sha", "vcs.ref.head.revision", "vcs.revision", "commit.sha", "commit_sha", "commit", "revision",
)  # fmt: skip
_BRANCH_KEYS = (
    "git.branch", "git_branch", "github_head_ref", "github_ref_name", "ci_commit_ref_name", "vcs.ref.head.name",
    "vcs.branch", "branch.name", "branch",
)  # fmt: skip
_COMMIT = expression(r"[0-9a-f]{7,64}")
_BRANCH = expression(r"[^\s~^:?*\[\\\x00-\x1f\x7f]{1,250}")

# What may explain a difference between runs. Not the fifty properties of every Java machine.
_USEFUL = expression(
    r"""os\.name | os\.version | os\.arch | java\.version | java\.vendor | user\.timezone | user\.language
    | file\.encoding | python[._ ]?version | platform | node[._ ]?version | go\.version | ruby[._ ]?version
    | (?:.*[._-])?(?:random)?[._-]?seed | randomseed | rng-seed | (?:.*[._-])?run_?order(?:\..*)?
    | (?:.*[._-])?(?:workers?|numprocesses|num_?processes|fork_?count|threads?|thread_?count|parallel(?:ism)?)
    | (?:.*\.)?rerunfailingtestscount | junit\.jupiter\.execution\.parallel\..*
    | browser\.fullname | tz | timezone | shard
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MAX_PROPERTIES = 24
_MAX_VALUE = 200
_NO_HOSTS = frozenset({"", "localhost", "localhost.localdomain", "127.0.0.1", "tbd", "unknown", "(empty)", "none"})


def run_report(
    readings: Sequence[Reading],
    results: Results,
    order: Order,
    parallelism: float | None,
    wall: float | None,
    now: datetime,
    notes: Iterable[str] = (),
) -> RunReport:
    """These files as one run, that took `wall` seconds; `now` is taken as its start where they name no moment."""
    documents = [reading.document for reading in readings]
    properties = _properties(documents)
    moments = [reading.began for reading in readings if reading.began is not None]
    producers = Counter(reading.dialect.name for reading in readings)
    if len(readings) == 1:
        digest = readings[0].file.digest
    else:
        digest = hashlib.sha256("".join(sorted(reading.file.digest for reading in readings)).encode()).hexdigest()
    run = Run(
        started_at=min(moments, default=now),
        digest=digest,
        commit=_first(properties, _COMMIT_KEYS, _COMMIT),
        branch=_branch(properties),
        host=_host(readings),
        duration=wall,
        producer=producers.most_common(1)[0][0],
        order=order,
        parallelism=parallelism,
        properties=dict(
            [(key, value[:_MAX_VALUE]) for key, value in properties.items() if _USEFUL.fullmatch(key)][:_MAX_PROPERTIES]
        ),
    )
    said = dict.fromkeys([*notes, *(note for reading in readings for note in reading.notes)])
    if not moments:
        said["it names no moment: the time of reading is taken"] = None
    written = {test: name for reading in readings for test, name in reading.written.items()}
    return RunReport(
        run=run,
        results=results,
        files=tuple(reading.file for reading in readings),
        notes=tuple(said),
        decisions=decisions_of(readings, run),
        written=written,
    )


def _properties(documents: Iterable[Document]) -> dict[str, str]:
    properties: dict[str, str] = {}
    for document in documents:
        for suite in document.suites:
            for key, value in suite.properties.items():
                properties.setdefault(key, value)
        if len(properties) > 5_000:
            break
    return properties


def _first(properties: dict[str, str], keys: Sequence[str], form: re.Pattern[str]) -> str | None:
    lowered = {key.lower().removeprefix("env."): value.strip() for key, value in properties.items()}
    return next((lowered[key] for key in keys if key in lowered and form.fullmatch(lowered[key])), None)


def _branch(properties: dict[str, str]) -> str | None:
    branch = _first(properties, _BRANCH_KEYS, _BRANCH)
    return branch.removeprefix("refs/heads/").removeprefix("origin/") if branch else None


def _host(readings: Sequence[Reading]) -> str | None:
    for reading in readings:
        if reading.dialect.hostname:
            for suite in reading.document.suites:
                host = suite.attributes.get("hostname", "").strip()
                if host.lower() not in _NO_HOSTS:
                    return host[:_MAX_VALUE]
    return None
