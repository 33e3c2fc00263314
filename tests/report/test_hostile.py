"""No name of a test, and nothing that it says, acts in any format: one table of names for all formats."""

from __future__ import annotations

import io
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hostile_names import HARMLESS, NAMES, in_text, on_a_terminal

from flakediag import service
from flakediag.model import (
    Check,
    CheckedFailure,
    CheckedRun,
    Evidence,
    FailureStatus,
    FileReport,
    FileStatus,
    Identity,
    Partner,
    RenameKind,
    RenameProposal,
    Report,
)
from flakediag.report import check, format, listing, page, upkeep
from flakediag.report.format import Options
from report import sample
from report.test_formats import written


def report(name: str) -> Report:
    """A report in which everything that a suite has a say in is called `name`."""
    cause = replace(
        sample.ORDER,
        evidence=(Evidence(name, sample.ORDER.category, 6.1, name), *sample.ORDER.evidence),
        partners=(Partner(name, "test", "polluter", 0.9),),
        settle=name,
    )
    fix = replace(sample.FIX, summary=name, steps=(name,), reproduce=name)
    signature = replace(sample.TOTAL.signatures[0], text=name, diagnosis=cause)
    test = Identity(name, name, name, name)
    flaky = replace(sample.TOTAL, test=test, cause=cause, fix=fix, signatures=(signature,), reason=name)
    broken = replace(sample.BROKEN, test=test, reason=name, since_commit=name)
    whole = sample.drawn(sample.report(flaky, broken))
    cluster = replace(whole.clusters[0], tests=(flaky.id, broken.id), summary=name)
    return replace(whole, project=name, branch=name, clusters=(cluster,), notes=(name,))


def checked(name: str) -> Check:
    failure = CheckedFailure(
        test=Identity(name, name, name),
        signature=name,
        status=FailureStatus.NEW_FAILURE,
        reason=name,
        known=report(name).tests[0],
    )
    run = replace(sample.run(), project=name, shard=name)
    return Check(
        runs=(CheckedRun(run=run, executed=1, failures=(failure,), outage=True, runs_before=3),),
        branch=name,
        refused=(FileReport(path=name, status=FileStatus.REFUSED, reason=name),),
    )


def checked_as(name: str, of: str) -> str:
    stream = io.StringIO()
    check.write(checked(of), name, stream, Options())
    return stream.getvalue()


def shown(kind: str, of: str) -> str:
    stream = io.StringIO()
    page.write(report(of).tests[0], kind, stream, Options())
    return stream.getvalue()


def runs(kind: str, of: str) -> str:
    run = replace(sample.run(), project=of, branch=of, job=of, shard=of, host=of, url=of, commit=of, producer=of)
    stream = io.StringIO()
    row = service.RunSummary(run=run, results=3, failures=1, errors=0, skipped=1)
    listing.write_runs([row], kind, stream, Options())
    return stream.getvalue()


def known(kind: str, of: str) -> str:
    stream = io.StringIO()
    row = service.TestSummary(id=of, runs=3, failures=1, last_run=sample.NOW)
    listing.write_tests([row], kind, stream, Options())
    return stream.getvalue()


WRITERS: dict[str, tuple[Callable[[str, str], str], Sequence[str]]] = {
    "report": (lambda kind, of: written(kind, report(of)), [n for n in format.NAMES if n not in format.BINARY]),
    "check": (checked_as, check.FORMATS),
    "show": (shown, page.FORMATS),
    "runs": (runs, listing.FORMATS),
    "tests": (known, listing.FORMATS),
}
CASES = [(what, kind) for what, (_, kinds) in WRITERS.items() for kind in kinds]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("what", "kind"), CASES, ids=[f"{what} as {kind}" for what, kind in CASES])
def test_nothing_acts(what: str, kind: str, name: str) -> None:
    writer, _ = WRITERS[what]
    HARMLESS[kind](writer(kind, NAMES[name]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_acts_on_a_terminal(width: int, name: str) -> None:
    on_a_terminal(written("table", report(NAMES[name]), width=width, color=True))


@pytest.mark.parametrize("name", NAMES)
def test_tables_for_programs_keep_names_as_they_are(name: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    target = io.TextIOWrapper(io.BytesIO())
    format.find("parquet").write(report(NAMES[name]), target, Options())
    target.buffer.seek(0)
    rows = parquet.read_table(target.buffer).to_pylist()
    assert {row["name"] for row in rows} == {NAMES[name].encode("utf-8", "backslashreplace").decode()}


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_drawn(name: str) -> None:
    pytest.importorskip("resvg_py")
    target = io.TextIOWrapper(io.BytesIO())
    format.find("png").write(report(NAMES[name]), target, Options())
    assert target.buffer.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_a_proposed_command_is_one_that_a_shell_can_run(name: str) -> None:
    stream = io.StringIO()
    new = Identity("", NAMES[name])
    proposal = RenameProposal(
        old=sample.TOTAL.test,
        new=new,
        kind=RenameKind.NAME,
        similarity=0.9,
        commit=None,
        last=sample.START,
        first=sample.NOW,
    )
    upkeep.write_proposals([proposal], "text", stream, Options())
    in_text(stream.getvalue())
    for line in stream.getvalue().splitlines():
        if line.startswith("  flakediag "):
            said = shlex.split(line)
            assert said[-2:] == [sample.TOTAL.id, new.id]
            assert said[2] == "--" or not new.id.startswith("-")


ACTING = {
    "text": ("a\x1b[2J", "a\u202eb", "::error::x", "##vso[task.complete]", "a\x9bb"),
    "markdown": ("<!-- x -->", "[x](y)", "@all", "#12", "<script>", "http://e.org", "![x](y)", "<a href='y'>"),
    "csv": ("a,b\n=1,2", "a,b\n1", "a,b\n1,@SUM(1)", "a\n\t=1"),
    "json": ('"\u00e9"', "{", '"\u202e"'),
    "html": ("<img src=x>", "<p onclick=x>", "<a href='javascript:x'>", "</script>"),
    "svg": ("<svg><script/></svg>", "<svg onload='x'/>", "<svg>", "<svg><a href='x'/></svg>"),
    "github": ("::error file=a,b=c::x", "::set-output name=x::y", "text", "::error file=a%0Ab::x"),
    "slack": ('{"blocks": [{"type": "section", "text": {"text": "<!channel>"}}]}',),
    "junit": ("<testsuites>", "<testsuites><script/></testsuites>"),
    "script": ("a $(id)", "a; b", "a > b", "a `id`", "a & b"),
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in ACTING.items() for text in texts])
def test_what_acts_would_be_noticed(kind: str, text: str) -> None:
    with pytest.raises((AssertionError, ValueError, ElementTree.ParseError)):
        HARMLESS[kind](text)
