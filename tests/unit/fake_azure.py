"""A small HTTP server that answers as Azure's management API does, for a few flexible servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

Json = dict[str, Any]

ROOT = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-cdc"
    "/providers/Microsoft.DBforPostgreSQL/flexibleServers/"
)
PATH = f"{ROOT}cdc-1"
"""The resource id of the server that is there from the beginning."""

Answer = tuple[int, Json]
CUT: Final[Answer] = (0, {})
"""No answer: the connection is closed."""
HALF: Final[Answer] = (0, {"half": True})
"""An answer that breaks off: the connection is closed in the middle."""
Planned = Answer | Callable[[], Answer | None]
"""An answer that comes before the usual one; or what happens first, and perhaps an answer."""


@dataclass(frozen=True)
class Request:
    """What has been asked."""

    method: str
    path: str
    """Without what is the same for every server."""
    headers: dict[str, str]
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class FakeServer:
    """One flexible server."""

    properties: Json = field(default_factory=dict)
    parameters: dict[str, Json] = field(default_factory=dict)
    firewall_rules: dict[str, tuple[str, str]] = field(default_factory=dict)
    databases: list[str] = field(default_factory=list)
    replicas: list[str] = field(default_factory=list)

    def value(self, name: str) -> str:
        """A parameter's value."""
        return str(self.parameters[name]["value"])

    @property
    def values(self) -> dict[str, str]:
        """Every parameter's value."""
        return {name: self.value(name) for name in self.parameters}

    def write(self, name: str, value: str) -> None:
        """Somebody sets a parameter."""
        found = self.parameters[name]
        found["value"] = value
        found["isConfigPendingRestart"] = not found["isDynamicConfig"]


@dataclass
class FakeAzure:
    """Every request that came, and what is answered: the usual, unless something is planned."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    servers: dict[str, FakeServer] = field(default_factory=dict)
    planned: dict[str, list[Planned]] = field(default_factory=dict)

    @property
    def server(self) -> FakeServer:
        """The server that is there from the beginning."""
        return self.servers["cdc-1"]

    def plan(self, request: str, *answers: Planned) -> None:
        """Answer a request, such as `POST cdc-1/restart`, differently for as often as given."""
        self.planned.setdefault(request, []).extend(answers)

    def add_replica(self, name: str, **parameters: Json) -> FakeServer:
        """Give the server a read replica."""
        replica = self.servers[name] = server(sourceServerResourceId=PATH)
        replica.parameters = parameters
        self.server.replicas.append(name)
        return replica

    @property
    def asked(self) -> list[str]:
        """Every request, as one word and the path."""
        return [str(item) for item in self.requests]

    @property
    def changes(self) -> list[str]:
        """Every request that would change something."""
        return [text for text in self.asked if not text.startswith("GET ")]

    def answer(self, request: Request) -> Answer:
        """What is answered, and what comes of it."""
        self.requests.append(request)
        planned = self.planned.get(str(request), [])
        if planned:
            found = planned.pop(0)
            given = found() if callable(found) else found
            if given is not None:
                return given
        if request.path == "operation":
            return 200, {"status": "Succeeded"}
        name, _, rest = request.path.partition("/")
        if name not in self.servers:
            return error(404, "ResourceNotFound", f"The Resource '{name}' was not found.")
        return self._of(self.servers[name], request, rest)

    def _of(self, server: FakeServer, request: Request, rest: str) -> Answer:
        kind, _, item = rest.partition("/")
        if kind == "firewallRules":
            return _firewall(server, request, item)
        if request.method == "GET":
            return 200, self._found(server, request.path, kind, item)
        properties = (request.body or {}).get("properties", {})
        match kind:
            case "":
                server.properties["storage"] |= properties.get("storage", {})
                server.properties["version"] = properties.get(
                    "version", server.properties["version"]
                )
            case "restart":
                for parameter in server.parameters.values():
                    parameter["isConfigPendingRestart"] = False
            case "configurations":
                server.write(item, properties["value"])
        return 202, {}

    def _found(self, server: FakeServer, path: str, kind: str, item: str) -> Json:
        match kind:
            case "replicas":
                return {"value": [{"id": f"{ROOT}{name}"} for name in server.replicas]}
            case "databases":
                return {"value": [{"name": name} for name in server.databases]}
            case "configurations" if item:
                return {"name": item, "properties": server.parameters[item]}
            case "configurations":
                found = server.parameters.items()
                return {"value": [{"name": name, "properties": p} for name, p in found]}
        return {"id": f"{ROOT}{path}", "properties": server.properties}


def _firewall(server: FakeServer, request: Request, name: str) -> Answer:
    if request.method == "PUT":
        addresses = request.body["properties"]
        server.firewall_rules[name] = (addresses["startIpAddress"], addresses["endIpAddress"])
    elif name not in server.firewall_rules:
        return error(404, "ResourceNotFound", f"The firewall rule '{name}' was not found.")
    elif request.method == "GET":
        first, last = server.firewall_rules[name]
        return 200, {"name": name, "properties": {"startIpAddress": first, "endIpAddress": last}}
    else:
        del server.firewall_rules[name]
    return 202, {}


def error(status: int, code: str, message: str = "it is so") -> Answer:
    """A refusal in Azure's form."""
    return status, {"error": {"code": code, "message": message}}


