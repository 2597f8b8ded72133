"""The stack that is running, by the names under which it is known."""

from __future__ import annotations

import pulumi


def name() -> str:
    """`project/stack`."""
    return f"{pulumi.get_project()}/{pulumi.get_stack()}"


def full_name() -> str:
    """`organization/project/stack`, as the engine shows it."""
    return f"{pulumi.get_organization()}/{name()}"
