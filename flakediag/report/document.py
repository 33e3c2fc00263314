"""The JSON documents, as dicts and lists in a fixed order: the contract of docs/json.md and report.schema.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from flakediag.report.text import iso

if TYPE_CHECKING:
    from flakediag.model import (
        Artefact,
        Boundary,
        Cluster,
        Diagnosis,
        FileReport,
        Finding,
        Fix,
        FixStep,
        GateDecision,
        GateResult,
        IngestSummary,
        Outage,
        Partner,
        Rate,
        Report,
        Run,
        Savings,
        SignatureFinding,
        TimelineEntry,
    )

SCHEMA_VERSION = 1
Document = dict[str, Any]


def write(document: Document | list[Document], stream: TextIO) -> None:
    """Write one document. Pure ASCII, so that no name in it can act on a terminal or break an encoding; `##` is
    written with an escape, because some CI systems read `##[…]` as a command wherever it stands in a job's log."""
    text = json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False)
    stream.write(text.replace("##", "#\\u0023") + "\n")


def report(report: Report) -> Document:
    history = report.history
    return {
        "schema_version": SCHEMA_VERSION,
        "generated_at": iso(report.generated_at),
        "project": report.project,
        "branch": report.branch,
        "history": {
            "runs": history.runs,
            "tests": history.tests,
            "results": history.results,
            "first_run": iso(history.first_run),
            "last_run": iso(history.last_run),
        },
        "rates": {
            "flaky_tests": rate(report.rates.flaky_tests),
            "flaky_runs": rate(report.rates.flaky_runs),
            "flaky_executions": rate(report.rates.flaky_executions),
        },
        "tests": [finding(f) for f in report.tests],
        "hidden": report.hidden,
        "clusters": [cluster(c) for c in report.clusters],
        "fixes": [fix_step(step) for step in report.fixes],
        "outages": [outage(o) for o in report.outages],
        "notes": list(report.notes),
    }


def show(finding_: Finding) -> Document:
    """Everything about one test: its entry in the report, with the timeline and each signature's own diagnosis."""
    whole = finding(finding_)
    whole["signatures"] = [
        {**signature(s), "diagnosis": diagnosis(s.diagnosis), "example": s.example._asdict() if s.example else None}
        for s in finding_.signatures
    ]
    whole["timeline"] = [timeline_entry(entry) for entry in finding_.timeline]
    return {"schema_version": SCHEMA_VERSION, "test": whole}


def gate(decision: GateDecision) -> Document:
    return {
        "schema_version": SCHEMA_VERSION,
        "status": decision.status.value,
        "metric": decision.metric.value,
        "threshold": number(decision.threshold),
        "rate": rate(decision.rate),
        "runs": decision.runs,
        "min_runs": decision.min_runs,
        "baseline": decision.baseline,
        "reason": decision.reason,
        "offenders": [finding(f) for f in decision.offenders],
        "strict": decision.strict,
        "rules": [gate_result(result) for result in decision.results],
        "unplaced": decision.unplaced,
    }


def gate_result(result: GateResult) -> Document:
    """One rule; its offenders by id, since the deciding rule's stand whole in the document."""
    return {
        "status": result.status.value,
        "metric": result.rule.metric.value,
        "path": result.rule.path,
        "owner": result.rule.owner,
        "ratchet": result.rule.ratchet,
        "threshold": number(result.rule.limit),
        "rate": rate(result.rate),
        "reason": result.reason,
        "offenders": [f.id for f in result.offenders],
    }


def ingest(summary: IngestSummary) -> Document:
    return {
        "schema_version": SCHEMA_VERSION,
        "files": [file(f) for f in summary.files],
        "runs": summary.runs,
        "results": summary.results,
        "failures": summary.failures,
        "new_flaky": list(summary.new_flaky),
        "notes": list(summary.notes),
        "masked": dict(summary.masked),
    }


def finding(finding: Finding) -> Document:
    return {
        "rank": finding.rank,
        "id": finding.id,
        "classname": finding.test.classname,
        "name": finding.test.name,
        "file": finding.test.file or None,
        "variant": finding.test.variant or None,
        "framework": finding.framework,
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "runs": finding.runs,
        "failures": finding.failures,
        "rate": {
            "value": number(finding.rate.value),
            "low": number(finding.rate.low),
            "high": number(finding.rate.high),
        },
        "cause": diagnosis(finding.cause) if finding.cause else None,
        "signatures": [signature(s) for s in finding.signatures],
        "boundary": _boundary(finding.boundary),
        "artefacts": [artefact(a) for a in finding.artefacts],
        "cluster": finding.cluster,
        "impact": {
            "red_runs": finding.impact.red_runs,
            "minutes": number(finding.impact.minutes),
            "score": number(finding.impact.score),
        },
        "saves": savings(finding.saves) if finding.saves else None,
        "fix": fix(finding.fix) if finding.fix else None,
        "first_seen": iso(finding.first_seen),
        "last_failed": iso(finding.last_failed),
        "since_commit": finding.since_commit,
        "owners": None if finding.owners is None else list(finding.owners),
    }


