"""A Pulumi project and its stacks' files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from azure_postgres_cdc.errors import CdcError
from azure_postgres_cdc.operations.stack import description_of, project_folder

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True)
class Project:
    """What Pulumi.yaml says of where things are."""

    name: str
    """Its own keys may begin with it, as in `azure-postgres-cdc:server`."""
    config_dir: Path
    """Where the stacks' files are."""
    root: Path
    """What `tablesFile` is relative to."""

    @classmethod
    def at(cls, folder: Path | None) -> Project:
        """The project of a folder, or the nearest one upwards. Raises a CdcError."""
        found = project_folder(folder)
        description = description_of(found)
        main = (found / description.get("main", "stacks")).resolve()
        config_dir = (found / description.get("stackConfigDir", ".")).resolve()
        return cls(str(description["name"]), config_dir, main.parent)

    def file(self, stack: str) -> Path:
        """A stack's file, there or not. Raises a CdcError where Pulumi takes no such name."""
        if not _NAME.fullmatch(stack):
            raise CdcError(
                f"{stack!r} is no name of a stack: 1 to 100 letters, digits, hyphens, underscores "
                "and periods (Pulumi's rule). Remedy: choose another name"
            )
        return self.config_dir / f"Pulumi.{stack}.yaml"

    def existing(self, stack: str) -> Path:
        """The file of a stack that is there. Raises a CdcError that names those that are."""
        file = self.file(stack)
        if not file.is_file():
            raise CdcError(
                f"there is no {shown(file)}. Remedy: check the name, or write it with "
                f"azure-postgres-cdc new-stack {stack}; there are "
                f"{', '.join(self.stacks()) or 'none'}"
            )
        return file

    def stacks(self) -> list[str]:
        """The names of the stacks that have a file."""
        files = filter(Path.is_file, self.config_dir.glob("Pulumi.?*.yaml"))
        return sorted(file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in files)


def shown(file: Path) -> str:
    """A path as it is shown: from here, where it is below."""
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)
