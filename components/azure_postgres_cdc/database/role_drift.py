"""What somebody has done by hand to the stack's roles, so that a connector cannot work.

pulumi-postgresql looks at a role in a refresh only: without one, `up` would say that there is
nothing to do while the connector is locked out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from azure_postgres_cdc.database.connection import Connection, rows
from azure_postgres_cdc.names import listed, quoted

_FIND = """
SELECT wanted.name, array_remove(ARRAY[
    CASE WHEN r.oid IS NULL THEN 'is gone' END,
    CASE WHEN NOT r.rolcanlogin THEN 'has NOLOGIN' END,
    CASE WHEN NOT r.rolreplication THEN 'has NOREPLICATION' END,
    -- Later it is each membership's own affair.
    CASE WHEN NOT r.rolinherit AND current_setting('server_version_num')::int < 160000
         THEN 'has NOINHERIT' END,
    CASE WHEN r.rolconnlimit = 0 THEN 'has CONNECTION LIMIT 0' END,
    CASE WHEN r.rolvaliduntil < now() THEN 'has had no valid password since ' || r.rolvaliduntil END
], NULL), ARRAY(
    SELECT pg_get_userbyid(m.roleid)::text FROM pg_auth_members m WHERE m.member = r.oid)
FROM unnest(%s::text[]) AS wanted(name) LEFT JOIN pg_roles r ON r.rolname = wanted.name
ORDER BY 1
"""


def drift(
    connection: Connection, known: Mapping[str, Sequence[str]], logins: Collection[str]
) -> Iterator[str]:
    """One line for each role. `known`: those that the stack has, each with its group roles."""
    for role, faults, groups in rows(connection, _FIND, list(known)):
        found = list(faults) if role in logins else [item for item in faults if item == "is gone"]
        lacking = sorted(set(known[role]).difference(groups))
        if lacking and role in logins and "is gone" not in found:
            found.append(f"is not in {listed(map(quoted, lacking))}")
        if found:
            yield (
                f"role {quoted(role)} {' and '.join(found)}: its connector cannot work. Remedy: "
                "run pulumi up --refresh, which brings the role in line again"
            )