def server(**properties: Any) -> FakeServer:
    """A server as Azure describes one that is in order, with changes."""
    return FakeServer(
        {
            "fullyQualifiedDomainName": "cdc-1.postgres.database.azure.com",
            "state": "Ready",
            "version": "17",
            "storage": {"storageSizeGB": 128, "autoGrow": "Disabled", "type": "Premium_LRS"},
            "network": {"publicNetworkAccess": "Enabled"},
            "highAvailability": {"mode": "Disabled"},
            **properties,
        }
    )


def parameter(
    value: str,
    kind: str = "Integer",
    allowed: str = "0-262143",
    *,
    static: bool = True,
    **more: Any,
) -> Json:
    """A server parameter as Azure describes it."""
    return {
        "value": value,
        "dataType": kind,
        "allowedValues": allowed,
        "isDynamicConfig": not static,
        "isReadOnly": False,
        "isConfigPendingRestart": False,
        **more,
    }


def defaults() -> dict[str, Json]:
    """The parameters of a new server, in Azure's words."""
    libraries = "pg_cron,pg_stat_statements,pglogical,pg_failover_slots"
    return {
        "wal_level": parameter("replica", "Enumeration", "replica,logical"),
        "shared_preload_libraries": parameter("pg_cron,pg_stat_statements", "Set", libraries),
        "azure.extensions": parameter("", "Set", "pglogical,uuid-ossp", static=False),
        "max_worker_processes": parameter("8"),
        "max_replication_slots": parameter("10", allowed="2-262143"),
        "max_wal_senders": parameter("10", allowed="5-100"),
        "max_connections": parameter("859", allowed="25-5000"),
        "wal_sender_timeout": parameter("60000", allowed="0-2147483647", static=False, unit="ms"),
        "work_mem": parameter("4096", allowed="4096-2097151", static=False, unit="KB"),
    }


@contextmanager
def serve() -> Iterator[FakeAzure]:
    """Answer on a port of the loopback, until the end."""
    fake = FakeAzure(servers={"cdc-1": server()})
    fake.server.parameters = defaults()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or "null")
            path = self.path.partition("?")[0].removeprefix(ROOT).removeprefix("/")
            status, content = fake.answer(Request(self.command, path, dict(self.headers), body))
            if (status, content) == CUT:
                return
            data = json.dumps(content).encode()
            length = len(data) * (2 if (status, content) == HALF else 1)
            self.send_response(status or 200)
            if status == 202:
                self.send_header("Azure-AsyncOperation", f"{fake.url}/operation")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = respond  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        fake.url = f"http://127.0.0.1:{http.server_address[1]}"
        try:
            yield fake
        finally:
            http.shutdown()
            thread.join()
