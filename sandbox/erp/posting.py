"""What a document posts by itself: the job cost of an AP invoice, and its reversal when the invoice is voided.

Gross is cost; retainage never reduces it (docs/domain-rules.md 3). One transaction per sub job, code and cost type, so that each
is one cost key; a key whose lines cancel out posts nothing, nor does an invoice of retainage only. Numbers are ``JA-`` and nine
digits. Postings rest while ``sandbox_bulk.lifted`` is 1: who loads in bulk brings the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.erp.billing import NEW_DOCUMENTS, in_period


@dataclass(frozen=True, slots=True)
class Posting:
    """``steps`` follow a change of ``table``'s status where ``when`` holds of ``NEW`` and ``OLD``; ``{now}`` is the clock."""

    name: str
    table: str
    when: str
    steps: tuple[str, ...]


_KEY = "l.company = NEW.company AND l.vendor = NEW.vendor AND l.invoice = NEW.invoice"
_COST = (
    "(SELECT l.sub_job, l.code, l.cost_type, CAST(sum(l.gross_cents) AS BIGINT) AS cents"
    f" FROM ap_invoice_lines l WHERE {_KEY} GROUP BY l.sub_job, l.code, l.cost_type HAVING sum(l.gross_cents) <> 0)"
)
_OF_INVOICE = (
    "c.invoice = NEW.invoice AND c.vendor = NEW.vendor AND c.company = NEW.company AND c.commitment = NEW.commitment"
    " AND c.source = 'AP'"
)
# Whatever was posted for the invoice, by hand too, so that nothing of it remains.
_POSTED = f"(SELECT * FROM job_costs c WHERE {_OF_INVOICE} AND c.status = 'posted')"
_REVERSAL_DAY = (
    f"CASE WHEN {in_period('JC', 'NEW.posting_date', NEW_DOCUMENTS)} THEN NEW.posting_date ELSE substr({{now}}, 1, 10) END"
)
_RELEASE = (
    "UPDATE job_costs SET status = 'posted' WHERE invoice = NEW.invoice AND vendor = NEW.vendor AND company = NEW.company"
    " AND commitment = NEW.commitment AND source = 'AP' AND status = 'unposted' AND substr(trans, 1, 3) = 'JA-'"
)
_HEADER = (
    "INSERT INTO job_costs (company, trans, job, source, vendor_group, vendor, invoice, description, trans_date, posting_date,"
    " status, currency, amount_cents, commitment, reverses)"
)
_LINE = (
    "INSERT INTO job_cost_lines (company, trans, line_no, job, sub_job, code, cost_type, description, amount_cents, quantity_e4,"
    " unit_cost_e4, unit)"
)


def _reserve(source: str) -> str:
    return f"UPDATE sandbox_numbers SET last = last + (SELECT count(*) FROM {source} s) WHERE id = 1"


def _number(order: str) -> str:
    """The numbers reserved last, in order; the same rows get the same numbers in a second statement."""
    taken = (
        "(SELECT n.last FROM sandbox_numbers n WHERE n.id = 1) - count(*) OVER () + row_number() OVER (ORDER BY " + order + ")"
    )
    return f"'JA-' || substr(CAST(1000000000 + {taken} AS TEXT), 2)"


def _of_cost(order: str = "s.sub_job, s.code, s.cost_type") -> Iterator[str]:
    yield _reserve(_COST)
    yield (
        f"{_HEADER} SELECT NEW.company, {_number(order)}, NEW.job, 'AP', NEW.vendor_group, NEW.vendor, NEW.invoice,"
        " substr('Invoice ' || NEW.invoice || ' on ' || NEW.commitment, 1, 60), NEW.invoice_date, NEW.posting_date, 'unposted',"
        f" NEW.currency, s.cents, NEW.commitment, NULL FROM {_COST} s"
    )
    yield (
        f"{_LINE} SELECT NEW.company, {_number(order)}, 1, NEW.job, s.sub_job, s.code, s.cost_type, NULL, s.cents, NULL, NULL,"
        f" NULL FROM {_COST} s"
    )
    yield _RELEASE


def _of_reversal(order: str = "s.trans") -> Iterator[str]:
    yield _reserve(_POSTED)
    yield (
        f"{_HEADER} SELECT s.company, {_number(order)}, s.job, s.source, s.vendor_group, s.vendor, s.invoice,"
        f" 'Reversal of ' || s.trans, {_REVERSAL_DAY}, {_REVERSAL_DAY}, 'unposted', s.currency, -s.amount_cents, s.commitment,"
        f" s.trans FROM {_POSTED} s"
    )
    yield (
        f"{_LINE} SELECT c.company, c.trans, l.line_no, l.job, l.sub_job, l.code, l.cost_type, l.description, -l.amount_cents,"
        " -l.quantity_e4, l.unit_cost_e4, l.unit FROM job_costs c JOIN job_cost_lines l ON l.company = c.company"
        f" AND l.trans = c.reverses WHERE {_OF_INVOICE} AND c.status = 'unposted' AND substr(c.trans, 1, 3) = 'JA-'"
    )
    yield _RELEASE


POSTINGS: tuple[Posting, ...] = (
    Posting("cost", "ap_invoices", "NEW.status = 'posted' AND OLD.status <> 'posted'", tuple(_of_cost())),
    Posting("reversal", "ap_invoices", "NEW.status = 'void' AND OLD.status = 'posted'", tuple(_of_reversal())),
)
