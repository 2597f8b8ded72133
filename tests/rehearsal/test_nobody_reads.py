"""Commands whose output nobody reads any more, as behind `| head`: on a whole stack."""

from __future__ import annotations

import os
import subprocess
import sys

from support import PROJECT

from azure_postgres_rehearsal.rehearsal import Rehearsal

STACK = {
    "server": {"management": "none"},
    "databases": [{"name": "shop", "capture": {"tables": ["public.orders"]}}],
}


def test_they_end_in_silence_and_an_upgrade_goes_on() -> None:
    with Rehearsal(PROJECT, "local", settings=STACK) as rehearsal:
        with rehearsal.postgres.connect("shop") as connection:
            connection.execute("CREATE TABLE public.orders (id int PRIMARY KEY)")
        rehearsal.engine.up("--skip-preview", capture=True)

        assert unread(rehearsal, "doctor") == (141, "")

        # A source that nobody resumes: it stops by itself, and not for want of a reader.
        run = "upgrade run --to 18 --read-only-database --wait 0.02"
        status, said = unread(rehearsal, run)
        assert status == 2
        assert said.startswith("azure-postgres-cdc: slot streamkap_pgoutput_slot is not drained")
        assert is_fenced(rehearsal)
        assert unread(rehearsal, "upgrade abort") == (0, "")
        assert not is_fenced(rehearsal)


def unread(rehearsal: Rehearsal, command: str) -> tuple[int, str]:
    """The exit status of a command whose standard output nobody reads, and what it says beside."""
    reader, writer = os.pipe()
    os.close(reader)
    call = [sys.executable, "-m", "azure_postgres_cdc.operations", *command.split()]
    try:
        result = subprocess.run(
            [*call, "--stack", "local"],
            cwd=rehearsal.engine.folder,
            env=rehearsal.engine.environment,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    return result.returncode, result.stderr


def is_fenced(rehearsal: Rehearsal) -> bool:
    with rehearsal.postgres.superuser("postgres") as connection:
        return bool(
            connection.execute(
                "SELECT FROM pg_db_role_setting"
                " WHERE 'default_transaction_read_only=on' = ANY(setconfig)"
            ).fetchall()
        )
