"""A publication is not deleted by accident."""

from __future__ import annotations

from collections.abc import Iterator

from view.declared import Declared
from view.kinds import OUR_PUBLICATION, PUBLICATION
from view.links import PROTECT
from view.rule import MANDATORY, MEDIUM, Config, resource_rule

NAME = "publication-is-protected"


def validate(publication: Declared, _config: Config) -> Iterator[str]:
    """By the resource option."""
    if not publication.protected:
        yield "the publication is not protected"


POLICY = resource_rule(
    NAME,
    title="Publications are protected",
    why="Changes made before a publication is there again are not in it: they are lost.",
    remedy="give the publication the resource option protect",
    url=PROTECT,
    level=MANDATORY,
    severity=MEDIUM,
    kinds=(PUBLICATION, OUR_PUBLICATION),
    validate=validate,
)
