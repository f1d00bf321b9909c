"""A record that does not fit is named with the field in the way; money is never rounded, never float."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from include.financials.entities.codes import CostCode
from include.financials.entities.commitments import Commitment
from include.financials.entities.directory import Customer, Vendor
from include.financials.entities.jobs import Project
from include.financials.exact import loads
from include.financials.port import Invalid, Window
from include.procore import parse
from include.procore.areas import ENTITIES, codes, commitments

CONTRACT: dict[str, Any] = {
    "id": 8300040015,
    "number": "104-SC-003",
    "title": " Structural steel ",
    "status": "Approved",
    "vendor": {"id": 4410000001, "company": "Steel"},
    "accounting_method": "amount",
    "executed": True,
    "retainage_percent": "10.0",
    "contract_date": "2026-07-01",
    "grand_total": "1486000.0",
    "approved_change_orders": "28750.00",
    "currency_configuration": {"currency_iso_code": "USD"},
    "updated_at": "2026-07-14T10:00:00Z",
    "deleted_at": None,
    "origin_id": "sandbox:01:commitments:104-SC-003",
    "origin_code": "104-SC-003",
}
LINE: dict[str, Any] = {
    "id": 1,
    "position": 1,
    "description": "Shop drawings",
    "amount": "62000.00",
    "extended_type": "manual",
    "quantity": "0.0",
    "unit_cost": None,
    "uom": None,
    "cost_code": {"id": 6100000001, "biller_type": "SubJob", "biller_id": 77},
    "line_item_type": {"id": 7003},
    "tax_code_id": None,
}


def build(changes: dict[str, Any] | None = None, lines: list[Any] | None = None) -> Commitment | Invalid:
    """As the client would hand it over: through JSON, with Decimals."""
    data = loads(json.dumps({**CONTRACT, **(changes or {})}))
    rows = loads(json.dumps([LINE] if lines is None else lines))
    built = ENTITIES["commitments"].fit(
        data, lambda row: commitments.commitment(row, "sandbox", "subcontract", "9001", rows), scope="9001"
    )
    assert isinstance(built, Commitment | Invalid)
    return built


def test_a_contract_with_its_line() -> None:
    record = build()
    assert isinstance(record, Commitment)
    assert (record.id, record.company, record.number, record.title) == ("8300040015", "01", "104-SC-003", "Structural steel")
    assert (record.amount, record.approved_changes, record.retainage_percent) == (
        Decimal("1486000.00"),
        Decimal("28750.00"),
        Decimal(10),
    )
    assert str(record.amount) == "1486000.00"
    assert record.contract_date == date(2026, 7, 1)
    assert record.updated_at == datetime(2026, 7, 14, 10, tzinfo=UTC)
    line = record.lines[0]
    assert (line.cost_code, line.cost_type, line.sub_job, str(line.amount)) == ("6100000001", "7003", "77", "62000.00")


@pytest.mark.parametrize("written", ["2026-07-01T23:30:00-07:00", "2026-07-01T00:30:00+02:00", "2026-07-01T00:00:00Z"])
def test_a_time_where_a_day_belongs_is_the_day_that_was_written(written: str) -> None:
    record = build({"contract_date": written})
    assert isinstance(record, Commitment) and record.contract_date == date(2026, 7, 1)


@pytest.mark.parametrize("amount", ["7300", "7300.0", "7300.00", "7300.000", 7300, "+7300.00"])
def test_scale_does_not_matter(amount: Any) -> None:
    record = build({"grand_total": amount})
    assert isinstance(record, Commitment)
    assert str(record.amount) == "7300.00"


def test_a_number_in_json_does_not_pass_through_float() -> None:
    data = loads('{"a": 9007199254740993.11}')
    assert parse.Row(data).money("a") == Decimal("9007199254740993.11")


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"grand_total": "100.005"}, "grand_total", "more than 2 decimals"),
        ({"grand_total": None}, "grand_total", "missing"),
        ({"grand_total": ""}, "grand_total", "missing"),
        ({"grand_total": "1,200.00"}, "grand_total", "plain decimal"),
        ({"grand_total": "1e3"}, "grand_total", "plain decimal"),
        ({"grand_total": "NaN"}, "grand_total", "plain decimal"),
        ({"grand_total": float("nan")}, "grand_total", "not a number"),
        ({"grand_total": float("inf")}, "grand_total", "not a number"),
        ({"grand_total": True}, "grand_total", "not a number"),
        ({"grand_total": [1]}, "grand_total", "a list"),
        ({"grand_total": "9" * 40}, "grand_total", "plain decimal"),
        ({"grand_total": "9" * 30}, "grand_total", "too many digits"),
        ({"grand_total": "9" * 19}, "amount", "digits"),
        ({"number": None}, "number", "missing"),
        ({"number": "  "}, "number", "missing"),
        ({"number": 104}, "number", "not text"),
        ({"id": None}, "id", "missing"),
        ({"id": 0}, "id", "missing"),
        ({"id": 1.5}, "id", "not an id"),
        ({"id": -5}, "id", "not an id"),
        ({"id": "\N{ARABIC-INDIC DIGIT FIVE}"}, "id", "not an id"),
        ({"id": "00"}, "id", "missing"),
        ({"updated_at": "0001-01-01T00:00:00+05:00"}, "updated_at", "not a time"),
        ({"contract_date": "9999-12-31T23:59:59-01:00"}, "contract_date", "not a date"),
        ({"status": None}, "status", "missing"),
        ({"title": "caf\ud800"}, "title", "surrogate"),
        ({"contract_date": "07/01/2026"}, "contract_date", "not a date"),
        ({"contract_date": "2026-02-30"}, "contract_date", "not a date"),
        ({"updated_at": "yesterday"}, "updated_at", "not a time"),
        ({"updated_at": "2026-07-14T10:00:00"}, "updated_at", "not a time"),
        ({"updated_at": 1790000000}, "updated_at", "not text"),
        ({"accounting_method": "lump"}, "accounting_method", "not one of"),
        ({"executed": "yes"}, "executed", "true or false"),
        ({"vendor": "Steel Inc"}, "vendor", "not an object"),
        ({"retainage_percent": "10.00001"}, "retainage_percent", "more than 4 decimals"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], field: str, message: str) -> None:
    invalid = build(changes)
    assert isinstance(invalid, Invalid)
    assert invalid.field == field
    assert message in invalid.message
    assert invalid.entity == "commitments"
    assert invalid.scope == "9001"
    assert invalid.number in ("104-SC-003", "Structural steel", " Structural steel ", "104", "  ")


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([{**LINE, "amount": None}], "lines[1].amount"),
        ([LINE, {**LINE, "position": None}], "lines[2].position"),
        ([{**LINE, "position": "1"}], "lines[1].position"),
        ([{**LINE, "quantity": "1.1234567"}], "lines[1].quantity"),
        ([{**LINE, "cost_code": 5}], "lines[1].cost_code"),
        (["x"], "lines[1]"),
    ],
)
def test_a_line_that_does_not_fit_stops_its_contract(lines: list[Any], field: str) -> None:
    invalid = build(lines=lines)
    assert isinstance(invalid, Invalid)
    assert invalid.field == field


def test_lines_come_in_order_and_may_lack_their_code() -> None:
    record = build(lines=[{**LINE, "id": 2, "position": 2, "cost_code": None, "line_item_type": None, "amount": "-5.1"}, LINE])
    assert isinstance(record, Commitment)
    assert [line.position for line in record.lines] == [1, 2]
    assert (record.lines[1].cost_code, record.lines[1].cost_type, str(record.lines[1].amount)) == (None, None, "-5.10")


@pytest.mark.parametrize("data", [None, 5, "x", []])
def test_a_row_that_is_no_object(data: Any) -> None:
    invalid = ENTITIES["vendors"].record(data, "sandbox")
    assert isinstance(invalid, Invalid)
    assert invalid.field == "record"


def test_vendors_customers_projects() -> None:
    row = {
        "id": 5,
        "name": "Ågren Stål",
        "is_active": False,
        "origin_code": "",
        "business_register": {"type": "ein", "identifier": "12-3"},
    }
    vendor = ENTITIES["vendors"].record(row, "sandbox")
    assert isinstance(vendor, Vendor)
    assert (vendor.number, vendor.code, vendor.tax_id, vendor.active, vendor.company) == ("Ågren Stål", None, "12-3", False, None)
    customer = ENTITIES["customers"].record({"id": 5, "name": "Owner", "origin_code": "C-1"}, "sandbox")
    assert isinstance(customer, Customer)
    assert customer.number == "C-1"
    project = ENTITIES["projects"].record({"id": 5, "name": "Test", "active": False}, "sandbox")
    assert isinstance(project, Project)
    assert (project.number, project.status) == ("Test", "closed")


@pytest.mark.parametrize("parent", [{"parent": {"id": 7}}, {"parent_id": 7}])
def test_a_cost_code_names_its_parent_in_either_form(parent: dict[str, Any]) -> None:
    row = {"id": 8, "code": "3000", "full_code": "03-3000", "name": "Concrete", **parent}
    assert parse.parent_id(row) == "7"
    code = ENTITIES["cost_codes"].fit(row, lambda r: codes.cost_code(r, "sandbox", codes.Place("9", 1, False, ("1",))))
    assert isinstance(code, CostCode)
    assert (code.parent, code.level, code.cost_types, code.number) == ("7", 1, ("1",), "03-3000")


def test_a_bare_day_is_the_last_second_of_that_day() -> None:
    """Where a time was expected: one witness declares the times of owner invoices as days."""
    end = datetime(2026, 9, 30, 23, 59, 59, tzinfo=UTC)
    assert parse.Row({"at": "2026-09-30"}).moment("at") == end == parse.time_or_none("2026-09-30")
    assert parse.Row({"at": "2026-09-30T10:00:00Z"}).moment("at") == datetime(2026, 9, 30, 10, tzinfo=UTC)
    for odd in ("2026-9-30", "30.09.2026", "2026-09-31"):
        with pytest.raises(parse.Misfit):
            parse.Row({"at": odd}).moment("at")


@pytest.mark.parametrize(("since", "until", "covered"), [
    ((30, 9), (30, 10), True), ((29, 0), (30, 0), True), ((29, 0), (29, 23), False), ((31, 0), (31, 5), False),
    ((30, 9), (31, 5), True),
])  # fmt: skip
def test_no_window_that_ends_on_a_bare_day_rules_it_out(since: tuple[int, int], until: tuple[int, int], covered: bool) -> None:
    """And the windows of the days around it do."""
    moment = parse.Row({"at": "2026-08-30"}).moment("at")
    window = Window(datetime(2026, 8, since[0], since[1], tzinfo=UTC), datetime(2026, 8, until[0], until[1], tzinfo=UTC))
    assert window.covers(moment) is covered
