"""An `up` that was killed between making a thing and recording it: the next one gets over it."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import PROJECT, pgbench

from azure_postgres_rehearsal.rehearsal import Rehearsal

MOMENTS = 24
"""How many times a first `up` is killed, spread over all of it."""
EVERY_DAY = 16


@dataclass(frozen=True)
class Whole:
    """A first `up` that nobody killed."""

    rehearsal: Rehearsal
    state: dict[str, Any]
    seconds: float

    @property
    def urns(self) -> set[str]:
        return urns(self.state)


def urns(state: dict[str, Any]) -> set[str]:
    return {resource["urn"] for resource in state["deployment"]["resources"]}


def start(stack: str = "local", **settings: Any) -> Rehearsal:
    return Rehearsal(PROJECT, stack, settings=settings)


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with start() as rehearsal:
        pgbench(rehearsal, "--initialize", "--quiet")
        began = time.monotonic()
        rehearsal.engine.up("--skip-preview", capture=True)
        yield Whole(rehearsal, rehearsal.engine.state(), time.monotonic() - began)


def check_complete(rehearsal: Rehearsal, expected: set[str]) -> None:
    """One `up` that ends complete, and one that changes nothing."""
    up = rehearsal.engine.up("--skip-preview", capture=True, check=False)
    assert up.returncode == 0, up.text
    assert urns(rehearsal.engine.state()) == expected
    with rehearsal.postgres.superuser("shop") as connection:
        assert connection.execute(
            "SELECT pg_has_role('streamkap_user', 'streamkap_role', 'MEMBER'), rolreplication"
            " FROM pg_roles WHERE rolname = 'streamkap_user'"
        ).fetchall() == [(True, True)]
        assert connection.execute("SELECT slot_name FROM pg_replication_slots").fetchall() == [
            ("streamkap_pgoutput_slot",)
        ]
        assert connection.execute("SELECT pubname FROM pg_publication").fetchall() == [
            ("streamkap_pub",)
        ]
    form = rehearsal.engine.outputs()["connectors"][0]
    with rehearsal.postgres.connect("shop", form["username"], form["password"]) as connection:
        connection.execute("SELECT FROM public.pgbench_history")
    again = rehearsal.engine.up("--skip-preview", capture=True)
    assert again.changed == 0, again.text


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=() if every_day else pytest.mark.full)
        for kind, every_day in {
            "CdcServer": False,
            "GeneratedPassword": False,
            "ExistingServer": False,
            "ServerParameters": False,
            "ServerRestart": False,
            "ConnectorLogins": False,
            "streamkap_role": True,
            "GroupRoles": False,
            "streamkap_user": False,
            "SchemaAccess": False,
            "SignalTable": False,
            "ReplicaIdentity": False,
            "Publication": False,
            "ReplicationSlot": True,
        }.items()
    ],
)
def test_state_that_ends_before_any_of_what_was_made(whole: Whole, kind: str) -> None:
    """The engine records one thing after the other: a killed `up` leaves a state's beginning."""
    state = whole.rehearsal.engine.state()
    resources = state["deployment"]["resources"]
    first = next(index for index, item in enumerate(resources) if kind in item["urn"])
    state["deployment"]["resources"] = resources[:first]
    whole.rehearsal.engine.set_state(state)
    check_complete(whole.rehearsal, whole.urns)


def kill(process: psutil.Process) -> None:
    """Or nothing, where it has ended by itself."""
    with suppress(psutil.NoSuchProcess):
        process.kill()


def kill_up(rehearsal: Rehearsal, after: float, *, with_plugins: bool) -> bool:
    """Start a first `up` and kill it; whether it was still under way."""
    engine = rehearsal.engine
    process = psutil.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", engine.stack],
        cwd=engine.folder,
        env=engine.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    time.sleep(after)
    was_running = process.poll() is None
    started = process.children(recursive=True) if was_running else []
    kill(process)
    for item in started if with_plugins else ():
        kill(item)
    process.wait()
    if not with_plugins:
        # What the engine has asked for is still done; then nobody is there to be told.
        time.sleep(1)
    for item in started:
        kill(item)
    subprocess.run(
        ["pulumi", "cancel", "--yes", "--stack", engine.stack],
        cwd=engine.folder,
        env=engine.environment,
        capture_output=True,
        check=False,  # there is nothing to cancel where it was killed before it took the lock
    )
    drop_torn_attributes(engine.folder)
    return was_running


def drop_torn_attributes(folder: Path) -> None:
    """Pulumi's file backend writes what it knows of a file beside it, and not at one stroke.

    All that it says then is "failed to load checkpoint: EOF"; without that file, it reads it.
    """
    for file in folder.rglob("*.attrs"):
        try:
            json.loads(file.read_text())
        except ValueError:
            file.unlink()


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(moment, marks=() if moment == EVERY_DAY else pytest.mark.full)
        for moment in range(MOMENTS)
    ],
)
def test_first_up_killed_at_a_random_moment(whole: Whole, moment: int) -> None:
    """Of the engine alone, or of the whole process tree, as when a pipeline's agent dies."""
    after = (moment + random.random()) / MOMENTS * whole.seconds  # noqa: S311 - no secret
    with start() as rehearsal:
        pgbench(rehearsal, "--initialize", "--quiet")
        kill_up(rehearsal, after, with_plugins=moment % 2 == 0)
        check_complete(rehearsal, whole.urns)
