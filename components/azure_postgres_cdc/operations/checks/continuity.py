"""Whether the slot holds every change since the connector first read it.

A slot that is there proves nothing: a connector makes a missing one again by itself, with a gap.
"""

from __future__ import annotations

from azure_postgres_cdc.operations.checks.slot import find
from azure_postgres_cdc.operations.findings import Result, unknown
from azure_postgres_cdc.operations.subject import Subject


def continuity(subject: Subject) -> Result | None:
    """The slot is the one that the stack knows, and has not been made again since."""
    if find(subject) is None:
        return None
    return unknown("where the slot stood before is recorded nowhere")
