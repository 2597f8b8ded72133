"""The stand-in `postgresql` plugin with two kinds more, which can be previewed and nothing else.

The rehearsal has no Publication and no ReplicationSlot, because this project uses neither; a team's
own program does.
"""

from __future__ import annotations

from azure_postgres_rehearsal.plugins.postgresql.plugin import PostgresqlPlugin
from azure_postgres_rehearsal.plugins.protocol import (
    UNKNOWN,
    Properties,
    ProviderError,
    ResourceType,
    serve,
)

_PREVIEWED = (
    "postgresql:index/publication:Publication",
    "postgresql:index/replicationSlot:ReplicationSlot",
)


class PreviewedOnly(ResourceType):
    """Takes every input, and knows no output before the update that never comes."""

    def planned(self, inputs: Properties) -> Properties:
        return {"database": UNKNOWN, **inputs}

    def create(self, inputs: Properties) -> tuple[str, Properties]:  # noqa: ARG002
        raise ProviderError("this can be previewed only")

    def read(
        self,
        resource_id: str,  # noqa: ARG002
        inputs: Properties,  # noqa: ARG002
        outputs: Properties,  # noqa: ARG002
    ) -> tuple[str, Properties, Properties] | None:
        raise ProviderError("this can be previewed only")

    def update(self, resource_id: str, old_outputs: Properties, news: Properties) -> Properties:  # noqa: ARG002
        raise ProviderError("this can be previewed only")

    def delete(self, resource_id: str, outputs: Properties) -> None:  # noqa: ARG002
        raise ProviderError("this can be previewed only")


class PreviewPlugin(PostgresqlPlugin):
    """What a team's program may declare."""

    def resource(self, token: str) -> ResourceType:
        return PreviewedOnly() if token in _PREVIEWED else super().resource(token)


if __name__ == "__main__":
    serve(PreviewPlugin())
