"""Every refusal of the ledger, tried in raw SQL on a connection of the driver, beside a twin that passes."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.erp.forms import FLAGS
from sandbox.erp.rules import CHOICES, DATES, LIMITS, ORDER, RANGES, RULES
from sandbox.erp.tables import BUSINESS, METADATA, key_columns
from tests.unit.sandbox.erp.document_cases import DOCUMENT_CASES
from tests.unit.sandbox.erp.world import KINDS, ROWS, Attempts, Case, Row, delete, document, header, insert, line, update

J1: Row = {"company": "01", "job": "J1"}
CODE: Row = {**J1, "sub_job": ""}
OPEN: Row = {"company": "01", "number": "OPEN"}
LINE: Row = {**OPEN, "line_no": 1}
ENTERING: Row = {"company": "01", "number": "J1-SC-9"}

FRESH: dict[str, Row] = {
    "companies": {"company": "99", "name": "New", "currency": "USD", "vendor_group": "G1", "cost_group": "G1"},
    "vendors": {"vendor_group": "G1", "vendor": "V-99", "name": "New"},
    "customers": {"company": "01", "customer": "C-99", "name": "New"},
    "employees": {"company": "01", "employee": "E-99", "last_name": "New"},
    "jobs": {"company": "01", "job": "J99", "name": "New"},
    "sub_jobs": {**J1, "sub_job": "Z", "name": "New"},
    "cost_types": {"cost_group": "G1", "cost_type": "9", "name": "New", "category": "other"},
    "standard_codes": {"cost_group": "G1", "code": "99", "name": "New"},
    "job_codes": {**CODE, "code": "99-0000", "name": "New"},
    "job_code_types": {**CODE, "code": "04-2000", "cost_type": "3"},
    "units": {"unit": "ZZ", "name": "New"},
    "periods": {"company": "01", "module": "AP", "period": "2026-08", "first_day": "2026-08-01", "last_day": "2026-08-31"},
    "settings": {"company": "02", "name": "ap_ceiling", "value": "on"},
    "vendor_insurances": {"vendor_group": "G1", "vendor": "V-1", "policy": "WC-1", "insurance_type": "Workers' Compensation"},
    "tax_codes": {"cost_group": "G1", "tax_code": "NEW", "description": "New"},
    **{kind.header: kind.head for kind in KINDS.values()},
    **{kind.lines: {**kind.where(), "line_no": 1, **kind.line} for kind in KINDS.values()},
    "commitments": header(),
    "commitment_lines": line(),
}
"""A new row of each table that passes."""
BEFORE: dict[str, list[str]] = {
    **{kind.header: kind.before() for kind in KINDS.values()},
    **{kind.lines: [*kind.before(), insert(kind.header, **kind.head)] for kind in KINDS.values()},
    "commitment_lines": [insert("commitments", **header())],
}
"""What has to be there first."""
JUDGED_WITH_DOCUMENT = {(t, c) for t in KINDS for c in ("status", "voided_on")}


def tried(table: str, code: str, column: str, bad: Any, good: Any) -> list[Case]:
    """A column's bad and good value in an INSERT and, unless it is part of the key, in an UPDATE."""
    before = BEFORE.get(table, [])
    unit: Row = {"quantity_e4": 10_000, "unit_cost_e4": 1_000_000}
    more = {"hold": {"hold_reason": "why"}, "extended_type": unit}.get(column, {})
    name = f"{code} {table}.{column} {bad!r}"[:90]

    def put(value: Any) -> list[str]:
        return [*before, insert(table, **{**FRESH[table], **more, column: value})]

    cases = [Case(f"insert {name}", code, put(bad), put(good))]
    if column not in key_columns(table):
        where = {k: FRESH[table][k] for k in key_columns(table)}
        new = [*before, insert(table, **{**FRESH[table], **more})]
        cases.append(
            Case(
                f"update {name}",
                code,
                [*new, update(table, where, **{column: bad})],
                [*new, update(table, where, **{column: good})],
            )
        )
    return cases


