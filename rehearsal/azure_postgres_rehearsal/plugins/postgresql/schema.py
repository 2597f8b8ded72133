"""`postgresql:index/schema:Schema`: a schema and its owner."""

from __future__ import annotations

from psycopg import sql

from azure_postgres_rehearsal.plugins.postgresql import catalog
from azure_postgres_rehearsal.plugins.postgresql.declared import DeclaredType, Property
from azure_postgres_rehearsal.plugins.protocol import Diff, Properties, ProviderError


class Schema(DeclaredType):
    """A schema that is there already is an error, whatever `ifNotExists` says.

    Measured with the real plugin, although by its source `ifNotExists` would take it over. The
    stricter of the two is kept.
    """

    terraform_type = "postgresql_schema"
    computed_outputs = frozenset({"database", "owner"})
    properties = (
        Property("name", required=True),
        Property("database", force_new=True, computed=True),
        Property("owner", computed=True),
        Property("ifNotExists", "bool", default=True),
        Property("dropCascade", "bool", default=False),
        Property("policies", "set", computed=True, not_rehearsed=True),
    )

    def diff(
        self, resource_id: str, old_inputs: Properties, old_outputs: Properties, news: Properties
    ) -> Diff:
        found = super().diff(resource_id, old_inputs, old_outputs, news)
        # The bridge does so where the name stays: two of one name cannot be.
        return Diff(found.changed, found.replaces, delete_before_replace=True)

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        wanted = self.complete(inputs)
        name, owner = wanted["name"], wanted["owner"]
        database = wanted["database"] or self.server.settings.database
        with self.server.transaction(database) as txn:
            database_owner = catalog.database_owner(txn, database)
            needed = [database_owner]
            needed += [owner] if owner and owner != database_owner else []
            with catalog.roles_granted(txn, needed):
                statement = sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name))
                if owner:
                    statement += sql.SQL(" AUTHORIZATION {}").format(sql.Identifier(owner))
                txn.execute(statement, f"error creating schema {name}")
        return f"{database}.{name}", self._read_back(database, name, wanted)

    def update(
        self,
        resource_id: str,  # noqa: ARG002 - the outputs say it all
        old_outputs: Properties,
        news: Properties,
    ) -> Properties:
        wanted, changed = self.complete(news), self.changes(old_outputs, news)
        database, name = old_outputs["database"], wanted["name"]
        with self.server.transaction(database) as txn:
            if "name" in changed:
                txn.execute(
                    sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(
                        sql.Identifier(old_outputs["name"]), sql.Identifier(name)
                    ),
                    "error updating schema NAME",
                )
            if "owner" in changed:
                txn.execute(
                    sql.SQL("ALTER SCHEMA {} OWNER TO {}").format(
                        sql.Identifier(name), sql.Identifier(wanted["owner"])
                    ),
                    "error updating schema OWNER",
                )
        return self._read_back(database, name, wanted)

    def read(
        self, resource_id: str, inputs: Properties, outputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        database, name = self._location(resource_id, outputs)
        with self.server.transaction() as txn:
            if not catalog.database_exists(txn, database):
                return None
        current = self._current(database, name, self.complete(outputs))
        if current is None:
            return None
        return f"{database}.{name}", self.refreshed_inputs(inputs, current), current

    def delete(
        self,
        resource_id: str,  # noqa: ARG002 - the outputs say it all
        outputs: Properties,
    ) -> None:
        state = self.complete(outputs)
        with self.server.transaction(state["database"]) as txn:
            if not catalog.schema_exists(txn, state["name"]):
                return
            mode = sql.SQL("CASCADE" if state["dropCascade"] else "RESTRICT")
            with catalog.roles_granted(txn, [state["owner"]]):
                txn.execute(
                    sql.SQL("DROP SCHEMA {} {}").format(sql.Identifier(state["name"]), mode),
                    "error deleting schema",
                )

    def _location(self, resource_id: str, outputs: Properties) -> tuple[str, str]:
        if outputs.get("name"):
            return outputs.get("database") or self.server.settings.database, outputs["name"]
        parts = resource_id.split(".")
        if len(parts) != 2:
            raise ProviderError(
                f"schema ID {resource_id} has not the expected format 'database.schema': {parts}"
            )
        return parts[0], parts[1]

    def _read_back(self, database: str, name: str, wanted: Properties) -> Properties:
        current = self._current(database, name, wanted)
        if current is None:
            raise ProviderError(f"schema {name} is gone right after it was written")
        return current

    def _current(self, database: str, name: str, state: Properties) -> Properties | None:
        with self.server.transaction(database) as txn:
            owner = txn.value(
                "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = %s",
                name,
                attempt="error reading schema",
            )
        if owner is None:
            return None
        return self.outputs(state | {"name": name, "database": database, "owner": owner})
