"""The end: writes come back, and the connector goes on."""

from __future__ import annotations

from azure_postgres_cdc.names import listed, quoted
from azure_postgres_cdc.operations.upgrade import drain
from azure_postgres_cdc.operations.upgrade.context import Upgrade
from azure_postgres_cdc.operations.upgrade.fence import is_lifted, is_read_only, lift
from azure_postgres_cdc.server_args import CREATE


class Unfence:
    """Each database is set to what it was before the fence."""

    name = "unfence"

    def is_true(self, run: Upgrade) -> bool:
        return all(is_lifted(run, database) for database in _databases(run))

    def make_true(self, run: Upgrade) -> None:
        for database in _databases(run):
            lift(run, database)

    def evidence(self, run: Upgrade) -> str:
        """Never that writes are welcome where somebody else, or a run whose record is lost, has
        made a database read-only."""
        closed = [database for database in _databases(run) if is_read_only(run, database)]
        lines = [
            f"database {quoted(database)} takes writes again"
            for database in _databases(run)
            if database not in closed
        ]
        lines += [
            f"database {quoted(database)} is read-only for new sessions, as it was before this "
            f"run. Where it was not meant to be: ALTER DATABASE {quoted(database)} RESET "
            "default_transaction_read_only"
            for database in closed
        ]
        return "; ".join(lines)


def _databases(run: Upgrade) -> list[str]:
    """The stack's, and what was fenced before it left the stack."""
    fenced = [name for name, record in run.state.databases.items() if record.is_to_give_back]
    gone = [name for name in fenced if name not in run.databases and run.has_database(name)]
    return [*run.databases, *gone]


def clean_up(run: Upgrade) -> None:
    """Marker rows go. The connector gets their deletion as an event, which means nothing to it."""
    for form in run.forms:
        with run.connect(form.database) as connection:
            drain.remove_markers(connection, form)


def farewell(run: Upgrade) -> list[str]:
    """What is left to a person."""
    lines = []
    for form in run.forms:
        reasons = run.record(form).unproven
        if reasons:
            lines.append(
                f"NOT PROVED for slot {form.slot}: {'; '.join(reasons)}. Snapshot every captured "
                f"table: azure-postgres-cdc snapshot --stack {run.stack.name} --database "
                f"{form.database} --slot {form.slot} --all; pulumi up reminds of it until then"
            )
    lines.append(
        f"resume source: writes are welcome again; resume the source of slot "
        f"{listed(form.slot for form in run.forms)} in the Streamkap app"
    )
    lines.append(
        f"then: vacuumdb --all --analyze-in-stages (the new server has few statistics), "
        f"and {_last_words(run)}"
    )
    return lines


def _last_words(run: Upgrade) -> str:
    if run.stack.settings.server.management == CREATE:
        return (
            f"set server.create.version: {run.state.to}, then pulumi refresh, then pulumi up, "
            "which changes nothing"
        )
    return "pulumi up, which changes nothing"
