"""The process that owns an embedded server: it ends the server when its maker is gone.

It reads its standard input. A maker that stops or is interrupted writes `end` and closes that
pipe, and the keeper stops PostgreSQL and removes its folder; a maker that crashes just closes it.
One that writes `keep` leaves both alone.

    python -m azure_postgres_rehearsal.keeper FOLDER
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

_PATIENCE_SECONDS = 20
_PULUMI_SECONDS = 180
PULUMI = Path("rehearsal") / "pulumi.pid"
"""Below the folder: the process id of Pulumi, as long as it runs."""
KEEP, END = "keep", "end"
"""What a maker writes. Nothing: it has crashed."""


def running_postmaster(folder: Path, data: str = "data") -> int | None:
    """The process id of the server in FOLDER/data, if one is running."""
    return _running(folder / data / "postmaster.pid")


def _running(file: Path) -> int | None:
    """The process id that a file begins with, if there is such a process."""
    try:
        pid = int(file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pid if _is_there(pid) else None


def stop_postmaster(folder: Path, how: signal.Signals, data: str = "data") -> None:
    """Stop the server in FOLDER/data and wait until it is gone."""
    pid = running_postmaster(folder, data)
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while running_postmaster(folder, data) == pid:
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.02)


def main(folder: Path) -> None:
    """Wait for the maker, then clean up."""
    for interrupt in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(interrupt, signal.SIG_IGN)
    print("ready", flush=True)
    said = sys.stdin.read().strip()
    if said == KEEP:
        return
    began = time.monotonic()
    pulumi = _running(folder / PULUMI) if said != END else None
    if pulumi is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pulumi, signal.SIGINT)  # it ends its plugins; what waits for the server goes on
    _remove(folder)
    # Whoever still writes there is about to end. After a crash that may be a server that was just
    # being started, and Pulumi, which writes its state before.
    while said != END or folder.exists():
        time.sleep(0.5 if said != END else 0.05)
        _remove(folder)
        is_over = pulumi is None or not _is_there(pulumi)
        if time.monotonic() > began + (_PATIENCE_SECONDS if is_over else _PULUMI_SECONDS):
            return


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _remove(folder: Path) -> None:
    # While a server is upgraded there are two data directories.
    for data in folder.glob("data*"):
        stop_postmaster(folder, signal.SIGQUIT, data.name)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
