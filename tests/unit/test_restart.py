"""The one restart: only where this stack's parameters wait for it, and only where it is allowed."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.fake_azure import CUT, PATH, Answer, FakeAzure, error

from azure_postgres_cdc.azure import restart
from azure_postgres_cdc.azure.restart import ServerRestartProvider
from azure_postgres_cdc.dynamic import Props
from azure_postgres_cdc.errors import CdcError

RESTART = "POST cdc-1/restart"
OURS = ["wal_level", "max_worker_processes"]
MUST = "server cdc-1 must be restarted before wal_level can be in effect"
SUNDAY_NIGHT = {"days": ["sunday"], "start": "02:00", "end": "04:00", "timeZone": "Europe/Berlin"}

provider = ServerRestartProvider()


@pytest.fixture(scope="module")
def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def asked(azure: FakeAzure, closed_port: int) -> Props:
    """The inputs; one of this stack's parameters waits for a restart."""
    azure.server.write("wal_level", "logical")
    connection = {
        "host": "127.0.0.1",
        "port": closed_port,
        "user": "cdc_admin",
        "password": "p",
        "sslMode": "disable",
    }
    return {
        "serverId": PATH,
        "parameters": OURS,
        "rules": {"mode": "when-needed"},
        "connection": connection,
        "database": "shop",
        "ownServer": False,
    }


