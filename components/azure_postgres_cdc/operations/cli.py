"""The command line: `azure-postgres-cdc`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from azure_postgres_cdc.operations import doctor as diagnosis
from azure_postgres_cdc.operations import record as records
from azure_postgres_cdc.operations import snapshot as snapshots
from azure_postgres_cdc.operations.command_line import (
    FAILED,
    Database,
    Project,
    StackName,
    one_line,
)
from azure_postgres_cdc.operations.findings import Report, State
from azure_postgres_cdc.operations.report import show
from azure_postgres_cdc.operations.stack import load
from azure_postgres_cdc.operations.upgrade.cli import app as upgrade
from azure_postgres_cdc.operations.watch.cli import watch
from azure_postgres_cdc.progress import working

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Looks after what azure-postgres-cdc's stacks have made ready.",
)

app.add_typer(upgrade, name="upgrade")
app.command()(watch)


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
    with one_line(), working(f"reading stack {stack}") as say:
        report = diagnosis.examine(load(stack, project), database, say)
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
    with one_line(), working(f"reading stack {stack}"):
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
    with one_line(), working(f"reading stack {stack}") as say:
        read = load(stack, project, was_up=False)
        file = output or records.default_file(read)
        found = records.describe(read, say)
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


def _status(report: Report, *, strict: bool) -> int:
    bad = (State.FAILED, State.WARNING) if strict else (State.FAILED,)
    return FAILED if report.state in bad else 0
