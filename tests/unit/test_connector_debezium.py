"""The form as properties of a stock Debezium connector.

tests/rehearsal/test_debezium.py has the connector itself read them.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.connector_support import ODD_NAMES, READ_ONLY, RESTRICTED, TUNNEL, form, stack

from azure_postgres_cdc.operations.connector.debezium import escaped, included_columns, literal
from azure_postgres_cdc.operations.connector.formats import Format, written
from azure_postgres_cdc.operations.stack import Form

_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|(.))")


def debezium(of: Form, show_secrets: bool = False) -> str:
    return written(stack(of), Format.DEBEZIUM, None, None, show_secrets=show_secrets)


def read(text: str) -> dict[str, str]:
    """What java.util.Properties makes of it, as far as it is used here."""
    assert text.isascii()
    joined = re.sub(r"\\\n\s*", "", text)
    lines = [line for line in joined.splitlines() if not line.startswith("#")]
    pairs = [line.split("=", 1) for line in lines]
    found = {key: unescaped(value) for key, value in pairs}
    assert len(found) == len(lines)
    return found


def unescaped(value: str) -> str:
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else match[2], value)
    return text.encode("utf-16", "surrogatepass").decode("utf-16")


def test_properties_are_the_form_s() -> None:
    assert read(debezium(form())) == {
        "name": "shop",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "topic.prefix": "shop",
        "database.hostname": "shop.postgres.database.azure.com",
        "database.port": "5432",
        "database.user": "streamkap_user",
        "database.password": "${env:STREAMKAP_USER_PASSWORD}",
        "database.dbname": "shop",
        "database.sslmode": "require",
        "plugin.name": "pgoutput",
        "slot.name": "streamkap_pgoutput_slot",
        "slot.drop.on.stop": "false",
        "offset.mismatch.strategy": "trust_offset",
        "publication.name": "streamkap_pub",
        "publication.autocreate.mode": "disabled",
        "schema.include.list": "public",
        "table.include.list": "public[.]orders,public[.]lines",
        "snapshot.mode": "initial",
        "signal.data.collection": "streamkap.streamkap_signal",
        "heartbeat.interval.ms": "60000",
        "heartbeat.action.query": "INSERT INTO streamkap.streamkap_heartbeat (id, text)"
        " VALUES (1, 'heartbeat') ON CONFLICT (id) DO UPDATE SET last_update = CURRENT_TIMESTAMP",
        "binary.handling.mode": "bytes",
    }


def test_read_only_connector_writes_nothing() -> None:
    text = debezium(form(**READ_ONLY))
    found = read(text)
    assert found["read.only"] == "true"
    assert found["heartbeat.interval.ms"] == "60000"
    assert not {"signal.data.collection", "heartbeat.action.query"} & set(found)
    assert "signal.enabled.channels=kafka" in text  # in a comment


def test_snapshots_read_what_is_published() -> None:
    text = debezium(form(**RESTRICTED))
    found = read(text)
    assert found["column.include.list"] == (
        r"(?!(?:public[.]orders|public[.]Odd\x20Table)[.]).*,"
        r"public[.]orders[.](?:id|na\x2cme),public[.]Odd\x20Table[.](?:id)"
    )
    key = "snapshot.select.statement.overrides"
    overrides = {name: value for name, value in found.items() if name.startswith(key)}
    assert overrides == {
        key: "public.orders",
        f"{key}.public.orders": "SELECT * FROM public.orders WHERE (id > 0)",
    }
    assert (
        '# The first snapshot reads every row of public."Odd Table": such names go unsaid' in text
    )


@pytest.mark.parametrize(
    ("column", "included"),
    [
        ("public.orders.id", True),
        ("public.orders.na,me", True),
        ("public.orders.secret", False),
        ("public.orders.ids", False),
        ("public.orders_2.secret", True),
        ("public.Odd Table.id", True),
        ("public.Odd Table.x", False),
        ("cdc.streamkap_signal.data", True),
    ],
)
def test_columns_of_other_tables_are_all_there(column: str, included: bool) -> None:
    expressions = included_columns(form(**RESTRICTED))
    assert any(re.fullmatch(each, column) for each in expressions) is included


def test_comments_say_what_is_not_in_the_properties() -> None:
    hidden, shown = debezium(form(**TUNNEL)), debezium(form(), show_secrets=True)
    assert "# Debezium opens no SSH tunnel; the form has one through jump.\n" in hidden
    assert "#   config.providers=env\n" in hidden
    assert "config.providers" not in shown
    spoilt = debezium(form(database="line\nbreak"))
    assert r"database line\u000abreak" in spoilt.splitlines()[0]


def test_topics_have_a_prefix_that_kafka_takes() -> None:
    found = read(debezium(form(name="Büro 9/a", username="böse user")))
    assert (found["name"], found["topic.prefix"]) == ("Büro 9/a", "B_ro_9_a")
    assert found["database.password"] == "${env:B_SE_USER_PASSWORD}"


def test_two_connectors_of_a_database_have_topics_of_their_own() -> None:
    both = stack(form(), form(replicationSlotName="other"))
    texts = [
        written(both, Format.DEBEZIUM, "shop", item.slot, show_secrets=False) for item in both.forms
    ]
    prefixes = [read(text)["topic.prefix"] for text in texts]
    assert prefixes == ["shop-streamkap_pgoutput_slot", "shop-other"]


@pytest.mark.parametrize("name", [*ODD_NAMES, "public.a,b"])
def test_expression_matches_the_name_only(name: str) -> None:
    expression = literal(name)
    assert "," not in expression
    assert expression == expression.strip()
    assert re.fullmatch(expression, name)
    assert not re.fullmatch(expression, name.replace(".", "x"))
    assert not re.fullmatch(expression, name + "x")


def test_tables_stand_one_a_line() -> None:
    text = debezium(form(tables=["public.orders", "public.a,b", "public.表"]))
    assert (
        "table.include.list=public[.]orders,\\\n    public[.]a\\\\x2cb,\\\n    public[.]\\u8868\n"
    ) in text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_value_is_read_back(text: str) -> None:
    found = escaped(text)
    assert found.isascii()
    assert "\n" not in found
    assert not found.startswith(" ")
    assert unescaped(found) == text
