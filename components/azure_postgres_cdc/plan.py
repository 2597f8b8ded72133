"""What a connector's arguments mean, every default filled in. No resources here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

from azure_postgres_cdc.connector import FormArgs, bulk_upload
from azure_postgres_cdc.database.capture import (
    CaptureArgs,
    capture_fault,
    captured_schemas,
    normalised,
)
from azure_postgres_cdc.database.grants import GrantsArgs, grants_faults
from azure_postgres_cdc.database.schema_access import ALL, CAPTURED, NONE, RoleAccess
from azure_postgres_cdc.dynamic import unpack
from azure_postgres_cdc.names import (
    DEFAULT_PUBLICATION,
    DEFAULT_ROLE,
    DEFAULT_SCHEMA,
    DEFAULT_SLOT,
    DEFAULT_USER,
    HEARTBEAT_TABLE,
    SIGNAL_TABLE,
    TableName,
    identifier_fault,
    quoted,
    signal_schema_fault,
    slot_fault,
)
from azure_postgres_cdc.publication_options import (
    PublicationArgs,
    PublicationOptions,
    option_faults,
)
from azure_postgres_cdc.slot_options import SlotArgs, SlotOptions, slot_option_faults


class ConnectorArgs(PublicationArgs, SlotArgs, TypedDict):
    """One connector's view of the database: what it captures, and under which names."""

    capture: CaptureArgs
    """What is captured: `tables`, `schemas` or `allTables`."""
    user: NotRequired[str]
    """Its login user, one of the server's. Default `streamkap_user`."""
    role: NotRequired[str]
    """The group role that gets the grants. Default `streamkap_role`."""
    publication: NotRequired[str]
    """Its publication's name. A new name is refused until `acknowledge` has the word. Default
    `streamkap_pub`."""
    slot: NotRequired[str]
    """Its replication slot's name, unique on the server. A new name is refused until `acknowledge`
    has the word. Default `streamkap_pgoutput_slot`."""
    snapshots: NotRequired[Literal["signal-table", "read-only"]]
    """`signal-table` (default, the page's method 2) or `read-only` (method 1, PostgreSQL 13+)."""
    heartbeat: NotRequired[bool]
    """Make the heartbeat table, for quiet databases. Default false; not with `read-only`."""
    replicaIdentityFull: NotRequired[bool | Sequence[str]]
    """REPLICA IDENTITY FULL for every captured table, or for these. Default false."""
    replicaIdentityIndex: NotRequired[Mapping[str, str]]
    """REPLICA IDENTITY USING INDEX: tables, and the name of a unique index of each, neither
    partial nor deferrable, on NOT NULL columns; partitions included. An index goes before
    `replicaIdentityFull: true`; a table that is in both lists is a fault. Default: none."""
    allowWithoutIdentity: NotRequired[Sequence[str]]
    """Captured tables that rows are only ever inserted into: they may be published without a
    replica identity, though UPDATE and DELETE on them would then fail for the application. Other
    tables without one are refused. Default: none."""
    owners: NotRequired[Sequence[str]]
    """Roles that create tables in the captured schemas, whose future tables are to be readable at
    once. Default: the administrator and every role that owns a table there, looked up at each
    `up`."""
    grants: NotRequired[GrantsArgs]
    """How much the group role gets. Default: what the page grants."""
    dropSignalTable: NotRequired[bool]
    """Let go of the signal table even while it holds rows. Default false: it then stays."""
    form: NotRequired[FormArgs]
    """The rest of the connector's form."""


