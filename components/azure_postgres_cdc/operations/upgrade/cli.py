"""`azure-postgres-cdc upgrade`: plan, run, status, abort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from azure_postgres_cdc.operations.command_line import (
    FAILED,
    Project,
    StackName,
    lasting_line,
    line,
    one_line,
)
from azure_postgres_cdc.operations.stack import load
from azure_postgres_cdc.operations.upgrade import commands
from azure_postgres_cdc.progress import working

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Upgrade the server's major version without losing a change. docs/upgrade.md.",
)

Version = Annotated[int, typer.Option("--to", help="The major version, such as 18.")]
Record = Annotated[
    Path | None,
    typer.Option(
        "--state",
        dir_okay=False,
        help="Where it is kept. Default: upgrade.STACK.json beside the stack's file.",
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
def plan(
    stack: StackName,
    to: Version,
    project: Project = None,
    read_only: ReadOnly = False,
    keep_slots: KeepSlots = False,
) -> None:
    """Say what stands in the way, and what a run would do. Changes nothing."""
    with one_line(), working(f"reading stack {stack}"):
        options = commands.Options(read_only_database=read_only, keep_slots=keep_slots)
        is_clear = commands.plan(load(stack, project), to, options, line)
    raise typer.Exit(0 if is_clear else FAILED)


@app.command()
def run(
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
    with one_line(), working(f"reading stack {stack}") as at:
        options = commands.Options(
            read_only_database=read_only,
            keep_slots=keep_slots,
            terminate=terminate,
            snapshot_afterwards=snapshot_afterwards,
            patience=wait * 60,
            at=at,
        )
        is_proved = commands.run(load(stack, project), to, state, options, lasting_line)
    raise typer.Exit(0 if is_proved else FAILED)


@app.command()
def status(stack: StackName, project: Project = None, state: Record = None) -> None:
    """Say how far it is, seen on the server."""
    with one_line(), working(f"reading stack {stack}"):
        commands.status(load(stack, project), state, line)


@app.command()
def abort(
    stack: StackName, project: Project = None, state: Record = None, wait: Minutes = 60
) -> None:
    """Go back, as long as the server has its old version: slots first, then the fence.

    Exit status: 0 nothing can be missing, 1 a snapshot is needed, 2 it stopped.
    """
    with one_line(), working(f"reading stack {stack}") as at:
        options = commands.Options(patience=wait * 60, at=at)
        is_proved = commands.abort(load(stack, project), state, options, lasting_line)
    raise typer.Exit(0 if is_proved else FAILED)
