"""How the emulated Azure behaves where Azure's pace or answer varies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Behaviour:
    """How the emulated Azure behaves where Azure's pace or answer varies; may be changed at work.

    `write_seconds`, `restart_seconds`: latency added to the real work.
    `upgrade_seconds`: the same for an in-place major upgrade, whose 202 never waits for its end.
    `creation_seconds`: how long a server that was just added answers writes with ServerIsBusy.
    `busy_code`: the code of that refusal; `ServerBusy` was seen too.
    `refuse_restart_late`: accept a restart during an update with 202 and fail it while polling,
    as has been seen, instead of refusing it with 409.
    `shared_databases`: with an Entra administrator, databases belong to all administrators. On
    Azure only `postgres` does, and one made through the API belongs to the administrator's login
    alone: there, and where this is False, the Entra administrator can grant nothing on it.
    `precheck_at_once`: refuse a major upgrade that something stands in the way of with 400,
    instead of accepting it with 202 and failing it while polling.
    `slots_move`: from PostgreSQL 17 on, a major upgrade keeps logical slots, as pg_upgrade can.
    Microsoft's pages say that a server with logical slots is not upgraded.
    `put_upgrades`: a PUT upgrades in any createMode, and not only in Update.
    `keep_case`: hold names in parameter values as they were sent, as Azure has been seen to do.
    """

    write_seconds: float = 0
    restart_seconds: float = 0
    upgrade_seconds: float = 0.05
    creation_seconds: float = 0
    busy_code: str = "ServerIsBusy"
    refuse_restart_late: bool = False
    shared_databases: bool = False
    precheck_at_once: bool = False
    slots_move: bool = False
    put_upgrades: bool = False
    keep_case: bool = False
