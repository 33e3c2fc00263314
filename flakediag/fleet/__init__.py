"""The reports of many projects at once: each is independent of the others, so that the same function runs in the
processes of one machine (`processes.py`) or on the workers of a Dask cluster (`cluster.py`)."""

from flakediag.fleet.fleet import report_all

__all__ = ["report_all"]
