"""`postgresql:index/role:Role`: a role with its attributes, its memberships and its settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg import sql

from azure_postgres_rehearsal.plugins.postgresql import catalog
from azure_postgres_rehearsal.plugins.postgresql.connections import Transaction
from azure_postgres_rehearsal.plugins.postgresql.declared import DeclaredType, Property
from azure_postgres_rehearsal.plugins.protocol import InitError, Properties, ProviderError

_FLAGS = {
    "superuser": "SUPERUSER",
    "createDatabase": "CREATEDB",
    "createRole": "CREATEROLE",
    "inherit": "INHERIT",
    "login": "LOGIN",
    "bypassRowLevelSecurity": "BYPASSRLS",
    "replication": "REPLICATION",
}
_TIMEOUTS = {
    "statementTimeout": "statement_timeout",
    "idleInTransactionSessionTimeout": "idle_in_transaction_session_timeout",
}
_READ = """
SELECT ARRAY(
        SELECT DISTINCT pg_get_userbyid(roleid)::text FROM pg_auth_members
        WHERE member = pg_roles.oid ORDER BY 1
    ),
    rolconnlimit, COALESCE(rolvaliduntil::text, 'infinity'), COALESCE(rolconfig, '{}'),
    rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolcanlogin, rolbypassrls, rolreplication
