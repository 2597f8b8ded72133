"""Another name for what is captured, or another thing under its name: a word is needed first.

The connector keeps its offsets by itself, and does not know what the stack means. A renamed
database takes its slot, its publication and their record along, so that nothing is made again.
Another database is another source, whatever the word says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from azure_postgres_cdc import running_stack
from azure_postgres_cdc.acknowledge import former_database, rename, settings_line
from azure_postgres_cdc.database import ledger as ledgers
from azure_postgres_cdc.database.connection import Connection, looking_at, rows
from azure_postgres_cdc.dynamic import Props, warn
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import quoted

_ON_EVERY_SERVER = "postgres"
_ELSEWHERE = """
SELECT slot_name::text, database::text FROM pg_replication_slots
WHERE slot_name = ANY(%s) AND plugin = 'pgoutput' AND database <> current_database() ORDER BY 1
"""
_IS_THERE = "SELECT datname FROM pg_database WHERE datname = %s"
_OFFSETS = (
    "the source has to name {kind} {new} in the Streamkap app before it goes on, and Streamkap may "
    "need to reset its offsets: contact them. The form is the stack's output `connectors`"
)


def props(slots: Iterable[str], acknowledge: Iterable[str]) -> Props:
    """What a resource has to know for `check_database`."""
    return {
        "slots": sorted(set(slots)),
        "acknowledge": sorted(set(acknowledge)),
        "stack": running_stack.name(),
    }


def check_database(
    connection: Connection, olds: Props, news: Props, *, quiet: bool = False
) -> None:
    """The database is the one that was captured so far, maybe under another name.

    Raises a CdcError where it is another one, or where nobody has acknowledged the name.
    """
    new, words = news["database"], news.get("acknowledge", ())
    if olds.get("database") == new:
        if former_database(words, new) and not quiet:
            word = rename("database", str(former_database(words, new)), new)
            warn([f"acknowledge: '{word}' is not needed any more; take it out"])
        return
    for slot, database in rows(connection, _ELSEWHERE, list(news.get("slots", ()))):
        raise CdcError(elsewhere(slot, database, new))
    old = olds.get("database") or _recorded(connection, news)
    if not old:
        return
    if rows(connection, _IS_THERE, old):
        if olds:
            raise CdcError(_another(old, new))
        return  # a copy has the record of what it is a copy of
    _require(
        news,
        ("database", old, new),
        f"database {quoted(old)} was captured, and is called {quoted(new)} now",
        "stop the source",
        quiet=quiet,
    )


def check_names(
    records: Mapping[str, ledgers.Ledger], olds: Props, news: Props
) -> list[tuple[str, str]]:
    """Another name for a slot or publication means another position for the connector.

    Returns each slot in whose place there is to be another one, with its publication.
    """
    replaced = []
    name, publication, database = news["name"], news["publication"], news["database"]
    for known_as, ledger in records.items():
        slot = ledger.last.slot if ledger.last else name
        if ledger.last and slot == name and known_as != publication:
            _require_name(news, "publication", known_as, publication)
        is_ours = ledger.stack == news.get("stack", "") and ledger.database in ("", database)
        if is_ours and not olds and slot not in {name, *news.get("slots", ())}:
            _require_name(news, "slot", slot, name)
            replaced.append((slot, known_as))
    return replaced


def check_gone(props: Props) -> None:
    """Raise a CdcError where the database is not there because it has another name by now.

    PostgreSQL drops no database that has a slot, so that one that was dropped has none any more.
    """
    old, slot = props["database"], props["name"]
    with looking_at(props["connection"], _ON_EVERY_SERVER) as connection:
        for _, new in rows(connection, _ELSEWHERE, [slot]):
            raise CdcError(
                f"replication slot {slot} is on database {quoted(new)} now, and there is no "
                f"database {quoted(old)}: it was renamed. Remedy: name it in the settings, with "
                f"the word '{rename('database', old, new)}' in acknowledge; or, where the slot is "
                "another connector's by now, pulumi state delete the old one's URN "
                "(pulumi stack --show-urns)"
            )


def elsewhere(slot: str, database: str, wanted: str) -> str:
    """A refusal: the slot's name is taken in another database."""
    return (
        f"replication slot {slot} is on database {quoted(database)}, and the settings want it on "
        f"{quoted(wanted)}: another database is another source, and a slot stays with its own. "
        f"Remedy: name {quoted(database)} again; or give {quoted(wanted)} another `slot`. Where "
        f"{quoted(database)} is to be given up, stop its source once it has drained, take it out "
        "of the settings, then pulumi state unprotect --all --yes and pulumi up, which drops what "
        "it had there and protects the rest again"
    )


def _another(old: str, new: str) -> str:
    return (
        f"database {quoted(old)} is captured here and is still there, and the settings name "
        f"{quoted(new)}: another database is another source. Remedy: name {quoted(old)} again, or "
        f"declare a CdcSource of another name for {quoted(new)}"
    )


def _recorded(connection: Connection, news: Props) -> str:
    """The name that the database had when this stack last wrote into its publications."""
    for ledger in ledgers.read_all(connection).values():
        if ledger.database not in ("", news["database"]) and ledger.stack == news.get("stack"):
            return ledger.database
    return ""


def _require_name(news: Props, kind: str, old: str, new: str) -> None:
    what = (
        f"database {quoted(news['database'])} is captured through {kind} {old}, and the settings "
        f"name {new}: the connector would begin elsewhere, with a gap"
    )
    _require(news, (kind, old, new), what, "keep the name; or stop the source once it has drained")


def _require(
    news: Props, change: tuple[str, str, str], what: str, remedy: str, *, quiet: bool = False
) -> None:
    """Go on, with the page's warning, only where a word says that the change is meant."""
    kind, _, new = change
    warning = _OFFSETS.format(kind=kind, new=new)
    word = rename(*change)
    words: Sequence[str] = news.get("acknowledge", ())
    if word not in words:
        again = "; pulumi up (without --refresh)"
        if kind != "database":
            again = f"; pulumi state unprotect --all, where the old {kind} is protected; pulumi up"
        raise CdcError(f"{what}. Remedy: {remedy} and set {settings_line(word)}{again} ({warning})")
    if not quiet:
        warn([warning])
