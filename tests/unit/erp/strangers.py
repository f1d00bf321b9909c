"""An ERP of another make than the sandbox: CHAR keys, one-letter words, no titles on change orders, invoices in cents and
contracts in dollars. Small, on SQLite, and as trusting as a table without constraints."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from include.erp.registry import connected, load_mapping
from include.erp.system import MappedSystem
from include.financials.billing import InvoiceLine
from include.financials.entities.changes import ChangeLine, CommitmentChangeOrder
from include.financials.entities.commitments import Commitment
from include.financials.entities.invoices import SubcontractorInvoice
from include.financials.port import Item, Outcome
from include.financials.record import Line, Record

MAPPING = """\
system: jobbook
entities:
  commitments:
    from: contract
    key_columns: [co, no]
    id: no
    company: co
    number: no
    fields:
      kind: {column: kind, map: {S: subcontract, P: purchase_order}}
      project: job
      vendor: vendor
      title: title
      status: {column: st, map: {O: open, C: closed, V: void}, write_map: {Approved: O, Complete: O, Closed: C}}
      contract_date: {column: day, type: date_text}
      amount: {column: amount, type: decimal}
    lines:
      from: contract_line
      join: {co: co, no: no}
      order: [pos]
      fields:
        id: "{no}/{pos}"
        position: pos
        description: what
        cost_code: code
        cost_type: type
        amount: {column: amount, type: decimal}
    find: {marker: mark, void: {status: void}}
    capabilities: {create: true, update: true, void: true}
    write:
      create:
        - >
          INSERT INTO contract (co, no, kind, job, vendor, title, st, day, amount, mark)
          VALUES (:company, :number, :kind, :project, :vendor, :title, 'O', :contract_date, :amount, :marker)
        - each: lines
          sql: >
            INSERT INTO contract_line (co, no, pos, what, code, type, amount)
            VALUES (:company, :number, :position, :description, :cost_code, :cost_type, :amount)
      update:
        - {when: title, sql: "UPDATE contract SET title = :title WHERE co = :company AND no = :id"}
        - {when: contract_date, sql: "UPDATE contract SET day = :contract_date WHERE co = :company AND no = :id"}
      void:
        - UPDATE contract SET st = 'V' WHERE co = :company AND no = :id
  commitment_change_orders:
    from: change_order
    key_columns: [co, contract, no]
    id: "{contract}/{no}"
    company: co
    number: "{contract}/{no}"
    fields:
      commitment: contract
      change_number: no
      project: job
      status: {column: st, map: {N: unposted, P: posted, V: void}}
      amount: {column: amount, type: decimal}
    lines:
      from: change_line
      join: {co: co, contract: contract, no: no}
      order: [pos]
      fields:
        id: "{contract}/{no}/{pos}"
        position: pos
        line: of_line
        cost_code: code
        cost_type: type
        amount: {column: amount, type: decimal}
    find: {marker: mark, void: {status: void}}
    capabilities: {create: true}
    write:
      create:
        - >
          INSERT INTO change_order (co, contract, no, job, st, amount, mark)
          VALUES (:company, :commitment, :change_number, :project, 'P', :amount, :marker)
        - each: lines
          sql: >
            INSERT INTO change_line (co, contract, no, pos, of_line, code, type, amount)
            VALUES (:company, :commitment, :change_number, :position, :line, :cost_code, :cost_type, :amount)
  subcontractor_invoices:
    from: bill
    key_columns: [co, vendor, no]
    id: "{vendor}/{no}"
    company: co
    number: no
    fields:
      project: job
      commitment: contract
      vendor: vendor
      sequence: seq
      status: {column: st, map: {N: unposted, P: posted, V: void}}
      billing_date: {column: day, type: date_text}
      amount: {column: cents, type: minor_units, scale: 2}
      held: {column: held, type: minor_units, scale: 2}
      released: {column: released, type: minor_units, scale: 2}
    lines:
      from: bill_line
      join: {co: co, vendor: vendor, no: no}
      order: [pos]
      fields:
        id: "{vendor}/{no}/{pos}"
        position: pos
        cost_code: code
        cost_type: type
        amount: {column: cents, type: minor_units, scale: 2}
        held: {column: held, type: minor_units, scale: 2}
        released: {column: released, type: minor_units, scale: 2}
    find: {marker: mark, void: {status: void}}
    capabilities: {create: true, void: true}
    write:
      create:
        - >
          INSERT INTO bill (co, vendor, no, job, contract, seq, st, day, cents, held, released, mark)
          VALUES (:company, :vendor, :number, :project, :commitment, :sequence, 'N', :billing_date, :amount, :held, :released,
          :marker)
        - each: lines
          sql: >
            INSERT INTO bill_line (co, vendor, no, pos, code, type, cents, held, released)
            VALUES (:company, :vendor, :number, :position, :cost_code, :cost_type, :amount, :held, :released)
      void:
        - UPDATE bill SET st = 'V' WHERE co = :company AND vendor = :id__vendor AND no = :id__no
