"""What is there already, and not in the state, is imported instead of made a second time.

Somebody has made it by hand from the page, or an `up` was killed between making and recording it.
Our own resources adopt by themselves; those of `postgresql` and `azure-native` say "already exists"
and have to be imported. To import what is not there is an error, so somebody has to look first:
before each resource that the stack does not know, and never at one that it knows.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pulumi
from tenacity import retry, retry_if_exception_message, stop_after_attempt
from tenacity.wait import wait_random_exponential

from azure_postgres_cdc import running_stack
from azure_postgres_cdc.database.connection import ConnectionArgs, connect, connection_props, rows
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.importing import import_ahead

Find = Callable[[pulumi.ResourceTransformArgs], Awaitable[str | None]]
"""The id under which what is declared can be imported; None where it is not there."""

# The engine's own function, whatever the backend. A StackReference tells outputs only.
_RESOURCES_OF_STACK = "pulumi:pulumi:readStackResourceOutputs"
# A backend of files may be read while the engine writes the same file: it has no content then.
_once_written = retry(
    retry=retry_if_exception_message(match=r"(?s).*failed to load checkpoint"),
    wait=wait_random_exponential(multiplier=0.05, max=1),
    stop=stop_after_attempt(8),
    reraise=True,
)
_SERVER = "::azure-postgres-cdc:index:CdcServer::"
_IN_AZURE = re.compile("CdcServer[$].*:(ExistingServer|Server)::")


class Adoption:
    """Options for the resources of one server that others' plugins make."""

    def __init__(self) -> None:
        self._known: asyncio.Future[frozenset[str]] | None = None

    def role(self, connection: ConnectionArgs, database: str) -> pulumi.ResourceOptions:
        """For a `postgresql.Role`, which is brought in line with what is declared."""

        async def find(args: pulumi.ResourceTransformArgs) -> str | None:
            how = await pulumi.Output.from_input(connection_props(connection)).future()
            name = str(args.props["name"])
            # In a thread of its own: the program goes on meanwhile.
            is_there = how is not None and await asyncio.to_thread(_is_role, how, database, name)
            return name if is_there else None

        return self._options(find)

    def azure(self, opts: pulumi.ResourceOptions, *names: str) -> pulumi.ResourceOptions:
        """For an `azure-native` resource that `names`, of its inputs, and its group say.

        `opts`: its other options.

        Only what is as it is declared is adopted. Somebody else's, which differs, is not changed
        over a name: creating it fails, as it would without this.
        """

        async def find(args: pulumi.ResourceTransformArgs) -> str | None:
            where = {name: args.props.get(name) for name in ("resourceGroupName", *names)}
            found = await _look_up(args, where) if all(where.values()) else None
            return found["id"] if found and is_same(args.props, found) else None

        return pulumi.ResourceOptions.merge(opts, self._options(find))

    def _options(self, find: Find) -> pulumi.ResourceOptions:
        async def imported(
            args: pulumi.ResourceTransformArgs,
        ) -> pulumi.ResourceTransformResult | None:
            parent = args.opts.parent.urn if args.opts.parent else None
            urn = await pulumi.create_urn(args.name, args.type_, parent).future()
            try:
                if urn in await self._urns():
                    return None
                args.opts.import_ = await find(args)
            except Exception as error:  # whatever it is, it would come as a traceback
                _warn(args.name, error)
                return None
            return pulumi.ResourceTransformResult(args.props, args.opts)

        return pulumi.ResourceOptions(transforms=[imported])

    def _urns(self) -> asyncio.Future[frozenset[str]]:
        """Everything that the stack knows; asked for once."""
        if self._known is None:
            self._known = asyncio.ensure_future(_urns_of_stack())
        return self._known


def _warn(name: str, error: Exception) -> None:
    """Nothing is lost: where it is there, making it fails, and says so."""
    reason = str(error) if isinstance(error, CdcError) else type(error).__name__
    pulumi.log.warn(
        f"whether {name} is there already, and is to be adopted, is not known: {reason}"
    )


async def _urns_of_stack() -> frozenset[str]:
    stack = running_stack.full_name()
    with _explained(stack):
        return frozenset((await _asked_meanwhile(stack))["outputs"])


@_once_written
async def _asked_meanwhile(stack: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = await pulumi.runtime.invoke_async(
        _RESOURCES_OF_STACK, {"stackName": stack}
    )
    return found


@_once_written
def _asked(stack: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = pulumi.runtime.invoke(
        _RESOURCES_OF_STACK, {"stackName": stack}
    ).value
    return found


@contextmanager
def _explained(stack: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the SDK has no other kind for what the engine says
        raise CdcError(f"the engine does not say what stack {stack} has: {error}") from None


def servers_of_stack() -> dict[str, bool]:
    """The CdcServers that the stack has made so far: each one's name, and whether it is managed in
    Azure, where `management: none` looks at whatever `connection.host` leads to."""
    stack = running_stack.full_name()
    with _explained(stack):
        urns = list(_asked(stack)["outputs"])
    in_azure = {urn.rpartition("::")[2] for urn in urns if _IN_AZURE.search(urn)}
    names = [urn.rpartition(_SERVER)[2] for urn in urns if _SERVER in urn]
    if not names:
        import_ahead("psycopg")  # its roles are new, and will be looked for
    return {name: f"{name}-server" in in_azure for name in names}


def _is_role(connection: Mapping[str, Any], database: str, name: str) -> bool:
    with connect(connection, database) as opened:
        return bool(rows(opened, "SELECT FROM pg_roles WHERE rolname = %s", name))


async def _look_up(
    args: pulumi.ResourceTransformArgs, where: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """What Azure has under these names, asked through the plugin: its function `get...`."""
    package, module, kind = args.type_.split(":")
    options = pulumi.InvokeOptions(version=args.opts.version)
    try:
        found: Mapping[str, Any] = await pulumi.runtime.invoke_async(
            f"{package}:{module}:get{kind}", dict(where), options
        )
    except Exception:  # the plugin says no more than that it has failed; creating it will tell why
        return None
    return found


def is_same(declared: Any, found: Any) -> bool:
    """Whether what is declared is what is there, as far as both are known."""
    if isinstance(declared, Mapping) and isinstance(found, Mapping):
        return all(is_same(declared[key], found[key]) for key in declared.keys() & found.keys())
    if isinstance(declared, list) and isinstance(found, list):
        pairs = zip(declared, found, strict=False)
        return len(declared) == len(found) and all(is_same(*pair) for pair in pairs)
    if isinstance(declared, pulumi.Output) or declared in (None, "") or found is None:
        return True  # not known yet, a secret, or left to Azure
    return _comparable(declared) == _comparable(found)


def _comparable(value: object) -> object:
    """As Azure compares it: `West Europe` is `westeurope`, an id is one in any case."""
    return value.replace(" ", "").casefold() if isinstance(value, str) else value
