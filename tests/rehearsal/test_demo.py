"""The command that README.md opens with."""

from __future__ import annotations

import re
import subprocess
import sys

from console_blocks import difference
from support import PROJECT


def test_the_demo_captures_every_row_and_the_second_up_changes_nothing() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "azure_postgres_rehearsal", "demo"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    rows = {
        cells[0].strip(): cells[1].strip()
        for line in result.stdout.splitlines()
        if line.startswith("│") and len(cells := line.strip("│").split("│")) == 2
    }
    assert rows == {
        "resources made ready": "20",
        "Azure operations": "6",
        "restarts": "1",
        "rows written by pgbench": "8,000",
        "rows captured": "8,000",
        "rows that differ": "0",
        "second up": "0 changed",
    }
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    written = re.search(r"\$ make demo\n.*?^```text\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert written
    assert not difference(f"…\n{written[1]}", result.stdout)