def refused(props: Props, **rules: Any) -> str:
    """Why it is not restarted."""
    with pytest.raises(CdcError) as caught:
        provider.create(props | {"rules": {"mode": "when-needed", **rules}})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def now_is(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.fromisoformat(text).replace(tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(restart, "datetime", Then)


# Whether


def test_preview_shows_what_waits(azure: FakeAzure, asked: Props) -> None:
    azure.server.write("max_connections", "1000")
    news = provider.check({}, asked).inputs
    assert news["pending"] == ["wal_level"]
    assert provider.diff("", asked | {"pending": []}, news).changes is True
    assert azure.changes == []


def test_restart_is_carried_out_once(
    azure: FakeAzure, asked: Props, capsys: pytest.CaptureFixture[str]
) -> None:
    created = provider.create(asked)
    assert created.id == f"{PATH}/restart"
    assert created.outs is not None
    assert created.outs["pending"] == []
    assert azure.changes == [RESTART]
    assert capsys.readouterr().err == "restarting server cdc-1 for wal_level\n"
    provider.create(asked)
    assert azure.changes == [RESTART]


def test_nothing_is_restarted_where_nothing_waits(azure: FakeAzure, asked: Props) -> None:
    azure.server.parameters["wal_level"]["isConfigPendingRestart"] = False
    news = provider.check(asked, asked).inputs
    assert news["pending"] == []
    assert provider.diff("", asked | {"pending": []}, news).changes is False
    provider.create(asked)
    assert azure.changes == []


def test_nothing_is_restarted_for_others(azure: FakeAzure, asked: Props) -> None:
    azure.server.parameters["wal_level"]["isConfigPendingRestart"] = False
    azure.server.write("max_connections", "1000")
    assert provider.check({}, asked).inputs["pending"] == []
    provider.create(asked)
    assert azure.changes == []


def test_what_waits_again_is_seen_without_a_refresh_and_with_one(
    azure: FakeAzure, asked: Props
) -> None:
    outputs = provider.create(asked).outs
    assert outputs is not None
    azure.server.write("max_worker_processes", "32")
    news = provider.check(outputs, asked).inputs
    assert provider.diff("", outputs, news).changes is True
    read = provider.read("id", outputs).outs
    assert read is not None
    assert read["pending"] == ["max_worker_processes"]
    provider.update("", outputs, news)
    assert azure.changes == [RESTART] * 2


def test_deleting_it_does_nothing(azure: FakeAzure, asked: Props) -> None:
    provider.delete("", asked)
    assert azure.asked == []


# Allowed


def test_restart_that_is_never_allowed_says_what_it_would_do(
    azure: FakeAzure, asked: Props, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(asked, mode="never") == (
        f"{MUST}, and server.restart is never. A restart ends every connection to the server for "
        "about a minute. Remedy: restart it yourself and run pulumi up again, or allow it: "
        "server.restart: when-needed"
    )
    line = capsys.readouterr().err
    assert line.startswith("warning: cannot count the connections that a restart would end: ")
    assert azure.changes == []


def test_what_somebody_else_changed_is_not_brought_into_effect(
    azure: FakeAzure, asked: Props
) -> None:
    azure.server.write("max_connections", "1000")
    azure.server.write("shared_preload_libraries", "pgaudit")
    others = "max_connections, shared_preload_libraries"
    assert refused(asked) == (
        f"{MUST}, and a restart would also bring into effect what somebody else has changed: "
        f"{others}. Remedy: ask who changed them, then allow it: server.restart.allowPending: "
        f"[{others}]"
    )
    assert refused(asked, allowPending=["max_connections"]).endswith(
        "allowPending: [shared_preload_libraries]"
    )
    assert azure.changes == []
    provider.create(asked | {"rules": {"mode": "when-needed", "allowPending": others.split(", ")}})
    assert azure.changes == [RESTART]


@pytest.mark.parametrize("mode", ["never", "when-needed"])
def test_closed_window_says_when_it_opens(
    azure: FakeAzure, asked: Props, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    now_is(monkeypatch, "2026-03-01T03:00:00")
    assert refused(asked, mode=mode, window=SUNDAY_NIGHT) == (
        f"{MUST}, and the maintenance window (Sunday 02:00-04:00 Europe/Berlin) is closed. The "
        "parameters are written. Remedy: run pulumi up again when it opens, "
        "Sunday 2026-03-08 02:00 CET"
    )
    assert azure.changes == []


@pytest.mark.parametrize("mode", ["never", "when-needed"])
def test_open_window_allows_it(
    azure: FakeAzure, asked: Props, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """With `existing`, `never` is what is said where nothing is."""
    now_is(monkeypatch, "2026-03-01T02:59:00")
    provider.create(asked | {"rules": {"mode": mode, "window": SUNDAY_NIGHT}})
    assert azure.changes == [RESTART]


@pytest.mark.parametrize(
    ("own", "databases", "restarts"),
    [
        (True, ["postgres", "azure_sys"], 1),
        (True, ["postgres", "shop"], 0),
        (False, ["postgres", "azure_sys"], 0),
    ],
)
def test_new_server_without_a_database_has_nobody_to_interrupt(
    azure: FakeAzure, asked: Props, own: bool, databases: list[str], restarts: int
) -> None:
    azure.server.databases = databases
    props = asked | {"ownServer": own, "rules": {"mode": "never"}}
    if restarts:
        provider.create(props)
    else:
        with pytest.raises(CdcError, match=r"server\.restart is never"):
            provider.create(props)
    assert azure.changes == [RESTART] * restarts


# How


@pytest.mark.parametrize(
    ("failover", "body"),
    [
        ("planned", {"restartWithFailover": True, "failoverMode": "PlannedFailover"}),
        ("forced", {"restartWithFailover": True, "failoverMode": "ForcedFailover"}),
    ],
)
def test_standby_takes_over_where_that_is_asked_for(
    azure: FakeAzure, asked: Props, failover: str, body: Props
) -> None:
    provider.create(asked | {"rules": {"mode": "when-needed", "failover": failover}})
    assert [item.body for item in azure.requests if item.method == "POST"] == [body]


def test_restart_that_was_done_while_it_waited_is_not_repeated(
    azure: FakeAzure, asked: Props
) -> None:
    """The operation that made the server busy was another stack's restart."""

    def another_restart() -> Answer:
        azure.server.parameters["wal_level"]["isConfigPendingRestart"] = False
        return error(409, "ServerIsBusy")

    azure.plan(RESTART, another_restart)
    provider.create(asked)
    assert azure.changes == [RESTART]


def test_rules_are_looked_at_again_after_a_wait(azure: FakeAzure, asked: Props) -> None:
    def somebody_changes_something() -> Answer:
        azure.server.write("max_connections", "1000")
        return error(409, "ServerIsBusy")

    azure.plan(RESTART, somebody_changes_something)
    assert "what somebody else has changed: max_connections" in refused(asked)
    assert azure.changes == [RESTART]


def test_restart_whose_end_was_not_seen_is_looked_after(azure: FakeAzure, asked: Props) -> None:
    def took_effect() -> Answer:
        azure.server.parameters["wal_level"]["isConfigPendingRestart"] = False
        return CUT

    azure.plan(RESTART, took_effect)
    provider.create(asked)
    assert azure.changes == [RESTART]


def test_restart_that_was_lost_is_not_taken_for_done(azure: FakeAzure, asked: Props) -> None:
    azure.plan(RESTART, CUT)
    text = refused(asked)
    assert text.startswith(
        "cannot restart server cdc-1: the connection to Azure broke and the operation did not take "
        "effect: "
    )
    assert azure.changes == [RESTART]


def test_restart_after_which_parameters_still_wait_is_told(azure: FakeAzure, asked: Props) -> None:
    azure.plan(RESTART, (202, {}))
    assert refused(asked) == (
        "server cdc-1 was restarted, and wal_level still wait for one. Remedy: look at the "
        "server's activity log in the portal, then run pulumi up again"
    )
