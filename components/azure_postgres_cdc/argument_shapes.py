"""Whether arguments have the shape that their TypedDict says, where no type checker has looked.

A misspelt key would be passed over in silence, and a text in the place of a list be taken letter by
letter.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import pulumi


def shape_faults(kind: type, args: object, path: str = "") -> Iterator[str]:
    """Every unknown or missing key, and what is no list, mapping or truth value where one is meant.

    `kind`: a TypedDict. `path`: where the arguments are, such as `connectors[0]`. What values say
    is for others to judge.
    """
    if not isinstance(args, Mapping):
        yield f"{path or 'args'}: is no mapping of keys to values"
        return
    hints = _hints(kind)
    for key in sorted(map(str, args.keys() - hints.keys())):
        near = difflib.get_close_matches(key, hints, 1, 0.6)
        yield f"{_at(path, key)}: is no known key; {f'{near[0]} is one' if near else 'take it out'}"
    for key, hint in hints.items():
        if key in args:
            yield from _value_faults(_without_not_required(hint), args[key], _at(path, key))
        elif get_origin(hint) is not NotRequired:
            yield f"{_at(path, key)}: is missing"


@cache
def _hints(kind: type) -> dict[str, Any]:
    # Not __required_keys__, which does not see a NotRequired in an annotation that is a text.
    # pulumi.Input has a text in it, "Output[T]", with names of its own module.
    names = {"Output": pulumi.Output, "T": Any}
    return get_type_hints(kind, localns=names, include_extras=True)


def _value_faults(hint: Any, value: object, path: str) -> Iterator[str]:
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    mappings = [kind for kind in kinds if is_typeddict(kind)]
    lists = [kind for kind in kinds if get_origin(kind) is Sequence]
    if isinstance(value, Mapping) and mappings:
        yield from shape_faults(mappings[0], value, path)
    elif isinstance(value, (list, tuple)) and lists:
        (item_hint,) = get_args(lists[0])
        for index, item in enumerate(value if item_hint is not str else ()):  # ten thousand tables
            yield from _value_faults(item_hint, item, f"{path}[{index}]")
    elif isinstance(value, (str, Mapping)) and len(lists) == len(kinds):
        yield f"{path}: is no list"
    elif isinstance(value, (str, list)) and len(mappings) == len(kinds):
        yield f"{path}: is no mapping of keys to values"
    elif kinds == (bool,) and not isinstance(value, bool):
        yield f"{path}: is neither True nor False"


def _without_not_required(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is NotRequired else hint


def _at(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
