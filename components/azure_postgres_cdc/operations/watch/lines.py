"""What is seen, a line or an object for each sample, where there is no terminal to draw on."""

from __future__ import annotations

from typing import Any

from azure_postgres_cdc.operations.stack import Form
from azure_postgres_cdc.operations.watch import words
from azure_postgres_cdc.operations.watch.history import History
from azure_postgres_cdc.operations.watch.sample import State


def line(form: Form, history: History) -> str:
    """The newest sample of a slot, in one line."""
    last = history.last
    head = f"{words.clock(last.at)} {form.database}, slot {form.slot}: {words.state(history)[0]}"
    if last.trouble:
        return f"{head}; {last.trouble}"
    if last.state == State.NOT_YET:
        return head
    parts = [
        head,
        f"lag {words.amount(last.lag_bytes)}, {words.behind(last.behind, ascii_only=True)}",
        f"retained WAL {words.amount(last.retained_bytes)}",
        *words.danger(history)[:1],
        words.outlook(history)[0],
    ]
    return "; ".join(parts)


def as_json(form: Form, history: History) -> dict[str, Any]:
    """The newest sample of a slot, for machines. Sizes in bytes, times in seconds."""
    last, outlook = history.last, history.outlook()
    return {
        "time": words.utc(last.at),
        "database": form.database,
        "slot": form.slot,
        "state": last.state,
        "trouble": last.trouble,
        "pid": last.pid,
        "lagBytes": last.lag_bytes,
        "lagSeconds": last.behind and round(last.behind.seconds, 3),
        "lagSecondsIsLowerBound": last.behind and last.behind.is_bound,
        "retainedBytes": last.retained_bytes,
        "walStatus": last.wal_status or None,
        "safeWalBytes": last.safe_bytes,
        "walBytesPerSecond": _rounded(history.written_rates()[-1]),
        "storageBytes": last.total_bytes,
        "freeBytes": last.free_bytes,
        "growthBytesPerSecond": _rounded(outlook.rate),
        "secondsToFull": _rounded(outlook.seconds),
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 1)
