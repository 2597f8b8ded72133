"""A password that is made once: random, and of the kinds of characters that Azure wants."""

from __future__ import annotations

import re

import pytest

from azure_postgres_cdc.database.role import GeneratedPasswordProvider


def made() -> str:
    outputs = GeneratedPasswordProvider().create({"user": "streamkap_user"}).outs
    assert outputs is not None
    assert outputs["user"] == "streamkap_user"
    return str(outputs["password"])


def test_passwords_are_long_and_differ_and_need_no_quoting() -> None:
    passwords = {made() for _ in range(200)}
    assert len(passwords) == 200
    for password in passwords:
        assert re.fullmatch(r"[\w-]{32}", password, re.ASCII)
        for kind in ("[a-z]", "[A-Z]", "[0-9]"):
            assert re.search(kind, password)


def test_password_of_one_kind_of_characters_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["only_lower_case", "Upper_and_lower", "UPPER_1", "Upper_lower_1", "unused"])
    monkeypatch.setattr("secrets.token_urlsafe", lambda _size: next(drawn))
    assert made() == "Upper_lower_1"
    assert next(drawn) == "unused"


def test_password_stays_when_it_is_looked_at_or_changed() -> None:
    kept = {"user": "streamkap_user", "password": "the-password"}
    provider = GeneratedPasswordProvider()
    assert provider.read("id", kept).outs == kept
    assert provider.update("id", kept, {"user": "streamkap_user"}).outs == kept
    assert provider.diff("id", kept, {"user": "streamkap_user"}).changes is False
    assert provider.diff("id", kept, {"user": "another"}).replaces == ["user"]
