"""SQL that a team's own program runs: a command, or a resource of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from view import kinds
from view.declared import Declared

_NOT_SQL = (kinds.OURS, "azure-native:", "postgresql:", "pulumi:", "streamkap:")


def statements_of(resources: Sequence[Declared], word: str) -> Iterator[tuple[Declared, str]]:
    """Every text with a word in it that is a property of a resource nothing else is known of."""
    for item in resources:
        if not item.kind.startswith(_NOT_SQL):
            for value in item.properties.values():
                if isinstance(value, str) and word in value.lower():
                    yield item, value
