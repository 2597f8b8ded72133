"""The order of the steps, and how a run goes on where another one was stopped."""

from __future__ import annotations

from collections.abc import Sequence

from azure_postgres_cdc.errors import CdcError, Passing, Unreachable
from azure_postgres_cdc.names import listed, quoted
from azure_postgres_cdc.operations.upgrade import drain, plan
from azure_postgres_cdc.operations.upgrade.change import ChangeVersion
from azure_postgres_cdc.operations.upgrade.context import Step, Upgrade
from azure_postgres_cdc.operations.upgrade.drain import Drain, StopSource
from azure_postgres_cdc.operations.upgrade.fence import Fence
from azure_postgres_cdc.operations.upgrade.recreate import Recreate, create
from azure_postgres_cdc.operations.upgrade.release import Unfence, clean_up, farewell
from azure_postgres_cdc.operations.upgrade.slots import DropSlots, leak
from azure_postgres_cdc.operations.upgrade.state import State
from azure_postgres_cdc.operations.upgrade.verify import Verify, fenced_databases

BEFORE_THE_SLOT: Sequence[Step] = (
    Fence(),
    Drain(),
    StopSource(),
    DropSlots(),
    ChangeVersion(),
    Recreate(),
)
"""Once the last of these is true, the others have done their part, and need not be any more."""
AFTERWARDS: Sequence[Step] = (Verify(), Unfence())

FINISHED, ABORTED = "finished", "aborted"


def go(run: Upgrade) -> bool:
    """Make every step true, in their order; whether everything was proved."""
    _wait_for_server(run)
    if not any(record.is_let_go for record in run.state.connectors.values()):
        _preflight(run)
    run.save()
    is_done = Recreate().is_true(run)
    for step in (*(BEFORE_THE_SLOT[-1:] if is_done else BEFORE_THE_SLOT), *AFTERWARDS):
        take(run, step)
    clean_up(run)
    run.state.finished = FINISHED
    run.save()
    for line in farewell(run):
        run.say(line)
    return not any(record.unproven for record in run.state.connectors.values())


def take(run: Upgrade, step: Step) -> None:
    """One step: whatever was done before, it counts only where it is true."""
    run.at(step.name)
    if not step.is_true(run):
        step.make_true(run)
        if not step.is_true(run):
            raise CdcError(
                f"{step.name}: done, and yet not true: somebody undoes it, or an earlier step does "
                "not hold any more. Remedy: the same command again"
            )
    run.say(_line_of(run, step))


def abort(run: Upgrade) -> bool:
    """Back to before the upgrade; whether nothing can be missing."""
    _wait_for_server(run)
    is_let_go = any(run.record(form).is_let_go for form in run.forms)
    if is_let_go and run.is_upgraded:
        raise CdcError(
            f"the server is on PostgreSQL {run.state.to} already: there is no way back. Remedy: "
            "azure-postgres-cdc upgrade run, which goes on"
        )
    lost_before: list[str] = []
    for form in run.forms:
        record = run.record(form)
        if not record.is_let_go:
            record.unproven.clear()  # nothing was done to it, and up knows as much as this run
            if reason := drain.lost(run, form):
                lost_before.append(f"{reason}. Remedy: pulumi up, which says what is lost")
            continue
        if record.is_dropped or drain.lost(run, form):
            reason = leak(run, form)
            if reason:
                run.remember_doubt(form, reason)
            create(run, form)
            run.say(f"abort: slot {form.slot} is there again")
    take(run, Unfence())
    clean_up(run)
    run.state.finished = ABORTED
    run.save()
    for line in [*lost_before, *farewell(run)[:-1]]:
        run.say(line)
    return not lost_before and not any(r.unproven for r in run.state.connectors.values())


def status(run: Upgrade) -> list[str]:
    """How it stands, step by step, seen on the server."""
    state = run.state
    head = f"stack {state.stack}: PostgreSQL {state.version} to {state.to}"
    lines = [f"{head}, {state.finished or 'not finished'} ({run.file})"]
    lines += [
        f"NOT PROVED for slot {slot}: {reason}"
        for slot, record in state.connectors.items()
        for reason in record.unproven
    ]
    if state.finished:
        return lines
    try:
        return lines + _steps_seen(run)
    except (Unreachable, Passing) as error:
        if not any(record.is_let_go for record in state.connectors.values()):
            raise
        what, _, _ = str(error).partition(". Remedy: ")
        return [*lines, f"the server does not answer, as while its version is changed: {what}"]


def _steps_seen(run: Upgrade) -> list[str]:
    lines = []
    is_done = Recreate().is_true(run)
    for step in (*BEFORE_THE_SLOT, *AFTERWARDS):
        if is_done and step in BEFORE_THE_SLOT[:-1]:
            lines.append(f"{step.name}: over")
        elif not step.is_true(run):
            lines.append(f"{step.name}: next")
            break
        else:
            lines.append(_line_of(run, step))
    return lines


def begin(found: State | None, stack: str, version: int, to: int) -> State:
    """The record to go on with, or a new one."""
    if found is None or found.finished:
        return State(stack=stack, version=version, to=to)
    if found.to != to:
        raise CdcError(
            f"an upgrade of stack {stack} to PostgreSQL {found.to} was begun, and is not finished. "
            f"Remedy: go on with --to {found.to}, or azure-postgres-cdc upgrade abort"
        )
    return found


def _line_of(run: Upgrade, step: Step) -> str:
    """A step that is true; never a green light where something before it was not proved."""
    is_proved = not any(record.unproven for record in run.state.connectors.values())
    return f"{step.name}: {'ok' if is_proved else 'NOT PROVED'}. {step.evidence(run)}"


def _preflight(run: Upgrade) -> None:
    run.at("plan")
    fenced = fenced_databases(run)
    results = plan.examine(run.stack, run.state.to, keep_slots=run.state.keep_slots, fenced=fenced)
    bad = plan.blocks(results, snapshot_afterwards=run.snapshot_afterwards)
    if bad and fenced:
        raise CdcError(
            f"nothing more was done, and database {listed(map(quoted, fenced))} stays fenced "
            "(azure-postgres-cdc upgrade abort gives it back, where you do not want to go on). "
            f"{'; '.join(bad)}"
        )
    if bad:
        raise CdcError(f"nothing was begun. {'; '.join(bad)}")
    run.say(f"plan: ok. nothing stands in the way of PostgreSQL {run.state.to}")


def _wait_for_server(run: Upgrade) -> None:
    """In the middle of an upgrade it may be down, and that is nothing to worry about."""
    if not any(record.is_let_go for record in run.state.connectors.values()):
        return

    def answers() -> bool:
        try:
            run.version()
        except (Unreachable, Passing):
            return False
        return True

    if not answers():
        run.say("the server does not answer; waiting until it does")
        run.wait(answers, "the server does not answer")
