"""Every example is rehearsed as it stands: it comes up, and a second `up` changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from support import PROJECT

from azure_postgres_rehearsal.engine import Outcome
from azure_postgres_rehearsal.rehearsal import Rehearsal

EXAMPLES = PROJECT / "examples" / "stacks"
NAMES = sorted(file.name.split(".")[1] for file in EXAMPLES.glob("Pulumi.*.yaml"))
OPEN_AT_ALL_HOURS = {
    "days": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
    "start": "00:00",
    "end": "23:59",
}


def test_there_is_one_of_each() -> None:
    assert NAMES == ["create", "entra", "existing", "ha", "none", "private-endpoint", "prod"]
    listed = (EXAMPLES / "README.md").read_text()
    assert all(f"`Pulumi.{name}.yaml`" in listed for name in NAMES)


@dataclass
class Example:
    """One example, up in its rehearsal."""

    rehearsal: Rehearsal
    first: Outcome


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project with the examples as its stacks, as the README has it."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(PROJECT / "Pulumi.yaml", folder)
    (folder / ".engine").symlink_to(PROJECT / ".engine")
    shutil.copytree(PROJECT / "stacks", folder / "stacks", ignore=lambda *_: ["__pycache__"])
    for name in NAMES:
        shutil.copy(EXAMPLES / f"Pulumi.{name}.yaml", folder / "stacks")
    return folder


@pytest.fixture
def example(project: Path, request: pytest.FixtureRequest) -> Iterator[Example]:
    name = request.param
    content = yaml.safe_load((EXAMPLES / f"Pulumi.{name}.yaml").read_text())
    server = content["config"]["azure-postgres-cdc:server"]
    if "window" in server.get("restart", {}):
        server["restart"]["window"] = OPEN_AT_ALL_HOURS
    with Rehearsal(project, name, settings={"server": server}) as rehearsal:
        yield Example(rehearsal, rehearsal.up(capture=True))


@pytest.mark.full
@pytest.mark.parametrize("example", NAMES, indirect=True, ids=NAMES)
def test_example_comes_up_and_stays(example: Example) -> None:
    rehearsal = example.rehearsal
    assert example.first.operations["create"] > 5
    slots = "SELECT slot_name FROM pg_replication_slots WHERE plugin = 'pgoutput'"
    with rehearsal.postgres.superuser() as connection:
        assert connection.execute(slots).fetchall() == [("streamkap_pgoutput_slot",)]
    assert rehearsal.azure.journal.restarts == (0 if rehearsal.management == "none" else 1)
    assert rehearsal.azure.journal.refused == []
    asked = len(rehearsal.azure.journal.accepted)
    again = rehearsal.up("--refresh", capture=True)
    assert again.changed == 0, again.text
    assert len(rehearsal.azure.journal.accepted) == asked


@pytest.mark.full
@pytest.mark.parametrize("example", ["ha"], indirect=True)
def test_what_azure_changes_by_itself_stays(example: Example) -> None:
    """Storage that has grown, with its IOPS and tier, and zones that a failover has swapped."""
    rehearsal = example.rehearsal
    server = rehearsal.azure.servers[0]
    now = server.definition
    assert now.storage.size_gb == 256
    server.definition = replace(now, storage=replace(now.storage, size_gb=512))
    assert rehearsal.up(capture=True).changed == 0
    # Pulumi sends the whole server, with what its state has of these.
    settings = rehearsal.settings["server"]
    create = settings["create"] | {"tags": {"team": "data"}}
    rehearsal.engine.set_config("server", settings | {"create": create})
    stale = rehearsal.engine.up("--skip-preview", capture=True, check=False)
    assert "Requested data Disk size '262144' cannot be less than current size" in stale.text
    standby = replace(now.high_availability, standby_zone="1")
    server.definition = replace(server.definition, availability_zone="2", high_availability=standby)
    assert rehearsal.up("--refresh", capture=True).operations["update"] == 1
    about = server.definition
    assert (about.tags, about.storage.size_gb) == ({"team": "data"}, 512)
    assert (about.availability_zone, about.high_availability) == ("2", standby)
    assert rehearsal.up("--refresh", capture=True).changed == 0
    # What is fixed for its life would be another server.
    other = create | {"geoRedundantBackup": False}
    rehearsal.engine.set_config("server", settings | {"create": other})
    refused = rehearsal.engine.up(capture=True, check=False)
    assert "marked for protection" in refused.text
    assert rehearsal.azure.servers == [server]


@pytest.mark.full
@pytest.mark.parametrize("example", ["entra"], indirect=True)
def test_another_token_changes_nothing_and_none_is_kept(example: Example) -> None:
    rehearsal = example.rehearsal
    before = rehearsal.token()
    rehearsal.azure.rotate_tokens()
    assert rehearsal.token() != before
    again = rehearsal.up(capture=True)
    assert again.changed == 0, again.text
    kept = "".join(
        file.read_text(errors="replace")
        for file in (rehearsal.postgres.folder / "rehearsal").rglob("*.json*")
    )
    state = str(rehearsal.engine.state())
    for token in (before, rehearsal.token()):
        assert token[-60:] not in kept + state + example.first.text + again.text


@pytest.mark.full
@pytest.mark.parametrize("example", ["entra"], indirect=True)
def test_connector_s_password_is_in_the_vault_and_opens_the_database(example: Example) -> None:
    rehearsal = example.rehearsal
    password = rehearsal.vault.value("psql-shop-entra-streamkap-user")
    with rehearsal.postgres.connect("shop", "streamkap_user", password) as connection:
        assert connection.execute("SELECT count(*) FROM public.orders").fetchone() == (0,)


def forget_from(rehearsal: Rehearsal, kind: str) -> None:
    """The state that an `up` leaves which was killed before the first of this kind was recorded."""
    state = rehearsal.engine.state()
    resources = state["deployment"]["resources"]
    first = next(index for index, item in enumerate(resources) if kind in item["type"])
    state["deployment"]["resources"] = resources[:first]
    rehearsal.engine.set_state(state)


@pytest.mark.full
@pytest.mark.parametrize("example", ["entra", "private-endpoint"], indirect=True)
def test_up_that_was_killed_is_taken_up_with_what_it_made_in_azure(example: Example) -> None:
    rehearsal = example.rehearsal
    made = {resource["urn"] for resource in rehearsal.engine.state()["deployment"]["resources"]}
    for kind in ("ActionGroup", "dbforpostgresql:Server", "MetricAlert", "FirewallRule", "Role"):
        if any(kind in urn for urn in made):
            forget_from(rehearsal, kind)
            restarts = rehearsal.azure.journal.restarts
            again = rehearsal.up(capture=True)
            assert again.operations["import"] >= 2, again.text
            assert rehearsal.azure.journal.restarts == restarts
            state = rehearsal.engine.state()["deployment"]["resources"]
            assert {resource["urn"] for resource in state} == made
            assert rehearsal.up(capture=True).changed == 0


@pytest.mark.full
@pytest.mark.parametrize("example", ["create"], indirect=True)
def test_server_of_that_name_that_differs_is_somebody_else_s(example: Example) -> None:
    rehearsal = example.rehearsal
    forget_from(rehearsal, "dbforpostgresql:Server")
    server = rehearsal.settings["server"]
    create = server["create"] | {"backupRetentionDays": 21}
    rehearsal.engine.set_config("server", server | {"create": create})
    outcome = rehearsal.engine.up("--skip-preview", capture=True, check=False)
    assert outcome.returncode != 0
    assert "cannot create already existing resource" in outcome.text
    assert "dbforpostgresql:Server psql-shop-new-server importing" not in outcome.text
