"""Which parameters a server has: PostgreSQL's own `pg_settings`, overlaid with Azure's rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from azure_postgres_rehearsal.azure_api import published
from azure_postgres_rehearsal.azure_api.metrics import COLLECTOR
from azure_postgres_rehearsal.azure_api.parameters import DataType, Parameter
from azure_postgres_rehearsal.azure_api.postgres import Setting

_DATA_TYPES = {
    "bool": DataType.BOOLEAN,
    "enum": DataType.ENUMERATION,
    "integer": DataType.INTEGER,
    "real": DataType.NUMERIC,
    "string": DataType.STRING,
}

# What the service runs by itself; changing it here would also break the embedded server.
_READ_ONLY_CATEGORIES = (
    "Connections and Authentication / SSL",
    "Developer Options",
    "File Locations",
    "Preset Options",
    "Replication / Primary Server",
    "Write-Ahead Log / Archive Recovery",
    "Write-Ahead Log / Recovery Target",
)
_READ_ONLY = frozenset(
    {
        "allow_alter_system",
        "archive_command",
        "archive_library",
        "archive_mode",
        "cluster_name",
        "default_toast_compression",
        "dynamic_library_path",
        "fsync",
        "full_page_writes",
        "hot_standby",
        "jit_provider",
        "listen_addresses",
        "log_destination",
        "log_directory",
        "log_file_mode",
        "log_filename",
        "logging_collector",
        "maintenance_io_concurrency",
        "max_slot_wal_keep_size",
        "port",
        "primary_conninfo",
        "primary_slot_name",
        "recovery_min_apply_delay",
        "shared_memory_type",
        "unix_socket_directories",
        "unix_socket_group",
        "unix_socket_permissions",
        "wal_receiver_create_temp_slot",
        "wal_sync_method",
    }
)

# Extensions a user may allow; an empty set is allowed, which Azure writes as a leading comma.
_EXTENSIONS = (
    "address_standardizer,address_standardizer_data_us,amcheck,azure_ai,azure_storage,bloom,"
    "btree_gin,btree_gist,citext,cube,dblink,dict_int,dict_xsyn,earthdistance,fuzzystrmatch,"
    "hstore,hypopg,intarray,isn,login_hook,lo,ltree,orafce,pageinspect,pg_buffercache,pg_cron,"
    "pg_freespacemap,pg_hint_plan,pg_partman,pg_prewarm,pg_repack,pg_squeeze,"
    "pg_stat_statements,pg_trgm,pg_visibility,pgaudit,pgcrypto,pglogical,pgrowlocks,"
    "pgstattuple,plpgsql,postgis,postgis_raster,postgis_sfcgal,postgis_tiger_geocoder,"
    "postgis_topology,postgres_fdw,semver,sslinfo,tablefunc,timescaledb,tsm_system_rows,"
    "tsm_system_time,unaccent,uuid-ossp,vector"
)


@dataclass(frozen=True)
class _Rule:
    """What Azure says of a parameter where PostgreSQL alone would say something else."""

    default: str
    choices: tuple[str, ...] = ()
    low: str = ""
    high: str = ""
    data_type: DataType | None = None


def _rules(major: int) -> dict[str, _Rule]:
    preloaded = "pg_stat_statements" if major == 17 else "pg_cron,pg_stat_statements"
    return {
        "wal_level": _Rule("replica", choices=("replica", "logical")),
        "max_worker_processes": _Rule("8", low="0", high="262143"),
        "max_replication_slots": _Rule("10", low="2", high="262143"),
        "max_wal_senders": _Rule("10", low="5", high="100"),
        "max_logical_replication_workers": _Rule("4", low="0", high="262143"),
        "track_commit_timestamp": _Rule("off", choices=("on", "off")),
        "wal_sender_timeout": _Rule("60000", low="0", high="2147483647"),
        "logical_decoding_work_mem": _Rule("65536", low="64", high="2147483647"),
        "hot_standby_feedback": _Rule("off", choices=("on", "off")),
        "sync_replication_slots": _Rule("off", choices=("on", "off")),
        "max_slot_wal_keep_size": _Rule("-1", low="-1", high="-1"),
        "shared_preload_libraries": _Rule(
            preloaded, choices=published.libraries(major), data_type=DataType.SET
        ),
    }


_OWN = (
    Parameter(
        "azure.extensions",
        DataType.SET,
        "",
        choices=("", *_EXTENSIONS.split(",")),
        description="Specifies which extensions are allowed to be created in the server.",
    ),
    Parameter(
        COLLECTOR,
        DataType.BOOLEAN,
        "off",
        choices=("on", "off"),
        description="Enables enhanced metrics collection.",
    ),
    Parameter(
        "require_secure_transport",
        DataType.BOOLEAN,
        "on",
        choices=("on", "off"),
        description="Whether client connections to the server must use secure transport.",
        applied=False,
    ),
)

CUSTOM = tuple(parameter.name for parameter in _OWN if parameter.applied)
"""Azure's own parameters that PostgreSQL takes as custom ones."""


def azure_defaults(major: int, settings: Iterable[Setting]) -> dict[str, str]:
    """Azure's defaults of the parameters that a server of this version has."""
    rules = _rules(major)
    defaults = {s.name: rules[s.name].default for s in settings if s.name in rules}
    return defaults | {p.name: p.default for p in _OWN if p.applied}


def catalogue(major: int, settings: Iterable[Setting]) -> list[Parameter]:
    """Every parameter of a server, in order of name.

    `settings` must be read with Azure's defaults in effect: elsewhere the value in effect is
    taken for the default.
    """
    rules = _rules(major)
    own = {parameter.name for parameter in _OWN}
    parameters = [_parameter(major, s, rules.get(s.name)) for s in settings if s.name not in own]
    return sorted([*parameters, *_OWN], key=lambda parameter: parameter.name.lower())


def _parameter(major: int, setting: Setting, rule: _Rule | None) -> Parameter:
    data_type = _DATA_TYPES[setting.vartype]
    choices = tuple(setting.enumvals or ())
    parameter = Parameter(
        name=setting.name,
        data_type=data_type,
        default=setting.in_effect,
        is_dynamic=setting.context not in ("postmaster", "internal"),
        is_read_only=_is_read_only(setting),
        choices=("on", "off") if data_type is DataType.BOOLEAN else choices,
        low=setting.min_val or "",
        high=setting.max_val or "",
        unit=setting.unit or "",
        description=setting.description,
        documentation_link=f"https://www.postgresql.org/docs/{major}/runtime-config.html",
    )
    if rule is None:
        low, high = published.BOUNDS.get(setting.name, (parameter.low, parameter.high))
        choices = published.CHOICES.get(setting.name, parameter.choices)
        return replace(parameter, low=low, high=high, choices=choices)
    return replace(
        parameter,
        data_type=rule.data_type or data_type,
        default=rule.default,
        choices=rule.choices,
        low=rule.low,
        high=rule.high,
    )


def _is_read_only(setting: Setting) -> bool:
    if setting.name in published.WRITABLE:
        return False
    return (
        setting.context == "internal"
        or setting.name in _READ_ONLY | published.READ_ONLY
        or setting.category.startswith(_READ_ONLY_CATEGORIES)
    )
