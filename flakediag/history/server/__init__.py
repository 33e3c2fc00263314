"""The history on a server that speaks PostgreSQL: one history for many machines.

Rows are made from content (`keys.py`), so that writers need not ask each other for numbers, and are only ever added by
an ingest. `schema.py` has the tables, `connecting.py` the connection, `encoding.py` what a run looks like on its way
in; the other files are the verbs.
"""

from flakediag.history.server.engine import ServerHistory

__all__ = ["ServerHistory"]
