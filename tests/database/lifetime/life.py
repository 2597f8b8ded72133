"""One stack and one database, to which steps happen; `checked.py` has what must always be true."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import psycopg
from tests.database.lifetime import expected
from tests.database.lifetime.checked import Action, Checked, Fault, kinds
from tests.database.lifetime.disturbance import Killed
from tests.database.lifetime.steps import Step

from azure_postgres_cdc.plan import faults_of

_MADE_BY_US = ("CREATE TABLE", "CREATE VIEW", "CREATE UNLOGGED", "DROP TABLE {t} CASCADE; CREATE")
_WORD = re.compile(r"acknowledge: \['((?:[^']|'')+)'\]")
_LSN = re.compile(r"acknowledgeLostSlot: ([0-9A-F]+/[0-9A-F]+)")
_UNREAD = "but cannot be read: publication"
"""What only decoding shows: what was written before its publication was made."""


class Life(Checked):
    """The steps. A Fault is raised where something is not as it must be."""

    def step(self, step: Step) -> None:
        kind, *rest = step
        getattr(self, f"do_{kind.replace(' ', '_')}")(*rest)

    # What others do

    def do_set(self, key: str, value: Any) -> None:
        """A setting is changed, where the settings have no fault with it."""
        changed = self.settings | {key: self._slot(value) if key == "slot" else value}
        if not faults_of(self.shop.name, [changed]):  # type: ignore[list-item]
            self.settings = changed

    def do_sql(self, text: str, table: str) -> None:
        """Somebody changes the database; what is not possible does not happen."""
        schema, _, name = table.partition(".")
        before, admin = expected.look(self.shop), self.shop.server.admin_user
        with contextlib.suppress(psycopg.Error):
            self.shop.run(
                f"SET LOCAL ROLE {admin}" if text.startswith(_MADE_BY_US) else "RESET ROLE",
                text.format(t=table, n=name, s=schema, admin=admin),
                superuser=True,
            )
        self._note_identities(before)

    def do_write(self, text: str, table: str, b: int) -> None:
        """The application writes. It fails for its own reasons only."""
        self.last_id += 2
        with contextlib.suppress(psycopg.Error):
            self.shop.run(text.format(t=table, id=self.last_id, b=b), superuser=True)

    def do_drop_slot(self) -> None:
        if self._slot_exists():
            self.shop.run(f"SELECT pg_drop_replication_slot('{self.connector.slot}')")
            self.broken_slot = self.uncertain = True

    def do_make_slot(self) -> None:
        """As a connector that finds none does by itself."""
        if not self._slot_exists() and self.connector.started:
            self.shop.run(
                f"SELECT pg_create_logical_replication_slot('{self.connector.slot}', 'pgoutput')"
            )

    def do_read(self) -> None:
        """The connector reads what there is; without its publication, it stops with an error."""
        publication = self.settings.get("publication", "streamkap_pub")
        if self.connector.started and self._slot_exists():
            with contextlib.suppress(psycopg.errors.UndefinedObject):
                self.connector.drain(publication)

    # What the people do who run the stack

    def do_preview(self) -> None:
        self.preview()

    def do_up(self, disturb: Action | None = None) -> None:
        """`disturb`: begins to, once the preview is over."""
        planned = self.preview()
        if planned is None:
            return
        unwritable = self._unwritable()
        done = None
        if disturb:
            disturb()
        try:
            with self._speaking(), self._refused():
                done = self.stack.up([self.settings])  # type: ignore[list-item]
        except Killed:
            pass
        finally:
            self.disturbance.calm()
        self._note_ours()
        if done is None:
            self._check_still_writable(unwritable)
            if not disturb and _UNREAD not in self.refusal:
                raise Fault(f"the preview promised {planned}, and up stopped: {self.refusal}")
            return
        if not disturb and kinds(done) != kinds(planned):
            raise Fault(f"the preview promised {planned}, and up did {done}")
        if disturb:
            self.do_up()  # what came in between is seen by the next one
        else:
            self._check_after_up(unwritable)

    def do_kill(self, after: int) -> None:
        self.do_up(lambda: self.disturbance.kill(after))

    def do_terminate(self, after: int) -> None:
        self.do_up(lambda: self.disturbance.terminate(after))

    def do_lock(self, table: str) -> None:
        with self.shop.server.superuser(self.shop.name) as other:

            def lock() -> None:
                with contextlib.suppress(psycopg.Error):
                    statement = f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE"
                    other.execute(statement.encode())

            self.do_up(lock)

    def do_drop_meanwhile(self, table: str, at: int) -> None:
        def drop() -> None:
            self.do_sql("DROP TABLE {t} CASCADE", table)

        self.do_up(lambda: self.disturbance.meanwhile(at * 8, drop))

    def do_refresh(self) -> None:
        before = self._catalog()
        with self._speaking(), self._refused():
            self.stack.refresh()
        self._same(before, "a refresh")

    def do_destroy(self) -> None:
        self.stack.unprotect()
        unwritable = self._unwritable()
        with self._speaking(), self._refused():
            self.stack.destroy()
        if not self.refusal:
            self._check_after_destroy()
            self.connector.started = self.broken_slot = self.uncertain = False
        self._check_still_writable(unwritable)

    def do_again(self) -> None:
        """A stack that is made anew is as the one that has grown."""
        self.do_up()
        before = self._lasting()
        if self.refusal:
            return
        self.do_destroy()
        if not self.stack.state:
            self.do_up()
            if not self.refusal and self._lasting() != before:
                raise Fault(f"grown: {before}\nmade anew: {self._lasting()}")

    def do_heed(self) -> None:
        """Do what the last refusal advises, or go back to the settings that were good."""
        if not self.refusal:
            return
        word, lsn = _WORD.search(self.refusal), _LSN.search(self.refusal + self.said)
        if "state unprotect" in self.refusal:
            self.stack.unprotect()
        if word:
            self.do_read()
            # Another slot begins with a gap, as the refusal says.
            self.uncertain = self.uncertain or word[1].startswith("slot ")
            words = self.settings.get("acknowledge", [])
            self.settings["acknowledge"] = [*words, word[1].replace("''", "'")]
        if lsn:
            self.settings["acknowledgeLostSlot"] = lsn[1]
            self.do_up()
            if self.stack.state and not self.refusal and self.connector.started:
                self.broken_slot = self.uncertain = False
                self._resnapshot()
        if "has vanished: changes made" in self.refusal:
            for name, resource in list(self.stack.state.items()):
                if resource.kind in ("Publication", "ReplicationSlot"):
                    del self.stack.state[name]
        elif not word and not lsn:
            self.settings = dict(self.good)

    def do_snapshot(self) -> None:
        """A snapshot is signalled of whatever needs one, and then taken."""
        needed = self._needed()
        signal = "streamkap.streamkap_signal"
        if not needed or signal not in expected.own_tables(self.settings):
            return
        names = ", ".join(f'"{name}"' for name in sorted(needed))
        with contextlib.suppress(psycopg.Error):
            self.last_id += 1
            self.shop.run(
                f"INSERT INTO {signal} VALUES ('{self.last_id}', 'execute-snapshot',"
                f' \'{{"type": "blocking", "data-collections": [{names}]}}\')',
                superuser=True,
            )
            self._resnapshot(needed)

    def do_acknowledge(self) -> None:
        """They were taken in another way."""
        needed = self._needed()
        self._resnapshot(needed)
        words = [f"snapshot of {name}" for name in sorted(needed)]
        self.settings["acknowledge"] = words