def forms() -> list[Case]:
    """Lengths, blanks, choices, ranges and dates, from the same tables that the rules are made of."""
    cases: list[Case] = []
    for limit in LIMITS:
        exact, over = "å" * limit.length, "å" * (limit.length + 1)
        if (limit.table, limit.column) in (("commitments", "number"), ("prime_contracts", "number")):
            exact, over = "N" * limit.length, "N" * (limit.length + 1)
        cases += tried(limit.table, "LENGTH", limit.column, over, exact)
        for blank in ("", " x", "x "):
            cases += tried(limit.table, "BLANK", limit.column, blank, "x")
    for (table, column), values in CHOICES.items():
        if (table, column) not in JUDGED_WITH_DOCUMENT:
            for good in values:
                cases += tried(table, "CHOICE", column, "nonsense", good)
    for table in BUSINESS:
        for column in FLAGS:
            if column in METADATA.tables[table].columns:
                cases += tried(table, "CHOICE", column, 2, 1 if column == "active" else 0)
    for (table, column), (code, low, high, _) in RANGES.items():
        cases += tried(table, code, column, low - 1, low)
        cases += tried(table, code, column, high + 1, high)
    for table, column in DATES:
        if (table, column) in JUDGED_WITH_DOCUMENT:
            continue
        good = FRESH[table].get(column) or "2028-02-29"
        for bad in ("2026-02-30", "2026-13-01", "2026-1-05", "05.01.2026", "2026-01-05T00:00", "now", "", "2027-02-29"):
            cases += tried(table, "DATE", column, bad, good)
    return cases


def in_use(table: str, used: Row, free: Row) -> Case:
    return Case(f"delete a used row of {table} {used}", "IN_USE", [delete(table, **used)], [delete(table, **free)])


def key_case(table: str) -> Case:
    """The last column of the key of an existing row, or of one just entered, changes; the same value again is no change."""
    before = BEFORE.get(table, [])
    where = {k: FRESH[table][k] for k in key_columns(table)}
    column = key_columns(table)[-1]
    new = [*before, insert(table, **FRESH[table])]
    other = 2 if column == "line_no" else "2026-09" if table == "periods" else "X"
    return Case(
        f"change the key of {table}",
        "KEY",
        [*new, update(table, where, **{column: other})],
        [*new, update(table, where, **{column: where[column]})],
    )


def doc(name: str, code: str, bad: Row, good: Row | None = None) -> Case:
    """A header that is refused as soon as it is inserted, and the whole document of the good twin."""
    return Case(name, code, [insert("commitments", **header(**bad))], document(header(**(good or {}))))


def on_line(name: str, code: str, bad: Row, good: Row | None = None) -> list[Case]:
    """A line that is refused when it is inserted, and when an accepted line is changed into it."""
    start = [insert("commitments", **header())]
    where = {**ENTERING, "line_no": 1}
    whole = document(None, good or {})
    change = [*start, insert("commitment_lines", **line()), update("commitment_lines", where, **bad)]
    return [
        Case(name, code, [*start, insert("commitment_lines", **line(**bad))], whole),
        Case(f"{name} (update)", code, change, whole),
    ]


def turned(name: str, code: str, bad: Row, good: Row) -> Case:
    """An entering header changed into something refused."""
    start = [insert("commitments", **header())]
    return Case(name, code, [*start, update("commitments", ENTERING, **bad)], [*start, update("commitments", ENTERING, **good)])


def opened_after(name: str, code: str, between: str) -> Case:
    """What became true after the header was entered counts when it is opened."""
    steps = document()
    return Case(name, code, [*steps[:-1], between, steps[-1]], steps)


