"""A publication names what it publishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from view.declared import Declared
from view.kinds import OUR_PUBLICATION, PUBLICATION
from view.links import PUBLICATION as LINK
from view.rule import ADVISORY, MEDIUM, Config, resource_rule
from view.values import truth

NAME = "publication-lists-tables"


def validate(publication: Declared, _config: Config) -> Iterator[str]:
    """FOR ALL TABLES is what it should not be."""
    capture = publication.unpacked("capture")
    captured = capture.get("allTables") if isinstance(capture, Mapping) else None
    if truth(publication.get("allTables")) or truth(captured):
        yield "the publication is FOR ALL TABLES"


POLICY = resource_rule(
    NAME,
    title="Publications list their tables",
    why=(
        "FOR ALL TABLES cannot be narrowed later but by another publication and a snapshot, and "
        "publishes tables without a replica identity, whose UPDATEs then fail."
    ),
    remedy="list the tables, or the schemas",
    url=LINK,
    level=ADVISORY,
    severity=MEDIUM,
    kinds=(PUBLICATION, OUR_PUBLICATION),
    validate=validate,
)
