"""The schemas of the connector's own tables: made, made again, and dropped once they are empty."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.database.test_schema_access import access, may

from azure_postgres_cdc.database.publication import PublicationProvider
from azure_postgres_cdc.database.signal_table import SignalTableProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

ROLE = "streamkap_role"


def ready(shop: Shop) -> Managed:
    return access(shop, "public", writes=["streamkap"], ownSchemas=["streamkap"], connect=True)


def publication(shop: Shop) -> Managed:
    return shop.managed(
        PublicationProvider(),
        name="streamkap_pub",
        role=ROLE,
        capture=json.dumps({"tables": ["public.orders"]}),
        ownTables=[],
        fullIdentity="{}",
        allowWithoutIdentity="[]",
    )


def is_there(shop: Shop, schema: str) -> bool:
    return shop.value("SELECT to_regnamespace(%s) IS NOT NULL", schema)


def may_connect(shop: Shop) -> bool:
    """By a grant of its own, whatever PUBLIC has."""
    return shop.value(
        "SELECT count(*) > 0 FROM pg_database, aclexplode(datacl) acl WHERE datname = %s"
        " AND acl.grantee = %s::regrole AND acl.privilege_type = 'CONNECT'",
        shop.name,
        ROLE,
    )


def test_schema_is_made_for_the_role_to_write_in(shop: Shop) -> None:
    managed = ready(shop)
    managed.up()
    assert may(shop, "streamkap") == (True, True)
    assert managed.up() == managed.refresh() == []


def test_schema_that_is_there_is_used(shop: Shop) -> None:
    shop.run("CREATE SCHEMA streamkap", "CREATE TABLE streamkap.theirs (id int)")
    managed = ready(shop)
    managed.up()
    assert may(shop, "streamkap") == (True, True)
    managed.destroy()
    assert shop.value("SELECT to_regclass('streamkap.theirs') IS NOT NULL")


def test_schema_that_was_there_stays_though_it_is_empty(shop: Shop) -> None:
    shop.run("CREATE SCHEMA streamkap")
    managed = ready(shop)
    managed.up()
    managed.destroy()
    assert is_there(shop, "streamkap")


def test_schema_that_has_vanished_is_made_again(shop: Shop) -> None:
    managed = ready(shop)
    managed.up()
    shop.run("DROP SCHEMA streamkap")
    assert managed.preview() == ["lacking"]
    managed.up()
    assert may(shop, "streamkap") == (True, True)
    assert managed.up() == []


def test_schema_goes_with_its_last_table(shop: Shop) -> None:
    managed = ready(shop)
    managed.up()
    signal = shop.managed(SignalTableProvider(), schema="streamkap", roles=[ROLE])
    signal.up()
    assert managed.up() == managed.refresh() == []
    signal.destroy()
    managed.destroy()
    assert not is_there(shop, "streamkap")


def test_schema_that_is_no_longer_needed_goes_once_it_is_empty(shop: Shop) -> None:
    """From a signal table to read-only snapshots: the table is dropped after this."""
    managed = ready(shop)
    managed.up()
    signal = shop.managed(SignalTableProvider(), schema="streamkap", roles=[ROLE])
    signal.up()
    managed.up(writes=[], ownSchemas=[])
    assert may(shop, "streamkap") == (False, False)
    signal.destroy()
    managed.destroy()
    assert not is_there(shop, "streamkap")


def test_schema_in_use_stays(shop: Shop) -> None:
    managed = ready(shop)
    managed.up()
    shop.run("CREATE TABLE streamkap.theirs (id int)")
    managed.destroy()
    assert is_there(shop, "streamkap")


def test_schema_of_somebody_else_stays(shop: Shop) -> None:
    managed = ready(shop)
    managed.up()
    shop.run("ALTER SCHEMA streamkap OWNER TO azuresu", superuser=True)
    managed.destroy()
    assert is_there(shop, "streamkap")


def test_another_schema_for_the_tables(shop: Shop) -> None:
    managed = ready(shop)
    managed.up()
    managed.up(writes=["cdc"], ownSchemas=["cdc"])
    assert (is_there(shop, "streamkap"), is_there(shop, "cdc")) == (False, True)
    assert managed.up() == []


def test_connect_is_the_role_s_own(shop: Shop) -> None:
    managed = ready(shop)
    managed.up()
    assert may_connect(shop)
    shop.run(f"REVOKE CONNECT ON DATABASE {shop.name} FROM {ROLE}", superuser=True)
    assert managed.preview() == ["lacking"]
    assert managed.refresh() == ["connect"]
    managed.up()
    assert may_connect(shop)
    managed.destroy()
    assert not may_connect(shop)


def test_database_of_somebody_else_that_everybody_may_connect_to(shop: Shop) -> None:
    shop.run(f"ALTER DATABASE {shop.name} OWNER TO azuresu", superuser=True)
    shop.run("GRANT ALL ON SCHEMA public TO cdc_admin WITH GRANT OPTION", superuser=True)
    managed = access(shop, "public", connect=True)
    managed.up()
    assert not may_connect(shop)
    assert managed.up() == managed.refresh() == []


def test_database_of_somebody_else_that_nobody_may_connect_to(shop: Shop) -> None:
    shop.run(
        f"ALTER DATABASE {shop.name} OWNER TO azuresu",
        f"REVOKE CONNECT ON DATABASE {shop.name} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {shop.name} TO cdc_admin",
        "GRANT ALL ON SCHEMA public TO cdc_admin WITH GRANT OPTION",
        superuser=True,
    )
    managed = access(shop, "public", connect=True)
    # The role is not there yet, the first time: nobody could grant anything to it.
    assert managed.refusal() == (
        f"cannot let streamkap_role connect to database {shop.name}, which belongs to azuresu. "
        f"Remedy: have its owner run: GRANT CONNECT ON DATABASE {shop.name} TO cdc_admin WITH "
        "GRANT OPTION; then run pulumi up again"
    )
    assert "cannot let no_such_role_yet connect" in managed.refusal(role="no_such_role_yet")
    shop.run(
        f"GRANT CONNECT ON DATABASE {shop.name} TO cdc_admin WITH GRANT OPTION", superuser=True
    )
    managed.up()
    assert may_connect(shop)
    managed.destroy()
    assert not may_connect(shop)


def test_schema_that_may_not_be_made_is_told_before_anything_is_done(shop: Shop) -> None:
    shop.run(f"ALTER DATABASE {shop.name} OWNER TO azuresu", superuser=True)
    shop.run("GRANT ALL ON SCHEMA public TO cdc_admin WITH GRANT OPTION", superuser=True)
    managed = ready(shop)
    assert managed.refusal() == (
        f"the administrator cdc_admin may create nothing in database {shop.name}, which belongs to "
        "azuresu, but has to: schema streamkap. Remedy: have the owner of the database run: GRANT "
        f"CREATE ON DATABASE {shop.name} TO cdc_admin; then run pulumi up again"
    )
    shop.run(f"GRANT CREATE ON DATABASE {shop.name} TO cdc_admin", superuser=True)
    managed.up()
    assert is_there(shop, "streamkap")


def test_database_of_a_role_within_reach_takes_schema_and_publication(shop: Shop) -> None:
    """The ADMIN option on the database's owner is enough, as it is on the owners of tables."""
    owner = f"dba_{shop.name}"
    shop.run(f"CREATE ROLE {owner}", "CREATE TABLE public.orders (id int PRIMARY KEY)")
    shop.run(f"ALTER DATABASE {shop.name} OWNER TO {owner}", superuser=True)
    try:
        managed = ready(shop)
        managed.up()
        assert may(shop, "streamkap") == may(shop, "public") == (True, True)
        published = publication(shop)
        published.up()
        assert shop.published() == ["public.orders"]
        published.destroy()
        managed.destroy()
        assert not is_there(shop, "streamkap")
    finally:
        shop.run(f"REASSIGN OWNED BY {owner} TO cdc_admin", f"DROP ROLE {owner}", superuser=True)


def test_publication_that_may_not_be_created_is_told_before_anything_is_done(shop: Shop) -> None:
    shop.run("CREATE TABLE public.orders (id int PRIMARY KEY)")
    shop.run(f"ALTER DATABASE {shop.name} OWNER TO azuresu", superuser=True)
    refusal = publication(shop).refusal()
    assert f"may create nothing in database {shop.name}, which belongs to azuresu, but" in refusal
    assert "but has to: publication streamkap_pub. Remedy: have" in refusal
