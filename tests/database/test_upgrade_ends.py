"""The slot on the new server, the way back, and the preflight.

The new server is the same one here: only the record says that it has a later version.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.database.conftest import Managed
from tests.database.doctor_support import Connector
from tests.database.doctor_support import ready_connector as ready_connector
from tests.database.slot_support import create, drop, preview, recorded, replication_slot
from tests.database.test_upgrade_steps import drained, refusal, write
from tests.database.upgrade_support import LATER, said, upgrade_of
from typer.testing import CliRunner, Result

from azure_postgres_cdc.operations import cli, command_line
from azure_postgres_cdc.operations.findings import State as Health
from azure_postgres_cdc.operations.upgrade import cli as upgrade_cli
from azure_postgres_cdc.operations.upgrade import commands, plan
from azure_postgres_cdc.operations.upgrade import run as runs
from azure_postgres_cdc.operations.upgrade import state as records
from azure_postgres_cdc.operations.upgrade.commands import Options
from azure_postgres_cdc.operations.upgrade.context import Upgrade
from azure_postgres_cdc.operations.upgrade.drain import PREFIX, Drain, StopSource
from azure_postgres_cdc.operations.upgrade.fence import Fence
from azure_postgres_cdc.operations.upgrade.recreate import Recreate
from azure_postgres_cdc.operations.upgrade.slots import DropSlots
from azure_postgres_cdc.operations.upgrade.state import State

NO_FILE = Path("/nonexistent")


@pytest.fixture(name="managed")
def resource(connector: Connector) -> Managed:
    """The slot as `up` knows it."""
    managed = replication_slot(connector.shop, connector.slot)
    managed.up()
    return managed


@pytest.fixture(name="dropped")
def after_the_drop(connector: Connector, managed: Managed, tmp_path: Path) -> Iterator[Upgrade]:
    """A run that has dropped the slot, fenced by read-only."""
    assert managed.id
    run = upgrade_of(connector, tmp_path, read_only=True)
    Fence().make_true(run)
    drained(run, connector)
    DropSlots().make_true(run)
    yield run
    with connector.shop.server.superuser() as connection:
        connection.execute(f"ALTER DATABASE {connector.shop.name} RESET ALL".encode())


def arrived(run: Upgrade, connector: Connector) -> None:
    """On the new server: it has counted nothing yet, and the version is right."""
    run.state.to = connector.shop.server.major
    connector.shop.run("SELECT pg_stat_reset()", superuser=True)


def write_through(connector: Connector, statement: str) -> None:
    """Somebody who does not mind the fence."""
    connector.shop.run("SET default_transaction_read_only = off", statement, superuser=True)


def doubts(run: Upgrade, connector: Connector) -> str:
    """Why a snapshot is needed, as the record and the stack have it."""
    (reason,) = run.record(connector.form).unproven
    ledger = recorded(connector.shop)
    assert ledger.doubt is not None
    assert ledger.doubt.reason == reason
    assert set(ledger.needs_snapshot) == {"public.orders", "sales.orders"}
    assert f"NOT PROVED: {reason}" in said(run)
    return reason


# Recreate


def test_slot_is_there_and_up_takes_it_for_the_one_it_knew(
    dropped: Upgrade, connector: Connector, managed: Managed
) -> None:
    assert not Recreate().is_true(dropped)
    arrived(dropped, connector)
    assert not Recreate().is_true(dropped)
    Recreate().make_true(dropped)
    assert Recreate().is_true(dropped)
    assert dropped.record(connector.form).unproven == []
    assert preview(managed) == []
    assert recorded(connector.shop).needs_snapshot == {}
    assert connector.find("continuity").state is Health.OK


def test_slot_that_the_connector_made_behind_the_fence_is_as_good(
    dropped: Upgrade, connector: Connector, managed: Managed
) -> None:
    arrived(dropped, connector)
    create(connector.shop, connector.slot)
    assert not Recreate().is_true(dropped)
    Recreate().make_true(dropped)
    assert dropped.record(connector.form).unproven == []
    assert preview(managed) == []


def test_killed_after_the_slot_and_before_its_record(
    dropped: Upgrade, connector: Connector, managed: Managed
) -> None:
    arrived(dropped, connector)
    dropped.record(connector.form).quiet = True
    create(connector.shop, connector.slot)
    Recreate().make_true(dropped)
    assert Recreate().is_true(dropped)
    assert preview(managed) == []


def write_and_be_counted(upgrade: Upgrade, connector: Connector) -> None:
    """A row that somebody writes all the same, seen in PostgreSQL's statistics."""
    write_through(connector, "INSERT INTO public.orders VALUES (7)")
    upgrade.wait(
        lambda: (
            connector.shop.value(
                "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'orders'"
                " AND schemaname = 'public'"
            )
            == 1
        ),
        "not counted",
    )


