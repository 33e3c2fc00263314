"""The report as a Parquet table, for data frames and warehouses: the rows of the CSV, with types and raw names."""

from __future__ import annotations

import io
from typing import Any, TextIO

from flakediag.model import Report
from flakediag.report import csv
from flakediag.report.format import Options, UnavailableError, binary

WHOLE = ("rank", "runs", "failures", "cluster", "red_runs")
REAL = ("rate", "rate_low", "rate_high", "probability", "minutes", "score")
MOMENTS = ("first_seen", "last_failed")


class Parquet:
    name = "parquet"

    def write(self, report: Report, stream: TextIO, options: Options) -> None:
        """Write bytes to the stream's binary buffer. Raises `UnavailableError` where they cannot be made or shown."""
        target = binary(stream, options, "Parquet", "flaky.parquet")
        target.write(table(report))


def table(report: Report) -> bytes:
    """One row per test. Raises `UnavailableError` without pyarrow."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UnavailableError(
            "--format parquet needs the library pyarrow, which is not installed",
            "install it with: pip install 'flakediag[parquet]'; or take --format csv",
        ) from error
    import pandas

    rows = [csv.row(finding) for finding in report.tests]
    # Each column has its type also where no row has a value, so that tables of two reports can be put together.
    columns = {name: pandas.Series([row[name] for row in rows], dtype=_type(name)) for name in csv.COLUMNS}
    for name in columns.keys() - {*WHOLE, *REAL, *MOMENTS}:
        columns[name] = pandas.Series([_text(row[name]) for row in rows], dtype="string")
    written = io.BytesIO()
    pandas.DataFrame(columns).to_parquet(written, engine="pyarrow", index=False)
    return written.getvalue()


def _type(name: str) -> str:
    if name in WHOLE:
        return "Int64"  # whole numbers with gaps
    return "Float64" if name in REAL else "datetime64[us, UTC]" if name in MOMENTS else "object"


def _text(value: Any) -> str | None:
    """A name as it is; a lone surrogate, which no UTF-8 has, as an escape."""
    return None if value is None else str(value).encode("utf-8", "backslashreplace").decode("utf-8")
