"""Changes of a publication that cannot be made under a connector: it is dropped and made again.

PostgreSQL turns no FOR ALL TABLES publication into another kind, and its manual warns of loss and
duplicates where publish_via_partition_root changes under a slot that lives. So both are refused
until somebody says that it is meant, and never done while the connector reads.
"""

from __future__ import annotations

from azure_postgres_cdc import acknowledge
from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.database.publication_catalog import Definition
from azure_postgres_cdc.database.publication_sql import Filters, create_statement
from azure_postgres_cdc.driver import sql
from azure_postgres_cdc.dynamic import Props
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import quoted

_SLOT = """
SELECT active FROM pg_replication_slots WHERE slot_name = %s AND database = current_database()
"""
_COMMENT = "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = %s"


def needs_replacement(
    connection: Connection, props: Props, found: Definition, wanted: Definition
) -> bool:
    """Whether a publication is to be dropped and made again.

    Raises a CdcError where nobody has acknowledged that, or while the connector reads.
    """
    name, slot = props["name"], props["slot"]
    same_root = found.via_partition_root == wanted.via_partition_root
    if same_root and found.all_tables == wanted.all_tables:
        return False
    activity = rows(connection, _SLOT, slot)
    if found.all_tables != wanted.all_tables:
        word = acknowledge.replace_publication(name, found.kind, wanted.kind)
        why = (
            f"cannot change from {found.kind} to {wanted.kind} in place (PostgreSQL's rule), and "
            "changes from before a new publication are not in it"
        )
    elif activity:
        word = acknowledge.partition_root(name, value=wanted.via_partition_root)
        why = (
            f"has publish_via_partition_root {_spelt(found)} and {_spelt(wanted)} is wanted: while "
            f"slot {slot} lives, changes of partitions would be lost or come twice"
        )
    else:
        return False  # nobody reads it: changed in place
    if word not in props["acknowledge"]:
        raise CdcError(
            f"publication {quoted(name)} {why}. Remedy: stop the source once it has drained; put "
            f"this line into the database's settings: {acknowledge.settings_line(word)}; pulumi "
            "up, which drops and creates the publication in one transaction; resume the source "
            "and snapshot every captured table"
        )
    if any(activity):
        raise CdcError(
            f"publication {quoted(name)} is not replaced while slot {slot} is being read. Remedy: "
            "stop the source first, in the Streamkap app, once it has drained; then pulumi up"
        )
    return True


def replace(connection: Connection, name: str, wanted: Definition, filters: Filters) -> None:
    """Drop and create, in the caller's transaction. What its comment says stays."""
    identifier = sql.Identifier(name)
    (comment,) = rows(connection, _COMMENT, name)
    connection.execute(sql.SQL("DROP PUBLICATION {}").format(identifier))
    connection.execute(create_statement(name, wanted, filters))
    if comment is not None:
        connection.execute(
            sql.SQL("COMMENT ON PUBLICATION {} IS {}").format(identifier, sql.Literal(comment))
        )


def _spelt(definition: Definition) -> str:
    return str(definition.via_partition_root).lower()
