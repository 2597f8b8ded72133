"""How much of the page's grants a connector's group role gets. No resources here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NotRequired, TypedDict

from azure_postgres_cdc.database.schema_access import ALL, CAPTURED


class GrantsArgs(TypedDict):
    """How much of the page's grants the group role gets in this database."""

    create: NotRequired[bool]
    """CREATE on the schemas: the page grants it, the connector does not need it. Default true."""
    tables: NotRequired[Literal["all", "captured"]]
    """`all` (default, the page's): every table of the captured schemas, present and future.
    `captured`: the captured tables only."""
    readAllData: NotRequired[bool]
    """The role is a member of pg_read_all_data (PostgreSQL 14+), and needs no grant on a table:
    it then reads every database of the server that it may connect to. Default false."""


def grants_faults(args: GrantsArgs) -> Iterator[str]:
    """What is wrong with the grants, if anything."""
    if args.get("tables", ALL) not in (ALL, CAPTURED):
        yield f"grants.tables is {args['tables']!r}: use {ALL} or {CAPTURED}"
    if args.get("readAllData") and args.get("tables") == CAPTURED:
        yield (
            "grants: readAllData lets the role read every table, tables: captured only some: "
            "take one of them out"
        )
