"""docs/policies.md is what the rules say of themselves."""

from __future__ import annotations

import subprocess
import sys

from declaring import BY_NAME
from engine_support import PROJECT


def test_the_page_is_current() -> None:
    command = [sys.executable, str(PROJECT / "tools" / "policies_page.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "current\n"), result.stdout + result.stderr


def test_the_page_has_every_rule_once() -> None:
    lines = (PROJECT / "docs" / "policies.md").read_text().splitlines()
    assert sorted(line[4:] for line in lines if line.startswith("### ")) == sorted(BY_NAME)
