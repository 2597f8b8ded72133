"""CdcSource: everything that one captured database needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

import pulumi

from azure_postgres_cdc.argument_shapes import shape_faults
from azure_postgres_cdc.connector import connector_settings
from azure_postgres_cdc.database.capture import CaptureArgs
from azure_postgres_cdc.database.connection import DEFAULT_PORT
from azure_postgres_cdc.database.heartbeat_table import HeartbeatTable
from azure_postgres_cdc.database.publication import Publication
from azure_postgres_cdc.database.replica_identity import ReplicaIdentity
from azure_postgres_cdc.database.schema_access import SchemaAccess
from azure_postgres_cdc.database.signal_table import SignalTable
from azure_postgres_cdc.database.slot import ReplicationSlot
from azure_postgres_cdc.database.slot_guard import ConnectorSlot
from azure_postgres_cdc.errors import InvalidSettings
from azure_postgres_cdc.names import (
    DEFAULT_ROLE,
    DEFAULT_USER,
    HEARTBEAT_TABLE,
    SIGNAL_TABLE,
    TableName,
)
from azure_postgres_cdc.plan import (
    ConnectorArgs,
    Plan,
    access_of,
    faults_of,
)
from azure_postgres_cdc.server import CdcServer


class CdcSourceArgs(TypedDict):
    """One database and its connectors: one, in almost every case."""

    server: CdcServer
    """The server that the database is on."""
    database: str
    """The database's name."""
    connectors: Sequence[ConnectorArgs]
    """At least one. Each has its own publication and slot; grants and tables are shared."""


