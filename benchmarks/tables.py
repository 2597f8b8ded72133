"""What `pulumi up` costs as the tables grow, beside psql and a floor, in one run on one server.

psql: the same SQL, run by psql. The floor: a program with one trivial resource of each plugin that
ours loads (benchmarks/floor), run right before. The peer: the page's script with the resources of
pulumi-postgresql (benchmarks/peer), where the real plugin is; the stand-in is no measure.

    .venv/bin/python benchmarks/tables.py [--tables 10 1000 10000] [--databases 50] [--repeat 3]

`--round-trip 20` puts the server 20 ms away from everything else, as far as another region is.

On a busy machine, `--cpu` counts the processor's seconds instead of the clock's: of everything that
was started, PostgreSQL's own among them.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from distance import distant
from rich import box
from rich.console import Console
from rich.table import Table

from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.engine import Engine, installed_plugin

PROJECT = Path(__file__).resolve().parents[1]
CHANGED = 10
"""How many tables are added and dropped; so many does each of many databases have, too."""

FRESH, NO_OP, ADDED, DROPPED, FULL = "fresh", "no-op", "10 added", "10 dropped", "identity FULL"
# The goal: so much above the floor, where there is something to do and where there is not.
TIMES_PSQL, PLUS_SECONDS, TIMES_FLOOR = 2, 0.3, 1.25

_LOGIN = """
    CREATE ROLE {name}_role; CREATE USER {name} WITH REPLICATION PASSWORD 'x';
    GRANT {name}_role TO {name};
"""
_DATABASE = """
    GRANT CONNECT ON DATABASE {database} TO {name}_role;
    GRANT CREATE, USAGE ON SCHEMA app TO {name}_role;
    GRANT SELECT ON ALL TABLES IN SCHEMA app TO {name}_role;
    ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO {name}_role;
    CREATE SCHEMA {name};
    CREATE TABLE {name}.streamkap_signal (
        id VARCHAR(255) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2000) NULL);
    GRANT CREATE, USAGE ON SCHEMA {name} TO {name}_role;
    GRANT SELECT, UPDATE, INSERT ON TABLE {name}.streamkap_signal TO {name}_role;
    CREATE PUBLICATION {name} FOR TABLE {tables}, {name}.streamkap_signal
        WITH (publish_via_partition_root = true);
    SELECT pg_create_logical_replication_slot('{name}_{database}', 'pgoutput');
