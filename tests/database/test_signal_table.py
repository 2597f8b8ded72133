"""The signal table: the page's columns, the grants, and whose table it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from azure_postgres_cdc.database import ledger
from azure_postgres_cdc.database.heartbeat_table import HeartbeatTableProvider
from azure_postgres_cdc.database.ledger import Ledger
from azure_postgres_cdc.database.signal_table import SignalTableProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

    from azure_postgres_cdc.database.connector_table import ConnectorTableProvider

ROLE = "streamkap_role"

PAGE_TABLE = (
    "CREATE TABLE streamkap.streamkap_signal ("
    "id VARCHAR(255) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2000) NULL)"
)
WRITER = {"SELECT", "INSERT", "UPDATE"}
SIGNAL = "streamkap.streamkap_signal"


@pytest.fixture
def signal(shop: Shop) -> Managed:
    shop.run("CREATE SCHEMA streamkap")
    return shop.managed(SignalTableProvider(), schema="streamkap", roles=["streamkap_role"])


def columns(shop: Shop, table: str) -> list[tuple[object, ...]]:
    return shop.rows(
        "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        table,
    )


def primary_key(shop: Shop, table: str) -> str:
    return shop.value(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = %s::regclass AND contype = 'p'",
        table,
    )


def test_signal_table_is_the_page_s(shop: Shop, signal: Managed) -> None:
    signal.up()
    assert signal.id == f"{shop.name}/streamkap"
    made = columns(shop, SIGNAL), primary_key(shop, SIGNAL)
    assert made[0] == [
        ("id", "character varying(255)", True),
        ("type", "character varying(32)", True),
        ("data", "character varying(2000)", False),
    ]
    shop.run(f"DROP TABLE {SIGNAL}", PAGE_TABLE)
    assert (columns(shop, SIGNAL), primary_key(shop, SIGNAL)) == made


def test_signal_table_is_the_administrator_s_and_writable_for_the_role(
    shop: Shop, signal: Managed
) -> None:
    signal.up()
    owner = shop.value(
        "SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE oid = %s::regclass", SIGNAL
    )
    assert owner == shop.server.admin_user
    assert shop.privileges(SIGNAL) == WRITER
    assert shop.privileges(SIGNAL, "other_role") == set()


def test_signal_table_changes_nothing_the_second_time(signal: Managed) -> None:
    signal.up()
    assert signal.refresh() == []
    assert signal.up() == []


def test_signal_table_s_rows_survive_another_role(shop: Shop, signal: Managed) -> None:
    signal.up()
    shop.run(f"INSERT INTO {SIGNAL} VALUES ('1', 'execute-snapshot', '{{}}')")
    assert signal.up(roles=["other_role"]) == ["lacking", "roles"]
    assert shop.rows(f"SELECT * FROM {SIGNAL}") == [("1", "execute-snapshot", "{}")]
    assert shop.privileges(SIGNAL) == set()
    assert shop.privileges(SIGNAL, "other_role") == WRITER


@pytest.mark.parametrize("privilege", sorted(WRITER))
@pytest.mark.parametrize("refreshed", [False, True])
def test_signal_table_s_lost_grant_is_seen_and_repaired(
    shop: Shop, signal: Managed, privilege: str, *, refreshed: bool
) -> None:
    signal.up()
    shop.run(f"REVOKE {privilege} ON {SIGNAL} FROM streamkap_role")
    if refreshed:
        assert signal.refresh() == ["roles"]
    assert "lacking" in signal.up()
    assert shop.privileges(SIGNAL) == WRITER
    assert signal.up() == signal.refresh() == []


def test_signal_table_that_fits_is_adopted_with_its_rows(shop: Shop, signal: Managed) -> None:
    shop.run(PAGE_TABLE, f"INSERT INTO {SIGNAL} VALUES ('mine', 't')")
    signal.up()
    assert shop.column(f"SELECT id FROM {SIGNAL}") == ["mine"]
    assert shop.privileges(SIGNAL) == WRITER


@pytest.mark.parametrize(
    ("definition", "difference"),
    [
        (
            "id VARCHAR(255) PRIMARY KEY, type VARCHAR(32) NOT NULL",
            "it lacks data character varying(2000)",
        ),
        (
            "id VARCHAR(255) PRIMARY KEY, type VARCHAR(16) NOT NULL, data VARCHAR(2000)",
            "it lacks type character varying(32) NOT NULL, "
            "it has type character varying(16) NOT NULL instead",
        ),
        (
            "id VARCHAR(255) NOT NULL, type VARCHAR(32) NOT NULL, data VARCHAR(2000)",
            "it lacks id character varying(255) PRIMARY KEY, "
            "it has id character varying(255) NOT NULL instead",
        ),
        (
            "id VARCHAR(255) PRIMARY KEY, data VARCHAR(2000), type VARCHAR(32) NOT NULL",
            "its columns are in another order",
        ),
        (
            "id VARCHAR(255) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2000), x int",
            "it has x integer instead",
        ),
    ],
)
def test_signal_table_of_another_shape_is_refused_and_left_alone(
    shop: Shop, signal: Managed, definition: str, difference: str
) -> None:
    shop.run(f"CREATE TABLE {SIGNAL} ({definition})")
    before = columns(shop, SIGNAL)
    text = signal.refusal()
    assert text.startswith(f"table {SIGNAL} is there already, but is not the connector's: ")
    assert difference in text
    assert "Remedy: rename or drop it, or choose another schema" in text
    assert columns(shop, SIGNAL) == before
    assert shop.privileges(SIGNAL) == set()


def test_view_of_the_signal_table_s_name_is_refused(shop: Shop, signal: Managed) -> None:
    shop.run(
        f"CREATE VIEW {SIGNAL} AS SELECT ''::varchar(255) AS id, ''::varchar(32) AS type,"
        " ''::varchar(2000) AS data"
    )
    assert "is not the connector's: it is a view" in signal.refusal()


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        # The connector sees a signal by its change, and of an unlogged table there are none.
        (PAGE_TABLE.replace("CREATE TABLE", "CREATE UNLOGGED TABLE"), "it is an unlogged table"),
        (f"{PAGE_TABLE} PARTITION BY HASH (id)", "it is partitioned"),
    ],
)
def test_signal_table_of_another_kind_is_refused(
    shop: Shop, signal: Managed, statement: str, difference: str
) -> None:
    shop.run(statement)
    assert f"is not the connector's: {difference}" in signal.refusal()


def test_signal_table_altered_by_hand_is_refused_at_up_and_refresh(
    shop: Shop, signal: Managed
) -> None:
    signal.up()
    shop.run(f"ALTER TABLE {SIGNAL} DROP COLUMN data")
    assert "it lacks data" in signal.refusal()
    assert "it lacks data" in signal.failure(signal.refresh)


def test_signal_table_of_an_owner_within_reach_is_granted_and_dropped(
    shop: Shop, signal: Managed
) -> None:
    """The ADMIN option is enough, as it is for the captured tables: a GRANT alone does nothing."""
    owner = f"dba_{shop.name}"
    shop.run(f"CREATE ROLE {owner}", PAGE_TABLE)
    shop.run(f"ALTER TABLE {SIGNAL} OWNER TO {owner}", superuser=True)
    try:
        signal.up()
        assert shop.privileges(SIGNAL) == WRITER
        assert signal.up(roles=["other_role"]) == ["lacking", "roles"]
        assert shop.privileges(SIGNAL) == set()
        signal.destroy()
        assert shop.value("SELECT to_regclass(%s)", SIGNAL) is None
    finally:
        shop.run(f"DROP OWNED BY {owner}", f"DROP ROLE {owner}", superuser=True)


def test_signal_table_out_of_reach_is_refused_unless_it_is_granted_already(
    shop: Shop, signal: Managed
) -> None:
    shop.run(PAGE_TABLE, f"ALTER TABLE {SIGNAL} OWNER TO azuresu", superuser=True)
    # With some privilege on it, PostgreSQL answers a GRANT with a mere warning.
    shop.run(f"GRANT SELECT ON {SIGNAL} TO PUBLIC", superuser=True)
    assert signal.refusal() == (
        f"table {SIGNAL} belongs to azuresu, and the administrator may grant nothing on it. "
        "Remedy: have a role that may run: GRANT azuresu TO cdc_admin; then run pulumi up again"
    )
    shop.run(f"GRANT SELECT, INSERT, UPDATE ON {SIGNAL} TO streamkap_role", superuser=True)
    signal.up()
    assert signal.refresh() == []


def test_signal_table_in_a_schema_without_create_is_one_line(shop: Shop, signal: Managed) -> None:
    shop.run("ALTER SCHEMA streamkap OWNER TO azuresu", superuser=True)
    assert signal.failure(signal.up) == (
        f"cannot create table {SIGNAL}: permission denied for schema streamkap [42501]. Remedy: "
        "have the owner of the schema run: GRANT CREATE ON SCHEMA streamkap TO cdc_admin, or "
        "choose another schema for it; then run pulumi up again"
    )
    shop.run("GRANT CREATE, USAGE ON SCHEMA streamkap TO cdc_admin", superuser=True)
    signal.up()


def test_signal_table_that_vanished_is_made_again(shop: Shop, signal: Managed) -> None:
    signal.up()
    shop.run(f"DROP TABLE {SIGNAL}")
    assert signal.refresh() == ["id"]
    signal.up()
    assert shop.privileges(SIGNAL) == WRITER


def test_signal_table_that_vanished_is_made_for_another_role(shop: Shop, signal: Managed) -> None:
    signal.up()
    shop.run(f"DROP TABLE {SIGNAL}")
    signal.up(roles=["other_role"])
    assert shop.privileges(SIGNAL, "other_role") == WRITER


def test_role_that_is_gone_has_nothing_to_be_revoked(shop: Shop, signal: Managed) -> None:
    role = f"gone_{shop.name}"
    shop.run(f"CREATE ROLE {role}")
    signal.up(roles=[role])
    shop.run(f"DROP OWNED BY {role}", f"DROP ROLE {role}", superuser=True)
    signal.up(roles=["other_role"])
    assert shop.privileges(SIGNAL, "other_role") == WRITER


def test_signal_table_without_its_schema_is_one_line(shop: Shop, signal: Managed) -> None:
    shop.run("DROP SCHEMA streamkap")
    assert signal.failure(signal.up) == (
        f'cannot create table {SIGNAL}: schema "streamkap" does not exist [3F000]'
    )


def test_signal_table_with_a_missing_role_is_not_half_made(shop: Shop, signal: Managed) -> None:
    text = signal.failure(lambda: signal.up(roles=["streamkap_role", "nobody_here"]))
    assert text == (
        f'cannot create table {SIGNAL}: role "nobody_here" does not exist [42704]. Remedy: run '
        "pulumi up --refresh, which makes the role again, where somebody has dropped it"
    )
    assert shop.value("SELECT to_regclass(%s)", SIGNAL) is None


def test_signal_table_with_rows_goes_only_by_an_explicit_word(shop: Shop, signal: Managed) -> None:
    signal.up()
    shop.run(f"INSERT INTO {SIGNAL} VALUES ('1', 'execute-snapshot')")
    assert signal.failure(signal.destroy) == (
        f"signal table {SIGNAL} of database {shop.name} holds 1 row and is not dropped. Remedy: "
        "set dropSignalTable: true on the database and run pulumi up before the deletion, or "
        "empty the table"
    )
    assert shop.rows(f"SELECT id FROM {SIGNAL}") == [("1",)]
    signal.up(dropWithRows=True)
    assert shop.rows(f"SELECT id FROM {SIGNAL}") == [("1",)]
    signal.destroy()
    assert shop.value(f"SELECT to_regclass('{SIGNAL}')") is None


def test_signal_table_that_is_gone_already_is_no_obstacle(shop: Shop, signal: Managed) -> None:
    signal.up()
    shop.run(f"DROP TABLE {SIGNAL}")
    signal.destroy()
    assert shop.value(f"SELECT to_regclass('{SIGNAL}')") is None


def test_signal_table_is_dropped_at_destroy(shop: Shop, signal: Managed) -> None:
    signal.up()
    signal.destroy()
    assert shop.value("SELECT to_regclass(%s)", SIGNAL) is None


@pytest.mark.parametrize("provider", [SignalTableProvider, HeartbeatTableProvider])
def test_table_that_another_connector_s_publication_holds_stays(
    shop: Shop, capfd: pytest.CaptureFixture[str], provider: type[ConnectorTableProvider]
) -> None:
    shop.run("CREATE SCHEMA streamkap")
    table = f"streamkap.{provider.table}"
    managed = shop.managed(provider(), schema="streamkap", roles=[ROLE])
    managed.up()
    other = shop.managed(provider(), schema="streamkap", roles=["other_role"])
    other.up()  # another stack's: the table is the same
    shop.run(
        f"INSERT INTO {table} VALUES (5, 'a', NULL)",
        f"CREATE PUBLICATION another FOR TABLE {table}",
    )
    managed.destroy()
    assert (
        f"warning: table {table} of database {shop.name} stays: publication another holds it, so "
        "that another connector uses it" in capfd.readouterr().err
    )
    assert shop.rows(f"SELECT id::int FROM {table} WHERE id::int = 5") == [(5,)]
    assert shop.privileges(table) == set()  # the role goes, and could not with a grant left
    assert shop.privileges(table, "other_role") == WRITER
    assert other.up() == other.refresh() == []

    shop.run("DROP PUBLICATION another", f"DELETE FROM {table}")
    other.destroy()
    assert shop.value("SELECT to_regclass(%s)", table) is None


def test_signal_table_that_others_depend_on_is_not_dropped(shop: Shop, signal: Managed) -> None:
    signal.up()
    for view in ("first", "second"):
        shop.run(f"CREATE VIEW public.{view} AS SELECT * FROM {SIGNAL}")
    text = signal.failure(signal.destroy)
    assert text.startswith(f"cannot drop table {SIGNAL}: cannot drop table")
    assert "view public.second depends on" in text
    assert "[2BP01]" in text
    assert shop.value("SELECT to_regclass(%s)", SIGNAL) is not None


def test_signal_table_in_an_oddly_named_schema(shop: Shop) -> None:
    shop.run('CREATE SCHEMA "Odd ""Schema"""')
    signal = shop.managed(
        SignalTableProvider(), schema='Odd "Schema"', roles=["App B", "streamkap_role"]
    )
    signal.up()
    table = '"Odd ""Schema""".streamkap_signal'
    assert shop.privileges(table) == shop.privileges(table, '"App B"') == WRITER
    assert signal.refresh() == []


@pytest.mark.usefixtures("superuser")
@pytest.mark.parametrize("target", ["ALL TABLES", "TABLES IN SCHEMA streamkap"])
def test_another_stack_s_publication_of_all_tables_holds_it(
    shop: Shop, signal: Managed, capfd: pytest.CaptureFixture[str], target: str
) -> None:
    signal.up()
    shop.run(f"CREATE PUBLICATION other_pub FOR {target}")
    with shop.server.connect(shop.name) as connection:
        ledger.write(connection, "other_pub", Ledger(stack="project/other"))
    signal.destroy()
    assert "stays: publication other_pub holds it, so" in capfd.readouterr().err
    signal.up()
    shop.run("COMMENT ON PUBLICATION other_pub IS 'of some other tool'")
    signal.destroy()
    assert shop.value("SELECT to_regclass(%s)", SIGNAL) is None
