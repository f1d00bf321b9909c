"""What readers of the ledger use: its views, the same on SQLite and PostgreSQL.

A document still being entered is none yet and does not show; a void one shows and counts for nothing. "Posted" figures leave out
what waits in a batch. Money is in cents, as in the tables.
"""

from __future__ import annotations

from sandbox.erp.tables import STAMPS, business_columns, key_columns


def _entered(header: str, more: str = "") -> str:
    """The documents that are entered, with the ``more`` columns before the stamps."""
    columns = ", ".join(f"h.{c}" for c in business_columns(header))
    stamps = ", ".join(f"h.{c}" for c in STAMPS)
    return f"SELECT {columns}, {more}{stamps} FROM {header} h WHERE h.status <> 'entering'"


def _lines(lines: str, header: str, of_header: str) -> str:
    """The lines of entered documents with some columns of their header, separated by blanks, before the stamps."""
    columns = ", ".join(f"l.{c}" for c in business_columns(lines))
    stamps = ", ".join(f"l.{c}" for c in STAMPS)
    on = " AND ".join(f"h.{c} = l.{c}" for c in key_columns(header))
    named = "".join(f"h.{c}, " for c in of_header.split())
    return f"SELECT {columns}, {named}{stamps} FROM {lines} l JOIN {header} h ON {on} WHERE h.status <> 'entering'"


def _sum(column: str, source: str) -> str:
    return f"CAST(coalesce((SELECT sum({column}) FROM {source}), 0) AS BIGINT)"


_CHANGES = _sum(
    "o.amount_cents", "change_orders o WHERE o.company = c.company AND o.commitment = c.number AND o.status = 'posted'"
)
_BILLED = _sum("i.gross_cents", "ap_invoices i WHERE i.commitment = c.number AND i.company = c.company AND i.status = 'posted'")
_PAID = _sum(
    "p.amount_cents",
    "payment_lines p JOIN payments y ON y.company = p.company AND y.payment = p.payment"
    " WHERE p.commitment = c.number AND p.company = c.company AND y.status = 'posted'",
)
_PRIME_CHANGES = _sum(
    "o.amount_cents", "prime_changes o WHERE o.company = c.company AND o.prime_contract = c.number AND o.status = 'posted'"
)
_PRIME_BILLED = _sum(
    "i.gross_cents", "ar_invoices i WHERE i.prime_contract = c.number AND i.company = c.company AND i.status = 'posted'"
)
_RECEIVED = _sum(
    "r.amount_cents",
    "ar_invoices i JOIN receipt_lines r ON r.invoice = i.invoice AND r.company = i.company"
    " JOIN receipts y ON y.company = r.company AND y.receipt = r.receipt"
    " WHERE i.prime_contract = c.number AND i.company = c.company AND y.status = 'posted'",
)
_COST_KEY = "l.company, l.job, l.sub_job, l.code, l.cost_type"

# (company, document_type, document, entry_date, job, account, amount): debits positive, credits negative. A document that was
# voided after it counted shows twice, on its own date and undone on the date of the void, where the ledger keeps that date. The
# job cost that an invoice on a commitment posts is its cost account in detail and has no entry of its own.
_AP = "FROM ap_invoices d WHERE d.status = 'posted'"
_AR = "FROM ar_invoices d WHERE d.status = 'posted'"
_COST = "FROM job_costs d WHERE d.status = 'posted' AND (d.source <> 'AP' OR d.commitment IS NULL)"
_PAYMENT = (
    "FROM payments d JOIN payment_lines l ON l.company = d.company AND l.payment = d.payment"
    " WHERE d.status IN ('posted', 'void') AND (d.status = 'posted' OR d.voided_on IS NOT NULL)"
)
_RECEIPT = (
    "FROM receipts d JOIN receipt_lines l ON l.company = d.company AND l.receipt = d.receipt"
    " WHERE d.status IN ('posted', 'void') AND (d.status = 'posted' OR d.voided_on IS NOT NULL)"
)


