"""Resources, connections and round trips are as many for 500 tables as for 10."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import PROJECT

from azure_postgres_rehearsal.rehearsal import Rehearsal

LOG = {"log_connections": "on", "log_statement": "all", "log_line_prefix": "client=%a "}
CLIENTS = "(azure-postgres-cdc|Pulumi provider)"
CONNECTED = re.compile(f"connection authorized: .* application_name={CLIENTS}")
# How often a connection is used again is a matter of time; what is asked on it is not.
ASKED = re.compile(
    f"^client={CLIENTS} LOG:  (?!statement: DISCARD)(?:statement|execute)", re.MULTILINE
)
SETTINGS = {
    "server": {"management": "none"},
    "databases": [{"name": "shop", "capture": {"schemas": ["app"]}}],
}


@dataclass(frozen=True)
class Cost:
    """What one `up` took, by client: the dynamic resources and the plugin."""

    resources: int
    changed: int
    connections: Counter[str]
    statements: Counter[str]


def make_tables(rehearsal: Rehearsal, first: int, last: int) -> None:
    with rehearsal.postgres.connect("shop") as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS app")
        connection.execute(
            f"DO $$ BEGIN FOR n IN {first}..{last} LOOP EXECUTE format("
            "'CREATE TABLE app.t%s (id int PRIMARY KEY)', n); END LOOP; END $$".encode()
        )


def up(rehearsal: Rehearsal) -> Cost:
    log = Path(rehearsal.postgres.folder / "server.log")
    before = log.stat().st_size
    outcome = rehearsal.engine.up("--skip-preview", capture=True)
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(before)
        text = file.read()
    connections, statements = Counter(CONNECTED.findall(text)), Counter(ASKED.findall(text))
    return Cost(outcome.resources, outcome.changed, connections, statements)


def costs(tables: int) -> dict[str, Cost]:
    """Fresh, with nothing to do, and with ten tables more."""
    with Rehearsal(PROJECT, "local", settings=SETTINGS, postgres_settings=LOG) as rehearsal:
        make_tables(rehearsal, 1, tables)
        found = {"fresh": up(rehearsal), "no-op": up(rehearsal)}
        make_tables(rehearsal, tables + 1, tables + 10)
        return found | {"10 added": up(rehearsal)}


@pytest.mark.full
def test_nothing_grows_with_the_number_of_tables() -> None:
    few, many = costs(10), costs(500)
    assert {name: cost.changed for name, cost in many.items()} == {
        "fresh": many["fresh"].resources,
        "no-op": 0,
        "10 added": 1,
    }
    for name, cost in many.items():
        assert cost.resources == few[name].resources
        assert cost.statements == few[name].statements
        assert cost.statements["azure-postgres-cdc"] > 0
        # One, used again and again; on a slow machine it may have been given up in between.
        assert 1 <= cost.connections["azure-postgres-cdc"] <= 4
    # With nothing to do, the plugin has no business with the server.
    assert many["no-op"].statements.keys() == {"azure-postgres-cdc"}
