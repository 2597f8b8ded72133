"""The command line: `azure-postgres-rehearsal`."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import psycopg
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from typer.core import TyperGroup

from azure_postgres_rehearsal.ending import Interrupted, cleaning_up

try:
    from azure_postgres_rehearsal import demo as demonstration
    from azure_postgres_rehearsal import shown, upgrade_rehearsal
    from azure_postgres_rehearsal.azure_api.errors import ApiError
    from azure_postgres_rehearsal.engine import PulumiFailed
    from azure_postgres_rehearsal.project_files import RehearsalFailed, project_folder
    from azure_postgres_rehearsal.record import RecordUnreadable
    from azure_postgres_rehearsal.rehearsal import Rehearsal
    from azure_postgres_rehearsal.rehearse import Wishes
    from azure_postgres_rehearsal.rehearse import rehearse as rehearse_stack
    from azure_postgres_rehearsal.upgrade_proof import NotProved
except ModuleNotFoundError as missing:
    sys.stderr.write(
        f"a rehearsal needs {missing.name}, which is not installed. Remedy: "
        "pip install 'azure-postgres-cdc[rehearsal]'\n"
    )
    sys.exit(2)

_EXPECTED = (RecordUnreadable, RehearsalFailed, OSError, RuntimeError, psycopg.Error, ApiError)

_NOBODY_READS = 141
"""As shells know it of a process that a closed pipe has ended (SIGPIPE)."""


class Commands(TyperGroup):
    """The command line as a whole: what the output's encoding lacks is spelt out, and an end from
    outside is one line."""

    def invoke(self, ctx: Any) -> Any:
        """Run what was asked for."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            with cleaning_up():
                return super().invoke(ctx)
        except Interrupted as ending:
            with suppress(OSError):  # nobody reads that either
                typer.echo(str(ending), err=True)
            raise typer.Exit(ending.status) from None


class Output(Console):
    """rich's console, with the exit status of a shell where nobody reads any more (`head`)."""

    def on_broken_pipe(self) -> None:
        try:
            super().on_broken_pipe()
        except SystemExit:  # with 1, which says that something is wrong with the stack
            sys.exit(_NOBODY_READS)


app = typer.Typer(
    cls=Commands, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False
)
rehearsals = typer.Typer()
app.add_typer(rehearsals, name="rehearse")

Project = Annotated[
    Path | None, typer.Option(help="The folder of Pulumi.yaml. Default: the nearest upwards.")
]
Stack = Annotated[str, typer.Option(help="The stack to rehearse.")]
Keep = Annotated[bool, typer.Option(help="Leave PostgreSQL running, and say how to connect.")]


@app.command()
def demo(project: Project = None, stack: Stack = "local", keep: Keep = False) -> None:
    """Rehearse the stack with pgbench's tables and prove that every change is captured."""
    _run(lambda: demonstration.run(project_folder(project), stack, keep=keep))


@app.command()
def up(project: Project = None, stack: Stack = "local", keep: Keep = False) -> None:
    """Rehearse `pulumi up` of any stack, its listed tables made up, with no Azure at all."""

    def rehearse() -> None:
        with Rehearsal(project_folder(project), stack) as rehearsal:
            rehearsal.up()
            if keep:
                typer.echo(rehearsal.keep())

    _run(rehearse)


@rehearsals.callback(invoke_without_command=True)
def rehearse(
    context: typer.Context,
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="The stack to rehearse.")
    ] = None,
    project: Project = None,
    policies: Annotated[
        bool, typer.Option("--policies", help="Ask the project's policy pack, too.")
    ] = False,
    policy_config: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The policies' configuration. Default: policies/config/STACK.json.",
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The stack's file as it is deployed: show what changes from there.",
        ),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Write a comment for the pull request.")
    ] = None,
) -> None:
    """Show what `pulumi up` would do: resources, Azure operations, statements, policies.

    Needs no credentials: the server is emulated, and as record.STACK.json describes it, where that
    is beside the stack's file (azure-postgres-cdc record writes it).

    Exit status: 0 it would go through, 1 it would fail or a policy is violated, 2 could not run.
    """
    if context.invoked_subcommand is not None:
        return
    if stack is None:
        raise typer.BadParameter("--stack is needed: the stack to rehearse")
    console = Output(highlight=False)
    try:
        wishes = Wishes(project_folder(project), stack, policies, policy_config, base)
        wishes.pack()  # what cannot be asked is known before anything is started
        with _steps(console) as say:
            story = rehearse_stack(wishes, say)
        shown.show(story, console)
        if markdown is not None:
            markdown.write_text(shown.markdown(story), encoding="utf-8")
    except PulumiFailed as error:
        _could_not_run(f"{error}: {error.outcome.text}")
    except _EXPECTED as error:
        _could_not_run(_said(error))
    raise typer.Exit(0 if story.is_fine else 1)


@rehearsals.command()
def upgrade(
    stack: Annotated[
        str, typer.Option("--stack", "-s", help="A stack that captures pgbench's tables.")
    ] = "local",
    project: Project = None,
    to: Annotated[int, typer.Option(min=17, max=18, help="The version to upgrade 16 to.")] = 18,
) -> None:
    """Go through `azure-postgres-cdc upgrade run` with a real pg_upgrade, while pgbench writes.

    Exit status: 0 no change is lost, 1 the proof does not hold, 2 could not run.
    """
    try:
        upgrade_rehearsal.run(project_folder(project), stack, to, Output(highlight=False))
    except NotProved as error:
        _stop(str(error), 1)
    except PulumiFailed as error:
        _could_not_run(f"{error}: {error.outcome.text}")
    except _EXPECTED as error:
        _could_not_run(_said(error))


@contextmanager
def _steps(console: Console) -> Iterator[Callable[[str], None]]:
    """A line for each step; on a terminal, the one that goes on is shown with the time so far."""
    with Progress(
        SpinnerColumn("line"),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("starting PostgreSQL", total=None)

        def say(text: str) -> None:
            console.print(f"==> {text}", style="bold", markup=False)
            progress.reset(task, description=text)

        yield say


def _could_not_run(reason: str) -> NoReturn:
    _stop(reason, 2)


def _stop(reason: str, status: int) -> NoReturn:
    typer.echo(f"azure-postgres-cdc: {' '.join(reason.split())}", err=True)
    raise typer.Exit(status) from None


def _run(action: Callable[[], None]) -> None:
    try:
        action()
    except PulumiFailed as error:
        sys.exit(f"{error.outcome.text}{error}".strip())
    except (demonstration.DemoFailed, *_EXPECTED) as error:
        sys.exit(f"failed: {_said(error)}")


def _said(error: Exception) -> str:
    """What went wrong; PostgreSQL's and Azure's own words with what they are about."""
    if isinstance(error, (psycopg.Error, ApiError)):
        found = isinstance(error, psycopg.Error) and error.diag.message_primary
        reason = found or str(error).strip().partition("\n")[0]
        who = "PostgreSQL" if isinstance(error, psycopg.Error) else "the emulated Azure"
        return (
            f"{who} refused what is made up for the stack: {reason.rstrip('.')}. Remedy: "
            "azure-postgres-cdc config check says what is wrong with the stack's file"
        )
    if isinstance(error, OSError) and error.filename:
        return (
            f"{error.filename}: {error.strerror}. Remedy: check the path, and who may read and "
            "write there"
        )
    return str(error)
