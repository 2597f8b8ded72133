"""A rehearsal's story for people: on a terminal, and as a comment on a pull request."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from azure_postgres_rehearsal.statements import Statement
from azure_postgres_rehearsal.story import Story

COMMENT_BYTES = 65_000
"""GitHub takes 65,536 characters, Azure DevOps more."""

_STATEMENT_CHARACTERS = 2_000
_CUT = "cut here: the log of the pipeline has all of it"
Row = tuple[str, ...]


def show(story: Story, console: Console) -> None:
    """Print it."""
    _print_table(console, "resources", ("operation", "resource", "type"), _changes(story))
    _print_table(console, "Azure operations", ("operation", "detail"), _azure(story))
    if story.statements:
        console.print(Text("statements sent to the database", style="italic"))
        for statement in _shortened(story.statements):
            console.print(Text(f"  {statement.database}: {statement.text}"), soft_wrap=True)
    header = ("level", "policy", "resource", "what it says")
    _print_table(console, "policies", header, _policies(story))
    for word, texts in _remarks(story):
        for text in texts:
            console.print(Text(f"{word}: {text}", style=_STYLES.get(word, "")), soft_wrap=True)
    if _policies_in_short(story):
        console.print(f"policies: {_policies_in_short(story)}")
    style = "bold green" if story.is_fine else "bold red"
    console.print(Text(f"{story.verdict} ({story.server})", style=style), soft_wrap=True)


def markdown(story: Story) -> str:
    """The same as a comment, in less than what a comment may have."""
    sign = "✅" if story.is_fine else "❌"
    parts = [
        f"### {sign} `pulumi up` of stack {_code(story.stack)}, rehearsed\n",
        f"{_plain(story.verdict)}.\n",
        f"Rehearsed on {_plain(story.server)}; no credential was used.\n",
        *(_list(word, texts) for word, texts in _remarks(story) if texts),
    ]
    if story.policies_asked:
        found = _table(("level", "policy", "resource", "what it says"), _policies(story))
        short = _policies_in_short(story)
        parts.append("**Policies**\n\n" + (f"{found}\n{short.capitalize()}.\n" if short else found))
    changes = list(_changes(story))
    parts += [
        _section("Azure operations", len(story.azure), _azure_table(story)),
        _section("Resources", len(changes), _table(("operation", "resource", "type"), changes)),
    ]
    text = _fitting(parts, COMMENT_BYTES * 2 // 3)
    return text + _statements(story.statements, COMMENT_BYTES - len(text.encode()))


# The rows

_STYLES = {"error": "bold red", "warning": "yellow"}


def _remarks(story: Story) -> Iterable[tuple[str, Sequence[str]]]:
    return ("error", story.errors), ("warning", story.warnings), ("note", story.notes)


def _changes(story: Story) -> Iterable[Row]:
    for change in story.changes:
        properties = f" ({', '.join(change.properties)})" if change.properties else ""
        # The last word: a terminal has no room for tokens.
        yield change.operation + properties, change.name, change.type.rpartition(":")[2]


def _azure(story: Story) -> Iterable[Row]:
    for operation in story.azure:
        yield operation.kind + (" by hand" if operation.by_hand else ""), operation.detail


def _policies(story: Story) -> Iterable[Row]:
    for found in sorted(story.violations, key=lambda found: found.level != "mandatory"):
        yield found.level, found.policy, found.resource, found.message


def _policies_in_short(story: Story) -> str:
    """What the table of violations does not say."""
    if not story.policies_asked or story.broken:
        return ""
    if not story.policies_judged:
        return "not asked to the end, because of the error"
    return "" if story.violations else "no violation"


def _shortened(statements: Iterable[Statement]) -> Iterable[Statement]:
    """Ten thousand tables make one long statement."""
    for statement in statements:
        text, more = statement.text, len(statement.text) - _STATEMENT_CHARACTERS
        if more > 0:
            text = f"{text[:_STATEMENT_CHARACTERS]} ... and {more:,} characters more"
        yield Statement(statement.database, text)


# On a terminal


def _print_table(console: Console, title: str, header: Row, rows: Iterable[Row]) -> None:
    # Where there is no room, a name is broken: one that is cut off cannot be looked up.
    columns = [Column(name, overflow="fold") for name in header]
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        style = "bold yellow" if row[0].startswith("restart") else None
        table.add_row(*(Text(cell) for cell in row), style=style)
    if table.row_count:
        console.print(table)


# In Markdown


def _azure_table(story: Story) -> str:
    rows = [
        (f"**{row[0]}**" if row[0].startswith("restart") else row[0], *row[1:])
        for row in _azure(story)
    ]
    return _table(("operation", "detail"), rows, first=str)


def _table(header: Row, rows: Iterable[Row], first: Callable[[str], str] | None = None) -> str:
    lines = []
    for row in rows:
        cells = [(first or _plain)(row[0]), *map(_code, row[1:])]
        lines.append(f"| {' | '.join(cells)} |\n")
    if not lines:
        return ""
    return f"| {' | '.join(header)} |\n|{' --- |' * len(header)}\n" + "".join(lines)


def _list(word: str, texts: Iterable[str]) -> str:
    return "".join(f"- **{word}**: {_plain(text)}\n" for text in texts)


def _section(title: str, count: int, content: str) -> str:
    if not content:
        return ""
    summary = f"<details><summary>{title} ({count:,})</summary>"
    return f"{summary}\n\n{content}\n</details>\n"


def _statements(statements: Sequence[Statement], room: int) -> str:
    """As many statements as there is room for; the fence is longer than any in them."""
    if not statements:
        return ""
    longest = max((len(run) for s in statements for run in re.findall("`+", s.text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines, room = [], room - 400
    for statement in _shortened(statements):
        line = f"-- {statement.database}\n{statement.text};\n"
        room -= len(line.encode())
        if room < 0:
            lines.append(f"-- {_CUT}\n")
            break
        lines.append(line)
    content = f"{fence}sql\n{''.join(lines)}{fence}\n"
    return "\n" + _section("Statements sent to the database", len(statements), content)


def _fitting(parts: Iterable[str], room: int) -> str:
    """The parts; of one that takes more than half of the room that is left, the first lines."""
    found: list[str] = []
    for part in filter(None, parts):
        found.append(part if len(part.encode()) <= room // 2 else _first_lines(part, room // 2))
        room -= len(found[-1].encode()) + 1
    return "\n".join(found)


def _first_lines(part: str, room: int) -> str:
    closing = f"\n{_CUT}\n" + ("\n</details>\n" if "<details>" in part else "")
    room -= len(closing.encode())
    kept = ""
    for line in part.splitlines(keepends=True):
        room -= len(line.encode())
        if room < 0:
            break
        kept += line
    return kept + closing


def _plain(text: str) -> str:
    """Text that is neither HTML, Markdown nor somebody's name."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", escaped).replace("@", "&#64;")


def _code(text: str) -> str:
    """A cell as code. Without backticks of its own it can hold anything but a bar."""
    flat = " ".join(text.split()).replace("`", "'").replace("|", "\\|")
    return f"`{flat}`" if flat else ""
