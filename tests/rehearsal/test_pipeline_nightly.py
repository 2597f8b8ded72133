"""examples/pipelines/nightly.sh and open_issue.py: a finding becomes one issue, nothing none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_support import Tool, run
from support import PROJECT

from azure_postgres_rehearsal.rehearsal import Rehearsal

SETTINGS = {"databases": [{"name": "shop", "capture": {"schemas": ["public"]}}]}
TITLE = "Nightly check: stack local"
RUN = "https://example.com/runs/7"


@pytest.fixture(scope="module")
def stack() -> Iterator[Rehearsal]:
    with Rehearsal(PROJECT, "local", settings=SETTINGS) as rehearsal:
        with rehearsal.administrator("shop") as connection:
            connection.execute("CREATE TABLE public.orders (id int PRIMARY KEY)")
        rehearsal.engine.up("--skip-preview", capture=True)
        yield rehearsal


@pytest.fixture
def gh(tmp_path: Path) -> Tool:
    tool = Tool(tmp_path, "gh")
    tool.answers("issue list", [])
    return tool


def check(stack: Rehearsal, folder: Path) -> tuple[int, str]:
    """The nightly check: its exit status, and what it has found."""
    file = folder / "finding-local.md"
    result = run("nightly.sh", "local", str(file), rehearsal=stack)
    return result.returncode, file.read_text() if file.exists() else ""


def report(stack: Rehearsal, folder: Path, gh: Tool) -> list[tuple[list[str], str]]:
    """The issue job: how `gh` was called."""
    result = run("open_issue.py", "github", str(folder), RUN, rehearsal=stack, tool=gh)
    assert result.returncode == 0, result.stderr
    return gh.calls()


def test_nothing_to_find_is_no_issue(stack: Rehearsal, tmp_path: Path, gh: Tool) -> None:
    """Though nobody reads the slot, and wal_sender_timeout is short: warnings, as everywhere."""
    before = stack.engine.state()
    assert check(stack, tmp_path) == (0, "")
    assert report(stack, tmp_path, gh) == []
    assert stack.engine.state() == before


def test_drift_and_a_new_table_are_one_issue(stack: Rehearsal, tmp_path: Path, gh: Tool) -> None:
    with stack.administrator("shop") as connection:
        connection.execute("CREATE TABLE public.invoices (id int PRIMARY KEY)")
        connection.execute("REVOKE SELECT ON public.orders FROM streamkap_role")
    status, finding = check(stack, tmp_path)
    assert status == 1
    # Drift, and what is left alone is not told.
    assert "### ❌ `pulumi preview --refresh --expect-no-changes`, stack local\n" in finding
    assert "SchemaAccess shop-schemas-streamkap_role update [diff: ~lacking]" in finding
    assert "Publication shop-streamkap_pub update [diff: ~tables," in finding
    assert "    error: error: no changes were expected but changes were proposed\n" in finding
    assert "refreshing" not in finding
    assert "SignalTable" not in finding
    # doctor, with the new table.
    assert "### ❌ doctor, stack local: failed\n" in finding
    assert "no SELECT on public.orders" in finding
    assert (
        "| `new-tables` | new in the captured schemas, and not published yet: public.inv" in finding
    )
    assert not [secret for secret in stack.secrets() if secret in finding]

    listing, opening = report(stack, tmp_path, gh)
    assert listing[0][:2] == ["issue", "list"]
    assert opening == (
        ["issue", "create", "--title", TITLE, "--body-file", "-"],
        f"{finding}\n[The run]({RUN})\n",
    )
    # The next night, and with another issue whose title only begins alike.
    gh.answers("issue list", [{"number": 3, "title": f"{TITLE}-2"}, {"number": 4, "title": TITLE}])
    _, comment = report(stack, tmp_path, gh)
    assert comment[0] == ["issue", "comment", "4", "--body-file", "-"]