def diagnosis(diagnosis: Diagnosis) -> Document:
    return {
        "category": diagnosis.category.value,
        "probability": number(diagnosis.probability),
        "alternatives": [
            {"category": a.category.value, "probability": number(a.probability)} for a in diagnosis.alternatives
        ],
        "evidence": [
            {
                "kind": e.kind,
                "category": e.category.value,
                "weight": number(e.weight),
                "summary": e.summary,
                "data": plain(e.data),
            }
            for e in diagnosis.evidence
        ],
        "partners": [partner(p) for p in diagnosis.partners],
        "ports": list(diagnosis.ports),
        "settle": diagnosis.settle,
        "missing": [{"kind": gap.kind, "summary": gap.summary, "how": gap.how} for gap in diagnosis.missing],
    }


def partner(partner: Partner) -> Document:
    return {
        "id": partner.id,
        "kind": partner.kind,
        "role": partner.role,
        "probability": number(partner.probability),
        **({"earlier": True} if partner.earlier else {}),
    }


def signature(signature: SignatureFinding) -> Document:
    return {
        "text": signature.text,
        "failures": signature.failures,
        "cause": signature.diagnosis.category.value,
        "probability": number(signature.diagnosis.probability),
        "boundary": _boundary(signature.boundary),
        "artefacts": [artefact(a) for a in signature.artefacts],
        "first_seen": iso(signature.first_seen),
        "last_seen": iso(signature.last_seen),
    }


def fix(fix: Fix) -> Document:
    example = {"framework": fix.example.framework, "code": fix.example.code} if fix.example else None
    return {"summary": fix.summary, "steps": list(fix.steps), "example": example, "reproduce": fix.reproduce}


def rate(rate: Rate) -> Document:
    return {
        "count": rate.count,
        "of": rate.of,
        "rate": number(rate.value),
        "low": number(rate.low),
        "high": number(rate.high),
    }


def cluster(cluster: Cluster) -> Document:
    return {
        "id": cluster.id,
        "tests": list(cluster.tests),
        "cause": cluster.category.value,
        "summary": cluster.summary,
        "saves": savings(cluster.saves),
    }


def fix_step(step: FixStep) -> Document:
    return {
        "tests": list(step.tests),
        "cluster": step.cluster,
        "cause": step.category.value,
        "summary": step.summary,
        "saves": savings(step.saves),
        "before": rate(step.before),
        "after": rate(step.after),
    }


def savings(savings: Savings) -> Document:
    return {"red_runs": savings.red_runs, "minutes": number(savings.minutes)}


def outage(outage: Outage) -> Document:
    return {"run": run(outage.run), "failed": outage.failed, "executed": outage.executed}


def run(run: Run) -> Document:
    return {
        "id": run.id,
        "started_at": iso(run.started_at),
        "commit": run.commit,
        "branch": run.branch,
        "job": run.job,
        "attempt": run.attempt,
        "shard": run.shard,
        "url": run.url,
    }


def timeline_entry(entry: TimelineEntry) -> Document:
    return {
        "run": run(entry.run),
        "outcome": entry.outcome.name.lower(),
        "attempts": entry.attempts,
        "duration": None if entry.duration is None else number(entry.duration),
        "position": entry.position,
        "signature": entry.signature,
    }


def file(file: FileReport) -> Document:
    return {
        "path": file.path,
        "status": file.status.value,
        "reason": file.reason,
        "producer": file.producer,
        "run": file.run,
        "cases": file.cases,
        "results": file.results,
        "failures": file.failures,
        "errors": file.errors,
        "skipped": file.skipped,
        "order": file.order.value,
        "parallelism": None if file.parallelism is None else number(file.parallelism),
    }


def artefact(artefact: Artefact) -> Document:
    return {"kind": artefact.kind, "value": artefact.value}


def _boundary(boundary: Boundary | None) -> str | None:
    return boundary.value if boundary else None


def number(value: float) -> float | None:
    """Six significant digits, but never 0 or 1 unless exact; null for what is not a number."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.6g}")
    return value if rounded in (0.0, 1.0) else rounded


def plain(value: Any) -> Any:
    """Evidence data as JSON can hold it: numpy scalars and arrays, sets and NaN included."""
    if value is None or isinstance(value, (bool, str)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=repr)
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)
