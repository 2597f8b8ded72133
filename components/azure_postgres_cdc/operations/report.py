"""A report for people: what needs a hand first, within each topic."""

from __future__ import annotations

from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from azure_postgres_cdc.operations.findings import Finding, Report, State

_STYLES = {
    State.FAILED: "bold red",
    State.WARNING: "yellow",
    State.UNKNOWN: "cyan",
    State.OK: "green",
}


def show(report: Report, console: Console) -> None:
    """Print a table for each connector, and a line that sums them up."""
    for (database, slot), findings in groupby(report.findings, lambda f: (f.database, f.slot)):
        console.print(Text(f"database {database}, slot {slot}", style="bold"))
        console.print(_table(list(findings)))
    console.print(Text(_summary(report), style=_STYLES[report.state]))


def _table(findings: list[Finding]) -> Table:
    table = Table("state", "check", "evidence", box=box.SIMPLE_HEAD)
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    table.columns[2].overflow = "fold"
    for _, items in groupby(findings, lambda finding: finding.topic):
        for finding in sorted(items, key=lambda item: item.rank):
            style = _STYLES[finding.state]
            table.add_row(Text(finding.state, style=style), finding.check, _evidence(finding))
        table.add_section()
    return table


def _evidence(finding: Finding) -> Text:
    """The evidence, and the remedy below it."""
    # Text, and no markup: a table may be called [bold].
    text = Text(finding.evidence)
    if finding.remedy:
        text.append(f"\n-> {finding.remedy}", style=_STYLES[finding.state])
    return text


def _summary(report: Report) -> str:
    counts = [f"{report.count(state)} {state}" for state in State if report.count(state)]
    return f"stack {report.stack}: {report.state} ({', '.join(counts)})"
