"""What a person gets to read when something cannot be done: one line, what to do included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
import pulumi


class CdcError(pulumi.RunError):
    """Something that a user can mend. Its text says what, where, why and the remedy.

    Pulumi prints a RunError of a program without a traceback.
    """


class Unreachable(CdcError):  # noqa: N818 - reads better where it is caught
    """The server does not answer, or not yet: after a restart, worth another try."""


class InvalidSettings(CdcError):  # noqa: N818 - reads better in Pulumi's output
    """Every fault of a set of settings, gathered, so that they are mended in one go."""

    def __init__(self, where: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        lines = "".join(f"\n  - {fault}" for fault in faults)
        super().__init__(f"{where} has {count}; nothing was changed:{lines}")


# Without a module in front of it, Pulumi prints `CdcError: ...` and nothing else.
CdcError.__module__ = Unreachable.__module__ = InvalidSettings.__module__ = "builtins"


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
        remedy = (remedies or {}).get(state)
        suffix = f". Remedy: {remedy}" if remedy else ""
        code = f" [{state}]" if state else ""
        raise CdcError(f"{what}: {reason}{code}{suffix}") from None
