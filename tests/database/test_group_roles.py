"""Group roles: whose they are, and what they hold while one takes another's place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.database.login_support import (
    login_of_the_administrator,  # noqa: F401 - a fixture
    logins,
    made_by_a_superuser,  # noqa: F401 - a fixture
)

from azure_postgres_cdc.database.group_roles import GroupRolesProvider, ReadAllDataProvider
from azure_postgres_cdc.database.schema_access import SchemaAccessProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

READS = "SELECT has_table_privilege(%s, 'public.orders', 'SELECT')"
COMMENT = "SELECT shobj_description(%s::regrole, 'pg_authid')"
MARK = "azure-postgres-cdc: of stack acme/cdc/"


@pytest.fixture
def groups(shop: Shop) -> Iterator[tuple[str, str]]:
    """Two group roles of the administrator's, and a table that neither may read."""
    names = f"old_{shop.name}", f"new_{shop.name}"
    shop.run("CREATE TABLE orders (id int)", *(f"CREATE ROLE {name}" for name in names))
    yield names
    for name in names:
        if shop.column("SELECT 1 FROM pg_roles WHERE rolname = %s", name):
            shop.run(f"DROP OWNED BY {name}", f"DROP ROLE {name}", superuser=True)


def roles(shop: Shop, memberships: dict[str, list[str]], stack: str = "dev") -> Managed:
    return shop.managed(GroupRolesProvider(), memberships=memberships, stack=f"acme/cdc/{stack}")


def access(shop: Shop, role: str, table_grants: str = "all") -> Managed:
    return shop.managed(
        SchemaAccessProvider(),
        role=role,
        allSchemas=False,
        schemas=["public"],
        captures=[{"schemas": ["public"]}],
        owners=[shop.server.admin_user],
        tableGrants=table_grants,
    )


def test_login_reads_at_every_moment_while_another_group_role_takes_over(
    shop: Shop, user: str, groups: tuple[str, str]
) -> None:
    old, new = groups
    shop.run(f"GRANT {old} TO {user}")
    first, managed = access(shop, old), roles(shop, {user: [old]})
    managed.up()
    first.up()
    assert managed.up(memberships={user: [new]}) == ["memberships"]
    shop.run(f"REVOKE {old} FROM {user}; GRANT {new} TO {user}")  # as pulumi-postgresql does
    assert shop.value(READS, user)
    # What it has of the former one is not taken for its own.
    access(shop, new).up()
    assert "SELECT" in shop.privileges("orders", new)
    first.destroy()
    shop.run(f"DROP ROLE {old}")
    assert shop.value(READS, user)
    assert managed.up() == managed.refresh() == []


def test_group_role_that_stays_is_handed_on_to_nobody(
    shop: Shop, user: str, groups: tuple[str, str]
) -> None:
    old, new = groups
    managed = roles(shop, {user: [old], "first": [old]})
    managed.up()
    managed.up(memberships={user: [new], "first": [old]})
    assert not shop.value("SELECT pg_has_role(%s, %s, 'MEMBER')", new, old)


def test_group_role_that_was_dropped_by_hand_is_no_obstacle(
    shop: Shop, user: str, groups: tuple[str, str]
) -> None:
    old, new = groups
    managed = roles(shop, {user: [old]})
    managed.up()
    shop.run(f"DROP ROLE {old}")
    managed.up(memberships={user: [new]})


def test_tables_are_granted_while_the_role_still_reads_everything(
    shop: Shop, groups: tuple[str, str]
) -> None:
    role, _ = groups
    reader = shop.managed(ReadAllDataProvider(), role=role)
    managed = access(shop, role, "none")
    reader.up()
    managed.up()
    assert shop.value(READS, role)
    assert shop.privileges("orders", role) == set()
    managed.up(tableGrants="all")
    assert shop.privileges("orders", role) == {"SELECT"}
    assert shop.value("SELECT pg_has_role(%s, 'pg_read_all_data', 'MEMBER')", role)
    reader.destroy()
    assert shop.value(READS, role)
    assert managed.up() == managed.refresh() == []


