"""The command line. Loads nothing but click until a command is invoked."""

import gc

COLLECT_AFTER = 100_000  # new objects
"""When to look for garbage in cycles. Python's own 700 makes it look a hundred times while the modules are loaded, and
thousands of times at the results of a report, which are never garbage."""

gc.set_threshold(COLLECT_AFTER)  # before click is loaded

from flakediag.cli.app import main  # noqa: E402

__all__ = ["main"]
