"""The preflight: what stands in the way of an upgrade, and what it would do. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import ledger as ledgers
from azure_postgres_cdc.database import slot_loss
from azure_postgres_cdc.database.connection import Connection, connect, rows
from azure_postgres_cdc.errors import CdcError, explained
from azure_postgres_cdc.names import listed, quoted
from azure_postgres_cdc.operations.checks.slot import size
from azure_postgres_cdc.operations.findings import Result, State, failed, ok, unknown, warning
from azure_postgres_cdc.operations.stack import Form, Stack
from azure_postgres_cdc.operations.upgrade.verify import failures
from azure_postgres_cdc.server_args import NONE

KEEPS_SLOTS_FROM = 17
"""pg_upgrade takes logical slots along from a server of this version on."""
ADVISED_FREE, NEEDED_FREE = 0.2, 0.1

_SLOTS = """
SELECT slot_name, database::text, plugin::text, active FROM pg_replication_slots
WHERE slot_type = 'logical' AND NOT temporary ORDER BY 1
"""
_USED = """
SELECT (SELECT sum(pg_database_size(oid)) FROM pg_database)::bigint
     + (SELECT sum(size) FROM pg_ls_waldir())::bigint
"""
_PREPARED = "SELECT format('%%s of database %%I', gid, database) FROM pg_prepared_xacts ORDER BY 1"
_OWNER = "SELECT pg_get_userbyid(pubowner) FROM pg_publication WHERE pubname = %s"
_TRIGGERS = """
SELECT evtname FROM pg_event_trigger e WHERE NOT EXISTS (
    SELECT FROM pg_depend WHERE objid = e.oid AND deptype = 'e') ORDER BY 1
"""
_EXTENSIONS = "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"

Check = Callable[[Stack, int, Connection], Result]


def examine(
    stack: Stack, to: int, *, keep_slots: bool = False, fenced: Collection[str] = ()
) -> Iterator[tuple[str, Result]]:
    """Every check by name. The server's first, in one database; then each database's.

    `fenced`: databases that are read-only because an upgrade has begun.
    """
    forms = stack.forms_of(None)
    databases = sorted({form.database: form for form in forms}.items())
    login = stack.administrator(databases[0][1])
    with connect(login, databases[0][0], autocommit=True) as connection:
        for name, check in _SERVER_CHECKS.items():
            yield name, _result(check, stack, to, connection)
        yield "slots", _slots(stack, connection, keep_slots=keep_slots)
        if keep_slots:
            yield "pg_upgrade keeps slots", _keeping(stack, connection)
    for database, form in databases:
        with connect(stack.administrator(form), database, autocommit=True) as connection:
            yield f"event triggers of {database}", _event_triggers(connection)
            yield f"extensions of {database}", _extensions(connection, to)
    for form in forms:
        with connect(stack.administrator(form), form.database, autocommit=True) as connection:
            yield from _slot(stack, form, connection)
    yield "doctor", _doctor(stack, fenced)


def _slot(stack: Stack, form: Form, connection: Connection) -> Iterator[tuple[str, Result]]:
    """What is lost already, and whether the new slot could be recorded."""
    where = form.slot, form.database, form.publication
    found = slot_loss.examine(connection, *where, known=True)
    wanted = stack.plans().get((form.database, form.slot))
    is_left_to_connector = wanted is not None and not wanted.slot_options.create
    if found.slot is None and found.ledger.last is None and is_left_to_connector:
        yield (
            f"continuity of {form.slot}",
            failed(
                f"there is no slot {form.slot} yet, so nothing can be drained: createSlot: false "
                "leaves making it to the connector",
                "start the source, then pulumi up, which records the slot",
            ),
        )
    elif found.loss is not None:
        what, _, remedy = found.loss.text.partition(". Remedy: ")
        yield f"continuity of {form.slot}", failed(what, remedy)
    owners = rows(connection, _OWNER, form.publication)
    if owners and not ledgers.may_write(connection, form.publication):
        yield (
            f"record of {form.slot}",
            failed(
                f"publication {quoted(form.publication)} belongs to {quoted(owners[0])}: what is "
                "seen of the new slot could not be written into its comment",
                owner_remedy(form),
            ),
        )


def owner_remedy(form: Form) -> str:
    """What lets the administrator keep the record of a slot."""
    return (
        f"GRANT the owner of publication {quoted(form.publication)} to the administrator, or ALTER "
        "PUBLICATION ... OWNER TO the administrator"
    )


def blocks(
    results: Iterable[tuple[str, Result]], *, snapshot_afterwards: bool = False
) -> list[str]:
    """What stands in the way, each in a line.

    `snapshot_afterwards`: what is lost, and doctor says so, does not.
    """
    return [
        f"{name}: {result.evidence} (remedy: {result.remedy})"
        for name, result in results
        if result.state is State.FAILED
        and not (snapshot_afterwards and name.partition(" ")[0] in ("continuity", "doctor"))
    ]


def steps(stack: Stack, to: int, *, keep_slots: bool, read_only: bool) -> list[str]:
    """What a run would do, in its order."""
    forms = stack.forms
    databases = listed(quoted(name) for name in sorted({form.database for form in forms}))
    slots = listed(form.slot for form in forms)
    how = "set read-only for new sessions" if read_only else "left to you: stop what writes"
    who = "your own procedure" if stack.settings.server.management == NONE else "Azure"
    return [
        f"fence: database {databases} is {how}",
        f"drain: marker rows until slot {slots} has confirmed the first",
        f"stop source: you stop the source of slot {slots} in the Streamkap app",
        f"drop slot: {slots} {'stays, pg_upgrade keeps it' if keep_slots else 'is dropped'}",
        f"upgrade: {who} brings the server to PostgreSQL {to}",
        f"recreate: slot {slots}, before writes come back; verified, and written into the record",
        "verify: doctor looks at everything",
        f"unfence: database {databases} takes writes again; you resume the source",
    ]


def slots_of_others(stack: Stack) -> str:
    """The logical slots that are not this stack's, in a line; empty where there are none."""
    form = stack.forms[0]
    with connect(stack.administrator(form), form.database, autocommit=True) as connection:
        found = _others(stack, connection)
    return f"{found}. Remedy: {_OTHERS_REMEDY}" if found else ""


