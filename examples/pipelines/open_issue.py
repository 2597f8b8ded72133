#!/usr/bin/env python3
"""Opens an issue for each stack on which the nightly check has found something.

    open_issue.py github FOLDER RUN
    open_issue.py azure-devops FOLDER RUN

FOLDER holds a `finding-STACK.md` for each of these stacks, at any depth; RUN is the address of the
pipeline's run. Where an issue for the stack is open, it gets a comment instead of a second one.
Python's own library does, so nothing needs to be set up. It calls `gh`, or `az boards`, each logged
in by its environment.
"""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from pathlib import Path

WORK_ITEM = "Task"  # which every process of Azure Boards has
CLOSED = ("Closed", "Done", "Removed", "Resolved")


def called(*command: str, stdin: str = "") -> str:
    """What a command prints; its own message is in the log, and its failure ends this."""
    result = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command[:3])} ended with {result.returncode}")
    return result.stdout


def on_github(title: str, body: str) -> None:
    """In the repository that GH_REPO names, as GH_TOKEN."""
    search = ("--state", "open", "--search", f'in:title "{title}"')
    there = json.loads(called("gh", "issue", "list", *search, "--json", "number,title"))
    # The search finds longer titles, too.
    numbers = [str(issue["number"]) for issue in there if issue["title"] == title]
    what = ["comment", numbers[0]] if numbers else ["create", "--title", title]
    print(called("gh", "issue", *what, "--body-file", "-", stdin=body), end="")


def on_azure_devops(title: str, body: str) -> None:
    """In the project of the pipeline, as AZURE_DEVOPS_EXT_PAT."""
    organization = ("--organization", os.environ["SYSTEM_COLLECTIONURI"], "--detect", "false")
    project = os.environ["SYSTEM_TEAMPROJECT"]
    closed = ", ".join(map(quoted, CLOSED))
    query = (
        "SELECT [System.Id] FROM WorkItems "  # noqa: S608 - WIQL, quoted
        f"WHERE [System.TeamProject] = {quoted(project)} AND [System.Title] = {quoted(title)} "
        f"AND [System.State] NOT IN ({closed})"
    )
    boards = ("az", "boards")
    in_project = (*organization, "--project", project, "--output")
    there = json.loads(called(*boards, "query", "--wiql", query, *in_project, "json") or "[]")
    # A work item is HTML.
    text = f"<pre>{html.escape(body, quote=False)}</pre>"
    if there:
        what = ("update", "--id", str(there[0]["id"]), "--discussion", text)
        called(*boards, "work-item", *what, *organization, "--output", "none")
    else:
        what = ("create", "--type", WORK_ITEM, "--title", title, "--description", text)
        called(*boards, "work-item", *what, *in_project, "none")


def quoted(value: str) -> str:
    """As a string of WIQL."""
    return "'" + value.replace("'", "''") + "'"


SERVICES = {"github": on_github, "azure-devops": on_azure_devops}


def main() -> None:
    """Read the call, and open what is to be opened."""
    try:
        service, folder, run = sys.argv[1:]
        report = SERVICES[service]
    except (KeyError, ValueError):
        sys.exit(f"usage: open_issue.py {'|'.join(SERVICES)} FOLDER RUN")
    findings = sorted(Path(folder).rglob("finding-*.md"))
    for finding in findings:
        stack = finding.stem.removeprefix("finding-")
        report(f"Nightly check: stack {stack}", f"{finding.read_text()}\n[The run]({run})\n")
    print(f"{len(findings)} stacks with a finding")


if __name__ == "__main__":
    main()
