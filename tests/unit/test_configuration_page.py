"""docs/configuration.md is what the settings' own schema says, and it says all of it."""

from __future__ import annotations

import re

import pytest
from configuration_page import PAGE, Key, every_key, page, secrets
from pydantic import ValidationError

from azure_postgres_cdc.settings import Settings

KEYS = every_key()
SECRETS = [key.path for key in secrets()]


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make docs-pages"


@pytest.mark.parametrize(("path", "key"), KEYS.items(), ids=list(KEYS))
def test_every_key_has_a_meaning_a_value_and_a_default(path: str, key: Key) -> None:
    assert len(key.meaning) > 8, path
    assert key.meaning.endswith("."), path
    assert key.kind, path
    assert key.default, path


def test_the_page_has_every_key_once() -> None:
    """In the table of the part that it belongs to, by the path that is left."""
    rows = re.findall(r"^\| `([\w.\[\]]+)` \|", page(), re.MULTILINE)
    tables = ("server", "connection", "databases")
    wanted = [path for path in KEYS if path not in tables]
    own_tables = (
        "server.create", "server.restart", "server.alerts", "server.login", "server",
        "connection", "databases[].capture", "databases[].grants", "databases[].connector",
        "databases[]",
    )  # fmt: skip
    shown = [
        next(path.removeprefix(f"{table}.") for table in own_tables if path.startswith(f"{table}."))
        for path in wanted
    ]
    assert sorted(rows) == sorted([*shown, *SECRETS])


@pytest.mark.parametrize(("path", "key"), KEYS.items(), ids=list(KEYS))
def test_a_default_that_is_written_is_the_one_of_the_schema(path: str, key: Key) -> None:
    """Where the text names `true`, `false` or a number, and the schema another, one is wrong."""
    first = key.default.strip("`").split(";")[0].split(":")[0]
    if key.schema_default is None or (first not in ("true", "false") and not first.isdigit()):
        return
    assert first == key.schema_default.strip("`"), path


def test_the_secrets_are_declared() -> None:
    assert SECRETS == ["adminPassword", "connectorPassword"]


def test_a_key_that_is_not_on_the_page_is_refused() -> None:
    with pytest.raises(ValidationError, match="colour"):
        Settings.model_validate({"colour": 1})
