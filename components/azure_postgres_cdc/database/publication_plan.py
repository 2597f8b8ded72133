"""What is to be done with a publication, looked up before anything is changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import cast

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import (
    attached_partitions,
    ledger,
    needs_snapshot,
    newcomers,
    partition_names,
    publication_mark,
    publication_report,
    slot_catalog,
    tables,
)
from azure_postgres_cdc.database.capture import CaptureArgs, among, resolve
from azure_postgres_cdc.database.connection import Connection
from azure_postgres_cdc.database.identity_audit import check_identities
from azure_postgres_cdc.database.membership import (
    acting_for,
    check_may_create,
    statement_for,
    within_reach,
)
from azure_postgres_cdc.database.publication_adoption import announce, check_adoption
from azure_postgres_cdc.database.publication_catalog import (
    Definition,
    by_table,
    column_lists,
    find,
    owner_of,
    parsed,
    texts,
)
from azure_postgres_cdc.database.publication_coverage import check_coverage
from azure_postgres_cdc.database.publication_difference import drift
from azure_postgres_cdc.database.publication_replacement import needs_replacement
from azure_postgres_cdc.database.publication_trial import check_kind, try_out
from azure_postgres_cdc.dynamic import Props, note, warn
from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.names import TableName, listed, quoted

_LISTS_AND_FILTERS = "column lists and row filters of a publication"


def planned(connection: Connection, olds: Props, news: Props) -> Props:
    """The inputs, completed with what the server says and with what is to be done there.

    Raises a CdcError where `up` must not go on. `olds` is empty for a publication that the stack
    does not know.
    """
    found = find(connection, news["name"])
    if found is None and olds:
        raise CdcError(vanished(connection, olds))
    if found is None:
        check_may_create(connection, f"publication {quoted(news['name'])}")
    captured = resolve(connection, news["capture"], parsed(news["ownTables"]), found or ())
    news = news | _definition(connection, olds, news, found, captured)
    wanted = Definition.of(news)
    news |= newcomers.numbers(connection, news, wanted, captured)
    check_kind(connection, news["name"], found, wanted)
    _check_writes(connection, news, wanted, captured)
    lines = publication_report.unpublished(connection, news["name"], _capture(news), found, wanted)
    if olds and found:
        done = _to_do(connection, olds, news, found, wanted, captured)
    else:
        done = {
            "toRepair": [],
            "toSnapshot": _unknown(connection, news, found, wanted, captured),
            **_attached(attached_partitions.find(connection, news["name"], captured)),
        }
    for line in lines:
        note(line)
    warn(publication_report.heirs_left_out(connection, wanted))
    return news | done


def vanished(connection: Connection, props: Props) -> str:
    """What is said of a publication that the stack knows and that is gone."""
    slot, lost, then = props.get("slot"), "", "is adopted again"
    found = slot_catalog.find(connection, slot) if slot else None
    # What was seen of it last was in the publication's comment, and is gone as well.
    if slot and (found is None or found.database != connection.info.dbname):
        lost = (
            f". Its replication slot {slot} is not there either: every change since the "
            "connector's last position is lost to it"
        )
        then = "another one is made"
    return (
        f"publication {quoted(props['name'])} of database {props['database']} has vanished: "
        "changes made since then are not captured. It is not created again without a word"
        f"{lost}. Remedy: "
        "stop the source; pulumi state unprotect --all; pulumi state delete --target-dependents "
        "with the publication's URN (pulumi stack --show-urns; the slot leaves the state too, and "
        f"{then}); pulumi up; resume the source and snapshot every captured table"
    )


def _capture(props: Props) -> CaptureArgs:
    return cast(CaptureArgs, props["capture"])


def _definition(
    connection: Connection,
    olds: Props,
    news: Props,
    found: Definition | None,
    captured: Collection[TableName],
) -> Props:
    """What the publication is to say, as far as this version of PostgreSQL can say it."""
    version = connection.info.server_version
    all_tables = bool(news["capture"].get("allTables"))
    schemas = news["capture"]["schemas"] if news["tablesInSchema"] else []
    if schemas:
        capabilities.check("FOR TABLES IN SCHEMA", version)
    if news["generatedColumns"] != "none":
        capabilities.check("generated columns in a publication", version)
    truncates = capabilities.has("publishing TRUNCATE", version)
    via_root = capabilities.has("publish_via_partition_root", version)
    settled = {
        "allTables": all_tables,
        "tables": texts({*captured, *parsed(news["ownTables"])}),
        "schemas": schemas,
        "publish": [kind for kind in news["publish"] if truncates or kind != "truncate"],
        "viaPartitionRoot": news["viaPartitionRoot"] and via_root,
    }
    by_root = news["viaPartitionRoot"] or not via_root
    partitions = partition_names.find(connection, captured, schemas, via_root=by_root)
    if partitions:
        settled["partitions"] = partitions
    return settled | _restrictions(connection, olds, news | settled, found, captured)


def _restrictions(
    connection: Connection,
    olds: Props,
    news: Props,
    found: Definition | None,
    captured: Collection[TableName],
) -> Props:
    """What the server makes of the row filters: looked up where they, or the catalog, changed."""
    columns, filters = column_lists(news["columns"]), by_table(news["rowFilters"])
    if not columns and not filters:
        return {"shownFilters": {}, "filterColumns": {}}
    capabilities.check(_LISTS_AND_FILTERS, connection.info.server_version)
    others = sorted({*columns, *filters}.difference(captured))
    if others:
        raise CdcError(
            f"columns and rowFilters name tables that are not captured: {listed(others)}. Remedy: "
            "correct the names"
        )
    asked = ("columns", "rowFilters", "viaPartitionRoot")
    known = Definition.of(olds)
    unchanged = found and (found.columns, found.filters) == (known.columns, known.filters)
    if unchanged and all(olds.get(key) == news[key] for key in asked):
        return {key: olds[key] for key in ("shownFilters", "filterColumns")}
    owners = tables.owners_of(connection, {*columns, *filters})
    with connection.transaction(force_rollback=True), acting_for(connection, owners):
        trial = try_out(connection, columns, filters, via_root=news["viaPartitionRoot"])
    return {
        "shownFilters": {str(table): trial.shown[table] for table in sorted(trial.shown)},
        "filterColumns": {
            str(table): list(trial.columns[table]) for table in sorted(trial.columns)
        },
    }


def _check_writes(
    connection: Connection, news: Props, wanted: Definition, captured: Collection[TableName]
) -> None:
    """The application must be able to update and delete what is published."""
    if not {"update", "delete"} & set(wanted.publish):
        return
    # What is going to have another identity by the time it is published may not have it yet.
    indexes = by_table({**news.get("alsoIndexes", {}), **news.get("identityIndexes", {})})
    full = parsed(news["fullIdentity"].get("tables", ()))
    if news["capture"] == news["fullIdentity"]:
        full.update(captured)
    for capture in news.get("alsoFull", ()):
        full.update(among(captured, capture))
    # FOR TABLES IN SCHEMA holds partitions too whose root is in no captured schema.
    inside = tables.partitions_in_schemas(connection, sorted(wanted.schemas))
    if inside or news["capture"] != news["fullIdentity"]:
        allowed = parsed(news.get("allowWithoutIdentity", ()))
        check_identities(connection, {*captured, *inside}, {*full, *indexes, *allowed})
    used = column_lists(news["filterColumns"])
    check_coverage(connection, captured, wanted, used, full.difference(indexes), indexes)


def _check_owner(connection: Connection, name: str) -> None:
    """Raise a CdcError where the administrator may change nothing in the publication."""
    for owner in set(owner_of(connection, name)).difference(within_reach(connection)):
        raise CdcError(
            f"publication {quoted(name)} belongs to {quoted(owner)}, and the administrator may not "
            f"change it. Remedy: have a role that may run: {statement_for(connection, owner)}; or "
            f"ALTER PUBLICATION {quoted(name)} OWNER TO {quoted(connection.info.user)}; then run "
            "pulumi up again"
        )


def _unknown(
    connection: Connection,
    news: Props,
    found: Definition | None,
    wanted: Definition,
    captured: Collection[TableName],
) -> list[str]:
    """What needs a snapshot of a publication that is to be made, or that is adopted."""
    name = news["name"]
    if found is None:
        names = partition_names.published(captured, news.get("partitions"))
        new = needs_snapshot.unseen_by_slot(connection, news["slot"], names)
        needed = needs_snapshot.without_acknowledged(sorted(new), name, news["acknowledge"])
        if needed:
            warn([needs_snapshot.warning(name, needed)])
        return texts(needed)
    check_adoption(connection, news, found, wanted, captured)
    if found != wanted:
        _check_owner(connection, name)
    announce(news, found, wanted)
    kept = ledger.read(connection, name)
    altered = _altered(connection, name, kept.left, captured)
    return sorted({*kept.needs_snapshot, *map(str, altered)})


def _to_do(
    connection: Connection,
    olds: Props,
    news: Props,
    found: Definition,
    wanted: Definition,
    captured: Collection[TableName],
) -> Props:
    """What is to be brought in line, and what needs a snapshot afterwards."""
    name, words, known = news["name"], news["acknowledge"], Definition.of(olds)
    partitions = news.get("partitions")
    published = partition_names.published(captured, partitions)
    settled = known == found == wanted
    if settled:
        new = set()
    elif needs_replacement(connection, news, found, wanted):
        new = published
    else:
        orphans = published.difference(partition_names.instead_of_roots(captured, partitions))
        new = needs_snapshot.newly_published({*captured, *orphans}, known, found, wanted)
        new |= needs_snapshot.newly_complete(connection, found, wanted)
        new = partition_names.instead_of_roots(new, partitions)
        warn(publication_report.dropped(connection, name, found, wanted))
    warn(publication_report.narrowed(name, found, wanted))
    warn(publication_report.gone(connection, olds.get("tables", ()), news["tables"], found))
    kept = ledger.read(connection, name)
    recorded = kept.needs_snapshot
    missed = _altered(connection, name, kept.left, captured)
    missed |= newcomers.find(connection, olds, news, found)
    missed = partition_names.instead_of_roots(missed, partitions)
    missed |= partition_names.in_place_of_roots(olds, news)
    attached = attached_partitions.find(connection, name, captured)
    brought = _brought(connection, attached or (), olds, known, wanted)
    since = recorded | {name: max(at, recorded.get(name, 0)) for name, at in brought.items()}
    signals = needs_snapshot.read_signals(connection, parsed(news["ownTables"]), since)
    open_needs = needs_snapshot.still_needed(since, new | missed, published, signals)
    needed = needs_snapshot.without_acknowledged(open_needs, name, words)
    if found != wanted or set(texts(needed)) != set(recorded):
        _check_owner(connection, name)
    if needed:
        warn([needs_snapshot.warning(name, needed)])
    warn(publication_report.unneeded_words(name, words, found, wanted, published, open_needs))
    unreadable = tables.unreadable(connection, published, news["role"])
    repair = {*(() if settled else drift(known, found, wanted)), *map(str, unreadable)}
    # Recorded anew, if it is already: an earlier signal does not settle what has come since.
    repair |= (brought.keys() & set(texts(needed))) | set(texts(missed))
    return {"toRepair": sorted(repair), "toSnapshot": texts(needed), **_attached(attached)}


def _brought(
    connection: Connection,
    attached: Iterable[attached_partitions.Attached],
    olds: Props,
    known: Definition,
    wanted: Definition,
) -> dict[str, int]:
    """What was attached since the last `up` with rows in it, by the name that is published."""
    via_root = wanted.via_partition_root
    seen = attached_partitions.new_among(attached, olds.get("attached"))
    brought = attached_partitions.brought_rows(connection, seen, via_root=via_root)
    if via_root:
        return brought
    # What was captured by itself before has arrived by that name.
    return {name: at for name, at in brought.items() if TableName.parse(name) not in known.tables}


def _altered(
    connection: Connection,
    name: str,
    left: publication_mark.Mark | None,
    captured: Collection[TableName],
) -> set[TableName]:
    """What somebody has altered since the last `up` and altered back."""
    now = publication_mark.find(connection, name)
    altered = publication_mark.altered(connection, left, now, captured)
    if altered:
        warn(
            [
                f"publication {quoted(name)} was altered by somebody since the last up: what was "
                f"changed in {listed(sorted(altered))} meanwhile may be lost"
            ]
        )
    return altered


def _attached(found: Iterable[attached_partitions.Attached] | None) -> Props:
    """What the next `up` has to know; nothing where the server is too old to tell."""
    return {} if found is None else {"attached": [item.key for item in found]}
