"""How a command gets at a stack: what `pulumi up` has put out, and the settings it ran with.

Both come from the engine, as whoever may run `pulumi up` in this place. The secrets travel through
a pipe and stay in this process.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from azure_postgres_cdc.azure.client import FlexibleServer, ServerId
from azure_postgres_cdc.connector import uploaded
from azure_postgres_cdc.database.connection import ENTRA
from azure_postgres_cdc.dynamic import unpack
from azure_postgres_cdc.errors import CdcError, InvalidSettings
from azure_postgres_cdc.names import HEARTBEAT_TABLE, SIGNAL_TABLE, TableName, listed
from azure_postgres_cdc.operations import engine
from azure_postgres_cdc.plan import Plan
from azure_postgres_cdc.secret_settings import SECRETS, decoded
from azure_postgres_cdc.server_args import NONE
from azure_postgres_cdc.settings import Settings, parse

PROJECT_FILE = "Pulumi.yaml"
_ASK_STORAGE = (
    "look at the free storage where the server is run; azure-postgres-cdc watch takes its size "
    "with --storage-gib"
)
_SUBSCRIPTION_KEY = "azure-native:subscriptionId"
_SUBSCRIPTION_VARIABLE = "ARM_SUBSCRIPTION_ID"


@dataclass(frozen=True)
class Form:
    """What `pulumi up` has put out for one connector's form."""

    name: str
    hostname: str
    port: int
    username: str
    password: str
    database: str
    ssl_mode: str
    slot: str
    publication: str
    read_only: bool
    signal_schema: str | None
    heartbeats: bool
    heartbeat_schema: str | None
    prefix_with_database_name: bool
    binary_handling: str
    ssh_host: str | None
    """None without an SSH tunnel."""
    ssh_port: int
    ssh_user: str
    schemas: tuple[str, ...]
    """The captured schemas."""
    tables: tuple[str, ...]
    """The published tables when `up` last ran, without SQL's quotes."""
    columns: Mapping[TableName, tuple[str, ...]] = field(hash=False)
    """Of tables with a column list, the published columns."""
    row_filters: Mapping[TableName, str] = field(hash=False)
    """Of tables with a row filter, the condition of the published rows."""

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Form:
        """Read a form out of the stack's output `connectors`."""
        ssh = fields.get("ssh") or {}
        return cls(
            name=fields.get("name", fields["database"]),
            hostname=fields["hostname"],
            port=int(fields["port"]),
            username=fields["username"],
            password=fields["password"],
            database=fields["database"],
            ssl_mode=fields["sslMode"],
            slot=fields["replicationSlotName"],
            publication=fields["publicationName"],
            read_only=fields["readOnly"] == "Yes",
            signal_schema=fields.get("signalTableSchema"),
            heartbeats=fields.get("heartbeats", True),
            heartbeat_schema=fields.get("heartbeatTableSchema"),
            prefix_with_database_name=fields.get("prefixWithDatabaseName", False),
            binary_handling=fields.get("representBinaryDataAs", "bytes"),
            ssh_host=ssh.get("host"),
            ssh_port=int(ssh.get("port", 22)),
            ssh_user=ssh.get("user", "streamkap"),
            schemas=tuple(fields.get("schemas") or ()),
            tables=uploaded(fields.get("tables") or ""),
            columns={
                TableName.parse(name): tuple(columns)
                for name, columns in (fields.get("columns") or {}).items()
            },
            row_filters={
                TableName.parse(name): text
                for name, text in (fields.get("rowFilters") or {}).items()
            },
        )

    @property
    def connection(self) -> dict[str, Any]:
        """How the connector logs in."""
        return {
            "host": self.hostname,
            "port": self.port,
            "user": self.username,
            "password": self.password,
            "sslMode": self.ssl_mode,
        }

    @property
    def signal_table(self) -> TableName | None:
        """None with read-only snapshots."""
        return TableName(self.signal_schema, SIGNAL_TABLE) if self.signal_schema else None

    @property
    def heartbeat_table(self) -> TableName | None:
        """None where the stack makes none."""
        return TableName(self.heartbeat_schema, HEARTBEAT_TABLE) if self.heartbeat_schema else None

    @property
    def own_tables(self) -> frozenset[TableName]:
        """The tables that the connector itself writes to."""
        return frozenset(filter(None, (self.signal_table, self.heartbeat_table)))


