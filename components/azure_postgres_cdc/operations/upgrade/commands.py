"""What `azure-postgres-cdc upgrade` does, for a stack that was loaded."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from azure_postgres_cdc.errors import CdcError, InvalidSettings
from azure_postgres_cdc.names import listed, quoted
from azure_postgres_cdc.operations.stack import Stack
from azure_postgres_cdc.operations.upgrade import plan as plans
from azure_postgres_cdc.operations.upgrade import run as runs
from azure_postgres_cdc.operations.upgrade import state as records
from azure_postgres_cdc.operations.upgrade.context import Upgrade
from azure_postgres_cdc.operations.upgrade.state import State
from azure_postgres_cdc.operations.upgrade.verify import fenced_databases
from azure_postgres_cdc.progress import Say, silent

_UP_AGAIN = "run pulumi up again"


@dataclass(frozen=True)
class Options:
    """How it is done. The first two hold for the whole upgrade, once they were given."""

    read_only_database: bool = False
    keep_slots: bool = False
    terminate: bool = False
    snapshot_afterwards: bool = False
    patience: float = 3600
    pause: float = 1
    at: Say = silent
    """Is told which step it is at."""


def plan(stack: Stack, to: int, options: Options, say: Say) -> bool:
    """Print the preflight; whether nothing stands in the way."""
    results = list(plans.examine(stack, to, keep_slots=options.keep_slots))
    for name, result in results:
        remedy = f". Remedy: {result.remedy}" if result.remedy else ""
        say(f"{result.state:<8} {name}: {result.evidence}{remedy}")
    if plans.blocks(results):
        say("nothing was changed; what failed stands in the way")
        return False
    say("nothing was changed; azure-postgres-cdc upgrade run would:")
    steps = plans.steps(
        stack, to, keep_slots=options.keep_slots, read_only=options.read_only_database
    )
    for number, step in enumerate(steps, 1):
        say(f"{number}. {step}")
    return True


def run(stack: Stack, to: int, file: Path | None, options: Options, say: Say) -> bool:
    """Begin, or go on; whether everything was proved."""
    file = file or records.default_file(stack)
    with _own_remedies(), _alone(file):
        found = records.read(file)
        _check(found, stack)
        upgrade = _upgrade(stack, found or State(stack=stack.name, version=0, to=to), file, say)
        _apply(upgrade, options)
        if found is None or found.finished:
            stack.forms_of(None)
            upgrade.state = runs.begin(found, stack.name, upgrade.version(), to)
        else:
            upgrade.state = runs.begin(found, stack.name, found.version, to)
        upgrade.state.read_only_database |= options.read_only_database
        upgrade.state.keep_slots |= options.keep_slots
        try:
            return runs.go(upgrade)
        except (CdcError, KeyboardInterrupt):
            _say_what_is_fenced(upgrade)
            raise


def status(stack: Stack, file: Path | None, say: Say) -> None:
    """Print how it stands."""
    file = file or records.default_file(stack)
    for line in runs.status(_upgrade(stack, _begun(file, stack), file, say)):
        say(line)


def abort(stack: Stack, file: Path | None, options: Options, say: Say) -> bool:
    """Go back; whether everything was proved."""
    file = file or records.default_file(stack)
    with _own_remedies(), _alone(file):
        state = _begun(file, stack)
        if state.finished:
            raise CdcError(f"the upgrade of stack {stack.name} is {state.finished} already")
        upgrade = _upgrade(stack, state, file, say)
        _apply(upgrade, options)
        return runs.abort(upgrade)


def _say_what_is_fenced(upgrade: Upgrade) -> None:
    """Whoever goes to bed now should know. A server that is away takes no writes anyway."""
    with suppress(CdcError):
        fenced = fenced_databases(upgrade)
        if fenced:
            upgrade.say(
                f"database {listed(map(quoted, fenced))} stays read-only for new sessions until "
                "this goes on, or azure-postgres-cdc upgrade abort"
            )


def _upgrade(stack: Stack, state: State, file: Path, say: Say) -> Upgrade:
    return Upgrade(stack=stack, state=state, file=file, say=say)


def _apply(upgrade: Upgrade, options: Options) -> None:
    upgrade.terminate = options.terminate
    upgrade.snapshot_afterwards = options.snapshot_afterwards
    upgrade.patience, upgrade.pause = options.patience, options.pause
    upgrade.at = options.at


def _begun(file: Path, stack: Stack) -> State:
    found = records.read(file)
    if found is None:
        raise CdcError(
            f"no upgrade of stack {stack.name} was begun: {file} is not there. Remedy: --state, "
            "where it is kept elsewhere"
        )
    _check(found, stack)
    return found


def _check(found: State | None, stack: Stack) -> None:
    if found is not None and found.stack != stack.name:
        raise CdcError(f"the record is of stack {found.stack}. Remedy: another --state")


@contextmanager
def _own_remedies() -> Iterator[None]:
    """What helps in the middle of an upgrade is to go on with it. `pulumi up`, which the shared
    remedies name, would find a slot missing, and ask for a snapshot that nobody needs."""
    try:
        yield
    except CdcError as error:
        text = str(error)
        if _UP_AGAIN not in text or isinstance(error, InvalidSettings):
            raise
        raise CdcError(text.replace(_UP_AGAIN, "the same command again")) from None


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Two at once would undo each other's steps. The lock goes with the process."""
    with file.with_name(f".{file.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CdcError(
                f"another process is at this upgrade ({file}). Remedy: wait for it, or end it"
            ) from None
        yield