"""

TABLES = (
    "contract (co TEXT, no TEXT, kind TEXT, job TEXT, vendor TEXT, title TEXT, st TEXT, day TEXT, amount TEXT, mark TEXT)",
    "contract_line (co TEXT, no TEXT, pos INTEGER, what TEXT, code TEXT, type TEXT, amount TEXT)",
    "change_order (co TEXT, contract TEXT, no TEXT, job TEXT, st TEXT, amount TEXT, mark TEXT)",
    "change_line (co TEXT, contract TEXT, no TEXT, pos INTEGER, of_line INTEGER, code TEXT, type TEXT, amount TEXT)",
    "bill (co TEXT, vendor TEXT, no TEXT, job TEXT, contract TEXT, seq INTEGER, st TEXT, day TEXT, cents BIGINT, held BIGINT,"
    " released BIGINT, mark TEXT)",
    "bill_line (co TEXT, vendor TEXT, no TEXT, pos INTEGER, code TEXT, type TEXT, cents BIGINT, held BIGINT, released BIGINT)",
)


def database(url: str) -> sa.Engine:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for table in TABLES:
            connection.exec_driver_sql(f"CREATE TABLE {table}")
    return engine


def system(engine: sa.Engine, folder: Path, *changes: tuple[str, str], text: str = MAPPING) -> MappedSystem:
    """The ERP through its mapping, in which each (old, new) is replaced."""
    for old, new in changes:
        assert text.count(old) == 1, (old, text.count(old))
        text = text.replace(old, new)
    path = folder / "jobbook.yaml"
    path.write_text(text, encoding="utf-8")
    return connected(engine, load_mapping(path), origin_system="procore:8089")


def line(position: int, amount: str, model: Any = Line, **more: Any) -> Any:
    values = {"cost_code": f"03-{position}000", "cost_type": "M"} | more
    return model(id=f"L{position}", position=position, amount=Decimal(amount), **values)


def commitment(number: str = "SC-1", *amounts: str, **more: Any) -> Commitment:
    lines = tuple(line(i, a, description=f"part {i}") for i, a in enumerate(amounts or ("1000.00", "500.50"), 1))
    values: dict[str, Any] = {
        "id": f"p-{number}", "kind": "subcontract", "project": "J1", "vendor": "V1", "title": "Concrete", "status": "Approved",
        "contract_date": date(2026, 8, 3), "amount": sum((one.amount for one in lines), Decimal("0.00")), "lines": lines,
    }  # fmt: skip
    return Commitment(number=number, **(values | more))


def change(number: str = "001", *amounts: str, **more: Any) -> CommitmentChangeOrder:
    lines = tuple(line(i, a, ChangeLine, line=i) for i, a in enumerate(amounts or ("250.00", "-50.00"), 1))
    values: dict[str, Any] = {
        "id": f"p-{number}", "number": f"SC-1/{number}", "project": "J1", "commitment": "SC-1", "title": "More concrete",
        "status": "approved", "amount": sum((one.amount for one in lines), Decimal("0.00")), "lines": lines,
    }  # fmt: skip
    return CommitmentChangeOrder(change_number=number, **(values | more))


def invoice(number: str = "INV-1", *amounts: str, **more: Any) -> SubcontractorInvoice:
    lines = tuple(
        line(i, a, InvoiceLine, line=i, held=Decimal("10.00")) for i, a in enumerate(amounts or ("300.00", "200.00"), 1)
    )
    values: dict[str, Any] = {
        "id": f"p-{number}", "project": "J1", "commitment": "SC-1", "vendor": "V1", "sequence": 1, "status": "approved",
        "billing_date": date(2026, 8, 31), "amount": sum((one.amount for one in lines), Decimal("0.00")),
        "held": Decimal("10.00") * len(lines), "lines": lines,
    }  # fmt: skip
    return SubcontractorInvoice(number=number, **(values | more))


def item(record: Record, *, changes: tuple[str, ...] = (), erp_key: str | None = None, company: str = "01") -> Item:
    return Item(
        f"intent-{record.id}", record, company, record.number, f"jobbook:{company}:{record.entity}:{record.number}",
        procore_id=record.id, erp_key=erp_key, changes=changes,
    )  # fmt: skip


def post(erp: MappedSystem, *records: Record, action: Any = "create", **more: Any) -> list[Outcome]:
    (step,) = erp.steps(records[0].entity, action)
    return erp.post(step, [item(record, **more) for record in records])


def rows(engine: sa.Engine, sql: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql))]
