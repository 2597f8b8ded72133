"""What is asked of the whole server: parameters in effect, REPLICATION, and a way in."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from azure_postgres_cdc.database import effective_parameters
from azure_postgres_cdc.database.connection import connect
from azure_postgres_cdc.database.effective_parameters import EffectiveParametersProvider
from azure_postgres_cdc.database.logins import ConnectorLoginsProvider
from azure_postgres_cdc.errors import CdcError
from azure_postgres_rehearsal.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from tests.database.conftest import Managed, Shop

REQUIRED = {"wal_level": "logical", "max_worker_processes": "16"}


@pytest.fixture(scope="module")
def unprepared(server: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """A server as Azure delivers it, whose administrator lacks REPLICATION."""
    settings = {"wal_level": "replica", "max_worker_processes": "8"}
    with EmbeddedPostgres(server.major, admin_replication=False, settings=settings) as embedded:
        yield embedded


def in_effect(shop: Shop, *, wait: bool = False) -> Managed:
    """As the resource's constructor writes its properties."""
    return shop.managed(EffectiveParametersProvider(), required=REQUIRED, wait=wait)


def on(shop: Shop, other: EmbeddedPostgres) -> Shop:
    return type(shop)(other, "postgres")


# Parameters in effect


def test_read_replica_is_refused_with_the_page_s_reason(shop: Shop) -> None:
    with EmbeddedPostgres(shop.server.major, settings={"wal_level": "logical"}) as replica:
        (replica.data_dir / "standby.signal").touch()
        replica.restart()
        text = in_effect(on(shop, replica)).refusal()
    assert text == (
        f"127.0.0.1:{replica.port} is a read replica, on which nothing can be created (signal "
        "tables, says the page: 'Not supported on read replicas. Please use method 1 instead', "
        "which is snapshots: read-only). Remedy: give the primary in connection.host"
    )


