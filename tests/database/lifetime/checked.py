"""What must be true of a stack and its database after each step, looked up in the catalog."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from tests.database.lifetime import expected
from tests.database.lifetime.connector import Connector
from tests.database.lifetime.disturbance import Disturbance
from tests.database.lifetime.engine import Operations, Stack
from tests.database.lifetime.steps import ALL

from azure_postgres_cdc.dynamic import unpack
from azure_postgres_cdc.errors import CdcError

if TYPE_CHECKING:
    from tests.database.lifetime.home import Home

_CATALOG = """
SELECT 'table', c.oid::text, c.relname::text, c.relreplident::text, c.relacl::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= 16384 AND n.nspname !~ '^pg_'
UNION ALL SELECT 'schema', oid::text, nspname, xmin::text, nspacl::text FROM pg_namespace
UNION ALL SELECT 'publication', oid::text, pubname, xmin::text, NULL FROM pg_publication
UNION ALL SELECT 'published', oid::text, prrelid::text, xmin::text, NULL FROM pg_publication_rel
UNION ALL SELECT 'comment', objoid::text, description, xmin::text, NULL FROM pg_description
          WHERE classoid = 'pg_publication'::regclass
UNION ALL SELECT 'member', member::text, roleid::text, admin_option::text, grantor::text
          FROM pg_auth_members
UNION ALL SELECT 'default', oid::text, defaclrole::text, xmin::text, defaclacl::text
          FROM pg_default_acl
UNION ALL SELECT 'slot', slot_name, database, confirmed_flush_lsn::text, NULL
          FROM pg_replication_slots ORDER BY 1, 2, 3