MASTER = [
    *tried("companies", "CURRENCY", "currency", "usd", "USD"),
    *tried("companies", "CURRENCY", "currency", "DOLLAR", "CAD"),
    Case("currency of a company with documents", "CURRENCY", [update("companies", {"company": "01"}, currency="CAD")],
         [update("companies", {"company": "06"}, currency="CAD")]),
    Case("hold without reason", "HOLD_REASON", [update("vendors", {"vendor": "V-1"}, hold="all")],
         [update("vendors", {"vendor": "V-1"}, hold="all", hold_reason="dispute")]),
    Case("payment hold without reason", "HOLD_REASON",
         [insert("vendors", vendor_group="G1", vendor="V-99", name="x", hold="payment")],
         [insert("vendors", vendor_group="G1", vendor="V-99", name="x", hold="none")]),
    Case("reason taken away under a hold", "HOLD_REASON", [update("vendors", {"vendor": "V-ALL"}, hold_reason=None)],
         [update("vendors", {"vendor": "V-ALL"}, hold_reason=None, hold="none")]),
    Case("merged into itself", "MERGE", [update("vendors", {"vendor": "V-1"}, merged_into="V-1")],
         [update("vendors", {"vendor": "V-1"}, merged_into="V-NEW")]),
    Case("merged into a merged one", "MERGE", [update("vendors", {"vendor": "V-1"}, merged_into="V-OLD")],
         [update("vendors", {"vendor": "V-NEW"}, merged_into="V-1")]),
    Case("merged into a stranger", "VENDOR_UNKNOWN", [update("vendors", {"vendor": "V-1"}, merged_into="V-9")],
         [update("vendors", {"vendor": "V-1"}, merged_into="V-NEW")]),
    Case("customer of no company", "COMPANY_UNKNOWN", [insert("customers", **FRESH["customers"] | {"company": "77"})],
         [insert("customers", **FRESH["customers"])]),
    Case("employee of no company", "COMPANY_UNKNOWN", [insert("employees", **FRESH["employees"] | {"company": "77"})],
         [insert("employees", **FRESH["employees"] | {"company": "02"})]),
    Case("job of no company", "COMPANY_UNKNOWN", [insert("jobs", **FRESH["jobs"] | {"company": "77"})],
         [insert("jobs", **FRESH["jobs"] | {"company": "02"})]),
    Case("period of no company", "COMPANY_UNKNOWN", [insert("periods", **FRESH["periods"] | {"company": "77"})],
         [insert("periods", **FRESH["periods"] | {"company": "02"})]),
    *tried("jobs", "CUSTOMER_UNKNOWN", "customer", "C-5", "C-1"),
    Case("sub job of no job", "JOB_UNKNOWN", [insert("sub_jobs", **FRESH["sub_jobs"] | {"job": "J77"})],
         [insert("sub_jobs", **FRESH["sub_jobs"] | {"job": "J2"})]),
    Case("code of no job", "JOB_UNKNOWN", [insert("job_codes", **FRESH["job_codes"] | {"job": "J77"})],
         [insert("job_codes", **FRESH["job_codes"] | {"job": "J2"})]),
    Case("code of no sub job", "SUB_JOB_UNKNOWN", [insert("job_codes", **FRESH["job_codes"] | {"sub_job": "Z"})],
         [insert("job_codes", **FRESH["job_codes"] | {"sub_job": "A"})]),
    *tried("job_codes", "CODE_UNKNOWN", "parent", "77", "03"),
    *tried("standard_codes", "CODE_UNKNOWN", "parent", "77", "03"),
    *tried("job_codes", "CODE_PARENT", "parent", "04-2000", "03"),
    *tried("standard_codes", "CODE_PARENT", "parent", "03-3000", "03"),
    Case("own parent on the job", "CODE_PARENT", [update("job_codes", {**CODE, "code": "05"}, parent="05")],
         [update("job_codes", {**CODE, "code": "05"}, parent="03")]),
    Case("own parent in the list", "CODE_PARENT", [update("standard_codes", {"code": "05"}, parent="05")],
         [update("standard_codes", {"code": "05"}, parent="03")]),
    Case("circle on the job", "CODE_PARENT", [update("job_codes", {**CODE, "code": "05"}, parent="03"),
         update("job_codes", {**CODE, "code": "03"}, parent="05")], [update("job_codes", {**CODE, "code": "05"}, parent="03")]),
    Case("circle in the list", "CODE_PARENT", [update("standard_codes", {"code": "05"}, parent="03"),
         update("standard_codes", {"code": "03"}, parent="05")], [update("standard_codes", {"code": "05"}, parent="03")]),
    Case("header with children becomes a leaf", "CODE_PARENT", [update("job_codes", {**CODE, "code": "03"}, is_header=0)],
         [update("job_codes", {**CODE, "code": "05"}, is_header=0)]),
    Case("leaf with types becomes a header", "CODE_HEADER", [update("job_codes", {**CODE, "code": "03-3000"}, is_header=1)],
         [update("job_codes", {**CODE, "code": "04-2000"}, is_header=1)]),
    Case("types on a header", "CODE_HEADER", [insert("job_code_types", **CODE, code="03", cost_type="3")],
         [insert("job_code_types", **CODE, code="04-2000", cost_type="3")]),
    Case("types on no code", "CODE_UNKNOWN", [insert("job_code_types", **CODE, code="77", cost_type="3")],
         [insert("job_code_types", **CODE, code="04-2000", cost_type="3")]),
    Case("type of no group", "TYPE_UNKNOWN", [insert("job_code_types", **CODE, code="04-2000", cost_type="8")],
         [insert("job_code_types", **CODE, code="04-2000", cost_type="6")]),
    Case("period and days apart", "PERIOD", [insert("periods", **FRESH["periods"] | {"last_day": "2026-09-30"})],
         [insert("periods", **FRESH["periods"])]),
    Case("period ends before it starts", "PERIOD",
         [insert("periods", **FRESH["periods"] | {"first_day": "2026-08-31", "last_day": "2026-08-01"})],
         [insert("periods", **FRESH["periods"] | {"last_day": "2026-08-01"})]),
    *(key_case(table) for table in BUSINESS),
    in_use("vendors", {"vendor": "V-1"}, {"vendor": "V-FREE"}),
    in_use("vendors", {"vendor": "V-NEW"}, {"vendor": "V-OLD"}),
    in_use("customers", {"customer": "C-1"}, {"customer": "C-FREE"}),
    *(in_use("companies", {"company": c}, {"company": "06"}) for c in ("01", "04", "05")),
    *(in_use("jobs", {"company": "01", "job": j}, {"company": "01", "job": "J5"}) for j in ("J1", "J2", "J4")),
    in_use("sub_jobs", {**J1, "sub_job": "A"}, {**J1, "sub_job": "B"}),
    in_use("cost_types", {"cost_group": "G1", "cost_type": "3"}, {"cost_group": "G1", "cost_type": "6"}),
    in_use("standard_codes", {"code": "03"}, {"code": "05"}),
    in_use("job_codes", {**CODE, "code": "03"}, {**CODE, "code": "05"}),
    in_use("job_codes", {**CODE, "code": "03-3000"}, {**CODE, "code": "04-2000"}),
    in_use("job_code_types", {**CODE, "code": "03-3000", "cost_type": "3"}, {**CODE, "code": "03-3000", "cost_type": "2"}),
    in_use("units", {"unit": "EA"}, {"unit": "LF"}),
    Case("delete a header before its lines", "IN_USE",
         [insert("commitments", **header()), insert("commitment_lines", **line()), delete("commitments", **ENTERING)],
         [insert("commitments", **header()), insert("commitment_lines", **line()), delete("commitment_lines", **ENTERING),
          delete("commitments", **ENTERING)]),
]  # fmt: skip

