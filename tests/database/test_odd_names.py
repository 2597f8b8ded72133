"""Names of every kind, through everything that is made: nothing but what they name is touched.

Everyday runs try a few; `make test-full` tries many.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from psycopg import sql

from azure_postgres_cdc.database.database import DatabaseProvider
from azure_postgres_cdc.database.heartbeat_table import HeartbeatTableProvider
from azure_postgres_cdc.database.publication import PublicationProvider
from azure_postgres_cdc.database.replica_identity import ReplicaIdentityProvider
from azure_postgres_cdc.database.schema_access import SchemaAccessProvider
from azure_postgres_cdc.database.signal_table import SignalTableProvider
from azure_postgres_cdc.database.slot import ReplicationSlotProvider
from azure_postgres_cdc.names import HEARTBEAT_TABLE, SIGNAL_TABLE, TableName, role_fault
from azure_postgres_cdc.plan import faults_of

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

FEW, MANY = 10, 60

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)
spiteful = st.sampled_from(
    [
        'a"; DROP TABLE public.bystander; --',
        "'; DROP TABLE public.bystander; --",
        "x'); DROP ROLE bystander; --",
        "public.bystander",
        '"public"."bystander"',
        "bystander",
        "public",
        "{}",
        "%s",
        "%(name)s",
        "$1",
        "$$; DROP TABLE public.bystander; $$",
        "a\\",
        "a\n; DROP TABLE public.bystander",
        "select",
        "ALL TABLES",
        " ",
        "tab\tand space ",
        "Größe.naïve 表 😀",
        "\u202eelbat",
        "x" * 63,
        "é" * 31,
    ]
)
names = (any_text | spiteful).filter(lambda name: 0 < len(name.encode()) <= 63 and "\0" not in name)


@pytest.fixture
def bystanders(shop: Shop) -> Iterator[None]:
    """What must not be touched: it has the names that the spiteful ones are after."""
    shop.run("CREATE ROLE bystander", superuser=True)
    yield
    shop.run("DROP OWNED BY bystander CASCADE", "DROP ROLE bystander", superuser=True)


def catalog(shop: Shop, schema: str) -> list[tuple[Any, ...]]:
    """Everything but what is in one schema, with whatever could be changed of it."""
    return shop.rows(
        "SELECT 'table', c.oid, c.relname::text, c.relreplident::text || c.relowner,"
        " c.relacl::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname <> %s AND n.nspname <> 'pg_toast' AND n.nspname !~ '^pg_temp'"
        " UNION ALL SELECT 'schema', oid, nspname, '', nspacl::text FROM pg_namespace"
        " WHERE nspname <> %s"
        " UNION ALL SELECT 'publication', oid, pubname, row_to_json(p)::text, NULL"
        " FROM pg_publication p"
        " UNION ALL SELECT 'published', oid, prrelid::text, prpubid::text, NULL"
        " FROM pg_publication_rel"
        " UNION ALL SELECT 'role', oid, rolname, row_to_json(r)::text, NULL FROM pg_roles r"
        " UNION ALL SELECT 'member', member, roleid::text, admin_option::text, NULL"
        " FROM pg_auth_members"
        " UNION ALL SELECT 'default', oid, defaclrole::text, defaclnamespace::text,"
        " defaclacl::text FROM pg_default_acl"
        " UNION ALL SELECT 'database', oid, datname, datdba::text, datacl::text FROM pg_database"
        " UNION ALL SELECT 'slot', 0, slot_name, database, NULL FROM pg_replication_slots"
        " ORDER BY 1, 2, 3",
        schema,
        schema,
    )


def set_up(shop: Shop, table: TableName, column: str, index: str, role: str) -> None:
    """The application's side, made by a superuser."""
    name, column_name = table.identifier, sql.Identifier(column)
    statements = [
        sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)),
        sql.SQL("CREATE TABLE public.bystander (id int PRIMARY KEY)"),
        sql.SQL("GRANT SELECT ON public.bystander TO bystander"),
        sql.SQL("CREATE PUBLICATION bystander FOR TABLE public.bystander"),
        sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(
            sql.Identifier(table.schema), sql.Identifier(shop.server.admin_user)
        ),
        sql.SQL("CREATE TABLE {} ({} int NOT NULL)").format(name, column_name),
        sql.SQL("CREATE UNIQUE INDEX {} ON {} ({})").format(
            sql.Identifier(index), name, column_name
        ),
        sql.SQL("ALTER TABLE {} OWNER TO {}").format(name, sql.Identifier(shop.server.admin_user)),
    ]
    shop.run(*statements, superuser=True)


