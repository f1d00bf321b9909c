"""The mappings for Sage 300 CRE and QuickBooks: of one piece, through a stand-in's import and export and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.erp.system import MappedSystem
from include.financials.billing import InvoiceLine
from include.financials.entities.changes import ChangeLine
from include.financials.port import Item, Outcome
from include.financials.record import Record
from tests.unit.erp.files.clerks import Clerk, QuickBooks, Sage
from tests.unit.erp.strangers import change, commitment, invoice, item, line, post


@pytest.fixture(params=[Sage, QuickBooks], ids=lambda kind: str(kind.mapping))
def clerk(request: pytest.FixtureRequest, tmp_path: Path) -> Clerk:
    found: Clerk = request.param(tmp_path)
    return found


def order(clerk: Clerk, number: str = "SC-1", **more: Any) -> Any:
    """A commitment in the product's own keys."""
    sage = isinstance(clerk, Sage)
    lines = tuple(
        line(
            at,
            amount,
            description=f"part {at}",
            cost_code="25-104//03-1000" if sage else "03-1000",
            cost_type="M" if sage else None,
        )
        for at, amount in ((1, "1000.00"), (2, "-0.50"))
    )
    given = {
        "project": "25-104" if sage else "Clinic Inc:25-104", "amount": Decimal("999.50"), "title": "Slab" if sage else None,
        "kind": "subcontract" if sage else "purchase_order", "lines": lines,
    }  # fmt: skip
    return commitment(number, **(given | more))


def bill(clerk: Clerk, contract: str, **more: Any) -> Any:
    sage = isinstance(clerk, Sage)
    held = Decimal("10.00") if sage else Decimal("0.00")
    code, kind = ("25-104//03-1000", "M") if sage else ("03-1000", None)
    lines = tuple(line(at, "300.00", InvoiceLine, line=at, held=held, cost_code=code, cost_type=kind) for at in (1, 2))
    project = "25-104" if sage else "Clinic Inc:25-104"
    given = {"project": project, "commitment": contract, "amount": Decimal("600.00"), "held": held * 2, "lines": lines}
    return invoice("INV-1", **(given | more))


def asked(clerk: Clerk, record: Record, **more: Any) -> Item:
    return replace(item(record, company="1"), **more)


def send(erp: MappedSystem, *records: Record) -> list[Outcome]:
    return post(erp, *records, company="1")


def find(clerk: Clerk, *items: Item) -> list[Outcome]:
    erp = clerk.system()
    (step,) = erp.steps(items[0].record.entity, "create")
    return erp.find(step, items)


def test_the_masters_are_read(clerk: Clerk) -> None:
    erp = clerk.system()
    assert erp.check().problems == ()
    found = {name: [one for page in erp.read(name) for one in page.shown] for name in erp.capabilities()}
    vendors = ["V1", "V2"] if isinstance(clerk, Sage) else ["V1"]
    assert [one.id for one in found["vendors"]] == vendors
    assert [(one.id, getattr(one, "status", "")) for one in found["projects"]] == [
        ("25-104" if isinstance(clerk, Sage) else "Clinic Inc:25-104", "open")
    ]
    assert [one.number for one in found["cost_codes"]] == ["03-1000"]
    if isinstance(clerk, Sage):
        assert [(one.id, getattr(one, "amount", None)) for one in found["direct_costs"]] == [("88", Decimal("12.50"))]
        assert getattr(found["cost_codes"][0], "cost_types", ()) == ("M", "S")


def test_documents_go_out_and_come_back_as_they_were(clerk: Clerk) -> None:
    first, second = order(clerk), order(clerk, "SC-2")
    outcomes = send(clerk.system(), first, second)
    assert [one.status for one in outcomes] == ["accepted"] * 2 and outcomes[0].id == outcomes[1].id
    clerk.take()
    clerk.export()
    found = find(clerk, asked(clerk, first, handed=outcomes[0].id), asked(clerk, second))
    assert [(one.status, one.message) for one in found] == [("confirmed", None)] * 2
    for sent, told in zip((first, second), found, strict=True):
        stored: Any = told.record
        assert (stored.number, stored.amount, stored.vendor, stored.contract_date) == (
            sent.number,
            sent.amount,
            "V1",
            sent.contract_date,
        )
        assert [(one.cost_code, one.amount, one.description) for one in stored.lines] == [
            (one.cost_code, one.amount, one.description) for one in sent.lines
        ]
    assert [one.status for one in send(clerk.system(), first, second)] == ["confirmed"] * 2
    assert list((clerk.root / "imports").iterdir()) == []
    sent = bill(clerk, found[0].id or "")
    (outcome,) = send(clerk.system(), sent)
    assert outcome.status == "accepted"
    clerk.take()
    clerk.export()
    (told,) = find(clerk, asked(clerk, sent, handed=outcome.id))
    stored = told.record
    assert (told.status, stored.amount, stored.held, stored.commitment) == ("confirmed", sent.amount, sent.held, sent.commitment)
    assert [(one.line, one.cost_code, one.amount, one.held) for one in stored.lines] == [
        (one.line, one.cost_code, one.amount, one.held) for one in sent.lines
    ]


