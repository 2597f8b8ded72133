"""The page's form, field by field, for somebody who fills it in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from azure_postgres_cdc.errors import printable
from azure_postgres_cdc.names import TableName, listed
from azure_postgres_cdc.operations.stack import Form

WIDTH = 80
HIDDEN = "[secret: --show-secrets]"
MOST = 20
"""A longer list of schemas or tables is uploaded, not typed."""

Fields = list[tuple[str, str | list[str]]]
"""Name and value, or values one below the other."""


def page(forms: Sequence[Form], *, show_secrets: bool) -> str:
    """Every form as a table, under the page's names and in the page's order."""
    file = StringIO()
    console = Console(file=file, width=WIDTH, color_system=None, highlight=False)
    for form in forms:
        console.print(Text(printable(f"database {form.database}, slot {form.slot}")))
        console.print(_table(sections(form, show_secrets=show_secrets)))
        for line in (*_columns_unsaid(form), *rows_unsaid(form)):
            console.print(Text(line))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def sections(form: Form, *, show_secrets: bool) -> dict[str, Fields]:
    """The page's sections with their fields. A field that does not apply is left out."""
    return {
        "Connection Settings": _connection(form, show_secrets=show_secrets),
        "Snapshot Settings": (
            [("Signal Table Schema", form.signal_schema)]
            if form.signal_schema is not None
            else [("", "nothing: Read only is Yes")]
        ),
        "Replication Settings": [
            ("Replication Slot Name", form.slot),
            ("Publication Name", form.publication),
        ],
        "Advanced Parameters": [
            ("SSL mode", form.ssl_mode),
            ("Prefix with Database Name?", _yes(form.prefix_with_database_name)),
            ("Represent binary data as", form.binary_handling),
        ],
        "Schema and Table Capture": [
            ("Add Schemas/Tables", _listed(form.tables or form.schemas)),
        ],
    }


def _columns_unsaid(form: Form) -> Iterator[str]:
    if form.columns:
        yield (
            f"The publication has some columns only of {_names(form.columns)}. Snapshots read all "
            "of them, unless the connector's list of columns says so too (--format terraform)."
        )


def rows_unsaid(form: Form) -> Iterator[str]:
    """What no field keeps a snapshot from reading."""
    if form.row_filters:
        # Over a read-only connection there is no signal table for it to write to.
        later = "" if form.read_only else "; azure-postgres-cdc snapshot asks for these only"
        yield (
            f"The publication has some rows only of {_names(form.row_filters)}. The connector's "
            f"first snapshot reads all of them{later}."
        )


def _names(tables: Iterable[TableName]) -> str:
    return printable(listed(tables))


def _connection(form: Form, *, show_secrets: bool) -> Fields:
    fields: Fields = [
        ("Name", form.name),
        ("Hostname", form.hostname),
        ("Port", str(form.port)),
        ("Connect via SSH Tunnel", _yes(form.ssh_host is not None)),
    ]
    if form.ssh_host is not None:
        fields += [
            ("SSH Host", form.ssh_host),
            ("SSH Port", str(form.ssh_port)),
            ("SSH User", form.ssh_user),
        ]
    fields += [
        ("Username", form.username),
        ("Password", form.password if show_secrets else HIDDEN),
        ("Database", form.database),
        ("Read only", _yes(form.read_only)),
        ("Heartbeats", _yes(form.heartbeats)),
    ]
    if not form.read_only:
        fields.append(("Heartbeat Table Schema", form.heartbeat_schema or "(empty)"))
    return fields


def _listed(names: Sequence[str]) -> list[str]:
    more = len(names) - MOST
    return [*names[:MOST], f"and {more:,} more: --format csv"] if more > 0 else [*names]


def _table(content: dict[str, Fields]) -> Table:
    table = Table("", "", box=box.SIMPLE_HEAD, show_header=False)
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for section, fields in content.items():
        table.add_section()
        table.add_row(Text(section), "")
        for name, value in fields:
            values = [value] if isinstance(value, str) else value
            # Text, and no markup: a table may be called [bold].
            table.add_row(Text(f"  {name}"), Text("\n".join(map(printable, values))))
    return table


def _yes(value: bool) -> str:
    return "Yes" if value else "No"
