"""What counts as the same resource, when one of that name is there already; and who cannot tell."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
from tests.unit.program import run

from azure_postgres_cdc.adoption import Adoption, is_same, servers_of_stack
from azure_postgres_cdc.errors import CdcError

DECLARED: dict[str, Any] = {
    "location": "West Europe",
    "availabilityZone": "",
    "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
    "scopes": ["/subscriptions/s/resourceGroups/RG/providers/x"],
    "threshold": 80.0,
    "tags": None,
}
FOUND: dict[str, Any] = {
    "location": "westeurope",
    "availabilityZone": "1",
    "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose", "capacity": 2},
    "scopes": ["/subscriptions/s/resourcegroups/rg/providers/x"],
    "threshold": 80,
    "tags": {"team": "shop"},
    "state": "Ready",
}


def test_what_azure_adds_or_spells_in_its_own_way_makes_no_difference() -> None:
    assert is_same(DECLARED, FOUND)


@pytest.mark.parametrize(
    "other",
    [
        {"location": "northeurope"},
        {"sku": {"name": "Standard_D4ds_v5", "tier": "GeneralPurpose"}},
        {"scopes": []},
        {"scopes": ["/subscriptions/s/resourceGroups/rg/providers/y"]},
        {"threshold": 90},
    ],
)
def test_what_was_declared_otherwise_is_another_one(other: dict[str, Any]) -> None:
    assert not is_same(DECLARED, FOUND | other)


def test_whoever_cannot_look_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in a transform would be a traceback, and the plugin says in a line what it meets."""
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)

    async def refused(*_: Any) -> None:
        raise RuntimeError("no backend client is available")

    monkeypatch.setattr(pulumi.runtime, "invoke_async", refused)

    def program() -> pulumi.Output[Any]:
        options = Adoption().role({"host": "nowhere", "user": "admin", "password": "x"}, "postgres")
        [transform] = options.transforms or []
        args = pulumi.ResourceTransformArgs(
            custom=True,
            type_="postgresql:index/role:Role",
            name="psql-role",
            props={"name": "streamkap_role"},
            opts=pulumi.ResourceOptions(),
        )

        async def imported() -> str:
            result: Any = await transform(args)  # type: ignore[misc]
            return repr(result)

        return pulumi.Output.from_input(imported())

    assert run(program).outputs == "None"
    assert len(warnings) == 1
    assert re.fullmatch(
        "whether psql-role is there already, and is to be adopted, is not known: the engine does "
        "not say what stack [^ ]+ has: no backend client is available",
        warnings[0],
    )


TORN = (
    "invoke of pulumi:pulumi:readStackResourceOutputs failed: invocation of "
    "pulumi:pulumi:readStackResourceOutputs returned an error: failed to load checkpoint: EOF"
)
SERVER = "urn:pulumi:prod::shop::azure-postgres-cdc:index:CdcServer::psql"


def test_state_that_is_being_written_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state in local files, which the engine writes while the program asks for it."""
    answers = [TORN, TORN, ""]

    def torn_at_first(*_: Any) -> Any:
        reason = answers.pop(0)
        if reason:
            raise Exception(reason)
        return SimpleNamespace(value={"outputs": {SERVER: {}}})

    monkeypatch.setattr(pulumi.runtime, "invoke", torn_at_first)
    assert run(lambda: pulumi.Output.from_input(servers_of_stack())).outputs == {"psql": False}
    assert answers == []


def test_state_that_stays_unreadable_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise Exception("no backend client is available")

    monkeypatch.setattr(pulumi.runtime, "invoke", refused)

    def program() -> pulumi.Output[Any]:
        with pytest.raises(CdcError, match=r"does not say what stack .* has: no backend client"):
            servers_of_stack()
        return pulumi.Output.from_input("told")

    assert run(program).outputs == "told"
