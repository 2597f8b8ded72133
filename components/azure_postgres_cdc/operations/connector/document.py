"""The forms as JSON, under the names of the stack's output `connectors`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from azure_postgres_cdc.operations.stack import Form


def document(forms: Sequence[Form], *, show_secrets: bool) -> str:
    """A list, even of one. `password` is null unless it was asked for; `tables` is a list too."""
    fields = [_fields(form, show_secrets=show_secrets) for form in forms]
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def _fields(form: Form, *, show_secrets: bool) -> dict[str, Any]:
    ssh = {"host": form.ssh_host, "port": form.ssh_port, "user": form.ssh_user}
    return {
        "name": form.name,
        "hostname": form.hostname,
        "port": form.port,
        "connectViaSshTunnel": form.ssh_host is not None,
        **({"ssh": ssh} if form.ssh_host is not None else {}),
        "username": form.username,
        "password": form.password if show_secrets else None,
        "database": form.database,
        "readOnly": "Yes" if form.read_only else "No",
        "heartbeats": form.heartbeats,
        "heartbeatTableSchema": form.heartbeat_schema,
        "signalTableSchema": form.signal_schema,
        "replicationSlotName": form.slot,
        "publicationName": form.publication,
        "sslMode": form.ssl_mode,
        "prefixWithDatabaseName": form.prefix_with_database_name,
        "representBinaryDataAs": form.binary_handling,
        "schemas": form.schemas,
        "tables": form.tables,
        **_restrictions(form),
    }


def _restrictions(form: Form) -> dict[str, Any]:
    """What the publication leaves out and a snapshot does not, if anything."""
    columns = {str(table): names for table, names in form.columns.items()}
    filters = {str(table): text for table, text in form.row_filters.items()}
    return {
        **({"columns": columns} if columns else {}),
        **({"rowFilters": filters} if filters else {}),
    }
