"""What a rehearsal tells: statements that took effect, without secrets, in what a comment takes."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from azure_postgres_rehearsal.shown import markdown, show
from azure_postgres_rehearsal.statements import Statement, redacted, taken_effect
from azure_postgres_rehearsal.story import (
    AzureOperation,
    Change,
    Story,
    Violation,
    changes_of,
    merged,
    said,
    violations_of,
)

SECRET = "nobody-may-see-this"


def log(*messages: str, session: str = "1") -> list[dict[str, Any]]:
    """Lines of PostgreSQL's log; one that begins with ERROR is one."""
    return [
        {
            "session_id": session,
            "dbname": "shop",
            "error_severity": "ERROR" if message.startswith("ERROR") else "LOG",
            "message": message if message.startswith("ERROR") else f"statement: {message}",
        }
        for message in messages
    ]


@pytest.mark.parametrize(
    ("messages", "effective"),
    [
        (["CREATE ROLE a", "GRANT a TO b"], ["CREATE ROLE a", "GRANT a TO b"]),
        (["BEGIN", "CREATE ROLE a", "COMMIT"], ["CREATE ROLE a"]),
        (["begin read write", "CREATE ROLE a", "ROLLBACK"], []),
        (["BEGIN", "CREATE ROLE a"], []),  # the connection was lost
        (["CREATE ROLE a", "ERROR: it exists"], []),
        (["BEGIN", "A", "B", "ERROR: no", "ROLLBACK"], []),
        (["BEGIN", "A", "SAVEPOINT s", "B", "ROLLBACK TO SAVEPOINT s", "C", "COMMIT"], ["A", "C"]),
        (["BEGIN", "A", "SAVEPOINT s", "B", "RELEASE s", "COMMIT"], ["A", "B"]),
        (["BEGIN", "SAVEPOINT s", "A", "SAVEPOINT s", "B", "ROLLBACK TO s", "COMMIT"], ["A"]),
        (["BEGIN", "SAVEPOINT s", "A", "ERROR: no", "ROLLBACK TO s", "B", "COMMIT"], ["B"]),
    ],
)
def test_only_what_took_effect_is_told(messages: list[str], effective: list[str]) -> None:
    assert [found.text for found in taken_effect(iter(log(*messages)))] == effective


def test_sessions_do_not_mix() -> None:
    one = log("BEGIN", "A", "COMMIT", session="1")
    two = log("B", "ERROR: no", "C", session="2")
    mixed = [one[0], two[0], one[1], two[1], two[2], one[2]]
    assert [found.text for found in taken_effect(iter(mixed))] == ["C", "A"]


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE ROLE a WITH ENCRYPTED PASSWORD '{SECRET}' LOGIN",
        f"alter role a password '{SECRET}'",
        f"ALTER ROLE a PASSWORD\n  E'\\'{SECRET}'",
        f"ALTER ROLE a PASSWORD '''{SECRET}'",
        f"ALTER ROLE a PASSWORD $x${SECRET}$x$",
        f"SELECT 'SCRAM-SHA-256$4096:{SECRET}'",
    ],
)
def test_passwords_are_not_shown(statement: str) -> None:
    assert SECRET not in redacted(statement)
    assert "********" in redacted(statement)


@given(st.text(st.characters(exclude_characters="\0"), max_size=30))
def test_no_password_is_shown_whatever_it_is(password: str) -> None:
    quoted = password.replace("'", "''")
    hidden = redacted(f"ALTER ROLE a PASSWORD '{quoted}' LOGIN")
    assert hidden == "ALTER ROLE a PASSWORD '********' LOGIN"


def test_known_secrets_are_hidden_wherever_they_are() -> None:
    assert redacted(f"COMMENT ON ROLE a IS '{SECRET}'", [SECRET]) == (
        "COMMENT ON ROLE a IS '********'"
    )


