"""The scripts of examples/pipelines, run as a pipeline runs them, on a rehearsed stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support import PROJECT

from azure_postgres_rehearsal.rehearsal import Rehearsal

PIPELINES = PROJECT / "examples" / "pipelines"
# A service's tool, which is not ours: it only says how it was called, and gives a prepared answer.
STAND_IN = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
call = {{"arguments": sys.argv[1:], "stdin": "" if sys.stdin.isatty() else sys.stdin.read()}}
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(call) + "\\n")
answer = folder / f"answer-{{'-'.join(sys.argv[1:3])}}"
if answer.exists():
    sys.stdout.write(answer.read_text())
"""


class Tool:
    """A stand-in for one of the services' tools, such as `gh`, first on PATH."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.bin = self.folder / "bin"
        self.bin.mkdir(parents=True)
        tool = self.bin / name
        tool.write_text(STAND_IN.format(python=sys.executable, folder=str(self.folder)))
        tool.chmod(0o755)

    def answers(self, command: str, answer: object) -> None:
        """What it prints when it is called with these two words."""
        (self.folder / f"answer-{command.replace(' ', '-')}").write_text(json.dumps(answer))

    def calls(self) -> list[tuple[list[str], str]]:
        """Arguments and standard input of each call since this was last asked."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        calls = [json.loads(line) for line in lines]
        return [(call["arguments"], call["stdin"]) for call in calls]


def run(
    script: str, *arguments: str, rehearsal: Rehearsal, tool: Tool | None = None
) -> subprocess.CompletedProcess[str]:
    """A script of examples/pipelines, in the place where `pulumi up` runs."""
    environment = dict(rehearsal.engine.environment)
    if tool is not None:
        environment["PATH"] = f"{tool.bin}{os.pathsep}{environment['PATH']}"
    result = subprocess.run(
        [str(PIPELINES / script), *arguments],
        cwd=rehearsal.engine.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in result.stdout + result.stderr, result.stdout + result.stderr
    for secret in rehearsal.secrets():
        assert secret not in result.stdout + result.stderr
    return result
