"""`azure-postgres-cdc connector`: the form, JSON, the bulk upload, and what is refused."""

from __future__ import annotations

import csv
import json
import stat
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from tests.unit.connector_support import (
    FIELDS,
    ODD_NAMES,
    PASSWORD,
    READ_ONLY,
    RESTRICTED,
    TUNNEL,
    form,
    stack,
)
from typer.testing import CliRunner, Result

from azure_postgres_cdc.connector import uploaded
from azure_postgres_cdc.operations import cli
from azure_postgres_cdc.operations.connector import cli as command
from azure_postgres_cdc.operations.connector.formats import Format, written
from azure_postgres_cdc.operations.stack import Form

SECOND = form(
    database="crm",
    name="crm",
    replicationSlotName="crm_slot",
    publicationName="crm_pub",
    **READ_ONLY,
)
Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command on a stack that has put out these forms."""

    def invoke(forms: tuple[Form, ...], *arguments: str) -> Result:
        monkeypatch.setattr(command, "load", lambda _name, _project: stack(*forms))
        return CliRunner().invoke(cli.app, ["connector", "--stack", "prod", *arguments])

    return invoke


def text(format_: Format, *forms: Form, show_secrets: bool = False) -> str:
    return written(stack(*forms), format_, None, None, show_secrets=show_secrets)


# The form


def test_form_has_the_page_s_fields_in_the_page_s_order() -> None:
    assert text(Format.FORM, form()) == (
        "database shop, slot streamkap_pgoutput_slot\n"
        "\n"
        "  Connection Settings\n"
        "    Name                         shop\n"
        "    Hostname                     shop.postgres.database.azure.com\n"
        "    Port                         5432\n"
        "    Connect via SSH Tunnel       No\n"
        "    Username                     streamkap_user\n"
        "    Password                     [secret: --show-secrets]\n"
        "    Database                     shop\n"
        "    Read only                    No\n"
        "    Heartbeats                   Yes\n"
        "    Heartbeat Table Schema       streamkap\n"
        "\n"
        "  Snapshot Settings\n"
        "    Signal Table Schema          streamkap\n"
        "\n"
        "  Replication Settings\n"
        "    Replication Slot Name        streamkap_pgoutput_slot\n"
        "    Publication Name             streamkap_pub\n"
        "\n"
        "  Advanced Parameters\n"
        "    SSL mode                     require\n"
        "    Prefix with Database Name?   No\n"
        "    Represent binary data as     bytes\n"
        "\n"
        "  Schema and Table Capture\n"
        "    Add Schemas/Tables           public.orders\n"
        "                                 public.lines\n"
        "\n"
    )


def test_form_leaves_out_what_does_not_apply() -> None:
    shown = text(Format.FORM, form(**READ_ONLY))
    assert "    Read only                    Yes\n" in shown
    assert "nothing: Read only is Yes" in shown
    assert "Signal Table Schema" not in shown
    assert "Heartbeat Table Schema" not in shown
    assert "SSH Host" not in shown
    tunnel = text(Format.FORM, form(**TUNNEL, heartbeatTableSchema=None))
    for line in ("Connect via SSH Tunnel       Yes", "SSH Host                     jump"):
        assert f"    {line}\n" in tunnel
    assert "    SSH Port                     2222\n    SSH User                     hop\n" in tunnel
    assert "    Heartbeat Table Schema       (empty)\n" in tunnel


def test_form_fits_a_narrow_terminal_and_spells_out_what_plays_with_it() -> None:
    names = [*ODD_NAMES, "public.\x1b[31m", f"{'s' * 63}.{'t' * 63}"]
    shown = text(Format.FORM, form(tables=names, hostname="h" * 90, database="d" * 63))
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown
    assert r"public.\x1b[31m" in shown
    assert r"public.new\nline" in shown
    assert "h" * 40 in shown


def test_form_of_many_tables_points_to_the_upload() -> None:
    shown = text(Format.FORM, form(tables=[f"app.t{index}" for index in range(10_000)]))
    assert "app.t19\n" in shown
    assert "and 9,980 more: --format csv\n" in shown
    assert "app.t20\n" not in shown


def test_form_before_there_is_a_table_names_the_schemas() -> None:
    assert "Add Schemas/Tables           public\n" in text(Format.FORM, form(tables=[]))


def test_form_says_what_snapshots_would_read_besides() -> None:
    shown = " ".join(text(Format.FORM, form(**RESTRICTED)).split())
    assert (
        'The publication has some columns only of public.orders, public."Odd Table". Snapshots '
        "read all of them, unless the connector's list of columns says so too"
    ) in shown
    assert (
        'The publication has some rows only of public.orders, public."Odd Table". The connector\'s '
        "first snapshot reads all of them; azure-postgres-cdc snapshot asks for these only."
    ) in shown
    assert "The publication has" not in text(Format.FORM, form())


@pytest.mark.parametrize("format_", [Format.FORM, Format.TERRAFORM])
def test_read_only_connector_is_not_sent_to_a_command_that_refuses_it(format_: Format) -> None:
    shown = text(format_, form(**RESTRICTED, **READ_ONLY))
    assert "The publication has some rows only of public.orders" in shown
    assert "azure-postgres-cdc snapshot" not in shown


# JSON


@pytest.mark.parametrize(
    "changes",
    [{}, READ_ONLY, TUNNEL, RESTRICTED],
    ids=["plain", "read-only", "tunnel", "restricted"],
)
def test_json_is_the_stack_s_output(changes: dict[str, object]) -> None:
    (found,) = json.loads(text(Format.JSON, form(**changes)))
    expected = FIELDS | changes | {"password": None, "tables": ["public.orders", "public.lines"]}
    assert found == expected
    assert sorted(found) == sorted(expected)
    (shown,) = json.loads(text(Format.JSON, form(**changes), show_secrets=True))
    assert shown == expected | {"password": PASSWORD}


def test_json_is_a_list_of_all_connectors() -> None:
    found = json.loads(text(Format.JSON, form(), SECOND))
    assert [item["database"] for item in found] == ["shop", "crm"]


# The bulk upload


def test_csv_has_a_table_a_row_and_no_header() -> None:
    assert text(Format.CSV, form()) == "public.orders\npublic.lines\n"


def test_csv_of_odd_names_is_csv() -> None:
    names = [*ODD_NAMES, "public.a,b"]
    found = text(Format.CSV, form(tables=names))
    assert list(csv.reader(StringIO(found, newline=""))) == [[name] for name in names]
    assert uploaded(found) == tuple(names)


@pytest.mark.parametrize("format_", [Format.CSV, Format.DEBEZIUM])
def test_one_file_is_of_one_connector(run: Run, format_: Format) -> None:
    several = run((form(), SECOND), "--format", format_)
    assert (several.exit_code, several.stdout) == (2, "")
    assert several.stderr == (
        "azure-postgres-cdc: stack prod has several connectors: shop (slot "
        "streamkap_pgoutput_slot), crm (slot crm_slot). Remedy: choose one with --database, and "
        "with --slot where a database has several\n"
    )
    for choice in (("--database", "crm"), ("--slot", "crm_slot")):
        assert run((form(), SECOND), "--format", format_, *choice).exit_code == 0


def test_connector_that_is_not_there_is_one_line(run: Run) -> None:
    result = run((form(),), "--database", "nowhere")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(
        "azure-postgres-cdc: stack prod has no connector for --database"
    )


# Secrets


@pytest.mark.parametrize("format_", Format)
def test_no_format_shows_the_password_unless_asked(run: Run, format_: Format) -> None:
    hidden = run((form(),), "--format", format_)
    assert hidden.exit_code == 0
    assert hidden.stdout
    assert PASSWORD not in hidden.output
    shown = run((form(),), "--format", format_, "--show-secrets")
    assert (PASSWORD in shown.stdout) == (format_ is not Format.CSV)
    assert "the-administrator-s-password" not in hidden.output + shown.output


@pytest.mark.parametrize("format_", Format)
@pytest.mark.parametrize("options", [(), ("--show-secrets",)], ids=["hidden", "shown"])
def test_no_error_shows_the_password(run: Run, format_: Format, options: tuple[str, ...]) -> None:
    unsayable = form(tables=["public.a,b"])
    for forms, more in (
        ((unsayable,), ("--slot", "x")),
        ((unsayable, SECOND), ()),
        ((unsayable,), ()),
    ):
        result = run(forms, "--format", format_, *options, *more)
        assert PASSWORD not in result.stderr
        if result.exit_code:
            assert (result.stdout, result.stderr.count("\n")) == ("", 1)


# A file


@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_file_with_a_secret_is_its_owner_s(run: Run, tmp_path: Path, there: bool) -> None:
    file = tmp_path / "shop.properties"
    if there:
        file.write_text("something longer\n" * 1000)
        file.chmod(0o644)
    arguments = ("--format", "debezium", "--output", str(file))
    assert run((form(),), *arguments, "--show-secrets").stdout == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == text(Format.DEBEZIUM, form(), show_secrets=True)


def test_file_without_a_secret_is_an_ordinary_one(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "tables.csv"
    names = ["public.new\nline", "public.表"]
    assert run((form(tables=names),), "--format", "csv", "--output", str(file)).exit_code == 0
    assert file.read_bytes() == '"public.new\nline"\npublic.表\n'.encode()
    (tmp_path / "ordinary").touch()
    assert file.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_file_that_cannot_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "form"
    result = run((form(),), "--output", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"azure-postgres-cdc: {file} cannot be written: No such file or directory. "
        "Remedy: another --output\n"
    )


# The documentation


@pytest.mark.parametrize(
    ("language", "format_"),
    [("text", Format.FORM), ("hcl", Format.TERRAFORM), ("properties", Format.DEBEZIUM)],
)
def test_page_shows_what_is_printed(language: str, format_: Format) -> None:
    page = (Path(__file__).parents[2] / "docs" / "connector.md").read_text()
    block = page.split(f"```{language}\n")[1].split("```")[0]
    tables = ["public.customers", "public.order lines", "public.orders"]
    printed = text(format_, form(tables=tables))
    lines = [line.partition("…")[0] for line in block.splitlines()]
    assert [line for line in lines if line not in printed] == []
    assert len(lines) > 20


@pytest.mark.parametrize("format_", Format)
def test_ten_thousand_tables_take_no_time(format_: Format) -> None:
    many = form(tables=[f"app.table_{index:05}" for index in range(10_000)])
    began = time.monotonic()
    found = text(format_, many)
    assert time.monotonic() - began < 1
    assert ("table_09999" in found) == (format_ is not Format.FORM)
