"""The firewall rules of one server: ranges of IPv4 addresses that may reach it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from azure_postgres_rehearsal.azure_api.checks import only, part, text
from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_parameter, not_found
from azure_postgres_rehearsal.azure_api.operations import (
    FIREWALL_RULE_DELETE,
    FIREWALL_RULE_WRITE,
    Json,
    Operation,
)
from azure_postgres_rehearsal.azure_api.resource_types import FIREWALL_RULES
from azure_postgres_rehearsal.azure_api.turn import Turn

_NAME = re.compile(r"[-\w.]{1,128}", re.ASCII)


class FirewallRules:
    """What is allowed in. Nothing keeps an address out of the embedded PostgreSQL for real."""

    def __init__(self, server_id: str, turn: Turn, is_in_virtual_network: Callable[[], bool]):
        self._server_id = server_id
        self._turn = turn
        self._is_in_virtual_network = is_in_virtual_network
        self._rules: dict[str, Json] = {}

    def as_list(self) -> list[Json]:
        """Every rule, as the API lists them."""
        return list(self._rules.values())

    def as_json(self, name: str) -> Json:
        """One rule as the API shows it."""
        try:
            return self._rules[name.lower()]
        except KeyError:
            group = self._server_id.split("/")[4]
            raise not_found(f"{self._type}/{name}", group) from None

    def write(self, name: str, body: Json) -> Operation:
        """Add a rule or change it, as PUT does."""
        self._refuse_in_virtual_network()
        _check_name(name)
        addresses = _addresses(body)
        rule = {
            "id": f"{self._server_id}/firewallRules/{name}",
            "name": name,
            "type": FIREWALL_RULES,
            "properties": addresses,
        }
        return self._turn.run(
            FIREWALL_RULE_WRITE,
            f"{name}={addresses['startIpAddress']}-{addresses['endIpAddress']}",
            lambda: self._rules.update({name.lower(): rule}),
            lambda: self.as_json(name),
        )

    def delete(self, name: str) -> Operation | None:
        """Remove a rule; nothing where there is none."""
        self._refuse_in_virtual_network()
        if name.lower() not in self._rules:
            return None
        return self._turn.run(FIREWALL_RULE_DELETE, name, lambda: self._remove(name))

    def _remove(self, name: str) -> None:
        del self._rules[name.lower()]

    @property
    def _type(self) -> str:
        return f"Microsoft.DBforPostgreSQL/flexibleServers/{self._turn.server}/firewallRules"

    def _refuse_in_virtual_network(self) -> None:
        if self._is_in_virtual_network():
            raise ApiError(
                400,
                "InvalidOperation",
                "Firewall rule operations cannot be requested for a private access enabled "
                f"server: '{self._turn.server}' is in a virtual network.",
            )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid_parameter(
            "firewallRuleName",
            f"'{name}' is not 1 to 128 letters, digits, underscores, hyphens and periods.",
        )


def _addresses(body: Json) -> dict[str, str]:
    only(body, ("properties",), "a firewall rule")
    properties = part(body, "properties")
    only(properties, ("startIpAddress", "endIpAddress"), "a firewall rule")
    start, end = (_address(properties, name) for name in ("startIpAddress", "endIpAddress"))
    if start > end:
        raise invalid_parameter("startIpAddress", f"{start} is after endIpAddress, {end}.")
    return {"startIpAddress": str(start), "endIpAddress": str(end)}


def _address(properties: Json, name: str) -> ipaddress.IPv4Address:
    value = text(properties, name)
    try:
        return ipaddress.IPv4Address(value)
    except ValueError:
        raise invalid_parameter(name, f"'{value}' is not an IPv4 address.") from None
