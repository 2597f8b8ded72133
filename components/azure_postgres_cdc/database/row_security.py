"""Row-level security that would hide rows from a connector: its snapshot would lack them."""

from __future__ import annotations

from collections.abc import Sequence

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.names import TableName

# Everybody is under the policies but superusers, roles with BYPASSRLS and, where it is not FORCEd,
# the owner. A policy that lets the login read every row hides nothing, unless a restrictive one
# does. A login that is not there yet is a member of its group role only.
_HIDDEN = """
SELECT n.nspname, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_roles u ON u.rolname = %s
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p') AND c.relrowsecurity
  AND NOT c.relispartition
  AND NOT coalesce(u.rolsuper OR u.rolbypassrls, false)
  AND NOT coalesce(NOT c.relforcerowsecurity AND pg_has_role(u.oid, c.relowner, 'USAGE'), false)
  AND (NOT EXISTS (SELECT FROM policies p WHERE p.polrelid = c.oid AND p.polpermissive
                   AND pg_get_expr(p.polqual, p.polrelid) = 'true')
       OR EXISTS (SELECT FROM policies p WHERE p.polrelid = c.oid AND NOT p.polpermissive))
ORDER BY 1, 2
"""
_APPLICABLE = """
WITH policies AS (
    SELECT p.polrelid, p.polpermissive, p.polqual FROM pg_policy p
    WHERE p.polcmd IN ('r', '*') AND EXISTS (
        SELECT FROM unnest(p.polroles) applies(oid) LEFT JOIN pg_roles g ON g.rolname = %s
        LEFT JOIN pg_roles u ON u.rolname = %s
        WHERE applies.oid = 0 OR pg_has_role(g.oid, applies.oid, 'USAGE')
           OR pg_has_role(u.oid, applies.oid, 'USAGE')))
"""


def hidden_tables(
    connection: Connection, schemas: Sequence[str], user: str, role: str
) -> list[TableName]:
    """The tables of which a login, a member of the group role, may not see every row."""
    found = rows(connection, _APPLICABLE + _HIDDEN, role, user, user, list(schemas))
    return [TableName(*row) for row in found]
