"""The command line in front of a service that answers with what a test gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from click.testing import Result
from report import sample

from flakediag import service
from flakediag.model import IngestSummary


class FakeService:
    """Answers every verb with the value set for it (raising it where it is an error), and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "report": sample.report(),
            "show": sample.TOTAL,
            "gate": (sample.decision(), sample.RATCHET),
            "ingest": IngestSummary((), 0, 0, 0, ()),
            "runs": tuple(
                service.RunSummary(run=sample.run(n), results=125, failures=3, errors=1, skipped=2)
                for n in range(30, 0, -1)
            ),
            "tests": tuple(
                service.TestSummary(id=f"tests.test_a::test_{n}", runs=52, failures=n, last_run=sample.NOW)
                for n in range(5)
            ),
        }
        self.asked: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}

    def verb(self, name: str) -> Callable[..., Any]:
        def answer(*args: Any, **keywords: Any) -> Any:
            self.asked[name] = args, keywords
            value = self.answers[name]
            if isinstance(value, BaseException):
                raise value
            return value

        return answer

    def scope(self, name: str) -> Any:
        args, _ = self.asked[name]
        return next(arg for arg in args if hasattr(arg, "max_runs"))


Run = Callable[..., Result]
