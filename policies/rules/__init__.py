"""One file a rule. The rules know the components by their type names only."""

from importlib import import_module
from pkgutil import iter_modules

RULES = tuple(import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
"""Every file of this folder, sorted by its name; each has its NAME and POLICY."""
