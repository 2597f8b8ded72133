"""Doctor knows of attached partitions what the last `up` knew: the real engine's state says it."""

from __future__ import annotations

import pytest
from support import PROJECT
from test_operations import findings

from azure_postgres_rehearsal.rehearsal import Rehearsal

STACK = {
    "server": {"management": "none"},
    "databases": [{"name": "shop", "capture": {"schemas": ["public"]}}],
}
CHECKS = ("partitions-attached", "snapshots-needed")


@pytest.mark.full
def test_doctor_tells_what_was_attached_since_the_last_up() -> None:
    with Rehearsal(PROJECT, "local", settings=STACK) as rehearsal:
        execute(
            rehearsal,
            "CREATE TABLE public.root (id int PRIMARY KEY) PARTITION BY RANGE (id)",
            "CREATE TABLE public.p1 (id int PRIMARY KEY)",
            "INSERT INTO public.p1 VALUES (11)",
            "ALTER TABLE public.root ATTACH PARTITION public.p1 FOR VALUES FROM (10) TO (20)",
        )
        rehearsal.engine.up("--skip-preview", capture=True)
        assert states(rehearsal) == ["ok", "ok"]
        execute(
            rehearsal,
            "CREATE TABLE public.p2 (id int PRIMARY KEY)",
            "ALTER TABLE public.root ATTACH PARTITION public.p2 FOR VALUES FROM (20) TO (30)",
        )
        # Nothing is changed by it, and it is known all the same.
        assert rehearsal.engine.up("--skip-preview", capture=True).changed == 0
        (publication,) = [
            resource
            for resource in rehearsal.engine.state()["deployment"]["resources"]
            if resource["type"].endswith(":Publication")
        ]
        assert publication["inputs"]["attached"].count(":") == 2
        execute(
            rehearsal,
            "CREATE TABLE public.p3 (id int PRIMARY KEY)",
            "INSERT INTO public.p3 VALUES (31)",
            "ALTER TABLE public.root ATTACH PARTITION public.p3 FOR VALUES FROM (30) TO (40)",
        )
        assert states(rehearsal) == ["warning", "ok"]
        rehearsal.engine.up("--skip-preview", capture=True)
        assert states(rehearsal) == ["ok", "warning"]


def states(rehearsal: Rehearsal) -> list[str]:
    _, found = findings(rehearsal)
    return [found["shop", check]["state"] for check in CHECKS]


def execute(rehearsal: Rehearsal, *statements: str) -> None:
    with rehearsal.postgres.connect("shop") as connection:
        for statement in statements:
            connection.execute(statement.encode())
