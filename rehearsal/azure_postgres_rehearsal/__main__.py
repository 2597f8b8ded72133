"""The command line: `azure-postgres-rehearsal`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from azure_postgres_rehearsal import demo as demonstration
from azure_postgres_rehearsal.engine import PulumiFailed
from azure_postgres_rehearsal.rehearsal import Rehearsal, RehearsalFailed

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Project = Annotated[Path, typer.Option(help="The folder of Pulumi.yaml.")]
Stack = Annotated[str, typer.Option(help="The stack to rehearse.")]
Keep = Annotated[bool, typer.Option(help="Leave PostgreSQL running, and say how to connect.")]


@app.command()
def demo(project: Project = Path(), stack: Stack = "local", keep: Keep = False) -> None:
    """Rehearse the stack with pgbench's tables and prove that every change is captured."""
    _run(lambda: demonstration.run(project, stack, keep=keep))


@app.command()
def up(project: Project = Path(), stack: Stack = "local", keep: Keep = False) -> None:
    """Rehearse `pulumi up` of any stack, its listed tables made up, with no Azure at all."""

    def rehearse() -> None:
        with Rehearsal(project, stack) as rehearsal:
            rehearsal.up()
            if keep:
                typer.echo(rehearsal.keep())

    _run(rehearse)


def _run(action: Callable[[], None]) -> None:
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        action()
    except PulumiFailed as error:
        sys.exit(f"{error.outcome.text}{error}".strip())
    except (demonstration.DemoFailed, RehearsalFailed, OSError, RuntimeError) as error:
        sys.exit(f"failed: {error}")


def _interrupted(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    app()
