"""Where Pulumi's engine is, and how it comes to a machine that has none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from azure_postgres_cdc.errors import CdcError

_BUILT = Path(".engine") / "bin" / "pulumi"


def find(project: Path) -> str:
    """The engine: on PATH, built by `make setup`, or where Pulumi's own installer puts it."""
    places = [folder / _BUILT for folder in (project, *project.parents)]
    places.append(installed_root() / "bin" / "pulumi")
    found = shutil.which("pulumi") or next(filter(Path.is_file, places), None)
    if found is None:
        raise CdcError(
            "pulumi is not on PATH. Remedy: put it there, or run make setup, or azure-postgres-cdc "
            "install-engine, which downloads it"
        )
    return str(found)


def installed_root() -> Path:
    """The folder that Pulumi's own installer uses."""
    return Path.home() / ".pulumi"


def install() -> Path:
    """Have Pulumi's own installer download the engine that goes with the SDK; its folder.

    Does nothing where that is there. Raises a CdcError where it cannot be downloaded.
    """
    # It takes half a second, and no other command needs it.
    from pulumi.automation import PulumiCommand

    root = installed_root()
    try:
        command = PulumiCommand.install(root=str(root))
    except subprocess.CalledProcessError as error:
        said = (error.output or b"").decode(errors="replace").strip().splitlines()
        raise _refused(said[-1] if said else f"exit status {error.returncode}") from None
    except Exception as error:  # the downloader's errors are of many kinds
        raise _refused(str(error) or type(error).__name__) from None
    return Path(command.command).parent


def _refused(reason: str) -> CdcError:
    return CdcError(
        f"Pulumi's installer (get.pulumi.com) did not work: {' '.join(reason.split())}. Remedy: "
        "let this machine reach it (HTTPS_PROXY is heeded), or put pulumi on PATH in another way"
    )