@dataclass(frozen=True)
class Plan:
    """A connector's arguments with every default filled in, and every list in order."""

    capture: CaptureArgs
    user: str
    role: str
    publication: str
    slot: str
    read_only: bool
    signal_schema: str | None
    heartbeat_schema: str | None
    full_identity: CaptureArgs | None
    identity_indexes: Mapping[str, str]
    allow_without_identity: tuple[str, ...]
    owners: tuple[str, ...]
    discover_owners: bool
    grants: GrantsArgs
    drop_signal_table: bool
    form: FormArgs
    publication_options: PublicationOptions
    slot_options: SlotOptions

    @classmethod
    def of(cls, args: ConnectorArgs, administrator: str) -> Plan:
        form = args.get("form", {})
        full = _full_identity(args)
        read_only = args.get("snapshots") == "read-only"
        signal_schema = None if read_only else form.get("signalSchema", DEFAULT_SCHEMA)
        heartbeat_schema = form.get("heartbeatSchema", signal_schema)
        return cls(
            capture=normalised(args["capture"]),
            user=args.get("user", DEFAULT_USER),
            role=args.get("role", DEFAULT_ROLE),
            publication=args.get("publication", DEFAULT_PUBLICATION),
            slot=args.get("slot", DEFAULT_SLOT),
            read_only=read_only,
            signal_schema=signal_schema,
            heartbeat_schema=heartbeat_schema if args.get("heartbeat") else None,
            full_identity=full and normalised(full),
            identity_indexes=_by_table(args.get("replicaIdentityIndex", {})),
            allow_without_identity=tuple(
                sorted(
                    {str(TableName.parse(name)) for name in args.get("allowWithoutIdentity", ())}
                )
            ),
            owners=tuple(args.get("owners") or (administrator,)),
            discover_owners=not args.get("owners"),
            grants=args.get("grants", {}),
            drop_signal_table=args.get("dropSignalTable", False),
            form=form,
            publication_options=PublicationOptions.of(args),
            slot_options=SlotOptions.of(args),
        )

    @property
    def schemas(self) -> list[str] | None:
        """The captured schemas; None for all of them."""
        return captured_schemas(self.capture)

    def captured_schemas(self, published: str | None, partitions: str | None = None) -> list[str]:
        """The form's schemas: the captured ones and, where all of them are, or where partitions
        are published by their own names, those of what is published."""
        names = self._captured(published, partitions)
        return sorted({TableName.parse(name).schema for name in names}.union(self.schemas or ()))

    def captured_tables(self, published: str | None, partitions: str | None = None) -> str:
        """The form's tables: what is published without our own, roots and never partitions.

        `partitions`: of each root, where they are published by their own names. Then they stand for
        it: the connector gets no change of a name that it does not know.

        Without SQL's quotes, which few names have: ten thousand need not be taken apart.
        """
        names = self._captured(published, partitions)
        return bulk_upload(TableName.parse(name).plain if '"' in name else name for name in names)

    def _captured(self, published: str | None, partitions: str | None) -> list[str]:
        own = set(map(str, self.own_tables))
        names = [name for name in unpack(published) or () if name not in own]
        leaves = unpack(partitions) or {}
        if not leaves:  # the order of ten thousand stays as it is
            return names
        by_own_name = {leaf for found in leaves.values() for leaf in found}
        return sorted(by_own_name.union(name for name in names if name not in leaves))

    @property
    def own_tables(self) -> tuple[TableName, ...]:
        """The tables that the connector itself writes to."""
        wanted = ((self.signal_schema, SIGNAL_TABLE), (self.heartbeat_schema, HEARTBEAT_TABLE))
        return tuple(TableName(schema, name) for schema, name in wanted if schema)


def _full_identity(args: ConnectorArgs) -> CaptureArgs | None:
    wanted = args.get("replicaIdentityFull", False)
    if wanted is True:
        return args["capture"]
    return {"tables": list(wanted)} if wanted else None


def _by_table(indexes: Mapping[str, str]) -> dict[str, str]:
    return {str(TableName.parse(text)): index for text, index in indexes.items()}


def own_table_schemas(plans: Sequence[Plan]) -> set[str]:
    return {table.schema for plan in plans for table in plan.own_tables}


def access_of(role: str, plans: Sequence[Plan], *, bypass_rls: bool = False) -> RoleAccess:
    """What a role needs for all connectors that use it: what any of them asks for.

    `bypass_rls`: row-level security hides nothing from their logins.
    """
    mine = [plan for plan in plans if plan.role == role]
    everything = any(plan.schemas is None for plan in mine)
    captured = _captured_by(mine)
    writes = own_table_schemas(mine)
    return RoleAccess(
        role=role,
        captured=None if everything else captured,
        writes=frozenset(writes),
        own_schemas=frozenset(writes & connector_schemas(plans)),
        captures=tuple(sorted((plan.capture for plan in mine), key=str)),
        owners=tuple(sorted({owner for plan in mine for owner in plan.owners})),
        discover_owners=any(plan.discover_owners for plan in mine),
        create=any(plan.grants.get("create", True) for plan in mine),
        table_grants=_table_grants(mine),
        partitions=any(not plan.publication_options.via_partition_root for plan in mine),
        users=() if bypass_rls else tuple(sorted({plan.user for plan in mine})),
        read_only=any(plan.read_only for plan in mine),
    )


def connector_schemas(plans: Sequence[Plan]) -> set[str]:
    """The schemas that hold the connectors' own tables and are not the application's."""
    return own_table_schemas(plans) - _captured_by(plans) - {"public"}


def _captured_by(plans: Sequence[Plan]) -> frozenset[str]:
    """The schemas that any of the connectors captures by name."""
    return frozenset(schema for plan in plans for schema in plan.schemas or ())


