"""What would decide a diagnosis that is open: one sentence, the cheapest experiment first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flakediag.model import Category, Evidence

SURE = 0.9  # nothing needs settling from here on
OPEN = 0.12  # a cause with less than this is not worth an experiment
RUNS = 12  # shuffled runs to ask for where the order model has not said how many


def settle(called: Category, found: Mapping[Category, float], evidence: Sequence[Evidence]) -> str | None:
    """The experiment that tells the likeliest causes apart, None where nothing is open.

    found: the probability of each category.
    """
    if called is not Category.UNKNOWN and found[called] >= SURE:
        return None
    likely = [c for c in sorted(found, key=lambda c: -found[c]) if c is not Category.UNKNOWN and found[c] >= OPEN]
    order = next((e for e in evidence if e.kind == "last-writer" and "order_varied" in e.data), None)
    if order is not None and not order.data["order_varied"] and (not likely or Category.ORDER in likely[:2]):
        runs = int(order.data.get("runs_needed") or RUNS)
        seen = order.data.get("runs")
        so_far = f" in {seen} runs" if seen else ""
        return f"the order never varied{so_far}: {runs} runs shuffled over the whole suite would tell"
    if Category.PORT in likely[:2] and called is not Category.PORT:
        return (
            "the server's own log tells a taken port from a slow start: record captured output with the report "
            "(pytest: `-o junit_logging=all`)"
        )
    if likely[:1] == [Category.ORDER]:
        return "the test run alone, and then after its suspects, would tell whether another test's state is behind it"
    if likely[:1] == [Category.TIMING]:
        return "repeating the test alone under CPU load would tell whether it is a matter of time"
    if likely[:1] == [Category.RANDOMNESS]:
        return "repeating the test with the same random seed would tell whether a value is behind it"
    if likely[:1] == [Category.ENVIRONMENT]:
        return "recording the host, the operating system and the versions as properties of each run would tell"
    if likely[:1] == [Category.CLOCK]:
        return "repeating the test with the clock set to the hour of a failure would tell"
    if not any(e.kind.startswith("words") for e in evidence):
        return (
            "the failure says too little: record captured output with the report (pytest: `-o junit_logging=all`) "
            "and let the test print what it saw"
        )
    return "20 repetitions of the test alone would tell whether it needs the other tests to fail"
