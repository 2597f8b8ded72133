"""What all dynamic resources share: comparing, waiting for unknowns, faults as one line."""

from __future__ import annotations

import base64
import importlib
import pkgutil
from typing import Any

import pytest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.output import Unknown
from pulumi.runtime.rpc import UNKNOWN
from tenacity import stop_after_attempt, wait_none

import azure_postgres_cdc
from azure_postgres_cdc import dynamic
from azure_postgres_cdc.dynamic import (
    CdcProvider,
    Props,
    differing,
    has_unknowns,
    note,
    pack,
    unpack,
    warn,
)
from azure_postgres_cdc.errors import CdcError, Passing, Unreachable


class Lamp(CdcProvider):
    identity = ("room", "name")

    def resolve(self, olds: Props, news: Props) -> Props:
        if news.get("colour") == "broken":
            raise CdcError(f"the lamp {news['name']} is broken. Remedy: buy one")
        return news | {"known": sorted(olds)}

    def make(self, props: Props) -> Props:
        return props | {"made": True}

    def look(self, props: Props) -> Props | None:
        return None if props["colour"] == "gone" else props | {"colour": "seen"}


LAMP = {"room": "hall", "name": "a", "colour": "red"}


def test_only_inputs_are_compared() -> None:
    assert differing({"a": 1, "b": 2, "output": 3}, {"a": 1, "b": 2}) == []
    assert differing({"a": 1, "output": 3}, {"a": 2, "b": None}) == ["a", "b"]
    assert differing({"a": [1.0, {"x": True}]}, {"a": [1, {"x": True}]}) == []


@pytest.mark.parametrize(
    ("value", "unknown"),
    [
        (UNKNOWN, True),
        ({"a": [Unknown()]}, True),  # type: ignore[no-untyped-call]
        ({"a": {"b": [1, UNKNOWN]}}, True),
        ([[UNKNOWN]], True),
        ({"a": "plain", "b": [None, 1.5, True]}, False),
        ({}, False),
        ("", False),
    ],
)
def test_unknowns_are_found_at_any_depth(value: Any, unknown: bool) -> None:
    assert has_unknowns(value) is unknown


def test_check_completes_the_inputs() -> None:
    result = Lamp().check({"__provider": "x", "colour": "red"}, LAMP | {"__provider": "y"})
    assert result.failures == []
    assert result.inputs == LAMP | {"known": ["colour"]}


def test_check_turns_a_fault_into_a_failure_without_a_property() -> None:
    """With a property in front, Pulumi would print its value, which may be a secret."""
    result = Lamp().check({}, LAMP | {"colour": "broken"})
    assert [(item.property, item.reason) for item in result.failures] == [
        ("", "the lamp a is broken. Remedy: buy one")
    ]


def test_check_waits_for_what_is_not_known_yet() -> None:
    news = LAMP | {"colour": "broken", "host": UNKNOWN}
    result = Lamp().check({}, news)
    assert (result.inputs, result.failures) == (news, [])


def test_other_errors_of_check_are_not_swallowed() -> None:
    with pytest.raises(KeyError):
        Lamp().check({}, {"colour": "broken"})


@pytest.mark.parametrize(
    ("changes", "changed", "replaces"),
    [
        ({}, False, []),
        ({"__provider": "another"}, False, []),
        ({"colour": "blue"}, True, []),
        ({"name": "b"}, True, ["name"]),
        ({"name": "b", "room": "attic", "colour": "blue"}, True, ["room", "name"]),
        ({"new": 1}, True, []),
    ],
)
def test_diff(changes: Props, changed: bool, replaces: list[str]) -> None:
    olds = LAMP | {"made": True, "__provider": "old"}
    result = Lamp().diff("hall/a", olds, LAMP | {"__provider": "old"} | changes)
    assert (result.changes, result.replaces) == (changed, replaces)
    assert result.delete_before_replace is bool(replaces)


class Bulb(Lamp):
    unsettled = ("missing", "dust")

    def resolve(self, olds: Props, news: Props) -> Props:  # noqa: ARG002
        return news | {"missing": ["a", "b"], "dust": {}}


@pytest.mark.parametrize(
    ("found", "changed"),
    [
        ({"missing": [], "dust": {}}, False),
        # Whatever the state remembers: it may remember the very same
        ({"missing": ["a"], "dust": {}}, True),
        ({"missing": [], "dust": {"shelf": "thick"}}, True),
        ({"missing": [], "dust": False}, False),
        ({"missing": None}, False),
        ({}, False),
    ],
)
def test_what_is_still_to_be_done_is_a_change(found: Props, changed: bool) -> None:
    result = Bulb().diff("hall/a", LAMP | found, LAMP | found)
    assert (result.changes, result.replaces) == (changed, [])


def test_what_has_been_done_meanwhile_is_a_change_once() -> None:
    """The state still says what was missing; `update` writes that nothing is."""
    before: Props = LAMP | {"missing": ["a"]}
    now: Props = LAMP | {"missing": []}
    assert Bulb().diff("hall/a", before, now).changes is True
    assert Bulb().diff("hall/a", now, now).changes is False