@dataclass(frozen=True)
class Stack:
    """A stack that was up: its connectors' forms, and the settings that it has now."""

    name: str
    root: Path
    """The project's root: `tablesFile` is relative to it."""
    forms: tuple[Form, ...]
    settings: Settings
    admin_password: str
    subscription: str
    """Azure's; empty where nothing says it."""
    config_dir: Path = Path()
    """Where the stacks' files are."""
    export: Callable[[], Mapping[str, Any]] = dict
    """Asks the engine for the state, as `pulumi stack export` shows it."""

    def plans(self) -> dict[tuple[str, str], Plan]:
        """What the settings want of each connector, by database and slot."""
        administrator = self.settings.connection.user
        plans: dict[tuple[str, str], Plan] = {}
        for database, connectors in self.settings.connectors_by_database(self.root).items():
            for connector in connectors:
                plan = Plan.of(connector, administrator)
                plans[database, plan.slot] = plan
        return plans

    def forms_of(self, database: str | None, slot: str | None = None) -> list[Form]:
        """The forms of one database, or of all. Raises a CdcError where there is none."""
        found = [
            form
            for form in self.forms
            if database in (None, form.database) and slot in (None, form.slot)
        ]
        if not found:
            known = listed(f"{form.database} (slot {form.slot})" for form in self.forms)
            if not self.forms:
                raise CdcError(
                    f"stack {self.name} was up with no database, and so has no connector. Remedy: "
                    "list what is captured in databases, and run pulumi up"
                )
            wanted = " ".join(
                f"{option} {value}"
                for option, value in (("--database", database), ("--slot", slot))
                if value
            )
            raise CdcError(
                f"stack {self.name} has no connector for {wanted}; it has {known}. "
                "Remedy: check the name, or run pulumi up first"
            )
        return found

    def form_of(self, database: str | None, slot: str | None = None) -> Form:
        """The one form that is meant. Raises a CdcError where it is none, or several."""
        forms = self.forms_of(database, slot)
        if len(forms) > 1:
            found = listed(f"{form.database} (slot {form.slot})" for form in forms)
            raise CdcError(
                f"stack {self.name} has several connectors: {found}. Remedy: choose one with "
                "--database, and with --slot where a database has several"
            )
        return forms[0]

    def attached(self, form: Form) -> list[str] | None:
        """The partitions of a form's tables that the last `up` knew as attached
        (`attached_partitions.py`); None where it has not looked. Raises a CdcError where the engine
        does not tell."""
        for resource in self._resources:
            found = resource.get("inputs", {})
            name = found.get("database"), found.get("name")
            if name == (form.database, form.publication) and "attached" in found:
                return list(unpack(found["attached"]))
        return None

    @cached_property
    def _resources(self) -> list[Mapping[str, Any]]:
        return list((self.export().get("deployment") or {}).get("resources", ()))

    def administrator(self, form: Form) -> dict[str, Any]:
        """How the administrator logs in to the server of a form."""
        return self.administrator_at(form.hostname)

    def administrator_at(self, host: str) -> dict[str, Any]:
        """How the administrator logs in. `host` counts where the settings name none."""
        given = self.settings.connection
        login: dict[str, Any] = {
            "host": given.host or host,
            "port": given.port,
            "user": given.user,
            "sslMode": given.sslMode,
            "sslRootCert": given.sslRootCert,
        }
        if given.auth == ENTRA:
            return login | {"auth": ENTRA}
        return login | {"password": self.admin_password}

    @property
    def server_in_azure(self) -> FlexibleServer:
        """The server, to be asked of Azure. Raises a CdcError where it cannot be."""
        server = self.settings.server
        if server.management == NONE:
            raise CdcError("management: none leaves Azure alone")
        if not self.subscription:
            raise CdcError(
                f"no subscription is set (server.subscription, {_SUBSCRIPTION_KEY} or, in the "
                f"environment, {_SUBSCRIPTION_VARIABLE})"
            )
        where = ServerId(self.subscription, server.resourceGroup or "", server.name or "")
        return FlexibleServer(where)

    @cached_property
    def storage_bytes(self) -> int:
        """The size of the server's storage, asked of Azure once. Raises a CdcError with the reason
        where it is not to be known."""
        unknown = "how large the storage is, is not known"
        try:
            server = self.server_in_azure
        except CdcError as reason:
            raise CdcError(f"{unknown}: {reason}. Remedy: {_ASK_STORAGE}") from None
        found = server.facts().storage_gib
        if not found:
            raise CdcError(f"{unknown}: Azure does not say. Remedy: {_ASK_STORAGE}")
        return found * 1024**3


