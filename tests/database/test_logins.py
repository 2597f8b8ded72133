"""The connectors' logins: what is looked at before a role is touched, and wal_sender_timeout."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from azure_postgres_cdc.database.logins import ConnectorLoginsProvider, WalSenderTimeoutProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop


@pytest.fixture
def user(shop: Shop) -> Iterator[str]:
    """A login that the administrator has made, as up does."""
    name = f"login_{shop.name}"
    shop.run(f"CREATE ROLE {name} LOGIN")
    yield name
    shop.run(f"DROP ROLE IF EXISTS {name}")


@pytest.fixture(autouse=True)
def made_by_a_superuser(shop: Shop) -> Iterator[None]:
    """Before 16, plain PostgreSQL lets nobody else make a login with REPLICATION."""
    if shop.server.major < 16:
        shop.run("CREATE ROLE first LOGIN", "CREATE ROLE second LOGIN", superuser=True)
    yield
    shop.run("DROP ROLE IF EXISTS first", "DROP ROLE IF EXISTS second", superuser=True)


def logins(shop: Shop, *users: str, **inputs: Any) -> Managed:
    memberships = inputs.pop("memberships", {user: [] for user in users})
    defaults = {
        "bypassRls": False,
        "walSenderTimeout": False,
        "readAllData": False,
        "memberships": memberships,
    }
    return shop.managed(
        ConnectorLoginsProvider(), users=list(users), **{"formerUsers": [], **defaults, **inputs}
    )


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


# Adoption


def test_roles_that_are_there_are_listed_with_what_differs(
    shop: Shop, user: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.run(
        f"CREATE ROLE {user}_group LOGIN",
        f"CREATE ROLE {user}_other",
        f"GRANT {user}_other TO {user}",
    )
    try:
        managed = logins(shop, user, memberships={user: [f"{user}_group"], f"{user}_group": []})
        managed.check()
        assert capfd.readouterr().err.splitlines() == [
            f"login {user} is there already, and is adopted; brought in line: gets REPLICATION; "
            f"becomes a member of {user}_group; is no longer a member of {user}_other; "
            "gets the stack's password, without which its connector is locked out (give its own "
            "as connectorPassword to keep it)",
            f"role {user}_group is there already, and is adopted; brought in line: loses LOGIN",
        ]
        managed.up()
        capfd.readouterr()
        assert managed.preview() == []
        assert capfd.readouterr().err == ""
    finally:
        shop.run(f"DROP ROLE {user}_group", f"DROP ROLE {user}_other")


def test_flags_that_an_adopted_role_loses_are_listed(
    shop: Shop, user: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.run(f"ALTER ROLE {user} REPLICATION BYPASSRLS CREATEDB", superuser=True)
    logins(shop, user).check()
    assert "brought in line: loses CREATEDB; loses BYPASSRLS; gets" in capfd.readouterr().err
    if shop.server.major >= 16:
        logins(shop, user, bypassRls=True).check()
        assert "brought in line: loses CREATEDB; gets" in capfd.readouterr().err


def test_login_that_a_stack_gets_later_is_adopted_as_the_first_ones(
    shop: Shop, user: str, capfd: pytest.CaptureFixture[str]
) -> None:
    managed = logins(shop, "first")
    managed.up()
    more = {"users": ["first", user], "memberships": {"first": [], user: []}}
    shop.run(f"ALTER ROLE {user} SET statement_timeout = '1h'")
    assert "pulumi-postgresql reads only milliseconds" in managed.refusal(**more)
    shop.run(f"ALTER ROLE {user} RESET statement_timeout")
    capfd.readouterr()
    managed.up(**more)
    assert f"login {user} is there already, and is adopted; brought" in capfd.readouterr().err
    assert managed.up() == []
    assert capfd.readouterr().err == ""


def test_roles_that_another_administrator_may_not_change_are_told(
    shop: Shop, user: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if shop.server.major < 16:
        pytest.skip("CREATEROLE is enough there")
    managed = logins(shop, user)
    managed.up()
    shop.run(f"REVOKE {user} FROM cdc_admin", superuser=True)
    managed.inputs["connection"] = managed.inputs["connection"] | {"user": "another"}
    capfd.readouterr()
    managed.up()
    assert capfd.readouterr().err == (
        f"warning: the role {user} is there already, made by another one, and the administrator "
        f"cdc_admin may not change it. Remedy: have a role that may run: GRANT {user} TO "
        "cdc_admin WITH ADMIN OPTION\n"
    )
    assert managed.up() == []
    assert capfd.readouterr().err == ""
    shop.run(f"DROP ROLE {user}", superuser=True)


def test_everything_else_that_an_adopted_role_loses_is_listed(
    shop: Shop, user: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.run(
        f"ALTER ROLE {user} NOINHERIT CONNECTION LIMIT 5 VALID UNTIL '2030-01-01 00:00+00'",
        f"ALTER ROLE {user} SET search_path = shop, public",
        f"ALTER ROLE {user} SET statement_timeout = 0",
        f"ALTER ROLE {user} SET work_mem = '8MB'",
    )
    logins(shop, user).check()
    told = capfd.readouterr().err
    assert (
        "gets REPLICATION; gets INHERIT; its connection limit of 5 becomes no limit; its password "
        "is valid for ever, no longer until 20"
    ) in told
    assert "; loses the setting search_path=shop, public; gets the stack's password" in told
    logins(shop, user, connectionLimit=5).check()
    assert "connection limit" not in capfd.readouterr().err


def test_role_that_the_administrator_may_not_change_is_refused_before_anything_is(
    shop: Shop,
) -> None:
    name = f"stranger_{shop.name}"
    shop.run(f"CREATE ROLE {name} LOGIN", superuser=True)
    try:
        managed = logins(shop, name)
        if int(shop.value("SHOW server_version_num")) < 160000:  # CREATEROLE is enough there
            managed.check()
            return
        assert managed.refusal() == (
            f"the role {name} is there already, made by another one, and the administrator "
            f"cdc_admin may not change it. Remedy: have a role that may run: GRANT {name} TO "
            "cdc_admin WITH ADMIN OPTION; or choose other names (server.user, server.role)"
        )
        shop.run(f"GRANT {name} TO cdc_admin WITH ADMIN OPTION", superuser=True)
        managed.check()
    finally:
        shop.run(f"DROP ROLE {name}", superuser=True)


# What pulumi-postgresql would stumble over


def test_timeout_that_cannot_be_read_is_refused_and_later_warned_of(
    shop: Shop, user: str, capfd: pytest.CaptureFixture[str]
) -> None:
    text = (
        f"role {user} has statement_timeout=5min, and pulumi-postgresql reads only milliseconds "
        f"without a unit. Remedy: ALTER ROLE {user} RESET statement_timeout; where it is wanted, "
        f"ALTER ROLE {user} IN DATABASE <database> SET statement_timeout = '5min'"
    )
    shop.run(f"ALTER ROLE {user} SET statement_timeout = '5min'")
    managed = logins(shop, user)
    assert managed.refusal() == text
    shop.run(f"ALTER ROLE {user} SET statement_timeout = 300000")
    managed.up()
    shop.run(f"ALTER ROLE {user} SET statement_timeout = '5min'")
    capfd.readouterr()
    assert managed.up() == []
    assert capfd.readouterr().err == f"warning: {text}\n"


@pytest.mark.parametrize("admin_option", [False, True])
def test_membership_that_somebody_else_granted_is_refused_and_later_warned_of(
    shop: Shop, user: str, admin_option: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the ADMIN option, too: a REVOKE takes only what its own role has granted."""
    if shop.server.major < 16:
        pytest.skip("CREATEROLE takes away every membership")
    group = f"{user}_group"
    grant, revoke = f"GRANT {group} TO {user}", f"REVOKE {group} FROM {user}"
    shop.run(f"CREATE ROLE {group}", grant, superuser=True)
    try:
        if admin_option:
            shop.run(f"GRANT {group} TO cdc_admin WITH ADMIN OPTION", superuser=True)
        text = (
            f"role {user} is a member of {group}, which the stack does not name: pulumi-postgresql "
            "takes that away when it changes the role, and the administrator cdc_admin may not. "
            f"Remedy: have azuresu, who granted it, run: {revoke}"
        )
        managed = logins(shop, user)
        assert managed.refusal() == text
        shop.run(revoke, superuser=True)
        managed.up()
        shop.run(grant, superuser=True)
        capfd.readouterr()
        assert managed.up() == []
        assert capfd.readouterr().err == f"warning: {text}\n"
        assert logins(shop, user, memberships={user: [group]}).check()
    finally:
        shop.run(f"DROP ROLE {group}", superuser=True)
