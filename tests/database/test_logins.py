"""The connectors' logins: what is looked at before a role is touched, and wal_sender_timeout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.login_support import (
    login_of_the_administrator,  # noqa: F401 - a fixture
    logins,
    made_by_a_superuser,  # noqa: F401 - a fixture
)

from azure_postgres_cdc.database.logins import WalSenderTimeoutProvider

if TYPE_CHECKING:
    from tests.database.conftest import Shop


def test_login_that_is_no_longer_named_is_refused_with_the_word_that_keeps_it(shop: Shop) -> None:
    managed = logins(shop, "first")
    managed.up()
    assert managed.refusal(users=["second"]) == (
        "the login first is no longer named: it would be dropped, and a connector that still uses "
        "it cut off. Remedy: server.formerUsers: [first] keeps it with its password; take it out "
        "of there once the connector's form has another"
    )
    managed.up(users=["second"], formerUsers=["first"])
    assert managed.up() == []
    assert "the login second is no longer named" in managed.refusal(users=["third"])
    assert managed.up(formerUsers=[]) == ["formerUsers"]
    assert managed.up() == managed.refresh() == []


def test_another_login_beside_it_needs_no_word(shop: Shop) -> None:
    managed = logins(shop, "first")
    managed.up()
    assert managed.up(users=["first", "second"]) == ["users"]


def test_former_login_that_is_nowhere_is_refused(shop: Shop, user: str) -> None:
    assert logins(shop, "first", formerUsers=["nobody"]).refusal() == (
        "server.formerUsers: there is no role nobody to keep. Remedy: take it out, or correct the "
        "name"
    )
    logins(shop, "first", formerUsers=[user]).up()


def test_group_role_of_a_former_login_stays_as_long_as_that(shop: Shop, user: str) -> None:
    """It would keep its password, and lose every privilege that it has."""
    group = f"group_{shop.name}"
    shop.run(f"CREATE ROLE {group}", f"GRANT {group} TO {user}")
    try:
        managed = logins(shop, user, memberships={user: [group], group: []})
        managed.up()
        other = {"users": ["first"], "memberships": {"first": ["later"], "later": []}}
        assert managed.refusal(**other, formerUsers=[user]) == (
            f"the role {group} is no longer named: it would be dropped, and the former login "
            f"{user}, which is in it, cut off. Remedy: keep the role until {user} is out of "
            "server.formerUsers"
        )
        managed.up(users=["first"], formerUsers=[user], memberships={"first": [group], group: []})
        managed.up(formerUsers=[])
        managed.up(**other)
    finally:
        shop.run(f"DROP ROLE {group}")


def test_group_role_of_a_connector_that_is_taken_out_goes(shop: Shop, user: str) -> None:
    group = f"group_{shop.name}"
    shop.run(f"CREATE ROLE {group}", f"GRANT {group} TO {user}")
    try:
        memberships = {user: [group], group: [], "first": []}
        managed = logins(shop, user, "first", memberships=memberships)
        managed.up()
        managed.up(users=["first"], formerUsers=[user], memberships={"first": []})
    finally:
        shop.run(f"DROP ROLE {group}")


def test_login_with_replication_that_nobody_here_may_make_is_told_in_the_preview(
    shop: Shop,
) -> None:
    managed = logins(shop, "third")
    if shop.server.major < 16:
        assert managed.refusal() == (
            "the administrator cdc_admin may make no login with REPLICATION, which PostgreSQL "
            "before 16 leaves to superusers where it is not Azure's. Remedy: let a superuser be "
            "the administrator (connection.user)"
        )
        return
    managed.check()
    shop.run("ALTER ROLE cdc_admin NOREPLICATION", superuser=True)
    try:
        assert "cdc_admin lacks REPLICATION, without which it can neither" in managed.refusal()
    finally:
        shop.run("ALTER ROLE cdc_admin REPLICATION", superuser=True)


def test_bypassrls_needs_16_and_an_administrator_that_may_give_it(shop: Shop) -> None:
    managed = logins(shop, "first", bypassRls=True)
    if shop.server.major < 16:
        assert managed.refusal() == (
            "BYPASSRLS from an administrator who is no superuser needs PostgreSQL 16 or later; "
            "this server is 15"
        )
        return
    assert managed.refusal() == (
        "server.login.bypassRls: the administrator cdc_admin may not give BYPASSRLS. Remedy: have "
        "a superuser run: ALTER ROLE cdc_admin BYPASSRLS; or take bypassRls out, and give the role "
        "a policy on the tables that have row-level security"
    )
    shop.run("ALTER ROLE cdc_admin BYPASSRLS", superuser=True)
    try:
        managed.up()
    finally:
        shop.run("ALTER ROLE cdc_admin NOBYPASSRLS", superuser=True)


def test_administrator_that_may_make_no_role_is_told_before_anything_is_done(
    shop: Shop, user: str
) -> None:
    shop.run("ALTER ROLE cdc_admin NOCREATEROLE", superuser=True)
    try:
        assert logins(shop, "third", user).refusal() == (
            "the administrator cdc_admin may make no roles. Remedy: have a superuser run: ALTER "
            "ROLE cdc_admin CREATEROLE"
        )
        shop.run(f"GRANT {user} TO cdc_admin WITH ADMIN OPTION", superuser=True)
        logins(shop, user).check()  # there is none to be made
    finally:
        shop.run("ALTER ROLE cdc_admin CREATEROLE", superuser=True)
    logins(shop, "first", user).check()
    assert shop.column("SELECT rolname FROM pg_roles WHERE rolname LIKE '%trial%'") == []


def test_membership_without_privileges_is_given_them(shop: Shop, user: str) -> None:
    """Since 16 a membership may have none; pulumi-postgresql sees that it is there, and no more."""
    if shop.server.major < 16:
        pytest.skip("before 16, that is an attribute of the login, which the plugin looks after")
    group, other = f"group_{shop.name}", f"other_{shop.name}"
    shop.run(f"CREATE ROLE {group}", f"CREATE ROLE {other}")
    try:
        managed = logins(shop, user, memberships={user: [group], group: []})
        managed.up()
        shop.run(f"GRANT {group}, {other} TO {user} WITH INHERIT FALSE")
        assert managed.preview() == ["notInherited"]
        managed.up()
        has = "SELECT pg_has_role(%s, %s, 'USAGE')"
        assert shop.value(has, user, group)
        assert not shop.value(has, user, other)
        assert managed.up() == managed.refresh() == []
    finally:
        shop.run(f"DROP ROLE {group}", f"DROP ROLE {other}")


def test_pg_read_all_data_has_to_be_the_administrator_s_to_grant(shop: Shop, user: str) -> None:
    managed = logins(shop, user, readAllData=True, memberships={user: ["pg_read_all_data"]})
    managed.check()
    if shop.server.major < 16:  # CREATEROLE is enough there
        return
    shop.run("REVOKE ADMIN OPTION FOR pg_read_all_data FROM azure_pg_admin", superuser=True)
    try:
        assert managed.refusal() == (
            "grants.readAllData: the administrator cdc_admin may not grant pg_read_all_data. "
            "Remedy: have a superuser run: GRANT pg_read_all_data TO cdc_admin WITH ADMIN OPTION; "
            "or take readAllData out"
        )
        shop.run(f"GRANT pg_read_all_data TO {user}", superuser=True)
        managed.check()
        shop.run(f"REVOKE pg_read_all_data FROM {user}", superuser=True)
    finally:
        shop.run("GRANT pg_read_all_data TO azure_pg_admin WITH ADMIN OPTION", superuser=True)


def timeout(shop: Shop, user: str) -> list[str]:
    return shop.column("SELECT unnest(rolconfig) FROM pg_roles WHERE rolname = %s", user)


def test_wal_sender_timeout_is_the_login_s_own(shop: Shop, user: str) -> None:
    managed = shop.managed(WalSenderTimeoutProvider(), user=user, seconds=300)
    managed.up()
    assert timeout(shop, user) == ["wal_sender_timeout=300s"]
    assert managed.up() == managed.refresh() == []
    managed.up(seconds=0)
    assert timeout(shop, user) == ["wal_sender_timeout=0s"]
    managed.destroy()
    assert timeout(shop, user) == []


@pytest.mark.parametrize(
    ("by_hand", "seen"), [("SET wal_sender_timeout = '7s'", ["seconds"]), ("RESET ALL", ["id"])]
)
def test_wal_sender_timeout_changed_by_hand_is_seen_at_refresh(
    shop: Shop, user: str, by_hand: str, seen: list[str]
) -> None:
    managed = shop.managed(WalSenderTimeoutProvider(), user=user, seconds=300)
    managed.up()
    shop.run(f"ALTER ROLE {user} {by_hand}")
    assert managed.refresh() == seen
    managed.up()
    assert timeout(shop, user) == ["wal_sender_timeout=300s"]


def test_timeout_of_a_login_that_is_gone_is_no_obstacle(shop: Shop, user: str) -> None:
    managed = shop.managed(WalSenderTimeoutProvider(), user=user, seconds=300)
    managed.up()
    shop.run(f"DROP ROLE {user}")
    managed.destroy()
    assert timeout(shop, user) == []


def test_login_that_inherits_nothing_any_more_is_told_where_that_is_the_role_s_own_affair(
    shop: Shop, user: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.run(f"ALTER ROLE {user} REPLICATION", superuser=True)
    managed = logins(shop, user)
    managed.up()
    shop.run(f"ALTER ROLE {user} NOINHERIT", superuser=True)
    capfd.readouterr()
    managed.up()
    found = capfd.readouterr().err
    assert (f"role {user} has NOINHERIT: its connector cannot work" in found) == (
        shop.server.major < 16
    )


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER ROLE {} NOLOGIN", "has NOLOGIN"),
        ("ALTER ROLE {} CONNECTION LIMIT 0", "has CONNECTION LIMIT 0"),
        (
            "ALTER ROLE {} VALID UNTIL '2001-02-03 04:05Z'",
            "has had no valid password since 2001-02-03 04:05:00+00",
        ),
        ("REVOKE {group} FROM {}", "is not in {group}"),
        ("DROP ROLE {}", "is gone"),
    ],
)
def test_login_that_was_changed_by_hand_is_told_without_a_refresh(
    shop: Shop, user: str, capfd: pytest.CaptureFixture[str], statement: str, said: str
) -> None:
    if shop.server.major < 16:
        pytest.skip("there, only a superuser changes a login with REPLICATION")
    group = f"group_{shop.name}"
    shop.run(f"ALTER ROLE {user} REPLICATION", superuser=True)
    shop.run(f"CREATE ROLE {group}", f"GRANT {group} TO {user}")
    managed = logins(shop, user, memberships={user: [group], group: []})
    managed.up()
    capfd.readouterr()
    assert managed.up() == []
    assert capfd.readouterr().err == ""
    shop.run(statement.format(user, group=group))
    assert managed.up() == []
    shop.run(f"DROP ROLE {group}")
    assert capfd.readouterr().err == (
        f"warning: role {user} {said.format(group=group)}: its connector cannot work. Remedy: run "
        "pulumi up --refresh, which brings the role in line again\n"
    )