_OTHERS_REMEDY = (
    "settle it with its owner, who drains and drops it (SELECT pg_drop_replication_slot) and makes "
    "it again afterwards; or, where another stack has it, upgrade with all of them in one stack"
)


def _others(stack: Stack, connection: Connection) -> str:
    ours = {(form.slot, form.database) for form in stack.forms}
    others = [
        f"{name} (database {database}, plug-in {plugin}{', being read' if active else ''})"
        for name, database, plugin, active in rows(connection, _SLOTS)
        if (name, database) not in ours
    ]
    return (
        f"logical slots that are not this stack's, and would be lost: {listed(others)}"
        if (others)
        else ""
    )


def _slots(stack: Stack, connection: Connection, *, keep_slots: bool) -> Result:
    others = _others(stack, connection)
    if others and not keep_slots:
        return failed(others, _OTHERS_REMEDY)
    there = {name for name, *_ in rows(connection, _SLOTS)}
    fate = "kept" if keep_slots else "dropped once it is drained, and made again"
    return ok(f"{listed(sorted(there))}: {fate}")


def _keeping(stack: Stack, connection: Connection) -> Result:
    found = capabilities.major(connection.info.server_version)
    if found < KEEPS_SLOTS_FROM:
        return failed(
            f"pg_upgrade keeps logical slots of PostgreSQL {KEEPS_SLOTS_FROM} on; this is {found}",
            "leave out --keep-slots",
        )
    if stack.settings.server.management != NONE:
        return failed(
            "Azure wants every logical slot dropped before an upgrade", "leave out --keep-slots"
        )
    return ok("the slots stay; each is verified on the new server")


def _version(stack: Stack, to: int, connection: Connection) -> Result:
    found = capabilities.major(connection.info.server_version)
    path = f"PostgreSQL {found} to {to}"
    if to <= found:
        return failed(f"{path}: that is no upgrade", "--to a later major version")
    if to > capabilities.NEWEST:
        return failed(f"{path}: not known here", f"--to {capabilities.NEWEST} at most")
    if stack.settings.server.management != NONE:
        fault = capabilities.azure_version_fault(to)
        if fault:
            what, _, remedy = fault.partition(". Remedy: ")
            return failed(what, remedy)
    return ok(path)


def _replicas(stack: Stack, _to: int, _connection: Connection) -> Result:
    if stack.settings.server.management == NONE:
        return unknown(
            "read replicas are not looked at: management: none leaves Azure alone",
            "look for them where the server is run; they are made again after an upgrade",
        )
    server = stack.server_in_azure
    if server.facts().replica_of:
        return failed("the server is a read replica", "upgrade its primary")
    replicas = server.replicas()
    if replicas:
        names = listed(replica.id.name for replica in replicas)
        return failed(f"read replicas: {names}", "delete them, and make them again afterwards")
    return ok("no read replica")


def _storage(stack: Stack, _to: int, connection: Connection) -> Result:
    total = stack.storage_bytes
    free = total - int(rows(connection, _USED)[0])
    evidence = f"about {max(0, free) / total:.0%} of {size(total)} free"
    if free < NEEDED_FREE * total:
        return failed(f"{evidence}; an upgrade needs 10 to 20%", "grow the storage, or free some")
    if free < ADVISED_FREE * total:
        return warning(f"{evidence}; 20% are advised", "grow the storage, or free some")
    return ok(evidence)


def _prepared(_stack: Stack, _to: int, connection: Connection) -> Result:
    found = rows(connection, _PREPARED.replace("%%", "%"))
    if found:
        return failed(f"prepared transactions: {listed(found)}", "COMMIT or ROLLBACK PREPARED")
    return ok("no prepared transaction")


def _event_triggers(connection: Connection) -> Result:
    found = rows(connection, _TRIGGERS)
    if found:
        return failed(
            f"event triggers: {listed(map(quoted, found))}: Azure upgrades no server that has any",
            "DROP EVENT TRIGGER, and create them again afterwards",
        )
    return ok("none")


def _extensions(connection: Connection, to: int) -> Result:
    found = rows(connection, _EXTENSIONS)
    if not found:
        return ok("none")
    return warning(
        f"{listed(found)}: whether PostgreSQL {to} has them is not known here",
        f"look up the extensions of version {to}; ALTER EXTENSION ... UPDATE afterwards",
    )


def _doctor(stack: Stack, fenced: Collection[str]) -> Result:
    bad = list(failures(stack, fenced))
    if bad:
        return failed("; ".join(bad), "azure-postgres-cdc doctor says what helps")
    return ok("nothing failed")


def _result(check: Check, stack: Stack, to: int, connection: Connection) -> Result:
    try:
        with explained("could not be looked at"):
            return check(stack, to, connection)
    except CdcError as error:
        what, _, remedy = str(error).partition(". Remedy: ")
        return unknown(what, remedy)


_SERVER_CHECKS: dict[str, Check] = {
    "version path": _version,
    "read replicas": _replicas,
    "free storage": _storage,
    "prepared transactions": _prepared,
}
