"""What a person gets to read when something cannot be done: one line, what to do included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pulumi

from azure_postgres_cdc.driver import psycopg


class CdcError(pulumi.RunError):
    """Something that a user can mend. Its text says what, where, why and the remedy.

    Pulumi prints a RunError of a program without a traceback.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(printable(text))


class Unreachable(CdcError):  # noqa: N818 - reads better where it is caught
    """The server does not answer, or not yet: after a restart, worth another try."""


class DatabaseIsGone(CdcError):  # noqa: N818 - reads better where it is caught
    """The server answers, and has no database of the name: dropped, or renamed."""


class Passing(CdcError):  # noqa: N818 - reads better where it is caught
    """What goes by: two sessions at the same object at once, a lock, a connection that broke.

    The same once more may well succeed.
    """


class InvalidSettings(CdcError):  # noqa: N818 - reads better in Pulumi's output
    """Every fault of a set of settings, gathered, so that they are mended in one go."""

    def __init__(self, where: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        lines = "".join(f"\n  - {printable(fault)}" for fault in faults)
        # Not CdcError's, which would make one line of them.
        pulumi.RunError.__init__(self, f"{where} has {count}; nothing was changed:{lines}")


def printable(text: str) -> str:
    """Names may hold line breaks, and characters that play with a terminal: they are spelt out."""
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )


# Without a module in front of it, Pulumi prints `CdcError: ...` and nothing else.
for _kind in (CdcError, Unreachable, DatabaseIsGone, Passing, InvalidSettings):
    _kind.__module__ = "builtins"

# SQLSTATEs of what goes by. Of two sessions that create the same thing at once, the later one is
# told that it exists, and finds it when it looks again.
_PASSING = frozenset(
    {"40001", "40P01", "42710", "42P04", "42P07", "55P03", "57P01", "57P02", "57P03"}
)
_REMEDIES = {
    "25006": "connect to the primary, where this is a read replica; grow the storage, where Azure "
    "has made the server read-only because it is nearly full; or reset "
    "default_transaction_read_only, where it is set for the role or the database",
    "53100": "grow the server's storage or free some, then run pulumi up again",
    "53200": "raise the server parameter max_locks_per_transaction, which needs a restart "
    "(server.parameters), where the shared memory is what is short; then run pulumi up again",
    "55P03": "run pulumi up again when the transactions that keep the lock are over",
}
ROLE_IS_GONE = {
    "42704": "run pulumi up --refresh, which makes the role again, where somebody has dropped it"
}
"""For `explained`, of statements that name a role."""
_AGAIN = "run pulumi up again"


@contextmanager
def explained(what: str, remedies: dict[str, str] | None = None) -> Iterator[None]:
    """Turn an error of PostgreSQL into one line: WHAT failed, the server's reason, the remedy.

    `remedies` maps an SQLSTATE, such as 42501, to what helps against it.
    """
    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        message = error.diag.message_primary or str(error).strip().partition("\n")[0]
        detail = error.diag.message_detail
        reason = f"{message} ({detail})" if detail else message
        # Names of tables, and lists of what depends on one, may go over several lines.
        reason = " ".join(reason.split()) or type(error).__name__
        passing = _is_passing(error)
        remedy = (remedies or {}).get(state) or _REMEDIES.get(state) or (_AGAIN if passing else "")
        suffix = f". Remedy: {remedy}" if remedy else ""
        code = f" [{state}]" if state else ""
        raise (Passing if passing else CdcError)(f"{what}: {reason}{code}{suffix}") from None


def _is_passing(error: psycopg.Error) -> bool:
    state = error.sqlstate or ""
    lost = state.startswith("08") or (not state and isinstance(error, psycopg.OperationalError))
    # PostgreSQL has no SQLSTATE of their own for these two.
    changed_by_two = state == "XX000" and "tuple concurrently" in str(error)
    made_by_two = state == "23505" and error.diag.schema_name == "pg_catalog"
    return state in _PASSING or lost or changed_by_two or made_by_two