FROM pg_roles WHERE rolname = %s
"""


class Role(DeclaredType):
    """`roles` are all the role's memberships: whoever adds one elsewhere is undone here."""

    terraform_type = "postgresql_role"
    secret_outputs = frozenset({"password"})
    properties = (
        Property("name", required=True),
        Property("password"),
        Property("passwordWo", not_rehearsed=True),
        Property("passwordWoVersion", not_rehearsed=True),
        Property("encrypted"),
        Property("encryptedPassword", "bool", default=True),
        Property("roles", "set"),
        Property("searchPaths", "list"),
        Property("validUntil", default="infinity"),
        Property("connectionLimit", "int", default=-1, minimum=-1),
        Property("superuser", "bool", default=False),
        Property("createDatabase", "bool", default=False),
        Property("createRole", "bool", default=False),
        Property("inherit", "bool", default=True),
        Property("login", "bool", default=False),
        Property("replication", "bool", default=False),
        Property("bypassRowLevelSecurity", "bool", default=False),
        Property("skipDropRole", "bool", default=False),
        Property("skipReassignOwned", "bool", default=False),
        Property("statementTimeout", "int", minimum=0),
        Property("idleInTransactionSessionTimeout", "int", minimum=0),
        Property("assumeRole"),
    )

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        wanted = self.complete(inputs)
        name = wanted["name"]
        with self.server.transaction() as txn:
            txn.execute(
                sql.SQL("CREATE ROLE {} WITH {}").format(
                    sql.Identifier(name), _creation_options(wanted)
                ),
                f"error creating role {name}",
            )
            _set_memberships(txn, wanted)
            _set_configuration(txn, wanted, self.changes({}, wanted))
        return name, self._read_back(name, wanted)

    def update(self, resource_id: str, old_outputs: Properties, news: Properties) -> Properties:
        wanted = self.complete(news)
        changed = self.changes(old_outputs, news)
        with self.server.transaction() as txn:
            catalog.lock_role(txn, resource_id)
            _rename(txn, resource_id, wanted["name"])
            _alter(txn, wanted, changed)
            for role in _memberships(txn, wanted["name"]):
                txn.execute(
                    sql.SQL("REVOKE {} FROM {}").format(
                        sql.Identifier(role), sql.Identifier(wanted["name"])
                    ),
                    f"could not revoke role {role} from {wanted['name']}",
                )
            _set_memberships(txn, wanted)
            _set_configuration(txn, wanted, changed)
        return self._read_back(wanted["name"], wanted)

    def read(
        self, resource_id: str, inputs: Properties, outputs: Properties
    ) -> tuple[str, Properties, Properties] | None:
        current = self._current(resource_id, self.complete(outputs))
        if current is None:
            return None
        return resource_id, self.refreshed_inputs(inputs, current), current

    def delete(self, resource_id: str, outputs: Properties) -> None:
        state = self.complete(outputs)
        role, user = sql.Identifier(resource_id), self.server.settings.role
        with self.server.transaction() as txn:
            catalog.lock_role(txn, resource_id)
            if not state["skipReassignOwned"]:
                with catalog.roles_granted(txn, [resource_id]):
                    txn.execute(
                        sql.SQL("REASSIGN OWNED BY {} TO {}").format(role, sql.Identifier(user)),
                        f"could not reassign owned by role {resource_id} to {user}",
                    )
                    txn.execute(
                        sql.SQL("DROP OWNED BY {}").format(role),
                        f"could not drop owned by role {resource_id}",
                    )
            if not state["skipDropRole"]:
                txn.execute(
                    sql.SQL("DROP ROLE {}").format(role), f"could not delete role {resource_id}"
                )

    def _read_back(self, name: str, wanted: Properties) -> Properties:
        """What is there now; the role stays in the state where that cannot be read."""
        try:
            current = self._current(name, wanted)
        except ProviderError as error:
            raise InitError(str(error), name, self.outputs(wanted)) from None
        if current is None:
            raise ProviderError(f"role {name} is gone right after it was written")
        return current

    def _current(self, name: str, state: Properties) -> Properties | None:
        with self.server.transaction() as txn:
            rows = txn.rows(_READ, name, attempt="error reading ROLE")
            if not rows:
                return None
            roles, connection_limit, valid_until, configuration, *flags = rows[0]
            current = (
                state
                | dict(zip(_FLAGS, flags, strict=True))
                | _read_configuration(configuration)
                | {
                    "name": name,
                    "roles": roles,
                    "connectionLimit": connection_limit,
                    "validUntil": valid_until,
                    "encryptedPassword": True,
                }
            )
            current["password"] = self._password(txn, name, current)
        return self.outputs(current)

    def _password(self, txn: Transaction, name: str, state: Mapping[str, Any]) -> str:
        """The state's password, or what a superuser finds in its place."""
        known = str(state["password"])
        if not state["login"] or not self.server.settings.superuser:
            return known
        if not catalog.is_superuser(txn, catalog.current_user(txn)):
            raise ProviderError(
                "could not read role password from Postgres as connected user "
                f"{self.server.settings.role} is not a SUPERUSER. You can set `superuser = false` "
                "in the provider configuration so it will not try to read the password from "
                "Postgres"
            )
        stored = str(
            txn.value("SELECT COALESCE(passwd, '') FROM pg_shadow WHERE usename = %s", name)
        )
        hashed = known.startswith(("md5", "SCRAM-SHA-256"))
        # A SCRAM verifier cannot be compared with the password, so it counts as the same.
        same = known and not hashed and stored.startswith("SCRAM-SHA-256")
        return known if same else stored


def _creation_options(wanted: Properties) -> sql.Composed:
    options: list[sql.Composable] = []
    password = wanted["password"]
    if password.upper() == "NULL":
        options.append(sql.SQL("PASSWORD NULL"))
    elif password:
        how = sql.SQL("ENCRYPTED" if wanted["encryptedPassword"] else "UNENCRYPTED")
        options.append(sql.SQL("{} {}").format(how, _password(password)))
    if wanted["validUntil"]:
        options.append(_valid_until(wanted))
    options.append(sql.SQL("CONNECTION LIMIT {}").format(wanted["connectionLimit"]))
    options += [_flag(wanted, name) for name in _FLAGS]
    return sql.SQL(" ").join(options)


def _password(password: str) -> sql.Composed:
    """As the real provider quotes it: with every backslash twice, which PostgreSQL takes as two."""
    doubled = password.replace("\\", "\\\\")
    return sql.SQL("PASSWORD {}").format(sql.Literal(doubled))


def _flag(wanted: Properties, name: str) -> sql.SQL:
    return sql.SQL(_FLAGS[name] if wanted[name] else f"NO{_FLAGS[name]}")


