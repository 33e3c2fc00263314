"""Runs as lines of JSON: the format of `flakediag export`, described by export.schema.json and docs/history.md.

The first line says what the file is and which tests were renamed; every further line is one run. What has its default
value is left out. Numbers of seconds are whole milliseconds, as they are in the history, so that nothing is lost.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from flakediag.history.portable import FormerName, Portable
from flakediag.history.pruned import PrunedRun
from flakediag.model import Attempt, CaseResult, FailureDetail, Identity, InputFile, Order, Outcome, Run, RunReport

FORMAT = "flakediag-history"
VERSION = 1

Json = dict[str, Any]
_WORDS = {outcome: outcome.name.lower() for outcome in Outcome}
_OUTCOMES = {word: outcome for outcome, word in _WORDS.items()}
_RUN_DEFAULTS = {field.name: field.default for field in fields(Run)}


class LineError(ValueError):
    """A line that is not what `export` writes. Says why."""


def write(names: Iterable[FormerName], runs: Iterable[Portable]) -> Iterator[str]:
    """The lines of an export, in pure ASCII."""
    renames = [{"project": each.project, "old": _test(each.old), "new": _test(each.new)} for each in names]
    yield _line({"format": FORMAT, "version": VERSION, "renames": renames})
    for item in runs:
        loaded = item.load()
        head: Json = {"run": _run(loaded.run), "files": [_file(file) for file in loaded.files]}
        if isinstance(loaded, PrunedRun):
            yield _line({**head, "pruned": _pruned(loaded)})
        else:
            yield _line({**head, "results": [_result(result) for result in loaded.results]})


def read_head(line: str) -> list[FormerName]:
    """The renamed tests of an export, from its first line. Raises `LineError` where it is none, or of a newer kind."""
    head = _object(line)
    if head.get("format") != FORMAT:
        raise LineError("not an export of flakediag")
    if type(head.get("version")) is not int or head["version"] > VERSION:
        raise LineError(f"an export of version {head.get('version')}; this flakediag reads versions up to {VERSION}")
    with _Shaped():
        return [_former_name_from(each) for each in _list("renames", head["renames"])]


def read_run(line: str) -> Portable:
    """The run of any other line. Raises `LineError`."""
    said = _object(line)
    with _Shaped():
        run = _run_from(said["run"])
        files = tuple(_file_from(file) for file in _list("files", said["files"]))
        loaded: RunReport | PrunedRun
        if "pruned" in said:
            loaded = _pruned_from(run, files, said["pruned"])
            number = loaded.results
        else:
            results = tuple(_result_from(each) for each in _list("results", said["results"]))
            loaded = RunReport(run=run, files=files, results=results)
            number = len(loaded.results)
    return Portable(run=run, files=files, results=number, pruned="pruned" in said, load=lambda: loaded)


class _Shaped:
    """Turns what goes wrong where a document has not the shape that it should have into a `LineError`."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyError):
            raise LineError(f"{error.args[0]!r} is missing") from error
        if isinstance(error, TypeError | ValueError | AttributeError | OverflowError) and not isinstance(
            error, LineError
        ):
            raise LineError(str(error)) from error


def _line(document: Json) -> str:
    return json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _object(line: str) -> Json:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError(f"not JSON: {error}") from error
    if not isinstance(said, dict):
        raise LineError("not a JSON object")
    return said


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _moment_from(said: Mapping[str, Any], name: str) -> datetime:
    value = datetime.fromisoformat(said[name])
    if value.tzinfo is None:
        raise LineError(f"{name} has no zone")
    return value.astimezone(UTC)


def _run(run: Run) -> Json:
    said: Json = {}
    for name, default in _RUN_DEFAULTS.items():
        value = getattr(run, name)
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        if value != default:
            said[name] = value
    said["started_at"] = _moment(run.started_at)
    said["order"] = run.order.value
    said["properties"] = dict(run.properties)
    return said


def _run_from(said: Mapping[str, Any]) -> Run:
    run = Run(**{**said, "started_at": _moment_from(said, "started_at"), "order": Order(said["order"])})
    for name in ("digest", "project", "producer", "commit", "branch", "job", "shard", "host", "url"):
        _expect(name, getattr(run, name), str, type(_RUN_DEFAULTS.get(name)))
    _expect("attempt", run.attempt, int)
    _expect("id", run.id, int, type(None))
    for name in ("duration", "parallelism"):
        _expect(name, getattr(run, name), int, float, type(None))
    for name in ("experiment", "ordered_classes"):
        _expect(name, getattr(run, name), bool)
    for name, text in run.properties.items():
        _expect(name, text, str)
    return run