def _table_grants(plans: Sequence[Plan]) -> str:
    if any(plan.grants.get("readAllData") for plan in plans):
        return NONE
    everything = any(plan.grants.get("tables", ALL) == ALL for plan in plans)
    return ALL if everything else CAPTURED


def faults_of(database: str, connectors: Sequence[ConnectorArgs]) -> list[str]:
    """Every fault of a source's arguments (rule 5 of the house)."""
    faults = [] if connectors else ["connectors is empty: a source has at least one"]
    faults += [f"database {database!r} {fault}" for fault in _named(database)]
    for index, connector in enumerate(connectors):
        faults += [f"connectors[{index}]: {fault}" for fault in _connector_faults(connector)]
    for key, default in (("publication", DEFAULT_PUBLICATION), ("slot", DEFAULT_SLOT)):
        names = [str(connector.get(key, default)) for connector in connectors]
        twice = sorted({item for item in names if names.count(item) > 1})
        faults += [f"{key} {item} is used by two connectors; each needs its own" for item in twice]
    return faults or list(identity_faults(connectors))


def identity_faults(connectors: Sequence[ConnectorArgs]) -> Iterator[str]:
    """Tables of one database that would get two replica identities."""
    wanted: dict[TableName, set[str]] = {}
    for connector in connectors:
        for text, index in connector.get("replicaIdentityIndex", {}).items():
            wanted.setdefault(TableName.parse(text), set()).add(f"USING INDEX {quoted(index)}")
    for connector in connectors:
        for table in _full_among(connector, wanted):
            wanted[table].add("FULL")
    for table, identities in sorted(wanted.items()):
        if len(identities) > 1:
            asked = " and ".join(sorted(identities))
            yield f"{table} is to have the replica identities {asked}; a table has one"


def _full_among(connector: ConnectorArgs, tables: Iterable[TableName]) -> set[TableName]:
    """Those that a connector wants FULL: `true` leaves out what it has an index for."""
    capture = _full_identity(connector)
    if capture is None:
        return set()
    everything, schemas = capture.get("allTables"), capture.get("schemas", ())
    named = set(map(TableName.parse, capture.get("tables", ())))
    found = {item for item in tables if everything or item.schema in schemas or item in named}
    if connector.get("replicaIdentityFull") is True:
        found -= set(map(TableName.parse, connector.get("replicaIdentityIndex", {})))
    return found


def _connector_faults(args: ConnectorArgs) -> Iterator[str]:
    fault = capture_fault(args["capture"])
    if fault:
        yield f"capture {fault}"
    full = args.get("replicaIdentityFull", False)
    yield from _table_faults("capture.tables", args["capture"].get("tables", ()))
    yield from _table_faults("replicaIdentityFull", () if isinstance(full, bool) else full)
    indexes = args.get("replicaIdentityIndex", {})
    yield from _table_faults("replicaIdentityIndex", list(indexes))
    for item in indexes.values():
        yield from (f"replicaIdentityIndex: {item!r} {fault}" for fault in _named(item))
    yield from _table_faults("allowWithoutIdentity", args.get("allowWithoutIdentity", ()))
    for item in args["capture"].get("schemas", ()):
        yield from (f"capture.schemas: {item!r} {fault}" for fault in _named(item))
    for item in args.get("owners", ()):
        yield from (f"owners: {item!r} {fault}" for fault in _named(item))
    names = {key: str(args[key]) for key in ("user", "role", "publication") if key in args}
    for key, name in names.items():
        yield from (f"{key} {name!r} {fault}" for fault in _named(name))
    fault = slot_fault(args.get("slot", DEFAULT_SLOT))
    if fault:
        yield f"slot {args.get('slot')!r} {fault}"
    form = args.get("form", {})
    if "signalSchema" in form and (fault := signal_schema_fault(form["signalSchema"])):
        yield f"form.signalSchema: {form['signalSchema']!r} {fault}"
    if "heartbeatSchema" in form and (fault := identifier_fault(form["heartbeatSchema"])):
        yield f"form.heartbeatSchema: {form['heartbeatSchema']!r} {fault}"
    yield from grants_faults(args.get("grants", {}))
    if args.get("snapshots") == "read-only" and args.get("heartbeat"):
        yield "heartbeat needs a read-write connection, but snapshots is read-only"
    yield from option_faults(args, args["capture"])
    yield from slot_option_faults(args)


def _table_faults(key: str, names: Sequence[str]) -> Iterator[str]:
    for text in names:
        try:
            TableName.parse(text)
        except ValueError as error:
            yield f"{key}: {error}"


def _named(name: str) -> Iterator[str]:
    fault = identifier_fault(name)
    if fault:
        yield fault