def test_rows_written_on_the_new_server_before_the_slot(
    dropped: Upgrade, connector: Connector
) -> None:
    arrived(dropped, connector)
    write_and_be_counted(dropped, connector)
    Recreate().make_true(dropped)
    assert "1 rows were written to captured tables" in doubts(dropped, connector)


def test_restored_from_a_dump(dropped: Upgrade, connector: Connector) -> None:
    arrived(dropped, connector)
    write_through(connector, "DROP TABLE sales.orders")
    write_through(connector, "CREATE TABLE sales.orders (id int PRIMARY KEY, note text)")
    write_through(connector, "ALTER PUBLICATION streamkap_pub ADD TABLE sales.orders")
    Recreate().make_true(dropped)
    reason = doubts(dropped, connector)
    assert "was dumped and restored, or is on another server: table sales.orders" in reason
    assert "have them reset" in reason


def test_restored_from_a_backup_of_before_the_drain(dropped: Upgrade, connector: Connector) -> None:
    write_through(connector, "DELETE FROM streamkap.streamkap_signal")
    arrived(dropped, connector)
    Recreate().make_true(dropped)
    assert "its marker row is not there" in doubts(dropped, connector)


def test_new_server_that_starts_lower(dropped: Upgrade, connector: Connector) -> None:
    arrived(dropped, connector)
    dropped.record(connector.form).position = "FFF/0"
    Recreate().make_true(dropped)
    assert "before FFF/0 of the old server; the connector's offsets" in doubts(dropped, connector)


def test_publication_that_is_gone(dropped: Upgrade, connector: Connector) -> None:
    arrived(dropped, connector)
    write_through(connector, "ALTER PUBLICATION streamkap_pub RENAME TO other")
    dropped.record(connector.form).tables = {}
    dropped.record(connector.form).marker = ""
    assert "publication streamkap_pub" in refusal(lambda: Recreate().make_true(dropped))
    assert connector.shop.column("SELECT slot_name FROM pg_replication_slots") == []


def test_lost_slot_is_upgraded_only_with_a_snapshot_afterwards(
    connector: Connector, managed: Managed, tmp_path: Path
) -> None:
    drop(connector.shop, connector.slot)
    run = upgrade_of(connector, tmp_path)
    assert "; continuity of" in refusal(lambda: runs.go(run), remedies=0)
    run.snapshot_afterwards = True
    for step in (Drain(), StopSource(), DropSlots()):
        runs.take(run, step)
        assert f"{step.name}: NOT PROVED. " in said(run)
    arrived(run, connector)
    runs.take(run, Recreate())
    assert "has vanished" in doubts(run, connector)
    managed.up()
    assert recorded(connector.shop).doubt is not None
    assert connector.find("continuity").state is Health.WARNING


# The way back


def test_abort_makes_the_slot_again_before_it_unfences(
    dropped: Upgrade, connector: Connector, managed: Managed
) -> None:
    assert runs.abort(dropped) is True
    assert preview(managed) == []
    lines = said(dropped).splitlines()
    assert lines.index(f"abort: slot {connector.slot} is there again") < next(
        number for number, line in enumerate(lines) if line.startswith("unfence: ok")
    )
    write(connector)  # it takes writes again
    assert connector.shop.column("SELECT id FROM streamkap.streamkap_signal") == []
    kept = records.read(dropped.file)
    assert kept is not None
    assert kept.finished == runs.ABORTED


def test_abort_after_a_leak_wants_a_snapshot(dropped: Upgrade, connector: Connector) -> None:
    write_and_be_counted(dropped, connector)
    assert runs.abort(dropped) is False
    assert "1 rows were written" in doubts(dropped, connector)
    assert f"snapshot --stack test --database {connector.shop.name}" in said(dropped)


def test_no_way_back_from_the_new_version(dropped: Upgrade, connector: Connector) -> None:
    arrived(dropped, connector)
    assert "there is no way back" in refusal(lambda: runs.abort(dropped))


# The preflight


def looked_at(connector: Connector, **options: Any) -> dict[str, tuple[str, str]]:
    found = plan.examine(connector.stack(), **({"to": 18} | options))
    return {name: (str(result.state), result.evidence) for name, result in found}


def test_plan_of_a_server_that_is_ready(connector: Connector, managed: Managed) -> None:
    assert managed.id
    shop, lines = connector.shop, []
    if shop.server.major == 18:
        pytest.skip("there is no later version")
    assert commands.plan(connector.stack(), 18, Options(), lines.append) is True
    found = looked_at(connector)
    assert found["version path"] == ("ok", f"PostgreSQL {shop.server.major} to 18")
    assert found["slots"][1] == f"{connector.slot}: dropped once it is drained, and made again"
    assert found["free storage"][0] == "unknown"
    assert found["read replicas"][0] == "unknown"
    assert lines[-8].startswith(f"1. fence: database {shop.name} is left to you")
    assert len(shop.rows("SELECT FROM pg_replication_slots WHERE NOT active")) == 1


