"""The form as properties of a stock Debezium connector, for Kafka Connect.

Version 3. Two fields have no counterpart here: the topics' prefix with the database's name, and the
SSH tunnel, which Debezium does not open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from azure_postgres_cdc.database.snapshot_signal import is_plain
from azure_postgres_cdc.names import listed
from azure_postgres_cdc.operations.stack import Form

CONNECTOR = "io.debezium.connector.postgresql.PostgresConnector"
HEARTBEAT_MS = 60_000
"""How often the connector confirms its position, and writes to the heartbeat table."""

_PROVIDER = "org.apache.kafka.common.config.provider.EnvVarConfigProvider"
_NOT_IN_TOPICS = re.compile(r"[^A-Za-z0-9._-]")
_NOT_LITERAL = re.compile(r"[^\w-]", re.ASCII)
_NOT_IN_ENVIRONMENT = re.compile(r"[^A-Z0-9]")
_HEARTBEAT = (
    "INSERT INTO {} (id, text) VALUES (1, 'heartbeat')"
    " ON CONFLICT (id) DO UPDATE SET last_update = CURRENT_TIMESTAMP"
)

Entries = dict[str, str | list[str]]


def properties(name: str, form: Form, *, show_secrets: bool) -> str:
    """A .properties file. `name` tells this connector from the stack's others.

    The password is a placeholder that Kafka Connect replaces, unless it was asked for.
    """
    password = form.password if show_secrets else _placeholder(form.username)
    entries = {
        "name": name,
        "connector.class": CONNECTOR,
        "tasks.max": "1",
        "topic.prefix": _NOT_IN_TOPICS.sub("_", name),
        **_login(form, password),
        **_replication(form),
        **_tables(form),
        **_columns(form),
        **_snapshots(form),
        **_heartbeats(form),
        "binary.handling.mode": form.binary_handling,
    }
    notes = _notes(form, show_secrets=show_secrets)
    lines = [f"# {''.join(map(_escaped, note))}" for note in notes]
    lines += [f"{escaped(key)}={_written(value)}" for key, value in entries.items()]
    return "".join(f"{line}\n" for line in lines)


def _login(form: Form, password: str) -> Entries:
    return {
        "database.hostname": form.hostname,
        "database.port": str(form.port),
        "database.user": form.username,
        "database.password": password,
        "database.dbname": form.database,
        "database.sslmode": form.ssl_mode,
    }


def _replication(form: Form) -> Entries:
    """What `pulumi up` has made is used as it is: Debezium neither makes nor drops it.

    From 3.4 on it stops at a slot that begins after its own offset, as one does that somebody has
    made again, where it would otherwise go on with a gap. Before, it does not know that key.
    """
    return {
        "plugin.name": "pgoutput",
        "slot.name": form.slot,
        "slot.drop.on.stop": "false",
        "offset.mismatch.strategy": "trust_offset",
        "publication.name": form.publication,
        "publication.autocreate.mode": "disabled",
    }


def _tables(form: Form) -> Entries:
    """Regular expressions, each of which matches the whole of one name."""
    lists = {"schema.include.list": form.schemas, "table.include.list": form.tables}
    return {key: [literal(name) for name in names] for key, names in lists.items() if names}


def _columns(form: Form) -> Entries:
    """Snapshots read the publication's columns only, if they are told."""
    return {"column.include.list": included_columns(form)} if form.columns else {}


def included_columns(form: Form) -> list[str]:
    """Expressions for `schema.table.column`: all columns of every table, but for these."""
    tables = {literal(table.plain): names for table, names in form.columns.items()}
    return [
        f"(?!(?:{'|'.join(tables)})[.]).*",
        *(f"{table}[.](?:{'|'.join(map(literal, names))})" for table, names in tables.items()),
    ]


def _snapshots(form: Form) -> Entries:
    table = form.signal_table
    how = {"read.only": "true"} if table is None else {"signal.data.collection": str(table)}
    return {"snapshot.mode": "initial", **how, **_rows(form)}


def _rows(form: Form) -> Entries:
    """The first snapshot reads the publication's rows only, if it is told."""
    key = "snapshot.select.statement.overrides"
    queries = {
        f"{key}.{table.plain}": f"SELECT * FROM {table} WHERE ({condition})"  # noqa: S608
        for table, condition in form.row_filters.items()
        if is_plain(table)
    }
    tables = [table.plain for table in form.row_filters if is_plain(table)]
    return {key: tables, **queries} if tables else {}


def _heartbeats(form: Form) -> Entries:
    if not form.heartbeats:
        return {}
    table = form.heartbeat_table
    query = {"heartbeat.action.query": _HEARTBEAT.format(table)} if table else {}
    return {"heartbeat.interval.ms": str(HEARTBEAT_MS), **query}


def _notes(form: Form, *, show_secrets: bool) -> Iterator[str]:
    """What a reader has to know, or to add."""
    yield f"Debezium 3, for Kafka Connect: database {form.database}, slot {form.slot}"
    yield "Offsets and topics hang on name and topic.prefix: do not change them later."
    if not show_secrets:
        yield "The password comes from the worker's environment, by these lines in its own file:"
        yield "  config.providers=env"
        yield "  config.providers.env.class=" + _PROVIDER
    if form.read_only:
        yield "Read-only: to ask for snapshots later, add signal.enabled.channels=kafka,"
        yield "signal.kafka.topic and signal.kafka.bootstrap.servers."
    if unsaid := [table for table in form.row_filters if not is_plain(table)]:
        yield f"The first snapshot reads every row of {listed(unsaid)}: such names go unsaid."
    if form.ssh_host is not None:
        yield f"Debezium opens no SSH tunnel; the form has one through {form.ssh_host}."


def _placeholder(user: str) -> str:
    return f"${{env:{_NOT_IN_ENVIRONMENT.sub('_', user.upper())}_PASSWORD}}"


def literal(name: str) -> str:
    r"""A regular expression that matches this name only.

    Debezium splits the list at commas and trims each part, so those are written as \x2c and \x20.
    """
    return _NOT_LITERAL.sub(_code, name)


def _code(match: re.Match[str]) -> str:
    character = match[0]
    if character == ".":
        return "[.]"
    return f"\\x{ord(character):02x}" if character.isascii() else character


def _written(value: str | list[str]) -> str:
    """A list has one item a line."""
    if isinstance(value, str):
        return escaped(value)
    return ",\\\n    ".join(map(escaped, value))


def escaped(text: str) -> str:
    """A value as java.util.Properties reads it: Latin-1, with escapes for everything else."""
    text = "".join(map(_escaped, text))
    return f"\\{text}" if text.startswith(" ") else text


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if " " <= character <= "~":
        return character
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
