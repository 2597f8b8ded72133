"""The benchmark of docs/performance.md still runs, and fills in every figure."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import PROJECT


@pytest.mark.full
def test_the_smallest_rows_of_the_benchmark() -> None:
    command = ["benchmarks/tables.py", "--tables", "10", "--databases", "2", "--repeat", "1"]
    result = subprocess.run(
        [sys.executable, *command], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [line.strip("| ") for line in result.stdout.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if "--" not in line]
    assert rows[0][:5] == ["what", "up", "psql", "floor", "ours"]
    assert [row[:2] for row in rows[1:]] == [
        *(["10 tables", name] for name in ("fresh", "no-op", "10 added", "10 dropped")),
        ["10 tables", "identity FULL"],
        *(["2 databases", name] for name in ("fresh", "no-op")),
    ]
    for _, name, psql, floor, ours, *_ in rows[1:]:
        assert float(floor) > 0
        assert float(ours) > 0
        assert (float(psql) == 0) == (name == "no-op")
