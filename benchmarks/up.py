"""What `pulumi up` of this project costs, beside a floor measured in the same run.

The floor: a program with one trivial resource of each plugin that ours loads (postgresql and the
dynamic provider), on the same server. And `psql` running the page's script.

    .venv/bin/python benchmarks/up.py [TABLES ...]
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from azure_postgres_rehearsal.engine import Engine
from azure_postgres_rehearsal.rehearsal import Rehearsal

PROJECT = Path(__file__).resolve().parents[1]
SIZES = (10, 1000, 10_000)

FLOOR = """
    import pulumi
    import pulumi_postgresql as postgresql
    from azure_postgres_cdc.database.role import GeneratedPassword

    config = pulumi.Config()
    provider = postgresql.Provider(
        "p", host=config.require("host"), port=config.require_int("port"),
        username=config.require("user"), password=config.require_secret("password"),
        sslmode="require", superuser=False, database="shop")
    postgresql.Role("floor", name="floor", opts=pulumi.ResourceOptions(provider=provider))
    GeneratedPassword("floor", "floor")
"""

SCRIPT = """
    CREATE ROLE by_hand_role; CREATE USER by_hand WITH REPLICATION PASSWORD 'x';
    GRANT by_hand_role TO by_hand; GRANT CONNECT ON DATABASE shop TO by_hand_role;
    GRANT CREATE, USAGE ON SCHEMA app TO by_hand_role;
    GRANT SELECT ON ALL TABLES IN SCHEMA app TO by_hand_role;
    ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO by_hand_role;
    CREATE SCHEMA by_hand;
    CREATE TABLE by_hand.streamkap_signal (
        id VARCHAR(255) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2000) NULL);
    GRANT SELECT, UPDATE, INSERT ON TABLE by_hand.streamkap_signal TO by_hand_role;
    CREATE PUBLICATION by_hand FOR TABLE {tables}, by_hand.streamkap_signal
        WITH (publish_via_partition_root = true);
    SELECT pg_create_logical_replication_slot('by_hand', 'pgoutput');
"""


def seconds(action: Callable[[], object]) -> float:
    """How long an action takes."""
    started = time.monotonic()
    action()
    return time.monotonic() - started


def make_tables(rehearsal: Rehearsal, count: int) -> list[str]:
    """Tables with a key in the schema app, all of them at once."""
    with rehearsal.postgres.connect("shop") as connection:
        connection.execute("CREATE SCHEMA app")
        for first in range(0, count, 1000):
            last = min(first + 1000, count) - 1
            connection.execute(
                f"DO $$ BEGIN FOR n IN {first}..{last} LOOP EXECUTE format("
                "'CREATE TABLE app.t%s (id int PRIMARY KEY)', n); END LOOP; END $$".encode()
            )
    return [f"app.t{number}" for number in range(count)]


def floor_engine(rehearsal: Rehearsal) -> Engine:
    """The trivial program, in a state of its own."""
    project = rehearsal.postgres.folder / "floor-project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: floor\nruntime: {name: python, options: {}}\n")
    (project / "Pulumi.floor.yaml").write_text("config: {}\n")
    (project / "__main__.py").write_text(textwrap.dedent(FLOOR))
    (project / ".engine").symlink_to(PROJECT / ".engine")
    postgres = rehearsal.postgres
    settings = {"host": postgres.host, "port": postgres.port, "user": postgres.admin_user}
    secret = {"password": postgres.admin_password}
    folder = rehearsal.postgres.folder / "floor"
    return Engine(project, "floor", folder, settings, secret, {})


def psql(rehearsal: Rehearsal, tables: list[str]) -> None:
    """The page's script, as a person runs it."""
    subprocess.run(
        [rehearsal.postgres.tool("psql"), "--quiet", "--set=ON_ERROR_STOP=1"],
        input=textwrap.dedent(SCRIPT).format(tables=", ".join(tables)),
        env=rehearsal.postgres.client_environment("shop"),
        stdout=subprocess.DEVNULL,
        check=True,
        text=True,
    )


def measure(count: int, report: Table) -> None:
    """One row: fresh, no-op, and ten tables more, above the floor and beside psql."""
    settings = {
        "server": {"management": "none"},
        "databases": [{"name": "shop", "capture": {"schemas": ["app"]}}],
    }
    with Rehearsal(PROJECT, "local", settings=settings) as rehearsal:
        tables = make_tables(rehearsal, count)
        floor = floor_engine(rehearsal)
        ours = rehearsal.engine

        def up(engine: Engine) -> float:
            return seconds(lambda: engine.up("--skip-preview", capture=True))

        floor_fresh, floor_again = up(floor), min(up(floor), up(floor))
        by_psql = seconds(lambda: psql(rehearsal, tables))
        fresh, again = up(ours), min(up(ours), up(ours))
        with rehearsal.postgres.connect("shop") as connection:
            for number in range(10):
                connection.execute(f"CREATE TABLE app.more{number} (id int PRIMARY KEY)")
        added = up(ours)
    report.add_row(
        f"{count:,}",
        f"{by_psql:.2f}",
        f"{floor_fresh:.1f}",
        f"{fresh:.1f}",
        f"{floor_again:.1f}",
        f"{again:.1f}",
        f"{again / floor_again:.2f}",
        f"{added:.1f}",
    )


def main() -> None:
    """Print the table."""
    report = Table(
        "tables", "psql", "floor, fresh", "fresh", "floor, no-op", "no-op", "ratio", "10 added"
    )
    for count in [int(argument) for argument in sys.argv[1:]] or SIZES:
        measure(count, report)
    Console().print(report)


if __name__ == "__main__":
    main()
