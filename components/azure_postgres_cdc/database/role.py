"""The connector's roles, and their passwords.

Roles belong to the whole server, so they are made once per server and not once per database.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pulumi
from pulumi.dynamic import Resource

from azure_postgres_cdc.database.connection import ConnectionArgs
from azure_postgres_cdc.database.group_roles import READ_ALL_DATA, GroupRoles, ReadAllData
from azure_postgres_cdc.database.logins import LoginArgs
from azure_postgres_cdc.dynamic import CdcProvider, Props

if TYPE_CHECKING:
    import pulumi_postgresql as postgresql

_PASSWORD_BYTES = 24


class AdministratorReplicationProvider(CdcProvider):
    """Of stacks from before it was part of ConnectorLogins: there for them to let go of."""


class GeneratedPasswordProvider(CdcProvider):
    """Makes a password once and keeps it."""

    identity = ("user",)

    def make(self, props: Props) -> Props:
        # Azure refuses a password without lower case, upper case and digits.
        while True:
            password = secrets.token_urlsafe(_PASSWORD_BYTES)
            if all(re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]")):
                return props | {"password": password}


class GeneratedPassword(Resource, module="azure-postgres-cdc", name="GeneratedPassword"):
    """A random password, kept as a secret in the stack's state. 192 bits of randomness.

    It is made once and never changed: another one comes with another login (`formerUsers`).
    """

    password: pulumi.Output[str]

    def __init__(
        self, resource_name: str, user: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        secret = pulumi.ResourceOptions(additional_secret_outputs=["password"])
        super().__init__(
            GeneratedPasswordProvider(),
            resource_name,
            {"user": user, "password": None},
            pulumi.ResourceOptions.merge(opts, secret),
        )


class ConnectorRoles:
    """The group roles that hold the grants, and the login users that are members of them.

    The page's script forgets to create the role and to grant it to the user; both are done here.
    Membership is the user's own property, because a separate GrantRole and the user would each
    undo the other at every refresh; that of a group role is a `ReadAllData`. A former user keeps
    the password and the memberships that the state has of it, and goes when it is no longer listed.
    """

    passwords: Mapping[str, pulumi.Output[str]]
    """Each user's; none of the former users'."""
    users: Mapping[str, postgresql.Role]
    """The login users, former ones among them."""

    def __init__(
        self,
        prefix: str,
        connection: ConnectionArgs,
        database: str,
        users: Mapping[str, Sequence[str]],
        passwords: Mapping[str, pulumi.Output[str]],
        provider: postgresql.Provider,
        parent: pulumi.Resource,
        depends_on: Sequence[pulumi.Resource],
        adoption: pulumi.ResourceOptions,
        former_users: Sequence[str] = (),
        login: LoginArgs | None = None,
        read_all_data: Sequence[str] = (),
    ) -> None:
        # Not at the top: the process that runs the dynamic resources above needs none of it.
        import pulumi_postgresql as postgresql

        child = pulumi.ResourceOptions.merge(
            adoption,
            pulumi.ResourceOptions(parent=parent, provider=provider, depends_on=[*depends_on]),
        )
        login = login or {}
        groups = {
            name: postgresql.Role(
                f"{prefix}-{name}",
                name=name,
                login=False,
                roles=[READ_ALL_DATA] if name in read_all_data else None,
                opts=pulumi.ResourceOptions.merge(
                    child, pulumi.ResourceOptions(ignore_changes=["roles"])
                ),
            )
            for name in sorted({role for roles in users.values() for role in roles})
        }
        ready = [*depends_on, *groups.values()]
        after = pulumi.ResourceOptions(parent=parent, depends_on=ready)
        before_users: list[pulumi.Resource] = [
            ReadAllData(f"{prefix}-{name}-reads-all-data", connection, database, name, after)
            for name in sorted(read_all_data)
        ]
        before_users.append(GroupRoles(f"{prefix}-group-roles", connection, database, users, after))
        self.passwords = {user: passwords[user] for user in users}
        self.users = {}
        for user in sorted({*users, *former_users}):
            former = user not in users
            roles = sorted(groups if former else users[user])
            self.users[user] = postgresql.Role(
                f"{prefix}-{user}",
                name=user,
                login=True,
                replication=True,
                bypass_row_level_security=login.get("bypassRls") or None,
                connection_limit=login.get("connectionLimit"),
                password=self.passwords.get(user),
                roles=[groups[role].name for role in roles],
                opts=pulumi.ResourceOptions.merge(
                    child,
                    pulumi.ResourceOptions(
                        depends_on=[*(groups[role] for role in roles), *before_users],
                        ignore_changes=["password", "roles"] if former else None,
                    ),
                ),
            )
        self.resources: list[pulumi.Resource] = [
            *groups.values(),
            *before_users,
            *self.users.values(),
        ]


def generated_passwords(
    prefix: str, users: Iterable[str], parent: pulumi.Resource
) -> dict[str, GeneratedPassword]:
    """A password for each of the users. A former user's stays: the change may be called off."""
    opts = pulumi.ResourceOptions(parent=parent)
    return {user: GeneratedPassword(f"{prefix}-{user}", user, opts) for user in users}
