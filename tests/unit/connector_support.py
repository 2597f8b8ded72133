"""Forms as `pulumi up` puts them out, and names that formats stumble over."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from azure_postgres_cdc.connector import bulk_upload
from azure_postgres_cdc.operations.stack import Form, Stack

PASSWORD = "the-connector-s-password"
FIELDS: dict[str, Any] = {
    "name": "shop",
    "hostname": "shop.postgres.database.azure.com",
    "port": 5432.0,  # as the engine gives numbers
    "connectViaSshTunnel": False,
    "username": "streamkap_user",
    "password": PASSWORD,
    "database": "shop",
    "readOnly": "No",
    "heartbeats": True,
    "heartbeatTableSchema": "streamkap",
    "signalTableSchema": "streamkap",
    "replicationSlotName": "streamkap_pgoutput_slot",
    "publicationName": "streamkap_pub",
    "sslMode": "require",
    "prefixWithDatabaseName": False,
    "representBinaryDataAs": "bytes",
    "schemas": ["public"],
    "tables": "public.orders\npublic.lines\n",
}
READ_ONLY: dict[str, Any] = {
    "readOnly": "Yes",
    "signalTableSchema": None,
    "heartbeatTableSchema": None,
}
RESTRICTED: dict[str, Any] = {
    "columns": {"public.orders": ["id", "na,me"], 'public."Odd Table"': ["id"]},
    "rowFilters": {"public.orders": "id > 0", 'public."Odd Table"': "true"},
}
TUNNEL = {"connectViaSshTunnel": True, "ssh": {"host": "jump", "port": 2222, "user": "hop"}}
ODD_NAMES = (
    'Odd Schema.Tab"le',
    "public. both ends ",
    "public.a.b",
    "public.back\\slash",
    "public.new\nline",
    "public.${file:/etc/passwd}",
    "public.%{ if true }",
    "public.$${x}",
    "public.[a-z]*(x)|^$+?{2}",
    "public.#!=:",
    "public.表-1",
    "public.été",
    "public.\N{BALLOON}",
)
"""Names of tables, without SQL's quotes. None has a comma."""


def form(**changes: Any) -> Form:
    """A form with these fields of the output changed; `tables` may be a list of names."""
    fields = FIELDS | changes
    if not isinstance(fields["tables"], str):
        fields["tables"] = bulk_upload(fields["tables"])
    return Form.parse(fields)


def stack(*forms: Form) -> Stack:
    """A stack that has put out these forms. Its settings are of no importance."""
    return Stack("prod", Path(), forms, cast(Any, None), "the-administrator-s-password", "")
