"""doctor for an issue: `--markdown`, and which warnings count with `--fail-on`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from azure_postgres_cdc.operations import cli, doctor
from azure_postgres_cdc.operations.findings import Finding, Report, State
from azure_postgres_cdc.operations.markdown import MOST_BYTES, as_markdown

Run = Callable[..., Result]


def finding(check: str, state: State, evidence: str = "seen", remedy: str = "do it") -> Finding:
    return Finding("shop", "streamkap_slot", "slot", check, state, evidence, remedy)


REPORT = Report(
    "prod",
    [
        finding("tls", State.OK, remedy=""),
        finding("new-tables", State.WARNING, "new: public.invoices", "run pulumi up"),
        finding("slot", State.FAILED, "it is gone", "stop the source"),
    ],
)


def test_what_is_not_ok_is_there_the_worst_first() -> None:
    assert as_markdown(REPORT) == (
        "### ❌ doctor, stack prod: failed\n"
        "\n"
        "1 failed, 1 warning, 1 ok\n"
        "\n"
        "| state | database | slot | check | evidence | remedy |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| ❌ failed | shop | streamkap\\_slot | `slot` | it is gone | stop the source |\n"
        "| ⚠️ warning | shop | streamkap\\_slot | `new-tables` | new: public.invoices | "
        "run pulumi up |\n"
    )


def test_a_stack_that_is_well_is_two_lines() -> None:
    well = as_markdown(Report("prod", [finding("tls", State.OK)]))
    assert well == "### ✅ doctor, stack prod: ok\n\n1 ok\n"


def test_a_name_is_neither_markup_nor_a_mention_nor_another_cell() -> None:
    text = as_markdown(Report("p", [finding("slot", State.FAILED, "a|b <img> @all `x`\n# y")]))
    assert "a\\|b &lt;img&gt; &#64;all \\`x\\` \\# y" in text
    assert len(text.splitlines()) == 7


def test_it_fits_an_issue_and_says_what_is_left_out() -> None:
    many = [finding("slot", State.FAILED, "é" * 500) for _ in range(100)]
    text = as_markdown(Report("prod", many))
    assert MOST_BYTES - 2000 < len(text.encode()) < MOST_BYTES + 200
    rows = text.count("❌ failed")
    assert text.endswith(f"\nand {100 - rows} more: doctor's own output has all of them\n")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """doctor on a stack where this was found."""

    def examined(report: Report, *options: str) -> Result:
        monkeypatch.setattr(cli, "load", lambda *_: None)
        monkeypatch.setattr(doctor, "examine", lambda *_: report)
        return CliRunner().invoke(cli.app, ["doctor", "--stack", "prod", *options])

    return examined


@pytest.mark.parametrize(
    ("state", "options", "status"),
    [
        (State.WARNING, (), 0),
        (State.WARNING, ("--fail-on", "tls"), 0),
        (State.WARNING, ("--fail-on", "tls", "--fail-on", "new-tables"), 1),
        (State.WARNING, ("--strict",), 1),
        (State.UNKNOWN, ("--fail-on", "new-tables"), 0),
        (State.FAILED, ("--fail-on", "tls"), 1),
    ],
)
def test_a_warning_counts_where_its_check_is_named(
    run: Run, tmp_path: Path, state: State, options: tuple[str, ...], status: int
) -> None:
    file = tmp_path / "doctor.md"
    report = Report("prod", [finding("new-tables", state)])
    result = run(report, "--markdown", str(file), *options)
    assert result.exit_code == status
    assert file.read_text() == as_markdown(report)


def test_a_check_that_is_not_there_is_said_before_anything_is_looked_at(run: Run) -> None:
    result = run(REPORT, "--fail-on", "new-table")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "azure-postgres-cdc: doctor has no check new-table. Remedy: take the name from its report, "
        "or from docs/doctor.md\n"
    )


def test_a_file_that_cannot_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "nowhere" / "doctor.md"
    result = run(REPORT, "--markdown", str(file))
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert str(file) in result.stderr