def resources(shop: Shop, table: TableName, index: str, role: str, pub: str) -> list[Managed]:
    """All that a CdcSource has, in its order; as the resources' constructors write it."""
    schema, admin = table.schema, shop.server.admin_user
    own = [str(TableName(schema, name)) for name in (SIGNAL_TABLE, HEARTBEAT_TABLE)]
    return [
        shop.managed(
            SchemaAccessProvider(), role=role, owners=[admin], allSchemas=False, schemas=[schema]
        ),
        shop.managed(SignalTableProvider(), schema=schema, roles=[role]),
        shop.managed(HeartbeatTableProvider(), schema=schema, roles=[role]),
        shop.managed(
            ReplicaIdentityProvider(), captures=[], indexes={str(table): index}, ownTables=own
        ),
        shop.managed(
            PublicationProvider(),
            name=pub,
            role=role,
            capture={"tables": [str(table)]},
            ownTables=own,
            fullIdentity={},
            allowWithoutIdentity=[str(table)],
        ),
        shop.managed(
            ReplicationSlotProvider(), name="odd_names", plugin="pgoutput", publication=pub
        ),
    ]


@pytest.mark.usefixtures("bystanders")
@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.full)])
def test_nothing_but_what_is_named_is_touched(shop: Shop, examples: int) -> None:
    quick = settings(
        max_examples=examples, deadline=None, suppress_health_check=[*HealthCheck], database=None
    )

    @quick
    @given(st.tuples(*[names] * 7))
    def try_names(named: tuple[str, ...]) -> None:
        database, schema, table, _, index, role, pub = named
        assume(not schema.startswith("pg_"))
        assume(schema not in ("public", "information_schema"))
        assume(table != index)
        assume(table not in (SIGNAL_TABLE, HEARTBEAT_TABLE))
        assume(role_fault(role) is None)
        assume(role not in ("bystander", shop.server.admin_user))
        assume(pub != "bystander")
        assume(database not in shop.column("SELECT datname::text FROM pg_database"))
        through_everything(shop, named)

    try_names()


def through_everything(shop: Shop, named: tuple[str, ...]) -> None:
    database, schema, table, column, index, role, pub = named
    made = shop.managed(DatabaseProvider(), name=database)
    made.program["database"] = shop.name
    made.up()
    own = type(shop)(shop.server, database)
    try:
        name = TableName(schema, table)
        set_up(own, name, column, index, role)
        before = catalog(own, schema)
        everything = resources(own, name, index, role, pub)
        for managed in everything:
            managed.up()
        rows = own.rows(
            "SELECT pubname::text, schemaname::text, tablename::text FROM pg_publication_tables"
            " WHERE pubname <> 'bystander' ORDER BY tablename = %s DESC, 3",
            table,
        )
        assert rows == [(pub, schema, item) for item in (table, HEARTBEAT_TABLE, SIGNAL_TABLE)]
        assert [managed.up() for managed in everything] == [[]] * len(everything)
        assert [managed.refresh() for managed in everything] == [[]] * len(everything)
        for managed in reversed(everything):
            managed.destroy()
        assert catalog(own, schema) == before
        assert own.column(
            "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relreplident = 'd'"
            " AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)",
            schema,
        ) == [table]
    finally:
        shop.run(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)),
            sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)),
            superuser=True,
        )


@pytest.mark.usefixtures("bystanders")
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[*HealthCheck],
)
@given(any_text, any_text, any_text | spiteful, any_text, any_text)
def test_names_of_nothing_are_refused_in_one_line(
    shop: Shop, schema: str, table: str, index: str, role: str, pub: str
) -> None:
    """Whatever the text: a fault of the settings, or one line of the server's, and no traceback."""
    name = TableName(schema, table)
    connector: Any = {
        "capture": {"tables": [str(name)]},
        "replicaIdentityIndex": {str(name): index},
        "role": role,
        "publication": pub,
    }
    if faults_of(shop.name, [connector]):
        return
    before = catalog(shop, "")
    access, signal, _, identity, publication, _ = resources(shop, name, index, role, pub)
    assert "does not exist" in publication.refusal()
    assert "does not exist" in identity.refusal()
    assert "does not exist" in access.failure(access.up)
    assert "does not exist" in signal.failure(signal.up)
    assert catalog(shop, "") == before
