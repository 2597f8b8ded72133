"""Who may reach the server: firewall rules, what is wrong with them, and the way in otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.dynamic import ReadResult, UpdateResult
from tests.unit.fake_azure import PATH, FakeAzure, server

from azure_postgres_cdc.azure.network import (
    SSH_TUNNEL,
    FirewallRuleProvider,
    access,
    address_range,
    firewall_fault,
    network_of,
)
from azure_postgres_cdc.dynamic import Props

NETWORK = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet-cdc"
OFFICE = {"serverId": PATH, "name": "office", "first": "203.0.113.1", "last": "203.0.113.9"}

rule = FirewallRuleProvider()


def looked_at(olds: Props | None = None, **changes: str) -> Props:
    """The inputs as `check` completes them."""
    result = rule.check(olds or {}, OFFICE | changes)
    assert result.failures == []
    return result.inputs


def made() -> Props:
    """The outputs of the rule, which is there."""
    outputs = rule.create(OFFICE).outs
    assert outputs is not None
    return outputs


def state(result: ReadResult | UpdateResult) -> object:
    """Whether something is still to be done, as the state remembers it."""
    assert result.outs is not None
    return result.outs["isMissing"]


def refused(olds: Props | None = None, **changes: str) -> str:
    """Why `check` does not let `up` go on."""
    (failure,) = rule.check(olds or {}, OFFICE | changes).failures
    assert failure.property == ""
    return failure.reason


# Addresses


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("203.0.113.7", {"first": "203.0.113.7", "last": "203.0.113.7"}),
        (
            {"first": "203.0.113.1", "last": "203.0.113.9"},
            {"first": "203.0.113.1", "last": "203.0.113.9"},
        ),
    ],
)
def test_one_address_is_both_ends(value: Any, addresses: dict[str, str]) -> None:
    assert address_range(value) == addresses
    assert firewall_fault("office", value) == ""


@pytest.mark.parametrize("name", ["a", "Office_1", "a.b-c", "x" * 128])
def test_names_that_azure_takes(name: str) -> None:
    assert firewall_fault(name, "203.0.113.7") == ""


@pytest.mark.parametrize("name", ["", "two words", "büro", "a/b", "x" * 129, "a\n"])
def test_names_that_azure_does_not_take(name: str) -> None:
    assert firewall_fault(name, "203.0.113.7") == (
        f"firewall rule {name!r}: a name has letters, digits, -, _ and . (Azure's rule)"
    )


@pytest.mark.parametrize(
    "value",
    [
        "",
        "203.0.113",
        "203.0.113.256",
        "203.0.113.0/24",
        "2001:db8::1",
        "db.example",
        "203.0.113.007",
        {"first": "203.0.113.1"},
        {"first": "203.0.113.1", "last": ""},
        {},
        None,
    ],
)
def test_only_ipv4_addresses_are_addresses(value: Any) -> None:
    assert firewall_fault("office", value) == (
        f"firewall rule office: {value!r} is no IPv4 address, nor first and last of a range"
    )


def test_range_goes_upwards() -> None:
    wrong: Any = {"first": "203.0.113.10", "last": "203.0.113.9"}
    assert firewall_fault("office", wrong) == (
        "firewall rule office: first 203.0.113.10 is above last 203.0.113.9"
    )


def test_the_whole_internet_is_refused() -> None:
    everybody: Any = {"first": "0.0.0.0", "last": "255.255.255.255"}  # noqa: S104
    assert firewall_fault("all", everybody) == (
        "firewall rule all lets in the whole internet: name the connector's addresses, which its "
        "vendor publishes"
    )
    half: Any = {"first": "0.0.0.0", "last": "127.255.255.255"}  # noqa: S104
    assert firewall_fault("half", half) == ""


# The rule itself


def test_missing_rule_is_made_and_a_right_one_left_alone(azure: FakeAzure) -> None:
    assert looked_at()["isMissing"] is True
    outputs = made()
    assert outputs == OFFICE | {"isMissing": False}
    assert azure.server.firewall_rules == {"office": ("203.0.113.1", "203.0.113.9")}
    assert looked_at(outputs)["isMissing"] is False
    rule.create(OFFICE)
    assert azure.changes == ["PUT cdc-1/firewallRules/office"]


def test_rule_that_somebody_changed_is_seen_and_set_right(azure: FakeAzure) -> None:
    outputs = made()
    azure.server.firewall_rules["office"] = ("203.0.113.1", "203.0.113.1")
    news = looked_at(outputs)
    assert news["isMissing"] is True
    assert rule.diff("", outputs, news).changes is True
    assert state(rule.read("", outputs)) is True
    assert state(rule.update("", outputs, news)) is False
    assert azure.server.firewall_rules["office"] == ("203.0.113.1", "203.0.113.9")


def test_rule_that_somebody_deleted_is_made_again(azure: FakeAzure) -> None:
    outputs = made()
    azure.server.firewall_rules.clear()
    assert rule.read("id", outputs).id == "id"
    news = looked_at(outputs)
    assert rule.diff("", outputs, news).changes is True
    rule.update("", outputs, news)
    assert azure.server.firewall_rules == {"office": ("203.0.113.1", "203.0.113.9")}


def test_rule_of_somebody_else_s_is_not_overwritten(azure: FakeAzure) -> None:
    azure.server.firewall_rules["office"] = ("198.51.100.1", "198.51.100.2")
    assert refused() == (
        "server cdc-1 has a firewall rule office already, for 198.51.100.1 to 198.51.100.2. "
        "Remedy: give yours another name, or delete that one"
    )
    # The same addresses are the same rule
    azure.server.firewall_rules["office"] = ("203.0.113.1", "203.0.113.9")
    assert looked_at()["isMissing"] is False


@pytest.mark.usefixtures("azure")
def test_addresses_change_in_place_and_a_name_does_not() -> None:
    outputs = made()
    moved = rule.diff("", outputs, looked_at(outputs, last="203.0.113.99"))
    assert (moved.changes, moved.replaces) == (True, [])
    renamed = rule.diff("", outputs, looked_at(outputs, name="home"))
    assert (renamed.replaces, renamed.delete_before_replace) == (["name"], True)


def test_rule_is_deleted_once(azure: FakeAzure) -> None:
    outputs = made()
    for _ in range(2):
        rule.delete("", outputs)
    assert azure.server.firewall_rules == {}
    assert azure.changes.count("DELETE cdc-1/firewallRules/office") == 1


def test_server_in_a_virtual_network_has_no_rules(azure: FakeAzure) -> None:
    azure.servers["cdc-1"] = server(network={"delegatedSubnetResourceId": f"{NETWORK}/subnets/a"})
    assert refused() == (
        "firewall rule office: server cdc-1 is in a virtual network, where Azure has no firewall "
        "rules. Remedy: take server.firewallRules out; let the connector in through the network's "
        "own rules (a security group), a peering, or an SSH tunnel (connector.ssh)"
    )
    assert azure.changes == []


def test_rule_of_a_server_without_public_access_is_warned_of(
    azure: FakeAzure, capsys: pytest.CaptureFixture[str]
) -> None:
    azure.servers["cdc-1"] = server(network={"publicNetworkAccess": "Disabled"})
    looked_at()
    assert capsys.readouterr().err == (
        "warning: firewall rule office lets nobody in: server cdc-1 has no public access, and is "
        "reached through its private endpoints (connector.ssh)\n"
    )


def test_letting_in_all_of_azure_is_warned_of(
    azure: FakeAzure, capsys: pytest.CaptureFixture[str]
) -> None:
    looked_at(first="0.0.0.0", last="0.0.0.0")  # noqa: S104
    assert capsys.readouterr().err == (
        "warning: firewall rule office lets in every service of every Azure customer, not only "
        "yours: name the connector's addresses\n"
    )
    looked_at()
    assert capsys.readouterr().err == ""
    assert azure.changes == []


# The way in


def test_private_server_is_told_how_to_tunnel() -> None:
    assert access({"a": "203.0.113.7"}, private=True) == {
        "access": "private",
        "sshTunnel": SSH_TUNNEL,
    }


def test_the_tunnel_is_the_page_s() -> None:
    for word in ("streamkap", "public key", "AllowTcpForwarding", "Connect via SSH Tunnel"):
        assert word in SSH_TUNNEL


def test_rules_are_told_by_name() -> None:
    rules: Any = {"b": "203.0.113.7", "a": {"first": "203.0.113.1", "last": "203.0.113.2"}}
    found = access(rules, private=False)
    assert found["access"] == "public"
    assert found["firewallRules"] == {
        "a": {"first": "203.0.113.1", "last": "203.0.113.2"},
        "b": {"first": "203.0.113.7", "last": "203.0.113.7"},
    }
    assert list(found["firewallRules"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("subnet", "network"),
    [
        (f"{NETWORK}/subnets/databases", NETWORK),
        (f"{NETWORK.replace('virtualNetworks', 'VirtualNetworks')}/Subnets/x", None),
        (NETWORK, ""),
        (f"{NETWORK}/subnets/", ""),
        (f"{NETWORK}/subnets/a/b", ""),
        (f"x{NETWORK}/subnets/a", ""),
        ("databases", ""),
        ("", ""),
    ],
)
def test_network_that_a_subnet_is_in(subnet: str, network: str | None) -> None:
    assert network_of(subnet) == (subnet.rpartition("/Subnets/")[0] if network is None else network)
