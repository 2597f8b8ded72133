"""What is to be done with a publication, looked up before anything is changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

from azure_postgres_cdc import capabilities
from azure_postgres_cdc.database import (
    attached_partitions,
    ledger,
    needs_snapshot,
    publication_report,
    put_back,
    renamed_tables,
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
    LISTED,
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
    check_kind(connection, news["name"], found, wanted)
    _check_writes(connection, news, wanted, captured)
    lines = publication_report.unpublished(connection, news["name"], _capture(news), found, wanted)
    if olds and found:
        done = _to_do(connection, olds, news, found, wanted, captured)
    else:
        done = {
            "toRepair": [],
            "toSnapshot": _unknown(connection, news, found, wanted, captured),
            **({} if found else {"entries": list(put_back.NEW)}),
            **_attached(attached_partitions.find(connection, news["name"], captured)),
        }
    for line in lines:
        note(line)
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
    by_name: dict[TableName, list[TableName]] = {}
    if via_root and not news["viaPartitionRoot"]:
        by_name = tables.leaves(connection, captured)
    if schemas:
        by_name |= tables.orphans(connection, schemas, via_root=news["viaPartitionRoot"])
    if by_name:
        settled["partitions"] = {str(root): texts(by_name[root]) for root in sorted(by_name)}
    if all_tables or schemas:
        settled["youngestTable"] = renamed_tables.youngest(connection)
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
        names = published_names(captured, news.get("partitions"))
        new = needs_snapshot.unseen_by_slot(connection, news["slot"], names)
        needed = needs_snapshot.without_acknowledged(sorted(new), name, news["acknowledge"])
        if needed:
            warn([needs_snapshot.warning(name, needed)])
        return texts(needed)
    check_adoption(connection, news, found, wanted, captured)
    if found != wanted:
        _check_owner(connection, name)
    announce(news, found, wanted)
    return sorted(ledger.read(connection, name).needs_snapshot)


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
    published = published_names(captured, partitions)
    settled = known == found == wanted
    if settled:
        new = set()
    elif needs_replacement(connection, news, found, wanted):
        new = published
    else:
        orphans = published.difference(by_own_names(captured, partitions))
        new = needs_snapshot.newly_published({*captured, *orphans}, known, found, wanted)
        new |= needs_snapshot.newly_complete(connection, known, found, wanted)
        new = by_own_names(new, partitions)
        warn(publication_report.dropped(connection, name, found, wanted))
    back = put_back.since(connection, name, olds.get("entries")) & known.tables
    back = by_own_names(back.intersection(captured), partitions)
    new |= back
    if wanted.kind == known.kind != LISTED:
        names = published_names(parsed(olds["tables"]), olds.get("partitions"))
        new |= renamed_tables.find(connection, published, names, olds.get("youngestTable"))
    attached = attached_partitions.find(connection, name, captured)
    seen = attached_partitions.new_among(attached or (), olds.get("attached"))
    via_root = wanted.via_partition_root
    brought = attached_partitions.brought_rows(connection, seen, via_root=via_root)
    if not via_root:  # one that was captured by itself before has arrived by that name
        brought = {name: at for name, at in brought.items() if parsed([name]) - known.tables}
    recorded = ledger.read(connection, name).needs_snapshot
    since = recorded | {name: max(at, recorded.get(name, 0)) for name, at in brought.items()}
    signals = needs_snapshot.read_signals(connection, parsed(news["ownTables"]), since)
    open_needs = needs_snapshot.still_needed(since, new, published, signals)
    needed = needs_snapshot.without_acknowledged(open_needs, name, words)
    if found != wanted or set(texts(needed)) != set(recorded):
        _check_owner(connection, name)
    if needed:
        warn([needs_snapshot.warning(name, needed)])
    warn(publication_report.unneeded_words(name, words, found, wanted, published, open_needs))
    unreadable = tables.unreadable(connection, published, news["role"])
    repair = {*(() if settled else drift(known, found, wanted)), *map(str, unreadable)}
    # Recorded anew, if it is already: an earlier signal does not settle what has come since.
    repair |= {*brought, *texts(back)} & set(texts(needed))
    found_now = _attached(attached)
    if found == wanted:
        found_now["entries"] = put_back.find(connection, name)
    return {"toRepair": sorted(repair), "toSnapshot": texts(needed), **found_now}


def by_own_names(
    names: Collection[TableName], partitions: Mapping[str, Sequence[str]] | None
) -> set[TableName]:
    """The tables under whose names changes of these arrive.

    `partitions`: those of each partitioned table, where they are published by their own names.
    """
    leaves = {TableName.parse(root): parsed(texts_) for root, texts_ in (partitions or {}).items()}
    return {leaf for name in names for leaf in leaves.get(name, {name})}


def published_names(
    captured: Collection[TableName], partitions: Mapping[str, Sequence[str]] | None
) -> set[TableName]:
    """All of them: partitions in a captured schema, whose root is not captured, among them."""
    every = parsed(name for names in (partitions or {}).values() for name in names)
    return by_own_names(captured, partitions) | every


def _attached(found: Iterable[attached_partitions.Attached] | None) -> Props:
    """What the next `up` has to know: nothing where no captured table is partitioned."""
    return {} if found is None else {"attached": [item.key for item in found]}
