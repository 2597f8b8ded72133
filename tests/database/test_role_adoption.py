"""Roles that are there already: what differs is listed, and what cannot be adopted is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.login_support import (
    login_of_the_administrator,  # noqa: F401 - a fixture
    logins,
    made,
    made_by_a_superuser,  # noqa: F401 - a fixture
)

if TYPE_CHECKING:
    from tests.database.conftest import Shop


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
        made(shop, user, f"{user}_group")
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
    made(shop, "first")
    more = {"users": ["first", user], "memberships": {"first": [], user: []}}
    shop.run(f"ALTER ROLE {user} SET statement_timeout = '1h'")
    assert "pulumi-postgresql reads only milliseconds" in managed.refusal(**more)
    shop.run(f"ALTER ROLE {user} RESET statement_timeout")
    capfd.readouterr()
    managed.up(**more)
    made(shop, user)
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
    made(shop, user)
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
    made(shop, user)
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
        made(shop, user)
        shop.run(grant, superuser=True)
        capfd.readouterr()
        assert managed.up() == []
        assert capfd.readouterr().err == f"warning: {text}\n"
        assert logins(shop, user, memberships={user: [group]}).check()
    finally:
        shop.run(f"DROP ROLE {group}", superuser=True)
