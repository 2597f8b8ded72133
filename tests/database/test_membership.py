"""Acting for an owner on which the administrator has the ADMIN option only, leaving nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from azure_postgres_cdc.database.connection import connect
from azure_postgres_cdc.database.membership import acting_for, within_reach
from azure_postgres_cdc.database.publication import PublicationProvider
from azure_postgres_cdc.database.replica_identity import ReplicaIdentityProvider
from azure_postgres_cdc.errors import CdcError

if TYPE_CHECKING:
    from tests.database.conftest import Shop

ROLE = "streamkap_role"

Memberships = list[tuple[Any, ...]]


@pytest.fixture
def owner(shop: Shop) -> Iterator[str]:
    """A role that the administrator may make itself a member of, and a table of it."""
    name = f"app_{shop.name}"
    shop.run(f"CREATE ROLE {name}", superuser=True)
    if shop.server.major >= 16:  # before, CREATEROLE is enough
        shop.run(
            f"GRANT {name} TO {shop.server.admin_user} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
            superuser=True,
        )
    shop.run("CREATE SCHEMA app")
    shop.run(
        "CREATE TABLE app.theirs (id int PRIMARY KEY, note text)",
        f"ALTER TABLE app.theirs OWNER TO {name}",
        superuser=True,
    )
    yield name
    shop.run(f"DROP OWNED BY {name}", f"DROP ROLE {name}", superuser=True)


def memberships(shop: Shop) -> Memberships:
    """Everything that pg_auth_members says of the administrator."""
    return shop.rows(
        "SELECT to_jsonb(m) - 'oid' FROM pg_auth_members m WHERE member = %s::regrole"
        " ORDER BY roleid, grantor",
        shop.server.admin_user,
    )


def publication(*tables: str) -> dict[str, Any]:
    return {
        "name": "streamkap_pub",
        "role": ROLE,
        "capture": json.dumps({"tables": list(tables)}),
        "ownTables": [],
        "fullIdentity": "{}",
        "allowWithoutIdentity": "[]",
    }


def test_what_needs_the_owner_works_and_the_membership_is_given_back(
    shop: Shop, owner: str
) -> None:
    before = memberships(shop)
    with connect(shop.connection, shop.name) as connection, acting_for(connection, [owner]):
        connection.execute("ALTER TABLE app.theirs ADD COLUMN more int")
    assert memberships(shop) == before
    with (
        pytest.raises(CdcError, match="must be owner of table theirs"),
        connect(shop.connection, shop.name) as connection,
    ):
        connection.execute("ALTER TABLE app.theirs DROP COLUMN more")


def test_failure_leaves_no_membership(shop: Shop, owner: str) -> None:
    before = memberships(shop)
    with (
        pytest.raises(CdcError, match="nothing"),
        connect(shop.connection, shop.name) as connection,
        acting_for(connection, [owner]),
    ):
        connection.execute("ALTER TABLE app.nothing ADD COLUMN more int")
    assert memberships(shop) == before


def test_grant_of_ones_own_without_privileges_stays_as_it_was(shop: Shop, owner: str) -> None:
    if shop.server.major < 16:
        pytest.skip("before 16, a membership always has the privileges")
    shop.run(f"GRANT {owner} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE")
    before = memberships(shop)
    with connect(shop.connection, shop.name) as connection, acting_for(connection, [owner]):
        connection.execute("ALTER TABLE app.theirs ADD COLUMN more int")
    assert memberships(shop) == before


def test_admin_option_of_a_role_that_one_is_in_is_enough(shop: Shop, owner: str) -> None:
    if shop.server.major >= 16:
        shop.run(
            f"REVOKE {owner} FROM {shop.server.admin_user}",
            f"GRANT {owner} TO team WITH ADMIN TRUE, INHERIT FALSE",
            superuser=True,
        )
    before = memberships(shop)
    with connect(shop.connection, shop.name) as connection, acting_for(connection, [owner]):
        connection.execute("ALTER TABLE app.theirs ADD COLUMN more int")
    assert memberships(shop) == before


def test_superusers_and_foreigners_are_out_of_reach(shop: Shop) -> None:
    with connect(shop.connection, shop.name) as connection:
        reach = within_reach(connection)
    assert "azuresu" not in reach
    assert ("App B" in reach) == (shop.server.major < 16)
    assert reach["team"] is reach[shop.server.admin_user] is None


def test_member_of_the_administrator_is_out_of_reach(shop: Shop, owner: str) -> None:
    if shop.server.major >= 16:
        pytest.skip("since 16, whoever has the ADMIN option is a member: it cannot be a circle")
    shop.run(f"GRANT {shop.server.admin_user} TO {owner}", superuser=True)
    with connect(shop.connection, shop.name) as connection:
        assert owner not in within_reach(connection)


def test_table_of_such_an_owner_is_published_readable_and_full(shop: Shop, owner: str) -> None:
    shop.run("CREATE TABLE app.mine (id int PRIMARY KEY)")
    before = memberships(shop)
    identity = shop.managed(
        ReplicaIdentityProvider(),
        captures=json.dumps([{"tables": ["app.theirs"]}]),
        indexes="{}",
        ownTables=[],
    )
    identity.up()
    managed = shop.managed(PublicationProvider(), **publication("app.mine", "app.theirs"))
    managed.up()
    assert shop.published() == ["app.mine", "app.theirs"]
    assert shop.value("SELECT has_table_privilege(%s, 'app.theirs', 'SELECT')", ROLE)
    assert shop.value("SELECT relreplident FROM pg_class WHERE relname = 'theirs'") == "f"
    assert memberships(shop) == before
    assert shop.value("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'theirs'") == (
        owner
    )
    assert managed.up() == identity.up() == []
    assert managed.refresh() == identity.refresh() == []
    identity.destroy()
    assert shop.value("SELECT relreplident FROM pg_class WHERE relname = 'theirs'") == "d"
    assert memberships(shop) == before


@pytest.mark.usefixtures("owner")
def test_table_of_such_an_owner_is_added_later(shop: Shop) -> None:
    shop.run("CREATE TABLE app.mine (id int PRIMARY KEY)")
    before = memberships(shop)
    managed = shop.managed(PublicationProvider(), **publication("app.mine"))
    managed.up()
    managed.up(capture=json.dumps({"tables": ["app.mine", "app.theirs"]}))
    assert shop.published() == ["app.mine", "app.theirs"]
    assert shop.value("SELECT has_table_privilege(%s, 'app.theirs', 'SELECT')", ROLE)
    assert memberships(shop) == before


def test_signal_table_of_such_an_owner_is_published(shop: Shop, owner: str) -> None:
    shop.run("CREATE TABLE app.mine (id int PRIMARY KEY)", "CREATE SCHEMA streamkap")
    signal = "streamkap.streamkap_signal"
    shop.run(
        f"CREATE TABLE {signal} (id VARCHAR(255) PRIMARY KEY)",
        f"ALTER TABLE {signal} OWNER TO {owner}",
        superuser=True,
    )
    before = memberships(shop)
    own = {"ownTables": [signal]}
    managed = shop.managed(PublicationProvider(), **publication("app.mine") | own)
    managed.up()
    assert shop.published() == ["app.mine", signal]
    assert memberships(shop) == before
    assert managed.up() == managed.refresh() == []


def test_table_out_of_reach_is_told_before_anything_is_done(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE public.theirs (id int PRIMARY KEY)",
        "ALTER TABLE public.theirs OWNER TO azuresu",
        superuser=True,
    )
    managed = shop.managed(PublicationProvider(), **publication("public.theirs"))
    assert "public.theirs belongs to azuresu: publishing it needs membership" in managed.refusal()
