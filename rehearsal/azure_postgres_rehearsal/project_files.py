"""A project's files, as a rehearsal reads them: Pulumi.yaml and the stacks' files.

What a server cannot be made up from is one line, with the file. Everything else is left to the
program, which refuses it as it does in a real `pulumi up`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, Field, ValidationError

PROJECT_FILE = "Pulumi.yaml"
_NEEDED = ("server", "connection")
_DIGITS = list("-+.0123456789")
_KINDS = ("bool", "int", "float", "timestamp", "value")
_REPLACED = frozenset(f"tag:yaml.org,2002:{kind}" for kind in _KINDS)


class RehearsalFailed(Exception):  # noqa: N818 - reads better where it is raised
    """What cannot be rehearsed, in one line."""


# YAML as Pulumi's engine reads it


class _Loader(yaml.SafeLoader):
    """YAML 1.2 in the main, as the engine has it: `yes` and `22:00` are texts, as in 1.1 they are
    not."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML has it
        first: [(tag, pattern) for tag, pattern in known if tag not in _REPLACED]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _kind, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*|0o?[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+)", _DIGITS),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", _DIGITS),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern})$"), _first
    )


class _Dumper(yaml.SafeDumper):
    """Texts in quotes, so that they stay texts."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - as PyYAML has it
        """Everything is written out."""
        return True


_Dumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def read(file: Path) -> dict[str, Any]:
    """A file's content. Raises RehearsalFailed where it is no mapping of YAML."""
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        raise RehearsalFailed(
            f"{where} is no YAML. Remedy: mend the line, or the one before it"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise RehearsalFailed(f"{file} is no YAML, or not in UTF-8. Remedy: mend it") from None
    if not isinstance(found or {}, dict):
        raise RehearsalFailed(f"{file} is no mapping of keys to values. Remedy: mend it")
    return found or {}


def write(file: Path, content: Mapping[str, Any]) -> None:
    """Write a file that the engine reads as it was read here."""
    file.write_text(yaml.dump(content, Dumper=_Dumper, sort_keys=False), encoding="utf-8")


# The project


def project_folder(given: Path | None) -> Path:
    """The folder of Pulumi.yaml: the given one, or the nearest upwards."""
    start = (given or Path()).resolve()
    for folder in (start,) if given else (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    raise RehearsalFailed(f"{start} has no {PROJECT_FILE}. Remedy: give the folder with --project")


def description_of(project: Path) -> dict[str, Any]:
    """What Pulumi.yaml says. Raises RehearsalFailed where it says nothing."""
    found = read(project / PROJECT_FILE)
    if not isinstance(found.get("name"), str):
        raise RehearsalFailed(
            f"{project / PROJECT_FILE} has no name. Remedy: the project's name, such as "
            "azure-postgres-cdc"
        )
    return found


def stack_file(project: Path, stack: str) -> Path:
    """Where a stack's settings are."""
    folder: Path = project / (description_of(project).get("stackConfigDir") or ".")
    return folder / f"Pulumi.{stack}.yaml"


# A stack's settings


class _Part(BaseModel):
    """What a rehearsal itself looks at; other keys are the program's."""


def _resource_id(text: str) -> str:
    if len(text.split("/")) < 9:
        raise ValueError("is no resource id of Azure")
    return text


_ResourceId = Annotated[str, AfterValidator(_resource_id)]


class _PrivateEndpoint(_Part):
    privateDnsZone: _ResourceId | None = None  # noqa: N815 - the names of the file


class _Create(_Part):
    version: int | None = None
    administrator: str | None = None
    privateEndpoint: _PrivateEndpoint | None = None  # noqa: N815


class _Server(_Part):
    management: str
    resourceGroup: str | None = None  # noqa: N815
    name: str | None = None
    create: _Create | None = None
    keyVault: _ResourceId | None = None  # noqa: N815


class _Connection(_Part):
    user: str = Field(min_length=1)
    auth: str | None = None
    tenantId: str | None = None  # noqa: N815


class _Capture(_Part):
    tables: list[str] | None = None
    tablesFile: str | None = None  # noqa: N815
    schemas: list[str] | None = None


class _Database(_Part):
    name: str = Field(min_length=1)
    capture: _Capture


class _Settings(_Part):
    server: _Server
    connection: _Connection
    databases: list[_Database] = Field(default=[])


def settings_in(project: Path, file: Path) -> dict[str, Any]:
    """The project's settings in a stack's file by key, without the encrypted ones.

    Raises RehearsalFailed where no server can be made up from them.
    """
    if not file.is_file():
        raise RehearsalFailed(
            f"there is no {file.name} in {file.parent}. Remedy: check --stack; there are "
            f"{', '.join(_stacks(file.parent)) or 'none'}"
        )
    found = config_of(project, file)
    settings = {key: value for key, value in found.items() if not is_encrypted(value)}
    missing = [key for key in _NEEDED if not settings.get(key)]
    if missing:
        raise RehearsalFailed(f"{file.name} has no {', no '.join(missing)}: nothing to rehearse")
    hidden = [key for key, value in settings.items() if _holds_a_secret(value)]
    if hidden:
        raise RehearsalFailed(
            f"{file.name}: {', '.join(hidden)} holds a secret inside, which the program refuses. "
            "Remedy: the only secrets are adminPassword and connectorPassword, top-level"
        )
    faults = _faults(settings)
    if faults:
        raise RehearsalFailed(
            f"{file.name}: {'; '.join(faults)}. Remedy: azure-postgres-cdc config check --stack "
            f"{_stack_of(file)} says everything that is wrong, with its line"
        )
    return settings


def config_of(project: Path, file: Path) -> dict[str, Any]:
    """The project's configuration in a stack's file, by key."""
    name = description_of(project)["name"]
    prefix = f"{name}:"
    return {
        key.removeprefix(prefix): value
        for key, value in namespaced(file, name).items()
        if key.startswith(prefix)
    }


def namespaced(file: Path, project: str) -> dict[str, Any]:
    """A stack file's configuration; a key without a namespace is the project's, as for Pulumi."""
    config = read(file).get("config") or {}
    if not isinstance(config, Mapping):
        raise RehearsalFailed(f"{file}: config is no mapping of keys to values. Remedy: mend it")
    return {
        key if ":" in key else f"{project}:{key}": value
        for key, value in ((str(key), value) for key, value in config.items())
    }


def is_encrypted(value: object) -> bool:
    """Whether a value of a stack's file is a secret."""
    return isinstance(value, Mapping) and set(value) == {"secure"}


def _faults(settings: Mapping[str, Any]) -> list[str]:
    try:
        found = _Settings.model_validate(settings)
    except ValidationError as error:
        return [f"{_path(item['loc'])}: {_said(item)}" for item in error.errors()]
    if found.server.management == "existing" and not (
        found.server.resourceGroup and found.server.name
    ):
        return ["server: existing needs resourceGroup and name"]
    return []


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in location
    ).removeprefix(".")


def _said(error: Any) -> str:
    """What pydantic says, without the value: it may be a password in the wrong place."""
    if error["type"] == "model_type":
        return "is no mapping of keys to values"
    return str(error["msg"]).removeprefix("Value error, ")


def _stacks(folder: Path) -> list[str]:
    return sorted(map(_stack_of, folder.glob("Pulumi.?*.yaml")))


def _stack_of(file: Path) -> str:
    return file.name.removeprefix("Pulumi.").removesuffix(".yaml")


def _holds_a_secret(value: object) -> bool:
    if isinstance(value, Mapping):
        return is_encrypted(value) or any(map(_holds_a_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_a_secret, value))
