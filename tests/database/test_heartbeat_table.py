"""The heartbeat table: its columns and first row, and the grants, its sequence's among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.test_signal_table import WRITER, columns, primary_key

from azure_postgres_cdc.database.heartbeat_table import HeartbeatTableProvider

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

HEARTBEAT = "streamkap.streamkap_heartbeat"


@pytest.fixture
def heartbeat(shop: Shop) -> Managed:
    shop.run("CREATE SCHEMA streamkap")
    return shop.managed(HeartbeatTableProvider(), schema="streamkap", roles=["streamkap_role"])


def test_heartbeat_table_has_its_columns_and_first_row(shop: Shop, heartbeat: Managed) -> None:
    heartbeat.up()
    assert columns(shop, HEARTBEAT) == [
        ("id", "integer", True),
        ("text", "text", False),
        ("last_update", "timestamp without time zone", False),
    ]
    assert primary_key(shop, HEARTBEAT) == "PRIMARY KEY (id)"
    assert shop.rows(f"SELECT id, text, last_update IS NOT NULL FROM {HEARTBEAT}") == [
        (1, "test_heartbeat", True)
    ]
    assert heartbeat.refresh() == []


def test_heartbeat_table_can_be_written_to_by_the_role(shop: Shop, heartbeat: Managed) -> None:
    heartbeat.up()
    shop.run("GRANT USAGE ON SCHEMA streamkap TO streamkap_role")
    assert shop.privileges(HEARTBEAT) == WRITER
    shop.run(
        "SET ROLE streamkap_role",
        f"INSERT INTO {HEARTBEAT} (text) VALUES ('beat')",
        f"UPDATE {HEARTBEAT} SET last_update = now()",
        superuser=True,
    )
    assert shop.column(f"SELECT text FROM {HEARTBEAT} ORDER BY id") == ["test_heartbeat", "beat"]


def test_heartbeat_table_keeps_its_rows_when_adopted_or_changed(
    shop: Shop, heartbeat: Managed
) -> None:
    heartbeat.up()
    shop.run(f"INSERT INTO {HEARTBEAT} (text) VALUES ('beat')")
    again = shop.managed(HeartbeatTableProvider(), schema="streamkap", roles=["streamkap_role"])
    again.up()
    again.up(roles=["other_role", "streamkap_role"])
    assert shop.column(f"SELECT text FROM {HEARTBEAT} ORDER BY id") == ["test_heartbeat", "beat"]
    assert shop.privileges(HEARTBEAT, "other_role") == WRITER


def test_heartbeat_table_of_another_shape_is_refused(shop: Shop, heartbeat: Managed) -> None:
    shop.run(f"CREATE TABLE {HEARTBEAT} (id SERIAL PRIMARY KEY, ts TIMESTAMP)")
    text = heartbeat.refusal()
    assert "it lacks text text, last_update timestamp without time zone" in text
    assert "it has ts timestamp without time zone instead" in text


def test_heartbeat_table_s_lost_sequence_grant_is_seen(shop: Shop, heartbeat: Managed) -> None:
    heartbeat.up()
    shop.run(f"REVOKE USAGE ON SEQUENCE {HEARTBEAT}_id_seq FROM streamkap_role")
    assert heartbeat.refresh() == ["roles"]
    heartbeat.up()
    assert shop.value(
        "SELECT has_sequence_privilege('streamkap_role', %s, 'USAGE')", f"{HEARTBEAT}_id_seq"
    )


def test_role_that_no_longer_beats_can_be_dropped(shop: Shop, heartbeat: Managed) -> None:
    role = f"old_{shop.name}"
    shop.run(f"CREATE ROLE {role}")
    heartbeat.up(roles=[role])
    shop.run(f"GRANT DELETE ON {HEARTBEAT} TO {role}")
    heartbeat.up(roles=["streamkap_role"])
    shop.run(f"DROP ROLE {role}")
    assert shop.column("SELECT 1 FROM pg_roles WHERE rolname = %s", role) == []


def test_heartbeat_table_s_sequence_is_the_one_that_it_has(shop: Shop, heartbeat: Managed) -> None:
    """PostgreSQL takes another name for it where this one is taken."""
    shop.run(f"CREATE SEQUENCE {HEARTBEAT}_id_seq")
    heartbeat.up()
    assert shop.value(
        "SELECT has_sequence_privilege('streamkap_role', %s, 'USAGE')", f"{HEARTBEAT}_id_seq1"
    )
    assert not shop.value(
        "SELECT has_sequence_privilege('streamkap_role', %s, 'USAGE')", f"{HEARTBEAT}_id_seq"
    )


def test_heartbeat_table_without_a_sequence_is_adopted(shop: Shop, heartbeat: Managed) -> None:
    shop.run(f"CREATE TABLE {HEARTBEAT} (id int PRIMARY KEY, text text, last_update timestamp)")
    heartbeat.up()
    assert shop.privileges(HEARTBEAT) == WRITER
    assert heartbeat.up() == heartbeat.refresh() == []
