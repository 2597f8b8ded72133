"""One data directory of PostgreSQL: made with initdb, configured, taken over with pg_upgrade."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from azure_postgres_rehearsal.distributions import Account, Distribution

SUPERUSER = "azuresu"

_HBA = """local all {superuser} trust
{kind} all all 127.0.0.1/32 scram-sha-256
{kind} replication all 127.0.0.1/32 scram-sha-256
"""
_LIBRARIES = "shared_preload_libraries"
_OUTCOME = re.compile(r"(?:\b(?:ok|fatal)|\*failure\*)\s*$", re.MULTILINE)
_LISTING = re.compile(r"^\s+(/\S+\.txt)$", re.MULTILINE)
_LISTED = 500  # characters of what pg_upgrade has listed in a file


class PgUpgradeError(RuntimeError):
    """What pg_upgrade said when it failed, on one line."""


@dataclass(frozen=True)
class Cluster:
    """A data directory and the programs it belongs to; `data_dir` is in the server's folder."""

    distribution: Distribution
    account: Account
    data_dir: Path

    @property
    def folder(self) -> Path:
        """The server's folder, where its socket, its log and its certificate are."""
        return self.data_dir.parent

    def initdb(self) -> None:
        """Make the data directory; in the same way for every version, as pg_upgrade wants it."""
        command = ["-D", str(self.data_dir), "-U", SUPERUSER, "-E", "UTF8", "--locale=C"]
        command += ["--auth=trust", "--no-sync", "--no-instructions"]
        if self.distribution.major >= 18:
            # pg_upgrade wants both clusters alike, and 16 was made without checksums.
            command.append("--no-data-checksums")
        result = self._run("initdb", *command)
        if result.returncode:
            raise RuntimeError(
                f"initdb of PostgreSQL {self.distribution.major} failed: {result.stderr.strip()}"
            )

    def configure(self, settings: Mapping[str, str], *, tls_only: bool) -> None:
        """Write the server parameters, and who may connect."""
        (self.data_dir / "pg_hba.conf").write_text(
            _HBA.format(superuser=SUPERUSER, kind="hostssl" if tls_only else "host")
        )
        with (self.data_dir / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.writelines(_line(name, value) for name, value in settings.items())

    def set_system(self, settings: Mapping[str, str]) -> None:
        """Set what `ALTER SYSTEM` sets, of a server that does not run."""
        with (self.data_dir / "postgresql.auto.conf").open("a", encoding="utf-8") as conf:
            conf.writelines(_line(name, value) for name, value in settings.items())

    def known(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Those of the server parameters that this version knows and takes with these values."""
        loadable = {name: self._loadable(name, value) for name, value in settings.items()}
        return {name: value for name, value in loadable.items() if self._takes(name, value)}

    def upgrade_from(self, old: Cluster) -> None:
        """Take over what is in another cluster, which stays as it is; neither may be running."""
        command = ["-b", str(old.distribution.bin_dir), "-B", str(self.distribution.bin_dir)]
        command += ["-d", str(old.data_dir), "-D", str(self.data_dir), "-U", SUPERUSER]
        command += ["-s", str(self.folder), "--no-sync"]
        if self.distribution.major >= 18:
            # On Azure they are gone, or so Microsoft's advice to run ANALYZE has it.
            command.append("--no-statistics")
        result = self._run("pg_upgrade", *command)
        with (self.folder / "pg_upgrade.log").open("a", encoding="utf-8") as log:
            log.write(result.stdout + result.stderr)
        (self.folder / "delete_old_cluster.sh").unlink(missing_ok=True)
        if result.returncode:
            raise PgUpgradeError(_reason(result.stdout + result.stderr))

    def _takes(self, name: str, value: str) -> bool:
        return (
            "." in name
            or not self._run(
                "postgres", "-D", str(self.data_dir), "-C", name, "-c", f"{name}={value}"
            ).returncode
        )

    def _loadable(self, name: str, value: str) -> str:
        if name != _LIBRARIES:
            return value
        there = self.distribution.library_dir
        libraries = [library.strip(' "') for library in value.split(",")]
        return ", ".join(name for name in libraries if any(there.glob(f"{name}.*")))

    def _run(self, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        result: subprocess.CompletedProcess[str] = subprocess.run(
            [self.distribution.tool(tool), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd=self.folder,
            check=False,
            **self.account.popen_arguments,  # type: ignore[call-overload]
        )
        return result


def _line(name: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace("'", "''")
    return f"{name} = '{quoted}'\n"


def _reason(said: str) -> str:
    """What follows the last outcome of a check, with what pg_upgrade has listed in a file."""
    after = _OUTCOME.split(said)[-1].replace("Failure, exiting", "")
    for path in _LISTING.findall(after):
        listed = " ".join(
            Path(path).read_text(encoding="utf-8", errors="replace")[:_LISTED].split()
        )
        after = after.replace(path, listed)
    return " ".join(after.split())