def _entry(kind: str, document: str, day: str, job: str, account: str, amount: str, source: str) -> str:
    return (
        f"SELECT d.company, '{kind}' AS document_type, {document} AS document, {day} AS entry_date, {job} AS job,"
        f" {account} AS account, {amount} AS amount_cents {source}"
    )


def _ledger() -> str:
    ap = ("ap_invoice", "d.vendor || '/' || d.invoice", "d.posting_date", "d.job")
    ar = ("ar_invoice", "d.invoice", "d.posting_date", "d.job")
    cost = ("job_cost", "d.trans", "d.posting_date", "d.job")
    counter = (
        "CASE d.source WHEN 'AP' THEN 'accounts payable' WHEN 'PR' THEN 'payroll' WHEN 'EQ' THEN 'equipment' ELSE 'journal' END"
    )
    entries = [
        _entry(*ap, "'job cost'", "d.gross_cents", _AP),
        _entry(*ap, "'tax'", "d.tax_cents", _AP),
        _entry(*ap, "'retainage payable'", "d.released_cents - d.held_cents", _AP),
        _entry(*ap, "'accounts payable'", "d.held_cents - d.gross_cents - d.released_cents - d.tax_cents", _AP),
        _entry(*ar, "'accounts receivable'", "d.gross_cents - d.held_cents + d.released_cents + d.tax_cents", _AR),
        _entry(*ar, "'retainage receivable'", "d.held_cents - d.released_cents", _AR),
        _entry(*ar, "'contract revenue'", "-d.gross_cents", _AR),
        _entry(*ar, "'tax'", "-d.tax_cents", _AR),
        _entry(*cost, "'job cost'", "d.amount_cents", _COST),
        _entry(*cost, counter, "-d.amount_cents", _COST),
    ]
    for sign, day, voided in (("", "{}", ""), ("-", "d.voided_on", " AND d.status = 'void'")):
        payment = ("payment", "d.payment", day.format("d.pay_date"), "CAST(NULL AS TEXT)")
        receipt = ("receipt", "d.receipt", day.format("d.receipt_date"), "CAST(NULL AS TEXT)")
        entries += [
            _entry(*payment, "'accounts payable'", f"{sign}(l.amount_cents + l.discount_cents)", _PAYMENT + voided),
            _entry(*payment, "'cash'", f"{sign}(-l.amount_cents)", _PAYMENT + voided),
            _entry(*payment, "'discounts'", f"{sign}(-l.discount_cents)", _PAYMENT + voided),
            _entry(*receipt, "'cash'", f"{sign}(l.amount_cents)", _RECEIPT + voided),
            _entry(*receipt, "'accounts receivable'", f"{sign}(-l.amount_cents)", _RECEIPT + voided),
        ]
    return "\nUNION ALL ".join(entries)


