"""A server's place in a replication set: primary, or read replica of one.

The emulator streams nothing: a replica is a server of its own whose PostgreSQL the caller gives,
with whatever the caller put into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_parameter
from azure_postgres_rehearsal.azure_api.major_upgrade import precheck_failed
from azure_postgres_rehearsal.azure_api.operations import Json

if TYPE_CHECKING:
    from azure_postgres_rehearsal.azure_api.server import FlexibleServer

CAPACITY = 5
"""How many read replicas a primary may have."""


def as_json(source: FlexibleServer | None) -> Json:
    """The part of a server's properties that says whose replica it is."""
    if source is None:
        return {
            "replicationRole": "Primary",
            "replicaCapacity": CAPACITY,
            "replica": {"role": "Primary", "capacity": CAPACITY},
        }
    return {
        "replicationRole": "AsyncReplica",
        "replicaCapacity": 0,
        "sourceServerResourceId": source.id,
        "replica": {"role": "AsyncReplica", "capacity": 0, "replicationState": "Active"},
    }


def replicas_of(servers: list[FlexibleServer], source: FlexibleServer) -> list[FlexibleServer]:
    """The read replicas of a server."""
    return [server for server in servers if server.replica_of is source]


def check_source(servers: list[FlexibleServer], source: FlexibleServer, version: str) -> None:
    """Refuse a replica that the source can't have."""
    definition = source.definition
    if source.replica_of is not None:
        raise invalid_parameter("sourceServerResourceId", f"'{source.name}' is a replica itself.")
    if definition.sku["tier"] == "Burstable":
        raise invalid_parameter(
            "sourceServerResourceId", "The Burstable tier has no read replicas."
        )
    if definition.version != version:
        raise invalid_parameter(
            "version", f"A replica has its source's version, {definition.version}, not {version}."
        )
    if len(replicas_of(servers, source)) >= CAPACITY:
        raise invalid_parameter(
            "sourceServerResourceId", f"'{source.name}' has {CAPACITY} read replicas already."
        )


def check_upgrade(servers: list[FlexibleServer], server: FlexibleServer) -> None:
    """Refuse the major upgrade of a replica, and of a source before its replicas are gone."""
    if server.replica_of is not None:
        raise precheck_failed(f"'{server.name}' is a read replica")
    if names := sorted(replica.name for replica in replicas_of(servers, server)):
        raise precheck_failed(f"read replicas, which have to be deleted first: {', '.join(names)}")


def check_deletion(servers: list[FlexibleServer], server: FlexibleServer) -> None:
    """Refuse to delete a source before its replicas."""
    if names := sorted(replica.name for replica in replicas_of(servers, server)):
        raise ApiError(
            409,
            "ServerHasReadReplicas",
            f"The server '{server.name}' has read replicas, which have to be deleted or promoted "
            f"first: {', '.join(names)}.",
        )
