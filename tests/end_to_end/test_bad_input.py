"""Records that are broken, odd or hostile: each is named and stops alone, and the run goes through."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from sandbox.chaos import people
from sandbox.chaos.people import spoil
from tests.end_to_end.world import World, done, of, settings_with

SUBCONTRACT = "PATCH /work_order_contracts/sync"


def spoil_line(world: World, number: str, position: int, **values: Any) -> None:
    line = next(line for line in world.lines(number) if line["position"] == position)
    spoil(world, "contract_lines", line["id"], **values)
    contract = world.contract(number)
    spoil(world, contract["kind"], contract["id"])


def drafts(world: World) -> list[str]:
    """Numbers of commitments that would load if they were approved."""
    return [row["number"] for row in world.contracts() if row["status"] in ("Draft", "Out For Signature", "Submitted")]


def draft(world: World, number: str = "104-SC-050", status: str = "Draft") -> str:
    """A new commitment that would load if it were approved."""
    people.new_commitment(world, number, "104-SC-003", "1000.00", "2500.50", status=status)
    return number


def unplanted(world: World, report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """State and message of what stopped without having been planted, by number."""
    planted = {row["key"] for row in world.control("GET", "/planted")}
    return {row["key"]: (row["state"], row["message"]) for row in report["stopped"] if row["key"] not in planted}


OPEN = settings_with(gate={"max_failed_records": "1", "max_failed_amount": "1", "one_reason_records": "1"})
"""So many bad ones at once would close the gate; here each is looked at by itself."""


def test_amounts_that_are_none(tiny: World) -> None:
    bad = {draft(tiny, f"104-SC-05{n}", "Approved"): amount for n, amount in enumerate(("NaN", "Infinity", "1e400"))}
    for number, amount in bad.items():
        spoil_line(tiny, number, 2, amount=amount)
    spoil_line(tiny, "104-SC-003", 1, amount="NaN")  # linked
    tiny.edit("098-SC-001", title="A good one beside them")
    report = tiny.quick(settings=OPEN)
    assert done(report) == {"commitments": {"updated": 1}}
    found = unplanted(tiny, report)
    # What is linked on the contract that cannot be read stays as it is: it can be read, and nothing of it is to be written.
    assert set(found) == {*bad, "104-SC-003"} and {state for state, _ in found.values()} == {"quarantined"}
    assert all(number in message for number, (_, message) in found.items())
    assert not set(bad) & set(tiny.documents()) and report["reconciliation"]["balanced"] is True
    tiny.advance(hours=2)
    assert set(unplanted(tiny, tiny.quick(settings=OPEN))) >= {*bad, "104-SC-003"}  # nobody forgets them


ODD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"number": None}, "quarantined"),
    ({"title": None}, "quarantined"),
    ({"title": "Tab\tand\x00zero"}, "quarantined"),
    ({"title": 4711}, "quarantined"),
    ({"retainage_percent": "1000"}, "quarantined"),
    ({"contract_date": "2026-02-31"}, "quarantined"),
    ({"currency_iso_code": "dollars"}, "quarantined"),
    ({"vendor_id": None}, "held"),
)


def test_odd_headers(world: World) -> None:
    numbers = drafts(world)
    assert len(numbers) == len(ODD)
    wanted = {}
    for number, (values, state) in zip(numbers, ODD, strict=True):
        world.edit(number, status="Approved")
        contract = world.contract(number)
        spoil(world, contract["kind"], contract["id"], **values)
        wanted[str(contract["id"]) if "number" in values else number] = state
        if "number" in values:
            with closing(sqlite3.connect(world.folder / "procore.sqlite", timeout=60)) as connection, connection:
                connection.execute(
                    "UPDATE objects SET number = NULL WHERE kind = ? AND id = ?", (contract["kind"], contract["id"])
                )
    world.edit("104-SC-001", title="A good one beside them")
    report = world.quick(settings=OPEN, params={"entities": ["commitments"]})
    assert done(report) == {"commitments": {"updated": 1}} and len(world.entered()) == 50
    found = unplanted(world, report)
    assert len(found) == len(ODD) and all(message for _, message in found.values())
    assert {number: state for number, (state, _) in found.items() if number in wanted} == {
        n: s for n, s in wanted.items() if n in found
    }
    assert sorted(state for state, _ in found.values()) == sorted(state for _, state in ODD)


def test_odd_vendors_in_procore(tiny: World) -> None:
    """A linked vendor that cannot be read any more is nobody else's business, and is not made a second time."""
    linked = [row for row in tiny.objects("vendors") if (row["origin_id"] or "").startswith("sandbox:G1:vendors:")][:4]
    odd: tuple[dict[str, Any], ...] = ({"name": None}, {"name": "   "}, {"name": 12}, {"ein": 71})
    for vendor, values in zip(linked, odd, strict=True):
        spoil(tiny, "vendors", vendor["id"], **values)
    tiny.clerk("new_vendor", name="Ashgrove Roofing", tax_id="71-2290415")
    count = len(tiny.objects("vendors"))
    report = tiny.run()
    assert done(report) == {"vendors": {"created": 1}} and tiny.writes() == ["PATCH /vendors/sync"]
    assert len(tiny.objects("vendors")) == count + 1
    assert {linked[0]["origin_code"], linked[1]["origin_code"]} <= set(unplanted(tiny, report))


