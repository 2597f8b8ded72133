"""The documentation builds strictly, and the site asks nobody else for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
ELSEWHERE = re.compile(r"(?:https?:)?//")
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


def build(project: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(target)]
    return subprocess.run(
        [*command, "-f", str(project / "mkdocs.yml")],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    result = build(PROJECT, target)
    assert result.returncode == 0, result.stdout + result.stderr
    return target


class Loads(HTMLParser):
    """What a browser fetches to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in LOADED and values.get("rel") not in ("prev", "next", "canonical"):
            self.found.append(values.get(LOADED[tag]) or "")


def test_every_page_is_there(site: Path) -> None:
    pages = {file.stem for file in (PROJECT / "docs").glob("*.md")}
    assert pages <= {file.stem for file in site.glob("*.html")}
    assert (site / "repository" / "examples" / "stacks" / "index.html").is_file()
    assert (site / "search" / "search_index.json").is_file()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert loads.found, page
        assert not [address for address in loads.found if ELSEWHERE.match(address)], page
    for sheet in [*site.rglob("*.css"), *site.rglob("*.svg")]:
        text = sheet.read_text(encoding="utf-8")
        assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", text), sheet
    # What the theme would fetch a script for, if a page had one.
    assert not [page for page in site.rglob("*.html") if 'class="mermaid"' in page.read_text()]


def test_a_link_that_leads_nowhere_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "tools").symlink_to(PROJECT / "tools")
    (tmp_path / "mkdocs.yml").write_text(
        "site_name: test\nhooks: [tools/site_links.py]\n"
        "validation: {links: {not_found: warn, unrecognized_links: warn}}\n"
    )
    (tmp_path / "docs" / "index.md").write_text("[there](../examples/nowhere.md)\n")
    result = build(tmp_path, tmp_path / "site")
    assert result.returncode != 0
    assert "nowhere.md" in result.stderr


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "examples"])
def test_links_from_outside_of_the_site_lead_somewhere(name: str) -> None:
    where = PROJECT / name
    for page in where.rglob("*.md") if where.is_dir() else [where]:
        links = re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
        assert not [link for link in links if not (page.parent / link).exists()], page
