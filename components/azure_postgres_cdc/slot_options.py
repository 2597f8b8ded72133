"""What is said of a replication slot beside its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

ON_DESTROY = ("refuse", "drop", "retain")
_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")


class SlotArgs(TypedDict):
    """The optional part of a connector's arguments that is about its replication slot."""

    createSlot: NotRequired[bool]
    """Create the slot. Default true; false leaves that to the connector, and watches it then."""
    slotFailover: NotRequired[bool]
    """The standby keeps a copy, so that the slot survives a failover (PostgreSQL 17+); false takes
    that from a slot that has it. Default: true for a server in Azure that has a standby."""
    onDestroy: NotRequired[Literal["refuse", "drop", "retain"]]
    """`refuse` (default): the slot is protected, until `pulumi state unprotect`. `drop`: it goes
    with the stack, though never while it is read. `retain`: it stays, and holds WAL."""
    acknowledgeLostSlot: NotRequired[str]
    """The LSN that a refusal named: its loss is known, a snapshot makes up for it. Default none."""


@dataclass(frozen=True)
class SlotOptions:
    """The same with every default filled in."""

    create: bool = True
    failover: bool | None = None
    on_destroy: str = "refuse"
    acknowledge_lost: str | None = None

    @classmethod
    def of(cls, args: Mapping[str, Any]) -> SlotOptions:
        """Out of a connector's arguments, which have no fault."""
        return cls(
            create=args.get("createSlot", True),
            failover=args.get("slotFailover"),
            on_destroy=args.get("onDestroy", "refuse"),
            acknowledge_lost=args.get("acknowledgeLostSlot"),
        )


def slot_option_faults(args: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with these arguments, if anything."""
    word = args.get("acknowledgeLostSlot")
    if word is not None and not lsn_like(word):
        yield f"acknowledgeLostSlot: {word!r} is no LSN; copy it from the refusal"
    action = args.get("onDestroy", "refuse")
    if action not in ON_DESTROY:
        yield f"onDestroy: {action!r} is none of {', '.join(ON_DESTROY)}"


def lsn_like(text: object) -> bool:
    """Whether a text is a position in the WAL."""
    return isinstance(text, str) and bool(_LSN.fullmatch(text))
