"""Who gets through the fence, though no privilege on the published table itself says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.database.doctor_support import Connector
from tests.database.doctor_support import ready_connector as ready_connector
from tests.database.test_upgrade_steps import refusal
from tests.database.upgrade_support import APP_PASSWORD, as_app, upgrade_of

from azure_postgres_cdc.operations.upgrade import commands
from azure_postgres_cdc.operations.upgrade import state as records
from azure_postgres_cdc.operations.upgrade.commands import Options
from azure_postgres_cdc.operations.upgrade.context import Upgrade
from azure_postgres_cdc.operations.upgrade.fence import Fence, hole_of, is_read_only
from azure_postgres_cdc.operations.upgrade.release import Unfence
from azure_postgres_cdc.operations.upgrade.state import State

WRITABLE = "SET default_transaction_read_only = off"


@pytest.fixture(name="run")
def fenced_by_read_only(connector: Connector, tmp_path: Path) -> Iterator[Upgrade]:
    yield upgrade_of(connector, tmp_path, read_only=True)
    with connector.shop.server.superuser() as connection:
        connection.execute(f"ALTER DATABASE {connector.shop.name} RESET ALL".encode())


@pytest.fixture(name="app")
def login_without_privileges(connector: Connector) -> Iterator[str]:
    user, shop = f"app_{connector.shop.name}", connector.shop
    shop.run(f"CREATE ROLE {user} LOGIN NOINHERIT PASSWORD '{APP_PASSWORD}'", superuser=True)
    yield user
    names = [user, *shop.column("SELECT rolname FROM pg_roles WHERE rolname = %s", f"{user}_w")]
    for name in names:
        shop.run(WRITABLE, f"DROP OWNED BY {name}", f"DROP ROLE {name}", superuser=True)


def hole(run: Upgrade, connector: Connector, user: str) -> str:
    """What the fence says of an open session of this user."""
    run.state.read_only_database = False
    with as_app(connector.shop, user):
        return hole_of(run, connector.shop.name)


def test_login_that_may_do_nothing_is_no_hole(run: Upgrade, connector: Connector, app: str) -> None:
    connector.shop.run(
        f"GRANT SELECT, REFERENCES ON public.orders TO {app}",
        f"GRANT SELECT (id) ON sales.orders TO {app}",
        superuser=True,
    )
    assert hole(run, connector, app) == ""


@pytest.mark.parametrize("privilege", ["INSERT (id)", "UPDATE (note)"])
def test_grant_on_columns(run: Upgrade, connector: Connector, app: str, privilege: str) -> None:
    connector.shop.run(f"GRANT {privilege} ON public.orders TO {app}", superuser=True)
    assert f"({app}" in hole(run, connector, app)


def test_role_that_a_login_can_become(run: Upgrade, connector: Connector, app: str) -> None:
    connector.shop.run(
        f"CREATE ROLE {app}_w",
        f"GRANT INSERT ON public.orders TO {app}_w",
        f"GRANT {app}_w TO {app}",
        superuser=True,
    )
    assert f"({app}" in hole(run, connector, app)


def test_grant_to_everybody(run: Upgrade, connector: Connector, app: str) -> None:
    connector.shop.run("GRANT DELETE ON public.orders TO PUBLIC", superuser=True)
    assert f"({app}" in hole(run, connector, app)


@pytest.mark.parametrize("via_root", ["true", "false"])
@pytest.mark.parametrize("table", ["events", "events_1"])
def test_grant_on_a_partition_or_on_what_it_is_a_part_of(
    run: Upgrade, connector: Connector, app: str, table: str, via_root: str
) -> None:
    connector.shop.run(
        "CREATE TABLE public.events (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE public.events_1 PARTITION OF public.events FOR VALUES FROM (0) TO (9)",
        "ALTER PUBLICATION streamkap_pub ADD TABLE public.events",
        f"ALTER PUBLICATION streamkap_pub SET (publish_via_partition_root = {via_root})",
        f"GRANT INSERT ON public.{table} TO {app}",
    )
    assert f"({app}" in hole(run, connector, app)


@pytest.mark.parametrize("word", ["off", "false", "no", "0"])
def test_role_that_is_excepted_in_any_spelling(
    run: Upgrade, connector: Connector, app: str, word: str
) -> None:
    Fence().make_true(run)
    setting = f"ALTER ROLE {app} SET default_transaction_read_only = '{word}'"
    connector.shop.run(WRITABLE, setting, superuser=True)
    assert f"is off for {app}" in refusal(lambda: Fence().make_true(run))
    connector.shop.run(WRITABLE, f"ALTER ROLE {app} RESET ALL", superuser=True)
    assert Fence().is_true(run)


def test_administrator_who_may_not_see_since_when_others_are_connected(
    run: Upgrade, connector: Connector, app: str
) -> None:
    shop = connector.shop
    shop.run(f"GRANT INSERT ON public.orders TO {app}", superuser=True)
    shop.run("REVOKE pg_monitor FROM azure_pg_admin", superuser=True)
    try:
        with as_app(shop, app):
            text = refusal(lambda: Fence().make_true(run))
    finally:
        shop.run(WRITABLE, "GRANT pg_monitor TO azure_pg_admin WITH ADMIN OPTION", superuser=True)
    assert f"({app}, connected ? UTC)" in text
    assert "GRANT pg_read_all_stats TO" in text


def test_subscription_that_minds_no_read_only_database(run: Upgrade, connector: Connector) -> None:
    shop = connector.shop
    shop.run(
        "CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p"
        " WITH (connect = false, slot_name = 'feed')",
        "INSERT INTO pg_subscription_rel SELECT oid, 'public.orders'::regclass, 'r', NULL"
        " FROM pg_subscription WHERE subname = 'feed'",
        superuser=True,
    )
    Fence().make_true(run)  # it is not enabled
    shop.run(WRITABLE, "ALTER SUBSCRIPTION feed ENABLE", superuser=True)
    text = hole_of(run, shop.name)
    shop.run(
        WRITABLE,
        "ALTER SUBSCRIPTION feed DISABLE",
        "ALTER SUBSCRIPTION feed SET (slot_name = NONE)",
        "DROP SUBSCRIPTION feed",
        superuser=True,
    )
    assert f"feed writes to published tables. Remedy: {WRITABLE}; ALTER SUBSCRIPTION" in text


def test_database_that_stays_read_only_is_not_said_to_take_writes(
    run: Upgrade, connector: Connector
) -> None:
    name = connector.shop.name
    connector.shop.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    Fence().make_true(run)
    Unfence().make_true(run)
    text = Unfence().evidence(run)
    assert "takes writes again" not in text
    assert f"ALTER DATABASE {name} RESET default_transaction_read_only" in text


def test_database_that_has_left_the_stack_is_given_back_as_well(
    run: Upgrade, connector: Connector
) -> None:
    name = connector.shop.name
    Fence().make_true(run)
    run.state.database("dropped_since").is_to_give_back = True
    run.stack = replace(run.stack, forms=(replace(connector.form, database="postgres"),))
    assert not Unfence().is_true(run)
    Unfence().make_true(run)
    assert Unfence().is_true(run)
    assert Unfence().evidence(run) == (
        f"database postgres takes writes again; database {name} takes writes again"
    )


def test_stack_that_has_no_connector_any_more(
    run: Upgrade, connector: Connector, tmp_path: Path
) -> None:
    Fence().make_true(run)
    run.save()
    host = connector.shop.server.host
    login = run.stack.settings.connection.model_copy(update={"host": host})
    settings = run.stack.settings.model_copy(update={"connection": login})
    stack = replace(run.stack, forms=(), settings=settings)
    assert commands.abort(stack, run.file, Options(), print) is True
    assert not is_read_only(run, connector.shop.name)
    records.write(State(stack="test", version=16, to=18), tmp_path / "empty.json")
    text = refusal(lambda: commands.status(stack, tmp_path / "empty.json", print))
    assert "stack test was up with no database, and so has no connector" in text
