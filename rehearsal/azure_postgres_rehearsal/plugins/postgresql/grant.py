"""`postgresql:index/grant:Grant`: exactly these privileges, on a database, a schema or objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from azure_postgres_rehearsal.plugins.postgresql import catalog
from azure_postgres_rehearsal.plugins.postgresql.connections import Transaction
from azure_postgres_rehearsal.plugins.postgresql.declared import DeclaredType, Property
from azure_postgres_rehearsal.plugins.protocol import Properties, ProviderError

_NOT_REHEARSED = ("foreign_data_wrapper", "foreign_server", "column")
_OBJECT_TYPES = (
    "database",
    "function",
    "procedure",
    "routine",
    "schema",
    "sequence",
    "table",
    *_NOT_REHEARSED,
)
_RELATION_KINDS = {"table": "r", "sequence": "S"}
_ON_DATABASE = """
SELECT DISTINCT acl.privilege_type FROM pg_database, aclexplode(datacl) acl
WHERE datname = %s AND acl.grantee = %s
"""
_ON_SCHEMA = """
SELECT DISTINCT acl.privilege_type FROM pg_namespace, aclexplode(nspacl) acl
WHERE nspname = %s AND acl.grantee = %s
"""
# Tables in the narrow sense only: partitioned ones and views are granted upon, but not compared.
_ON_RELATIONS = """
SELECT relname::text, ARRAY(
    SELECT acl.privilege_type FROM aclexplode(relacl) acl WHERE acl.grantee = %s
)
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = %s AND relkind = %s
ORDER BY relname
"""
_ON_FUNCTIONS = """
SELECT proname::text, ARRAY(
    SELECT acl.privilege_type FROM aclexplode(proacl) acl WHERE acl.grantee = %s
)
FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
WHERE nspname = %s
ORDER BY proname
"""


class Grant(DeclaredType):
    """Another grant to the same role on the same objects is undone, and undoes this one."""

    terraform_type = "postgresql_grant"
    properties = (
        Property("role", required=True, force_new=True),
        Property("database", required=True, force_new=True),
        Property("schema", force_new=True),
        Property("objectType", required=True, force_new=True, allowed=_OBJECT_TYPES),
        Property("objects", "set", force_new=True),
        Property("columns", "set", force_new=True),
        Property("privileges", "set", required=True),
        Property("withGrantOption", "bool", default=False, force_new=True),
    )

    def check(self, olds: Properties, news: Properties) -> tuple[Properties, list[tuple[str, str]]]:
        inputs, failures = super().check(olds, news)
        if news.get("objectType") in _NOT_REHEARSED:
            reason = f"object type {news['objectType']} is not part of the rehearsal"
            failures.append(("objectType", reason))
        return inputs, failures

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        wanted = self.complete(inputs)
        self._write(wanted, wanted)
        return _id(wanted), self._current(wanted)

    def update(
        self,
        resource_id: str,  # noqa: ARG002 - the outputs say it all
        old_outputs: Properties,
        news: Properties,
    ) -> Properties:
        wanted = self.complete(news)
        self._write(self.complete(old_outputs), wanted)
        return self._current(wanted)

    def read(
        self, resource_id: str, inputs: Properties, outputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        self.no_import(outputs)
        state = self.complete(outputs)
        if not catalog.target_exists(self.server, state):
            return None
        current = self._current(state)
        return resource_id, self.refreshed_inputs(inputs, current), current

    def delete(
        self,
        resource_id: str,  # noqa: ARG002 - the outputs say it all
        outputs: Properties,
    ) -> None:
        state = self.complete(outputs)
        with self.server.transaction(state["database"]) as txn:
            _lock(txn, state)
            with catalog.roles_granted(txn, _owners(txn, state)):
                _revoke(txn, state)

    def _write(self, before: Properties, wanted: Properties) -> None:
        """Revoke, then grant, in one transaction: nobody sees the role without privileges."""
        _validate(wanted)
        with self.server.transaction(wanted["database"]) as txn:
            _lock(txn, wanted)
            with catalog.roles_granted(txn, _owners(txn, wanted)):
                _revoke(txn, before)
                if wanted["privileges"]:
                    _grant(txn, wanted)

    def _current(self, state: Properties) -> Properties:
        """The state with the privileges that are there.

        Of a schema's objects the first that has not exactly the privileges wanted counts, so that
        the next update brings all of them in line.
        """
        with self.server.transaction(state["database"]) as txn:
            holder = catalog.role_oid(txn, state["role"])
            kind, wanted = state["objectType"], state["privileges"]
            for name, privileges in _privileges(txn, state, holder):
                skipped = state["objects"] and name not in state["objects"]
                if not skipped and not catalog.privileges_equal(kind, privileges, wanted):
                    return self.outputs(state | {"privileges": sorted(set(privileges))})
        return self.outputs(state)


def _validate(wanted: Mapping[str, Any]) -> None:
    kind = wanted["objectType"]
    if not wanted["schema"] and kind != "database":
        raise ProviderError("parameter 'schema' is mandatory for postgresql_grant resource")
    if wanted["objects"] and kind in ("database", "schema"):
        raise ProviderError("cannot specify `objects` when `object_type` is `database` or `schema`")
    if wanted["columns"]:
        raise ProviderError("cannot specify `columns` when `object_type` is not `column`")
    if any("(" in name for name in wanted["objects"]):
        raise ProviderError("functions with their argument types are not part of the rehearsal")
    catalog.validate_privileges(kind, wanted["privileges"])


def _lock(txn: Transaction, wanted: Mapping[str, Any]) -> None:
    catalog.lock_role(txn, wanted["role"])
    if wanted["objectType"] == "database":
        catalog.lock_database(txn, wanted["database"])


def _owners(txn: Transaction, wanted: Mapping[str, Any]) -> list[str]:
    kind = wanted["objectType"]
    if kind == "database":
        return []
    return catalog.owners_in_schema(txn, wanted["schema"], tables=kind != "schema")


def _target(wanted: Mapping[str, Any]) -> sql.Composed:
    kind, schema = wanted["objectType"], wanted["schema"]
    if kind == "database":
        return sql.SQL("DATABASE {}").format(sql.Identifier(wanted["database"]))
    if kind == "schema":
        return sql.SQL("SCHEMA {}").format(sql.Identifier(schema))
    word = sql.SQL(kind.upper())
    if not wanted["objects"]:
        return sql.SQL("ALL {}S IN SCHEMA {}").format(word, sql.Identifier(schema))
    names = [sql.Identifier(schema, name) for name in sorted(wanted["objects"])]
    return sql.SQL("{} {}").format(word, sql.SQL(", ").join(names))


def _grant(txn: Transaction, wanted: Mapping[str, Any]) -> None:
    statement = sql.SQL("GRANT {} ON {} TO {}").format(
        catalog.privilege_list(wanted["privileges"]),
        _target(wanted),
        sql.Identifier(wanted["role"]),
    )
    option = sql.SQL(" WITH GRANT OPTION" if wanted["withGrantOption"] else "")
    txn.execute(statement + option)


def _revoke(txn: Transaction, state: Mapping[str, Any]) -> None:
    """All privileges; on objects that are named only those known, to spare grants on columns."""
    named = state["objects"] and state["privileges"]
    privileges = catalog.privilege_list(state["privileges"]) if named else sql.SQL("ALL PRIVILEGES")
    txn.execute(
        sql.SQL("REVOKE {} ON {} FROM {}").format(
            privileges, _target(state), sql.Identifier(state["role"])
        ),
        "could not execute revoke query",
    )


def _privileges(
    txn: Transaction, state: Mapping[str, Any], holder: int
) -> list[tuple[str, list[str]]]:
    """What the role holds, object by object."""
    kind, schema = state["objectType"], state["schema"]
    if kind in ("database", "schema"):
        query, name = (
            (_ON_DATABASE, state["database"]) if kind == "database" else (_ON_SCHEMA, schema)
        )
        return [(name, [privilege for (privilege,) in txn.rows(query, name, holder)])]
    if kind in _RELATION_KINDS:
        rows = txn.rows(_ON_RELATIONS, holder, schema, _RELATION_KINDS[kind])
    else:
        rows = txn.rows(_ON_FUNCTIONS, holder, schema)
    return [(name, privileges) for name, privileges in rows]


def _id(wanted: Mapping[str, Any]) -> str:
    parts = [wanted["role"], wanted["database"]]
    parts += [] if wanted["objectType"] == "database" else [wanted["schema"]]
    return "_".join([*parts, wanted["objectType"], *sorted(wanted["objects"])])
