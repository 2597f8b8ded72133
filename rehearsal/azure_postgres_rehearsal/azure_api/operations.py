"""Asynchronous operations, as ARM answers them with 202, and the journal of them."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from azure_postgres_rehearsal.azure_api.asked import Asked, asked
from azure_postgres_rehearsal.azure_api.errors import ApiError
from azure_postgres_rehearsal.azure_api.faults import FAIL_OPERATION, SLOW, Fault

Json = dict[str, Any]

CONFIGURATION_WRITE = "configuration-write"
RESTART = "restart"
SERVER_UPDATE = "server-update"
MAJOR_UPGRADE = "major-upgrade"
SERVER_CREATE = "server-create"
SERVER_DELETE = "server-delete"
FIREWALL_RULE_WRITE = "firewall-rule-write"
FIREWALL_RULE_DELETE = "firewall-rule-delete"
DATABASE_CREATE = "database-create"
DATABASE_DELETE = "database-delete"
ADMINISTRATOR_WRITE = "administrator-write"
ADMINISTRATOR_DELETE = "administrator-delete"
PRIVATE_ENDPOINT_WRITE = "private-endpoint-write"
PRIVATE_ENDPOINT_DELETE = "private-endpoint-delete"
PRIVATE_DNS_WRITE = "private-dns-write"
PRIVATE_DNS_DELETE = "private-dns-delete"
KEY_VAULT_WRITE = "key-vault-write"
KEY_VAULT_DELETE = "key-vault-delete"
INSIGHTS_WRITE = "insights-write"
INSIGHTS_DELETE = "insights-delete"
CREATION = "creation"


class Status(StrEnum):
    """ARM's words for the state of an operation."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(eq=False)
class Operation:
    """One management operation that was accepted."""

    kind: str
    server: str
    detail: str
    result: Callable[[], Json | None] = field(default=lambda: None, repr=False)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: Status = Status.IN_PROGRESS
    error: ApiError | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    done: threading.Event = field(default_factory=threading.Event, repr=False)
    begun_by: Asked = field(default_factory=asked, repr=False)

    def finish(self, error: ApiError | None = None) -> None:
        """Record how it ended."""
        self.error = error
        self.ended = datetime.now(UTC)
        self.status = Status.FAILED if error else Status.SUCCEEDED
        self.done.set()

    def as_json(self) -> Json:
        """What the azureAsyncOperation endpoint says."""
        body: Json = {"name": self.id, "status": self.status, "startTime": _stamp(self.started)}
        if self.ended is not None:
            body["endTime"] = _stamp(self.ended)
        if self.error is not None:
            body |= self.error.body
        return body


@dataclass(frozen=True)
class Refusal:
    """One request to change something that was refused."""

    method: str
    path: str
    code: str


@dataclass
class Journal:
    """What was asked of the emulated Azure, so that a rehearsal can say what it would have cost."""

    accepted: list[Operation] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[Operation]:
        """The accepted operations of one kind."""
        return [operation for operation in self.accepted if operation.kind == kind]

    @property
    def restarts(self) -> int:
        """How many restarts were accepted."""
        return len(self.of_kind(RESTART))

    def ended(self, kind: str, detail: str) -> None:
        """Keep an operation on no server that had ended before it was answered."""
        operation = Operation(kind, "", detail)
        operation.finish()
        self.accepted.append(operation)

    def notice(self, text: str) -> None:
        """Say once where the rehearsal falls short of Azure."""
        if text not in self.notices:
            self.notices.append(text)

    def as_json(self) -> Json:
        """The journal for a reader in another process."""
        return {
            "operations": [
                {"kind": o.kind, "server": o.server, "detail": o.detail, "status": o.status}
                for o in list(self.accepted)
            ],
            "refused": [
                {"method": r.method, "path": r.path, "code": r.code} for r in list(self.refused)
            ],
            "notices": list(self.notices),
            "restarts": self.restarts,
        }


class Operations:
    """Runs operations, each in its own thread, and finds them again for those who poll."""

    def __init__(self) -> None:
        self._all: dict[str, Operation] = {}
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    def find(self, operation_id: str) -> Operation | None:
        """The operation of that id."""
        return self._all.get(operation_id.lower())

    def record(self, operation: Operation) -> Operation:
        """Make an operation known to those who poll."""
        self._all[operation.id] = operation
        return operation

    def start(
        self,
        operation: Operation,
        work: Callable[[], None],
        seconds: float,
        then: Callable[[], None],
    ) -> None:
        """Do the work after the simulated latency.

        `then` runs before the operation shows as ended: who saw it end may begin the next one.
        Without latency an operation has ended by the time its 202 goes out.
        """
        self.record(operation)
        if slow := operation.begun_by.take(SLOW):
            seconds += slow.seconds
        if failure := operation.begun_by.take(FAIL_OPERATION):
            work = _failing(work, failure)
        thread = threading.Thread(target=self._run, args=(operation, work, seconds, then))
        self._threads.append(thread)
        thread.start()
        if not seconds:
            operation.done.wait()

    def wait(self) -> None:
        """Wait until every operation has ended."""
        for thread in self._threads:
            thread.join()

    def close(self) -> None:
        """End the waiting ones and wait for those at work."""
        self._closing.set()
        self.wait()

    def _run(
        self,
        operation: Operation,
        work: Callable[[], None],
        seconds: float,
        then: Callable[[], None],
    ) -> None:
        error: ApiError | None = None
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: operation.finish(error))
            stack.callback(then)
            if self._closing.wait(seconds):
                error = ApiError(500, "OperationCanceled", "The emulated Azure was closed.")
                return
            try:
                work()
            except ApiError as failed:
                error = failed
            except Exception as failed:  # whatever went wrong is the operation's outcome
                error = ApiError(500, "InternalServerError", str(failed))


def _failing(work: Callable[[], None], failure: Fault) -> Callable[[], None]:
    """Work that fails, having been done or not."""

    def fail() -> None:
        if failure.applied:
            work()
        raise failure.error

    return fail


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
