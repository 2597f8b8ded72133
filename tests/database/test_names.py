"""Names are read as PostgreSQL itself reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from azure_postgres_cdc.names import TableName

if TYPE_CHECKING:
    from tests.database.conftest import Shop

texts = st.text(st.sampled_from('aZ_1$."Äß表 -;'), min_size=1, max_size=12)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(texts.filter(lambda text: text == text.strip()))
@example("Public.ÄPFEL")
@example('"a""b"."c.d"')
@example('public."orders')
def test_names_are_split_and_folded_as_the_server_does(shop: Shop, text: str) -> None:
    """Spaces around the dot, which SQL allows, are refused: they are rather a mistake."""
    try:
        table = TableName.parse(text)
    except ValueError:
        table = None
    try:
        parts = shop.rows("SELECT parse_ident(%s)", text)[0][0]
    except psycopg.errors.InvalidParameterValue:
        parts = []
    if table is not None:
        assert parts == [table.schema, table.name]
    elif " " not in text:
        assert len(parts) != 2
