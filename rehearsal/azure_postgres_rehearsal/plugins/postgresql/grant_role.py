"""`postgresql:index/grantRole:GrantRole`: one role's membership in another."""

from __future__ import annotations

from psycopg import sql

from azure_postgres_rehearsal.plugins.postgresql.connections import Transaction
from azure_postgres_rehearsal.plugins.postgresql.declared import DeclaredType, Property
from azure_postgres_rehearsal.plugins.protocol import Properties

# From 16 on a membership exists once per grantor; one's own counts.
_MEMBERSHIP = """
SELECT admin_option FROM pg_auth_members
WHERE pg_get_userbyid(member) = %s AND pg_get_userbyid(roleid) = %s
ORDER BY pg_get_userbyid(grantor) = current_user DESC, grantor
LIMIT 1
"""


class GrantRole(DeclaredType):
    """Revokes before it grants; nothing of it can be changed in place."""

    terraform_type = "postgresql_grant_role"
    properties = (
        Property("role", required=True, force_new=True),
        Property("grantRole", required=True, force_new=True),
        Property("withAdminOption", "bool", default=False, force_new=True),
    )

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        wanted = self.complete(inputs)
        with self.server.transaction() as txn:
            _revoke(txn, wanted)
            option = sql.SQL(" WITH ADMIN OPTION" if wanted["withAdminOption"] else "")
            txn.execute(
                sql.SQL("GRANT {} TO {}").format(*_names(wanted)) + option,
                "could not execute grant query",
            )
        return _id(wanted), wanted

    def read(
        self,
        resource_id: str,  # noqa: ARG002 - the outputs say it all
        inputs: Properties,
        outputs: Properties,
    ) -> tuple[str, Properties, Properties] | None:
        self.no_import(outputs)
        wanted = self.complete(outputs)
        with self.server.transaction() as txn:
            found = txn.rows(_MEMBERSHIP, wanted["role"], wanted["grantRole"])
        if not found:
            return None
        wanted["withAdminOption"] = found[0][0]
        return _id(wanted), self.refreshed_inputs(inputs, wanted), wanted

    def update(
        self,
        resource_id: str,  # noqa: ARG002 - every change is a replacement
        old_outputs: Properties,  # noqa: ARG002
        news: Properties,
    ) -> Properties:
        return self.complete(news)

    def delete(
        self,
        resource_id: str,  # noqa: ARG002 - the outputs say it all
        outputs: Properties,
    ) -> None:
        with self.server.transaction() as txn:
            _revoke(txn, outputs)


def _names(wanted: Properties) -> tuple[sql.Identifier, sql.Identifier]:
    return sql.Identifier(wanted["grantRole"]), sql.Identifier(wanted["role"])


def _revoke(txn: Transaction, wanted: Properties) -> None:
    txn.execute(
        sql.SQL("REVOKE {} FROM {}").format(*_names(wanted)), "could not execute revoke query"
    )


def _id(wanted: Properties) -> str:
    option = "true" if wanted["withAdminOption"] else "false"
    return f"{wanted['role']}_{wanted['grantRole']}_{option}"