def test_sage_rejects_and_takes_it_later(tmp_path: Path) -> None:
    clerk = Sage(tmp_path)
    clerk.held = {"V2"}
    first, second = order(clerk), order(clerk, "SC-2", vendor="V2")
    outcomes = send(clerk.system(), first, second)
    clerk.take()
    clerk.export()
    found = find(clerk, asked(clerk, first, handed=outcomes[0].id), asked(clerk, second, handed=outcomes[1].id))
    assert [(one.status, one.message) for one in found] == [("confirmed", None), ("rejected", "Vendor V2 is on hold")]
    clerk.held = set()
    assert [one.status for one in send(clerk.system(), first, second)] == ["confirmed", "accepted"]
    clerk.take()
    clerk.export()
    assert [one["Commitment"] for one in clerk.commitments] == ["SC-1", "SC-2"] and len(clerk.items) == 4


def test_sage_takes_change_orders(tmp_path: Path) -> None:
    """New and deductive lines, of a commitment that is in its books; the commitment's own lines stay as they were."""
    clerk = Sage(tmp_path)
    first = order(clerk)
    send(clerk.system(), first)
    clerk.take()
    lines = tuple(
        line(at, amount, ChangeLine, line=of, description=f"part {at}", cost_code="25-104//03-1000", cost_type="M")
        for at, of, amount in ((1, 1, "-50.25"), (2, None, "300.00"))
    )
    given = {"project": "25-104", "lines": lines, "amount": Decimal("249.75"), "change_date": date(2026, 9, 1)}
    good, lost = change("001", **given), change("002", commitment="SC-9", **given).model_copy(update={"number": "SC-9/002"})
    outcomes = send(clerk.system(), good, lost)
    assert [one.status for one in outcomes] == ["accepted"] * 2
    clerk.take()
    clerk.export()
    found = find(clerk, asked(clerk, good, handed=outcomes[0].id), asked(clerk, lost, handed=outcomes[1].id))
    assert [(one.status, one.message) for one in found] == [("confirmed", None), ("rejected", "Commitment SC-9 is not on file")]
    stored: Any = found[0].record
    assert (stored.number, stored.amount, stored.status, stored.change_date) == (
        "SC-1/001", Decimal("249.75"), "posted", date(2026, 9, 1),
    )  # fmt: skip
    assert [(one.line, one.amount) for one in stored.lines] == [(1, Decimal("-50.25")), (None, Decimal("300.00"))]
    (contract,) = next(clerk.system().read("commitments")).records
    assert (getattr(contract, "amount", 0), getattr(contract, "approved_changes", 0)) == (Decimal("999.50"), Decimal("249.75"))
    assert [one.status for one in send(clerk.system(), good)] == ["confirmed"]


def test_sage_takes_no_released_retainage(tmp_path: Path) -> None:
    clerk = Sage(tmp_path)
    (outcome,) = send(clerk.system(), bill(clerk, "SC-1", released=Decimal("10.00")))
    assert (outcome.status, outcome.field) == ("rejected", "released")
    assert "released is 10.00, for which the mapping has no call of `create`" in (outcome.message or "")


def test_quickbooks_takes_no_retainage(tmp_path: Path) -> None:
    clerk = QuickBooks(tmp_path)
    held = Decimal("10.00")
    lines = tuple(line(1, "300.00", InvoiceLine, line=1, held=held, cost_code="03-1000", cost_type=None) for _ in range(1))
    (outcome,) = send(clerk.system(), bill(clerk, "101", amount=Decimal("300.00"), held=held, lines=lines))
    assert (outcome.status, outcome.field) == ("rejected", "held")
    assert list((tmp_path / "imports").iterdir()) == []


@pytest.mark.parametrize("name", ["sage_300_cre", "sage_300_cre_files", "quickbooks_iif"])
def test_templates_say_that_they_are_templates(name: str) -> None:
    text = Path(__file__).parents[4].joinpath("include", "mappings", f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# TEMPLATE, not verified against the vendor's product.")
