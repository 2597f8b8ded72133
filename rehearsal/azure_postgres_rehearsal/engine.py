"""The real Pulumi engine, run on a copy of a project's settings in a folder of its own.

The program, its policies and its components run from where they are. Only Pulumi.yaml and the
stack's file are copied, so that secrets and what the rehearsal fills in stay out of the project.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from azure_postgres_rehearsal import keeper
from azure_postgres_rehearsal.project_files import (
    PROJECT_FILE,
    description_of,
    is_encrypted,
    namespaced,
    read,
    stack_file,
    write,
)

ENGINE_BIN = Path(".engine") / "bin"

# Stand-in, and the Python package whose version of the plugin the program asks for.
_PLUGINS = {
    "azure-native": ("azure_postgres_rehearsal.plugins.azure_native", "pulumi_azure_native"),
    "postgresql": ("azure_postgres_rehearsal.plugins.postgresql", "pulumi_postgresql"),
}
_CANCEL_SECONDS = 60
# Whoever rehearses may be logged in to a real Pulumi, PostgreSQL or Azure.
_NOT_INHERITED = ("PULUMI_", "PG", "AZURE_", "ARM_", "IDENTITY_", "MSI_")
_CHANGES = frozenset({"create", "update", "delete", "replace", "create-replacement", "refresh"})


class PulumiFailed(Exception):  # noqa: N818 - reads better where it is raised
    """Pulumi ended with an error; what it said is in `outcome`."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(f"pulumi {outcome.command} failed")
        self.add_note(outcome.text)


@dataclass(frozen=True)
class Outcome:
    """What one run of the engine did."""

    command: str
    returncode: int
    text: str
    """What it printed, where that was captured."""
    operations: Mapping[str, int] = field(default_factory=dict)
    """Resources by operation, such as create, update, same."""
    events: Sequence[Mapping[str, Any]] = ()
    """Everything that the engine told of the run."""

    @property
    def resources(self) -> int:
        """How many resources took part."""
        return sum(self.operations.values())

    @property
    def changed(self) -> int:
        """How many of them were not left as they were."""
        return sum(count for name, count in self.operations.items() if name in _CHANGES)


