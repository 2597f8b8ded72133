"""A publication that is there already, or that somebody changed: adopted, repaired, refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.publication_support import SIGNAL, exists, listed, make_tables, publication

from azure_postgres_cdc.dynamic import unpack

if TYPE_CHECKING:
    from tests.database.conftest import Shop


@pytest.fixture
def tables(shop: Shop) -> None:
    make_tables(shop)


# All tables


@pytest.mark.usefixtures("tables")
def test_all_tables_need_a_superuser_and_say_so(shop: Shop) -> None:
    managed = publication(shop, {"allTables": True})
    text = managed.refusal()
    assert text.startswith("cannot publish streamkap_pub: ")
    assert "must be superuser to create FOR ALL TABLES publication [42501]" in text
    assert "Remedy: FOR ALL TABLES needs a superuser here: capture `schemas` or `tables`" in text
    assert not exists(shop)


@pytest.mark.usefixtures("tables")
def test_all_tables_made_by_a_superuser_is_adopted(shop: Shop) -> None:
    shop.run(
        "CREATE PUBLICATION streamkap_pub FOR ALL TABLES WITH (publish_via_partition_root = true)",
        superuser=True,
    )
    managed = publication(shop, {"allTables": True}, ownTables=[SIGNAL])
    managed.up()
    assert managed.outputs["allTables"] is True
    assert managed.refresh() == []
    shop.run("CREATE TABLE public.later (id int PRIMARY KEY)")
    assert "public.later" in shop.published()
    assert managed.up() == ["tables"]  # for the connector's form
    assert unpack(managed.outputs["tables"]) == [
        *("public.a", "public.b", "public.c", "public.later", SIGNAL)
    ]
    assert managed.refresh() == []


# Adoption


@pytest.mark.usefixtures("tables")
def test_publication_that_fits_is_adopted(shop: Shop) -> None:
    shop.run(
        "CREATE PUBLICATION streamkap_pub FOR TABLE public.a, public.b"
        " WITH (publish_via_partition_root = true)"
    )
    oid = shop.value("SELECT oid FROM pg_publication")
    managed = publication(shop, listed("public.a", "public.b"))
    managed.up()
    assert shop.value("SELECT oid FROM pg_publication") == oid
    assert managed.refresh() == []


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    ("definition", "difference"),
    [
        (
            "FOR TABLE public.b, public.c WITH (publish_via_partition_root = true)",
            "it lacks public.a; it also holds public.c.",
        ),
        (
            "FOR TABLE public.a, public.b"
            " WITH (publish = 'insert, delete', publish_via_partition_root = true)",
            "publish is insert, delete, needed insert, update, delete, truncate.",
        ),
    ],
)
def test_publication_that_differs_is_refused_and_left_alone(
    shop: Shop, definition: str, difference: str
) -> None:
    shop.run(f"CREATE PUBLICATION streamkap_pub {definition}")
    before = shop.rows("SELECT * FROM pg_publication"), shop.published()
    managed = publication(shop, listed("public.a", "public.b"))
    text = managed.refusal()
    assert text.startswith(
        f"publication streamkap_pub of database {shop.name} is there already, this stack did not "
        "make it, and it differs: "
    )
    assert f"{difference} Remedy: alter or drop it by hand, or choose another name" in text
    assert (shop.rows("SELECT * FROM pg_publication"), shop.published()) == before


@pytest.mark.usefixtures("tables")
def test_what_makes_no_difference_to_a_connector_is_brought_in_line_in_place(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    """The page's script knows neither publish_via_partition_root nor a heartbeat table."""
    shop.run("CREATE PUBLICATION streamkap_pub FOR TABLE public.a, public.b")
    oid = shop.value("SELECT oid FROM pg_publication")
    managed = publication(shop, listed("public.a", "public.b"), ownTables=[SIGNAL])
    managed.up()
    assert capfd.readouterr().err.splitlines()[0] == (
        f"publication streamkap_pub of database {shop.name} is there already, and is adopted; "
        f"brought in line in place: it lacks {SIGNAL}; "
        "publish_via_partition_root is false, needed true"
    )
    assert shop.rows("SELECT oid, pubviaroot FROM pg_publication") == [(oid, True)]
    assert shop.published() == ["public.a", "public.b", SIGNAL]
    assert managed.outputs["needsSnapshot"] == "{}"
    assert (managed.refresh(), managed.preview()) == ([], [])