class CdcSource(pulumi.ComponentResource):
    """One database made ready: grants, signal table, replica identity, publication, slot.

    What it does not do: create the database, the captured tables or the connector itself. The
    slot, the publication and the signal table are protected: losing one loses data.
    """

    connectors: list[dict[str, Any]]
    """What goes into each connector's form; the password is a secret."""

    def __init__(
        self, name: str, args: CdcSourceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        shapes = list(shape_faults(CdcSourceArgs, args))
        if shapes:
            raise InvalidSettings(f"CdcSource {name}", shapes)
        faults = faults_of(args["database"], args["connectors"])
        faults += _user_faults(args["server"].users, args["connectors"])
        faults += _read_all_data_faults(args["server"].read_all_data, args["connectors"])
        if faults:
            raise InvalidSettings(f"CdcSource {name}", faults)
        super().__init__("azure-postgres-cdc:index:CdcSource", name, None, opts)
        self._name = name
        self._server = args["server"]
        self._connection = self._server.connection
        self._database = args["database"]
        plans = [Plan.of(item, self._connection["user"]) for item in args["connectors"]]
        self._slots = [
            ConnectorSlot(plan.slot, plan.publication, plan.slot_options.acknowledge_lost)
            for plan in plans
        ]
        grants = self._grants(plans)
        # Read-only connectors have no tables of their own, so the grants are always in the chain.
        ready = [*grants, *self._own_tables(plans, grants)]
        ready += self._replica_identity(plans, ready)
        publications = [self._publication(plan, plans, ready) for plan in plans]
        slots = [self._slot(*pair) for pair in zip(plans, publications, strict=True)]
        self._server.turns.end(slots[-1])
        self.connectors = [self._form(*pair) for pair in zip(plans, publications, strict=True)]
        # Not the forms themselves: the program exports them, and ten thousand tables travel once.
        self.register_outputs({"connectors": [form["name"] for form in self.connectors]})

    def _grants(self, plans: Sequence[Plan]) -> list[pulumi.Resource]:
        """Each role's grants, once, however many connectors use the role.

        One role after the other, so that two of them do not make the same schema at once.
        """
        made: list[pulumi.Resource] = []
        database = self._server.turns.begin(self._database)
        for role in sorted({plan.role for plan in plans}):
            access = access_of(role, plans, bypass_rls=self._server.login.get("bypassRls", False))
            made.append(
                SchemaAccess(
                    f"{self._name}-schemas-{role}",
                    self._connection,
                    database,
                    access,
                    self._options([*self._server.roles.resources, *made]),
                    slots=self._slots,
                    acknowledge=sorted(
                        {word for plan in plans for word in plan.publication_options.acknowledge}
                    ),
                )
            )
        return made

    def _own_tables(
        self, plans: Sequence[Plan], after: Sequence[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        """The signal and heartbeat tables, each once, writable for every role that uses it."""
        writers: dict[TableName, set[str]] = {}
        for plan in plans:
            for table in plan.own_tables:
                writers.setdefault(table, set()).add(plan.role)
        kinds = {SIGNAL_TABLE: SignalTable, HEARTBEAT_TABLE: HeartbeatTable}
        may_go = {plan.signal_schema for plan in plans if plan.drop_signal_table}
        return [
            kinds[table.name](
                f"{self._name}-{table.schema}-{table.name}",
                self._connection,
                self._database,
                table.schema,
                sorted(roles),
                self._options(after, protect=table.name == SIGNAL_TABLE),
                drop_with_rows=table.name == HEARTBEAT_TABLE or table.schema in may_go,
                slots=self._slots,
            )
            for table, roles in sorted(writers.items())
        ]

    def _replica_identity(
        self, plans: Sequence[Plan], after: Sequence[pulumi.Resource]
    ) -> list[pulumi.Resource]:
        captures = _full_captures(plans)
        indexes = _indexes(plans)
        if not captures and not indexes:
            return []
        return [
            ReplicaIdentity(
                f"{self._name}-replica-identity",
                self._connection,
                self._database,
                captures,
                indexes,
                sorted({table for plan in plans for table in plan.own_tables}),
                self._options(after),
                slots=self._slots,
            )
        ]

    def _publication(
        self, plan: Plan, plans: Sequence[Plan], after: Sequence[pulumi.Resource]
    ) -> Publication:
        """Once the tables can be published: what is asked for is there, and can be updated.

        A table has one replica identity, whichever connector has asked for it.
        """
        others = [item for item in plans if item is not plan]
        return Publication(
            f"{self._name}-{plan.publication}",
            self._connection,
            self._database,
            plan.publication,
            plan.role,
            plan.capture,
            plan.own_tables,
            plan.full_identity,
            plan.identity_indexes,
            plan.allow_without_identity,
            plan.publication_options,
            plan.slot,
            _full_captures(others),
            _indexes(others),
            self._options(after, protect=True),
            slots=self._slots,
        )

    def _slot(self, plan: Plan, publication: Publication) -> ReplicationSlot:
        """After its publication, of which it passes on the changes."""
        return ReplicationSlot(
            f"{self._name}-{plan.slot}",
            self._connection,
            self._database,
            plan.slot,
            plan.publication,
            plan.slot_options,
            acknowledge=plan.publication_options.acknowledge,
            slots_of_database=[slot.name for slot in self._slots],
            failover=self._server.failover_slots,
            storage_gib=self._server.storage_gib,
            opts=self._options([publication], protect=plan.slot_options.on_destroy == "refuse"),
        )

    def _form(self, plan: Plan, publication: Publication) -> dict[str, Any]:
        """What goes into the connector's form."""
        published = pulumi.Output.all(publication.tables, publication.partitions)
        return connector_settings(
            hostname=self._connection["host"],
            port=self._connection.get("port", DEFAULT_PORT),
            database=self._database,
            username=plan.user,
            password=self._server.roles.passwords[plan.user],
            read_only=plan.read_only,
            signal_schema=plan.signal_schema,
            heartbeat_schema=plan.heartbeat_schema,
            slot=plan.slot,
            publication=plan.publication,
            schemas=plan.schemas
            if plan.schemas and plan.publication_options.via_partition_root
            else published.apply(lambda found: plan.captured_schemas(*found)),
            tables=published.apply(lambda found: plan.captured_tables(*found)),
            columns=plan.publication_options.columns,
            row_filters=plan.publication_options.row_filters,
            form=plan.form,
        )

    def _options(
        self, after: Sequence[pulumi.Resource], *, protect: bool = False
    ) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=[*after], protect=protect)


def _full_captures(plans: Sequence[Plan]) -> list[CaptureArgs]:
    """What connectors want FULL, in an order that is not that of the connectors."""
    return sorted((plan.full_identity for plan in plans if plan.full_identity), key=str)


def _indexes(plans: Sequence[Plan]) -> dict[str, str]:
    return {table: name for plan in plans for table, name in plan.identity_indexes.items()}


def _user_faults(
    users: Mapping[str, Sequence[str]], connectors: Sequence[ConnectorArgs]
) -> Iterator[str]:
    """A connector logs in as one of the server's users, and its role holds that user's grants."""
    for index, connector in enumerate(connectors):
        user = connector.get("user", DEFAULT_USER)
        role = connector.get("role", DEFAULT_ROLE)
        if user not in users:
            yield f"connectors[{index}]: user {user!r} is none of the server's users"
        elif role not in users[user]:
            yield f"connectors[{index}]: user {user!r} is not in role {role!r} on the server"


def _read_all_data_faults(
    roles: Sequence[str], connectors: Sequence[ConnectorArgs]
) -> Iterator[str]:
    """A connector without grants on tables needs a role that reads them anyway."""
    for index, connector in enumerate(connectors):
        role = connector.get("role", DEFAULT_ROLE)
        if connector.get("grants", {}).get("readAllData") and role not in roles:
            yield f"connectors[{index}]: role {role!r} is not in the server's readAllData"