def load(name: str, project: Path | None, *, was_up: bool = True) -> Stack:
    """Read a stack through the engine. Raises a CdcError of one line where it cannot be read.

    `was_up`: whether it has to have been.
    """
    if not name.strip():
        raise CdcError(
            "--stack is empty, and pulumi would take the stack that is selected. Remedy: give its "
            "name"
        )
    folder = project_folder(project)
    description = description_of(folder)
    pulumi = _Engine(folder, name)
    outputs = pulumi.ask("stack", "output")
    config = pulumi.ask("config")
    root = (folder / description.get("main", "stacks")).resolve().parent
    namespace = description["name"]
    settings, faults = parse(_values(config, namespace), root)
    if settings is None or faults:
        raise InvalidSettings(f"Pulumi.{name}.yaml", faults)
    forms = outputs.get("connectors", None if was_up else [])
    if forms is None:
        raise CdcError(
            f"stack {name} has no output `connectors`: it was not up yet, or not to its end. "
            "Remedy: run pulumi up"
        )
    return Stack(
        name=name,
        root=root,
        forms=tuple(Form.parse(fields) for fields in forms),
        settings=settings,
        admin_password=config.get(f"{namespace}:adminPassword", {}).get("value", ""),
        subscription=_subscription(settings, config),
        config_dir=folder / description.get("stackConfigDir", "."),
        export=lambda: pulumi.ask("stack", "export", options=()),
    )


class _Engine:
    """Pulumi, asked for what it knows of one stack."""

    def __init__(self, folder: Path, stack: str) -> None:
        self._folder = folder
        self._stack = stack
        self._pulumi = engine.find(folder)

    def ask(
        self, *command: str, options: Sequence[str] = ("--json", "--show-secrets")
    ) -> dict[str, Any]:
        """What a command answers as JSON, by default with the secrets in plain text."""
        options = [*options, "--stack", self._stack, "--non-interactive"]
        result = subprocess.run(
            [self._pulumi, *command, *options],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "1"},
        )
        if result.returncode:
            lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
            reason = lines[0].removeprefix("error: ") if lines else result.stderr.strip()
            raise CdcError(
                f"stack {self._stack} cannot be read: {' '.join(reason.split())}. Remedy: check "
                "--stack, and run this where pulumi up runs, with the same login and passphrase"
            )
        answer: dict[str, Any] = json.loads(result.stdout or "{}")
        return answer


def project_folder(given: Path | None) -> Path:
    """The folder of Pulumi.yaml: the given one, or the nearest upwards."""
    start = (given or Path.cwd()).resolve()
    for folder in (start,) if given else (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    where = f"{start} has no {PROJECT_FILE}" if given else f"no {PROJECT_FILE} here or above"
    raise CdcError(f"{where}. Remedy: give the project's folder with --project")


def description_of(folder: Path) -> dict[str, Any]:
    """What Pulumi.yaml says. Raises a CdcError where it says nothing."""
    try:
        found = yaml.safe_load((folder / PROJECT_FILE).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict) or "name" not in found:
        raise CdcError(f"{folder / PROJECT_FILE} is no description of a Pulumi project")
    return found


def _values(config: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """The project's own settings by key, without the secrets."""
    prefix = f"{namespace}:"
    return {
        key.removeprefix(prefix): item.get("objectValue", decoded(item.get("value")))
        for key, item in config.items()
        if key.startswith(prefix) and key.removeprefix(prefix) not in SECRETS
    }


def _subscription(settings: Settings, config: Mapping[str, Any]) -> str:
    configured = config.get(_SUBSCRIPTION_KEY, {}).get("value")
    found = settings.server.subscription or configured or os.environ.get(_SUBSCRIPTION_VARIABLE)
    return str(found or "")