@pytest.mark.usefixtures("tables")
def test_partition_root_matters_where_a_captured_table_has_partitions(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE public.parted (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE PUBLICATION streamkap_pub FOR TABLE public.a, public.parted",
    )
    managed = publication(shop, listed("public.a", "public.parted"))
    assert "it differs: publish_via_partition_root is false, needed true" in managed.refusal()
    assert shop.value("SELECT pubviaroot FROM pg_publication") is False


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    ("restriction", "shown"), [("(id)", "(id)"), ("WHERE (id>5)", "WHERE (id > 5)")]
)
def test_restricted_table_does_not_fit(shop: Shop, restriction: str, shown: str) -> None:
    shop.run(
        f"CREATE PUBLICATION streamkap_pub FOR TABLE public.a {restriction}, public.b"
        " WITH (publish_via_partition_root = true)"
    )
    managed = publication(shop, listed("public.a", "public.b"))
    assert f"it publishes public.a {shown}, needed all of it" in managed.refusal()


@pytest.mark.usefixtures("tables")
def test_whole_schema_besides_the_tables_does_not_fit(shop: Shop) -> None:
    shop.run(
        "CREATE PUBLICATION streamkap_pub FOR TABLE public.a, TABLES IN SCHEMA streamkap"
        " WITH (publish_via_partition_root = true)",
        superuser=True,
    )
    managed = publication(shop, listed("public.a"))
    assert "it holds every table of schema streamkap." in managed.refusal()


# Drift


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    ("by_hand", "difference"),
    [
        ("DROP TABLE public.b", "tables"),
        ("ADD TABLE public.c", "tables"),
        ("SET TABLE public.a (id), public.b", "columns"),
        ("SET TABLE public.a WHERE (id > 5), public.b", "shownFilters"),
        ("SET (publish_via_partition_root = false)", "viaPartitionRoot"),
        ("SET (publish = 'insert, update')", "publish"),
    ],
)
def test_drift_is_seen_and_repaired(shop: Shop, by_hand: str, difference: str) -> None:
    managed = publication(shop, listed("public.a", "public.b"))
    managed.up()
    before = shop.rows("SELECT * FROM pg_publication"), shop.published()
    shop.run(f"ALTER PUBLICATION streamkap_pub {by_hand}")
    assert "toRepair" in managed.preview()  # without a refresh too
    assert managed.refresh() == [difference]
    assert set(managed.up()) - {"toSnapshot"} == {difference, "toRepair"}
    assert (shop.rows("SELECT * FROM pg_publication"), shop.published()) == before
    assert shop.column("SELECT coalesce(prqual::text, prattrs::text) FROM pg_publication_rel") == [
        None,
        None,
    ]
    assert managed.preview() == []


@pytest.mark.usefixtures("tables")
def test_schema_added_by_hand_is_seen_and_taken_out(shop: Shop) -> None:
    managed = publication(shop, listed("public.a"))
    managed.up()
    shop.run("ALTER PUBLICATION streamkap_pub OWNER TO azuresu", superuser=True)
    shop.run("ALTER PUBLICATION streamkap_pub ADD TABLES IN SCHEMA streamkap", superuser=True)
    shop.run(f"ALTER PUBLICATION streamkap_pub OWNER TO {shop.server.admin_user}", superuser=True)
    assert managed.refresh() == ["schemas"]
    # Of its owner, or of an option for a while: what was changed and changed back, nobody can tell.
    assert managed.up() == ["schemas", "toRepair", "toSnapshot"]
    assert shop.published() == ["public.a"]


@pytest.mark.usefixtures("tables")
def test_dropped_table_is_refused_by_name(shop: Shop) -> None:
    managed = publication(shop, listed("public.a", "public.b"))
    managed.up()
    shop.run("DROP TABLE public.b")
    assert "public.b does not exist" in managed.refusal()


# Vanished