def _expect(name: str, value: object, *kinds: type) -> None:
    if not isinstance(value, kinds):
        raise LineError(f"{name} is {value!r}")


def _list(name: str, value: object) -> list[Any]:
    _expect(name, value, list)
    assert isinstance(value, list)
    return value


def _former_name_from(said: Mapping[str, Any]) -> FormerName:
    _expect("project", said["project"], str)
    return FormerName(said["project"], _test_from(said["old"]), _test_from(said["new"]))


def _file(file: InputFile) -> Json:
    said: Json = {"path": file.path, "digest": file.digest, "cases": file.cases}
    return {**said, "partial": file.partial} if file.partial is not None else said


def _file_from(said: Mapping[str, Any]) -> InputFile:
    file = InputFile(**said)
    _expect("path", file.path, str)
    _expect("digest", file.digest, str)
    _expect("cases", file.cases, int)
    _expect("partial", file.partial, str, type(None))
    return file


def _test(test: Identity) -> Json:
    said = {"classname": test.classname, "name": test.name}
    if test.file:
        said["file"] = test.file
    if test.variant:
        said["variant"] = test.variant
    return said


def _test_from(said: Mapping[str, str]) -> Identity:
    test = Identity(said["classname"], said["name"], said.get("file", ""), said.get("variant", ""))
    if {*map(type, test)} != {str}:
        raise LineError("the name of a test is no text")
    return test


def _tests_from(said: Mapping[str, Any], name: str) -> tuple[Identity, ...]:
    return tuple(_test_from(test) for test in _list(name, said[name]))


def _attempt(outcome: Outcome, duration: float | None, failure: FailureDetail | None) -> Json:
    said: Json = {"outcome": _WORDS[outcome]}
    if duration is not None:
        said["duration"] = duration
    if failure is not None:
        said["failure"] = failure._asdict()
    return said


def _attempt_from(said: Mapping[str, Any]) -> Attempt:
    failure = said.get("failure")
    duration = said.get("duration")
    if duration is not None:
        _expect("duration", duration, int, float)
    outcome = _OUTCOMES.get(said["outcome"])
    if outcome is None:
        raise LineError(f"outcome is {said['outcome']!r}")
    return Attempt(outcome, duration, None if failure is None else _detail_from(failure))


def _detail_from(said: Mapping[str, str]) -> FailureDetail:
    detail = FailureDetail(**said)
    if {*map(type, detail)} != {str}:
        raise LineError("what a failure says is no text")
    return detail


def _result(result: CaseResult) -> Json:
    said = _test(result.test) | _attempt(result.outcome, result.duration, result.failure)
    if result.earlier:
        said["earlier"] = [_attempt(*each) for each in result.earlier]
    return said


def _result_from(said: Mapping[str, Any]) -> CaseResult:
    last = _attempt_from(said)
    earlier = tuple(_attempt_from(each) for each in said.get("earlier", ()))
    return CaseResult(_test_from(said), last.outcome, last.duration, last.failure, earlier)


def _pruned(pruned: PrunedRun) -> Json:
    return {
        "at": _moment(pruned.pruned_at),
        "results": pruned.results,
        "failures": pruned.failures,
        "errors": pruned.errors,
        "skips": pruned.skips,
        "executed_tests": [_test(test) for test in pruned.executed],
        "skipped_tests": [_test(test) for test in pruned.skipped],
        "failed_tests": [_test(test) for test in pruned.failed],
    }


def _pruned_from(run: Run, files: tuple[InputFile, ...], said: Mapping[str, Any]) -> PrunedRun:
    for name in ("results", "failures", "errors", "skips"):
        _expect(name, said[name], int)
    return PrunedRun(
        run=run,
        files=files,
        pruned_at=_moment_from(said, "at"),
        executed=_tests_from(said, "executed_tests"),
        skipped=_tests_from(said, "skipped_tests"),
        failed=_tests_from(said, "failed_tests"),
        results=said["results"],
        failures=said["failures"],
        errors=said["errors"],
        skips=said["skips"],
    )