VIEWS: dict[str, str] = {
    "v_commitments": f"""
        SELECT v.company, v.number, v.kind, v.job, v.vendor_group, v.vendor, v.title, v.status, v.currency, v.retainage_e4,
               v.contract_date, v.marker, v.amount_cents, v.changes_cents, v.amount_cents + v.changes_cents AS current_cents,
               CASE WHEN v.status = 'void' THEN 0 ELSE v.amount_cents + v.changes_cents END AS committed_cents,
               v.billed_cents, v.paid_cents, v.created_at, v.updated_at, v.row_version
        FROM (SELECT c.*, {_CHANGES} AS changes_cents, {_BILLED} AS billed_cents, {_PAID} AS paid_cents FROM commitments c) v
        WHERE v.status <> 'entering'""",
    "v_commitment_lines": """
        SELECT l.company, l.number, l.line_no, l.job, l.sub_job, l.code, l.cost_type, l.description, l.amount_cents,
               l.quantity_e4, l.unit_cost_e4, l.unit, l.extended_type, l.tax_code,
               CASE WHEN c.status = 'void' THEN 0 ELSE l.amount_cents END AS committed_cents,
               c.kind, c.vendor_group, c.vendor, c.status, c.currency, l.created_at, l.updated_at, l.row_version
        FROM commitment_lines l JOIN commitments c ON c.company = l.company AND c.number = l.number
        WHERE c.status <> 'entering'""",
    "v_change_orders": """
        SELECT o.company, o.commitment, o.number, c.job, c.vendor_group, c.vendor, o.title, o.status, o.change_date, o.currency,
               o.amount_cents, o.marker, c.kind, o.created_at, o.updated_at, o.row_version
        FROM change_orders o JOIN commitments c ON c.company = o.company AND c.number = o.commitment
        WHERE o.status <> 'entering'""",
    "v_change_order_lines": """
        SELECT l.company, l.commitment, l.number, l.line_no, l.commitment_line, l.job, l.sub_job, l.code, l.cost_type,
               l.description, l.amount_cents, l.quantity_e4, l.unit_cost_e4, l.unit, l.extended_type, l.tax_code,
               CASE WHEN o.status = 'void' OR c.status = 'void' THEN 0 ELSE l.amount_cents END AS committed_cents,
               o.status, o.currency, l.created_at, l.updated_at, l.row_version
        FROM change_order_lines l
        JOIN change_orders o ON o.company = l.company AND o.commitment = l.commitment AND o.number = l.number
        JOIN commitments c ON c.company = o.company AND c.number = o.commitment
        WHERE o.status <> 'entering'""",
    "v_committed_cost": """
        SELECT l.company, l.job, l.sub_job, l.code, l.cost_type, CAST(sum(l.committed_cents) AS BIGINT) AS committed_cents
        FROM (SELECT company, job, sub_job, code, cost_type, committed_cents FROM v_commitment_lines
              UNION ALL SELECT company, job, sub_job, code, cost_type, committed_cents FROM v_change_order_lines) l
        GROUP BY l.company, l.job, l.sub_job, l.code, l.cost_type""",
    "v_budgets": _entered("budgets"),
    "v_budget_lines": _lines("budget_lines", "budgets", "status marker"),
    "v_budget_changes": _entered("budget_changes"),
    "v_budget_change_lines": _lines("budget_change_lines", "budget_changes", "status"),
    "v_ap_invoices": _entered("ap_invoices", "h.gross_cents - h.held_cents + h.released_cents AS due_cents, "),
    "v_ap_invoice_lines": _lines("ap_invoice_lines", "ap_invoices", "commitment status currency"),
    "v_payment_lines": """
        SELECT l.company, l.payment, l.line_no, h.vendor_group, l.vendor, l.invoice, l.commitment, c.job, h.method, h.pay_date,
               h.status, h.voided_on, g.currency, l.amount_cents, l.discount_cents, i.sequence,
               CASE WHEN i.invoice IS NULL THEN 0 ELSE 1 END AS invoice_known, l.created_at,
               CASE WHEN h.updated_at > l.updated_at THEN h.updated_at ELSE l.updated_at END AS updated_at, h.row_version
        FROM payment_lines l JOIN payments h ON h.company = l.company AND h.payment = l.payment
        JOIN companies g ON g.company = l.company
        LEFT JOIN commitments c ON c.company = l.company AND c.number = l.commitment
        LEFT JOIN ap_invoices i ON i.company = l.company AND i.vendor = l.vendor AND i.invoice = l.invoice
             AND i.status <> 'entering'""",
    "v_job_costs": """
        SELECT d.company, d.trans, d.job, d.source, d.vendor_group, d.vendor, d.invoice, d.description, d.trans_date,
               d.posting_date, d.status, coalesce(d.currency, g.currency) AS currency, d.amount_cents, d.commitment, d.reverses,
               d.created_at, d.updated_at, d.row_version
        FROM job_costs d JOIN companies g ON g.company = d.company""",
    "v_job_cost": f"""
        SELECT {_COST_KEY}, CAST(sum(l.amount_cents) AS BIGINT) AS cost_cents,
               CAST(sum(CASE WHEN d.commitment IS NULL THEN 0 ELSE l.amount_cents END) AS BIGINT) AS commitment_cents
        FROM job_cost_lines l JOIN job_costs d ON d.company = l.company AND d.trans = l.trans
        WHERE d.status = 'posted' GROUP BY {_COST_KEY}""",
    "v_prime_contracts": f"""
        SELECT v.company, v.number, v.job, v.customer, v.title, v.status, v.currency, v.retainage_e4, v.contract_date,
               v.amount_cents, v.changes_cents, v.amount_cents + v.changes_cents AS current_cents, v.billed_cents,
               v.received_cents, v.created_at, v.updated_at, v.row_version
        FROM (SELECT c.*, {_PRIME_CHANGES} AS changes_cents, {_PRIME_BILLED} AS billed_cents, {_RECEIVED} AS received_cents
              FROM prime_contracts c) v
        WHERE v.status <> 'entering'""",
    "v_prime_contract_lines": _lines("prime_contract_lines", "prime_contracts", "status currency"),
    "v_prime_changes": """
        SELECT o.company, o.prime_contract, o.number, c.job, c.customer, o.title, o.status, o.change_date, o.currency,
               o.amount_cents, o.markup_cents, o.marker, o.created_at, o.updated_at, o.row_version
        FROM prime_changes o JOIN prime_contracts c ON c.company = o.company AND c.number = o.prime_contract
        WHERE o.status <> 'entering'""",
    "v_prime_change_lines": _lines("prime_change_lines", "prime_changes", "status currency"),
    "v_ar_invoices": _entered("ar_invoices", "h.gross_cents - h.held_cents + h.released_cents AS due_cents, "),
    "v_ar_invoice_lines": _lines("ar_invoice_lines", "ar_invoices", "prime_contract status currency"),
    "v_receipt_lines": """
        SELECT l.company, l.receipt, l.line_no, h.customer, l.invoice, i.prime_contract, i.job, i.sequence, h.method,
               h.receipt_date, h.status, h.voided_on, i.currency, l.amount_cents, l.created_at,
               CASE WHEN h.updated_at > l.updated_at THEN h.updated_at ELSE l.updated_at END AS updated_at, h.row_version
        FROM receipt_lines l JOIN receipts h ON h.company = l.company AND h.receipt = l.receipt
        JOIN ar_invoices i ON i.company = l.company AND i.invoice = l.invoice""",
    "v_estimates": f"""
        SELECT {_COST_KEY}, CAST(sum(l.original_cents) AS BIGINT) AS original_cents,
               CAST(sum(l.changes_cents) AS BIGINT) AS changes_cents, CAST(sum(l.owner_cents) AS BIGINT) AS owner_changes_cents,
               CAST(sum(l.original_cents + l.changes_cents + l.owner_cents) AS BIGINT) AS current_cents
        FROM (SELECT company, job, sub_job, code, cost_type, amount_cents AS original_cents, 0 AS changes_cents, 0 AS owner_cents
              FROM v_budget_lines
              UNION ALL SELECT company, job, sub_job, code, cost_type, 0, amount_cents, 0
              FROM v_budget_change_lines WHERE status = 'posted'
              UNION ALL SELECT company, job, sub_job, code, cost_type, 0, 0, amount_cents
              FROM v_prime_change_lines WHERE status = 'posted') l
        GROUP BY {_COST_KEY}""",
    "v_ledger_entries": f"""
        SELECT e.company, e.document_type, e.document, e.entry_date, e.job, e.account,
               CASE WHEN e.amount_cents > 0 THEN e.amount_cents ELSE 0 END AS debit_cents,
               CASE WHEN e.amount_cents < 0 THEN -e.amount_cents ELSE 0 END AS credit_cents
        FROM ({_ledger()}) e WHERE e.amount_cents <> 0""",
}
"""``v_commitments``: contract sums, posted changes, gross billed, paid. ``v_committed_cost``, ``v_job_cost`` and ``v_estimates``:
per cost key. ``v_ledger_entries``: the double entry of every posted document."""
