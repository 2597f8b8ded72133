"""The command line: `azure-postgres-cdc`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from azure_postgres_cdc.operations import doctor as diagnosis
from azure_postgres_cdc.operations import engine
from azure_postgres_cdc.operations import record as records
from azure_postgres_cdc.operations import snapshot as snapshots
from azure_postgres_cdc.operations.command_line import (
    FAILED,
    Commands,
    Database,
    Output,
    Project,
    Slot,
    StackName,
    one_line,
    writing,
)
from azure_postgres_cdc.operations.connector.cli import connector
from azure_postgres_cdc.operations.environments.cli import app as config
from azure_postgres_cdc.operations.environments.cli import new_stack
from azure_postgres_cdc.operations.findings import Report, State
from azure_postgres_cdc.operations.markdown import as_markdown
from azure_postgres_cdc.operations.report import show
from azure_postgres_cdc.operations.stack import load
from azure_postgres_cdc.operations.upgrade.cli import app as upgrade
from azure_postgres_cdc.operations.watch.cli import watch
from azure_postgres_cdc.progress import working

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Looks after what azure-postgres-cdc's stacks have made ready.",
)

app.add_typer(upgrade, name="upgrade")
app.add_typer(config, name="config")
app.command("new-stack")(new_stack)
app.command()(connector)
app.command()(watch)


@app.command()
def doctor(
    stack: StackName,
    project: Project = None,
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as failed.")] = False,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            callback=diagnosis.known,
            help="A check whose warning counts as failed, too. May be repeated.",
        ),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write what is not ok, for an issue.")
    ] = None,
) -> None:
    """Look at every connector as the connector would, and say how it stands.

    Exit status: 0 nothing failed, 1 something failed, 2 could not run.
    """
    with one_line(), working(f"reading stack {stack}") as say:
        report = diagnosis.examine(load(stack, project), database, say)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        show(report, Output(highlight=False))
    if markdown is not None:
        with one_line(), writing(markdown):
            markdown.write_text(as_markdown(report), encoding="utf-8")
    raise typer.Exit(_status(report, strict=strict, also=fail_on or ()))


@app.command()
def snapshot(
    stack: StackName,
    project: Project = None,
    database: Database = None,
    slot: Slot = None,
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
        form = load(stack, project).form_of(database, slot)
        done = snapshots.signal(form, choice, kind, condition, dry_run=dry_run)
    for line in done:
        typer.echo(line)


@app.command()
def record(
    stack: StackName,
    project: Project = None,
    output: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Default: record.STACK.json beside the stack's file."),
    ] = None,
) -> None:
    """Describe the server and its databases, with no credential and no data, for `rehearse`."""
    with one_line(), working(f"reading stack {stack}") as say:
        read = load(stack, project, was_up=False)
        file = output or records.default_file(read)
        found = records.describe(read, say)
        records.write(found, file)
    typer.echo(records.summary(found, file))


@app.command("install-engine")
def install_engine() -> None:
    """Download Pulumi's engine into ~/.pulumi, where there is none: its own installer does it."""
    with one_line():
        folder = engine.install()
    typer.echo(f"pulumi is in {folder}; put that on PATH for pulumi itself")


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


def _status(report: Report, *, strict: bool, also: Collection[str]) -> int:
    """`strict`: warnings count as failed; `also`: those of these checks do."""
    failed = any(
        finding.state is State.FAILED
        or (finding.state is State.WARNING and (strict or finding.check in also))
        for finding in report.findings
    )
    return FAILED if failed else 0