def _valid_until(wanted: Properties) -> sql.Composed:
    until = wanted["validUntil"]
    moment = "infinity" if until.lower() == "infinity" else until
    return sql.SQL("VALID UNTIL {}").format(sql.Literal(moment))


def _rename(txn: Transaction, old: str, new: str) -> None:
    if new != old:
        txn.execute(
            sql.SQL("ALTER ROLE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)),
            "error updating role NAME",
        )


def _alter(txn: Transaction, wanted: Properties, changed: Collection[str]) -> None:
    alterations: list[tuple[str, sql.Composable]] = []
    if "password" in changed or "name" in changed:
        alterations.append(("password", _password(wanted["password"])))
    if "connectionLimit" in changed:
        limit = sql.SQL("CONNECTION LIMIT {}").format(wanted["connectionLimit"])
        alterations.append(("CONNECTION LIMIT", limit))
    alterations += [(_FLAGS[name], _flag(wanted, name)) for name in _FLAGS if name in changed]
    if "validUntil" in changed and wanted["validUntil"]:
        alterations.append(("VALID UNTIL", _valid_until(wanted)))
    role = sql.Identifier(wanted["name"])
    for what, option in alterations:
        txn.execute(
            sql.SQL("ALTER ROLE {} WITH {}").format(role, option), f"error updating role {what}"
        )


def _memberships(txn: Transaction, name: str) -> list[str]:
    rows = txn.rows(
        "SELECT DISTINCT pg_get_userbyid(roleid)::text FROM pg_auth_members"
        " WHERE pg_get_userbyid(member) = %s ORDER BY 1",
        name,
        attempt=f"could not get roles list for role {name}",
    )
    return [role for (role,) in rows]


def _set_memberships(txn: Transaction, wanted: Properties) -> None:
    for role in sorted(wanted["roles"]):
        txn.execute(
            sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(wanted["name"])),
            f"could not grant role {role} to {wanted['name']}",
        )


def _set_configuration(txn: Transaction, wanted: Properties, changed: Collection[str]) -> None:
    name = wanted["name"]
    paths: list[sql.Composable] = [sql.Identifier(path) for path in wanted["searchPaths"]]
    if any(", " in path for path in wanted["searchPaths"]):
        raise ProviderError(f"search_path cannot contain `, `: {wanted['searchPaths']}")
    settings: list[tuple[str, sql.Composable | None]] = [
        ("search_path", sql.SQL(", ").join(paths) if paths else sql.SQL("DEFAULT"))
    ]
    for key, setting in _TIMEOUTS.items():
        if key in changed:
            settings.append((setting, sql.Literal(wanted[key]) if wanted[key] else None))
    if "assumeRole" in changed:
        assumed = wanted["assumeRole"]
        settings.append(("role", sql.Identifier(assumed) if assumed else None))
    role = sql.Identifier(name)
    for setting, value in settings:
        if value is None:
            statement = sql.SQL("ALTER ROLE {} RESET {}").format(role, sql.Identifier(setting))
            txn.execute(statement, f"could not reset {setting} for {name}")
        else:
            statement = sql.SQL("ALTER ROLE {} SET {} TO {}").format(
                role, sql.Identifier(setting), value
            )
            txn.execute(statement, f"could not set {setting} for {name}")


def _read_configuration(entries: Sequence[str]) -> Properties:
    found = dict(entry.split("=", 1) for entry in entries)
    paths = found["search_path"].split(", ") if "search_path" in found else []
    timeouts = {key: _whole(found.get(setting, "0")) for key, setting in _TIMEOUTS.items()}
    return {
        "searchPaths": [path.strip('"') for path in paths],
        "assumeRole": found.get("role", ""),
        **timeouts,
    }


def _whole(text: str) -> int:
    """A timeout out of a role's settings; the real provider cannot read one with a unit."""
    try:
        return int(text)
    except ValueError:
        raise ProviderError(
            f'error reading statement_timeout: strconv.Atoi: parsing "{text}": invalid syntax'
        ) from None