"""


@dataclass(frozen=True)
class Figure:
    """Seconds that one `up` took, and what it is measured against."""

    psql: float
    floor: float
    ours: float
    peer: float | None
    as_many: float
    """A program with as many resources that are nothing, of which nothing is ever changed."""

    @classmethod
    def best(cls, figures: Sequence[Figure]) -> Figure:
        """Of several runs, column by column: what else the machine does only ever adds."""
        return cls(
            min(figure.psql for figure in figures),
            min(figure.floor for figure in figures),
            min(figure.ours for figure in figures),
            min((figure.peer for figure in figures if figure.peer is not None), default=None),
            min(figure.as_many for figure in figures),
        )

    @property
    def allowed(self) -> float:
        """What ours may take. With nothing to do, psql does nothing either."""
        if not self.psql:
            return self.floor * TIMES_FLOOR
        return self.floor + TIMES_PSQL * self.psql + PLUS_SECONDS

    def cells(self, *, has_peer: bool) -> list[str]:
        """One line of the report."""
        above = self.ours - self.floor
        peer = "-" if self.peer is None else f"{self.peer:.1f}"
        return [
            f"{self.psql:.2f}" if self.psql else "0",
            f"{self.floor:.1f}",
            f"{self.ours:.1f}",
            f"{above / self.psql:.1f}" if self.psql else "-",
            f"{self.ours / self.floor:.2f}",
            f"{self.allowed:.1f}",
            "ok" if self.ours <= self.allowed else "not",
            f"{self.as_many:.1f}",
            peer if has_peer else "not installed",
        ]


class Stand:
    """One server, and for each attempt a fresh stack of each program under names of its own."""

    def __init__(self, server: EmbeddedPostgres, port: int, *, cpu: bool) -> None:
        """`port`: where the server is to be reached, which may be a long way round."""
        self.server = server
        self._clock = self._processor if cpu else time.monotonic
        self.has_peer = installed_plugin("postgresql") is not None
        self.connection = {
            "host": server.host,
            "port": port,
            "user": server.admin_user,
            "sslMode": server.ssl_mode,
        }
        # So that no figure holds the compiling of a library, whatever has been compiled before.
        self._environment = {
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(server.folder / "bytecode"),
        }

    def ours(self, name: str, databases: Sequence[str]) -> Engine:
        """A stack of the project; the server is another tool's, so that Azure is left alone."""
        settings = {
            "server": {"management": "none", "user": name, "role": f"{name}_role"},
            "connection": self.connection,
            "databases": self._captured(name, databases),
        }
        secret = {"adminPassword": self.server.admin_password}
        return self._engine(PROJECT, "local", f"{name}-ours", settings, secret)

    def with_full_identity(self, engine: Engine, name: str, databases: Sequence[str]) -> None:
        """Change the stack's settings."""
        wanted = self._captured(name, databases)
        engine.set_config("databases", [item | {"replicaIdentityFull": True} for item in wanted])

    def floor(self, name: str, databases: int = 0) -> Engine:
        """The trivial program; with databases, one with as many trivial resources as ours has."""
        settings = {"role": f"{name}_floor_{databases}", "databases": databases}
        return self._of_benchmarks("floor", f"{name}-{databases}", settings)

    def peer(self, name: str, databases: Sequence[str]) -> Engine | None:
        """pulumi-postgresql's own resources, where there is the real plugin to make them."""
        if not self.has_peer:
            return None
        settings = {"name": f"{name}_peer", "databases": list(databases)}
        return self._of_benchmarks("peer", name, settings | {"tablesFile": str(self.file(name))})

    def file(self, name: str) -> Path:
        """Where the captured tables are listed."""
        return self.server.folder / f"{name}.csv"

    def capture(self, name: str, tables: Sequence[str]) -> None:
        """Write down what is captured."""
        self.file(name).write_text("".join(f"{table}\n" for table in tables))

    def psql(self, database: str, script: str) -> float:
        """Run a script as a person does; the seconds it took."""
        port = {"PGPORT": str(self.connection["port"])}
        environment = self.server.client_environment(database) | port

        def run() -> None:
            subprocess.run(
                [self.server.tool("psql"), "--quiet", "--set=ON_ERROR_STOP=1"],
                input=script,
                env=environment,
                stdout=subprocess.DEVNULL,
                check=True,
                text=True,
            )

        return self.seconds(run)

    def up(self, engine: Engine) -> float:
        """The seconds of one `up`."""
        return self.seconds(lambda: engine.up("--skip-preview", capture=True))

    def seconds(self, action: Callable[[], object]) -> float:
        """How long an action takes."""
        started = self._clock()
        action()
        return self._clock() - started

    def _processor(self) -> float:
        """What every process that has ended and every one of PostgreSQL's has worked so far."""
        time.sleep(0.2)  # until PostgreSQL has seen that its clients are gone
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        pid = int((self.server.data_dir / "postmaster.pid").read_text().split()[0])
        postmaster = psutil.Process(pid)
        ended = postmaster.cpu_times()
        running = [item.cpu_times() for item in postmaster.children()]
        done = used.ru_utime + used.ru_stime + ended.children_user + ended.children_system
        return done + sum(times.user + times.system for times in running)

    def make_tables(self, database: str, count: int) -> list[str]:
        """Tables with a key in the schema app, all of them at once."""
        with self.server.connect(database) as connection:
            connection.execute("CREATE SCHEMA app")
            for first in range(0, count, 1000):
                last = min(first + 1000, count) - 1
                connection.execute(
                    f"DO $$ BEGIN FOR n IN {first}..{last} LOOP EXECUTE format("
                    "'CREATE TABLE app.t%s (id int PRIMARY KEY)', n); END LOOP; END $$".encode()
                )
        return [f"app.t{number}" for number in range(count)]

    def forget(self, databases: Sequence[str]) -> None:
        """Drop what would hold back or weigh on the next attempt: slots, publications with what
        they remember of these, and identities."""
        with self.server.superuser() as connection:
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            )
        for database in databases:
            with self.server.superuser(database) as connection:
                connection.execute(
                    "DO $$ DECLARE n name; BEGIN FOR n IN SELECT pubname FROM pg_publication LOOP"
                    " EXECUTE format('DROP PUBLICATION %I', n); END LOOP; END $$"
                )
            self.default_identity(database)

    def default_identity(self, database: str) -> None:
        """Take REPLICA IDENTITY FULL from every table."""
        with self.server.superuser(database) as connection:
            connection.execute(
                "DO $$ DECLARE r regclass; BEGIN FOR r IN SELECT oid FROM pg_class"
                " WHERE relreplident = 'f' LOOP EXECUTE format("
                "'ALTER TABLE %s REPLICA IDENTITY DEFAULT', r); END LOOP; END $$"
            )

    def _captured(self, name: str, databases: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {
                "name": database,
                "capture": {"tablesFile": str(self.file(name))},
                "publication": f"{name}_ours",
                "slot": f"{name}_ours_{database}",
                "connector": {"signalSchema": f"{name}_ours"},
            }
            for database in databases
        ]

    def _of_benchmarks(self, program: str, name: str, settings: dict[str, Any]) -> Engine:
        project = PROJECT / "benchmarks" / program
        secret = {"password": self.server.admin_password}
        return self._engine(
            project, program, f"{name}-{program}", self.connection | settings, secret
        )

    def _engine(
        self,
        project: Path,
        stack: str,
        name: str,
        settings: dict[str, Any],
        secret: dict[str, str],
    ) -> Engine:
        environment = self._environment | _path_of_engine()
        return Engine(project, stack, self.server.folder / name, settings, secret, environment)


