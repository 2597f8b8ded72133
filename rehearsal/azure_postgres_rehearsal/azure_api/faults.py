"""Faults on demand: what goes wrong on Azure now and then, as often as a test wants it.

`EmulatedAzure(faults=…)` takes a list of rules, or the path of a JSON or YAML file that holds one.
A rule is an object. Those that say which requests it is for:

- `path`: a regular expression, searched for in the path without the query, in any case; all paths
  where it is left out.
- `method`: `PUT`, for example. Left out, it is any method for a reply and a server's state, and
  any but GET for the others.
- `times`: how often it happens (1), or `always`. Rules that are used up are over.

Without a `kind` a rule answers the request by itself, before anything else is looked at:

- `status`, `code`, `message`, and `retry_after` in seconds where the answer shall say so.

Other kinds:

- `fail-operation`: the operation that the request begins is accepted and fails: `code`,
  `message`. With `"applied": true` its work is done all the same. A request that is refused does
  not count.
- `cut-poller`: the connection is cut in the middle of an answer about the operation that the
  request has begun; `path` and `method` are those of that request.
- `cut`: the same for the answer to the request itself, which has taken effect.
- `slow`: the operation takes `seconds` longer; where the request begins none, its answer does.
- `server-state`: the server looks `Stopped`, `Updating` or otherwise (`state`) to the request,
  and takes no operation in that state.

    [{"method": "PUT", "path": "/configurations/", "times": 2, "status": 409,
      "code": "ServerIsBusy", "message": "busy"},
     {"status": 403, "path": "/restart$", "code": "AuthorizationFailed", "message": "no"},
     {"status": 401, "code": "ExpiredAuthenticationToken", "message": "expired"},
     {"kind": "slow", "path": "/restart$", "seconds": 2},
     {"kind": "server-state", "path": "/flexibleServers/cdc", "state": "Stopped",
      "times": "always"}]
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from azure_postgres_rehearsal.azure_api.errors import ApiError

Source = str | Path | Sequence[Mapping[str, Any]]

REPLY = "reply"
FAIL_OPERATION = "fail-operation"
CUT_POLLER = "cut-poller"
CUT = "cut"
SLOW = "slow"
SERVER_STATE = "server-state"

_SELECTING = {"kind", "path", "method", "times"}
_REQUIRED: dict[str, set[str]] = {
    REPLY: {"status", "code", "message"},
    FAIL_OPERATION: {"code", "message"},
    CUT_POLLER: set(),
    CUT: set(),
    SLOW: {"seconds"},
    SERVER_STATE: {"state"},
}
_OPTIONAL: dict[str, set[str]] = {
    REPLY: {"retry_after"},
    FAIL_OPERATION: {"applied", "status"},
}
_STATES = (
    "Disabled",
    "Dropping",
    "Inaccessible",
    "Provisioning",
    "Ready",
    "Restarting",
    "Starting",
    "Stopped",
    "Stopping",
    "Updating",
)
_ANY_METHOD = (REPLY, SERVER_STATE)


@dataclass
class Fault:
    """One rule, and how often it will still happen; None is for ever."""

    kind: str
    path: re.Pattern[str]
    method: str
    left: int | None
    code: str = ""
    message: str = ""
    status: int = 500
    retry_after: float | None = None
    applied: bool = False
    seconds: float = 0
    state: str = ""

    @property
    def error(self) -> ApiError:
        """The error that it makes of a request or of an operation."""
        return ApiError(self.status, self.code, self.message)

    def is_for(self, kind: str, method: str, path: str) -> bool:
        """Whether it is still to happen to such a request."""
        if self.kind != kind or self.left == 0 or not self.path.search(path):
            return False
        if not self.method:
            return kind in _ANY_METHOD or method != "GET"
        return self.method == method


class Faults:
    """The rules, used up one by one."""

    def __init__(self, source: Source = ()) -> None:
        self._faults = [_fault(rule) for rule in _rules(source)]
        self._lock = threading.Lock()

    def take(self, kind: str, method: str, path: str) -> Fault | None:
        """The first rule of the kind for such a request; it has happened with that."""
        with self._lock:
            for fault in self._faults:
                if fault.is_for(kind, method, path):
                    if fault.left is not None:
                        fault.left -= 1
                    return fault
        return None

    @property
    def left(self) -> list[Fault]:
        """The rules that have not happened as often as they say; those for ever are left out."""
        return [fault for fault in self._faults if fault.left]


def _rules(source: Source) -> Sequence[Mapping[str, Any]]:
    rules: Any = source
    if isinstance(source, str | Path):
        rules = yaml.safe_load(Path(source).read_text(encoding="utf-8")) or []
    if not isinstance(rules, list | tuple) or not all(isinstance(r, Mapping) for r in rules):
        raise ValueError("faults are a list of objects")
    return rules


def _fault(rule: Mapping[str, Any]) -> Fault:
    kind = rule.get("kind", REPLY)
    if kind not in _REQUIRED:
        raise ValueError(f"{dict(rule)}: no kind '{kind}'; there are {', '.join(_REQUIRED)}")
    known = _SELECTING | _REQUIRED[kind] | _OPTIONAL.get(kind, set())
    if wrong := sorted((set(rule) - known) | (_REQUIRED[kind] - set(rule))):
        raise ValueError(f"{dict(rule)}: {', '.join(wrong)} missing or not known for '{kind}'")
    times = rule.get("times", 1)
    if times != "always" and (not isinstance(times, int) or times < 1):
        raise ValueError(f"{dict(rule)}: times is a number from 1 on, or always")
    if rule.get("state", "Ready") not in _STATES:
        raise ValueError(f"{dict(rule)}: state is one of {', '.join(_STATES)}")
    about = {name: value for name, value in rule.items() if name not in _SELECTING}
    return Fault(
        kind,
        re.compile(rule.get("path", ""), re.IGNORECASE),
        rule.get("method", "").upper(),
        None if times == "always" else times,
        **about,
    )
