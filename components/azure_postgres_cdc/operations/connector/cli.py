"""`azure-postgres-cdc connector`: what the connector is set up with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.command_line import Database, Project, Slot, StackName, one_line
from azure_postgres_cdc.operations.connector.formats import Format, written
from azure_postgres_cdc.operations.stack import load

_OWNER_ONLY, _AS_USUAL = 0o600, 0o666


def connector(
    stack: StackName,
    project: Project = None,
    database: Database = None,
    slot: Slot = None,
    format_: Annotated[Format, typer.Option("--format", help="What it is for.")] = Format.FORM,
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="With the password, in plain text.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="A file. Default: print it.")] = None,
) -> None:
    """Write down what the connector is set up with: the page's form, or what takes its place.

    Exit status: 0 written, 2 could not run.
    """
    with one_line():
        text = written(load(stack, project), format_, database, slot, show_secrets=show_secrets)
        if output is not None:
            try:
                _write(text, output, is_secret=show_secrets)
            except OSError as error:
                raise CdcError(
                    f"{output} cannot be written: {error.strerror}. Remedy: another --output"
                ) from None
    if output is None:
        typer.echo(text, nl=False)


def _write(text: str, file: Path, *, is_secret: bool) -> None:
    """Write a file; one with a secret is readable by nobody else from the start."""
    mode = _OWNER_ONLY if is_secret else _AS_USUAL
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
        if is_secret:
            os.fchmod(descriptor, mode)  # it may have been there
        opened.write(text)
