"""A report as Markdown, for an issue or a comment: what needs a hand, the worst first."""

from __future__ import annotations

import html
import re

from azure_postgres_cdc.operations.findings import Finding, Report, State

MOST_BYTES = 40_000
"""GitHub takes 65,536 characters; an issue may have to say more than this."""

_SIGNS = {State.FAILED: "❌", State.WARNING: "⚠️", State.UNKNOWN: "❔", State.OK: "✅"}
_HEADER = (
    "| state | database | slot | check | evidence | remedy |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
)


def as_markdown(report: Report) -> str:
    """What is not ok, the worst first, in at most MOST_BYTES; the rest is counted."""
    counts = ", ".join(f"{report.count(state)} {state}" for state in State if report.count(state))
    title = f"### {_SIGNS[report.state]} doctor, stack {_plain(report.stack)}: {report.state}"
    text = f"{title}\n\n{counts or 'no connector'}\n"
    rest = [finding for finding in report.findings if finding.state is not State.OK]
    if not rest:
        return text
    text += f"\n{_HEADER}"
    for number, finding in enumerate(sorted(rest, key=lambda finding: finding.rank)):
        row = _row(finding)
        if len((text + row).encode()) > MOST_BYTES:
            return f"{text}\nand {len(rest) - number:,} more: doctor's own output has all of them\n"
        text += row
    return text


def _row(finding: Finding) -> str:
    cells = (
        f"{_SIGNS[finding.state]} {finding.state}",
        _plain(finding.database),
        _plain(finding.slot),
        f"`{finding.check}`",
        _plain(finding.evidence),
        _plain(finding.remedy),
    )
    return f"| {' | '.join(cells)} |\n"


def _plain(text: str) -> str:
    """Text that is neither HTML, Markdown nor somebody's name: a table may be called anything."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", escaped).replace("@", "&#64;")
