"""What a person gets to read: one line with the reason and the remedy; versions by name."""

from __future__ import annotations

import psycopg
import pulumi
import pytest

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.errors import CdcError, InvalidSettings, explained


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
        "cannot do it: the connection is lost"
    )
    assert explained_text(psycopg.InterfaceError()) == "cannot do it: InterfaceError"


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
    for kind in (CdcError, InvalidSettings):
        assert issubclass(kind, pulumi.RunError)
        assert kind.__module__ == "builtins"


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
    ],
)
def test_features_by_version(feature: str, version: int, there: bool) -> None:
    assert capabilities.has(feature, version) is there


def test_missing_feature_is_named_with_both_versions() -> None:
    capabilities.check("read-only snapshots", 130000)
    with pytest.raises(CdcError) as caught:
        capabilities.check("read-only snapshots", 120018)
    assert str(caught.value) == (
        "read-only snapshots needs PostgreSQL 13 or later; this server is 12"
    )


def test_unknown_feature_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(KeyError):
        capabilities.has("teleportation", 170000)


def test_every_feature_is_within_the_versions_that_are_served() -> None:
    for since in capabilities._SINCE.values():
        assert capabilities.OLDEST <= since <= capabilities.NEWEST
