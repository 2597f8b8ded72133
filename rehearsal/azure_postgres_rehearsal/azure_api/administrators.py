"""The Microsoft Entra administrators of one server, each a role in the embedded PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from azure_postgres_rehearsal.azure_api import postgres_administrators
from azure_postgres_rehearsal.azure_api.checks import choice, only, part, text
from azure_postgres_rehearsal.azure_api.definition import Definition
from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_parameter, not_found
from azure_postgres_rehearsal.azure_api.operations import (
    ADMINISTRATOR_DELETE,
    ADMINISTRATOR_WRITE,
    Json,
    Operation,
)
from azure_postgres_rehearsal.azure_api.postgres import Postgres
from azure_postgres_rehearsal.azure_api.postgres_databases import text_of
from azure_postgres_rehearsal.azure_api.resource_ids import GUID
from azure_postgres_rehearsal.azure_api.resource_types import ADMINISTRATORS
from azure_postgres_rehearsal.azure_api.turn import Turn

_TYPES = ("User", "Group", "ServicePrincipal")
_LONGEST_NAME = 63  # bytes; what is longer PostgreSQL would cut, and Azure never find again

CurrentToken = Callable[[str], str | None]
"""The token that a principal was handed last, where it was handed one."""


@dataclass(frozen=True)
class Administrator:
    """One Entra principal that administers the server."""

    object_id: str
    principal_name: str
    principal_type: str
    tenant_id: str


class Administrators:
    """Who may sign in with a token of Entra; the server needs Entra switched on for that."""

    def __init__(
        self,
        server_id: str,
        server_postgres: Postgres,
        turn: Turn,
        definition: Callable[[], Definition],
        token: CurrentToken,
        is_replica: bool = False,
    ) -> None:
        self._server_id = server_id
        self._postgres = server_postgres
        self._turn = turn
        self._definition = definition
        self._token = token
        self._is_replica = is_replica
        self._found: dict[str, Administrator] = {}

    def as_list(self) -> list[Json]:
        """Every administrator, as the API lists them."""
        self._check_entra()
        return [self._shown(administrator) for administrator in self._found.values()]

    def as_json(self, object_id: str) -> Json:
        """One administrator as the API shows it."""
        self._check_entra()
        administrator = self._found.get(object_id.lower())
        if administrator is None:
            raise not_found(
                "Microsoft.DBforPostgreSQL/flexibleServers/"
                f"{self._turn.server}/administrators/{object_id}",
                self._server_id.split("/")[4],
            )
        return self._shown(administrator)

    def write(self, object_id: str, body: Json) -> Operation:
        """Make a principal an administrator, as PUT does; who is one stays it."""
        self._check_entra()
        self._check_changeable()
        wanted = self._wanted(object_id, body)
        now = self._found.get(object_id.lower())
        if now is not None and now.principal_name != wanted.principal_name:
            raise invalid_parameter(
                "principalName", f"It is '{now.principal_name}' and can't be changed."
            )
        return self._run(
            ADMINISTRATOR_WRITE,
            f"{wanted.principal_type} {wanted.principal_name}",
            lambda: self._create(wanted),
            lambda: self.as_json(object_id),
        )

    def delete(self, object_id: str) -> Operation | None:
        """Drop an administrator with its role; nothing where there is none."""
        self._check_entra()
        self._check_changeable()
        administrator = self._found.get(object_id.lower())
        if administrator is None:
            return None
        return self._run(
            ADMINISTRATOR_DELETE,
            administrator.principal_name,
            lambda: self._drop(administrator),
        )

    @property
    def share_databases(self) -> bool:
        """Whether new databases belong to all administrators rather than to the first one."""
        return bool(self._found) and self._turn.behaviour.shared_databases

    def accept(self, principal_name: str, token: str) -> None:
        """Let the principal in with this token only, where it is an administrator here."""
        if any(found.principal_name == principal_name for found in self._found.values()):
            postgres_administrators.accept_token(self._postgres, principal_name, token)

    def _create(self, wanted: Administrator) -> None:
        if wanted.object_id.lower() not in self._found:
            login = self._definition().administrator_login
            try:
                postgres_administrators.create_administrator(
                    self._postgres, wanted.principal_name, login
                )
            except psycopg.Error as error:
                raise _failed("Creation", "create", error) from error
            # On Azure the database `postgres` belongs to all administrators from the start.
            shared = "" if self._turn.behaviour.shared_databases else "postgres"
            postgres_administrators.share_databases(self._postgres, login, shared)
        self._found[wanted.object_id.lower()] = wanted
        # In this order: a token that is handed out right now finds the administrator, or is found.
        if token := self._token(wanted.principal_name):
            self.accept(wanted.principal_name, token)

    def _drop(self, administrator: Administrator) -> None:
        try:
            postgres_administrators.drop_administrator(self._postgres, administrator.principal_name)
        except psycopg.Error as error:
            raise _failed("Drop", "drop", error) from error
        del self._found[administrator.object_id.lower()]

    def _run(
        self,
        kind: str,
        detail: str,
        work: Callable[[], None],
        result: Callable[[], Json | None] = lambda: None,
    ) -> Operation:
        """Begin an operation; a server that is not ready is refused in words of its own."""
        try:
            return self._turn.run(kind, detail, work, result)
        except ApiError as refused:
            raise ApiError(
                409,
                "AadAuthOperationCannotBePerformedWhenServerIsNotAccessible",
                f"The server '{self._turn.server}' is not in an accessible state to perform Azure "
                "AD Principal operation. Please make sure the server is accessible before "
                "executing Azure AD Principal operations.",
            ) from refused

    def _wanted(self, object_id: str, body: Json) -> Administrator:
        if not GUID.fullmatch(object_id):
            raise invalid_parameter("objectId", f"'{object_id}' is not the id of a principal.")
        only(body, ("properties",), "an administrator")
        properties = part(body, "properties")
        only(properties, ("principalName", "principalType", "tenantId"), "an administrator")
        name = text(properties, "principalName")
        if len(name.encode()) > _LONGEST_NAME:
            raise invalid_parameter(
                "principalName", f"'{name}' is longer than {_LONGEST_NAME} bytes."
            )
        own_tenant = self._definition().authentication.tenant_id
        tenant = text({"tenantId": own_tenant} | properties, "tenantId")
        if tenant.lower() != own_tenant.lower():
            raise invalid_parameter("tenantId", f"The server's tenant is '{own_tenant}'.")
        return Administrator(
            object_id, name, choice(properties, "principalType", None, _TYPES), tenant
        )

    def _check_entra(self) -> None:
        if not self._definition().authentication.entra:
            # The words have been seen; the code that comes with them has not.
            raise ApiError(
                400,
                "AadAuthenticationNotEnabled",
                "Azure AD authentication is not enabled for the given server "
                f"'{self._turn.server}'.",
            )

    def _check_changeable(self) -> None:
        if self._is_replica:
            raise ApiError(
                400,
                "ReadOnlyReplica",
                f"'{self._turn.server}' is a read replica: its administrators are those of its "
                "source.",
            )

    def _shown(self, administrator: Administrator) -> Json:
        return {
            "id": f"{self._server_id}/administrators/{administrator.object_id}",
            "name": administrator.object_id,
            "type": ADMINISTRATORS,
            "properties": {
                "objectId": administrator.object_id,
                "principalName": administrator.principal_name,
                "principalType": administrator.principal_type,
                "tenantId": administrator.tenant_id,
            },
        }


def _failed(code: str, verb: str, error: psycopg.Error) -> ApiError:
    return ApiError(
        409,
        f"AadAuthPrincipal{code}Failed",
        f"Failed to {verb} Microsoft Entra principal. Reason: '{error.sqlstate}: "
        f"{error.diag.message_primary or text_of(error)}'.",
    )