HOSTILE = (
    "Robert'); DROP TABLE--",
    'Quote " and \\ slash',
    "\U0001f3d7 Kran & Söhne",
    "\u202eעברית\u202c",
    "<script>alert(1)</script>",
    "=SUM(A1:A9)",
    "{name} %s $1",
)


def test_hostile_names(tiny: World) -> None:
    """Whatever a name holds, it arrives as it is, on both sides, and is found again."""
    for place, name in enumerate(HOSTILE):
        tiny.clerk("new_vendor", name=name, vendor=f"H-{place}", tax_id=f"90-000000{place}")
    number = draft(tiny, status="Approved")
    tiny.edit(number, title="x'; DROP TABLE vendors; --")
    report = tiny.quick()
    assert done(report) == {"vendors": {"created": len(HOSTILE)}, "commitments": {"created": 1}}
    names = {row["origin_code"]: row["name"] for row in tiny.objects("vendors")}
    assert tuple(names[f"H-{number}"] for number in range(len(HOSTILE))) == HOSTILE
    assert tiny.documents()[number]["title"] == "x'; DROP TABLE vendors; --" and len(tiny.documents()) == 4
    assert report["reconciliation"]["balanced"] is True
    again = tiny.run()
    assert done(again) == {} and tiny.writes() == []


def test_a_name_that_is_too_long_for_the_erp_of_a_commitment(tiny: World) -> None:
    number = draft(tiny, status="Approved")
    tiny.edit(number, title="Ü" * 31)
    report = tiny.quick()
    row = of(report, number)
    assert (row["state"], row["rule"]) == ("quarantined", "M-11") and "31 characters, the ERP allows 30" in row["message"]
    tiny.edit(number, title="Ü" * 30)
    assert done(tiny.quick()) == {"commitments": {"created": 1}} and tiny.writes() == [SUBCONTRACT]
    assert tiny.documents()[number]["title"] == "Ü" * 30


# -- the other entities ---------------------------------------------------------------------------------------------------------

INVOICES = {"entities": ["subcontractor_invoices"]}