"""
_NO_IDENTITY = "55000"
"""SQLSTATE of an UPDATE or DELETE on a published table that has no usable replica identity."""


Action = Callable[[], None]


class Fault(AssertionError):  # noqa: N818 - reads better where it is raised
    """Something that must not be."""


def kinds(operations: Operations) -> set[tuple[str, str]]:
    """Without what is granted already, once the publication has its turn."""
    return {
        (name, kind)
        for name, (kind, *what) in operations.items()
        if what != ["toRepair"] or "pub" not in name
    }


class Checked:
    """One stack, one database, and what happened so far."""

    def __init__(self, shop: Home, disturbance: Disturbance) -> None:
        self.shop = shop
        self.disturbance = disturbance
        self.stack = Stack(shop.connection, shop.name)
        self.settings: dict[str, Any] = {"capture": {"schemas": ["public", "sales"]}}
        self.settings["slot"] = self._slot("slot")
        self.connector = Connector(shop, self.settings["slot"])
        self.good = self.settings
        """With these, the last `up` succeeded."""
        self.refusal = ""
        self.said = ""
        self.identities: dict[int, str] = {}
        """What each table had before we came, or what somebody has given it since."""
        self.ours: set[int] = set()
        """The tables whose replica identity the settings ask for, or asked for."""
        self.broken_slot = False
        self.uncertain = False
        """What arrived cannot be told any more: somebody has read the slot, or it was lost."""
        self.last_id = 0

    def preview(self) -> Operations | None:
        """What `up` would do; None where it would not. Nothing is written by it."""
        before = self._catalog()
        with self._speaking(), self._refused():
            found = self.stack.preview([self.settings])  # type: ignore[list-item]
            self._same(before, "a preview")
            return found
        self._same(before, "a preview that refuses")
        return None

    # What must be true

    def _check_after_up(self, unwritable: set[str]) -> None:
        self.refusal, self.good = "", dict(self.settings)
        watched = self.broken_slot and self.settings.get("createSlot", True)
        if watched and "acknowledgeLostSlot" not in self.settings:
            raise Fault("the slot was lost, and up went on")
        found = expected.look(self.shop)
        faults = [
            *expected.publication_faults(self.shop, self.settings, found),
            *expected.identity_faults(self.settings, found),
            *expected.grant_faults(self.shop, self.settings, found),
            *self._restored_faults(found),
        ]
        if faults:
            raise Fault("; ".join(faults))
        self._check_still_writable(unwritable)
        said = self.said
        before = self._catalog()
        again = self.preview()
        if again is None or again:
            raise Fault(f"after up, another one would do {again} {self.refusal}")
        with self._speaking():
            if done := self.stack.up([self.settings]):  # type: ignore[list-item]
                raise Fault(f"a second up did {done}")
        self._same(before, "a second up")
        self.said = said
        self._check_arrived()

    def _check_arrived(self) -> None:
        publication = self.settings.get("publication", "streamkap_pub")
        self.connector.slot = self.settings["slot"]
        if not self._slot_exists():
            return  # the connector has not made it yet
        if not self.connector.started or self.uncertain:
            self.connector.start(publication)
            if self.uncertain and not self.broken_slot:
                self.uncertain = "cannot be proved" in self.said
        self.connector.drain(publication)
        if self.uncertain or self.broken_slot:
            return
        lost = self.connector.lost(publication)
        kinds = self.settings.get("publish", expected.CHANGES)
        if not {"insert", "update"} <= set(kinds):
            return
        found, needed = expected.look(self.shop), self._needed()
        lost = {n: k for n, k in lost.items() if n not in needed and found[n].root not in needed}
        if lost:
            raise Fault(f"rows never arrived, and nobody says so: {lost}; needed: {needed}")

    def _restored_faults(self, found: dict[str, expected.Table]) -> list[str]:
        """A table that is none of ours any more has what it had before."""
        wanted = expected.identities(self.settings, found)
        faults = []
        for table in found.values():
            was = self.identities.get(table.oid, table.identity)
            if table.kind not in "rp" or table.name in wanted or was == table.identity:
                continue
            if table.name in self.said or was == "i":
                self.identities[table.oid] = table.identity
            else:
                faults.append(f"{table.name} had identity {was}, has {table.identity}")
        self.ours = {found[name].oid for name in wanted}
        return faults

    def _check_after_destroy(self) -> None:
        found = expected.look(self.shop)
        self.settings.pop("acknowledge", None)
        self.settings.pop("acknowledgeLostSlot", None)
        faults = [f"{t.name} is left" for t in found.values() if t.is_own]
        faults += self.shop.column(
            "SELECT pubname || ' is left' FROM pg_publication WHERE pubname <> 'theirs'"
        )
        for table in found.values():
            was = self.identities.get(table.oid, table.identity)
            if table.kind in "rp" and was not in (table.identity, "i"):
                if table.name not in self.said:
                    faults.append(f"{table.name} had identity {was}, has {table.identity}")
                self.identities[table.oid] = table.identity
        self.ours = set()
        left = self.shop.column(
            "SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_shdepend d"
            " JOIN pg_database b ON b.oid = d.dbid WHERE b.datname = current_database()"
            " AND d.refobjid = 'streamkap_role'::regrole"
        )
        faults += [f"{name} still knows the role" for name in left if "left in" not in self.said]
        if self._slot_exists() and "stays" not in self.said:
            faults.append("the slot is left")
        if faults and "stays:" not in self.said:
            raise Fault("after destroy: " + "; ".join(faults))

    def _unwritable(self) -> set[str]:
        """The tables on which the application can neither update nor delete, because of us."""
        found = set()
        for name in ALL:
            for text in (f"UPDATE {name} SET id = id", f"DELETE FROM {name}"):
                try:
                    with self.shop.kept.transaction(force_rollback=True):
                        self.shop.kept.execute(text.encode())
                except psycopg.Error as error:
                    found |= {name} if error.sqlstate == _NO_IDENTITY else set()
        return found

    def _check_still_writable(self, before: set[str]) -> None:
        allowed = set(self.settings.get("allowWithoutIdentity", ()))
        found = expected.look(self.shop)
        new = {
            name
            for name in self._unwritable() - before - allowed
            if name in found and found[name].kind in "rp" and found[name].root not in allowed
        }
        if new:
            raise Fault(f"UPDATE and DELETE fail for the application since then: {new}")

    def _same(self, before: list[Any], what: str) -> None:
        after = self._catalog()
        if after != before:
            new = [row for row in after if row not in before]
            gone = [row for row in before if row not in after]
            raise Fault(f"{what} has written: {gone} became {new}")

    # Helpers

    @contextmanager
    def _refused(self) -> Iterator[None]:
        """A CdcError of one line is as good as a success; the next lines tell."""
        self.refusal = ""
        try:
            yield
        except CdcError as error:
            self.refusal = str(error)
            if "\n" in self.refusal:
                raise Fault(f"more than a line: {self.refusal}") from error

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        stream = io.StringIO()
        try:
            with contextlib.redirect_stderr(stream):
                yield
        finally:
            self.said = stream.getvalue()

    def _inputs(self, kind: str) -> dict[str, Any]:
        found = [item.inputs for item in self.stack.state.values() if item.kind == kind]
        return found[0] if found else {}

    def _needed(self) -> set[str]:
        return set(unpack(self.stack.outputs("Publication").get("needsSnapshot", {})))

    def _resnapshot(self, names: set[str] | None = None) -> None:
        publication = self.settings.get("publication", "streamkap_pub")
        found = expected.look(self.shop)
        names = names if self.connector.started else set()
        for schema, name, *_ in self.connector.published(publication):
            table = f"{schema}.{name}"
            if names is None or table in names or found[table].root in names:
                self.connector.snapshot(schema, name)

    def _slot(self, name: str) -> str:
        return name if self.shop.name in name else f"{name}_{self.shop.name}"

    def _slot_exists(self) -> bool:
        return self.connector.slot in self.shop.column(
            "SELECT slot_name::text FROM pg_replication_slots"
        )

    def _note_identities(self, before: dict[str, expected.Table]) -> None:
        known = {table.oid: table.identity for table in before.values()}
        for table in expected.look(self.shop).values():
            changed = known.get(table.oid) != table.identity
            if changed and table.oid not in self.ours:
                self.identities[table.oid] = table.identity

    def _note_ours(self) -> None:
        found = expected.look(self.shop)
        self.ours |= {found[n].oid for n in expected.identities(self.settings, found) if n in found}

    def _catalog(self) -> list[Any]:
        return self.shop.rows(_CATALOG)

    def _lasting(self) -> list[Any]:
        """What is the same however a stack came to be."""
        return [
            row[2:]
            for row in self.shop.rows(
                "SELECT 0, 1, n.nspname, c.relname::text, c.relreplident::text,"
                " ARRAY(SELECT unnest(c.relacl)::text ORDER BY 1) FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.oid >= 16384 AND n.nspname !~ '^pg_' AND c.relkind IN ('r', 'p', 'v')"
                " ORDER BY 3, 4"
            )
        ]
