"""Which test framework a producer of reports belongs to."""

from __future__ import annotations

FRAMEWORKS: dict[str, str] = {
    "pytest": "pytest",
    "surefire": "junit",
    "failsafe": "junit",
    "gradle": "junit",
    "ant": "junit",
    "testng": "junit",
    "jest": "jest",
    "vitest": "vitest",
    "gotestsum": "go",
    "go-junit-report": "go",
    "rspec": "rspec",
    "dotnet": "dotnet",
}


def framework_of(producer: str) -> str:
    """The test framework that a producer of reports belongs to, "unknown" where it is none that fixes are kept for."""
    return FRAMEWORKS.get(producer, "unknown")