class Attempt:
    """The `up`s of one stack, one after the other, each beside the floor and psql."""

    def __init__(self, stand: Stand, name: str, databases: Sequence[str], tables: int) -> None:
        self._stand, self._name, self._databases = stand, name, databases
        self._listed = [f"app.t{number}" for number in range(tables)]
        stand.capture(name, self._listed)
        self._floor = stand.floor(name)
        self._as_many = stand.floor(name, len(databases))
        self._ours = stand.ours(name, databases)
        self._peer = stand.peer(name, databases)

    def figures(self, *, is_changed: bool) -> Iterator[tuple[str, Figure]]:
        """Fresh and no-op; where `is_changed`, tables come and go, and all of them get FULL."""
        yield FRESH, self._figure(self._by_hand)
        yield NO_OP, self._figure(None)
        if not is_changed:
            return
        more = [f"app.t{len(self._listed) + number}" for number in range(CHANGED)]
        self._stand.capture(self._name, [*self._listed, *more])
        yield ADDED, self._figure(lambda: self._alter("ADD", more))
        self._stand.capture(self._name, self._listed)
        yield DROPPED, self._figure(lambda: self._alter("DROP", more))
        self._stand.with_full_identity(self._ours, self._name, self._databases)
        yield FULL, self._figure(self._full_by_hand, is_peer=False)

    def _figure(self, by_hand: Callable[[], float] | None, *, is_peer: bool = True) -> Figure:
        return Figure(
            psql=by_hand() if by_hand else 0.0,
            floor=self._stand.up(self._floor),
            ours=self._stand.up(self._ours),
            peer=self._stand.up(self._peer) if self._peer is not None and is_peer else None,
            as_many=self._stand.up(self._as_many),
        )

    def _by_hand(self) -> float:
        names = {"name": f"{self._name}_by_hand", "tables": ", ".join(self._listed)}
        took = self._stand.psql(self._databases[0], _LOGIN.format(**names))
        return took + sum(
            self._stand.psql(database, _DATABASE.format(database=database, **names))
            for database in self._databases
        )

    def _alter(self, verb: str, tables: Sequence[str]) -> float:
        statement = f"ALTER PUBLICATION {self._name}_by_hand {verb} TABLE {', '.join(tables)};"
        return self._stand.psql(self._databases[0], statement)

    def _full_by_hand(self) -> float:
        statements = [f"ALTER TABLE {table} REPLICA IDENTITY FULL;" for table in self._listed]
        took = self._stand.psql(self._databases[0], "\n".join(statements))
        self._stand.default_identity(self._databases[0])
        return took


