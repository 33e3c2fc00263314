"""Keeps what the reports said: in one SQLite file that many CI jobs may write to at once."""

from flakediag.history.history import History, HistoryCounts, Stored, StoredRun

__all__ = ["History", "HistoryCounts", "Stored", "StoredRun"]
