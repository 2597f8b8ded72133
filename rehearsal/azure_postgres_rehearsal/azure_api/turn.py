"""A server takes one management operation at a time; its state says what is going on."""

from __future__ import annotations

import threading
from collections.abc import Callable

from azure_postgres_rehearsal.azure_api.asked import asked
from azure_postgres_rehearsal.azure_api.behaviour import Behaviour
from azure_postgres_rehearsal.azure_api.errors import ApiError
from azure_postgres_rehearsal.azure_api.operations import (
    CREATION,
    RESTART,
    SERVER_DELETE,
    Journal,
    Json,
    Operation,
    Operations,
)

_STATES = {RESTART: "Restarting", SERVER_DELETE: "Dropping", CREATION: "Ready"}
_DOWN = ("Stopped", "Stopping", "Disabled", "Inaccessible")


class Turn:
    """Whose turn it is on one server. What is asked for meanwhile is refused, not queued."""

    def __init__(
        self, server: str, operations: Operations, journal: Journal, behaviour: Behaviour
    ) -> None:
        self.server = server
        self.operations = operations
        self.journal = journal
        self.behaviour = behaviour
        self.stopped = False
        self._lock = threading.Lock()
        self._current: Operation | None = None

    @property
    def state(self) -> str:
        """The server's state, in Azure's words, or the one that a fault gives it."""
        if imposed := asked().server_state:
            return imposed
        current = self._current
        if current is not None and current.kind != CREATION:
            return _STATES.get(current.kind, "Updating")
        return "Stopped" if self.stopped else "Ready"

    def run(
        self,
        kind: str,
        detail: str,
        work: Callable[[], None],
        result: Callable[[], Json | None] = lambda: None,
    ) -> Operation:
        """Begin an operation that takes as long as a write."""
        operation = Operation(kind, self.server, detail, result=result)
        self.begin(operation, work, self.behaviour.write_seconds)
        return operation

    def begin(self, operation: Operation, work: Callable[[], None], seconds: float) -> None:
        """Begin an operation, unless the server's state forbids it."""
        with self._lock:
            self._refuse_in_this_state(operation.kind)
            self._current = operation
        if operation.kind != CREATION:
            self.journal.accepted.append(operation)
        self.operations.start(operation, work, seconds, then=self._release)

    def not_ready(self) -> ApiError | None:
        """Why a restart can't begin, unless the server is merely busy."""
        if self.state in ("Ready", "Restarting"):
            return None
        return ApiError(
            409,
            "ServerIsNotReady",
            "Restart or Stop Server can only be performed on Started servers. "
            f"Sever Name = {self.server}, Current Server State = {self.state}",
        )

    def _refuse_in_this_state(self, kind: str) -> None:
        if kind == RESTART and (not_ready := self.not_ready()):
            raise not_ready
        if kind != SERVER_DELETE and (self.stopped or self.state in _DOWN):
            raise ApiError(
                409,
                "ServerUnavailableForOperation",
                f"The operation cannot be performed as server '{self.server}' is currently in "
                f"state '{self.state}'.",
            )
        if self._current is not None or self.state not in ("Ready", *_DOWN):
            raise ApiError(
                409,
                self.behaviour.busy_code,
                f"Cannot complete operation while server '{self.server}' is busy processing "
                "another operation. Try again later.",
            )

    def _release(self) -> None:
        self._current = None
