"""The publication: what it holds, how it follows the capture set, and what is never done to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from psycopg import sql
from tests.database.publication_support import SIGNAL, exists, listed, make_tables, publication

from azure_postgres_cdc.dynamic import unpack
from azure_postgres_cdc.names import TableName

if TYPE_CHECKING:
    from tests.database.conftest import Shop


@pytest.fixture
def tables(shop: Shop) -> None:
    make_tables(shop)


# Listed tables


@pytest.mark.usefixtures("tables")
def test_listed_tables_and_our_own_are_published(shop: Shop) -> None:
    managed = publication(shop, listed("public.a", "public.b"), ownTables=[SIGNAL])
    managed.up()
    assert managed.id == f"{shop.name}/streamkap_pub"
    assert shop.published() == ["public.a", "public.b", SIGNAL]
    assert shop.rows(
        "SELECT puballtables, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot,"
        " pubowner::regrole::text FROM pg_publication"
    ) == [(False, True, True, True, True, True, shop.server.admin_user)]
    assert managed.refresh() == []
    assert managed.up() == []


@pytest.mark.usefixtures("tables")
def test_tables_are_added_and_dropped_in_place(shop: Shop) -> None:
    managed = publication(shop, listed("public.a", "public.b"))
    managed.up()
    oid = shop.value("SELECT oid FROM pg_publication")
    assert managed.up(capture=listed("public.b", "public.c")) == [
        "capture",
        "tables",
        "toSnapshot",
    ]
    assert shop.published() == ["public.b", "public.c"]
    assert shop.value("SELECT oid FROM pg_publication") == oid


@pytest.mark.usefixtures("tables")
def test_tables_that_inherit_from_a_listed_one_are_left_alone(shop: Shop) -> None:
    """They have an identity of their own, or none: UPDATE on one that is published would fail."""
    shop.run("CREATE TABLE public.child (note text) INHERITS (public.a)")
    managed = publication(shop, listed("public.a", "public.b"))
    managed.up()
    assert shop.published() == ["public.a", "public.b"]
    shop.run("INSERT INTO public.child VALUES (1, 'x')", "UPDATE public.child SET note = 'y'")
    assert managed.up() == []
    managed.up(capture=listed("public.b", "public.c"))
    assert shop.published() == ["public.b", "public.c"]
    shop.run("ALTER PUBLICATION streamkap_pub ADD TABLE public.a")
    managed.up()
    assert shop.published() == ["public.b", "public.c"]


@pytest.mark.usefixtures("tables")
def test_table_that_becomes_a_partition_is_published_as_its_root(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.run("CREATE TABLE public.root (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    managed = publication(shop, {"schemas": ["public"]})
    managed.up()
    shop.run("ALTER TABLE public.root ATTACH PARTITION public.a DEFAULT")
    capfd.readouterr()
    assert managed.up() == ["tables"]
    assert "leaves publication" not in capfd.readouterr().err
    assert shop.published() == ["public.b", "public.c", "public.root"]


@pytest.mark.usefixtures("tables")
def test_publication_is_dropped_at_destroy_and_destroying_twice_is_no_error(shop: Shop) -> None:
    managed = publication(shop, listed("public.a"))
    managed.up()
    managed.provider.delete(managed.id, managed.outputs)
    assert not exists(shop)
    managed.destroy()


@pytest.mark.usefixtures("tables")
def test_another_name_is_another_publication(shop: Shop) -> None:
    managed = publication(shop, listed("public.a"))
    managed.up()
    managed.up(name="other_pub")
    assert not exists(shop)
    assert shop.published("other_pub") == ["public.a"]


def test_partitioned_table_is_published_as_its_root(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE public.p (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10)",
    )
    managed = publication(shop, {"schemas": ["public"]})
    managed.up()
    assert unpack(managed.outputs["tables"]) == ["public.p"]
    assert shop.published() == ["public.p"]
    assert shop.value("SELECT pubviaroot FROM pg_publication") is True


# What cannot be published


def test_everything_that_cannot_be_published_is_in_one_message(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE public.fine (id int PRIMARY KEY)",
        "CREATE VIEW public.v AS SELECT 1 AS id",
        "CREATE MATERIALIZED VIEW public.m AS SELECT 1 AS id",
        "CREATE UNLOGGED TABLE public.u (id int)",
        "CREATE SEQUENCE public.s",
        "CREATE TABLE public.p (id int) PARTITION BY RANGE (id)",
        "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10)",
    )
    shop.run(
        "CREATE FOREIGN DATA WRAPPER nothing",
        "CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing",
        "CREATE FOREIGN TABLE public.f (id int) SERVER nowhere",
        "CREATE TABLE public.theirs (id int PRIMARY KEY)",
        "ALTER TABLE public.theirs OWNER TO azuresu",
        superuser=True,
    )
    names = ("fine", "v", "m", "u", "s", "p1", "f", "theirs", "missing")
    text = publication(shop, listed(*(f"public.{name}" for name in names))).refusal()
    assert text.startswith(f"database {shop.name} cannot be captured as asked: ")
    for fault in (
        "public.f is a foreign table, which has no changes",
        "public.m is a materialized view, which has no changes",
        "public.missing does not exist",
        "public.p1 is a partition: list its root table instead",
        "public.s is a sequence, which has no changes",
        "public.theirs belongs to azuresu: publishing it needs membership in that role "
        "(GRANT azuresu TO cdc_admin, run by a role that may)",
        "public.u is an unlogged table, whose changes are not in the WAL",
        "public.v is a view, which has no changes",
    ):
        assert f"{fault};" in text or f"{fault}. Remedy: correct `capture`" in text
    assert "public.fine" not in text
    assert not exists(shop)


def test_temporary_table_is_refused(shop: Shop) -> None:
    with shop.server.connect(shop.name) as session:
        session.execute("CREATE TEMPORARY TABLE passing (id int)")
        schema = session.execute(
            "SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()"
        ).fetchall()[0][0]
        text = publication(shop, listed(f"{schema}.passing")).refusal()
    assert f"{schema}.passing is a temporary table, whose changes are not in the WAL" in text


def test_many_missing_tables_do_not_fill_the_screen(shop: Shop) -> None:
    text = publication(shop, listed(*(f"public.t{n:02}" for n in range(25)))).refusal()
    assert "public.t19 does not exist; and 5 more. Remedy" in text


@pytest.mark.usefixtures("tables")
def test_a_fault_leaves_the_publication_as_it_is(shop: Shop) -> None:
    managed = publication(shop, listed("public.a"))
    managed.up()
    text = managed.refusal(capture=listed("public.b", "public.missing"))
    assert "public.missing does not exist" in text
    assert shop.published() == ["public.a"]


def test_table_of_a_team_that_the_administrator_is_in_is_published(shop: Shop) -> None:
    shop.run(
        "GRANT CREATE ON SCHEMA public TO team",
        "CREATE TABLE public.ours (id int PRIMARY KEY)",
        "ALTER TABLE public.ours OWNER TO team",
    )
    publication(shop, listed("public.ours")).up()
    assert shop.published() == ["public.ours"]


@pytest.mark.usefixtures("tables")
def test_published_table_that_changes_hands_stays_published(shop: Shop) -> None:
    managed = publication(shop, listed("public.a", "public.b"))
    managed.up()
    shop.run('ALTER TABLE public.b OWNER TO "App B"', superuser=True)
    assert managed.preview() == managed.refresh() == managed.up() == []
    text = managed.refusal(capture=listed("public.a", "public.b", "public.missing"))
    assert "public.missing does not exist" in text
    assert "public.b" not in text
    assert shop.published() == ["public.a", "public.b"]


@pytest.mark.usefixtures("tables")
def test_table_that_the_application_could_not_update_any_more_is_refused(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE public.bare (id int)",
        "CREATE TABLE public.nothing (id int PRIMARY KEY)",
        "ALTER TABLE public.nothing REPLICA IDENTITY NOTHING",
        "CREATE TABLE public.full_already (id int)",
        "ALTER TABLE public.full_already REPLICA IDENTITY FULL",
        "CREATE TABLE public.to_be_full (id int)",
    )
    names = ("a", "bare", "nothing", "full_already", "to_be_full")
    managed = publication(
        shop,
        listed(*(f"public.{name}" for name in names)),
        fullIdentity=listed("public.to_be_full"),
    )
    refusal = (
        "{}: no primary key and no replica identity, so that UPDATE and DELETE would fail for the "
        "application once published. Remedy: add a primary key, add them to replicaIdentityFull "
        "or replicaIdentityIndex or, where rows are only ever inserted, to allowWithoutIdentity"
    )
    assert managed.refusal() == refusal.format("public.bare, public.nothing")
    assert managed.refusal(allowWithoutIdentity=["public.bare"]) == refusal.format("public.nothing")
    managed.up(allowWithoutIdentity=["public.bare", "public.nothing"])
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        shop.run("UPDATE public.bare SET id = 1")


def test_partitions_count_for_themselves(shop: Shop) -> None:
    """Rows are in them, and PostgreSQL looks at their own identity."""
    shop.run(
        "CREATE TABLE public.events (id int, day date) PARTITION BY RANGE (day)",
        "CREATE TABLE public.events_1 PARTITION OF public.events DEFAULT",
    )
    managed = publication(shop, listed("public.events"))
    assert managed.refusal().startswith("public.events_1: no primary key and no replica identity")
    shop.run("ALTER TABLE public.events_1 ADD PRIMARY KEY (id)")
    managed.up()
    shop.run("INSERT INTO public.events VALUES (1, now())", "UPDATE public.events SET id = 2")


# Schemas


@pytest.mark.usefixtures("tables")
def test_new_table_of_a_schema_is_a_difference_and_added_in_place(shop: Shop) -> None:
    managed = publication(shop, {"schemas": ["public"]}, ownTables=[SIGNAL])
    managed.up()
    assert shop.published() == ["public.a", "public.b", "public.c", SIGNAL]
    assert managed.preview() == []
    oid = shop.value("SELECT oid FROM pg_publication")
    shop.run("CREATE TABLE public.later (id int PRIMARY KEY)", "DROP TABLE public.b")
    assert managed.preview() == ["tables", "toSnapshot"]
    assert shop.published() == ["public.a", "public.c", SIGNAL]
    assert managed.up() == ["tables", "toSnapshot"]
    assert shop.published() == ["public.a", "public.c", "public.later", SIGNAL]
    assert shop.value("SELECT oid FROM pg_publication") == oid


def test_schema_leaves_out_what_cannot_be_published(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE public.a (id int PRIMARY KEY)",
        "CREATE UNLOGGED TABLE public.u (id int)",
        "CREATE VIEW public.v AS SELECT 1 AS id",
    )
    publication(shop, {"schemas": ["public"]}).up()
    assert shop.published() == ["public.a"]


def test_missing_schemas_are_listed(shop: Shop) -> None:
    text = publication(shop, {"schemas": ["nope", "public", "sales"]}).refusal()
    assert "schema nope does not exist; schema sales does not exist. Remedy" in text


def test_schema_with_somebody_else_s_table_is_refused(shop: Shop) -> None:
    shop.run("CREATE TABLE public.theirs (id int)", superuser=True)
    text = publication(shop, {"schemas": ["public"]}).refusal()
    assert "public.theirs belongs to azuresu" in text


def test_empty_schema_makes_an_empty_publication(shop: Shop) -> None:
    managed = publication(shop, {"schemas": ["public"]})
    managed.up()
    assert exists(shop)
    assert shop.published() == []
    assert managed.refresh() == []


# Names


odd_names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
odd_names = odd_names.filter(lambda name: len(name.encode()) <= 63)
spiteful = st.sampled_from(
    [
        'a"; DROP TABLE public.bystander; --',
        "'; DROP TABLE public.bystander; --",
        "public.bystander",
        '"public"."bystander"',
        "bystander",
        "{}",
        "%s",
        "%(name)s",
        "$1",
        "WITH (publish = 'insert')",
        "select",
        "tab\tand space ",
        "Größe.naïve 表 😀",
    ]
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(schema=odd_names | spiteful, name=odd_names | spiteful, pub=odd_names | spiteful)
def test_odd_names_touch_nothing_but_what_they_name(
    shop: Shop, schema: str, name: str, pub: str
) -> None:
    table = TableName(schema, name)
    assume(not schema.startswith("pg_") and schema not in ("public", "information_schema"))
    shop.run("CREATE TABLE IF NOT EXISTS public.bystander (id int PRIMARY KEY)")
    shop.run(
        sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)),
        sql.SQL("CREATE TABLE {} (id int PRIMARY KEY)").format(table.identifier),
    )
    before = everything(shop)
    managed = publication(shop, listed(str(table)), name=pub)
    managed.up()
    assert shop.rows(
        "SELECT pubname::text, schemaname::text, tablename::text FROM pg_publication_tables"
    ) == [(pub, schema, name)]
    assert managed.refresh() == []
    assert managed.up(capture=listed("public.bystander"))
    assert shop.published(pub) == ["public.bystander"]
    managed.destroy()
    assert not exists(shop, pub)
    assert everything(shop) == before
    shop.run(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


def everything(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.rows(
        "SELECT 'table', oid, relname::text, relreplident::text, relacl::text FROM pg_class"
        " WHERE relkind <> 't' UNION ALL SELECT 'schema', oid, nspname, '', nspacl::text"
        " FROM pg_namespace UNION ALL SELECT 'publication', oid, pubname, '', ''"
        " FROM pg_publication ORDER BY 1, 2"
    )


@pytest.mark.usefixtures("tables")
def test_what_is_published_is_readable_whoever_made_it(shop: Shop) -> None:
    """A connector's snapshot would stall on the first table that it may not read."""
    readable = "SELECT bool_and(has_table_privilege('streamkap_role', oid, 'SELECT')) FROM pg_class"
    mine = f"{readable} WHERE relname IN ('a', 'b')"
    managed = publication(shop, listed("public.a", "public.b"), role="streamkap_role")
    managed.up()
    assert shop.value(mine) is True
    shop.run("REVOKE SELECT ON public.b FROM streamkap_role")
    assert managed.up() == ["toRepair"]
    assert shop.value(mine) is True
    assert managed.up() == []