def test_membership_in_pg_read_all_data_that_is_gone_is_given_again(
    shop: Shop, groups: tuple[str, str]
) -> None:
    role, _ = groups
    reader = shop.managed(ReadAllDataProvider(), role=role)
    reader.up()
    assert reader.up() == reader.refresh() == []
    shop.run(f"REVOKE pg_read_all_data FROM {role}")
    assert reader.refresh() == ["id"]
    reader.up()
    shop.run(f"DROP ROLE {role}")
    reader.destroy()


def test_group_roles_are_marked_as_the_stack_s_and_a_comment_stays(
    shop: Shop, user: str, groups: tuple[str, str]
) -> None:
    first, second = groups
    shop.run(f"COMMENT ON ROLE {second} IS 'ours'")
    managed = roles(shop, {user: [first, second]})
    managed.up()
    here = f"{shop.connection['host']}:{shop.connection['port']}"
    assert shop.value(COMMENT, first) == f"{MARK}dev on {here}"
    assert shop.value(COMMENT, second) == "ours"
    managed.up(stack="acme/cdc/renamed")
    assert shop.value(COMMENT, first) == f"{MARK}renamed on {here}"
    assert managed.up() == managed.refresh() == []


def test_restored_server_s_roles_are_the_new_stack_s(
    shop: Shop, user: str, groups: tuple[str, str]
) -> None:
    """It has the marks of the server that it was made from."""
    group, _ = groups
    shop.run(f"COMMENT ON ROLE {group} IS '{MARK}dev on psql-before:5432'")
    new = {"memberships": {user: [group], group: []}, "stack": "acme/cdc/new"}
    logins(shop, user, **new).check()
    roles(shop, {user: [group]}, stack="new").up()
    assert str(shop.value(COMMENT, group)).startswith(f"{MARK}new on ")


def test_role_and_login_of_another_stack_are_refused_until_a_word_lets_go_of_them(
    shop: Shop, user: str, groups: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    group, other = groups
    shop.run(f"GRANT {group} TO {user}")
    roles(shop, {user: [group]}).up()
    rest = (
        "each stack would give its login another password, and the first that is destroyed drop "
        "it. Remedy: choose other names in one of them (server.user, server.role)"
    )
    word = (
        f"; or, where that stack is gone, run COMMENT ON ROLE {group} IS NULL, and pulumi up again"
    )
    same = {"memberships": {"first": [group], group: []}, "stack": "acme/cdc/prod"}
    assert logins(shop, "first", **same).refusal() == (
        f"the role {group} is that of stack acme/cdc/dev: {rest}{word}"
    )
    mine = {"memberships": {user: [other], other: []}, "stack": "acme/cdc/prod"}
    managed = logins(shop, user, **mine)
    assert managed.refusal() == (
        f"the role {user} is that of stack acme/cdc/dev, as its group role {group} says: "
        f"{rest}{word}"
    )
    logins(shop, user, memberships={user: [group], group: []}, stack="acme/cdc/dev").check()
    shop.run(f"COMMENT ON ROLE {group} IS NULL")
    managed.up()
    # Whoever has it already is warned only.
    roles(shop, {user: [group]}).up()
    capfd.readouterr()
    assert managed.up() == []
    assert f"warning: the role {user} is that of stack acme/cdc/dev" in capfd.readouterr().err


def test_membership_that_somebody_else_has_granted_stays_with_a_warning(
    shop: Shop, groups: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    role, _ = groups
    shop.run(f"GRANT pg_read_all_data TO {role}", superuser=True)
    shop.run("REVOKE ADMIN OPTION FOR pg_read_all_data FROM azure_pg_admin", superuser=True)
    try:
        reader = shop.managed(ReadAllDataProvider(), role=role)
        reader.up()
        reader.destroy()
    finally:
        shop.run("GRANT pg_read_all_data TO azure_pg_admin WITH ADMIN OPTION", superuser=True)
    said = capfd.readouterr().err
    if shop.server.major < 16:  # CREATEROLE is enough
        assert said == ""
        return
    assert said == (
        f"warning: role {role} stays a member of pg_read_all_data, and reads every table: the "
        "administrator may not revoke it. Remedy: have azuresu, who granted it, run: REVOKE "
        f"pg_read_all_data FROM {role}\n"
    )


def test_role_out_of_reach_is_not_marked_and_no_obstacle(shop: Shop, user: str) -> None:
    if shop.server.major >= 16:
        roles(shop, {user: ["App B"]}).up()
        assert shop.value(COMMENT, '"App B"') is None
