"""doctor on what a login, a lock or a trigger keeps the connector from; none of it ends doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.doctor_support import (
    Connector,
    ready_connector,  # noqa: F401 - a fixture
)

from azure_postgres_cdc.operations.checks import CHECKS, role
from azure_postgres_cdc.operations.findings import Report

if TYPE_CHECKING:
    from tests.database.conftest import Shop

    from azure_postgres_cdc.operations.subject import Subject


def states(report: Report) -> dict[str, str]:
    return {item.check: str(item.state) for item in report.findings}


@pytest.mark.parametrize(
    ("limit", "shown"),
    [
        ("statement_timeout = '50ms'", "statement_timeout is 50 ms"),
        ("idle_session_timeout = '20ms'", "idle_session_timeout is 20 ms"),
        ("transaction_timeout = '1h'", "transaction_timeout is 3600000 ms"),
        (
            "idle_in_transaction_session_timeout = '1min'",
            "idle_in_transaction_session_timeout is 60000 ms",
        ),
    ],
)
def test_time_limit_of_the_login_is_told_and_hides_nothing(
    connector: Connector, shop: Shop, limit: str, shown: str
) -> None:
    name = limit.partition(" ")[0]
    if shop.value("SELECT count(*) FROM pg_settings WHERE name = %s", name) == 0:
        pytest.skip(f"this version has no {name}")
    before = states(connector.report())
    shop.run(f"ALTER ROLE {connector.user} SET {limit}", superuser=True)
    after = connector.report()
    assert states(after) == before | {"timeouts": "warning"}
    (found,) = [item for item in after.findings if item.check == "timeouts"]
    assert found.evidence.startswith(f"{shown}: the server ends what takes the connector longer")
    assert f"ALTER ROLE {connector.user} SET {name} = 0" in found.remedy


def test_limit_that_leaves_time_is_in_order(connector: Connector, shop: Shop) -> None:
    shop.run(f"ALTER ROLE {connector.user} SET statement_timeout = '10min'", superuser=True)
    assert connector.said("timeouts") == ("ok", "no time limit ends what the connector does")


def test_login_that_acts_as_another_role(connector: Connector, shop: Shop) -> None:
    shop.run(f"ALTER ROLE {connector.user} SET role = 'streamkap_role'", superuser=True)
    finding = connector.find("role-flags")
    assert finding.state == "failed"
    assert finding.evidence.startswith(f"{connector.user} acts as streamkap_role as soon as it has")
    assert finding.remedy.startswith(f"ALTER ROLE {connector.user} RESET role")


def test_names_in_quotes_are_no_other_columns(connector: Connector, shop: Shop) -> None:
    before = states(connector.report())
    shop.run(f"ALTER ROLE {connector.user} SET quote_all_identifiers = on", superuser=True)
    assert states(connector.report()) == before


def test_check_that_fails_on_something_unforeseen_is_unknown(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours; the others say what they have seen all the same."""
    before = states(connector.report())

    def role_flags(_subject: Subject) -> None:
        raise IndexError

    checks = tuple(role_flags if check is role.role_flags else check for check in CHECKS["role"])
    monkeypatch.setitem(CHECKS, "role", checks)  # type: ignore[arg-type]
    assert states(connector.report()) == before | {"role-flags": "unknown"}
    assert connector.said("role-flags")[1] == "could not be looked at: unexpected IndexError"


def test_locked_signal_table_is_not_known_to_be_closed(connector: Connector, shop: Shop) -> None:
    with shop.server.superuser(shop.name) as blocker:
        blocker.execute("BEGIN")
        blocker.execute("LOCK TABLE streamkap.streamkap_signal")
        report = connector.report()
        blocker.execute("ROLLBACK")
    (finding,) = [item for item in report.findings if item.check == "signal-writable"]
    assert "failed" not in states(report).values()
    assert finding.state == "unknown"
    assert "canceling statement due to lock timeout" in finding.evidence
    assert finding.remedy == "run doctor again when the transactions that keep the lock are over"


@pytest.mark.parametrize("body", ["RAISE EXCEPTION 'not today'", "RETURN NULL"])
def test_trigger_that_keeps_signals_out(connector: Connector, shop: Shop, body: str) -> None:
    """No grant helps against it."""
    shop.run(
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$BEGIN {body}; END$$",
        "CREATE TRIGGER refuse BEFORE INSERT ON streamkap.streamkap_signal"
        " FOR EACH ROW EXECUTE FUNCTION public.refuse()",
        superuser=True,
    )
    finding = connector.find("signal-writable")
    assert finding.state == "failed"
    assert finding.remedy.startswith("look for triggers, rules and policies on the table")


def test_table_that_is_gone_is_made_again(connector: Connector, shop: Shop) -> None:
    shop.run("DROP SCHEMA streamkap CASCADE", superuser=True)
    for check in ("signal-writable", "heartbeat-writable"):
        finding = connector.find(check)
        assert (str(finding.state), finding.remedy) == ("failed", "pulumi up, which makes it again")


def test_what_nobody_may_look_at_is_unknown(connector: Connector, shop: Shop) -> None:
    shop.run("REVOKE EXECUTE ON FUNCTION pg_current_wal_lsn() FROM PUBLIC", superuser=True)
    found = [item for item in connector.report().findings if item.topic == "slot"]
    assert {str(item.state) for item in found} == {"unknown"}
    for item in found:
        if "permission denied" in item.evidence:
            assert "give back what PostgreSQL grants to PUBLIC" in item.remedy


def test_somebody_else_s_slot_is_left_alone(connector: Connector, shop: Shop) -> None:
    drop = f"SELECT pg_drop_replication_slot('{connector.slot}')"
    shop.run(drop, f"SELECT pg_create_physical_replication_slot('{connector.slot}', true)")
    try:
        found = {item.check: item for item in connector.report().findings if item.topic == "slot"}
    finally:
        shop.run(drop)
    assert found["slot"].state == "failed"
    assert set(found) <= {"slot", "storage"}  # nothing advises to drop it
