"""The formats, and how many connectors go into a text of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from azure_postgres_cdc.connector import bulk_upload
from azure_postgres_cdc.operations.connector.debezium import properties
from azure_postgres_cdc.operations.connector.document import document
from azure_postgres_cdc.operations.connector.page import page
from azure_postgres_cdc.operations.connector.terraform import blocks
from azure_postgres_cdc.operations.stack import Form, Stack


class Format(StrEnum):
    """What a connector's settings are written as."""

    FORM = "form"
    """The page's form, field by field."""
    JSON = "json"
    """For programs."""
    CSV = "csv"
    """The bulk upload of the form's tables. One connector."""
    TERRAFORM = "terraform"
    """A resource of Streamkap's Terraform provider."""
    DEBEZIUM = "debezium"
    """Properties of a stock Debezium connector. One connector."""


def written(
    stack: Stack, form_at: Format, database: str | None, slot: str | None, *, show_secrets: bool
) -> str:
    """The text. Raises a CdcError where the connector is not there, or not to be said so."""
    match form_at:
        case Format.CSV:
            return bulk_upload(stack.form_of(database, slot).tables)
        case Format.DEBEZIUM:
            form = stack.form_of(database, slot)
            name = names(stack.forms)[stack.forms.index(form)]
            return properties(name, form, show_secrets=show_secrets)
        case Format.TERRAFORM:
            named = zip(names(stack.forms), stack.forms, strict=True)
            chosen = stack.forms_of(database, slot)
            forms = {name: form for name, form in named if form in chosen}
            return blocks(forms, show_secrets=show_secrets)
        case Format.JSON:
            return document(stack.forms_of(database, slot), show_secrets=show_secrets)
        case Format.FORM:
            return page(stack.forms_of(database, slot), show_secrets=show_secrets)


def names(forms: Sequence[Form]) -> list[str]:
    """A name for each connector of a stack that no other one has: with its slot, if need be.

    A connector is called like its database by default, and a database may have several.
    """
    often = Counter(form.name for form in forms)
    return [form.name if often[form.name] == 1 else f"{form.name}-{form.slot}" for form in forms]
