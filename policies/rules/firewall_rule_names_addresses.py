"""No firewall rule lets in the world, or every customer of Azure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from view.declared import Declared
from view.kinds import FIREWALL_RULE, OUR_FIREWALL_RULE
from view.links import FIREWALL
from view.rule import HIGH, MANDATORY, Config, resource_rule
from view.values import text

NAME = "firewall-rule-names-addresses"


def validate(rule: Declared, config: Config) -> Iterator[str]:
    """By the number of addresses; the one rule 0.0.0.0 stands for all of Azure."""
    ours = rule.kind == OUR_FIREWALL_RULE
    keys = ("first", "last") if ours else ("startIpAddress", "endIpAddress")
    start, end = (_address(text(rule.get(key))) for key in keys)
    if start is None or end is None:
        return
    if int(end) == 0:
        if not config["allAzure"]:
            yield "0.0.0.0 lets in the services of every customer of Azure"
    elif int(end) - int(start) >= config["addresses"]:
        yield f"{start} to {end} are more than {config['addresses']:g} addresses"


def _address(words: str | None) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(words or "")
    except ValueError:
        return None


POLICY = resource_rule(
    NAME,
    title="Firewall rules name addresses",
    why="A database that the whole world may knock at is attacked as soon as it is found.",
    remedy="name the connector's addresses, which its vendor publishes, and your own",
    url=FIREWALL,
    level=MANDATORY,
    severity=HIGH,
    kinds=(FIREWALL_RULE, OUR_FIREWALL_RULE),
    validate=validate,
    config={
        "addresses": {
            "type": "number",
            "default": 65536,
            "description": "The most addresses that one rule may let in.",
        },
        "allAzure": {
            "type": "boolean",
            "default": False,
            "description": "Whether the rule 0.0.0.0, all of Azure, is accepted.",
        },
    },
)
