"""A hook of mkdocs: links from a page to the rest of the repository work in the site too.

On GitHub, `../examples/stacks/README.md` in a page of docs/ leads to the file. docs/ alone is the
site, so each file that a page links to is taken along, below `repository/`, with its own links put
right. A link to a file that is not there stops a strict build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
_DOCS, _ELSEWHERE = "docs/", "repository/"
# The target of `](target#anchor)`: no address, and not only an anchor.
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take along what the pages link to, and what that links to."""
    waiting = [_DOCS + file.src_uri for file in files.documentation_pages()]
    seen = set(waiting)
    while waiting:
        for path in _linked(waiting.pop()):
            if path in seen or path.startswith(_DOCS) or not (ROOT / path).is_file():
                continue
            seen.add(path)
            file = File.generated(config, _in_site(path), abs_src_path=str(ROOT / path))
            file.inclusion = InclusionLevel.NOT_IN_NAV
            files.append(file)
            if path.endswith(".md"):
                waiting.append(path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs passes them by name
    """Rewrite the links of one page to where their targets are in the site."""
    here = _in_repository(page.file.src_uri)
    folder = posixpath.dirname(page.file.src_uri)

    def moved(match: re.Match[str]) -> str:
        target = _in_site(_target(here, match[1]))
        return f"]({posixpath.relpath(target, folder or '.')}{match[2] or ''})"

    return _LINK.sub(moved, markdown)


def _linked(path: str) -> set[str]:
    """The files of the repository that a file of it links to."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return {_target(path, match[1]) for match in _LINK.finditer(text)}


def _target(path: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), link))


def _in_site(path: str) -> str:
    """Where a file of the repository is in the site."""
    return path.removeprefix(_DOCS) if path.startswith(_DOCS) else _ELSEWHERE + path


def _in_repository(uri: str) -> str:
    """Where a file of the site is in the repository."""
    return uri.removeprefix(_ELSEWHERE) if uri.startswith(_ELSEWHERE) else _DOCS + uri