def event(kind: str, operation: str, name: str, **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::p::t$a:b:C::{name}"
    return {kind: {"metadata": {"op": operation, "urn": urn, "type": "a:b:C", **more}}}


def test_changes_are_what_was_done_and_what_failed() -> None:
    first = changes_of(
        [
            event("resourcePreEvent", "create", "only-planned"),
            event("resOutputsEvent", "create", "made"),
            event("resOutputsEvent", "same", "kept"),
            event("resOpFailedEvent", "create", "late"),
            event(
                "resOutputsEvent",
                "update",
                "changed",
                old={"inputs": {"tables": "a", "same": 1, "gone": 1, "__provider": "x"}},
                new={"inputs": {"tables": "b", "same": 1, "columns": {}, "__provider": "y"}},
            ),
        ]
    )
    second = changes_of(
        [
            event("resOutputsEvent", "create", "late"),
            event("resOutputsEvent", "update", "made"),
        ]
    )
    assert merged([first, second]) == [
        Change("create", "a:b:C", "made"),
        Change("create", "a:b:C", "late"),
        Change("update", "a:b:C", "changed", ("columns", "gone", "tables")),
    ]


def test_what_policies_and_pulumi_say_is_told_once() -> None:
    policy = {
        "policyName": "p",
        "enforcementLevel": "mandatory",
        "resourceUrn": "urn:pulumi:dev::p::t::slot",
        "message": "two\nlines",
    }
    events = [{"policyEvent": policy}] * 2
    events += [{"diagnosticEvent": {"severity": "error", "message": "no\n way"}}] * 2
    events += [{"diagnosticEvent": {"severity": "debug", "message": "noise"}}]
    assert violations_of(events) == [Violation("p", "mandatory", "slot", "two lines")]
    assert list(said(events, "error")) == ["no way"]


def story(**fields: Any) -> Story:
    return Story("prod", "PostgreSQL 17, with the record's tables", **fields)


def test_the_verdict_says_it_all_in_a_line() -> None:
    assert story().verdict == (
        "pulumi up of prod would go through: nothing to change; 0 Azure operations, 0 restarts, "
        "0 statements"
    )
    broken = story(
        violations=[Violation("p", "mandatory", "slot", "no"), Violation("q", "advisory", "", "")]
    )
    assert broken.verdict == "1 mandatory policy violated by prod"
    assert not broken.is_fine
    assert story(violations=[Violation("q", "advisory", "", "")]).is_fine
    assert not story(errors=["no"]).is_fine


@pytest.mark.parametrize(
    ("judged", "violations", "expected"),
    [
        (True, [], "no violation"),
        (True, [Violation("q", "advisory", "", "")], ""),
        (False, [Violation("q", "mandatory", "", "")], ""),
        (False, [], "not asked to the end, because of the error"),
        (False, [Violation("q", "advisory", "", "")], "not asked to the end, because of the error"),
    ],
)
def test_policies_that_were_not_asked_to_the_end_find_nothing(
    judged: bool, violations: list[Violation], expected: str
) -> None:
    """As with a configuration that the engine refuses."""
    found = story(policies_asked=True, policies_judged=judged, violations=violations)
    console = Console(file=StringIO(), width=100)
    show(found, console)
    assert isinstance(console.file, StringIO)
    said = [line for line in console.file.getvalue().splitlines() if line.startswith("policies: ")]
    assert said == ([f"policies: {expected}"] if expected else [])
    comment = markdown(found)
    assert ("No violation" in comment or "no violation" in comment) == (expected == "no violation")
    assert expected in comment.lower()


LARGE = story(
    changes=[Change("create", "a:b:C", f"resource-{number}") for number in range(3_000)],
    azure=[AzureOperation("restart", "", by_hand=True)],
    statements=[
        Statement("shop", f"CREATE TABLE t{number} -- " + "é```" * 900) for number in range(500)
    ],
    policies_asked=True,
    violations=[
        Violation("p", "mandatory", f"r{number}", "no | <b>way</b> @you") for number in range(2_000)
    ],
    warnings=[f"warning {number}" for number in range(2_000)],
)


def test_a_comment_is_cut_to_what_a_comment_may_have() -> None:
    text = markdown(LARGE)
    assert len(text.encode()) < 65_536
    assert "cut here" in text
    assert "prod would" not in text  # it is violated
    assert "**restart by hand**" in text
    assert text.count("<details>") == text.count("</details>")
    fences = [line for line in text.splitlines() if line.startswith("````")]
    assert len(fences) % 2 == 0
    assert "@you" not in text.replace("`no \\| <b>way</b> @you`", "")


def test_names_are_neither_markdown_nor_html() -> None:
    text = markdown(
        story(
            changes=[Change("create", "a:b:C", "odd|`name`<script>")],
            warnings=["*see* <b>x</b> @team #1"],
            statements=[Statement("shop", "SELECT '```'")],
        )
    )
    assert "| create | `odd\\|'name'<script>` |" in text
    assert "\\*see\\* &lt;b&gt;x&lt;/b&gt; &#64;team \\#1" in text
    assert "````sql\n-- shop\nSELECT '```';\n````" in text


def test_a_terminal_shows_names_as_they_are() -> None:
    console = Console(file=StringIO(), width=100)
    show(
        story(
            changes=[Change("create", "a:b:C", "[red]odd[/red]")],
            statements=[Statement("shop", "CREATE TABLE [bold]t (" + "x int, " * 1_000)],
        ),
        console,
    )
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "[red]odd[/red]" in text
    assert "CREATE TABLE [bold]t" in text
    assert "characters more" in text


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_breaks_names_and_drops_nothing_of_them(width: int) -> None:
    """A policy is looked up by its name, and a statement of a server by its parameter's."""
    console = Console(file=StringIO(), width=width)
    policy = "server-alerts-on-replication-delay"
    found = Violation(policy, "advisory", "psql-x-server", "no alert watches what is " * 5)
    detail = "shared_preload_libraries=pg_cron,pg_stat_statements,pglogical,pg_failover_slots"
    one = story(violations=[found], azure=[AzureOperation("configuration-write", detail)])
    one.policies_asked = True
    show(one, console)
    assert isinstance(console.file, StringIO)
    rows = [line.split("│") for line in console.file.getvalue().splitlines() if "│" in line]
    columns = {
        "".join(row[index].strip() for row in rows if len(row) == len(other))
        for other in rows
        for index in range(len(other))
    }
    assert any(policy in text for text in columns)
    assert any(detail in text for text in columns)
    assert "…" not in console.file.getvalue()
