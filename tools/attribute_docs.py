"""What stands below the attributes of a class: the one place where a key's meaning is written."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

_DEFAULT = re.compile(r"(?:(?<=\. )|(?<=\.\n)|^)Default:? (?P<value>.+?)\.(?= [A-Z]|$)")


def attribute_docs(owner: type) -> dict[str, str]:
    """The docstring of each attribute of a class and of those that it is made of, on one line."""
    found: dict[str, str] = {}
    for base in getattr(owner, "__orig_bases__", ()):
        if inspect.isclass(base):
            found |= attribute_docs(base)
    body = class_body(owner)
    for attribute, text in pairwise(body):
        if not isinstance(attribute, ast.AnnAssign) or not isinstance(attribute.target, ast.Name):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[attribute.target.id] = " ".join(str(text.value.value).split())
    return found


def class_body(owner: type) -> list[ast.stmt]:
    """The statements of a class, out of its source."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    return tree.body if isinstance(tree, ast.ClassDef) else []


def without_default(text: str) -> tuple[str, str]:
    """A meaning, and the default that it names in a sentence of its own; empty without one."""
    match = _DEFAULT.search(text)
    if match is None:
        return text, ""
    rest = f"{text[: match.start()].rstrip()} {text[match.end() :].lstrip()}".strip()
    return rest, match["value"]


def cell(text: str) -> str:
    """Text as a table's cell takes it."""
    return text.replace("|", "\\|")


def write_or_check(page: Path, wanted: str) -> int:
    """Write a page; with `--check`, only say whether it is what it should be. An exit status."""
    if "--check" not in sys.argv[1:]:
        page.write_text(wanted, encoding="utf-8")
        return 0
    current = page.is_file() and page.read_text(encoding="utf-8") == wanted
    print("current" if current else f"{page.name} is not: make docs-pages")
    return 0 if current else 1
