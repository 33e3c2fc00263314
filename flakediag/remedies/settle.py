"""How to get the evidence that an open diagnosis lacks, in the words of the framework in use."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

from flakediag import tables
from flakediag.model import Diagnosis, Finding, Gap
from flakediag.remedies.reproduce import TIMES, alone, loaded, repeated

_PLACEHOLDER = re.compile(r"<<(\w+)>>")
_COUNT = re.compile(r"(\d+) repetitions")


def with_ways(finding: Finding) -> Finding:
    """The finding, with the way to each piece of evidence that its diagnoses lack; `settle` names the first one."""
    if finding.cause is None:
        return finding
    signatures = tuple(replace(s, diagnosis=_complete(s.diagnosis, finding)) for s in finding.signatures)
    return replace(finding, cause=_complete(finding.cause, finding), signatures=signatures)


def _complete(diagnosis: Diagnosis, finding: Finding) -> Diagnosis:
    if not diagnosis.missing:
        return diagnosis
    missing = tuple(replace(gap, how=way(gap, finding)) for gap in diagnosis.missing)
    first = missing[0]
    return replace(diagnosis, missing=missing, settle=f"{first.summary}: {first.how}" if first.how else first.summary)


def way(gap: Gap, finding: Finding) -> str | None:
    """What to do about one gap for this test, None where the catalogue has nothing that serves."""
    entries = _catalogue().get(gap.kind, {})
    producer = finding.timeline[-1].run.producer if finding.timeline else "unknown"
    text = next((entries[key] for key in (producer, finding.framework, "any") if key in entries), None)
    if text is None:
        return None
    values = _values(gap, finding, set(_PLACEHOLDER.findall(text)))
    if any(not value for value in values.values()):
        return None
    # One pass: a name that itself holds a placeholder stays as it is.
    return _PLACEHOLDER.sub(lambda match: values[match[1]], text)


def _values(gap: Gap, finding: Finding, wanted: set[str]) -> dict[str, str]:
    if not wanted:
        return {}
    command = alone(finding.test, finding.framework)
    counted = _COUNT.match(gap.summary)
    again = repeated(command, int(counted[1]) if counted else TIMES) if command else ""
    known = {
        "alone": command or "",
        "again": again,
        "loaded": loaded(again) if again else "",
        "test": shlex.quote(finding.id) if command else "",
        "moment": f"{finding.last_failed:%Y-%m-%d %H:%M:%S}" if finding.last_failed else "",
    }
    return {name: known[name] for name in wanted}


def _catalogue() -> dict[str, dict[str, str]]:
    return tables.read("remedies/catalogue/settle.toml")
