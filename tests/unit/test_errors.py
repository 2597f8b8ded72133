"""What a person gets to read: one line with the reason and the remedy; versions by name."""

from __future__ import annotations

import psycopg
import pulumi
import pytest

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.errors import CdcError, InvalidSettings, Passing, Unreachable, explained


def explained_text(error: Exception, remedies: dict[str, str] | None = None) -> str:
    with pytest.raises(CdcError) as caught, explained("cannot do it", remedies):
        raise error
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return str(caught.value)


def test_error_of_the_server_has_its_sqlstate_and_remedy() -> None:
    error = psycopg.errors.InsufficientPrivilege("permission denied\nLINE 1: CREATE ...")
    assert explained_text(error) == "cannot do it: permission denied [42501]"
    assert explained_text(error, {"42501": "ask"}) == (
        "cannot do it: permission denied [42501]. Remedy: ask"
    )
    assert explained_text(error, {"42704": "other"}) == "cannot do it: permission denied [42501]"


def test_error_of_the_client_has_no_sqlstate() -> None:
    assert explained_text(psycopg.OperationalError("the connection is lost\n")) == (
        "cannot do it: the connection is lost. Remedy: run pulumi up again"
    )
    assert explained_text(psycopg.InterfaceError()) == "cannot do it: InterfaceError"


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (psycopg.errors.DeadlockDetected("x"), True),
        (psycopg.errors.SerializationFailure("x"), True),
        (psycopg.errors.LockNotAvailable("x"), True),
        (psycopg.errors.AdminShutdown("x"), True),
        (psycopg.errors.CrashShutdown("x"), True),
        (psycopg.errors.CannotConnectNow("x"), True),
        (psycopg.errors.ConnectionFailure("x"), True),
        (psycopg.errors.DuplicateObject("x"), True),
        (psycopg.errors.InternalError_("tuple concurrently updated"), True),
        (psycopg.errors.InternalError_("tuple concurrently deleted"), True),
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg.errors.InternalError_("could not find tuple"), False),
        (psycopg.errors.UniqueViolation("x"), False),
        (psycopg.errors.InsufficientPrivilege("x"), False),
        (psycopg.errors.DiskFull("x"), False),
        (psycopg.errors.QueryCanceled("x"), False),
        (psycopg.InterfaceError("x"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_goes_by_is_told_apart(error: psycopg.Error, passes: bool) -> None:
    with pytest.raises(CdcError) as caught, explained("cannot do it"):
        raise error
    assert isinstance(caught.value, Passing) is passes


def test_full_disk_and_replica_have_a_remedy() -> None:
    assert explained_text(psycopg.errors.DiskFull("No space left on device")).endswith(
        "[53100]. Remedy: grow the server's storage or free some, then run pulumi up again"
    )
    assert "connect to the primary" in explained_text(psycopg.errors.ReadOnlySqlTransaction("x"))


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), explained("cannot do it"):
        raise ZeroDivisionError
    with pytest.raises(CdcError, match=r"^as it is$"), explained("cannot do it"):
        raise CdcError("as it is")


def test_invalid_settings_gather_all_faults() -> None:
    error = InvalidSettings("stacks/Pulumi.dev.yaml", ["a is missing", "b is wrong"])
    assert error.faults == ("a is missing", "b is wrong")
    assert str(error) == (
        "stacks/Pulumi.dev.yaml has 2 faults; nothing was changed:\n"
        "  - a is missing\n"
        "  - b is wrong"
    )
    assert str(InvalidSettings("x", ["y"])) == "x has 1 fault; nothing was changed:\n  - y"


def test_pulumi_prints_the_errors_without_a_traceback() -> None:
    """It does so for a RunError, and prints a class of `builtins` by its name alone."""
    for kind in (CdcError, InvalidSettings, Passing, Unreachable):
        assert issubclass(kind, pulumi.RunError)
        assert kind.__module__ == "builtins"


# Versions


@pytest.mark.parametrize(
    ("feature", "version", "there"),
    [
        ("publish_via_partition_root", 120022, False),
        ("publish_via_partition_root", 130000, True),
        ("read-only snapshots", 180000, True),
        ("FOR TABLES IN SCHEMA", 140012, False),
        ("FOR TABLES IN SCHEMA", 150001, True),
        ("logical replication with publications", 90624, False),
        ("logical replication with publications", 100000, True),
        ("publishing TRUNCATE", 100023, False),
        ("publishing TRUNCATE", 110000, True),
        ("pg_failover_slots", 100023, False),
        ("pg_failover_slots", 110000, True),
        ("pg_failover_slots", 160009, True),
        ("pg_failover_slots", 170000, False),
        ("sync_replication_slots", 160009, False),
        ("sync_replication_slots", 170000, True),
        ("failover slots", 160009, False),
        ("failover slots", 180000, True),
    ],
)
def test_features_by_version(feature: str, version: int, there: bool) -> None:
    assert capabilities.has(feature, version) is there
    assert capabilities.has_in(feature, version // 10000) is there


def test_missing_feature_is_named_with_both_versions() -> None:
    capabilities.check("read-only snapshots", 130000)
    with pytest.raises(CdcError) as caught:
        capabilities.check("read-only snapshots", 120018)
    assert str(caught.value) == (
        "read-only snapshots needs PostgreSQL 13 or later; this server is 12"
    )


def test_feature_that_ended_is_named_with_its_last_version() -> None:
    capabilities.check("pg_failover_slots", 160000)
    with pytest.raises(CdcError) as caught:
        capabilities.check("pg_failover_slots", 170002)
    assert str(caught.value) == "pg_failover_slots needs PostgreSQL 11 to 16; this server is 17"


def test_unknown_feature_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(KeyError):
        capabilities.has("teleportation", 170000)


def test_every_feature_is_within_the_versions_that_are_served() -> None:
    for first, last in capabilities._VERSIONS.values():
        assert capabilities.OLDEST <= first <= (last or first) <= capabilities.NEWEST


def test_slots_survive_a_failover_in_every_version_that_azure_has() -> None:
    """With one of the two, and never with both."""
    for version in range(capabilities.OLDEST_ON_AZURE, capabilities.NEWEST + 1):
        ways = ("pg_failover_slots", "sync_replication_slots")
        assert [capabilities.has_in(way, version) for way in ways].count(True) == 1


@pytest.mark.parametrize(("version", "served"), [(10, False), (11, True), (18, True), (19, False)])
def test_versions_that_azure_has(version: int, served: bool) -> None:
    fault = capabilities.azure_version_fault(version)
    if served:
        assert fault == ""
        capabilities.check_azure(version)
        return
    assert fault == (
        f"PostgreSQL {version} is not served: Azure offers 11 to 18. Remedy: a version of these "
        "(management: none serves 10 to 18)"
    )
    with pytest.raises(CdcError) as caught:
        capabilities.check_azure(version)
    assert str(caught.value) == fault


def test_major_version_is_the_number_s_beginning() -> None:
    assert [capabilities.major(number) for number in (90624, 100023, 170010)] == [9, 10, 17]
