"""The library on its own: its wheel in a clean environment, in another team's program."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
from support import PROJECT, output

OWN_PROGRAM = PROJECT / "examples" / "own_program"
PINNED = re.compile(r"^([A-Za-z0-9_.-]+==[^\s;\\]+)", re.MULTILINE)
ENGINE = [str(PROJECT / ".engine" / "bin"), os.environ["PATH"]]

SLOTS = "SELECT slot_name, database FROM pg_replication_slots ORDER BY 1"
TABLES = "SELECT pubname, tablename FROM pg_publication_tables ORDER BY 2"
MEMBER = "SELECT pg_has_role('cdc_billing', 'cdc_billing_reader', 'member')"
# Run by the clean environment's Python, in a folder where nothing of the checkout is.
REHEARSE = f"""
import json, sys
from pathlib import Path
import azure_postgres_cdc
from azure_postgres_rehearsal.rehearsal import Rehearsal

with Rehearsal(Path(sys.argv[1]), "test") as rehearsal:
    first, again = (rehearsal.up(capture=True) for _ in range(2))
    def names(database, query):
        with rehearsal.postgres.superuser(database) as connection:
            return [list(row) for row in connection.execute(query)]
    found = {{
        "library": azure_postgres_cdc.__file__,
        "created": first.operations["create"],
        "changed": again.changed,
        "slots": names("postgres", "{SLOTS}"),
        "tables": names("orders", "{TABLES}"),
        "members": names("postgres", "{MEMBER}"),
        "onCall": rehearsal.engine.outputs()["onCall"],
        "restarts": rehearsal.azure.journal.restarts,
        "refused": rehearsal.azure.journal.refused,
    }}
print(json.dumps(found))
"""


def run(*command: str | Path, cwd: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return output(*command, cwd=cwd, environment=environment | {"PATH": os.pathsep.join(ENGINE)})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built out of what it is built of and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("components", "rehearsal"):
        shutil.copytree(
            PROJECT / name,
            folder / name,
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
        )
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(PROJECT / name, folder)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", ".", cwd=folder)
    (found,) = (folder / "dist").glob("*.whl")
    return found


def test_wheel_has_the_library_and_the_rehearsal_and_their_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    packages = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"azure_postgres_cdc", "azure_postgres_rehearsal"}
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    sources = {
        str(file.relative_to(root))
        for root in (PROJECT / "components", PROJECT / "rehearsal")
        for file in root.rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == sources


def test_wheel_asks_for_little(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        asked = message_from_string(archive.read(metadata).decode()).get_all("Requires-Dist") or []
    always = {re.split(r"[^\w-]", item)[0] for item in asked if "extra ==" not in item}
    assert always == {
        "azure-identity", "azure-mgmt-postgresqlflexibleservers", "psycopg", "pulumi",
        "pulumi-azure-native", "pulumi-postgresql", "pydantic", "pyyaml", "rich", "tenacity",
        "typer",
    }  # fmt: skip


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the wheel and what it asks for, in our versions."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    pinned = PINNED.findall((PROJECT / "requirements" / "dev.txt").read_text())
    (folder / "versions.txt").write_text("\n".join(pinned))
    pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check")
    asked = f"azure-postgres-cdc[rehearsal] @ {wheel.as_uri()}"
    run(*pip, "install", "--no-compile", "-c", "versions.txt", asked, cwd=folder)
    return python


@pytest.fixture
def own_program(tmp_path: Path) -> Path:
    """The other team's program, in a place of its own."""
    return shutil.copytree(
        OWN_PROGRAM, tmp_path / "own", ignore=shutil.ignore_patterns("__pycache__")
    )


def checked(program: Path, python: Path) -> str:
    """What mypy finds, with its own environment's stubs left out."""
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-executable", python,
         "--cache-dir", program / "cache", "__main__.py"],
        cwd=program, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return result.stdout + result.stderr


@pytest.mark.full
def test_wheel_is_typed(clean: Path, own_program: Path) -> None:
    assert "Success: no issues found in 1 source file" in checked(own_program, clean)
    file = own_program / "__main__.py"
    file.write_text(file.read_text().replace('"heartbeat": True', '"heartbeet": True'))
    assert 'Extra key "heartbeet" for TypedDict "ConnectorArgs"' in checked(own_program, clean)


@pytest.mark.full
def test_wheel_drives_another_team_s_program(clean: Path, own_program: Path) -> None:
    said = run(clean, "-I", "-c", REHEARSE, own_program, cwd=own_program)
    found = json.loads(said.splitlines()[-1])
    assert Path(found["library"]).is_relative_to(clean.parents[1])
    assert found["created"] > 20
    assert (found["changed"], found["restarts"], found["refused"]) == (0, 1, [])
    assert found["slots"] == [["cdc_billing", "billing"], ["cdc_orders", "orders"]]
    tables = ("order_lines", "orders", "streamkap_heartbeat", "streamkap_signal")
    assert found["tables"] == [["cdc_orders", table] for table in tables]
    assert found["members"] == [[True]]
    assert found["onCall"].endswith("/actionGroups/orders-on-call")


@pytest.mark.full
def test_wheel_s_commands_need_no_checkout(clean: Path, own_program: Path) -> None:
    said = run(clean.parent / "azure-postgres-cdc", "new-stack", "qa", cwd=own_program)
    assert said.startswith("written: Pulumi.qa.yaml\n")
    said = run(clean.parent / "azure-postgres-rehearsal", "up", "--stack", "test", cwd=own_program)
    assert re.search(r"\+ \d+ created", said)