UNIT: Row = {"extended_type": "calculated", "quantity_e4": 10_000, "unit_cost_e4": 1_000_000, "unit": "EA"}
COMMITMENTS = [
    *(doc(f"characters {n}", "CHARACTERS", {"number": n}, {"number": "a-Z-09"})
      for n in ("J1/SC", "J1_SC", "J1 SC", "J1-SÇ", "J1.SC")),
    doc("number used in the company", "DUPLICATE", {"number": "OPEN"}, {"number": "OPEN2"}),
    doc("number used on another job", "DUPLICATE", {"number": "OPEN", "job": "J2"}, {"number": "OPEN2", "job": "J2"}),
    doc("number of a void document", "DUPLICATE", {"number": "VOID"}, {"number": "VOID", "company": "02"}),
    Case("replace a document", "DUPLICATE", document(header(number="OPEN"))[:1], document(header(number="OPEN", company="02"))),
    doc("marker used", "MARKER", {"marker": "procore:8089:commitments:1"}, {"marker": "procore:8089:commitments:2"}),
    Case("marker moved", "MARKER", [update("commitments", {"number": "CLOSED"}, marker="procore:8089:commitments:1")],
         [update("commitments", {"number": "CLOSED"}, marker="procore:8089:commitments:2"),
          update("commitments", {"number": "OPEN"}, marker=None),
          update("commitments", {"number": "VOID"}, marker="procore:8089:commitments:1")]),
    doc("no such company", "COMPANY_UNKNOWN", {"company": "77"}),
    doc("no such job", "JOB_UNKNOWN", {"job": "J77"}),
    doc("job of another company", "JOB_UNKNOWN", {"company": "02", "job": "J2"}, {"company": "02"}),
    turned("turned to no job", "JOB_UNKNOWN", {"job": "J77"}, {"job": "J2"}),
    doc("job closed", "JOB_CLOSED", {"job": "J3"}, {"job": "J2"}),
    turned("turned to a closed job", "JOB_CLOSED", {"job": "J3"}, {"job": "J2"}),
    opened_after("job closed in between", "JOB_CLOSED", update("jobs", J1, status="closed")),
    doc("no such vendor", "VENDOR_UNKNOWN", {"vendor": "V-77"}),
    turned("turned to no vendor", "VENDOR_UNKNOWN", {"vendor": "V-77"}, {"vendor": "V-FREE"}),
    doc("vendor of another group", "VENDOR_GROUP", {"vendor_group": "G2", "vendor": "V-9"}),
    turned("turned to another group", "VENDOR_GROUP", {"vendor_group": "G2", "vendor": "V-9"}, {"vendor": "V-FREE"}),
    doc("vendor merged", "VENDOR_MERGED", {"vendor": "V-OLD"}, {"vendor": "V-NEW"}),
    turned("turned to a merged vendor", "VENDOR_MERGED", {"vendor": "V-OLD"}, {"vendor": "V-NEW"}),
    doc("vendor inactive", "VENDOR_INACTIVE", {"vendor": "V-OFF"}),
    opened_after("vendor inactive in between", "VENDOR_INACTIVE", update("vendors", {"vendor": "V-1"}, active=0)),
    doc("vendor on full hold; payment hold passes", "VENDOR_HOLD", {"vendor": "V-ALL"}, {"vendor": "V-PAY"}),
    turned("turned to a vendor on hold", "VENDOR_HOLD", {"vendor": "V-ALL"}, {"vendor": "V-PAY"}),
    opened_after("full hold in between", "VENDOR_HOLD", update("vendors", {"vendor": "V-1"}, hold="all", hold_reason="dispute")),
    doc("foreign currency", "CURRENCY", {"currency": "CAD"}),
    turned("turned to a foreign currency", "CURRENCY", {"currency": "CAD"}, {"currency": "USD"}),
    *(Case(f"frozen {column}", "FROZEN", [update("commitments", OPEN, **{column: value})],
           [insert("commitments", **header()), update("commitments", ENTERING, **{column: value})])
      for column, value in (("kind", "purchase_order"), ("job", "J2"), ("vendor", "V-FREE"), ("retainage_e4", 0),
                            ("amount_cents", 1))),
    Case("title of a void document", "FROZEN", [update("commitments", {"number": "VOID"}, title="New")],
         [update("commitments", OPEN, title="New", contract_date="2026-08-01")]),
    Case("date of a void document", "FROZEN", [update("commitments", {"number": "VOID"}, contract_date="2026-08-01")],
         [update("commitments", {"number": "CLOSED"}, contract_date="2026-08-01")]),
    Case("delete an entered document", "FROZEN", [delete("commitments", **OPEN)],
         [insert("commitments", **header()), delete("commitments", **ENTERING)]),
    Case("delete a line of an entered document", "FROZEN", [delete("commitment_lines", **LINE)],
         [insert("commitments", **header()), insert("commitment_lines", **line()), delete("commitment_lines", **ENTERING)]),
    Case("add a line to an entered document", "FROZEN",
         [insert("commitment_lines", **line(**OPEN, line_no=2) | {"amount_cents": 0})],
         document(None, {}, {"amount_cents": 0})),
    *(Case(f"line {column} of an entered document", "FROZEN", [update("commitment_lines", LINE, **{column: value})],
           [insert("commitments", **header()), insert("commitment_lines", **line()),
            update("commitment_lines", {**ENTERING, "line_no": 1}, **{column: value})])
      for column, value in (("amount_cents", 1), ("cost_type", "2"), ("description", "x"), ("quantity_e4", 5), ("sub_job", "A"))),
    *(Case(f"status {old} to {new}", "STATUS", [update("commitments", {"number": old.upper()}, status=new)],
           [update("commitments", OPEN, status=passing) for passing in ("closed", "open", "void")])
      for old, new in (("open", "entering"), ("void", "open"), ("void", "closed"), ("closed", "void"), ("closed", "entering"))),
    Case("closed before it was open", "STATUS", [*document()[:-1], update("commitments", ENTERING, status="closed")], document()),
    Case("nonsense as status", "CHOICE", [update("commitments", OPEN, status="done")],
         [update("commitments", OPEN, status="closed")]),
    Case("nonsense as first status", "CHOICE", [insert("commitments", **header(status="done"))], document()),
    Case("no lines", "TOTAL", [insert("commitments", **header(amount_cents=0)), update("commitments", ENTERING, status="open")],
         document(header(amount_cents=0), {"amount_cents": 0})),
    Case("open at once", "TOTAL", [insert("commitments", **header(status="open"))], document()),
    Case("a cent too little", "TOTAL", document(None, {"amount_cents": 6_000}, {"amount_cents": 3_999}),
         document(None, {"amount_cents": 6_000}, {"amount_cents": 4_000})),
    Case("a cent too much", "TOTAL", document(None, {"amount_cents": 10_001}),
         document(None, {"amount_cents": 12_500}, {"amount_cents": -2_500})),
    Case("sum raised when opened", "TOTAL",
         [*document()[:-1], update("commitments", ENTERING, amount_cents=10_001, status="open")],
         [*document()[:-1], update("commitments", ENTERING, amount_cents=10_000, status="open")]),
    Case("header moved away under its lines", "LINE_JOB", [*document()[:-1], update("commitments", ENTERING, job="J2")],
         [insert("commitments", **header()), update("commitments", ENTERING, job="J2")]),
    Case("line of no document", "COMMITMENT_UNKNOWN", [insert("commitment_lines", **line(number="NONE"))], document()),
    *on_line("line on another job", "LINE_JOB", {"job": "J2"}),
    *on_line("line of no sub job", "SUB_JOB_UNKNOWN", {"sub_job": "Z"}, {"sub_job": "A"}),
    *on_line("code the job lacks", "CODE_UNKNOWN", {"code": "77-0000"}),
    *on_line("code the sub job lacks", "CODE_UNKNOWN", {"sub_job": "B"}, {"sub_job": "A"}),
    *on_line("line on a header", "CODE_HEADER", {"code": "03"}),
    *on_line("line on an inactive code", "CODE_INACTIVE", {"code": "09-9100"}),
    *on_line("type not assigned", "TYPE_UNASSIGNED", {"cost_type": "6"}, {"cost_type": "2"}),
    *on_line("type not assigned on the sub job", "TYPE_UNASSIGNED", {"sub_job": "A", "cost_type": "2"}, {"sub_job": "A"}),
    *on_line("code without types", "TYPE_UNASSIGNED", {"code": "04-2000"}),
    *on_line("assignment inactive", "TYPE_INACTIVE", {"cost_type": "1"}),
    *on_line("type inactive in the company", "TYPE_INACTIVE", {"cost_type": "5"}),
    *on_line("no such unit", "UNIT_UNKNOWN", {"unit": "ZZ"}, {"unit": "LF"}),
    *on_line("calculated without quantity", "EXTENSION", {**UNIT, "quantity_e4": None}, UNIT),
    *on_line("calculated without unit cost", "EXTENSION", {**UNIT, "unit_cost_e4": None}, UNIT),
    *on_line("calculated and a cent off", "EXTENSION", {**UNIT, "amount_cents": 9_999}, UNIT),
    *on_line("calculated and the sign off", "EXTENSION", {**UNIT, "quantity_e4": -10_000}, {**UNIT, "unit": None}),
    *on_line("planted transposition: 120 x 84.50", "EXTENSION",
             {**UNIT, "quantity_e4": 1_200_000, "unit_cost_e4": 845_000, "amount_cents": 1_010_400},
             {**UNIT, "extended_type": "manual"}),
    *on_line("product beyond 64 bits", "EXTENSION",
             {**UNIT, "quantity_e4": 9_999_999_999_999, "unit_cost_e4": 9_999_999_999_999, "amount_cents": 99_999_999_999}, UNIT),
]  # fmt: skip

