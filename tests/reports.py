"""JUnit reports as pytest writes them, for tests that go the whole way."""

from collections.abc import Sequence
from pathlib import Path


def pytest_report(
    rows: Sequence[tuple[str, str]], *, minute: int = 0, commit: str | None = None, branch: str | None = None
) -> str:
    """A report of (test, outcome) rows: `.` passed, `F` failed, `s` skipped, or a message to fail with."""
    cases = []
    for name, outcome in rows:
        head = f'<testcase classname="tests.test_shop" name="{name}" time="0.010"'
        if outcome == ".":
            cases.append(head + " />")
        elif outcome == "s":
            cases.append(head + '><skipped type="pytest.skip" message="not here" /></testcase>')
        else:
            message = "assert 2 == 1" if outcome == "F" else outcome
            cases.append(f'{head}><failure message="{message}">E   {message}</failure></testcase>')
    said = {"git.commit.sha": commit, "git.branch": branch}
    properties = "".join(f'<property name="{k}" value="{v}" />' for k, v in said.items() if v)
    return (
        '<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" '
        f'tests="{len(rows)}" time="{len(rows)}.0" timestamp="2026-03-01T{minute // 60:02}:{minute % 60:02}:00+00:00" '
        f'hostname="ci"><properties>{properties}</properties>{"".join(cases)}</testsuite></testsuites>'
    )


def write_runs(folder: Path, rows: Sequence[str], *, commits: str | None = None, branch: str | None = None) -> Path:
    """A folder of reports: one text a run, one character a test, as `pytest_report` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    for r, row in enumerate(rows):
        report = pytest_report(
            [(f"test_{t}", mark) for t, mark in enumerate(row)],
            minute=r,
            commit=commits[r] * 40 if commits else None,
            branch=branch,
        )
        (folder / f"run-{r:03}.xml").write_text(report, encoding="utf-8")
    return folder
