"""doctor on a server that ends its connections in the middle, as one that restarts does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.database.doctor_support import (
    Connector,
    ready_connector,  # noqa: F401 - a fixture
)

from azure_postgres_cdc.operations.checks import CHECKS, name_of
from azure_postgres_cdc.operations.doctor import examine

if TYPE_CHECKING:
    from tests.database.conftest import Shop

    from azure_postgres_cdc.progress import Say


@pytest.mark.parametrize("topic", ["role", "slot"])
def test_connection_that_is_lost_in_the_middle_is_all_that_is_found(
    connector: Connector, shop: Shop, topic: str
) -> None:
    """And not, for instance, that the signal table cannot be written."""
    found = examine(connector.stack(), say=cut_off(connector.user, shop, topic)).findings
    assert [(item.check, str(item.state)) for item in found] == [("connection", "failed")]
    assert found[0].evidence.startswith(
        f"the connection to database {shop.name} was lost in the check {found_first(topic)}: could "
        "not be looked at: "
    )
    assert found[0].remedy == "run doctor again; a restart or a failover may be under way"


def test_administrator_who_is_cut_off_leaves_the_rest_as_it_was(
    connector: Connector, shop: Shop
) -> None:
    before = {item.check: str(item.state) for item in connector.report().findings}
    found = examine(connector.stack(), say=cut_off(shop.server.admin_user, shop, "slot")).findings
    after = {item.check: str(item.state) for item in found}
    assert len(after) == len(found)
    assert after == before


def cut_off(user: str, shop: Shop, topic: str) -> Say:
    """Ends somebody's connections when doctor comes to a topic."""

    def say(text: str) -> None:
        if text.endswith(f": {topic}"):
            shop.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <>"
                f" pg_backend_pid() AND usename = '{user}' AND datname = '{shop.name}'",
                superuser=True,
            )

    return say


def found_first(topic: str) -> str:
    return name_of(CHECKS[topic][0])