@pytest.mark.usefixtures("tables")
def test_a_table_that_was_made_again_is_published_again_without_a_refresh(shop: Shop) -> None:
    managed = publication(shop, listed("public.a", "public.b"))
    managed.up()
    shop.run("DROP TABLE public.b", "CREATE TABLE public.b (id int PRIMARY KEY)")
    assert shop.published() == ["public.a"]
    assert managed.up() == ["toRepair", "toSnapshot"]
    assert shop.published() == ["public.a", "public.b"]
    assert managed.up() == []


# Many


def test_five_thousand_tables_in_one_publication(shop: Shop) -> None:
    shop.run(
        "DO $$ BEGIN FOR n IN 1..5000 LOOP"
        " EXECUTE format('CREATE TABLE public.t%s (id int PRIMARY KEY)', n);"
        " IF n %% 500 = 0 THEN COMMIT; END IF; END LOOP; END $$".replace("%%", "%")
    )
    managed = publication(shop, {"schemas": ["public"]})
    started = time.monotonic()
    managed.up()
    created = time.monotonic() - started
    assert shop.value("SELECT count(*) FROM pg_publication_rel") == 5000
    shop.run("DROP TABLE public.t1")
    assert managed.up() == ["tables"]
    assert shop.value("SELECT count(*) FROM pg_publication_rel") == 4999
    assert created < 20
