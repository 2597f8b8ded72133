"""What every command of `azure-postgres-cdc` shares: its options, exit statuses, and one line for
whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from azure_postgres_cdc.errors import CdcError, InvalidSettings, explained

FAILED, COULD_NOT_RUN = 1, 2
"""Exit statuses, beside 0. A wrong call is 2 as well."""

StackName = Annotated[str, typer.Option("--stack", "-s", help="The stack, as pulumi knows it.")]
Project = Annotated[
    Path | None, typer.Option(help="The folder of Pulumi.yaml. Default: the nearest upwards.")
]
Database = Annotated[str | None, typer.Option(help="Only this database.")]
Slot = Annotated[str | None, typer.Option(help="The connector, where a database has several.")]


def line(text: str) -> None:
    """Names may hold line breaks, as in an error. Not with typer.echo, which would write over the
    line that moves (progress.py)."""
    print(CdcError(text), flush=True)


@contextmanager
def one_line() -> Iterator[None]:
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
