"""No plain `postgresql.ReplicationSlot`: one that vanished comes back without a word."""

from __future__ import annotations

from collections.abc import Iterator

from view.declared import Declared
from view.kinds import PLAIN_SLOT
from view.links import PLAIN_SLOT as LINK
from view.rule import CRITICAL, MANDATORY, Config, resource_rule

NAME = "slot-avoids-plain-resource"


def validate(_slot: Declared, _config: Config) -> Iterator[str]:
    """Always."""
    yield (
        "a postgresql.ReplicationSlot that vanished is created again at the next refresh without a "
        "word, and the connector goes on with a gap in its data"
    )


POLICY = resource_rule(
    NAME,
    title="No plain ReplicationSlot resource",
    why=(
        "The provider makes a vanished slot anew in silence (the changes in between are lost), "
        "drops it unconditionally, and knows no failover."
    ),
    remedy=(
        "use this project's CdcSource, or let the connector make its slot and watch it by an alert"
    ),
    url=LINK,
    level=MANDATORY,
    severity=CRITICAL,
    kinds=(PLAIN_SLOT,),
    validate=validate,
)
