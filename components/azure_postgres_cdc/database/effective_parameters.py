"""The parameters that PostgreSQL has in effect, which is not always what is configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_fixed,
)

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database.connection import (
    Connection,
    ConnectionArgs,
    connection_props,
    looking_at,
    rows,
)
from azure_postgres_cdc.dynamic import ConvergingProvider, Props, note, warn
from azure_postgres_cdc.errors import CdcError, Passing, Unreachable
from azure_postgres_cdc.progress import Pace

WAIT_SECONDS = 900
"""How long a restart may take until PostgreSQL answers with the new values."""


class _NotYet(Exception):  # noqa: N818 - a state to wait for, not an error
    pass


class EffectiveParametersProvider(ConvergingProvider):
    """Checks, and after a restart waits for, the values that logical replication needs."""

    # A restart or a failover may have been a moment ago, with the very same values needed.
    unsettled = ("silent",)

    def resolve(self, olds: Props, news: Props) -> Props:
        if not news["wait"]:
            with looking_at(news["connection"], news["database"]) as connection:
                _check_server(connection)
                _check_values(connection, news["required"])
        elif olds:
            try:
                _warn_of_unmet(news)
            except (Passing, Unreachable) as error:
                return news | {"silent": str(error)}
        return news

    def make(self, props: Props) -> Props:
        if props["wait"]:
            _wait(props)
        return props | {"silent": ""}

    def id_of(self, props: Mapping[str, Any]) -> str:
        connection = props["connection"]
        return f"{connection['host']}:{int(connection['port'])}"


class EffectiveParameters(Resource, module="azure-postgres-cdc", name="EffectiveParameters"):
    """The server answers, is a primary, and has what logical replication needs in effect.

    It only looks, and changes nothing.

    `wait`: after a restart, wait until it is so. Otherwise (a server that another tool owns) the
    values are looked at in every preview: wal_level must be right, and numbers that are lower
    than advised give a warning.
    """

    def __init__(
        self,
        resource_name: str,
        connection: ConnectionArgs,
        database: str,
        required: pulumi.Input[Mapping[str, str]],
        *,
        wait: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "connection": connection_props(connection),
            "database": database,
            "required": required,
            "wait": wait,
        }
        super().__init__(EffectiveParametersProvider(), resource_name, props, opts)


def _warn_of_unmet(props: Props) -> None:
    with looking_at(props["connection"], props["database"]) as connection:
        warn(
            f"{name} is {found} in effect, needed {wanted}: somebody changed it since; "
            "pulumi up --refresh sets it again"
            for name, found, wanted in _unmet(connection, props["required"])
        )


def _check_server(connection: Connection) -> None:
    info = connection.info
    capabilities.check("logical replication with publications", info.server_version)
    if rows(connection, "SELECT pg_is_in_recovery()")[0]:
        raise CdcError(
            f"{info.host}:{info.port} is a read replica, on which nothing can be created (signal "
            "tables, says the page: 'Not supported on read replicas. Please use method 1 "
            "instead', which is snapshots: read-only). Remedy: give the primary in "
            "connection.host"
        )


def _check_values(connection: Connection, required: Mapping[str, str]) -> None:
    """Refuse what cannot work, warn of what may not."""
    warnings = []
    for name, found, wanted in _unmet(connection, required):
        if not wanted.isdigit():
            raise CdcError(
                f"{name} is {found} in effect, needed {wanted}: without it no change can be "
                f"captured. Remedy: ALTER SYSTEM SET {name} = '{wanted}' (on Azure: the server's "
                "parameters), then restart the server"
            )
        if name == "max_worker_processes":
            warnings.append(
                f"{name} is {found} in effect, the page advises at least {wanted}: "
                "'out of background worker slots' may follow"
            )
        else:
            warnings.append(
                f"{name} is {found} in effect, and this stack's connectors want {wanted}, two of "
                "them to spare: a slot without one stands still"
            )
    warn(warnings)


def _wait(props: Props) -> None:
    try:
        for attempt in Retrying(
            # A restart may end the connection in the middle of the question, too.
            retry=retry_if_exception_type((_NotYet, Passing, Unreachable)),
            wait=wait_fixed(1),
            stop=stop_after_delay(WAIT_SECONDS),
            before_sleep=_Patience(),
        ):
            with attempt:
                _look(props)
    except RetryError as error:
        reason = error.last_attempt.exception()
        if isinstance(reason, CdcError):  # it has a remedy of its own
            raise CdcError(f"after {WAIT_SECONDS} s PostgreSQL does not answer: {reason}") from None
        raise CdcError(
            f"after {WAIT_SECONDS} s the server does not have its new parameters in effect: "
            f"{reason}. Remedy: look at the server's activity log, then run pulumi up again"
        ) from None


class _Patience:
    """Says now and then what is waited for."""

    def __init__(self) -> None:
        self._pace = Pace()

    def __call__(self, state: RetryCallState) -> None:
        if self._pace.is_due():
            reason = str(state.outcome.exception()) if state.outcome else ""
            note(
                f"waiting for PostgreSQL, {self._pace.seconds:.0f} s so far, {WAIT_SECONDS} s at "
                f"most: {reason.partition('. Remedy:')[0]}"
            )


def _look(props: Props) -> None:
    with looking_at(props["connection"], props["database"]) as connection:
        _check_server(connection)
        unmet = _unmet(connection, props["required"])
        if unmet:
            raise _NotYet(
                "; ".join(f"{name} is {found}, not {want}" for name, found, want in unmet)
            )


def _unmet(connection: Connection, required: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Name, value in effect and value needed of each parameter that falls short.

    What PostgreSQL does not know, because it is Azure's alone, is passed over.
    """
    found = dict(
        rows(
            connection,
            "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
            list(required),
        )
    )
    return [
        (name, found[name], wanted)
        for name, wanted in sorted(required.items())
        if name in found and not _meets(found[name], wanted)
    ]


def _meets(found: str, wanted: str) -> bool:
    if wanted.isdigit():
        return found.isdigit() and int(found) >= int(wanted)
    return found.lower() == wanted.lower()
