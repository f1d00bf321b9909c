"""Law: what cannot be read is there all the same. Rows of Procore and of the ERP that one field makes unreadable, against both
systems as they are: nothing is made twice or overwritten, every such row is in the report, and its money is in the ties."""

from __future__ import annotations

import re

import pytest

from include.financials.exceptions import RetryLater
from include.procore import pacing
from sandbox.chaos import people
from sandbox.chaos.people import spoil
from tests.end_to_end.world import State, World, done, settings_with, unexplained

RAW_ID = re.compile(r"\b\d{9,}\b")
"""An id as Procore gives them: no person knows a record by it."""


def by_side(world: World, entity: str) -> dict[tuple[str, str], tuple[str, str, str]]:
    """(side, number) -> (state, rule, message) of what the last run stopped."""
    rows = world.ledger(
        "SELECT o.* FROM outcomes o JOIN runs r USING (run_id) WHERE o.entity = ? AND o.state NOT IN ('linked', 'skipped') "
        "AND r.started_at = (SELECT max(started_at) FROM runs)",
        entity,
    )
    return {(row["side"], row["number"]): (row["state"], row["rule"], row["message"]) for row in rows}


def test_a_payment_that_people_entered_is_not_paid_again(tiny: World) -> None:
    """Real exports show such numbers: letters in one field, N/A in the other."""
    invoice = next(row for row in tiny.objects("requisitions") if row["invoice_number"] == "4417-02")
    money = "191017.50"
    made = tiny.as_user(
        "POST",
        "/contract_payments",
        {
            "project_id": invoice["project_id"],
            "contract_id": invoice["parent_id"],
            "contract_payment": {"amount": money, "check_number": "N/A", "date": "2026-09-28", "invoice_number": "4417-02"},
        },
    )
    spoil(tiny, "contract_payments", made["id"], payment_number="0234241831TC")
    tiny.clerk("pay", vendor="V-1042", invoice="4417-02", amount=money, payment="005001")
    report = tiny.quick()
    paid = [
        row for row in tiny.objects("contract_payments") if row["amount"] == money and row["parent_id"] == invoice["parent_id"]
    ]
    assert [row["id"] for row in paid] == [made["id"]], "paid once"
    found = by_side(tiny, "payments_issued")
    (hand,) = [told for (side, _), told in found.items() if side == "procore" and told[0] == "quarantined"]
    assert "payment_number" in hand[2] and hand[2].endswith("Correct it in Procore.")
    state, rule, message = found["erp", "005001/4417-02"]
    assert (state, rule) == ("held", "R-06") and "in Procore cannot be read (payment_number" in message
    assert report["reconciliation"]["balanced"] is True
    again = tiny.quick()
    assert done(again) == {} and by_side(tiny, "payments_issued").keys() == found.keys(), "nobody forgets it"


def test_a_company_of_that_tax_id_is_not_made_again(tiny: World) -> None:
    made = tiny.as_user("POST", "/vendors", {"company_id": 8089, "vendor": {"name": "Ashgrove Roofing Inc", "is_active": True}})
    register = {"business_register": {"type": "ein", "identifier": "712290415"}}
    tiny.as_user("POST", f"/vendors/{made['id']}/business_register", {"company_id": 8089, **register})
    spoil(tiny, "vendors", made["id"], address=7)
    vendor = tiny.clerk("new_vendor", name="Ashgrove Roofing", tax_id="71-2290415")["vendor"]
    before = len(tiny.objects("vendors"))
    tiny.quick(params={"entities": ["vendors"]})
    assert len(tiny.objects("vendors")) == before
    found = by_side(tiny, "vendors")
    state, rule, message = found["erp", vendor]
    assert (state, rule) == ("held", "R-06") and "Ashgrove Roofing Inc in Procore cannot be read (address" in message


