"""The words of `acknowledge`: what `up` does only once somebody has said that it is meant.

A refusal prints the word that lets it go on; nobody has to know them by heart. Each names the thing
and the change, so that it allows this change and no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from azure_postgres_cdc.names import TableName, listed, quoted, unquoted

_REPLACE_PUBLICATION = "publication {} from {} to {}"
_PARTITION_ROOT = "publish_via_partition_root {} of {}"
_SNAPSHOT = "snapshot of {}"
_ALL_SNAPSHOTS = "snapshot of all tables of {}"

_RENAME = "{} {} renamed to {}"

_FORMS = (_REPLACE_PUBLICATION, _PARTITION_ROOT, _SNAPSHOT, _ALL_SNAPSHOTS, _RENAME)
_PATTERNS = tuple(re.compile(re.escape(form).replace(r"\{\}", ".+")) for form in _FORMS)


def replace_publication(name: str, old: str, new: str) -> str:
    """A publication of one kind is dropped, and one of another kind created."""
    return _REPLACE_PUBLICATION.format(quoted(name), old, new)


def partition_root(name: str, *, value: bool) -> str:
    """A publication begins to name partitions instead of their root, or the other way round."""
    return _PARTITION_ROOT.format("true" if value else "false", quoted(name))


def snapshot_of(table: TableName) -> str:
    """The rows that a table had before it was captured are there, or nobody wants them."""
    return _SNAPSHOT.format(table)


def snapshot_of_all(publication: str) -> str:
    """The same, for every table of a publication."""
    return _ALL_SNAPSHOTS.format(quoted(publication))


def rename(kind: str, old: str, new: str) -> str:
    """The connector goes on with another slot or publication, or its database has a new name."""
    return _RENAME.format(kind, quoted(old), quoted(new))


def former_database(words: Iterable[str], database: str) -> str | None:
    """The name that a database had before, where one of the words says so."""
    before, after = _RENAME.format("database", "\0", quoted(database)).split("\0")
    for word in words:
        if word.startswith(before) and word.endswith(after):
            return unquoted(word.removeprefix(before).removesuffix(after))
    return None


def word_faults(words: Sequence[str]) -> Iterator[str]:
    """What is wrong with a list of words, if anything."""
    for word in words:
        if not any(pattern.fullmatch(word) for pattern in _PATTERNS):
            known = listed(form.replace("{}", "…") for form in _FORMS)
            yield f"{word!r} is no word that up asks for; copy it from the refusal (of: {known})"


def settings_line(word: str) -> str:
    """A word as it stands in a stack's YAML."""
    return "acknowledge: ['" + word.replace("'", "''") + "']"
