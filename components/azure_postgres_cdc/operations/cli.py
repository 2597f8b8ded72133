"""The command line: `azure-postgres-cdc`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from azure_postgres_cdc.errors import CdcError, InvalidSettings, explained
from azure_postgres_cdc.operations import doctor as diagnosis
from azure_postgres_cdc.operations import record as records
from azure_postgres_cdc.operations import snapshot as snapshots
from azure_postgres_cdc.operations.findings import Report, State
from azure_postgres_cdc.operations.report import show
from azure_postgres_cdc.operations.stack import load
from azure_postgres_cdc.operations.upgrade import commands as upgrades

FAILED, COULD_NOT_RUN = 1, 2
"""Exit statuses, beside 0. A wrong call is 2 as well."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Looks after what azure-postgres-cdc's stacks have made ready.",
)

upgrade = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Upgrade the server's major version without losing a change. docs/upgrade.md.",
)
app.add_typer(upgrade, name="upgrade")

StackName = Annotated[str, typer.Option("--stack", "-s", help="The stack, as pulumi knows it.")]
Project = Annotated[
    Path | None, typer.Option(help="The folder of Pulumi.yaml. Default: the nearest upwards.")
]
Database = Annotated[str | None, typer.Option(help="Only this database.")]
Version = Annotated[int, typer.Option("--to", help="The major version, such as 18.")]
Record = Annotated[
    Path | None,
    typer.Option(
        "--state", help="Where it is kept. Default: upgrade.STACK.json beside the stack's file."
    ),
]
ReadOnly = Annotated[
    bool, typer.Option("--read-only-database", help="New sessions are read-only meanwhile.")
]
KeepSlots = Annotated[
    bool, typer.Option("--keep-slots", help="Your pg_upgrade keeps them (PostgreSQL 17 and later).")
]
Minutes = Annotated[float, typer.Option(min=0, help="How long one step waits for somebody.")]


@app.command()
def doctor(
    stack: StackName,
    project: Project = None,
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as failed.")] = False,
) -> None:
    """Look at every connector as the connector would, and say how it stands.

    Exit status: 0 nothing failed, 1 something failed, 2 could not run.
    """
    with _one_line():
        report = diagnosis.examine(load(stack, project), database)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        show(report, Console(highlight=False))
    raise typer.Exit(_status(report, strict=strict))


