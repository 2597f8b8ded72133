"""What depends on PostgreSQL's major version: one table, looked up by name."""

from __future__ import annotations

from azure_postgres_cdc.errors import CdcError

OLDEST = 10
NEWEST = 18

# Feature: the first major version that has it (PostgreSQL's release notes; the page for snapshots).
_SINCE = {
    "logical replication with publications": OLDEST,
    "publishing TRUNCATE": 11,
    "publish_via_partition_root": 13,
    "read-only snapshots": 13,
    "FOR TABLES IN SCHEMA": 15,
}


def has(feature: str, server_version: int) -> bool:
    """Whether a server has a feature. `server_version` is PostgreSQL's number, such as 170010."""
    return major(server_version) >= _SINCE[feature]


def check(feature: str, server_version: int) -> None:
    """Raise a CdcError that names the feature, the version found and the one needed."""
    if not has(feature, server_version):
        raise CdcError(
            f"{feature} needs PostgreSQL {_SINCE[feature]} or later; "
            f"this server is {major(server_version)}"
        )


def major(server_version: int) -> int:
    """170010 is 17."""
    return server_version // 10000
