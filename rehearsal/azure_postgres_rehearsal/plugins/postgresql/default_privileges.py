"""`postgresql:index/defaultPrivileges:DefaultPrivileges`: privileges on what an owner will make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from azure_postgres_rehearsal.plugins.postgresql import catalog
from azure_postgres_rehearsal.plugins.postgresql.connections import Transaction
from azure_postgres_rehearsal.plugins.postgresql.declared import DeclaredType, Property
from azure_postgres_rehearsal.plugins.protocol import Properties, ProviderError

_OBJECT_KINDS = {
    "table": "r",
    "sequence": "S",
    "function": "f",
    "routine": "f",
    "type": "T",
    "schema": "n",
}
_READ = """
SELECT DISTINCT acl.privilege_type
FROM pg_default_acl LEFT JOIN pg_namespace ON pg_namespace.oid = defaclnamespace,
    aclexplode(defaclacl) acl
WHERE acl.grantee = %s AND defaclobjtype = %s
    AND COALESCE(nspname, '') = %s AND pg_get_userbyid(acl.grantor) = %s
ORDER BY 1
"""


class DefaultPrivileges(DeclaredType):
    """It needs to be the owner for the moment, or cannot be made."""

    terraform_type = "postgresql_default_privileges"
    properties = (
        Property("role", required=True, force_new=True),
        Property("database", required=True, force_new=True),
        Property("owner", required=True, force_new=True),
        Property("schema", force_new=True),
        Property("objectType", required=True, force_new=True, allowed=tuple(_OBJECT_KINDS)),
        Property("privileges", "set", required=True),
        Property("withGrantOption", "bool", default=False, force_new=True),
    )

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        wanted = self.complete(inputs)
        return _id(wanted), self._write(wanted)

    def update(
        self,
        resource_id: str,  # noqa: ARG002 - the properties say it all
        old_outputs: Properties,  # noqa: ARG002 - everything is revoked before
        news: Properties,
    ) -> Properties:
        return self._write(self.complete(news))

    def read(
        self, resource_id: str, inputs: Properties, outputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        self.no_import(outputs)
        state = self.complete(outputs)
        if not catalog.target_exists(self.server, state):
            return None
        current = self._current(state)
        if current is None:
            return None
        return resource_id, self.refreshed_inputs(inputs, current), current

    def delete(
        self,
        resource_id: str,  # noqa: ARG002 - the outputs say it all
        outputs: Properties,
    ) -> None:
        state = self.complete(outputs)
        with self.server.transaction(state["database"]) as txn:
            catalog.lock_role(txn, state["owner"])
            with catalog.roles_granted(txn, [state["owner"]]):
                _revoke(txn, state)

    def _write(self, wanted: Properties) -> Properties:
        _validate(wanted)
        with self.server.transaction(wanted["database"]) as txn:
            catalog.lock_role(txn, wanted["owner"])
            with catalog.roles_granted(txn, [wanted["owner"]]):
                _revoke(txn, wanted)
                if wanted["privileges"]:
                    _grant(txn, wanted)
        current = self._current(wanted)
        if current is None:
            raise ProviderError(f"{self.terraform_type} {_id(wanted)} is gone after it was written")
        return current

    def _current(self, state: Properties) -> Properties | None:
        """The state with the privileges that are there; none where some were wanted means gone."""
        with self.server.transaction(state["database"]) as txn:
            catalog.lock_role(txn, state["owner"])
            found = txn.rows(
                _READ,
                catalog.role_oid(txn, state["role"]),
                _OBJECT_KINDS[state["objectType"]],
                state["schema"],
                state["owner"],
                attempt="could not read default privileges",
            )
        privileges = [privilege for (privilege,) in found]
        if not privileges and state["privileges"]:
            return None
        if catalog.privileges_equal(state["objectType"], privileges, state["privileges"]):
            privileges = state["privileges"]
        return self.outputs(state | {"privileges": privileges})


def _validate(wanted: Mapping[str, Any]) -> None:
    if wanted["schema"] and wanted["objectType"] == "schema":
        raise ProviderError("cannot specify `schema` when `object_type` is `schema`")
    if wanted["withGrantOption"] and wanted["role"].lower() == catalog.PUBLIC:
        raise ProviderError("with_grant_option cannot be true for role 'public'")
    catalog.validate_privileges(wanted["objectType"], wanted["privileges"])


def _scope(wanted: Mapping[str, Any]) -> sql.Composed:
    owner = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {}").format(sql.Identifier(wanted["owner"]))
    if not wanted["schema"]:
        return owner
    return owner + sql.SQL(" IN SCHEMA {}").format(sql.Identifier(wanted["schema"]))


def _grant(txn: Transaction, wanted: Mapping[str, Any]) -> None:
    statement = sql.SQL("{} GRANT {} ON {}S TO {}").format(
        _scope(wanted),
        catalog.privilege_list(wanted["privileges"]),
        sql.SQL(wanted["objectType"].upper()),
        sql.Identifier(wanted["role"]),
    )
    option = sql.SQL(" WITH GRANT OPTION" if wanted["withGrantOption"] else "")
    txn.execute(statement + option, "could not alter default privileges")


def _revoke(txn: Transaction, wanted: Mapping[str, Any]) -> None:
    txn.execute(
        sql.SQL("{} REVOKE ALL ON {}S FROM {}").format(
            _scope(wanted),
            sql.SQL(wanted["objectType"].upper()),
            sql.Identifier(wanted["role"]),
        ),
        "could not revoke default privileges",
    )


def _id(wanted: Mapping[str, Any]) -> str:
    parts = [wanted["role"], wanted["database"], wanted["schema"] or "noschema"]
    return "_".join([*parts, wanted["owner"], wanted["objectType"]])
