#!/usr/bin/env python3
"""Put a Pulumi engine into .engine/bin, unless a recent one is on PATH.

Prints the folder to put first on PATH. It needs Python alone, and Go where it has to build:
Go's module proxy and checksums (go.sum) stand for what is built. Without Go, Pulumi's own installer
downloads it, by way of the SDK in .venv. The second run does nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

ENGINE_VERSION = (3, 220, 0)
# The last release whose Go module carries the Python language host.
LANGUAGE_HOST_VERSION = (3, 79, 0)
GO_NEEDED = (1, 21)  # from here on Go fetches the newer toolchain that go.mod names

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = ROOT / ".engine" / "bin"
STAMP = TARGET.parent / "built-from"

_SDK = "github.com/pulumi/pulumi/sdk/v3"
_PROGRAMS = {
    "pulumi": ("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", ENGINE_VERSION),
    "language-host": (f"{_SDK}/python/cmd/pulumi-language-python", LANGUAGE_HOST_VERSION),
}
_SCRIPTS = (
    "python/cmd/pulumi-language-python-exec",
    "python/dist/pulumi-resource-pulumi-python",
    "python/dist/pulumi-analyzer-policy-python",
)


# Run by .venv's Python: this one may have no SDK.
_DOWNLOAD = """
import subprocess, sys
from pulumi.automation import PulumiCommand
from semver import VersionInfo
try:
    PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
except subprocess.CalledProcessError as error:
    sys.exit((error.output or b"").decode(errors="replace") or str(error))
"""


class InstallError(Exception):
    """What keeps the engine from being installed, in one line."""


class NoGo(InstallError):  # noqa: N818 - reads better where it is caught
    """There is no Go that could build the engine."""


def engine_on_path() -> Path | None:
    """The folder of a complete Pulumi on PATH that is recent enough, if there is one."""
    found = shutil.which("pulumi")
    if found is None or Path(found).parent == TARGET:
        return None
    folder = Path(found).parent
    if shutil.which("pulumi-language-python") is None:
        return None
    result = subprocess.run([found, "version"], capture_output=True, text=True, check=False)
    version = _version(result.stdout)
    return folder if version is not None and version >= ENGINE_VERSION else None


def _version(text: str) -> tuple[int, ...] | None:
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in match.groups()) if match else None


def find_go() -> str:
    """The path of a Go that can build the engine."""
    go = shutil.which("go")
    if go is None:
        raise NoGo("neither pulumi nor go is on PATH")
    version = _version(subprocess.run([go, "version"], capture_output=True, text=True).stdout)
    if version is None or version < GO_NEEDED:
        raise NoGo(f"{go} is too old to build Pulumi")
    return go


def download(why: str) -> None:
    """Have Pulumi's own installer put the engine into .engine. `why`: Go does not build it."""
    go, pulumi = (".".join(map(str, version)) for version in (GO_NEEDED, ENGINE_VERSION))
    remedy = f"install Go >= {go}, or Pulumi >= {pulumi}"
    python = ROOT / ".venv" / "bin" / "python"
    if not python.is_file():
        raise InstallError(f"{why}: {remedy}")
    print(f"downloading pulumi v{pulumi} (once)", file=sys.stderr, flush=True)
    result = subprocess.run(
        [str(python), "-c", _DOWNLOAD, str(TARGET.parent), pulumi],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        reason = (result.stderr.strip() or "it ended without a word").splitlines()[-1]
        raise InstallError(
            f"{why}, and Pulumi's installer (get.pulumi.com) did not work ({reason}): {remedy}, "
            "or let this machine reach it"
        )


def _sources() -> str:
    """What the built engine depends on, as one hash."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for module in _PROGRAMS:
        for name in ("go.mod", "go.sum"):
            digest.update((HERE / module / name).read_bytes())
    return digest.hexdigest()


def _go_environment() -> dict[str, str]:
    # Without cgo no C compiler is needed.
    wanted = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    if not os.access(os.environ.get("HOME", ""), os.W_OK):
        # A user without a home of its own, as in some containers.
        caches = TARGET.parent / "go"
        wanted |= {"GOPATH": str(caches), "GOCACHE": str(caches / "cache")}
    return os.environ | wanted


def _build(go: str, module: str) -> None:
    package, version = _PROGRAMS[module]
    text = ".".join(map(str, version))
    flags = f"-s -w -X {_SDK}/go/common/version.Version=v{text}"
    print(f"building {package} v{text} (some minutes, once)", file=sys.stderr, flush=True)
    result = subprocess.run(
        [
            go,
            "build",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            flags,
            "-o",
            f"{TARGET}/",
            package,
        ],
        cwd=HERE / module,
        env=_go_environment(),
        check=False,
    )
    if result.returncode:
        raise InstallError(f"go build {package} failed: see above; is Go's module proxy reachable?")


def _copy_scripts(go: str) -> None:
    result = subprocess.run(
        [go, "list", "-m", "-f", "{{.Dir}}", _SDK],
        cwd=HERE / "pulumi",
        env=_go_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    sdk = Path(result.stdout.strip())
    for script in _SCRIPTS:
        target = TARGET / Path(script).name
        shutil.copyfile(sdk / script, target)
        target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def install() -> Path:
    """Build what is missing; the folder that holds the engine."""
    on_path = engine_on_path()
    if on_path is not None:
        return on_path
    sources = _sources()
    if STAMP.is_file() and STAMP.read_text() == sources:
        return TARGET
    try:
        go = find_go()
    except NoGo as error:
        download(str(error))
    else:
        TARGET.mkdir(parents=True, exist_ok=True)
        for module in _PROGRAMS:
            _build(go, module)
        _copy_scripts(go)
    STAMP.write_text(sources)
    return TARGET


if __name__ == "__main__":
    try:
        print(install())
    except InstallError as error:
        sys.exit(f"tools/engine: {error}")
