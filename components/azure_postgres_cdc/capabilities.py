"""What depends on PostgreSQL's major version: one table, looked up by name."""

from __future__ import annotations

from azure_postgres_cdc.errors import CdcError

OLDEST = 10
OLDEST_ON_AZURE = 11
NEWEST = 18

# Feature: the first and the last major version that has it (PostgreSQL's release notes; the page
# for snapshots; Microsoft's documentation of high availability for what keeps slots).
_VERSIONS = {
    "logical replication with publications": (OLDEST, None),
    "publishing TRUNCATE": (11, None),
    "wal_sender_timeout of a role": (12, None),
    "pg_partition_root": (12, None),
    "generated columns": (12, None),
    "partitioned tables in a publication": (13, None),
    "publish_via_partition_root": (13, None),
    "read-only snapshots": (13, None),
    "pg_read_all_data": (14, None),
    "pg_stat_wal": (14, None),
    "slot statistics": (14, None),
    "idle_session_timeout": (14, None),
    "statistics without delay": (15, None),
    "FOR TABLES IN SCHEMA": (15, None),
    "column lists and row filters of a publication": (15, None),
    "CREATEROLE only with the ADMIN option": (16, None),
    "memberships without privileges": (16, None),
    "BYPASSRLS from an administrator who is no superuser": (16, None),
    "logical decoding on a read replica": (16, None),
    "pg_failover_slots": (OLDEST_ON_AZURE, 16),
    "sync_replication_slots": (17, None),
    "failover slots": (17, None),
    "transaction_timeout": (17, None),
    "generated columns in a publication": (18, None),
}


def has(feature: str, server_version: int) -> bool:
    """Whether a server has a feature. `server_version` is PostgreSQL's number, such as 170010."""
    return has_in(feature, major(server_version))


def has_in(feature: str, version: int) -> bool:
    """Whether a major version, such as 17, has a feature."""
    first, last = _VERSIONS[feature]
    return version >= first and (last is None or version <= last)


def check(feature: str, server_version: int) -> None:
    """Raise a CdcError that names the feature, the version found and the one needed."""
    if not has(feature, server_version):
        first, last = _VERSIONS[feature]
        needed = f"{first} or later" if last is None else f"{first} to {last}"
        raise CdcError(
            f"{feature} needs PostgreSQL {needed}; this server is {major(server_version)}"
        )


def azure_version_fault(version: int) -> str:
    """Why Azure has no such major version; empty where it has."""
    if OLDEST_ON_AZURE <= version <= NEWEST:
        return ""
    return (
        f"PostgreSQL {version} is not served: Azure offers {OLDEST_ON_AZURE} to {NEWEST}. Remedy: "
        f"a version of these (management: none serves {OLDEST} to {NEWEST})"
    )


def check_azure(version: int) -> None:
    """Raise a CdcError where a flexible server cannot have this major version."""
    fault = azure_version_fault(version)
    if fault:
        raise CdcError(fault)


def major(server_version: int) -> int:
    """170010 is 17."""
    return server_version // 10000
