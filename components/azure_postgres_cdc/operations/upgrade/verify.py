"""Doctor's eyes on the new server, before writes come back."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from azure_postgres_cdc.database.connection import connect, rows
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations import doctor
from azure_postgres_cdc.operations.findings import State
from azure_postgres_cdc.operations.stack import Form, Stack
from azure_postgres_cdc.operations.upgrade.context import Upgrade
from azure_postgres_cdc.operations.upgrade.fence import is_lifted

_READ_ONLY = "[25006]"
_MAY_WRITE = "SELECT has_table_privilege(%s, %s, 'INSERT')"


class Verify:
    """Role, grants, tables, publication and slot are as the connector needs them."""

    name = "verify"

    def is_true(self, run: Upgrade) -> bool:
        return not _failures(run)

    def make_true(self, run: Upgrade) -> None:
        raise CdcError(
            f"doctor finds on the new server: {'; '.join(_failures(run))}. Writes stay fenced. "
            "Remedy: azure-postgres-cdc doctor says what helps; then the same command again"
        )

    def evidence(self, run: Upgrade) -> str:
        return f"doctor finds nothing failed on stack {run.stack.name}"


def failures(stack: Stack, fenced: Collection[str]) -> Iterator[str]:
    """What doctor finds failed, but for what cannot be tried in a database that is read-only."""
    for found in doctor.examine(stack).findings:
        is_fence = found.database in fenced and _READ_ONLY in found.evidence
        if found.state is State.FAILED and not is_fence:
            yield f"{found.check} of {found.database}: {found.evidence}"
    for form in stack.forms:
        if form.database in fenced:
            yield from _not_writable(stack, form)


def fenced_databases(run: Upgrade) -> list[str]:
    """Where the run itself forbids writes now."""
    return [database for database in run.databases if not is_lifted(run, database)]


def _failures(run: Upgrade) -> list[str]:
    return list(failures(run.stack, fenced_databases(run)))


def _not_writable(stack: Stack, form: Form) -> Iterator[str]:
    with connect(stack.administrator(form), form.database, autocommit=True) as connection:
        for table in sorted(form.own_tables):
            if not rows(connection, _MAY_WRITE, form.username, str(table))[0]:
                yield f"{form.username} may not insert into {table} of {form.database}"