CASES = [*forms(), *MASTER, *COMMITMENTS, *DOCUMENT_CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_database_refuses_the_violation_and_takes_its_twin(attempts: Attempts, case: Case) -> None:
    refusal = attempts.refusal(case.bad)

    assert refusal is not None, "was accepted"
    assert refusal.startswith(f"{case.code}: ")
    assert refusal in {rule.message for rule in RULES}
    assert attempts.refusal(case.good) is None


ROUNDING = [  # quantity x 10^4, unit cost x 10^4, cents
    (3_335_000, 17_850, 59_530),  # 333.5 LF x 1.785 = 595.2975
    (420_000, 11_850_000, 4_977_000),
    (10_000, 50, 1),  # 0.005 rounds away from zero
    (10_000, 49, 0),
    (-10_000, 50, -1),
    (10_000, -50, -1),
    (-10_000, -50, 1),
    (-10_000, 49, 0),
    (1, 1, 0),
    (9_999_999_999_999, 1_000, 10_000_000_000),
]


@pytest.mark.parametrize(("quantity", "unit_cost", "cents"), ROUNDING)
def test_a_calculated_line_is_rounded_half_away_from_zero(attempts: Attempts, quantity: int, unit_cost: int, cents: int) -> None:
    def entered(amount: int) -> list[str]:
        row = line(extended_type="calculated", quantity_e4=quantity, unit_cost_e4=unit_cost, amount_cents=amount)
        return [insert("commitments", **header()), insert("commitment_lines", **row)]

    assert attempts.refusal(entered(cents)) is None
    for wrong in (cents - 1, cents + 1):
        assert (attempts.refusal(entered(wrong)) or "").startswith("EXTENSION: ")


GOOD = {
    "negative line": document(None, {"amount_cents": 12_500}, {"amount_cents": -2_500}),
    "two lines on one code": document(None, {"amount_cents": 4_000}, {"amount_cents": 6_000}),
    "zero contract": document(header(amount_cents=0)),
    "largest amount": document(header(amount_cents=99_999_999_999)),
    "non-ASCII title": document(header(title="Türen – Los 3")),
    "no retainage": document(header(retainage_e4=0, kind="purchase_order")),
    "same number in another company": document(header(company="02", number="OPEN")),
    "vendor held after the document was entered": [
        update("vendors", {"vendor": "V-1"}, hold="all", hold_reason="dispute", active=0),
        update("commitments", OPEN, title="Still to be named"),
        update("commitments", OPEN, status="closed"),
    ],
    "job closed after the document was entered": [
        update("jobs", J1, status="closed"),
        update("commitments", OPEN, status="void"),
    ],
    "code made inactive under a document": [update("job_codes", {**CODE, "code": "03-3000"}, active=0)],
    "two vendors with one tax id": [update("vendors", {"vendor": v}, tax_id="12-3456789") for v in ("V-1", "V-FREE")],
}


@pytest.mark.parametrize("statements", GOOD.values(), ids=GOOD.keys())
def test_what_is_unusual_but_right_passes(attempts: Attempts, statements: list[str]) -> None:
    assert attempts.refusal(statements) is None


def test_every_rule_has_a_case(attempts: Attempts) -> None:
    """A rule that no case meets proves nothing. A used row meets one of several rules, so there one per table is enough."""
    said = {attempts.refusal(case.bad) for case in CASES}

    assert {r.message for r in RULES if r.code != "IN_USE"} <= said
    parents = {r.table for r in RULES if r.code == "IN_USE"}
    assert parents == {str(m).split("row of ")[1].split(" ")[0] for m in said if str(m).startswith("IN_USE")}
    assert {r.code for r in RULES} == set(ORDER)


def test_fractions_and_words_are_no_amounts(attempts: Attempts) -> None:
    """SQLite would store either in an INTEGER column; PostgreSQL's types refuse the word and round the fraction."""
    if attempts.name == "postgresql":
        pytest.skip("column types do this")
    for value in ("10000.5", "'many'"):
        statement = insert("commitments", **header()).replace("10000)", f"{value})")
        assert value in statement
        assert attempts.refusal([statement]) is not None


@pytest.mark.parametrize("verb", ["INSERT OR REPLACE", "INSERT OR IGNORE", "REPLACE"])
def test_conflict_clauses_of_sqlite_are_no_way_around(attempts: Attempts, verb: str) -> None:
    if attempts.name == "postgresql":
        pytest.skip("SQLite's syntax")
    taken = insert("commitments", **header(number="OPEN", title="Taken over")).replace("INSERT", verb)
    refused = insert("commitments", **header(vendor="V-ALL")).replace("INSERT", verb)

    assert str(attempts.refusal([taken])).startswith("DUPLICATE: ")
    assert str(attempts.refusal([refused])).startswith("VENDOR_HOLD: ")


def test_world_has_a_row_for_every_table() -> None:
    documents = {table for kind in KINDS.values() for table in (kind.header, kind.lines)}
    assert {*ROWS, *documents} == set(BUSINESS) == set(FRESH)
