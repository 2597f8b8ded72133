"""Describes a stack's server and databases, so that the stack can be rehearsed without access.

What it says of them is in record_catalog.py; docs/rehearsal.md has the format. It holds no
credential and no row of a table, and is written to be committed: sorted, the same for the same
server.
"""

from __future__ import annotations

import json
from pathlib import Path

from azure_postgres_cdc.azure.client import FlexibleServer
from azure_postgres_cdc.database.connection import connect
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations import record_catalog as catalog
from azure_postgres_cdc.operations.command_line import writing
from azure_postgres_cdc.operations.record_catalog import Json
from azure_postgres_cdc.operations.stack import Stack
from azure_postgres_cdc.plan import connector_schemas
from azure_postgres_cdc.progress import Say, silent
from azure_postgres_cdc.server_args import NONE

FORMAT = 1
_ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


def describe(stack: Stack, say: Say = silent) -> Json:
    """The record of a stack's server and databases. Changes nothing. `say` is told what is
    read."""
    connectors = stack.settings.connectors_by_database(stack.root)
    if not connectors:
        raise CdcError(
            f"stack {stack.name} names no database: there is nothing to record. Remedy: list what "
            "is captured in databases"
        )
    azure = None if stack.settings.server.management == NONE else stack.server_in_azure
    login = stack.administrator_at(azure.facts().host if azure else "")
    record: Json = {"format": FORMAT, "stack": stack.name}
    databases: Json = {}
    more_parameters = sorted(stack.settings.server.parameters)
    publications = {plan.publication for plan in stack.plans().values()}
    for number, name in enumerate(sorted(connectors), 1):
        say(f"reading database {name}, {number} of {len(connectors)}")
        with connect(login, name) as connection:
            connection.execute(_ONE_MOMENT)
            if not databases:
                record |= catalog.server(connection, more_parameters)
            made = _made_in(stack, name)
            databases[name] = {"stackMade": made, **catalog.database(connection, publications)}
    if azure is not None:
        record["azure"] = _azure(azure, list(record["parameters"]))
    return record | {"stackMade": _made_on_server(stack), "databases": databases}


def write(record: Json, file: Path) -> None:
    """Write it for git: one fact a line."""
    with writing(file):
        file.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def default_file(stack: Stack) -> Path:
    """Beside the stack's file, under a name that Pulumi does not take for a stack."""
    return stack.config_dir / f"record.{stack.name}.json"


def summary(record: Json, file: Path) -> str:
    """What was written, in a line."""
    databases = record["databases"].values()
    tables = sum(len(s["tables"]) for item in databases for s in item["schemas"].values())
    return (
        f"{file}: PostgreSQL {record['postgresql']}, {len(record['roles'])} roles, "
        f"{len(databases)} databases, {tables:,} tables. It holds no password and no row; look at "
        "its names before you commit it"
    )


def _azure(server: FlexibleServer, parameters: list[str]) -> Json:
    """What Azure says, and PostgreSQL does not know."""
    facts = server.facts()
    found = server.parameters()
    names = sorted({*parameters, *catalog.PARAMETERS} & set(found))
    return {
        "storageGiB": facts.storage_gib,
        "storageType": facts.storage_type,
        "autoGrow": facts.auto_grow,
        "highAvailability": facts.high_availability,
        "inVirtualNetwork": facts.in_virtual_network,
        "parameters": {name: found[name].value for name in names},
        "pendingRestart": [name for name in names if found[name].is_pending],
    }


def _made_on_server(stack: Stack) -> Json:
    """What the stack itself has made, where it was up: Pulumi's state has it, a rehearsal's not."""
    if not stack.forms:
        return {}
    settings = stack.settings
    users = {form.username for form in stack.forms}
    users |= {*settings.server.formerUsers, *settings.users}
    return {
        "roles": sorted(users.union(*settings.users.values())),
        "slots": sorted({form.slot for form in stack.forms}),
    }


def _made_in(stack: Stack, database: str) -> Json:
    """The same, of one database."""
    forms = [form for form in stack.forms if form.database == database]
    plans = [plan for (name, _), plan in stack.plans().items() if name == database]
    if not forms:
        return {}
    return {
        "schemas": sorted(connector_schemas(plans)),
        "tables": sorted({str(table) for form in forms for table in form.own_tables}),
        "publications": sorted({form.publication for form in forms}),
    }
