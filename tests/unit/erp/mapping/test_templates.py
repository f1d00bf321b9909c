"""The mappings of ERPs that cannot be run here: of one piece with themselves and with a stub of the tables that they name. That
proves nothing about the products, and each says so in its first line."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.erp.mapping.loading import MAPPINGS, mapping_path
from include.erp.registry import connected, load_mapping
from include.erp.system import MappedSystem
from include.financials.billing import InvoiceLine
from include.financials.exceptions import ConfigurationError
from include.financials.port import Invalid
from include.financials.record import Record
from tests.unit.erp.strangers import commitment, invoice, item, line, post, rows

SCHEMAS = Path(__file__).parent / "schemas"
TEMPLATES = ("vista", "spectrum", "sage_100_contractor")


def erp(name: str, folder: Path) -> tuple[MappedSystem, sa.Engine]:
    engine = sa.create_engine(f"sqlite:///{folder / name}.sqlite")
    raw: Any = engine.raw_connection()
    raw.executescript((SCHEMAS / f"{name}.sql").read_text(encoding="utf-8"))
    raw.commit()
    raw.close()
    return connected(engine, load_mapping(mapping_path(name)), origin_system="procore:8089"), engine


def everything(system: MappedSystem) -> dict[str, list[Record | Invalid]]:
    return {name: [one for page in system.read(name) for one in page.shown] for name in system.capabilities()}


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_fits_its_stub(name: str, tmp_path: Path) -> None:
    system, _ = erp(name, tmp_path)
    # SQLite keeps times as text; SQL Server, for which they are written, does not.
    assert [one for one in system.check().problems if "SQLite keeps times as text" not in one] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_each_says_that_it_is_a_template(name: str) -> None:
    text = (MAPPINGS / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# TEMPLATE, not verified against the vendor's product.")


@pytest.mark.parametrize(
    ("name", "amounts"),
    [
        ("spectrum", {"budgets": [1500], "commitments": [12, 1200], "direct_costs": [640]}),
        (
            "sage_100_contractor",
            {"commitments": [1200], "subcontractor_invoices": [300, 50], "payments_issued": [200], "direct_costs": [640]},
        ),
    ],
)
def test_what_is_read_reads_well(name: str, amounts: dict[str, list[int]], tmp_path: Path) -> None:
    system, _ = erp(name, tmp_path)
    found = everything(system)
    assert [one for records in found.values() for one in records if isinstance(one, Invalid)] == []
    for entity, wanted in amounts.items():
        documents: list[Any] = found[entity]
        assert [one.amount for one in documents] == [Decimal(amount) for amount in wanted]
        lines = [[one.amount for one in document.lines] for document in documents if hasattr(document, "lines")]
        assert lines == [[Decimal(amount)] for amount in wanted] or entity == "payments_issued"
    names: dict[str, Any] = {name: {one.id for one in records} for name, records in found.items()}
    for document in (one for entity in amounts for one in found[entity]):
        assert getattr(document, "project", None) in names["projects"]
        assert {one.cost_code for one in getattr(document, "lines", ())} <= names["cost_codes"]
        assert getattr(document, "vendor", None) in {*names["vendors"], None}
    if name == "sage_100_contractor":
        assert [getattr(one, "status", "") for one in found["subcontractor_invoices"]] == ["posted", "void"]


MASTERS = (
    "INSERT INTO HQCO VALUES (1, 1)",
    "INSERT INTO APVM VALUES (1, 1042, 'Acme', NULL, 'Y', NULL, NULL, NULL, NULL)",
    "INSERT INTO JCJM VALUES (1, '25-104', 'Clinic', 1)",
    "INSERT INTO JCCT VALUES (1, 2, 'Material', 'M')",
    "INSERT INTO JCJP VALUES (1, '25-104', '03-1000', 'Concrete', 'Y')",
    "INSERT INTO JCCH VALUES (1, '25-104', '03-1000', 2, 'Y')",
)
OPEN = (
    "INSERT INTO HQBC VALUES (1, '2026-09-01', 7, 'SL Entry', 'PROCORE', 0)",
    "INSERT INTO HQBC VALUES (1, '2026-09-01', 8, 'PO Entry', 'PROCORE', 0)",
)
POSTED = (
    "INSERT INTO SLHD SELECT Co, SL, JCCo, Job, Description, VendorGroup, Vendor, Status, OrigDate, udProcoreMarker FROM SLHB",
    "INSERT INTO SLIT SELECT b.Co, h.SL, b.SLItem, 1, b.Description, b.JCCo, b.Job, b.Phase, b.JCCType, b.UM,"
    " b.OrigUnits, b.OrigUnitCost, b.OrigCost, b.OrigCost FROM SLIB b JOIN SLHB h ON h.BatchSeq = b.BatchSeq",
    "DELETE FROM SLHB",
    "DELETE FROM SLIB",
)
APPROVED = (
    "INSERT INTO APTH SELECT APCo, UIMth, 100 + UISeq, VendorGroup, Vendor, APRef, InvDate, InvTotal, 'N', HoldCode,"
    " udProcoreMarker, udProcoreDraw FROM APUI",
    "INSERT INTO APTL SELECT APCo, UIMth, 100 + UISeq, Line, LineType, SL, SLItem, JCCo, Job, Phase, JCCType, GrossAmt, Retainage"
    " FROM APUL",
    "DELETE FROM APUI",
    "DELETE FROM APUL",
)


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def order(number: str = "SC-1", **more: Any) -> Any:
    lines = tuple(
        line(at, amount, cost_code="25-104/03-1000", cost_type="2", description=f"part {at}")
        for at, amount in ((1, "1000.00"), (2, "500.00"))
    )
    return commitment(number, **({"project": "25-104", "vendor": "1042", "lines": lines, "amount": Decimal("1500.00")} | more))


def test_vista_takes_documents_into_batches_that_a_person_opened(tmp_path: Path) -> None:
    system, engine = erp("vista", tmp_path)
    run(engine, *MASTERS)
    with pytest.raises(ConfigurationError, match="answered 0 rows where it must answer one with sl_batch, sl_month; nothing"):
        post(system, order(), company="1")
    run(engine, *OPEN)
    records = order("SC-1"), order("SC-2"), order("PO-1", kind="purchase_order")
    assert [one.status for one in post(system, *records, company="1")] == ["accepted"] * 3
    assert [one.status for one in post(system, *records, company="1")] == ["accepted"] * 3
    assert rows(engine, "SELECT Mth, BatchId, BatchSeq, SL FROM SLHB ORDER BY 3") == [
        ("2026-09-01", 7, 1, "SC-1"), ("2026-09-01", 7, 2, "SC-2"),
    ]  # fmt: skip
    assert rows(engine, "SELECT BatchId, PO FROM POHB") == [(8, "PO-1")] and len(rows(engine, "SELECT * FROM SLIB")) == 4
    run(engine, *POSTED)
    (step,) = system.steps("commitments", "create")
    found = system.find(step, [replace(item(one, company="1"), handed="") for one in records])
    assert [(one.status, one.id) for one in found[:2]] == [("confirmed", "SL/SC-1"), ("confirmed", "SL/SC-2")]
    assert found[2].status == "accepted"


def test_vista_takes_invoices_unapproved(tmp_path: Path) -> None:
    system, engine = erp("vista", tmp_path)
    run(engine, *MASTERS, *OPEN)
    post(system, order(), company="1")
    run(engine, *POSTED)
    lines = tuple(
        line(at, "300.00", InvoiceLine, line=at, held=Decimal("30.00"), cost_code="25-104/03-1000", cost_type="2")
        for at in (1, 2)
    )
    given = {
        "project": "25-104",
        "vendor": "1042",
        "commitment": "SL/SC-1",
        "amount": Decimal("600.00"),
        "held": Decimal("60.00"),
    }
    sent = invoice("INV-1", **(given | {"posting_date": date(2026, 9, 17), "lines": lines}))
    assert [one.status for one in post(system, sent, company="1")] == ["accepted"]
    assert rows(engine, "SELECT UIMth, UISeq, Vendor, APRef, udProcoreDraw FROM APUI") == [("2026-09-01", 1, 1042, "INV-1", 1)]
    run(engine, *APPROVED)
    (step,) = system.steps("subcontractor_invoices", "create")
    (found,) = system.find(step, [replace(item(sent, company="1"), handed="")])
    stored: Any = found.record
    assert (found.status, found.id, stored.amount, stored.held) == ("confirmed", "1042/INV-1", sent.amount, sent.held)
    assert [(one.line, one.amount, one.held) for one in stored.lines] == [(one.line, one.amount, one.held) for one in sent.lines]
    assert system.check().problems == ()
