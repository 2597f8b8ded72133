"""Connectors whose settings the stack knows: its outputs, or resources of Streamkap's provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from view import kinds
from view.declared import Declared
from view.values import UNKNOWN, text, truth

# The words of this project's form, of Streamkap's Terraform provider and of Debezium.
_SLOT = ("replicationSlotName", "slotName", "slot_name", "slot.name")
_PUBLICATION = ("publicationName", "publication_name", "publication.name")
_TLS = ("sslMode", "databaseSslmode", "database_sslmode", "database.sslmode")
_USER = ("username", "databaseUser", "database_user", "database.user")
_DATABASE = ("database", "databaseDbname", "database_dbname", "database.dbname")
_READ_ONLY = ("readOnly", "snapshotReadOnly", "snapshot_read_only", "read.only")
_DEFAULTS = {_SLOT: "streamkap_pgoutput_slot", _PUBLICATION: "streamkap_pub"}


@dataclass(frozen=True)
class Connector:
    """What goes into a connector's form. None where that is not known."""

    label: str
    urn: str
    database: str | None
    user: str | None
    slot: str | None
    publication: str | None
    tls: str | None
    read_only: bool | None


def connectors_of(resources: Sequence[Declared]) -> list[Connector]:
    """Every connector of a stack."""
    found = []
    for resource in resources:
        if resource.kind == kinds.CONNECTOR:
            found.append(_connector(resource.properties, resource.name, resource.urn))
        elif resource.kind == kinds.STACK:
            for name, value in resource.properties.items():
                found += [
                    _connector(form, f"{name}[{index}]", "")
                    for index, form in enumerate(_forms(value))
                ]
    return found


def _forms(value: Any) -> Iterator[Mapping[str, Any]]:
    """The forms in an output: one, or a list or an object of them."""
    if isinstance(value, Mapping):
        if any(key in value for key in (*_SLOT, *_PUBLICATION)):
            yield value
            return
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        if isinstance(item, Mapping):
            yield from _forms(item)


def _connector(settings: Mapping[str, Any], label: str, urn: str) -> Connector:
    def known(keys: tuple[str, ...]) -> str | None:
        found = next((settings[key] for key in keys if settings.get(key) is not None), None)
        if found is None:
            return _DEFAULTS.get(keys)
        return None if found is UNKNOWN else text(found)

    return Connector(
        f"connector {label}",
        urn,
        known(_DATABASE),
        known(_USER),
        known(_SLOT),
        known(_PUBLICATION),
        known(_TLS),
        truth(known(_READ_ONLY)),
    )
