"""What the rules share: reading resources of any version, with values that may not be known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pulumi_policy.proxy import UnknownValueError

_VERSION = re.compile(r"/v\d{8}(?:preview|privatepreview)?(?=:)")


def type_of(resource_type: str) -> str:
    """A type token without the API version that may be in it.

    `azure-native:dbforpostgresql/v20250801:Configuration` is the same resource as
    `azure-native:dbforpostgresql:Configuration`.
    """
    return _VERSION.sub("", resource_type)


def text(props: Mapping[str, Any], key: str) -> str | None:
    """A property as text; None where it is missing, or unknown as yet in a preview."""
    try:
        found = props[key]
    except (KeyError, UnknownValueError):
        return None
    return str(found) if found is not None else None
