"""What most modules here begin with. One that needs another has a fixture of the same name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from server_fault_support import one_server

from azure_postgres_rehearsal.azure_api import EmulatedAzure
from azure_postgres_rehearsal.embedded import EmbeddedPostgres


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL for a module."""
    with EmbeddedPostgres(17) as server:
        yield server


@pytest.fixture
def azure(postgres: EmbeddedPostgres) -> Iterator[EmulatedAzure]:
    """An Azure with one server in front of it, at Azure's defaults."""
    with one_server(postgres) as emulated:
        yield emulated
