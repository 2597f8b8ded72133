"""What the tests of stack files share: a project of its own, and the command line in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from azure_postgres_cdc.operations.cli import app

PROJECT = """\
name: azure-postgres-cdc
runtime: python
main: stacks
stackConfigDir: stacks
"""
GOOD = """\
config:
  azure-postgres-cdc:adminPassword:
    secure: v1:abc:def
  azure-postgres-cdc:server:
    management: existing
    resourceGroup: rg
    name: psql-1
  azure-postgres-cdc:connection:
    user: cdc_admin
  azure-postgres-cdc:databases:
    - name: shop
      capture:
        tables: [public.orders]
"""


@dataclass(frozen=True)
class Project:
    folder: Path

    def write(self, stack: str, text: str) -> Path:
        file = self.folder / "stacks" / f"Pulumi.{stack}.yaml"
        file.write_text(text)
        return file

    def read(self, stack: str) -> str:
        return (self.folder / "stacks" / f"Pulumi.{stack}.yaml").read_text()

    def run(self, *arguments: str, status: int = 0) -> list[str]:
        """What a command says, line by line; a line of an error is the last one."""
        result: Result = CliRunner().invoke(app, arguments)
        assert result.exit_code == status, result.output
        return result.output.splitlines()


def project_in(folder: Path) -> Project:
    (folder / "stacks").mkdir()
    (folder / "Pulumi.yaml").write_text(PROJECT)
    return Project(folder)
