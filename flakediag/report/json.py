"""The report as JSON: the contract of docs/json.md, checked against report.schema.json."""

from __future__ import annotations

from typing import TextIO

from flakediag.model import Report
from flakediag.report import document
from flakediag.report.format import Options


class Json:
    name = "json"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        document.write(document.report(report), stream)
