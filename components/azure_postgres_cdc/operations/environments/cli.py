"""The commands `new-stack`, `config check` and `config diff`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.command_line import FAILED, Project, line, one_line, writing
from azure_postgres_cdc.operations.environments.check import Checked, check
from azure_postgres_cdc.operations.environments.copied import Copy, copied
from azure_postgres_cdc.operations.environments.diff import differences
from azure_postgres_cdc.operations.environments.engine_yaml import Unreadable
from azure_postgres_cdc.operations.environments.project import Project as PulumiProject
from azure_postgres_cdc.operations.environments.project import shown
from azure_postgres_cdc.operations.environments.template import new_stack as new_text

app = typer.Typer(
    no_args_is_help=True,
    help="Look at the stacks' files: no server, no Azure and no login is needed.",
)


@app.command("check")
def check_stacks(
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="Only this stack. Default: every one.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every stack, which is the default.")
    ] = False,
    project: Project = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="What is not set yet counts as a fault.")
    ] = False,
) -> None:
    """Say everything that is wrong with the stacks' files: file, line, key, rule, remedy.

    Exit status: 0 nothing is wrong, 1 something is, 2 could not run.
    """
    if everything and stack is not None:
        raise typer.BadParameter("--all and --stack exclude each other")
    with one_line():
        where = PulumiProject.at(project)
        names = where.stacks() if stack is None else [stack]
        if not names:
            raise CdcError(
                f"there is no stack in {shown(where.config_dir)}. Remedy: write one with "
                "azure-postgres-cdc new-stack NAME"
            )
        found = [check(where, name) for name in names]
    for item in found:
        _show(item)
    bad = any(item.faults or (strict and item.notes) for item in found)
    raise typer.Exit(FAILED if bad else 0)


@app.command()
def diff(
    one: Annotated[str, typer.Argument(metavar="STACK", help="Such as dev.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Such as prod.")],
    project: Project = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Say what two stacks do differently, defaults applied: a line a key.

    Exit status, as of diff: 0 nothing differs, 1 something does, 2 could not run.
    """
    with one_line():
        found = differences(PulumiProject.at(project), one, other)
    if as_json:
        items = [item.as_json(one, other) for item in found]
        typer.echo(json.dumps(items, indent=2, ensure_ascii=False))
    else:
        for item in found:
            line(item.line(one, other))
    raise typer.Exit(FAILED if found else 0)


def new_stack(
    name: Annotated[str, typer.Argument(help="The new stack.")],
    source: Annotated[
        str | None, typer.Option("--from", help="A stack to begin with, such as prod.")
    ] = None,
    project: Project = None,
) -> None:
    """Write a stack's file, commented, and say what is still to be filled in.

    Nothing that is there is written over. With --from, secrets are left behind, and where the
    server is has to be said anew.

    Exit status: 0 it is written, 2 it is not.
    """
    with one_line():
        where = PulumiProject.at(project)
        file = where.file(name)
        if file.exists():
            raise CdcError(
                f"{shown(file)} is there already; nothing was written. Remedy: choose another "
                f"name; azure-postgres-cdc config check --stack {name} says what it lacks"
            )
        copy = (
            _copy(where, source, name) if source is not None else Copy(new_text(where.name, name))
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(copy.text, file)
        found = check(where, name)
    _tell(found, copy, source)


def _write(text: str, file: Path) -> None:
    """Write it whole, or leave nothing: half a file would be in the way of the next call."""
    with writing(file), file.open("x", encoding="utf-8") as target:
        try:
            target.write(text)
            target.flush()
        except OSError:
            file.unlink()
            raise


def _copy(where: PulumiProject, source: str, name: str) -> Copy:
    file = where.existing(source)
    try:
        return copied(file.read_text(encoding="utf-8"), where.name, source, name)
    except (Unreadable, UnicodeDecodeError):
        fault = check(where, source).faults[0]
        raise CdcError(str(fault)) from None
    except CdcError as error:
        raise CdcError(f"{shown(file)}: {error}") from None


def _show(found: Checked) -> None:
    for fault in found.faults:
        typer.echo(str(fault))
    for note in found.notes:
        line(f"{found.file}: {note}")
    if not found.faults:
        line(f"{found.file}: nothing is wrong")


def _tell(found: Checked, copy: Copy, source: str | None) -> None:
    line(f"written: {found.file}")
    if found.faults:
        typer.echo("still to be filled in:")
    for fault in found.faults:
        line(f"  {fault.file}:{fault.line}: {fault.key}: {fault.rule}")
    if copy.alike:
        typer.echo(f"has the name of {source} in it:")
    for number, key, value in copy.alike:
        line(f"  {found.file}:{number}: {key}: {value}")
    if copy.left_out:
        line(f"left out, because it is {source}'s own: {', '.join(copy.left_out)}")
    stack = found.stack
    secrets = copy.secrets or (["adminPassword"] if found.notes else [])
    typer.echo("then:")
    typer.echo(f"  pulumi stack init {stack}")
    for key in secrets:
        line(f"  pulumi config set --stack {stack} --secret {key}")
    typer.echo(f"  azure-postgres-cdc config check --stack {stack}")
    typer.echo(f"  azure-postgres-rehearsal up --stack {stack}")