def new_costs(world: World, count: int, lines: int = 1, cost_type: str = "2") -> None:
    """So many posted transactions of 1.00 a line on one job, as a payroll system would post them."""
    head = "company, trans, job, source, description, trans_date, posting_date, amount_cents"
    line = "company, trans, line_no, job, sub_job, code, cost_type, amount_cents"
    statements = []
    for trans in (f"JC-{500_000 + number}" for number in range(count)):
        statements.append(
            f"INSERT INTO job_costs ({head}) VALUES"
            f" ('01', '{trans}', '25-104', 'JC', 'Bulk', '2026-09-15', '2026-09-15', {100 * lines})"
        )
        statements += [
            f"INSERT INTO job_cost_lines ({line}) VALUES ('01', '{trans}', {n}, '25-104', '', '01-5000', '{cost_type}', 100)"
            for n in range(1, lines + 1)
        ]
    world.erp_sql(*statements, "UPDATE job_costs SET status = 'posted' WHERE description = 'Bulk'")


def test_more_costs_than_one_call_takes(tiny: World) -> None:
    new_costs(tiny, 1001)
    report = tiny.quick(params={"entities": ["direct_costs"]})
    assert done(report) == {"direct_costs": {"created": 1001}} and report["reconciliation"]["balanced"] is True
    assert len(tiny.writes()) == 6  # header, lines, external id, 1,000 records a call
    made = [row for row in tiny.objects("direct_costs") if (row["origin_id"] or "").startswith("sandbox:01:direct_costs:JC-50")]
    assert len(made) == len({row["origin_id"] for row in made}) == 1001
    tiny.quick(params={"entities": ["direct_costs"]})
    assert tiny.writes() == []


def test_a_cost_of_many_lines(tiny: World) -> None:
    new_costs(tiny, 1, lines=101)
    report = tiny.quick(params={"entities": ["direct_costs"]})
    made = {row["id"] for row in tiny.objects("direct_costs") if (row["origin_data"] or "").find("JC-500000") > 0}
    lines = [row for row in tiny.objects("direct_cost_lines") if row["parent_id"] in made]
    assert len(lines) == len({row["origin_id"] for row in lines}) == 101
    assert report["reconciliation"]["balanced"] is True


def test_a_cost_type_that_nobody_mapped(tiny: World) -> None:
    tiny.erp_sql(
        "INSERT INTO cost_types (cost_group, cost_type, name, category)"
        " SELECT cost_group, '9', 'Bond', category FROM cost_types WHERE cost_type = '5'",
        "INSERT INTO job_code_types (company, job, sub_job, code, cost_type) VALUES ('01', '25-104', '', '01-5000', '9')",
    )
    new_costs(tiny, 1, cost_type="9")
    tiny.clerk("new_cost", job="25-104", code="06-1000", cost_type="2", amount="5.00")
    report = tiny.quick(params={"entities": ["cost_types", "cost_codes", "direct_costs"]})
    assert done(report) == {"direct_costs": {"created": 1}} and report["reconciliation"]["balanced"] is True
    found = unplanted(tiny, report)
    assert found["9"] == ("quarantined", "ERP cost type 9 has no counterpart in settings cost_type_codes; add it.")
    assert found["JC-500000"][0] == "held" and "cost type 9" in found["JC-500000"][1]


def test_a_cost_without_its_invoice_number(tiny: World) -> None:
    """Procore wants one for the cost of a vendor: it says so, and the cost beside it goes."""
    number = tiny.clerk("new_cost", job="25-104", code="01-5000", cost_type="2", amount="7.00", vendor="V-1042")["trans"]
    tiny.clerk("new_cost", job="25-104", code="01-5000", cost_type="2", amount="8.00")
    report = tiny.quick(params={"entities": ["direct_costs"]})
    assert done(report) == {"direct_costs": {"created": 1}} and report["reconciliation"]["balanced"] is True
    message = f"Direct cost {number} was refused by Procore: invoice_number: can't be blank"
    assert unplanted(tiny, report) == {number: ("quarantined", message)}


def bad_requisition(**values: Any) -> Callable[[World], None]:
    def act(world: World) -> None:
        spoil(world, "requisitions", people.new_requisition(world, "098-SC-007", "500.00", invoice_number="HV-1"), **values)

    return act


