"""Two good stacks as policies are shown them, captured from the real engine into `captured/`.

After the shape of a resource has changed, make them anew:

    PYTHONPATH=policies .venv/bin/python tests/policies/capture.py
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from declaring import UNKNOWN
from engine_support import ENGINE_BIN, PROJECT, program, recorded

from azure_postgres_rehearsal.rehearsal import Rehearsal

CAPTURED = Path(__file__).resolve().parent / "captured"
OURS, RAW = "ours", "raw"
EXAMPLE = "ha"
"""The example that has most of what there are rules on."""

# What changes from run to run, or is not a policy's to see.
_PASSWORD_KEYS = frozenset({"password", "administratorLoginPassword"})
_DROPPED = frozenset({"__provider", "createdAtLsn", "port", "version", "azureApiVersion"})


def examples_project(folder: Path) -> Path:
    """This project with the examples as its stacks."""
    folder.mkdir(parents=True)
    shutil.copy(PROJECT / "Pulumi.yaml", folder)
    (folder / ".engine").symlink_to(PROJECT / ".engine")
    shutil.copytree(PROJECT / "stacks", folder / "stacks", ignore=lambda *_: ["__pycache__"])
    for file in (PROJECT / "examples" / "stacks").glob("Pulumi.*.yaml"):
        shutil.copy(file, folder / "stacks")
    return folder


def capture_ours(folder: Path) -> list[dict[str, Any]]:
    """An example, in a preview after it has come up: with nothing unknown."""
    with Rehearsal(examples_project(folder / "project"), EXAMPLE) as rehearsal:
        rehearsal.up(capture=True)
        found = recorded(rehearsal.engine, folder / "ours.json")
        host = rehearsal.postgres.host
    return tidied(found, host)


def capture_raw(folder: Path) -> list[dict[str, Any]]:
    """A team's own program in its first preview: with all that is unknown there."""
    return tidied(recorded(program("good", folder / "engine"), folder / "raw.json"), "")


def tidied(resources: list[dict[str, Any]], host: str) -> list[dict[str, Any]]:
    """Without secrets and without what differs from run to run; in order of URN."""
    kept = []
    for item in resources:
        if item["type"] == "pulumi:providers:pulumi-python":
            continue  # its inputs are the whole configuration
        item = {key: _tidy(value, key, host) for key, value in item.items()}
        if item["provider"]:
            item["provider"] = {"database": item["provider"].get("database")}
        item["references"] = {key: urns for key, urns in item["references"].items() if urns}
        if item["outputs"] == item["inputs"]:
            item["outputs"] = None
        kept.append(item)
    return sorted(kept, key=lambda item: str(item["urn"]))


def _tidy(value: Any, key: str, host: str) -> Any:
    if isinstance(value, Mapping):
        inner = {name: _tidy(item, name, host) for name, item in value.items()}
        dropped = _DROPPED - ({"version"} if "serverId" in inner or "sku" in inner else set())
        return {name: item for name, item in inner.items() if name not in dropped}
    if isinstance(value, list):
        return [_tidy(item, key, host) for item in value]
    if isinstance(value, str):
        if key in _PASSWORD_KEYS and value != UNKNOWN:
            return "a-password"
        return "psql.example.com" if host and value == host else re.sub(r"_\d+_\d+_\d+$", "", value)
    return value


def main() -> None:
    os.environ["PATH"] = f"{ENGINE_BIN}:{os.environ['PATH']}"
    CAPTURED.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, capture in ((OURS, capture_ours), (RAW, capture_raw)):
            found = capture(Path(folder) / name)
            (CAPTURED / f"{name}.json").write_text(
                json.dumps(found, indent=1, sort_keys=True) + "\n"
            )
            print(f"{name}: {len(found)} resources", file=sys.stderr)


if __name__ == "__main__":
    main()
