"""What every command of `azure-postgres-cdc` shares: its options, exit statuses, and one line for
whatever goes wrong."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from azure_postgres_cdc.errors import CdcError, InvalidSettings, explained

FAILED, COULD_NOT_RUN = 1, 2
"""Exit statuses, beside 0. A wrong call is 2 as well."""

StackName = Annotated[str, typer.Option("--stack", "-s", help="The stack, as pulumi knows it.")]
Project = Annotated[
    Path | None, typer.Option(help="The folder of Pulumi.yaml. Default: the nearest upwards.")
]
Database = Annotated[str | None, typer.Option(help="Only this database.")]
Slot = Annotated[str | None, typer.Option(help="The connector, where a database has several.")]


class Commands(TyperGroup):
    """The command line as a whole: whatever is printed fits where it goes, or is one line."""

    def invoke(self, ctx: Any) -> Any:
        """Run what was asked for. A character that the output's encoding lacks is spelt out."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # nobody reads any more, as after `head`: typer ends in silence
        except OSError as error:
            _stop(
                f"the output cannot be written: {error.strerror}. Remedy: write it to where there "
                "is space"
            )


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
    except CdcError as error:
        _stop(str(error))
    except OSError as error:
        _stop(_about_file(error) if error.filename else str(error))
    except Exception as error:  # a bug is no reason to fill the screen, or to show a password
        _stop(f"unexpected {type(error).__name__}. Remedy: report it to the maintainers")


def _about_file(error: OSError) -> str:
    return (
        f"{error.filename}: {error.strerror}. Remedy: check the path, and who may read and write "
        "there"
    )


def _stop(line: str) -> None:
    typer.echo(f"azure-postgres-cdc: {' '.join(line.split())}", err=True)
    raise typer.Exit(COULD_NOT_RUN) from None
