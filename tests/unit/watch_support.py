"""A watch whose samples are made up."""

from __future__ import annotations

import math
from dataclasses import replace

from azure_postgres_cdc.operations.stack import Form
from azure_postgres_cdc.operations.watch.history import History
from azure_postgres_cdc.operations.watch.sample import Sample, State

NOON = 1_767_355_200.0
"""2026-01-02, 12:00 UTC."""
KIB, MIB, GIB = 2.0**10, 2.0**20, 2**30
LOST = (
    "replication slot slot_shop of database shop has vanished. Its last known position: LSN 0/4D9, "
    "seen 2026-01-02T12:00:40Z. Remedy: stop the source"
)


def form(database: str = "shop", slot: str = "slot_shop") -> Form:
    return Form.parse(
        {
            "hostname": "cdc-1.postgres.database.azure.com",
            "port": 5432,
            "username": "streamkap_user",
            "password": "a-secret-of-the-form",
            "database": database,
            "sslMode": "require",
            "replicationSlotName": slot,
            "publicationName": "streamkap_pub",
            "readOnly": "No",
        }
    )


def sample(second: float, **values: object) -> Sample:
    """One that is read, has 1 MiB/s written, and is 4 KiB behind."""
    wal = int(GIB + second * MIB)
    made = Sample(
        NOON + second,
        State.READ,
        pid=4711,
        wal=wal,
        confirmed=wal - 4096,
        lag_bytes=4096,
        retained_bytes=int(16 * MIB),
        wal_status="reserved",
        total_bytes=128 * GIB,
        free_bytes=96 * GIB,
        sender_seconds=0.4,
    )
    return replace(made, **values)  # type: ignore[arg-type]


def silent(second: float) -> Sample:
    return Sample(NOON + second, State.SILENT, "cannot connect to database shop on cdc-1:5432: no")


def history(*samples: Sample) -> History:
    made = History()
    for item in samples:
        made.add(item)
    return made


def reading() -> History:
    """A connector that is read, in waves."""
    waves = [int(MIB * (2 + 2 * math.sin(second / 6))) for second in range(0, 120, 2)]
    return history(
        *(
            sample(2 * number, lag_bytes=wave, retained_bytes=wave + int(8 * MIB))
            for number, wave in enumerate(waves)
        )
    )


def unread() -> History:
    """Nobody reads it, and 1 MiB is written in a second."""
    return history(
        *(
            sample(
                second,
                state=State.UNREAD,
                pid=None,
                sender_seconds=None,
                confirmed=GIB - 4096,
                lag_bytes=int(second * MIB + 4096),
                retained_bytes=int(second * MIB + 4096),
            )
            for second in range(0, 120, 2)
        )
    )


def lost() -> History:
    made = reading()
    made.add(Sample(NOON + 120, State.LOST, LOST))
    return made


def away() -> History:
    made = reading()
    for second in range(120, 140, 2):
        made.add(silent(second))
    return made