@pytest.mark.parametrize("linked", [True, False])
def test_a_budget_with_one_row_that_cannot_be_read_is_never_overwritten(tiny: World, linked: bool) -> None:
    job = tiny.ledger("SELECT number, procore_id FROM links WHERE entity = 'budgets' AND ended_at IS NULL ORDER BY number")
    place = int(job[0]["procore_id"])
    line = next(row for row in tiny.objects("budget_lines") if row["project_id"] == place)
    spoil(tiny, "budget_lines", line["id"], original_budget_amount="132000.005")
    if not linked:
        tiny.ledger_sql("DELETE FROM links WHERE entity = 'budgets'")
    budget = [(row["id"], row["original_budget_amount"]) for row in tiny.objects("budget_lines") if row["project_id"] == place]
    tiny.run(params={"entities": ["budgets"]})
    after = [(row["id"], row["original_budget_amount"]) for row in tiny.objects("budget_lines") if row["project_id"] == place]
    assert after == budget and not any("budget" in write for write in tiny.writes())
    state, _, message = by_side(tiny, "budgets")["procore", job[0]["number"]]
    assert state == "quarantined" and message.endswith("Correct it in Procore.") and "unlink" not in message


def test_one_bad_line_stops_its_change_order_alone(tiny: World) -> None:
    number = people.new_change_order(tiny, "104-SC-003", "250.00")
    line = max((row for row in tiny.objects("change_lines")), key=lambda row: row["id"])
    spoil(tiny, "change_lines", line["id"], amount="250.005")
    package = people.child(tiny, "change_order_packages", "104-SC-003", number)
    spoil(tiny, "change_order_packages", package["id"])
    sister = people.new_change_order(tiny, "104-SC-003", "100.00")
    tiny.edit("104-SC-003", title="The contract goes on")
    report = tiny.quick()
    name = f"104-SC-003/{int(number):03}"
    found = by_side(tiny, "commitment_change_orders")
    ours = {key: told for key, told in found.items() if key[1].startswith("104-SC-003")}
    assert set(ours) == {("procore", name)} and ours["procore", name][0] == "quarantined", ours
    assert "line_items[1]." in ours["procore", name][2]
    assert done(report)["commitment_change_orders"] == {"created": 1} and done(report)["commitments"] == {"updated": 1}
    assert tiny.erp("SELECT 1 FROM change_orders WHERE number = ?", f"{int(sister):03}")
    assert not [one for one in unexplained(report) if "104-SC-003" in str(one)]


@pytest.mark.parametrize(
    "entities",
    [["commitment_change_orders"], ["subcontractor_invoices"], ["direct_costs"], ["commitments"], ["payments_issued"]],
    ids="/".join,
)
def test_a_run_of_one_entity_on_an_empty_ledger_waits_for_the_parents(tiny: World, entities: list[str]) -> None:
    tiny.ledger_sql("DELETE FROM links", "DELETE FROM records", "DELETE FROM outcomes", "DELETE FROM intents")
    report = tiny.run(params={"entities": ["projects", *entities]})
    assert tiny.writes() == []
    rows = [row for row in report["stopped"] if row["entity"] in entities]
    assert rows and not [row for row in rows if row["rule"] in ("R-04", "M-14") or " -> " in row["message"]]
    assert not [row["message"] for row in rows if RAW_ID.search(row["message"])]


LONG = [
    "cost_codes",
    "commitments",
    "commitment_change_orders",
    "prime_change_orders",
    "subcontractor_invoices",
    "payments_issued",
]


def test_every_list_ends_however_few_calls_an_hour_allows(tmp_path_factory: pytest.TempPathFactory, settled: State) -> None:
    """Those of the entities that take more calls than an hour allows; whatever takes fewer can begin anew."""
    world = World(tmp_path_factory.mktemp("few") / "world", settled, settings={"rate_limit_hour": 30})
    try:
        tries = 0
        while tries < 60:
            tries += 1
            pacing._PACES.clear()  # a new process, an hour later
            try:
                world.run("few", settings=settings_with(), params={"since": None, "entities": LONG})
                break
            except RetryLater:
                world.advance(hours=1)
        else:
            pytest.fail("it begins anew at every try")
        assert tries > 2, "the limit was felt"
    finally:
        world.stop()
        pacing._PACES.clear()
