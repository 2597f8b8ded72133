"""Doctor's eyes on the new server, before writes come back."""

from __future__ import annotations

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations import doctor
from azure_postgres_cdc.operations.findings import State
from azure_postgres_cdc.operations.upgrade.context import Upgrade


class Verify:
    """Role, grants, tables, publication and slot are as the connector needs them."""

    name = "verify"

    def is_true(self, run: Upgrade) -> bool:
        return not _failures(run)

    def make_true(self, run: Upgrade) -> None:
        raise CdcError(
            f"doctor finds on the new server: {'; '.join(_failures(run))}. Writes stay fenced. "
            "Remedy: azure-postgres-cdc doctor says what helps; then the same command again"
        )

    def evidence(self, run: Upgrade) -> str:
        return f"doctor finds nothing failed on stack {run.stack.name}"


def _failures(run: Upgrade) -> list[str]:
    return [
        f"{found.check} of {found.database}: {found.evidence}"
        for found in doctor.examine(run.stack).findings
        if found.state is State.FAILED
    ]
