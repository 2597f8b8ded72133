"""The secrets beside a stack's settings: which there are, and what may be wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

SECRETS = ("adminPassword", "connectorPassword")
"""The keys beside the settings that hold a secret."""
OBJECTS = ("server", "connection", "databases")

_HASHED = re.compile(r"md5[0-9a-f]{32}|SCRAM-SHA-256\$.+")
_LIKE_A_SECRET = re.compile(r"(?:password|secret|token|credentials?|key)$", re.IGNORECASE)


def may_be_secret(key: str) -> bool:
    """Whether a key's name says that its value is not to be shown, whoever reads it."""
    return _LIKE_A_SECRET.search(key) is not None


def decoded(text: Any) -> Any:
    """A value as the engine hands it over: objects and lists as JSON, anything else as it is."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def secret_faults(given: Mapping[str, Any], secret: Collection[str]) -> Iterator[str]:
    """What is wrong. `given`: every key's value; `secret`: the keys that are encrypted."""
    for key in OBJECTS:
        if key in secret:
            yield (
                f"{key}: holds a secret, which would come back in plain text; the only secrets are "
                f"{' and '.join(SECRETS)}, top-level"
            )
    makes_server = _mapping(given.get("server")).get("management") == "create"
    if _signs_in_with_entra(given) and given.get("adminPassword") and not makes_server:
        yield "adminPassword: is given, and connection.auth: entra needs none; take it out"
    for key in SECRETS:
        if given.get(key) and key not in secret:
            yield f"{key}: is in plain text; pulumi config set --secret {key}"
    if fault := connector_password_fault(str(given.get("connectorPassword") or "")):
        yield fault


def connector_password_fault(password: str) -> str | None:
    """Why the logins would get another password than this one, if they would."""
    reason = ""
    if "\\" in password:
        reason = "holds a backslash, of which pulumi-postgresql makes two"
    elif password.upper() == "NULL":
        reason = "is the word with which pulumi-postgresql sets none"
    elif _HASHED.fullmatch(password):
        reason = "is a hash, with which nobody can log in; the connector needs the password itself"
    return f"connectorPassword: {reason}: choose another one" if reason else None


def lacks_password(given: Mapping[str, Any]) -> bool:
    """Whether the administrator's password is needed, and not there."""
    return not given.get("adminPassword") and not _signs_in_with_entra(given)


def _signs_in_with_entra(given: Mapping[str, Any]) -> bool:
    return _mapping(given.get("connection")).get("auth") == "entra"


def _mapping(value: Any) -> Mapping[str, Any]:
    found = decoded(value)
    return found if isinstance(found, Mapping) else {}
