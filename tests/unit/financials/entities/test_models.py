"""Canonical models: strict, frozen, exact."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from include.financials.entities import ENTITIES, MODELS, in_stage
from include.financials.entities.commitments import Commitment
from tests.unit.financials.pair import commitment, cost_code, line, vendor

BIG = str(2**53 + 1)


def test_an_id_above_what_a_float_holds_stays_as_it_is() -> None:
    record = commitment(id=BIG, vendor=BIG)
    assert Commitment.model_validate_json(record.model_dump_json()).id == BIG == "9007199254740993"


@pytest.mark.parametrize(
    "wrong", [{"id": 42}, {"name": 7}, {"active": "yes"}, {"hold": "some"}, {"id": ""}, {"name": "   "}, {"surprise": 1}]
)
def test_nothing_is_coerced(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        vendor(**wrong)


@pytest.mark.parametrize("amount", [10.5, "10.50", 10, Decimal("NaN"), Decimal("Infinity"), Decimal("0.001"), Decimal(10) ** 16])
def test_money_is_a_decimal_of_two_places_and_sixteen_digits(amount: object) -> None:
    with pytest.raises(ValidationError):
        commitment(amount=amount)


def test_money_at_its_limit() -> None:
    assert commitment(amount=Decimal("-9999999999999999.99")).amount == Decimal("-9999999999999999.99")
    assert line(quantity=Decimal("999999999999.999999")).quantity == Decimal("999999999999.999999")


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_a_whole_number_is_one_that_a_page_holds(model: type[BaseModel]) -> None:
    """One that is too long for it is a fault of its record, not of the page that it would be written to."""
    schema = model.model_json_schema()
    blocks = [schema, *schema.get("$defs", {}).values()]
    kinds = [kind for block in blocks for field in block["properties"].values() for kind in field.get("anyOf", [field])]
    assert {(kind.get("minimum"), kind.get("exclusiveMaximum")) for kind in kinds if kind.get("type") == "integer"} <= {
        (-(2**63), 2**63)
    }


def test_a_time_is_no_date() -> None:
    assert commitment(contract_date=date(2026, 7, 1)).contract_date == date(2026, 7, 1)
    with pytest.raises(ValidationError):
        commitment(contract_date="2026-07-01")


def test_records_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        vendor().name = "Another"  # type: ignore[misc]


def test_white_space_around_texts_goes() -> None:
    assert vendor(name="  Ångström Steel ").name == "Ångström Steel"


@pytest.mark.parametrize("name", list(ENTITIES))
def test_the_entity_table_names_fields_of_the_model(name: str) -> None:
    row = ENTITIES[name]
    assert MODELS[name] is row.model and row.model.entity == name
    fields = set(row.model.model_fields)
    named = (*row.content, *(field for key in row.identity for field in key.replace("?", "").split("+")))
    assert all(field in fields or isinstance(getattr(row.model, field), property) for field in named)
    assert set(row.frozen) <= set(row.content)
    assert {field.partition(".")[0] for field in row.references} <= fields
    assert set(row.references.values()) <= set(ENTITIES)
    assert row.target != row.source
    assert row in in_stage(row.stage)
    assert all(ENTITIES[parent].stage <= row.stage for parent in row.after) and name not in row.after


def test_a_code_without_types_is_a_code() -> None:
    assert cost_code("03", cost_types=()).cost_types == ()
