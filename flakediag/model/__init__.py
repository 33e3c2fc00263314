"""The words that the parts of flakediag share: plain, immutable data with no behaviour beyond naming things.

Shapes follow the flow: what a report file says (`CaseResult`, `RunReport`), what a run is (`Run`), what the analysis
concludes (`Evidence`, `Diagnosis`, `Finding`, …, `Report`), and what the gate decides (`GateDecision`).
Times are seconds, moments are timezone-aware UTC datetimes, rates are fractions between 0 and 1.

The names are handed out from here and built when somebody first asks: to make all of these classes takes longer than
most commands need of them. A file of this folder that needs another one only for annotations asks the type checker.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

_PARTS = {
    "results": "Outcome Identity FailureDetail Attempt CaseResult",
    "columns": "Listed Told Results",
    "runs": "Order Run InputFile Decisions RunReport",
    "scope": "Scope HistorySummary",
    "ingest": "FileStatus FileReport IngestSummary",
    "redaction": "Redaction",
    "rates": "Metric Rate SuiteRates",
    "categories": "Verdict Category Boundary",
    "diagnosis": "Partner Evidence Alternative Gap Diagnosis",
    "signatures": "Artefact SignatureFinding",
    "fixes": "Savings Cluster Example Fix FixStep",
    "findings": "Impact TimelineEntry Finding",
    "series": "RunPoint RatePoint RanBefore OrderSample Series",
    "report": "Outage Report",
    "fleet": "FailedProject Fleet",
    "gate": "GateStatus GateRule Ratchet GatePolicy GateResult GateDecision",
    "quarantine": "QuarantineEntry QuarantineState QuarantineStanding RunnerSelection",
    "check": "FailureStatus CheckedFailure CheckedRun Check",
    "backtest": "Truth ReplayedFailure ReplayedRun ReplayedRegression Backtest",
    "upkeep": "MergedSource Pruned CheckupStatus CheckupFinding Checkup RenameKind RenameProposal Renamed",
}
"""file of this folder -> the names that it holds"""

_PART_OF = {name: part for part, names in _PARTS.items() for name in names.split()}

__all__ = tuple(_PART_OF)

if TYPE_CHECKING:  # the same names, for whoever reads the code without running it
    from flakediag.model.backtest import Backtest as Backtest
    from flakediag.model.backtest import ReplayedFailure as ReplayedFailure
    from flakediag.model.backtest import ReplayedRegression as ReplayedRegression
    from flakediag.model.backtest import ReplayedRun as ReplayedRun
    from flakediag.model.backtest import Truth as Truth
    from flakediag.model.categories import Boundary as Boundary
    from flakediag.model.categories import Category as Category
    from flakediag.model.categories import Verdict as Verdict
    from flakediag.model.check import Check as Check
    from flakediag.model.check import CheckedFailure as CheckedFailure
    from flakediag.model.check import CheckedRun as CheckedRun
    from flakediag.model.check import FailureStatus as FailureStatus
    from flakediag.model.columns import Listed as Listed
    from flakediag.model.columns import Results as Results
    from flakediag.model.columns import Told as Told
    from flakediag.model.diagnosis import Alternative as Alternative
    from flakediag.model.diagnosis import Diagnosis as Diagnosis
    from flakediag.model.diagnosis import Evidence as Evidence
    from flakediag.model.diagnosis import Gap as Gap
    from flakediag.model.diagnosis import Partner as Partner
    from flakediag.model.findings import Finding as Finding
    from flakediag.model.findings import Impact as Impact
    from flakediag.model.findings import TimelineEntry as TimelineEntry
    from flakediag.model.fixes import Cluster as Cluster
    from flakediag.model.fixes import Example as Example
    from flakediag.model.fixes import Fix as Fix
    from flakediag.model.fixes import FixStep as FixStep
    from flakediag.model.fixes import Savings as Savings
    from flakediag.model.fleet import FailedProject as FailedProject
    from flakediag.model.fleet import Fleet as Fleet
    from flakediag.model.gate import GateDecision as GateDecision
    from flakediag.model.gate import GatePolicy as GatePolicy
    from flakediag.model.gate import GateResult as GateResult
    from flakediag.model.gate import GateRule as GateRule
    from flakediag.model.gate import GateStatus as GateStatus
    from flakediag.model.gate import Ratchet as Ratchet
    from flakediag.model.ingest import FileReport as FileReport
    from flakediag.model.ingest import FileStatus as FileStatus
    from flakediag.model.ingest import IngestSummary as IngestSummary
    from flakediag.model.quarantine import QuarantineEntry as QuarantineEntry
    from flakediag.model.quarantine import QuarantineStanding as QuarantineStanding
    from flakediag.model.quarantine import QuarantineState as QuarantineState
    from flakediag.model.quarantine import RunnerSelection as RunnerSelection
    from flakediag.model.rates import Metric as Metric
    from flakediag.model.rates import Rate as Rate
    from flakediag.model.rates import SuiteRates as SuiteRates
    from flakediag.model.redaction import Redaction as Redaction
    from flakediag.model.report import Outage as Outage
    from flakediag.model.report import Report as Report
    from flakediag.model.results import Attempt as Attempt
    from flakediag.model.results import CaseResult as CaseResult
    from flakediag.model.results import FailureDetail as FailureDetail
    from flakediag.model.results import Identity as Identity
    from flakediag.model.results import Outcome as Outcome
    from flakediag.model.runs import Decisions as Decisions
    from flakediag.model.runs import InputFile as InputFile
    from flakediag.model.runs import Order as Order
    from flakediag.model.runs import Run as Run
    from flakediag.model.runs import RunReport as RunReport
    from flakediag.model.scope import HistorySummary as HistorySummary
    from flakediag.model.scope import Scope as Scope
    from flakediag.model.series import OrderSample as OrderSample
    from flakediag.model.series import RanBefore as RanBefore
    from flakediag.model.series import RatePoint as RatePoint
    from flakediag.model.series import RunPoint as RunPoint
    from flakediag.model.series import Series as Series
    from flakediag.model.signatures import Artefact as Artefact
    from flakediag.model.signatures import SignatureFinding as SignatureFinding
    from flakediag.model.upkeep import Checkup as Checkup
    from flakediag.model.upkeep import CheckupFinding as CheckupFinding
    from flakediag.model.upkeep import CheckupStatus as CheckupStatus
    from flakediag.model.upkeep import MergedSource as MergedSource
    from flakediag.model.upkeep import Pruned as Pruned
    from flakediag.model.upkeep import Renamed as Renamed
    from flakediag.model.upkeep import RenameKind as RenameKind
    from flakediag.model.upkeep import RenameProposal as RenameProposal
else:

    def __getattr__(name: str) -> object:
        if name not in _PART_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_PART_OF[name]}"), name)
        return found

    def __dir__() -> list[str]:
        return [*globals(), *_PART_OF]
