"""The names that Microsoft.Network takes, and its words for those it does not."""

from __future__ import annotations

import re

from azure_postgres_rehearsal.azure_api.errors import ApiError

_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)
_LABELS = range(2, 35)


def check_name(name: str, longest: int, shortest: int = 1) -> None:
    """Refuse what is no name of an endpoint, a connection, a link or a zone group."""
    if not shortest <= len(name) <= longest or not _WORD.fullmatch(name):
        raise ApiError(
            400,
            "InvalidResourceName",
            f"Resource name {name} is invalid. The name can be up to {longest} characters long. It "
            "must begin with a word character, and it must end with a word character or with "
            "'_'. The name may contain word characters or '.', '-', '_'.",
        )


def check_zone_name(name: str) -> None:
    """Refuse what is no name of a private DNS zone."""
    labels = name.split(".")
    if len(labels) not in _LABELS or not all(map(_LABEL.fullmatch, labels)):
        raise ApiError(
            400,
            "BadRequest",
            f"The DNS zone name '{name}' is invalid: 2 to 34 labels of 1 to 63 letters, digits, "
            "underscores and inner hyphens.",
        )
