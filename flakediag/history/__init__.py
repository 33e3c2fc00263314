"""Keeps what the reports said: one SQLite file that many CI jobs may write to at once."""

from flakediag.history.history import History, HistoryCounts, StoredRun
from flakediag.history.writer import Stored

__all__ = ["History", "HistoryCounts", "Stored", "StoredRun"]
