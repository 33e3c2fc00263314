"""Run the commands of docs/tutorial.md and put what they print under them (`make tutorial`).

A block that begins with `$ flakediag …` after the line `<!-- run -->` is run; `<!-- run 1-12 -->` shows only those
lines of what it prints. The histories are made in a folder of their own, `FLAKEDIAG_DB` names the first one. The last
day of a quarantine, 14 days from today, is written as if today were `TODAY`.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner

from flakediag.cli.app import app

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "tutorial.md"
TODAY = date(2026, 11, 22)
BLOCK = re.compile(r"(<!-- run(?: (\d+)-(\d+))? -->\n```console\n)\$ flakediag ([^\n]*)\n(.*?)(```\n)", re.DOTALL)


def written(text: str, folder: Path) -> str:
    """The page with the output of its commands as it is now. They run in the repository, with histories in `folder`.

    In the page the folder is called /tmp/tutorial.
    """
    environ = {name: "" for name in os.environ if name.startswith(("GITHUB_", "GITLAB_", "CI"))}
    environ |= {"FLAKEDIAG_DB": str(folder / "before.db"), "NO_COLOR": "1"}

    def run(block: re.Match[str]) -> str:
        head, first, last, command, _, end = block.groups()
        words = [word.replace("/tmp/tutorial", str(folder)) for word in shlex.split(command)]
        done = CliRunner().invoke(app, words, env=environ, prog_name="flakediag")
        printed = done.output.replace(str(folder), "/tmp/tutorial")
        printed = printed.replace(*(str(day + timedelta(days=14)) for day in (datetime.now(UTC).date(), TODAY)))
        lines = [line.rstrip() for line in printed.rstrip("\n").split("\n")]
        if first:
            start, stop = int(first) - 1, int(last)
            lines = ["…"] * (start > 0) + lines[start:stop] + ["…"] * (stop < len(lines))
        if done.exit_code:
            lines.append(f"(exit code {done.exit_code})")
        body = "".join(f"{line}\n" for line in lines)
        return f"{head}$ flakediag {command}\n{body}{end}"

    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return BLOCK.sub(run, text)
    finally:
        os.chdir(before)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        text = written(PAGE.read_text(encoding="utf-8"), Path(folder))
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} is up to date\n")