class Engine:
    """Pulumi for one stack of one project, with a state, a home and plugins of its own.

    `settings` replace or complete keys of the stack's file; `secret_settings` go in encrypted.
    """

    def __init__(
        self,
        project: Path,
        stack: str,
        folder: Path,
        settings: Mapping[str, Any],
        secret_settings: Mapping[str, str],
        environment: Mapping[str, str],
    ) -> None:
        self.stack = stack
        self.folder = folder
        self._project = project.resolve()
        self._namespace = ""
        self.environment = self._environment(environment)
        self._copy_project(settings)
        install_plugins(folder / "home")
        self._run_quietly("stack", "init", stack)
        for key, value in secret_settings.items():
            self.set_secret(key, value)

    # Commands

    def up(self, *arguments: str, capture: bool = False, check: bool = True) -> Outcome:
        """Preview and update, as in a pipeline."""
        return self._run("up", "--yes", *arguments, capture=capture, check=check)

    def preview(self, *arguments: str, capture: bool = False, check: bool = True) -> Outcome:
        """What `up` would change."""
        return self._run("preview", *arguments, capture=capture, check=check)

    def refresh(self, *arguments: str, capture: bool = False, check: bool = True) -> Outcome:
        """Bring the state in line with what is there."""
        return self._run("refresh", "--yes", *arguments, capture=capture, check=check)

    def destroy(self, *arguments: str, capture: bool = False, check: bool = True) -> Outcome:
        """Take down what is not protected."""
        return self._run("destroy", "--yes", *arguments, capture=capture, check=check)

    def unprotect(self) -> None:
        """Release everything that is protected."""
        self._run_quietly("state", "unprotect", "--all", "--yes")

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in plain text."""
        found: dict[str, Any] = json.loads(
            self._run_quietly("stack", "output", "--json", "--show-secrets")
        )
        return found

    def state(self) -> dict[str, Any]:
        """The stack's state, secrets encrypted."""
        found: dict[str, Any] = json.loads(self._run_quietly("stack", "export"))
        return found

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Put another state in its place, as it was exported."""
        self._run_quietly("stack", "import", "--force", stdin=json.dumps(state))

    def set_config(self, key: str, value: object) -> None:
        """Change a setting of the rehearsed stack, as an edit of its file would."""
        content = read(self._stack_file)
        content["config"][self._key(key)] = value
        write(self._stack_file, content)

    def set_secret(self, key: str, value: str) -> None:
        """Change a secret setting, as `pulumi config set --secret` does."""
        self._run_quietly("config", "set", "--secret", self._key(key), stdin=value)

    def set_settings(self, settings: Mapping[str, object]) -> None:
        """Replace every setting of the project but its secrets."""
        content = read(self._stack_file)
        kept = {
            key: value
            for key, value in content["config"].items()
            if not key.startswith(self._key("")) or is_encrypted(value)
        }
        given = {self._key(key): value for key, value in settings.items()}
        content["config"] = kept | given
        write(self._stack_file, content)

    # Making

    @property
    def _stack_file(self) -> Path:
        return self.folder / f"Pulumi.{self.stack}.yaml"

    def _key(self, key: str) -> str:
        return f"{self._namespace}:{key}"

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(_NOT_INHERITED)
        }
        path = [str(Path(sys.prefix) / "bin"), *engine_path(self._project)]
        return inherited | {
            "PATH": os.pathsep.join(path),
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": secrets.token_urlsafe(18),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            # Looking for plugins online is half of the time of a small up.
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            # Opens --event-log, from which the counts come.
            "PULUMI_DEBUG_COMMANDS": "1",
            **given,
        }

    def _copy_project(self, settings: Mapping[str, Any]) -> None:
        (self.folder / "state").mkdir(parents=True)
        description = description_of(self._project)
        self._namespace = description["name"]
        source = stack_file(self._project, self.stack)
        description["main"] = str(self._project / (description.get("main") or "."))
        description["stackConfigDir"] = "."
        runtime = description.get("runtime")
        if isinstance(runtime, dict) and "virtualenv" in (runtime.get("options") or {}):
            runtime["options"]["virtualenv"] = sys.prefix
        write(self.folder / PROJECT_FILE, description)
        given = namespaced(source, self._namespace)
        config = {key: value for key, value in given.items() if not is_encrypted(value)}
        for key, value in settings.items():
            config[self._key(key)] = value
        write(self._stack_file, {"config": config})

    # Running

    def _run(self, command: str, *arguments: str, capture: bool, check: bool) -> Outcome:
        events = self.folder / "events.json"
        events.unlink(missing_ok=True)
        options = ["--stack", self.stack, "--non-interactive", "--color", "never"]
        returncode, text, errors = self._pulumi(
            [command, *options, "--event-log", str(events), *arguments], capture=capture
        )
        told = list(_events(events))
        outcome = Outcome(command, returncode, text + errors, _operations(told), told)
        if check and returncode:
            raise PulumiFailed(outcome)
        return outcome

    def _run_quietly(self, *command: str, stdin: str = "") -> str:
        stack = () if command[:2] == ("stack", "init") else ("--stack", self.stack)
        returncode, text, errors = self._pulumi(
            [*command, *stack, "--non-interactive"], stdin=stdin
        )
        if returncode:
            raise PulumiFailed(Outcome(" ".join(command[:2]), returncode, text + errors))
        return text

    def _pulumi(
        self, arguments: Sequence[str], *, capture: bool = True, stdin: str = ""
    ) -> tuple[int, str, str]:
        """Run the engine to its end. An interrupt is passed on, once: twice would cut it off.

        What it prints goes into files: a pipe whose reader was killed would kill it, too, before
        it has ended its plugins.
        """
        with tempfile.TemporaryFile() as text, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                ["pulumi", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=text if capture else None,
                stderr=errors if capture else None,
                encoding="utf-8",
                errors="replace",
                process_group=0,
            )
            # For the keeper, which ends it where this process is killed.
            running = self.folder / keeper.PULUMI.name
            running.write_text(str(process.pid))
            with process:
                try:
                    process.communicate(stdin)
                except KeyboardInterrupt:
                    process.send_signal(signal.SIGINT)
                    _cancelled(process)
                    raise
                finally:
                    running.unlink(missing_ok=True)
            return process.returncode, _written(text), _written(errors)


def _cancelled(process: subprocess.Popen[str]) -> None:
    """Wait until the engine has ended, also where a second interrupt comes: a logout sends two."""
    for _ in range(2):
        with contextlib.suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
            process.wait(_CANCEL_SECONDS)
            return
    process.kill()


def _written(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")


def engine_path(project: Path) -> list[str]:
    """Where pulumi is looked for: what `make setup` has built, PATH, Pulumi's own installer's.

    Raises FileNotFoundError where it is nowhere.
    """
    built = [str(folder / ENGINE_BIN) for folder in (project, *project.parents)]
    path = [*built, os.environ.get("PATH", ""), str(Path.home() / ".pulumi" / "bin")]
    if shutil.which("pulumi", path=os.pathsep.join(path)) is None:
        raise FileNotFoundError(
            "pulumi is not on PATH. Remedy: put it there, or run make setup, or azure-postgres-cdc "
            "install-engine, which downloads it"
        )
    return path


def install_plugins(home: Path) -> None:
    """Install each provider plugin below PULUMI_HOME: the real one where it is, or the stand-in.

    The real azure-native plugin would talk to the real Azure, so that is always the stand-in.
    """
    for name, (module, package) in _PLUGINS.items():
        executable = f"pulumi-resource-{name}"
        folder = home / "plugins" / f"resource-{name}-v{_plugin_version(package)}"
        folder.mkdir(parents=True)
        real = installed_plugin(name) if name != "azure-native" else None
        if real is not None:
            (folder / executable).symlink_to(real)
            continue
        script = folder / executable
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def installed_plugin(name: str) -> Path | None:
    """The newest real plugin that the user has installed, or that is on PATH."""
    executable = f"pulumi-resource-{name}"
    home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
    found = (home / "plugins").glob(f"resource-{name}-v*/{executable}")
    newest = max(found, key=lambda path: _version_key(path.parent.name), default=None)
    if newest is not None:
        return newest.resolve()
    on_path = shutil.which(executable)
    return Path(on_path).resolve() if on_path else None


def _version_key(folder: str) -> tuple[int, ...]:
    numbers = folder.rpartition("-v")[2].split(".")
    return tuple(int(part) if part.isdigit() else 0 for part in numbers)


def _plugin_version(package: str) -> str:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the Python package {package} is not installed")
    description = json.loads(Path(spec.origin).with_name("pulumi-plugin.json").read_text())
    return str(description["version"])


def _operations(events: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The counts of the last summary: an `up` writes one for its preview and one for itself."""
    summaries = [event["summaryEvent"] for event in events if "summaryEvent" in event]
    return dict(summaries[-1]["resourceChanges"]) if summaries else {}


def _events(file: Path) -> Iterator[dict[str, Any]]:
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)