def test_what_is_still_to_be_done_is_looked_up_by_check() -> None:
    inputs = Bulb().check({}, LAMP).inputs
    assert inputs == LAMP | {"missing": ["a", "b"], "dust": {}}
    assert Bulb().diff("hall/a", LAMP | {"missing": ["a", "b"], "dust": {}}, inputs).changes


def test_create_read_update_and_delete_hide_pulumi_s_own_property() -> None:
    own = {"__provider": "x"}
    created = Lamp().create(LAMP | own)
    assert (created.id, created.outs) == ("hall/a", LAMP | {"made": True})
    read = Lamp().read("hall/a", LAMP | own)
    assert (read.id, read.outs) == ("hall/a", LAMP | {"colour": "seen"})
    updated = Lamp().update("hall/a", LAMP | own | {"made": True}, LAMP | {"colour": "blue"})
    assert updated.outs == LAMP | {"made": True, "colour": "blue"}
    Lamp().delete("hall/a", LAMP | own)


def test_what_is_gone_has_no_id() -> None:
    read = Lamp().read("hall/a", LAMP | {"colour": "gone"})
    assert (read.id, read.outs) == ("", {})


def test_warnings_go_to_the_stream_that_pulumi_shows(capsys: pytest.CaptureFixture[str]) -> None:
    warn(["one", "two"])
    note("three")
    assert capsys.readouterr().err == "warning: one\nwarning: two\nthree\n"


def providers() -> list[type[CdcProvider]]:
    for module in pkgutil.walk_packages(azure_postgres_cdc.__path__, "azure_postgres_cdc."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, todo = set[type[CdcProvider]](), list(CdcProvider.__subclasses__())
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        if kind.__module__.startswith("azure_postgres_cdc.") and not kind.__subclasses__():
            found.add(kind)
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", providers(), ids=lambda kind: kind.__name__)
def test_providers_are_pickled_by_reference_and_hold_nothing(kind: type[CdcProvider]) -> None:
    """So that a state holds neither code nor a secret, and an edit of the code is no diff."""
    provider = kind()
    assert vars(provider) == {}
    assert provider.serialize_as_secret_always is False
    pickled = base64.b64decode(serialize_provider(provider))
    assert len(pickled) < 200
    assert kind.__module__.encode() in pickled


# Packed properties


class Listing(CdcProvider):
    identity = ("name",)
    packed = ("tables",)
    unsettled = ("todo",)

    def resolve(self, olds: Props, news: Props) -> Props:
        assert isinstance(olds.get("tables", []), list)
        assert isinstance(news["tables"], list)
        return news | {"tables": sorted(news["tables"])}

    def make(self, props: Props) -> Props:
        assert isinstance(props["tables"], list)
        return props

    def look(self, props: Props) -> Props:
        return props | {"tables": [*props["tables"], "c"]}


def test_packed_property_travels_as_text_and_is_a_list_for_the_provider() -> None:
    provider = Listing()
    inputs = provider.check({}, {"name": "x", "tables": pack(["b", "a"])}).inputs
    assert inputs == {"name": "x", "tables": '["a", "b"]'}
    assert provider.create(inputs).outs == inputs
    assert not provider.diff("x", inputs, inputs).changes
    assert provider.update("x", inputs, {"tables": '["d"]'}).outs == {
        "name": "x",
        "tables": '["d"]',
    }
    assert provider.read("x", inputs).outs == {"name": "x", "tables": '["a", "b", "c"]'}


def test_list_of_an_older_state_is_understood() -> None:
    old = {"name": "x", "tables": ["a"]}
    assert Listing().check(old, {"name": "x", "tables": '["a"]'}).inputs["tables"] == '["a"]'
    assert Listing().diff("x", old, {"name": "x", "tables": '["a"]'}).changes


def test_what_is_unknown_or_null_is_not_packed() -> None:
    assert pack(None) is None
    assert unpack(None) is None
    assert pack(pack(["a"])) == '["a"]'


# What goes by


class Flickering(Lamp):
    """Fails a number of times before it does what it should."""

    def make(self, props: Props) -> Props:
        if props["faults"]:
            raise props["faults"].pop()
        return props | {"made": True}

    def change(self, olds: Props, news: Props) -> Props:
        return olds | self.make(news)

    def remove(self, props: Props) -> None:
        self.make(props)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic._patiently, "wait", wait_none())
    monkeypatch.setattr(dynamic._patiently, "stop", stop_after_attempt(3))


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_what_goes_by_is_tried_again(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    faults = [Unreachable("no answer. Remedy: wait"), Passing("a race. Remedy: again")]
    props = LAMP | {"faults": faults}
    arguments = {"create": (props,), "update": ("a", LAMP, props), "delete": ("a", props)}
    getattr(Flickering(), action)(*arguments[action])
    assert faults == []
    assert capsys.readouterr().err == "a race; trying again\nno answer; trying again\n"


@pytest.mark.usefixtures("hurried")
def test_what_does_not_go_by_is_told() -> None:
    faults: list[CdcError] = [CdcError("the first"), CdcError("broken"), Passing("a race")]
    with pytest.raises(CdcError, match=r"^broken$"):
        Flickering().create(LAMP | {"faults": faults})
    assert len(faults) == 1
    with pytest.raises(Passing, match=r"^a race$"):
        Flickering().create(LAMP | {"faults": [Passing("a race")] * 5})
