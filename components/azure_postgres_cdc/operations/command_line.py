"""What every command of `azure-postgres-cdc` shares: its options, exit statuses, and one line for
whatever goes wrong."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from azure_postgres_cdc.errors import CdcError, InvalidSettings, explained
from azure_postgres_cdc.operations.ending import Interrupted, cleaning_up

FAILED, COULD_NOT_RUN = 1, 2
"""Exit statuses, beside 0. A wrong call is 2 as well."""
NOBODY_READS = 141
"""That of a process which a closed pipe has ended (SIGPIPE), as shells know it."""

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
            with cleaning_up():
                try:
                    return super().invoke(ctx)
                finally:
                    sys.stdout.flush()  # what cannot be written is known now
        except Interrupted as ending:
            _tell(str(ending))
            raise typer.Exit(ending.status) from None
        except BrokenPipeError:  # as after `head`
            to_nobody()
            raise typer.Exit(NOBODY_READS) from None
        except OSError as error:
            to_nobody()
            _stop(
                f"the output cannot be written: {error.strerror}. Remedy: write it to where there "
                "is space"
            )


class Output(Console):
    """rich's console, on standard output. A pipe that is closed is the business of `Commands`."""

    def on_broken_pipe(self) -> None:
        """Called while the error is handled; rich would end with an exit status of its own."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def line(text: str) -> None:
    """Names may hold line breaks, as in an error. Not with typer.echo, which would write over the
    line that moves (progress.py)."""
    print(CdcError(text), flush=True)


def lasting_line(text: str) -> None:
    """The same, of a command that is not left half done when nobody reads its lines any more, or
    no disk takes them: it goes on without."""
    try:
        line(text)
    except OSError as error:
        to_nobody()
        if not isinstance(error, BrokenPipeError):
            _tell(f"azure-postgres-cdc: the output cannot be written ({error.strerror}); going on")


def to_nobody() -> None:
    """What is still to be printed is for nobody, nor what Python keeps to write at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def one_line() -> Iterator[None]:
    """Whatever goes wrong is one line, with no traceback, and its own exit status."""
    try:
        with explained("PostgreSQL refused it"):
            yield
    except InvalidSettings as error:
        first, *faults = str(error).splitlines()
        shown = "; ".join(fault.removeprefix("  - ") for fault in faults)
        _stop(
            f"{first.removesuffix(':')}: {shown}. Remedy: azure-postgres-cdc config check says the "
            "line of each, and what helps"
        )
    except CdcError as error:
        _stop(str(error))
    except BrokenPipeError:
        raise  # of the output, for `Commands`
    except OSError as error:
        _stop(of_system(error))
    except Exception as error:  # a bug is no reason to fill the screen, or to show a password
        _stop(f"unexpected {type(error).__name__}. Remedy: report it to the maintainers")


_SPACE = "free some space there, or write to another place"
_ACCESS = "let the user that runs this read and write there, or choose another place"
_FILES = "raise the limit of open files (ulimit -n), or end what holds so many"
_REMEDIES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EACCES: _ACCESS,
    errno.EPERM: _ACCESS,
    errno.EROFS: _ACCESS,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.ENOMEM: "free some memory",
}


def of_system(error: OSError) -> str:
    """What the operating system has refused: where, why, and what helps."""
    where = error.filename or "the operating system refused it"
    reason = error.strerror or str(error) or type(error).__name__
    other = "check the path" if error.filename else "the same command again"
    return f"{where}: {reason}. Remedy: {_REMEDIES.get(error.errno or 0, other)}"


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """An error on the way says which file it was: of a full disk, the system does not."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise


def _stop(line: str) -> None:
    _tell(f"azure-postgres-cdc: {' '.join(line.split())}")
    raise typer.Exit(COULD_NOT_RUN) from None


def _tell(line: str) -> None:
    with suppress(OSError):  # nobody reads that either
        typer.echo(line, err=True)
