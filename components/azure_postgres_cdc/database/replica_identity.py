"""REPLICA IDENTITY: what the WAL holds of a row that was updated or deleted.

By default only the primary key's values of a deleted row are kept; a table without a primary key
cannot be updated at all once it is published. FULL keeps every column (the page: for soft deletes,
audits and history), USING INDEX the columns of another unique index. The setting is not inherited,
so partitions get it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc import running_stack
from azure_postgres_cdc.database import former_identities, identity_index, tables
from azure_postgres_cdc.database.capture import CaptureArgs, resolve
from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connect,
    connection_props,
    looking_at,
    rows,
)
from azure_postgres_cdc.database.identity_audit import restorable
from azure_postgres_cdc.database.identity_change import identities, set_identities
from azure_postgres_cdc.database.identity_conflicts import conflicts
from azure_postgres_cdc.database.membership import statements_for
from azure_postgres_cdc.database.slot_guard import (
    GUARDED,
    ConnectorSlot,
    GuardedProvider,
    guarded,
)
from azure_postgres_cdc.dynamic import Props, pack, warn
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName, listed

# What has its identity already needs no ownership.
_DONE = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relreplident = %s
"""


class ReplicaIdentityProvider(GuardedProvider):
    """Sets identities that are not set, and remembers what was there before."""

    identity = ("database",)
    packed = ("captures", "indexes", "identities", "before", "toSet")
    only_looked_at = (GUARDED, "owner")
    unsettled = ("toSet",)

    def resolve(self, olds: Props, news: Props) -> Props:
        with looking_at(news["connection"], news["database"]) as connection:
            wanted = _wanted(connection, news)
            different = _differing(wanted, identities(connection, wanted))
            _check_owners(connection, different)
            _check_conflicts(connection, different)
        return news | {"identities": wanted, "toSet": sorted(different) if olds else []}

    def make(self, props: Props) -> Props:
        # Kept where a second try finds it: what the first one has changed was not there before.
        props.setdefault("before", {})
        return self.change(props, props)

    def change(self, olds: Props, news: Props) -> Props:
        wanted = news["identities"]
        with connect(news["connection"], news["database"], autocommit=True) as connection:
            known = olds["before"]
            owner = news.get("owner", "")
            before = former_identities.read(connection, owner) | known
            found = identities(connection, [*wanted, *before])
            before = olds["before"] = found | before
            former = {name: before[name] for name in found if name not in wanted}
            back = restorable(connection, former)
            new = {name: before[name] for name in found if name not in known}
            there = {name: wanted[name] for name in wanted if name in found}
            _set(connection, owner, there | back, found, new)
        _warn_of_kept(former, back)
        kept = {name: before[name] for name in found if name not in back}
        return olds | news | {"before": kept, "toSet": []}

    def look(self, props: Props) -> Props:
        wanted = props.get("identities", {})
        with looking_at(props["connection"], props["database"]) as connection:
            found = identities(connection, wanted)
        as_wanted = {name: wanted[name] for name in wanted if found.get(name) == wanted[name]}
        return props | {"identities": as_wanted}

    def remove(self, props: Props) -> None:
        """Each table has its former identity again, where it could be updated with it."""
        with connect(props["connection"], props["database"], autocommit=True) as connection:
            owner = props.get("owner", "")
            before = former_identities.read(connection, owner) | props["before"]
            found = identities(connection, before)
            former = {name: before[name] for name in found}
            back = restorable(connection, former)
            _set(connection, owner, back, found, {})
        _warn_of_kept(former, back)


class ReplicaIdentity(Resource, module="azure-postgres-cdc", name="ReplicaIdentity"):
    """FULL for the tables of some capture sets, USING INDEX for others, and all their partitions.

    A table with an index of its own gets that one. Each table in a short transaction of its own,
    with retries, so that no application waits behind it. What was there before comes back when
    the table is taken out or at destroy, unless the application could then no longer update it.
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        captures: Sequence[CaptureArgs],
        indexes: Mapping[str, str],
        own_tables: Sequence[TableName] = (),
        opts: pulumi.ResourceOptions | None = None,
        *,
        slots: Sequence[ConnectorSlot] = (),
    ) -> None:
        props = {
            "connection": connection_props(connection),
            "database": database,
            "captures": pack(list(captures)),
            "indexes": pack(dict(sorted(indexes.items()))),
            "ownTables": [str(table) for table in own_tables],
            "owner": f"{running_stack.name()}/{resource_name}",
            **guarded(slots),
        }
        super().__init__(ReplicaIdentityProvider(), resource_name, props, opts)


def _set(
    connection: Connection,
    owner: str,
    wanted: Mapping[str, str],
    found: Mapping[str, str],
    new: Mapping[str, str],
) -> None:
    """Give each table its identity; what it had is written down until that is done.

    `owner`: who is about to; `new`: what those had of which the state knows nothing yet.
    """
    different = _differing(wanted, found)
    former = {name: new[name] for name in different if name in new}
    with former_identities.kept(connection, owner, former):
        set_identities(connection, different)


def _wanted(connection: Connection, props: Props) -> dict[str, str]:
    """The identity of every table and of every partition."""
    own = [TableName.parse(text) for text in props["ownTables"]]
    done = {TableName(*row) for row in rows(connection, _DONE, "f")}
    full: set[TableName] = set()
    for capture in props["captures"]:
        full.update(resolve(connection, capture, own, done))
    wanted = {str(table): "FULL" for table in tables.with_partitions(connection, full)}
    indexes = {TableName.parse(text): index for text, index in props["indexes"].items()}
    if indexes:
        done = {TableName(*row) for row in rows(connection, _DONE, "i")}
        named = {"tables": list(props["indexes"])}
        resolve(connection, named, own, done, setting="replicaIdentityIndex")
        found = identity_index.with_partitions(connection, indexes)
        wanted |= {str(table): f"USING INDEX {index}" for table, index in found.items()}
    return dict(sorted(wanted.items()))


def _differing(wanted: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    return {name: wanted[name] for name in wanted if found.get(name) != wanted[name]}


def _check_owners(connection: Connection, different: Mapping[str, str]) -> None:
    """A partition may belong to another role than its root, which is all that publishing needs."""
    others = tables.of_others(connection, map(TableName.parse, different))
    statements = statements_for(connection, {table.owner for table in others})
    faults = [fault for table in others if (fault := table.ownership_fault(statements))]
    if faults:
        raise CdcError(
            f"database {connection.info.dbname}: no replica identity: {listed(faults)}. Remedy: "
            "grant that, or leave these tables out of replicaIdentityFull and replicaIdentityIndex"
        )


def _check_conflicts(connection: Connection, different: Mapping[str, str]) -> None:
    """Nothing is changed as long as one change would stop the application."""
    faults = conflicts(connection, different)
    if faults:
        raise CdcError(
            f"database {connection.info.dbname}: with the replica identity asked for, UPDATE and "
            f"DELETE would fail for the application at once: {listed(faults.values())}. Remedy: "
            "change the publication first (where it is this stack's, in a pulumi up of its own), "
            "or leave these tables out of replicaIdentityFull and replicaIdentityIndex"
        )


def _warn_of_kept(former: Mapping[str, str], back: Mapping[str, str]) -> None:
    kept = sorted(set(former) - set(back))
    if kept:
        warn(
            [
                f"the replica identity of {listed(kept)} stays as it is: without it, UPDATE and "
                "DELETE would fail for the application, because the tables are published"
            ]
        )
