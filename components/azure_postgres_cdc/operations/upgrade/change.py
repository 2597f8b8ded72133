"""The change of the version itself: through Azure, or by the user's own procedure."""

from __future__ import annotations

from azure_postgres_cdc.errors import CdcError, Passing, Unreachable
from azure_postgres_cdc.operations.upgrade.context import Upgrade
from azure_postgres_cdc.operations.upgrade.fence import hole_of
from azure_postgres_cdc.operations.upgrade.plan import slots_of_others
from azure_postgres_cdc.operations.upgrade.slots import DropSlots, leak


class ChangeVersion:
    """The server answers with the new version."""

    name = "upgrade"

    def is_true(self, run: Upgrade) -> bool:
        return run.is_upgraded

    def make_true(self, run: Upgrade) -> None:
        others = "" if run.state.keep_slots else slots_of_others(run.stack)
        if others:
            raise CdcError(others)
        _check_fence(run)
        if run.is_in_azure:
            run.say(f"upgrade: Azure upgrades the server to PostgreSQL {run.state.to} now")
            run.stack.server_in_azure.upgrade(run.state.to)
        else:
            run.say(
                f"upgrade: upgrade the server to PostgreSQL {run.state.to} now, with pg_upgrade or "
                "your provider's procedure; waiting until it answers with that version"
            )
        run.wait(lambda: _is_over(run), f"the server is not on version {run.state.to}")

    def evidence(self, run: Upgrade) -> str:
        return f"the server is on PostgreSQL {run.version()}"


def _is_over(run: Upgrade) -> bool:
    """Until the old server is gone, the fence is looked at again and again."""
    try:
        if run.is_upgraded:
            return True
        _check_fence(run)
    except (Unreachable, Passing):
        pass  # it goes down, or comes up
    return False


def _check_fence(run: Upgrade) -> None:
    """What is written now, with the slots gone, would be lost.

    First the sessions: one that has ended has reported what it wrote.
    """
    if not DropSlots().is_true(run):
        raise CdcError(
            "nothing was upgraded yet: a slot that was dropped is there again: its source is not "
            "stopped. Remedy: stop the source in the Streamkap app, then the same command again"
        )
    watched = [form for form in run.forms if not run.record(form).unproven]
    holes = [
        hole for name in sorted({form.database for form in watched}) if (hole := hole_of(run, name))
    ]
    if holes:
        raise CdcError(f"nothing was upgraded yet: {'; '.join(holes)}")
    for form in watched:
        reason = "" if run.state.keep_slots else leak(run, form)
        if reason:
            run.doubt(form, f"{reason}. Remedy: {_BACK}")


_BACK = "azure-postgres-cdc upgrade abort, which makes the slot again, and begin anew"
