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
KEEP, END = "keep", "end"
"""What a maker writes. Nothing: it has crashed."""


def running_postmaster(folder: Path, data: str = "data") -> int | None:
    """The process id of the server in FOLDER/data, if one is running."""
    try:
        pid = int((folder / data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return None
    return pid


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
    deadline = time.monotonic() + _PATIENCE_SECONDS
    _remove(folder)
    # Whoever still writes there is about to end. After a crash that may be a server that was just
    # being started, and Pulumi, which fails soon without one, and writes its state before.
    while (said != END or folder.exists()) and time.monotonic() < deadline:
        time.sleep(0.5 if said != END else 0.05)
        _remove(folder)


def _remove(folder: Path) -> None:
    # While a server is upgraded there are two data directories.
    for data in folder.glob("data*"):
        stop_postmaster(folder, signal.SIGQUIT, data.name)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
