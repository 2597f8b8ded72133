"""Partitioned tables are published as their root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from view.declared import Declared
from view.kinds import OUR_PUBLICATION, PUBLICATION
from view.links import PUBLICATION as LINK
from view.remedy import Path
from view.rule import HIGH, REMEDIATE, Config, resource_rule
from view.values import UNKNOWN, truth

NAME = "publication-publishes-via-root"

_RAW, _OURS = "publishViaPartitionRootParam", "viaPartitionRoot"


def validate(publication: Declared, _config: Config) -> Iterator[str]:
    """PostgreSQL's default is the partition, this project's the root."""
    ours = publication.kind == OUR_PUBLICATION
    value = publication.get(_OURS if ours else _RAW)
    if value is not UNKNOWN and not truth("true" if ours and value is None else value):
        yield "publish_via_partition_root is not on"


def fix(publication: Declared) -> Mapping[Path, Any]:
    """Turn it on in a raw resource."""
    wrong = publication.kind == PUBLICATION and any(validate(publication, {}))
    return {(_RAW,): True} if wrong else {}


POLICY = resource_rule(
    NAME,
    title="Partitioned tables are published as their root",
    why="The connector expects the changes of a partitioned table to come from its root.",
    remedy="set publish_via_partition_root on the publication",
    url=LINK,
    level=REMEDIATE,
    severity=HIGH,
    kinds=(PUBLICATION, OUR_PUBLICATION),
    validate=validate,
    fix=fix,
)
