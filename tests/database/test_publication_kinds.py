"""What a publication passes on, whole schemas, and the changes that need somebody's word."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.database.publication_support import SIGNAL, exists, listed, make_tables, publication
from tests.database.test_slot import reader

from azure_postgres_cdc.dynamic import unpack

if TYPE_CHECKING:
    from tests.database.conftest import Shop

ALL = {"allTables": True}
SLOT = "kinds_slot"
TO_LISTED = "publication streamkap_pub from all tables to listed tables"
TO_ALL = "publication streamkap_pub from listed tables to all tables"
ROOT_OFF = "publish_via_partition_root false of streamkap_pub"


@pytest.fixture
def tables(shop: Shop) -> None:
    make_tables(shop)


@pytest.fixture
def slot(shop: Shop) -> str:
    shop.run(f"SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')")
    return SLOT


def options(shop: Shop) -> tuple[object, ...]:
    return shop.rows(
        "SELECT puballtables, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot"
        " FROM pg_publication"
    )[0]


# Kinds of changes


@pytest.mark.usefixtures("tables")
def test_kinds_of_changes_and_partition_root_are_options(shop: Shop) -> None:
    managed = publication(
        shop, listed("public.a"), publish=["insert", "delete"], viaPartitionRoot=False
    )
    managed.up()
    assert options(shop) == (False, True, False, True, False, False)
    assert managed.refresh() == managed.up() == []
    assert managed.up(publish=["insert"], viaPartitionRoot=True) == ["publish", "viaPartitionRoot"]
    assert options(shop) == (False, True, False, False, False, True)


@pytest.mark.usefixtures("tables")
def test_table_without_an_identity_may_be_published_where_nothing_is_updated(shop: Shop) -> None:
    shop.run("CREATE TABLE public.bare (id int)")
    publication(shop, listed("public.bare"), publish=["insert", "truncate"]).up()
    shop.run("INSERT INTO public.bare VALUES (1)", "UPDATE public.bare SET id = 2")


# Whole schemas


@pytest.mark.usefixtures("tables", "superuser")
def test_tables_in_schema_beside_our_own(shop: Shop) -> None:
    managed = publication(
        shop,
        {"schemas": ["public"]},
        ownTables=[SIGNAL],
        tablesInSchema=True,
        role="streamkap_role",
    )
    managed.up()
    assert shop.column("SELECT pnnspid::regnamespace::text FROM pg_publication_namespace") == [
        "public"
    ]
    assert shop.column("SELECT prrelid::regclass::text FROM pg_publication_rel") == [SIGNAL]
    assert unpack(managed.outputs["tables"]) == ["public.a", "public.b", "public.c", SIGNAL]
    assert managed.refresh() == managed.up() == []
    shop.run("CREATE TABLE public.later (id int PRIMARY KEY)")
    assert "public.later" in shop.published()  # at once
    assert managed.up() == ["tables", "toRepair"]  # it is made readable
    assert shop.privileges("public.later") == {"SELECT"}
    assert managed.outputs["needsSnapshot"] == "{}"  # it was published from its first row on
    assert managed.up() == managed.refresh() == []


@pytest.mark.usefixtures("superuser")
def test_partition_in_a_published_schema_is_audited_wherever_its_root_is(shop: Shop) -> None:
    """FOR TABLES IN SCHEMA publishes it by its own name, and its root not at all."""
    shop.run(
        "CREATE SCHEMA parts",
        "CREATE TABLE public.root (id int, note text) PARTITION BY RANGE (id)",
        "CREATE TABLE parts.p1 PARTITION OF public.root FOR VALUES FROM (0) TO (10)",
        "INSERT INTO public.root VALUES (1, 'x')",
    )
    capture = {"schemas": ["parts"]}
    managed = publication(shop, capture, tablesInSchema=True, fullIdentity=capture)
    assert "parts.p1: no primary key and no replica identity" in managed.refusal()
    shop.run("ALTER TABLE parts.p1 REPLICA IDENTITY FULL")
    managed.up()
    assert shop.published() == ["parts.p1"]
    shop.run("UPDATE public.root SET note = 'y'")


@pytest.mark.usefixtures("tables", "superuser")
def test_own_tables_of_a_captured_schema_are_in_it(shop: Shop) -> None:
    managed = publication(
        shop, {"schemas": ["public", "streamkap"]}, ownTables=[SIGNAL], tablesInSchema=True
    )
    managed.up()
    assert shop.rows("SELECT FROM pg_publication_rel") == []
    assert SIGNAL in shop.published()
    assert managed.refresh() == managed.up() == []


@pytest.mark.usefixtures("tables", "superuser")
def test_signals_and_heartbeats_of_another_connector_are_no_data(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    """It captures the schema too, and would send them to its destination."""
    shop.run(
        f"CREATE TABLE public.streamkap_signal (LIKE {SIGNAL} INCLUDING ALL)",
        "CREATE TABLE public.streamkap_heartbeat (id int PRIMARY KEY)",
    )
    managed = publication(shop, {"schemas": ["public", "streamkap"]}, ownTables=[SIGNAL])
    managed.up()
    expected = ["public.a", "public.b", "public.c", SIGNAL]
    assert shop.published() == unpack(managed.outputs["tables"]) == expected
    assert managed.refresh() == managed.up() == []
    assert "not in publication" not in capfd.readouterr().err
    managed.up(tablesInSchema=True)
    assert unpack(managed.outputs["tables"]) == expected
    assert managed.refresh() == managed.up() == []
    word = TO_ALL.replace("listed tables", "tables in schemas")
    managed.up(tablesInSchema=False, capture=ALL, acknowledge=[word])
    assert unpack(managed.outputs["tables"]) == expected
    assert managed.refresh() == managed.up() == []
    managed.up(capture=listed("public.streamkap_heartbeat"), acknowledge=[TO_LISTED])
    assert shop.published() == ["public.streamkap_heartbeat", SIGNAL]  # by name, it is meant


@pytest.mark.usefixtures("tables")
def test_schemas_and_lists_change_into_each_other_in_place(
    shop: Shop, request: pytest.FixtureRequest
) -> None:
    managed = publication(shop, {"schemas": ["public"]})
    managed.up()
    oid = shop.value("SELECT oid FROM pg_publication")
    text = managed.refusal(tablesInSchema=True)
    assert "cannot publish streamkap_pub: must be superuser" in text
    assert "[42501]" in text
    assert (
        "Remedy: FOR TABLES IN SCHEMA needs a superuser here: leave tablesInSchema out, so that "
        "the module lists the schemas' tables at each up" in text
    )
    request.getfixturevalue("superuser")
    managed.up(tablesInSchema=True)
    assert shop.column("SELECT pnnspid::regnamespace::text FROM pg_publication_namespace") == [
        "public"
    ]
    assert shop.rows("SELECT FROM pg_publication_rel") == []
    managed.up(tablesInSchema=False)
    assert shop.rows("SELECT FROM pg_publication_namespace") == []
    assert shop.published() == ["public.a", "public.b", "public.c"]
    assert managed.up() == []
    assert managed.outputs["needsSnapshot"] == "{}"
    assert shop.value("SELECT oid FROM pg_publication") == oid


# From all tables to some, and back


@pytest.mark.usefixtures("tables", "superuser")
def test_another_kind_needs_a_word_and_is_one_transaction(shop: Shop, slot: str) -> None:
    managed = publication(shop, ALL, ownTables=[SIGNAL], slot=slot)
    managed.up()
    shop.run("COMMENT ON PUBLICATION streamkap_pub IS 'of the data team'")
    some = listed("public.a", "public.b")
    assert managed.refusal(capture=some) == (
        "publication streamkap_pub cannot change from all tables to listed tables in place "
        "(PostgreSQL's rule), and changes from before a new publication are not in it. Remedy: "
        "stop the source once it has drained; put this line into the database's settings: "
        f"acknowledge: ['{TO_LISTED}']; pulumi up, which drops and creates the publication in one "
        "transaction; resume the source and snapshot every captured table"
    )
    managed.up(capture=some, acknowledge=[TO_LISTED])
    assert shop.published() == ["public.a", "public.b", SIGNAL]
    assert options(shop) == (False, True, True, True, True, True)
    assert set(unpack(managed.outputs["needsSnapshot"])) == {"public.a", "public.b"}
    comment = shop.value("SELECT obj_description(oid, 'pg_publication') FROM pg_publication")
    assert comment.startswith("of the data team\n")
    assert managed.up() == []
    managed.up(capture=ALL, acknowledge=[TO_ALL])
    assert options(shop)[0] is True
    assert set(unpack(managed.outputs["needsSnapshot"])) == {"public.a", "public.b", "public.c"}


@pytest.mark.usefixtures("tables", "superuser")
def test_word_for_one_change_allows_no_other(shop: Shop, slot: str) -> None:
    managed = publication(shop, ALL, slot=slot, acknowledge=[TO_ALL, ROOT_OFF])
    managed.up()
    assert f"acknowledge: ['{TO_LISTED}']" in managed.refusal(capture=listed("public.a"))


@pytest.mark.usefixtures("tables")
def test_publication_is_not_replaced_while_the_connector_reads(shop: Shop, slot: str) -> None:
    managed = publication(shop, listed("public.a"), slot=slot)
    managed.up()
    oid = shop.value("SELECT oid FROM pg_publication")
    with reader(shop, slot):
        text = managed.refusal(viaPartitionRoot=False, acknowledge=[ROOT_OFF])
    assert text == (
        f"publication streamkap_pub is not replaced while slot {slot} is being read. Remedy: stop "
        "the source first, in the Streamkap app, once it has drained; then pulumi up"
    )
    assert shop.value("SELECT oid FROM pg_publication") == oid


@pytest.mark.usefixtures("tables")
def test_failed_replacement_leaves_the_old_publication(
    shop: Shop, request: pytest.FixtureRequest
) -> None:
    managed = publication(shop, listed("public.a"))
    managed.up()
    before = shop.rows("SELECT * FROM pg_publication"), shop.published()
    expected = "must be superuser to create FOR ALL TABLES publication [42501]. Remedy: FOR ALL"
    asked = {"capture": ALL, "acknowledge": [TO_ALL]}
    assert expected in managed.refusal(**asked)
    request.getfixturevalue("superuser")
    managed.program |= asked
    checked = managed.check()
    shop.run(f"ALTER ROLE {shop.server.admin_user} NOSUPERUSER", superuser=True)
    replace = partial(managed.provider.update, managed.id, managed.outputs, checked)
    assert expected in managed.failure(replace)
    assert (shop.rows("SELECT * FROM pg_publication"), shop.published()) == before


@pytest.mark.usefixtures("tables", "superuser")
def test_kind_that_was_changed_by_hand_needs_a_word_too(shop: Shop, slot: str) -> None:
    managed = publication(shop, ALL, slot=slot)
    managed.up()
    shop.run(
        "DROP PUBLICATION streamkap_pub",
        "CREATE PUBLICATION streamkap_pub FOR TABLE public.a"
        " WITH (publish_via_partition_root = true)",
    )
    assert "from listed tables to all tables in place" in managed.refusal()
    assert shop.published() == ["public.a"]
    assert managed.up(acknowledge=[TO_ALL]) == ["acknowledge", "toRepair", "toSnapshot"]
    assert options(shop)[0] is True
    assert managed.up() == []


# publish_via_partition_root


@pytest.mark.usefixtures("tables")
def test_partition_root_under_a_living_slot_needs_a_word(shop: Shop, slot: str) -> None:
    managed = publication(shop, listed("public.a"), slot=slot)
    managed.up()
    oid = shop.value("SELECT oid FROM pg_publication")
    text = managed.refusal(viaPartitionRoot=False)
    assert text.startswith(
        "publication streamkap_pub has publish_via_partition_root true and false is wanted: while "
        f"slot {slot} lives, changes of partitions would be lost or come twice. Remedy: stop the "
    )
    assert f"acknowledge: ['{ROOT_OFF}']" in text
    managed.up(viaPartitionRoot=False, acknowledge=[ROOT_OFF])
    assert options(shop)[-1] is False
    assert shop.value("SELECT oid FROM pg_publication") != oid
    assert set(unpack(managed.outputs["needsSnapshot"])) == {"public.a"}
    assert managed.up() == []


@pytest.mark.usefixtures("tables")
def test_word_that_has_done_its_work_is_named(
    shop: Shop, slot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    managed = publication(shop, listed("public.a"), slot=slot)
    managed.up()
    managed.up(viaPartitionRoot=False, acknowledge=[ROOT_OFF])
    assert "is not needed any more" not in capsys.readouterr().err
    managed.preview()
    line = f"warning: acknowledge: '{ROOT_OFF}' is not needed any more; take it out"
    assert line in capsys.readouterr().err
    assert managed.up(acknowledge=[]) == ["acknowledge"]
    assert "is not needed any more" not in capsys.readouterr().err
    assert exists(shop)


def test_table_of_an_extension_is_not_captured_with_its_schema(shop: Shop) -> None:
    """As PostGIS has one in public, which belongs to a superuser; a list may name it."""
    shop.run(
        "CREATE TABLE public.spatial_ref_sys (srid int PRIMARY KEY)",
        "ALTER EXTENSION plpgsql ADD TABLE public.spatial_ref_sys",
        superuser=True,
    )
    managed = publication(shop, {"schemas": ["public"]})
    managed.up()
    assert "public.spatial_ref_sys" not in shop.published()
    assert managed.up() == []
    named = publication(shop, listed("public.spatial_ref_sys"), name="other")
    assert "public.spatial_ref_sys belongs to azuresu" in named.refusal()