@pytest.mark.usefixtures("tables")
def test_publication_that_vanished_is_never_made_again(shop: Shop) -> None:
    managed = publication(shop, listed("public.a"))
    managed.up()
    shop.run("DROP PUBLICATION streamkap_pub")
    texts = [managed.refusal(), managed.failure(managed.refresh)]
    texts.append(
        managed.failure(
            lambda: managed.provider.update(managed.id, managed.outputs, managed.inputs)
        )
    )
    for text in texts:
        assert text.startswith(
            f"publication streamkap_pub of database {shop.name} has vanished: changes made since "
            "then are not captured"
        )
        assert "Remedy: stop the source" in text
        assert "pulumi state delete" in text
    assert not exists(shop)


@pytest.mark.usefixtures("tables")
def test_slot_that_vanished_with_its_publication_is_told_of(shop: Shop) -> None:
    """Its record went with the publication, and the remedy has it made anew without a word."""
    slot = f"slot_{shop.name}"
    managed = publication(shop, listed("public.a"), slot=slot)
    managed.up()
    shop.run(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
    shop.run("DROP PUBLICATION streamkap_pub")
    assert "the slot leaves the state too, and is adopted again" in managed.refusal()
    shop.run(f"SELECT pg_drop_replication_slot('{slot}')")
    text = managed.refusal()
    assert (
        f". Its replication slot {slot} is not there either: every change since the connector's "
        "last position is lost to it. Remedy: " in text
    )
    assert "the slot leaves the state too, and another one is made" in text


# States of an earlier version


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("by_hand", [None, "SET TABLE public.a (id)"])
def test_state_of_an_earlier_version_goes_on(shop: Shop, by_hand: str | None) -> None:
    managed = publication(shop, listed("public.a"))
    managed.up()
    newer = (
        *("slot", "columns", "rowFilters", "shownFilters", "filterColumns", "publish"),
        *("generatedColumns", "tablesInSchema", "acknowledge", "toSnapshot", "needsSnapshot"),
    )
    for state in (managed.inputs, managed.outputs):
        for key in newer:
            state.pop(key, None)
        state |= {"restricted": [], "schemas": [], "unpublished": []}
    if by_hand:
        shop.run(f"ALTER PUBLICATION streamkap_pub {by_hand}")
    oid = shop.value("SELECT oid FROM pg_publication")
    managed.refresh()
    managed.up()
    assert shop.value("SELECT oid FROM pg_publication") == oid
    assert shop.column("SELECT prattrs::text FROM pg_publication_rel") == [None]
    assert managed.up() == managed.refresh() == []


# Whose it is


@pytest.mark.usefixtures("tables")
def test_publication_of_a_stranger_is_refused_as_soon_as_it_would_be_changed(shop: Shop) -> None:
    managed = publication(shop, listed("public.a"))
    managed.up()
    shop.run("ALTER PUBLICATION streamkap_pub OWNER TO azuresu", superuser=True)
    assert managed.up() == managed.refresh() == []
    assert managed.refusal(capture=listed("public.a", "public.b")) == (
        "publication streamkap_pub belongs to azuresu, and the administrator may not change it. "
        "Remedy: have a role that may run: GRANT azuresu TO cdc_admin; or ALTER PUBLICATION "
        "streamkap_pub OWNER TO cdc_admin; then run pulumi up again"
    )
    adopted = publication(shop, listed("public.a"))
    adopted.check()
    assert (
        "belongs to azuresu" in publication(shop, listed("public.a"), ownTables=[SIGNAL]).refusal()
    )


@pytest.mark.usefixtures("tables")
def test_publication_of_a_role_within_reach_is_changed_and_dropped(shop: Shop) -> None:
    """The administrator has made the role, and acts for it as it does for the owners of tables."""
    managed = publication(shop, listed("public.a"))
    managed.up()
    owner = f"owner_{shop.name}"
    shop.run(f"CREATE ROLE {owner}", f"GRANT CREATE ON DATABASE {shop.name} TO {owner}")
    try:
        shop.run(f"ALTER PUBLICATION streamkap_pub OWNER TO {owner}", superuser=True)
        members = shop.rows("SELECT * FROM pg_auth_members ORDER BY 1")
        managed.up(capture=listed("public.a", "public.b"))
        assert shop.published() == ["public.a", "public.b"]
        managed.up(acknowledge=["snapshot of public.b"])
        assert managed.up() == []
        managed.destroy()
        assert not exists(shop)
        assert shop.rows("SELECT * FROM pg_auth_members ORDER BY 1") == members
    finally:
        shop.run(f"DROP OWNED BY {owner}", f"DROP ROLE {owner}", superuser=True)