def unknown_line(world: World) -> None:
    ident = people.new_requisition(world, "098-SC-007", "500.00", invoice_number="HV-1")
    items = next(row for row in world.objects("requisitions") if row["id"] == ident)["items"]
    spoil(world, "requisitions", ident, items=[{**items[0], "line_item_id": 99}, *items[1:]])


@pytest.mark.parametrize(
    ("act", "number", "rule", "said"),
    [
        (unknown_line, "HV-1", "I-06", "item 1: it belongs to no line of 098-SC-007"),
        (bad_requisition(billing_date=None), "HV-1", "I-05", "has no billing date"),
        (bad_requisition(billing_date="2026-02-31"), "HV-1", "I-04", "billing_date"),
        (bad_requisition(invoice_number="HV/1" * 4), "HV/1" * 4, "I-04", "number has 16 characters, the ERP allows 15"),
    ],
    ids=["unknown line", "no date", "no such day", "long number"],
)
def test_a_bad_requisition(tiny: World, act: Callable[[World], None], number: str, rule: str, said: str) -> None:
    act(tiny)
    people.new_requisition(tiny, "104-SC-003", "10.00", invoice_number="4417-04")  # a good one beside it
    report = tiny.quick(params=INVOICES)
    assert done(report) == {"subcontractor_invoices": {"created": 1}}
    row = of(report, number)
    assert (row["state"], row["rule"]) == ("quarantined", rule) and number in row["message"] and said in row["message"]
    assert report["reconciliation"]["balanced"] is True


def test_an_invoice_that_gives_money_back(tiny: World) -> None:
    people.new_requisition(tiny, "098-SC-007", "500.00", invoice_number="HV-1")
    people.new_requisition(tiny, "098-SC-007", "-200.00", invoice_number="HV-2")
    report = tiny.quick(params=INVOICES)
    assert done(report) == {"subcontractor_invoices": {"created": 2}} and report["reconciliation"]["balanced"] is True
    lines = len(tiny.lines("098-SC-007"))
    rows = tiny.erp(
        "SELECT invoice, gross_cents FROM ap_invoices WHERE commitment = '098-SC-007' AND invoice LIKE 'HV-%' ORDER BY invoice"
    )
    assert [row["gross_cents"] for row in rows] == [50_000 * lines, -20_000 * lines]


def test_a_very_large_answer(tiny: World) -> None:
    contract = tiny.contract("104-SC-003")
    spoil(tiny, contract["kind"], contract["id"], description="x" * 3_000_000, title="After three megabytes")
    report = tiny.quick(params={"entities": ["commitments"]})
    assert done(report) == {"commitments": {"updated": 1}}
    assert tiny.documents()["104-SC-003"]["title"] == "After three megabytes"


def test_hostile_texts_of_the_other_entities(tiny: World) -> None:
    tiny.clerk("new_prime_contract", job="25-104", title=HOSTILE[0], amount="98000.00", number="104-PC-002")
    tiny.clerk("new_cost", job="25-104", code="01-5000", cost_type="2", amount="5.00", description=HOSTILE[3])
    tiny.clerk("new_sub_job", job="25-098", sub_job="31", name=HOSTILE[2])
    tiny.clerk("new_insurance", vendor="V-1011", policy="O'X-1", type=HOSTILE[4], provider=HOSTILE[1], expires="2027-01-01")
    tiny.clerk("new_tax_code", code='OH"1', description=HOSTILE[6], rate="1")
    params = {"entities": ["vendor_insurances", "sub_jobs", "tax_codes", "direct_costs", "prime_contracts"]}
    report = tiny.quick(params=params)
    assert done(report) == {name: {"created": 1} for name in params["entities"]}
    kinds = {"prime_contracts": 0, "direct_costs": 3, "sub_jobs": 2, "insurances": 4, "tax_codes": 6}
    for kind, index in kinds.items():
        assert any(HOSTILE[index] in map(str, row.values()) for row in tiny.objects(kind)), kind
    tiny.quick(params=params)
    assert tiny.writes() == []
