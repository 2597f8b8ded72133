"""What the policies add to a preview of the stack `prod`, their start-up included.

The empty pack, with one rule that does nothing, is what Pulumi's own policy process costs.

    .venv/bin/python benchmarks/policies.py [--repeat 6]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from azure_postgres_rehearsal.rehearsal import Rehearsal

PROJECT = Path(__file__).resolve().parents[1]
_EMPTY = """
from pulumi_policy import PolicyPack, ResourceValidationPolicy

PolicyPack(
    name="empty",
    policies=[ResourceValidationPolicy("nothing", "nothing", lambda _args, _report: None)],
)
"""


def packs(folder: Path) -> Mapping[str, Sequence[str]]:
    """The arguments of a preview, without policies, with an empty pack, and with this project's."""
    (folder / "PulumiPolicy.yaml").write_text("description: empty\nruntime: python\n")
    (folder / "__main__.py").write_text(_EMPTY)
    config = PROJECT / "policies" / "config" / "prod.json"
    return {
        "none": [],
        "an empty pack": ["--policy-pack", str(folder)],
        "ours": [
            *("--policy-pack", str(PROJECT / "policies")),
            *("--policy-pack-config", str(config)),
        ],
    }


def measured(
    rehearsal: Rehearsal, arguments: Mapping[str, Sequence[str]], repeat: int
) -> Iterator[tuple[str, list[float]]]:
    """Seconds of each preview, in turns, so that whatever else runs slows all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in arguments}
    for _ in range(repeat):
        for name, given in arguments.items():
            start = time.monotonic()
            rehearsal.engine.preview(*given, capture=True)
            seconds[name].append(time.monotonic() - start)
    yield from seconds.items()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--repeat", type=int, default=6)
    repeat = parser.parse_args().repeat
    columns = ("preview", "policies", "fastest, s", "median, s", "added to the fastest")
    table = Table(*columns)
    with tempfile.TemporaryDirectory() as folder, Rehearsal(PROJECT, "prod") as rehearsal:
        rehearsal.invent_tables()
        restart = rehearsal.settings["server"] | {"restart": "when-needed"}
        rehearsal.engine.set_config("server", restart)
        for state in ("of a new stack", "with nothing to do"):
            least = 0.0
            for name, seconds in measured(rehearsal, packs(Path(folder)), repeat):
                fastest = min(seconds)
                least = least or fastest
                added = f"{fastest / least - 1:.0%}"
                table.add_row(state, name, f"{fastest:.2f}", f"{median(seconds):.2f}", added)
            if state == "of a new stack":
                rehearsal.up(capture=True)
    Console().print(table)


if __name__ == "__main__":
    main()