def test_parameters_in_effect_are_accepted(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    managed = in_effect(shop)
    managed.up()
    assert managed.id == f"127.0.0.1:{shop.server.port}"
    assert managed.refresh() == []
    assert "warning" not in capfd.readouterr().err


def test_wal_level_replica_is_refused_with_the_remedy(
    shop: Shop, unprepared: EmbeddedPostgres
) -> None:
    text = in_effect(on(shop, unprepared)).refusal()
    assert text == (
        "wal_level is replica in effect, needed logical: without it no change can be captured. "
        "Remedy: ALTER SYSTEM SET wal_level = 'logical' (on Azure: the server's parameters), then "
        "restart the server"
    )


def test_few_worker_processes_only_give_a_warning(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    managed = shop.managed(
        EffectiveParametersProvider(),
        required={"wal_level": "logical", "max_worker_processes": "17"},
        wait=False,
    )
    managed.up()
    assert capfd.readouterr().err.startswith(
        "warning: max_worker_processes is 16 in effect, the page advises at least 17: "
    )


def test_few_slots_are_told_as_what_they_are(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    managed = shop.managed(
        EffectiveParametersProvider(), required={"max_replication_slots": "999"}, wait=False
    )
    managed.up()
    found = shop.value("SHOW max_replication_slots")
    assert capfd.readouterr().err == (
        f"warning: max_replication_slots is {found} in effect, and this stack's connectors want "
        "999, two of them to spare: a slot without one stands still\n"
    )


def test_silence_after_a_restart_is_waited_out(shop: Shop) -> None:
    """The same parameters as before, and a failover a moment ago."""
    with EmbeddedPostgres(shop.server.major, settings=REQUIRED) as other:
        managed = in_effect(on(shop, other), wait=True)
        managed.up()
        assert managed.preview() == []
        other.stop()
        assert managed.preview() == ["silent"]
        later = threading.Timer(3, other.start)
        later.start()
        assert managed.up() == ["silent"]
        later.join()
        assert managed.up() == managed.refresh() == []


def test_silence_for_too_long_has_the_remedy_of_a_connection(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(effective_parameters, "WAIT_SECONDS", 4)
    managed = in_effect(shop, wait=True)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        managed.program["connection"] = shop.connection | {"port": unused.getsockname()[1]}
        text = managed.failure(managed.up)
    assert text.startswith("after 4 s PostgreSQL does not answer: cannot connect to database ")
    assert text.count("Remedy: ") == 1
    assert "Remedy: check connection.host and connection.port, the firewall rules" in text
    assert re.match(
        r"waiting for PostgreSQL, \d s so far, 4 s at most: cannot connect to [^\n]+\n\Z",
        capfd.readouterr().err,
    )


def test_waiting_ends_when_the_parameters_are_there(shop: Shop) -> None:
    managed = in_effect(shop, wait=True)
    managed.up()
    assert managed.refresh() == []


def test_waiting_in_vain_says_for_what(
    shop: Shop, unprepared: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effective_parameters, "WAIT_SECONDS", 1)
    managed = in_effect(on(shop, unprepared), wait=True)
    text = managed.failure(managed.up)
    assert text.startswith(
        "after 1 s the server does not have its new parameters in effect: "
        "max_worker_processes is 8, not 16; wal_level is replica, not logical. Remedy: "
    )


def test_waiting_does_not_wait_for_what_will_not_pass(shop: Shop) -> None:
    managed = in_effect(shop, wait=True)
    managed.program["connection"] = shop.connection | {"password": "mistyped-it"}
    started = time.monotonic()
    text = managed.failure(managed.up)
    assert "Remedy: check connection.user and adminPassword" in text
    assert time.monotonic() - started < 30


# The administrator's REPLICATION


def logins(shop: Shop, *, made: bool = True) -> Managed:
    """As the resource's constructor writes its properties. `made`: the login is there."""
    user = "server_user" if made else "not_made_yet"
    if made:
        shop.run(f"DROP ROLE IF EXISTS {user}", superuser=True)
        shop.run(f"CREATE ROLE {user} LOGIN")
    return shop.managed(
        ConnectorLoginsProvider(),
        users=[user],
        formerUsers=[],
        bypassRls=False,
        walSenderTimeout=False,
        readAllData=False,
        memberships={user: []},
    )


def test_administrator_that_has_replication_is_left_alone(shop: Shop) -> None:
    managed = logins(shop)
    managed.up()
    assert managed.refresh() == managed.up() == []
    managed.destroy()
    assert shop.value(
        "SELECT rolreplication FROM pg_roles WHERE rolname = %s", shop.server.admin_user
    )


def test_administrator_that_may_not_take_replication_says_who_must_give_it(
    shop: Shop, unprepared: EmbeddedPostgres
) -> None:
    expected = (
        "the administrator cdc_admin lacks REPLICATION, without which it can neither create "
        "replication slots nor the connector's user, and may not give it to itself. Remedy: run "
        "as a superuser: ALTER ROLE cdc_admin REPLICATION"
    )
    other = on(shop, unprepared)
    assert logins(other, made=False).refusal() == expected
    managed = logins(other)
    assert managed.failure(managed.up) == expected


def test_superuser_needs_no_replication(shop: Shop, unprepared: EmbeddedPostgres) -> None:
    other = on(shop, unprepared)
    other.run(f"ALTER ROLE {unprepared.admin_user} SUPERUSER", superuser=True)
    try:
        logins(other).up()
    finally:
        other.run(f"ALTER ROLE {unprepared.admin_user} NOSUPERUSER", superuser=True)
    assert not other.value(
        "SELECT rolreplication FROM pg_roles WHERE rolname = %s", unprepared.admin_user
    )


def test_replication_that_the_administrator_has_lost_is_asked_for_again(
    shop: Shop, unprepared: EmbeddedPostgres
) -> None:
    other = on(shop, unprepared)
    admin = unprepared.admin_user
    other.run(f"ALTER ROLE {admin} REPLICATION", superuser=True)
    managed = logins(other)
    managed.up()
    other.run(f"ALTER ROLE {admin} NOREPLICATION", superuser=True)
    assert managed.preview() == ["administratorLacks"]
    assert "ALTER ROLE cdc_admin REPLICATION" in managed.failure(managed.up)


# A way in


def failed_connection(connection: dict[str, Any], database: str) -> str:
    with pytest.raises(CdcError) as caught, connect(connection, database):
        pass
    text = str(caught.value)
    assert "\n" not in text
    assert connection["password"] not in text
    assert text.startswith(
        f"cannot connect to database {database} on {connection['host']}:{connection['port']} "
        f"as {connection['user']}: "
    )
    return text


def test_wrong_password(shop: Shop) -> None:
    text = failed_connection(shop.connection | {"password": "mistyped-it"}, shop.name)
    assert 'password authentication failed for user "cdc_admin"' in text
    assert text.endswith("Remedy: check connection.user and adminPassword")


def test_empty_password(shop: Shop) -> None:
    with (
        pytest.raises(CdcError) as caught,
        connect(shop.connection | {"password": ""}, shop.name),
    ):
        pass
    assert str(caught.value).endswith("Remedy: check connection.user and adminPassword")


def test_unknown_user(shop: Shop) -> None:
    text = failed_connection(shop.connection | {"user": "nobody_here"}, shop.name)
    assert text.endswith("Remedy: check connection.user and adminPassword")


def test_closed_port(shop: Shop) -> None:
    with closed_port() as port:
        text = failed_connection(shop.connection | {"port": port}, shop.name)
    assert "Connection refused" in text
    assert text.endswith("the firewall rules and the network route")


def test_unknown_host(shop: Shop) -> None:
    text = failed_connection(shop.connection | {"host": "no-such-host.invalid"}, shop.name)
    assert text.endswith("the firewall rules and the network route")


def test_server_that_does_not_answer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azure_postgres_cdc.database.connection.CONNECT_TIMEOUT_SECONDS", 2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        connection = shop.connection | {"port": silent.getsockname()[1]}
        text = failed_connection(connection, shop.name)
    assert "timeout expired" in text
    assert text.endswith("the firewall rules and the network route")


def test_unknown_database(shop: Shop) -> None:
    text = failed_connection(shop.connection, "shop;DROP TABLE x")
    assert 'database "shop;DROP TABLE x" does not exist' in text
    assert text.endswith("check the name, and whether the database was renamed (docs/slot.md)")


def test_database_that_lets_nobody_in(shop: Shop) -> None:
    shop.run(
        f"REVOKE CONNECT ON DATABASE {shop.name} FROM PUBLIC",
        f"ALTER DATABASE {shop.name} OWNER TO azuresu",
        superuser=True,
    )
    text = failed_connection(shop.connection, shop.name)
    assert f'permission denied for database "{shop.name}"' in text
    assert text.endswith("Remedy: grant CONNECT on the database to the administrator")


def test_database_that_takes_no_connections(shop: Shop) -> None:
    allow = f"ALTER DATABASE {shop.name} ALLOW_CONNECTIONS"
    with shop.server.superuser("postgres") as connection:
        connection.execute(f"{allow} false".encode())
        try:
            text = failed_connection(shop.connection, shop.name)
        finally:
            connection.execute(f"{allow} true".encode())
    assert text.endswith("Remedy: ALTER DATABASE ... ALLOW_CONNECTIONS true")


@pytest.mark.parametrize("kind", ["ROLE", "DATABASE"])
def test_limit_of_connections_is_named(shop: Shop, kind: str) -> None:
    limited = shop.server.admin_user if kind == "ROLE" else shop.name
    limit = f"ALTER {kind} {limited} CONNECTION LIMIT"
    shop.run(f"{limit} 0", superuser=True)
    try:
        text = failed_connection(shop.connection, shop.name)
    finally:
        shop.run(f"{limit} -1", superuser=True)
    assert f"too many connections for {kind.lower()}" in text
    assert f"or raise its limit (ALTER {kind} ... CONNECTION LIMIT" in text


def test_server_that_is_full_is_not_taken_for_one_out_of_reach(shop: Shop) -> None:
    sessions = []
    try:
        while True:
            sessions.append(shop.server.superuser("postgres").__enter__())
    except psycopg.OperationalError:
        text = failed_connection(shop.connection, shop.name)
    finally:
        for session in sessions:
            session.close()
    assert text.endswith("Remedy: end idle connections or raise max_connections")


def test_tls_is_required_but_turned_off(shop: Shop) -> None:
    if not shop.server.has_tls:
        pytest.skip("this build speaks no TLS")
    text = failed_connection(shop.connection | {"sslMode": "disable"}, shop.name)
    assert "no pg_hba.conf entry" in text
    assert text.endswith("Remedy: check connection.sslMode; Azure lets in TLS connections only")


def test_tls_is_wanted_but_not_spoken(shop: Shop) -> None:
    if shop.server.has_tls:
        pytest.skip("this build speaks TLS")
    text = failed_connection(shop.connection | {"sslMode": "require"}, shop.name)
    assert text.endswith("set connection.sslMode to disable")


def test_certificate_is_verified(shop: Shop) -> None:
    if not shop.server.has_tls:
        pytest.skip("this build speaks no TLS")
    certificate = str(shop.server.root_certificate)
    verified = shop.connection | {"sslMode": "verify-full", "sslRootCert": certificate}
    with connect(verified, shop.name) as connection:
        assert connection.pgconn.ssl_in_use
    text = failed_connection(verified | {"sslRootCert": f"{certificate}.missing"}, shop.name)
    assert text.endswith("Remedy: check connection.sslRootCert")


def test_connection_looks_up_nothing_but_the_catalog(shop: Shop) -> None:
    """A function of somebody's own must not stand in for PostgreSQL's."""
    shop.run("CREATE FUNCTION public.now() RETURNS text LANGUAGE sql AS $$SELECT 'fooled'$$")
    with connect(shop.connection, shop.name) as connection:
        assert connection.execute("SHOW search_path").fetchall() == [("pg_catalog",)]
        assert connection.execute("SELECT now()::text = 'fooled'").fetchall() == [(False,)]


def test_changes_are_undone_after_an_error(shop: Shop) -> None:
    def fail_halfway() -> None:
        with connect(shop.connection, shop.name) as connection:
            connection.execute("CREATE TABLE public.half (id int)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert shop.value("SELECT to_regclass('public.half')") is None


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that is taken, so that nobody else listens on it, but not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
