"""`azure-postgres-cdc watch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from azure_postgres_cdc.operations.command_line import (
    Database,
    Output,
    Project,
    StackName,
    one_line,
)
from azure_postgres_cdc.operations.stack import load
from azure_postgres_cdc.operations.watch.loop import Options, Watch
from azure_postgres_cdc.progress import working


def watch(
    stack: StackName,
    project: Project = None,
    database: Database = None,
    interval: Annotated[
        float, typer.Option(min=0.2, max=86400, help="Seconds from one sample to the next.")
    ] = 2,
    once: Annotated[bool, typer.Option("--once", help="One sample, and no more.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="So many samples.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For machines: an object for each slot and sample.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Keep a page with plots up to date.")
    ] = None,
    storage_gib: Annotated[
        float | None,
        typer.Option(min=1, help="The storage's size, where Azure cannot be asked for it."),
    ] = None,
) -> None:
    """Watch every connector's slot: lag, retained WAL, and when the storage is full of it.

    Ctrl-C ends it. Exit status: 0, 1 a slot is lost, 2 could not run, or had no answer at all.
    """
    status = 0
    with one_line():
        with working(f"reading stack {stack}"):
            found = load(stack, project)
        options = Options(interval, 1 if once else count, as_json, html, storage_gib)
        status = Watch(found, found.forms_of(database), options).run(Output(highlight=False))
    raise typer.Exit(status)
