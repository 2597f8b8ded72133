"""What can happen to a stack and its database, as plain values that Hypothesis puts in any order.

A failing sequence is printed as a list of these, and can be run again as it is.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Step = tuple[Any, ...]

TABLES = ("public.a", "public.b", "sales.c", "public.r")
"""`public.r` is partitioned."""
PARTS = ("public.b", "sales.c", "sales.p0", "public.p1")
"""What may be a partition of it, the first two as tables of their own before."""
ALL = ("public.a", "public.b", "sales.c", "public.r", "sales.p0", "public.p1", "public.leaf")

SETTINGS: dict[str, tuple[Any, ...]] = {
    "capture": (
        {"schemas": ["public", "sales"]},
        {"schemas": ["public"]},
        {"schemas": ["sales"]},
        {"tables": ["public.a"]},
        {"tables": ["public.a", "public.r", "sales.c"]},
        {"allTables": True},
    ),
    "tablesInSchema": (True, False),
    "columns": ({}, {"public.a": ["id"]}, {"public.a": ["id", "b"]}, {"public.r": ["id", "b"]}),
    "rowFilters": ({}, {"public.a": "id > 4"}, {"public.a": "b > 0"}, {"public.r": "b > 0"}),
    "publish": (
        ["insert", "update", "delete", "truncate"],
        ["insert"],
        ["insert", "update", "delete"],
    ),
    "publishViaPartitionRoot": (True, False),
    "replicaIdentityFull": (False, True, ["public.a"], ["public.r", "public.b"]),
    "replicaIdentityIndex": ({}, {"public.a": "a_key"}, {"public.r": "r_key"}),
    "allowWithoutIdentity": ([], ["public.b"], ["public.a", "public.b", "sales.c", "public.r"]),
    "snapshots": ("signal-table", "read-only"),
    "heartbeat": (True, False),
    "createSlot": (True, False),
    "onDestroy": ("refuse", "drop", "retain"),
    "owners": ([], ["app"]),
    "grants": ({}, {"tables": "captured"}, {"create": False}),
    "dropSignalTable": (True, False),
    "publication": ("streamkap_pub", "other_pub"),
    "slot": ("slot", "other_slot"),
}
KEYED = "CREATE TABLE {t} (id int PRIMARY KEY, b int NOT NULL, note text)"
PLAIN = "CREATE TABLE {t} (id int NOT NULL, b int NOT NULL, note text)"
PARTITIONED = (
    "CREATE TABLE {t} (id int NOT NULL, b int NOT NULL, note text, PRIMARY KEY (id, b))"
    " PARTITION BY LIST (b)"
)
OF_TABLES = (
    KEYED,
    PLAIN,
    f"{PLAIN}; CREATE UNIQUE INDEX {{n}}_key ON {{t}} (id, b)",
    "CREATE TABLE {t} (id int PRIMARY KEY, b int NOT NULL, note text,"
    " g int GENERATED ALWAYS AS (id * 2) STORED)",
    PARTITIONED,
    PARTITIONED.replace(", PRIMARY KEY (id, b)", ""),
    f"SET LOCAL ROLE app; {KEYED}",
    "CREATE TABLE {t} (PRIMARY KEY (id)) INHERITS (public.a)",
    "CREATE UNLOGGED TABLE {t} (id int PRIMARY KEY, b int NOT NULL, note text)",
    "CREATE VIEW {t} AS SELECT 1 AS id, 1 AS b, 'x' AS note",
    "DROP TABLE {t} CASCADE",
    "DROP TABLE {t} CASCADE; " + KEYED,
    "ALTER TABLE {t} RENAME TO a",
    "ALTER TABLE {t} RENAME TO b",
    "ALTER TABLE {t} SET SCHEMA public",
    "ALTER TABLE {t} SET SCHEMA sales",
    "ALTER TABLE {t} ADD PRIMARY KEY (id)",
    "ALTER TABLE {t} DROP CONSTRAINT {n}_pkey CASCADE",
    "CREATE UNIQUE INDEX {n}_key ON {t} (id, b)",
    "DROP INDEX {s}.{n}_key",
    "ALTER TABLE {t} REPLICA IDENTITY FULL",
    "ALTER TABLE {t} REPLICA IDENTITY DEFAULT",
    "ALTER TABLE {t} REPLICA IDENTITY NOTHING",
    "ALTER TABLE {t} REPLICA IDENTITY USING INDEX {n}_key",
    "ALTER TABLE {t} OWNER TO app",
    'ALTER TABLE {t} OWNER TO "App B"',
    "ALTER TABLE {t} ADD COLUMN extra int DEFAULT 7",
    "ALTER TABLE {t} DROP COLUMN extra",
    "ALTER PUBLICATION streamkap_pub ADD TABLE {t}",
    "ALTER PUBLICATION streamkap_pub DROP TABLE {t}",
    "CREATE PUBLICATION theirs FOR TABLE {t}",
    "CREATE PUBLICATION theirs FOR TABLE {t} (id)",
    "REVOKE SELECT ON {t} FROM streamkap_role",
    "GRANT SELECT ON {t} TO streamkap_role",
)
OF_PARTS = (
    "CREATE TABLE {t} PARTITION OF public.r FOR VALUES IN (0)",
    "CREATE TABLE {t} PARTITION OF public.r DEFAULT",
    "CREATE TABLE {t} PARTITION OF public.r FOR VALUES IN (1) PARTITION BY LIST (b);"
    " CREATE TABLE public.leaf PARTITION OF {t} DEFAULT",
    "ALTER TABLE public.r ATTACH PARTITION {t} DEFAULT",
    "ALTER TABLE public.r ATTACH PARTITION {t} FOR VALUES IN (0)",
    "ALTER TABLE public.r ATTACH PARTITION {t} FOR VALUES IN (1)",
    "ALTER TABLE public.r DETACH PARTITION {t}",
    "ALTER TABLE {t} REPLICA IDENTITY FULL",
    "ALTER TABLE {t} OWNER TO app",
    "DROP TABLE {t} CASCADE",
)
OTHERS = (
    "ALTER PUBLICATION streamkap_pub SET (publish = 'insert')",
    "ALTER PUBLICATION streamkap_pub SET (publish_via_partition_root = false)",
    "ALTER PUBLICATION streamkap_pub SET TABLE public.a WHERE (id > 4)",
    "DROP PUBLICATION streamkap_pub",
    "DROP PUBLICATION theirs",
    "COMMENT ON PUBLICATION streamkap_pub IS 'ask Ada'",
    "COMMENT ON PUBLICATION streamkap_pub IS NULL",
    "REVOKE USAGE ON SCHEMA sales FROM streamkap_role",
    "REVOKE ALL ON SCHEMA public FROM streamkap_role",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM streamkap_role",
    "DROP TABLE streamkap.streamkap_signal",
    "DROP TABLE streamkap.streamkap_heartbeat",
    "ALTER TABLE streamkap.streamkap_signal ADD COLUMN more int",
    "INSERT INTO streamkap.streamkap_signal VALUES ('x', 'log', 'hello')",
    "DELETE FROM streamkap.streamkap_signal",
    "REVOKE INSERT ON streamkap.streamkap_signal FROM streamkap_role",
    "DROP SCHEMA sales CASCADE",
    "CREATE SCHEMA sales; GRANT ALL ON SCHEMA sales TO app, {admin}",
)
WRITES = (
    "INSERT INTO {t} (id, b, note) SELECT {id} + i, {b}, 'x' FROM generate_series(0, 1) i",
    "UPDATE {t} SET note = 'y' WHERE id % 2 = 0",
    "UPDATE {t} SET b = 1 - b WHERE id % 2 = 0",
    "DELETE FROM {t} WHERE id % 3 = 0",
    "TRUNCATE {t}",
)

_table, _value = st.sampled_from(ALL), st.sampled_from((0, 1))


def _of(kind: str, *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(kind), *parts)


_setting = st.sampled_from(list(SETTINGS)).flatmap(
    lambda key: _of("set", st.just(key), st.sampled_from(SETTINGS[key]))
)
_insert = _of("write", st.just(WRITES[0]), _table, _value)
_write = _of("write", st.sampled_from(WRITES), _table, _value)
_of_table = _of("sql", st.sampled_from(OF_TABLES), st.sampled_from(TABLES))
_of_part = _of("sql", st.sampled_from(OF_PARTS), st.sampled_from(PARTS))
_other = _of("sql", st.sampled_from(OTHERS), st.just(""))
_slot = st.sampled_from([("drop slot",), ("make slot",), ("read",)])
_engine = st.sampled_from(
    [("preview",), ("refresh",), ("destroy",), ("snapshot",), ("acknowledge",), ("again",)]
)
_stopped = st.sampled_from(["kill", "terminate"]).flatmap(lambda how: _of(how, st.integers(0, 60)))
_locked = _of("lock", st.sampled_from(TABLES))
_dropped = _of("drop meanwhile", st.sampled_from(TABLES), st.integers(0, 5))
_up, _heed = st.just(("up",)), st.just(("heed",))
_OFTEN: list[tuple[int, st.SearchStrategy[Step]]] = [
    (20, _setting),
    (12, _insert),
    (4, _write),
    (14, _of_table),
    (8, _of_part),
    (4, _other),
    (3, _slot),
    (4, _engine),
    (1, _stopped),
    (1, _locked),
    (1, _dropped),
    (18, _up),
    (10, _heed),
]
"""How often each kind of step comes, in a hundred."""

steps = st.sampled_from([kind for often, kind in _OFTEN for _ in range(often)]).flatmap(
    lambda kind: kind
)
