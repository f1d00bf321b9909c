"""The documents of contracts as rows of the sandbox ERP: what was sent to it, and what it paid and received."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import count
from typing import NamedTuple

import sqlalchemy as sa

from sandbox.erp import schema
from sandbox.seed.billing import AnyDraw, Draw, Item
from sandbox.seed.changes import Change
from sandbox.seed.documents import JobDocuments, job_documents
from sandbox.seed.erp import ErpRows, Row, _job_key, _stamps, _type, cents, e4, insert
from sandbox.seed.model import Commitment, Line
from sandbox.seed.names import SENT_AFTER
from sandbox.seed.payments import Payment, on_hold
from sandbox.seed.prime import Receipt
from sandbox.seed.prime_model import PRIME, PrimeContract
from sandbox.seed.tables import GROUP, PROCORE_COMPANY

Rows = Iterable[Row]


class Written(NamedTuple):
    """One kind of document of a job: header and line table, their rows, and the status they take once all lines are in."""

    table: str
    headers: list[Row]
    line_table: str
    lines: Rows
    status: str = "posted"
    voided: Mapping[str, str] = {}
    """Numbers of those that were voided afterwards, and on which day."""


class ErpDocuments(ErpRows):
    """Rows per table, job by job, parents first: the ledger judges each document when it leaves the status it is entered in."""

    def write_documents(self, connection: sa.Connection) -> Iterator[tuple[str, int]]:
        totals: dict[str, int] = {}
        self._transactions = count(1)
        for job in self.company.jobs():
            for written in self._documents(job_documents(self.company, job)):
                for table, rows in ((written.table, written.headers), (written.line_table, written.lines)):
                    totals[table] = totals.get(table, 0) + insert(connection, table, rows)
                _advance(connection, written)
        yield from totals.items()

    def _documents(self, found: JobDocuments) -> Iterator[Written]:
        orders = [change for change in found.changes if change.linked]
        draws = [draw for draw in found.invoices if draw.linked]
        costs = [cost for draw in draws for cost in self._costs(draw)]
        yield Written(
            *("change_orders", [self.change_order(c) for c in orders], "change_order_lines"),
            (row for c in orders for row in _change_lines(c)),
        )
        yield Written(
            *("ap_invoices", [self.ap_invoice(d) for d in draws], "ap_invoice_lines"),
            (row for d in draws for row in _invoice_lines(d)),
        )
        yield Written("job_costs", [head for head, _ in costs], "job_cost_lines", (line for _, line in costs))
        yield Written(
            *("payments", [_payment(p) for p in found.payments], "payment_lines"),
            (row for p in found.payments for row in _payment_lines(p)),
            voided={p.number: p.voided.isoformat() for p in found.payments if p.voided},
        )
        if found.prime:
            yield from self._prime_documents(found, found.prime)

    def _prime_documents(self, found: JobDocuments, prime: PrimeContract) -> Iterator[Written]:
        orders = [change for change in found.prime_changes if change.linked]
        draws = [draw for draw in found.owner_invoices if draw.linked]
        yield Written("prime_contracts", [_prime(prime)], "prime_contract_lines", _prime_lines(prime), "open")
        yield Written(
            *("prime_changes", [self.prime_change(c) for c in orders], "prime_change_lines"),
            (row for c in orders for row in _change_lines(c)),
        )
        yield Written(
            *("ar_invoices", [self.ar_invoice(d) for d in draws], "ar_invoice_lines"),
            (row for d in draws for row in _invoice_lines(d)),
        )
        receipts = found.receipts
        yield Written("receipts", [_receipt(r) for r in receipts], "receipt_lines", map(_receipt_line, receipts))

    def _marker(self, entity: str, id: int) -> Row:
        return {"marker": f"procore:{PROCORE_COMPANY}:{entity}:{id}" if self.linked else None}

    # -- buying --------------------------------------------------------------------------------------------------------

    def change_order(self, change: Change) -> Row:
        row = {"company": change.contract.job.company, "commitment": change.contract.number, **_change(change)}
        return row | self._marker("commitment_change_orders", change.id)

    def ap_invoice(self, draw: Draw[Commitment]) -> Row:
        contract = draw.contract
        row: Row = {"vendor_group": GROUP, "vendor": contract.vendor, "commitment": contract.number, **_invoice(draw)}
        return row | {"pay_hold": int(on_hold(contract))} | self._marker("subcontractor_invoices", draw.id)

    def _costs(self, draw: Draw[Commitment]) -> Iterator[tuple[Row, Row]]:
        """What posting an invoice makes: one transaction with one line per cost key that it charges."""
        contract = draw.contract
        charged: dict[tuple[str, str, str], Decimal] = {}
        for item in draw.items:
            if item.gross:
                key = (item.line.sub_job, item.line.code, item.line.type)
                charged[key] = charged.get(key, Decimal(0)) + item.gross
        for (sub_job, code, type), gross in charged.items():
            trans, day = f"AP-{next(self._transactions):06d}", draw.billing_date.isoformat()
            stamps = _stamps(draw.updated_at + SENT_AFTER)
            text = f"{contract.number} invoice {draw.sequence}"
            row: Row = {"company": contract.job.company, "trans": trans, "job": contract.job.number, "source": "AP"}
            row |= {"vendor_group": GROUP, "vendor": contract.vendor, "invoice": draw.number, "description": text}
            row |= {"trans_date": day, "posting_date": day, "status": "unposted", "currency": contract.currency}
            row |= {"amount_cents": cents(gross), "commitment": contract.number, "reverses": None, **stamps}
            line = _job_key(contract.job, sub_job) | {"trans": trans, "line_no": 1, "code": code, "cost_type": _type(type)}
            line |= {"description": text, "amount_cents": cents(gross), "quantity_e4": None, "unit_cost_e4": None, "unit": None}
            yield row, line | stamps

    # -- selling -------------------------------------------------------------------------------------------------------

    def prime_change(self, change: Change) -> Row:
        row = {"company": change.contract.job.company, "prime_contract": change.contract.number, **_change(change)}
        return row | {"markup_cents": cents(change.markup)} | self._marker("prime_change_orders", change.id)

    def ar_invoice(self, draw: Draw[PrimeContract]) -> Row:
        contract = draw.contract
        row: Row = {"prime_contract": contract.number, "customer": contract.customer.code, **_invoice(draw)}
        return row | self._marker("owner_invoices", draw.id)


def _advance(connection: sa.Connection, written: Written) -> None:
    """Every document goes on, one after the other: a payment that is voided makes room for the one that replaces it."""
    key = schema.key_columns(written.table)
    where = " AND ".join(f"{column} = :{column}" for column in key)
    goes_on = sa.text(f"UPDATE {written.table} SET status = '{written.status}' WHERE {where}")
    for header in written.headers:
        connection.execute(goes_on, {column: header[column] for column in key})
        voided_on = written.voided.get(header[key[-1]])
        if voided_on:
            void = sa.text(f"UPDATE {written.table} SET status = 'void', voided_on = :voided_on WHERE {where}")
            connection.execute(void, {column: header[column] for column in key} | {"voided_on": voided_on})


def _change(change: Change) -> Row:
    row: Row = {"number": change.number, "title": change.title, "status": "entering", "currency": change.contract.currency}
    row |= {"change_date": change.decided.isoformat(), "amount_cents": cents(change.amount)}
    return row | _stamps(change.updated_at + SENT_AFTER)


def _change_lines(change: Change) -> Iterator[Row]:
    contract = change.contract
    for line in change.lines:
        row = _job_key(contract.job, line.sub_job) | {"number": change.number, "line_no": line.position, **_coded(line)}
        row |= {"amount_cents": cents(line.amount), **_stamps(change.updated_at + SENT_AFTER)}
        if contract.kind == PRIME:
            yield row | {"prime_contract": contract.number, "prime_line": change.changed_line(line.position)}
        else:
            row |= {"commitment": contract.number, "commitment_line": change.changed_line(line.position)}
            row |= {"quantity_e4": e4(line.quantity), "unit_cost_e4": e4(line.unit_cost), "unit": line.unit}
            yield row | {"extended_type": line.extended_type, "tax_code": line.tax_code}


def _coded(line: Line) -> Row:
    return {"code": line.code, "cost_type": _type(line.type), "description": line.text}


def _invoice(draw: AnyDraw) -> Row:
    """Posted with the date of the bill: both sides have the same document in the same period."""
    job, day = draw.contract.job, draw.billing_date.isoformat()
    row: Row = {"company": job.company, "invoice": draw.number, "job": job.number, "sequence": draw.sequence}
    row |= {"invoice_date": day, "posting_date": day, "status": "entering", "currency": draw.contract.currency}
    return row | _figures(draw) | _stamps(draw.updated_at + SENT_AFTER)


def _figures(of: AnyDraw | Item) -> Row:
    return {f"{name}_cents": cents(getattr(of, name)) for name in ("gross", "held", "released", "tax")}


def _invoice_lines(draw: AnyDraw) -> Iterator[Row]:
    """Only what moves: a line on which nothing was billed, held or released is no line of the invoice."""
    contract, line_no = draw.contract, 0
    for item in draw.items:
        if item.moves:
            line_no += 1
            change, position = item.key
            row = _job_key(contract.job, item.line.sub_job) | {"invoice": draw.number, "line_no": line_no, **_coded(item.line)}
            row |= _figures(item) | _stamps(draw.updated_at + SENT_AFTER)
            if isinstance(contract, Commitment):
                yield row | {"vendor": contract.vendor, "change_order": change, "commitment_line": position}
            else:
                yield row | {"prime_change": change, "prime_line": position}


def _payment(payment: Payment) -> Row:
    row: Row = {"company": payment.company, "payment": payment.number, "vendor_group": GROUP, "vendor": payment.vendor}
    row |= {"method": payment.method, "pay_date": payment.paid.isoformat(), "status": "unposted"}
    row |= {"amount_cents": cents(payment.amount), **_stamps(payment.updated_at)}
    return row


def _payment_lines(payment: Payment) -> Iterator[Row]:
    for line_no, part in enumerate(payment.parts, start=1):
        row: Row = {"company": payment.company, "payment": payment.number, "line_no": line_no, "vendor": payment.vendor}
        row |= {"invoice": part.number, "commitment": part.commitment.number, "amount_cents": cents(part.amount)}
        yield row | {"discount_cents": 0, **_stamps(payment.updated_at)}


def _prime(prime: PrimeContract) -> Row:
    row: Row = {"company": prime.job.company, "number": prime.number, "job": prime.job.number, "customer": prime.customer.code}
    row |= {"title": prime.title, "status": "entering", "currency": prime.currency, "retainage_e4": e4(prime.retainage)}
    row |= {"contract_date": prime.contract_date.isoformat(), "amount_cents": cents(prime.amount)}
    return row | _stamps(prime.updated_at)


def _prime_lines(prime: PrimeContract) -> Iterator[Row]:
    for line in prime.lines:
        row = _job_key(prime.job, line.sub_job) | {"number": prime.number, "line_no": line.position, **_coded(line)}
        yield row | {"amount_cents": cents(line.amount), **_stamps(prime.updated_at)}


def _receipt(receipt: Receipt) -> Row:
    contract = receipt.draw.contract
    row: Row = {"company": contract.job.company, "receipt": receipt.number, "customer": contract.customer.code, "method": "check"}
    row |= {"receipt_date": receipt.received.isoformat(), "status": "unposted", "amount_cents": cents(receipt.amount)}
    return row | _stamps(receipt.updated_at)


def _receipt_line(receipt: Receipt) -> Row:
    row: Row = {"company": receipt.draw.contract.job.company, "receipt": receipt.number, "line_no": 1}
    row |= {"invoice": receipt.draw.number, "amount_cents": cents(receipt.amount)}
    return row | _stamps(receipt.updated_at)
