"""Accounting merges two vendors, and their companies are merged in Procore later: each contract goes on, nothing is rewritten."""

from __future__ import annotations

from sandbox.chaos import people
from tests.end_to_end.world import World, done, of, stopped, unexplained

OLD, INTO, CONTRACT = "V-1042", "V-1011", "104-SC-003"
TOLD = ("vendors", OLD, "conflict", "V-03")


def test_the_survivor_goes_on_with_what_the_old_vendor_signed(tiny: World) -> None:
    tiny.clerk("merge_vendors", **{"from": OLD, "into": INTO})
    before, signed = tiny.audit(), tiny.documents()[CONTRACT]
    for _ in range(2):
        report = tiny.run()
        assert (done(report), tiny.writes(), tiny.audit()) == ({}, [], before)
        assert (stopped(report), unexplained(report)) == ({TOLD}, [])
        assert "unlink" not in of(report, OLD)["message"]

    people.new_requisition(tiny, CONTRACT, "10.00", invoice_number="4417-04")
    people.new_commitment(tiny, "104-SC-050", CONTRACT, "1200.00")
    people.new_change_order(tiny, CONTRACT, "350.00")
    cost = {"job": "25-104", "code": "01-5000", "cost_type": "4", "amount": "77.00"}
    tiny.clerk("new_cost", **cost, vendor=INTO, invoice="R-1")
    report = tiny.quick()
    made = {name: {"created": 1} for name in
            ("commitments", "commitment_change_orders", "subcontractor_invoices", "direct_costs")}  # fmt: skip
    assert (done(report), stopped(report), unexplained(report)) == (made, {TOLD}, [])
    billed = tiny.erp("SELECT vendor, invoice FROM ap_invoices WHERE commitment = ? ORDER BY invoice", CONTRACT)
    assert [tuple(row.values()) for row in billed] == [
        (OLD, "4417-01"), (OLD, "4417-02"), (OLD, "4417-03"), (INTO, "4417-04"),
    ]  # fmt: skip
    assert (tiny.documents()["104-SC-050"]["vendor"], tiny.documents()[CONTRACT]["vendor"]) == (INTO, signed["vendor"])

    people.merge_companies(tiny, OLD, INTO)
    before = tiny.audit()
    for _ in range(2):
        report = tiny.run()
        assert (done(report), tiny.writes(), tiny.audit()) == ({}, [], before)
        assert (stopped(report), unexplained(report)) == (set(), [])
    links = tiny.ledger("SELECT erp_key FROM links WHERE entity = 'vendors' AND ended_at IS NULL AND erp_key = ?", OLD)
    assert links == []
    people.new_requisition(tiny, "104-SC-050", "5.00", invoice_number="4417-05")
    report = tiny.quick()
    assert (done(report), unexplained(report)) == ({"subcontractor_invoices": {"created": 1}}, [])
