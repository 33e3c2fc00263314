"""The part of a report that was asked for. Rates and history stay those of the whole window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from flakediag.model import Category, Finding, Report, Verdict


def select(
    report: Report,
    *,
    verdicts: Collection[Verdict] = (),
    causes: Collection[Category] = (),
    limit: int = 0,
) -> Report:
    """Keep the tests with one of `verdicts` and one of `causes` (empty: any), at most `limit` (0: all) per verdict.

    The limit counts per verdict, so that many flaky tests do not crowd out a broken one. Clusters stay as long as one
    of their tests does. `hidden` counts what the limit cut, not what was filtered.
    """
    wanted = [f for f in report.tests if _wanted(f, verdicts, causes)]
    kept, seen = [], Counter[Verdict]()
    for finding in wanted:
        seen[finding.verdict] += 1
        if not limit or seen[finding.verdict] <= limit:
            kept.append(finding)
    ids = {finding.id for finding in kept}
    return replace(
        report,
        tests=tuple(kept),
        clusters=tuple(c for c in report.clusters if ids.intersection(c.tests)),
        hidden=report.hidden + len(wanted) - len(kept),
    )


def _wanted(finding: Finding, verdicts: Collection[Verdict], causes: Collection[Category]) -> bool:
    if verdicts and finding.verdict not in verdicts:
        return False
    return not causes or (finding.cause is not None and finding.cause.category in causes)
