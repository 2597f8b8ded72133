"""Nothing here needs a server of Azure's or of PostgreSQL's."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

with warnings.catch_warnings():
    # pulumi_postgresql warns of its own old names when it is imported for the first time.
    warnings.simplefilter("ignore", DeprecationWarning)
    import pulumi_postgresql  # noqa: F401

from tests.unit import fake_azure
from tests.unit.fake_azure import FakeAzure

from azure_postgres_cdc.azure import identity


@pytest.fixture(autouse=True)
def fresh_clients() -> Iterator[None]:
    """Clients are kept for as long as a process runs: here, for a test."""
    identity._client.cache_clear()
    yield
    identity._client.cache_clear()


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAzure]:
    """Azure's management API on a port of the loopback, with one server, `cdc-1`."""
    with fake_azure.serve() as fake:
        monkeypatch.setenv(identity.ENDPOINT_VARIABLE, fake.url)
        yield fake