def _path_of_engine() -> dict[str, str]:
    """The project's own engine, which a program below benchmarks/ does not have beside it."""
    path = [str(Path(sys.prefix) / "bin"), str(PROJECT / ".engine" / "bin"), os.environ["PATH"]]
    return {"PATH": os.pathsep.join(path)}


def measured(
    stand: Stand, sizes: Sequence[int], many: Sequence[str], repeat: int
) -> dict[tuple[str, str], Figure]:
    """Every line of the report: what there is, what `up` does, and the best of the runs."""
    found: dict[tuple[str, str], list[Figure]] = defaultdict(list)
    for size in sizes:
        database = _database(size)
        stand.make_tables(database, size + CHANGED)
        for number in range(repeat):
            attempt = Attempt(stand, f"t{size}_{number}", [database], size)
            for row, figure in attempt.figures(is_changed=True):
                _note(f"{size:,} tables", row, figure)
                found[f"{size:,} tables", row].append(figure)
            stand.forget([database])
    for database in many:
        stand.make_tables(database, CHANGED)
    for number in range(repeat if many else 0):
        attempt = Attempt(stand, f"many_{number}", many, CHANGED)
        for row, figure in attempt.figures(is_changed=False):
            _note(f"{len(many)} databases", row, figure)
            found[f"{len(many)} databases", row].append(figure)
        stand.forget(many)
    return {key: Figure.best(figures) for key, figures in found.items()}


def warm_up(stand: Stand) -> None:
    """Compile what the programs import, before anything is measured."""
    stand.capture("warm", ["app.t0"])
    for engine in (stand.floor("warm"), stand.ours("warm", ["postgres"])):
        engine.preview(capture=True, check=False)


def _note(what: str, row: str, figure: Figure) -> None:
    print(f"{what}, {row}: {figure}", file=sys.stderr, flush=True)


def _database(size: int) -> str:
    return f"tables_{size}"


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--tables", type=int, nargs="*", default=[10, 1000, 10_000])
    arguments.add_argument("--databases", type=int, default=50, help="so many in one up; 0: none")
    arguments.add_argument("--repeat", type=int, default=3, help="the best of so many runs")
    arguments.add_argument("--round-trip", type=float, default=0, help="milliseconds to the server")
    arguments.add_argument("--cpu", action="store_true", help="seconds of the processor's work")
    given = arguments.parse_args()
    many = [f"many_{number}" for number in range(given.databases)]
    settings = {
        "wal_level": "logical",
        "max_worker_processes": "16",
        # Ours, psql's and the peer's slot in each database.
        "max_replication_slots": str(3 * len(many) + 10),
        "max_wal_senders": str(3 * len(many) + 10),
        "max_locks_per_transaction": "512",
    }
    databases = ["postgres", *map(_database, given.tables), *many]
    with (
        EmbeddedPostgres(17, settings=settings, databases=databases) as server,
        distant(server.port, given.round_trip / 1000) as port,
    ):
        stand = Stand(server, port, cpu=given.cpu)
        warm_up(stand)
        found = measured(stand, given.tables, many, given.repeat)
    columns = ("psql", "floor", "ours", "÷ psql", "÷ floor", "allowed", "goal", "as many", "peer")
    report = Table("what", "up", box=box.MARKDOWN)
    for column in columns:
        report.add_column(column, justify="right")
    for (what, row), figure in found.items():
        report.add_row(what, row, *figure.cells(has_peer=stand.has_peer))
    Console(width=120).print(report)


if __name__ == "__main__":
    main()
