"""The request that is being answered, for those who are far from it: operations and states."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field

from azure_postgres_rehearsal.azure_api.faults import SERVER_STATE, Fault, Faults


@dataclass
class Asked:
    """One request's method and path, and the faults that may happen to it."""

    method: str = ""
    path: str = ""
    faults: Faults = field(default_factory=Faults)
    server_state: str = ""
    """The state that a fault imposes on the server asked for."""

    def take(self, kind: str) -> Fault | None:
        """The fault of that kind for this request, if there is one left."""
        return self.faults.take(kind, self.method, self.path)

    def impose_state(self) -> None:
        """Take the fault that gives the server another state, once a request."""
        if not self.server_state and (fault := self.take(SERVER_STATE)):
            self.server_state = fault.state


_NOTHING = Asked()
_asked: ContextVar[Asked] = ContextVar("asked", default=_NOTHING)


def begin(method: str, path: str, faults: Faults) -> Asked:
    """Remember the request for as long as its thread answers it."""
    now = Asked(method, path, faults)
    _asked.set(now)
    return now


def asked() -> Asked:
    """The request that this thread answers; an empty one elsewhere."""
    return _asked.get()
