"""Pulumi components that make Azure Database for PostgreSQL ready for change data capture."""

import atexit
import gc
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure_postgres_cdc.database.connection import ConnectionArgs
    from azure_postgres_cdc.plan import ConnectorArgs
    from azure_postgres_cdc.server import CdcServer
    from azure_postgres_cdc.server_args import CdcServerArgs
    from azure_postgres_cdc.source import CdcSource, CdcSourceArgs

__all__ = [
    "CdcServer",
    "CdcServerArgs",
    "CdcSource",
    "CdcSourceArgs",
    "ConnectionArgs",
    "ConnectorArgs",
]

_MODULES = {
    "CdcServer": "server",
    "CdcServerArgs": "server_args",
    "CdcSource": "source",
    "CdcSourceArgs": "source",
    "ConnectionArgs": "database.connection",
    "ConnectorArgs": "plan",
}

# Python ends with one more search for garbage in all that was imported. `pulumi up` waits for it
# twice, for the program and for the process of the dynamic resources, 50 ms each.
atexit.register(gc.freeze)


def __getattr__(name: str) -> Any:
    """Import a component when it is asked for.

    The process in which Pulumi runs the dynamic resources imports this package too, and needs no
    component: importing them there would cost every `up` half a second.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