@app.command()
def snapshot(
    stack: StackName,
    project: Project = None,
    database: Database = None,
    slot: Annotated[
        str | None, typer.Option(help="The connector, where a database has several.")
    ] = None,
    tables: Annotated[
        list[str] | None, typer.Option(help="A captured table, as in SQL. May be repeated.")
    ] = None,
    tables_file: Annotated[
        Path | None, typer.Option(help="A file with one table a row, as in SQL.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every captured table.")] = False,
    kind: Annotated[
        snapshots.Kind, typer.Option("--type", help="Beside the changes, or instead of them.")
    ] = snapshots.Kind.INCREMENTAL,
    condition: Annotated[
        str | None, typer.Option(help="Only the rows of one table that meet this SQL condition.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
) -> None:
    """Ask the connector for a snapshot of captured tables, through the signal table."""
    with _one_line():
        choice = snapshots.Choice(tuple(tables or ()), tables_file, everything)
        form = snapshots.connector(load(stack, project), database, slot)
        done = snapshots.signal(form, choice, kind, condition, dry_run=dry_run)
    for line in done:
        typer.echo(line)


@app.command()
def record(
    stack: StackName,
    project: Project = None,
    output: Annotated[
        Path | None, typer.Option(help="Default: record.STACK.json beside the stack's file.")
    ] = None,
) -> None:
    """Describe the server and its databases, with no credential and no data, for `rehearse`."""
    with _one_line():
        read = load(stack, project, was_up=False)
        file = output or records.default_file(read)
        found = records.describe(read)
        records.write(found, file)
    typer.echo(records.summary(found, file))


@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def rehearse(context: typer.Context) -> None:
    """Show what `pulumi up` would do, with no credentials; --help says more.

    It is the rehearsal's own command: nothing that is deployed needs, or knows, the rehearsal.
    """
    # In its place, not below it, so that Ctrl-C reaches what has to be cleaned up.
    command = [sys.executable, "-m", "azure_postgres_rehearsal", "rehearse", *context.args]
    os.execv(sys.executable, command)  # noqa: S606 - a list, no shell


@upgrade.command("plan")
def upgrade_plan(
    stack: StackName,
    to: Version,
    project: Project = None,
    read_only: ReadOnly = False,
    keep_slots: KeepSlots = False,
) -> None:
    """Say what stands in the way, and what a run would do. Changes nothing."""
    with _one_line():
        options = upgrades.Options(read_only_database=read_only, keep_slots=keep_slots)
        is_clear = upgrades.plan(load(stack, project), to, options, _line)
    raise typer.Exit(0 if is_clear else FAILED)


@upgrade.command("run")
def upgrade_run(
    stack: StackName,
    to: Version,
    project: Project = None,
    state: Record = None,
    read_only: ReadOnly = False,
    terminate: Annotated[
        bool, typer.Option("--terminate", help="End sessions that can still write.")
    ] = False,
    keep_slots: KeepSlots = False,
    snapshot_afterwards: Annotated[
        bool,
        typer.Option("--snapshot-afterwards", help="Go on where something cannot be proved."),
    ] = False,
    wait: Minutes = 60,
) -> None:
    """Do it, or go on with it: each step is done again where it is not true.

    Exit status: 0 nothing can be missing, 1 a snapshot is needed, 2 it stopped; one line says why.
    """
    with _one_line():
        options = upgrades.Options(
            read_only_database=read_only,
            keep_slots=keep_slots,
            terminate=terminate,
            snapshot_afterwards=snapshot_afterwards,
            patience=wait * 60,
        )
        is_proved = upgrades.run(load(stack, project), to, state, options, _line)
    raise typer.Exit(0 if is_proved else FAILED)


@upgrade.command("status")
def upgrade_status(stack: StackName, project: Project = None, state: Record = None) -> None:
    """Say how far it is, seen on the server."""
    with _one_line():
        upgrades.status(load(stack, project), state, _line)


@upgrade.command("abort")
def upgrade_abort(
    stack: StackName, project: Project = None, state: Record = None, wait: Minutes = 60
) -> None:
    """Go back, as long as the server has its old version: slots first, then the fence.

    Exit status: 0 nothing can be missing, 1 a snapshot is needed, 2 it stopped.
    """
    with _one_line():
        options = upgrades.Options(patience=wait * 60)
        is_proved = upgrades.abort(load(stack, project), state, options, _line)
    raise typer.Exit(0 if is_proved else FAILED)


def _line(text: str) -> None:
    """Names may hold line breaks, as in an error."""
    typer.echo(CdcError(text))


def _status(report: Report, *, strict: bool) -> int:
    bad = (State.FAILED, State.WARNING) if strict else (State.FAILED,)
    return FAILED if report.state in bad else 0


@contextmanager
def _one_line() -> Iterator[None]:
    """Whatever goes wrong is one line, with no traceback, and its own exit status."""
    try:
        with explained("PostgreSQL refused it"):
            yield
    except InvalidSettings as error:
        first, *faults = str(error).splitlines()
        shown = "; ".join(fault.removeprefix("  - ") for fault in faults)
        _stop(f"{first.removesuffix(':')}: {shown}")
    except (CdcError, OSError) as error:
        _stop(str(error))
    except Exception as error:  # a bug is no reason to fill the screen, or to show a password
        _stop(f"unexpected {type(error).__name__}. Remedy: report it to the maintainers")


def _stop(line: str) -> None:
    typer.echo(f"azure-postgres-cdc: {' '.join(line.split())}", err=True)
    raise typer.Exit(COULD_NOT_RUN) from None
