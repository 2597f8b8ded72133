"""What a rehearsed upgrade has shown, and what of it is no proof."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.table import Table

_UNCHANGED = "0 changed"


class NotProved(Exception):  # noqa: N818 - reads better where it is raised
    """The upgrade did not go through, or the proof did not hold; in one line."""


@dataclass
class Proof:
    """What the rehearsal has seen."""

    before: int = 0
    """Rows that pgbench had written when the fence was up."""
    after: int = 0
    stopped: int = 0
    """Runs of pgbench that failed: fenced, or with no server to reach."""
    captured: int = 0
    differing: int = 0
    twice: int = 0
    """Rows that the copy has more often than the table."""
    repeated: int = 0
    """Changes that were given again and left out, by LSN and row."""
    old_position: str = ""
    """The slot's confirmed_flush_lsn when the source was stopped, and when it was resumed."""
    new_position: str = ""
    steps: dict[str, float] = field(default_factory=dict)
    """Seconds by step."""
    version: int = 0
    second: str = ""
    """What the second up did."""

    def faults(self, to: int) -> list[str]:
        """What does not hold, each in a few words."""
        written = self.before + self.after
        found = {
            f"the server is on PostgreSQL {self.version}": self.version != to,
            "pgbench wrote nothing before the fence": not self.before,
            "pgbench was never stopped": not self.stopped,
            "pgbench wrote nothing after the upgrade": self.after <= 0,
            f"pgbench wrote {written} rows, {self.captured} were captured": (
                self.captured != written
            ),
            f"{self.differing} rows of the copy differ from the database": self.differing > 0,
            f"{self.twice} rows are in the copy twice": self.twice > 0,
            f"the slot goes on at LSN {self.new_position}, before {self.old_position}": (
                _lsn(self.new_position) < _lsn(self.old_position)
            ),
            f"the second up: {self.second}": self.second != _UNCHANGED,
        }
        return [text for text, is_so in found.items() if is_so]


def summary(proof: Proof, began: int) -> Table:
    """A short table for people. `began`: the version before."""
    table = Table("what", "how many", title=f"PostgreSQL {began} to {proof.version}, rehearsed")
    for what, count in (
        ("rows written before the fence", f"{proof.before:,}"),
        ("rows written after the upgrade", f"{proof.after:,}"),
        ("runs of pgbench that were stopped", f"{proof.stopped:,}"),
        ("rows captured", f"{proof.captured:,}"),
        ("rows that differ", f"{proof.differing:,}"),
        ("rows that are there twice", f"{proof.twice:,}"),
        ("changes that came again, left out", f"{proof.repeated:,}"),
        ("slot's LSN before", proof.old_position),
        ("slot's LSN after", proof.new_position),
        ("second up", proof.second),
    ):
        table.add_row(what, count)
    table.add_section()
    for step, seconds in proof.steps.items():
        table.add_row(step, f"{seconds:.1f} s")
    return table


def _lsn(text: str) -> int:
    high, _, low = text.partition("/")
    return (int(high or "0", 16) << 32) + int(low or "0", 16)