def test_slot_of_somebody_else_blocks(connector: Connector, tmp_path: Path) -> None:
    create(connector.shop, f"other_{connector.shop.name}")
    state, evidence = looked_at(connector)["slots"]
    assert state == "failed"
    assert f"other_{connector.shop.name} (database {connector.shop.name}" in evidence
    run = upgrade_of(connector, tmp_path)
    assert "not this stack's, and would be lost" in refusal(lambda: runs.go(run), remedies=0)
    assert not run.file.exists()
    drop(connector.shop, f"other_{connector.shop.name}")


def test_what_else_stands_in_the_way(connector: Connector) -> None:
    shop = connector.shop
    shop.run(
        "CREATE FUNCTION public.look() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "CREATE EVENT TRIGGER looks ON ddl_command_end EXECUTE FUNCTION public.look()",
        superuser=True,
    )
    shop.run("BEGIN", "INSERT INTO public.orders VALUES (1)", "PREPARE TRANSACTION 'p'")
    connector.storage_gib = 0.01
    found = looked_at(connector, to=10)
    shop.run("ROLLBACK PREPARED 'p'")
    assert found["version path"][0] == "failed"
    assert found["prepared transactions"] == (
        "failed",
        f"prepared transactions: p of database {shop.name}",
    )
    assert found["free storage"][0] == "failed"
    assert found[f"event triggers of {shop.name}"][0] == "failed"
    assert looked_at(connector, to=99)["version path"][0] == "failed"


def test_kept_slots_need_17(connector: Connector) -> None:
    expected = "ok" if connector.shop.server.major >= 17 else "failed"
    assert looked_at(connector, keep_slots=True)["pg_upgrade keeps slots"][0] == expected


# The record


def test_record_is_written_as_a_whole_and_read_again(tmp_path: Path) -> None:
    state = State(stack="test", version=16, to=18)
    state.connector("slot").marker = f"{PREFIX}1"
    file = tmp_path / "state.json"
    records.write(state, file)
    records.write(state, file)
    assert records.read(file) == state
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    file.write_text("{}")
    assert "is no record of an upgrade" in refusal(lambda: records.read(file))


def test_upgrade_that_was_begun_is_gone_on_with_and_no_other(
    connector: Connector, tmp_path: Path
) -> None:
    file = tmp_path / "state.json"
    stack = connector.stack()
    assert "no upgrade of stack test" in refusal(lambda: commands.status(stack, file, print))
    records.write(State(stack="test", version=16, to=LATER), file)
    text = refusal(lambda: commands.run(stack, LATER + 1, file, Options(), print))
    assert f"to PostgreSQL {LATER} was begun" in text
    with commands._alone(file):
        text = refusal(lambda: commands.run(stack, LATER, file, Options(), print))
    assert "another process is at this upgrade" in text
    records.write(State(stack="other", version=16, to=LATER), file)
    assert "is of stack other" in refusal(
        lambda: commands.run(stack, LATER, file, Options(), print)
    )


def test_status_is_seen_on_the_server(dropped: Upgrade, connector: Connector) -> None:
    dropped.save()
    lines: list[str] = []
    commands.status(connector.stack(), dropped.file, lines.append)
    assert lines[0].startswith(f"stack test: PostgreSQL 16 to {LATER}, not finished")
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "fence",
        "drain",
        "stop source",
        "drop slot",
        "upgrade",
    ]
    assert lines[-1] == "upgrade: next"


# The command line


def test_commands_and_how_they_end(
    connector: Connector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade_cli, "load", lambda *_: connector.stack())
    to = str(connector.shop.server.major)

    def called(command: str, *options: str) -> Result:
        result = CliRunner().invoke(cli.app, ["upgrade", command, "-s", "test", *options])
        assert connector.shop.server.admin_password not in result.output
        return result

    file = str(tmp_path / "state.json")
    blocked = called("plan", "--to", to)
    assert blocked.exit_code == command_line.FAILED
    assert "that is no upgrade" in blocked.stdout
    stopped = called("run", "--to", to, "--state", file)
    assert stopped.exit_code == command_line.COULD_NOT_RUN
    assert stopped.stderr.startswith("azure-postgres-cdc: nothing was begun. version path:")
    if connector.shop.server.major == 18:
        return
    assert called("plan", "--to", "18").exit_code == 0
    options = "--to", "18", "--state", file, "--read-only-database", "--wait", "0"
    waiting = called("run", *options)
    assert waiting.exit_code == command_line.COULD_NOT_RUN
    assert f"slot {connector.slot} is not drained" in waiting.stderr
    assert called("status", "--state", file).stdout.endswith("drain: next\n")
    back = called("abort", "--state", file)
    assert (back.exit_code, "unfence: ok." in back.stdout) == (0, True)
    assert "is aborted already" in called("abort", "--state", file).stderr
    assert "aborted" in called("status", "--state", file).stdout
