"""What a server parameter is: its kind, its default, and the values it may have."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from azure_postgres_rehearsal.azure_api.errors import ApiError, invalid_value

USER_OVERRIDE = "user-override"
SYSTEM_DEFAULT = "system-default"

_INTEGER = re.compile(r"-?\d+")


class DataType(StrEnum):
    """Azure's words for the kind of a parameter's value."""

    BOOLEAN = "Boolean"
    INTEGER = "Integer"
    NUMERIC = "Numeric"
    ENUMERATION = "Enumeration"
    SET = "Set"
    STRING = "String"


@dataclass(frozen=True)
class Parameter:
    """One server parameter as Azure describes it.

    `choices` holds the allowed values of an enumeration, a boolean or a set; an empty one among
    a set's means that the set may be empty. `low` and `high` bound a number.
    `applied`: whether the embedded PostgreSQL knows it, so that it can be set for real.
    """

    name: str
    data_type: DataType
    default: str
    is_dynamic: bool = True
    is_read_only: bool = False
    choices: tuple[str, ...] = ()
    low: str = ""
    high: str = ""
    unit: str = ""
    description: str = ""
    documentation_link: str = ""
    applied: bool = True

    @property
    def allowed_values(self) -> str:
        """The allowed values as Azure writes them: `2-100`, `replica,logical`, `.*`."""
        if self.is_read_only:
            return self.default
        if self.data_type in (DataType.INTEGER, DataType.NUMERIC):
            return f"{self.low}-{self.high}"
        return ",".join(self.choices) if self.choices else ".*"

    def checked(self, value: str, *, keep_case: bool = False) -> str:
        """The value as Azure holds it; refused where it is not among the allowed ones.

        Names are taken in any case and held as the allowed values spell them, unless `keep_case`.
        """
        if self.data_type in (DataType.INTEGER, DataType.NUMERIC):
            self._check_number(value)
            return value
        if not self.choices:
            return value
        items = value.split(",") if self.data_type is DataType.SET else [value]
        spelling = {choice.lower(): choice for choice in self.choices}
        if len(items) > 1:
            spelling.pop("", None)
        if any(item.lower() not in spelling for item in items):
            raise self._refused(value)
        named = {spelling[item.lower()]: item for item in items}
        return ",".join(named.values() if keep_case else named)

    def takes(self, value: str) -> bool:
        """Whether the value is among the allowed ones."""
        try:
            self.checked(value)
        except ApiError:
            return False
        return True

    def same(self, one: str, other: str) -> bool:
        """Whether two values mean the same to the server."""
        if self.data_type is DataType.SET:
            return as_set(one) == as_set(other)
        if self.data_type in (DataType.BOOLEAN, DataType.ENUMERATION):
            return one.lower() == other.lower()
        if self.data_type in (DataType.INTEGER, DataType.NUMERIC):
            return float(one) == float(other)
        return one == other

    def _check_number(self, value: str) -> None:
        if self.data_type is DataType.INTEGER:
            well_formed = _INTEGER.fullmatch(value) is not None
        else:
            well_formed = _is_number(value)
        if not well_formed or not float(self.low) <= float(value) <= float(self.high):
            raise self._refused(value)

    def _refused(self, value: str) -> Exception:
        return invalid_value(
            f"'{value}' is not allowed for the server parameter '{self.name}'; "
            f"allowed values: {self.allowed_values}"
        )


def as_set(value: str) -> frozenset[str]:
    """The members of a set-valued parameter, without regard to case and order."""
    return frozenset(item.lower() for item in value.split(",") if item)


def _is_number(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False
