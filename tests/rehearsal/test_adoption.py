"""A database that somebody has prepared by hand from the page: `pulumi up` makes it the stack's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support import PROJECT

from azure_postgres_rehearsal.rehearsal import Rehearsal

# The page's script as it stands, with the role that it forgets to create and to grant.
BY_HAND = """
CREATE ROLE streamkap_role;
CREATE USER streamkap_user PASSWORD 'By-hand-1';
GRANT streamkap_role TO streamkap_user;
ALTER USER streamkap_user WITH REPLICATION;
GRANT CONNECT ON DATABASE "shop" TO streamkap_role;
GRANT CREATE, USAGE ON SCHEMA "public" TO streamkap_role;
GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO streamkap_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA "public" GRANT SELECT ON TABLES TO streamkap_role;
CREATE SCHEMA streamkap;
SET search_path TO streamkap;
CREATE TABLE streamkap_signal (
  id VARCHAR(255) PRIMARY KEY,
  type VARCHAR(32) NOT NULL,
  data VARCHAR(2000) NULL
);
GRANT CREATE, USAGE ON SCHEMA streamkap TO streamkap_role;
GRANT SELECT ON ALL TABLES IN SCHEMA streamkap TO streamkap_role;
GRANT SELECT, UPDATE, INSERT ON TABLE streamkap_signal TO streamkap_role;
CREATE PUBLICATION streamkap_pub {tables};
SELECT pg_create_logical_replication_slot('streamkap_pgoutput_slot', 'pgoutput');
SELECT count(*) FROM pg_logical_slot_peek_binary_changes('streamkap_pgoutput_slot', null, null,
    'proto_version', '1', 'publication_names', 'streamkap_pub');
ALTER TABLE public.orders REPLICA IDENTITY FULL
"""
KINDS = {
    "all tables": ("FOR ALL TABLES", {"allTables": True}),
    "selected tables": (
        "FOR TABLE public.orders, streamkap.streamkap_signal",
        {"tables": ["public.orders"]},
    ),
}
# What must be the same thing after `up`: it would be another one if it had been dropped and made.
IDENTITIES = """
SELECT 'role', rolname::text, oid::text FROM pg_roles WHERE rolname LIKE 'streamkap%'
UNION ALL SELECT 'table', oid::regclass::text, oid::text FROM pg_class
    WHERE relname IN ('streamkap_signal', 'orders')
UNION ALL SELECT 'publication', pubname::text, oid::text FROM pg_publication
UNION ALL SELECT 'slot', slot_name::text, restart_lsn::text || ' ' || confirmed_flush_lsn
    FROM pg_replication_slots
ORDER BY 1, 2
"""


@pytest.fixture(
    scope="module",
    params=["selected tables", pytest.param("all tables", marks=pytest.mark.full)],
)
def by_hand(request: pytest.FixtureRequest) -> Iterator[Rehearsal]:
    tables, capture = KINDS[request.param]
    database = {"name": "shop", "capture": capture, "replicaIdentityFull": True, "heartbeat": True}
    settings: dict[str, Any] = {"server": {"management": "none"}, "databases": [database]}
    with Rehearsal(PROJECT, "local", settings=settings) as rehearsal:
        # Nobody but a superuser publishes FOR ALL TABLES on plain PostgreSQL.
        strength = "SUPERUSER" if "ALL" in tables else "REPLICATION"
        with rehearsal.postgres.superuser("shop") as connection:
            connection.execute(f"ALTER ROLE cdc_admin {strength}")
        with rehearsal.postgres.connect("shop") as connection:
            connection.autocommit = True
            connection.execute("CREATE TABLE IF NOT EXISTS public.orders (id bigint PRIMARY KEY)")
            for statement in BY_HAND.format(tables=tables).split(";\n"):
                connection.execute(statement)
            connection.execute("INSERT INTO public.orders SELECT generate_series(1, 100)")
            connection.execute("INSERT INTO streamkap.streamkap_signal VALUES ('1', 'log', '{}')")
        yield rehearsal


def found(rehearsal: Rehearsal) -> list[tuple[Any, ...]]:
    with rehearsal.postgres.superuser("shop") as connection:
        return connection.execute(IDENTITIES).fetchall()


def waiting(rehearsal: Rehearsal) -> int:
    """How many changes of the captured table are still in the slot for the connector."""
    query = """
        SELECT count(*) FROM pg_logical_slot_peek_binary_changes('streamkap_pgoutput_slot',
            null, null, 'proto_version', '1', 'publication_names', 'streamkap_pub')
        WHERE get_byte(data, 0) = ascii('I')
    """
    with rehearsal.postgres.superuser("shop") as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else 0


def test_preview_lists_what_differs_and_changes_nothing(by_hand: Rehearsal) -> None:
    before = found(by_hand)
    outcome = by_hand.engine.preview(capture=True)
    for line in (
        "role streamkap_role is there already, and is adopted",
        "login streamkap_user is there already, and is adopted; brought in line: gets the stack's "
        "password",
        "publication streamkap_pub of database shop is there already, and is adopted; brought in "
        "line in place: ",
        "publish_via_partition_root is false, needed true",
        "replication slot streamkap_pgoutput_slot is there already, and is adopted where it stands",
    ):
        assert line in outcome.text
    assert outcome.operations["import"] == 2, outcome.text
    assert not {"delete", "replace"} & outcome.operations.keys()
    assert found(by_hand) == before


def test_up_adopts_everything_and_loses_nothing(by_hand: Rehearsal) -> None:
    before, changes = found(by_hand), waiting(by_hand)
    outcome = by_hand.engine.up("--skip-preview", capture=True)
    assert outcome.operations["import"] == 2, outcome.text
    assert found(by_hand) == before
    # The signal's row, the hundred of the table, and nothing that `up` would have written twice.
    assert waiting(by_hand) >= changes >= 100
    form = by_hand.engine.outputs()["connectors"][0]
    with by_hand.postgres.connect("shop", form["username"], form["password"]) as connection:
        assert connection.execute("SELECT count(*) FROM public.orders").fetchone() == (100,)
        assert connection.execute("SELECT id FROM streamkap.streamkap_signal").fetchall() == [
            ("1",)
        ]


@pytest.mark.parametrize("options", [(), ("--refresh",)])
def test_another_up_changes_nothing(by_hand: Rehearsal, options: tuple[str, ...]) -> None:
    again = by_hand.engine.up("--skip-preview", *options, capture=True)
    assert (again.changed, again.operations.get("import", 0)) == (0, 0), again.text
    assert "is adopted" not in again.text


def test_password_that_is_given_is_kept(by_hand: Rehearsal) -> None:
    """What the preview says of the password: with its own, the running connector goes on."""
    by_hand.engine.set_secret("connectorPassword", "By-hand-1")
    by_hand.engine.up("--skip-preview", capture=True)
    with by_hand.postgres.connect("shop", "streamkap_user", "By-hand-1") as connection:
        connection.execute("SELECT FROM public.orders")


def test_state_that_was_lost_is_made_again_from_what_is_there(by_hand: Rehearsal) -> None:
    before = found(by_hand)
    state = by_hand.engine.state()
    state["deployment"]["resources"] = state["deployment"]["resources"][:1]  # the stack itself
    by_hand.engine.set_state(state)
    outcome = by_hand.engine.up("--skip-preview", capture=True)
    assert outcome.operations["import"] == 2, outcome.text
    assert found(by_hand) == before
    assert by_hand.engine.up("--skip-preview", capture=True).changed == 0
