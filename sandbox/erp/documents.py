"""The ledger's documents: a header and its lines, how they are entered, what is then fixed, and the rules that follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.erp.rule import (
    CODE,
    COMPANY,
    COST_KEY,
    DELETE,
    GROUP_TYPE,
    INSERT,
    SCOPE,
    SUB_JOB,
    TYPES,
    UPDATE,
    Rule,
    same,
)
from sandbox.erp.tables import METADATA, business_columns, key_columns

EXTENSION = ("amount_cents", "quantity_e4", "unit_cost_e4", "extended_type")
SUM = "the lines do not add up to the {0}"


@dataclass(frozen=True, slots=True)
class Document:
    """One kind of document.

    ``noun``: with its article. ``flow``: the changes of status it knows (``old>new``); it is built in the first one's old status
    and judged when it leaves that. ``sums``: a figure of the header, what it is called, and what it must equal (``l`` are its
    lines). ``used``: what is said of a number that is taken. ``editable``: the columns that may change afterwards, until it is
    void; all others are fixed. ``job``: condition on the header ``h`` under which its job is not that of ``NEW``, if it has one
    beside its key. ``current``: whether its lines need codes and types that are active; a condition on the header narrows that.
    """

    header: str
    lines: str
    noun: str
    flow: tuple[str, ...]
    flow_says: str
    sums: tuple[tuple[str, str, str], ...]
    used: str
    editable: tuple[str, ...] = ()
    job: str = ""
    current: str | None = "1 = 1"

    @property
    def building(self) -> str:
        return self.flow[0].partition(">")[0]

    @property
    def done(self) -> str:
        """The noun of a document that is no longer built: an entered commitment, a posted payment."""
        entered = "entered" if self.building == "entering" else "posted"
        return f"{'an' if entered == 'entered' else 'a'} {entered} {self.bare}"

    @property
    def bare(self) -> str:
        return self.noun.partition(" ")[2]

    @property
    def guard(self) -> str:
        return f"OLD.status = '{self.building}'"

    @property
    def leaving(self) -> str:
        """The document becomes one of the ledger (a voided draft never was)."""
        return f"NEW.status NOT IN ('{self.building}', 'void')"

    @property
    def void(self) -> bool:
        return any(change.endswith(">void") for change in self.flow)

    def head(self, row: str) -> str:
        """The header of a line, or the document with the same key; ends in AND."""
        return f"SELECT 1 FROM {self.header} h WHERE {same(key_columns(self.header), 'h', row)} AND"

    @property
    def own_lines(self) -> str:
        return f"FROM {self.lines} l WHERE {same(key_columns(self.header), 'l', 'NEW')}"


_AMOUNT = "coalesce(sum(l.amount_cents), 0)"
_FIGURES = tuple(
    (f"{c}_cents", f"invoice's {said}", f"coalesce(sum(l.{c}_cents), 0)")
    for c, said in (("gross", "gross"), ("held", "retainage held"), ("released", "retainage released"), ("tax", "tax"))
)
_INVOICE_FLOW = ("entering>unposted", "entering>posted", "unposted>posted", "unposted>void", "posted>void")
_BATCH_FLOW = ("unposted>posted", "unposted>void", "posted>void")
_OWN_JOB = "h.job <> NEW.job"

DOCUMENTS: tuple[Document, ...] = (
    Document(
        *("commitments", "commitment_lines", "a commitment"),
        ("entering>open", "open>closed", "open>void", "closed>open"),
        "a commitment goes from entering to open, from open to closed or void, from closed back to open",
        (("amount_cents", "contract sum", _AMOUNT),),
        "the commitment number is already used in the company",
        editable=("title", "contract_date"),
        job=_OWN_JOB,
    ),
    Document(
        *("budgets", "budget_lines", "a budget"),
        ("entering>open",),
        "a budget goes from entering to open",
        (("amount_cents", "budget", _AMOUNT),),
        "the job already has a budget",
    ),
    Document(
        *("budget_changes", "budget_change_lines", "a budget change"),
        ("entering>posted",),
        "a budget change goes from entering to posted",
        (("amount_cents", "budget change", _AMOUNT),),
        "the number of the budget change is already used on the job",
    ),
    Document(
        *("change_orders", "change_order_lines", "a change order"),
        ("entering>posted", "posted>void"),
        "a change order goes from entering to posted, from posted to void",
        (("amount_cents", "change order", _AMOUNT),),
        "the change order number is already used on the commitment",
        editable=("title", "change_date"),
        job="EXISTS (SELECT 1 FROM commitments c WHERE c.company = h.company AND c.number = h.commitment AND c.job <> NEW.job)",
    ),
    Document(
        *("ap_invoices", "ap_invoice_lines", "an AP invoice"),
        _INVOICE_FLOW,
        "an AP invoice goes from entering to unposted or posted, from unposted to posted or void, from posted to void",
        _FIGURES,
        "the vendor's invoice number is already used in AP",
        editable=("posting_date", "pay_hold"),
        job=_OWN_JOB,
        current=None,  # it bills what was committed, also on a code that is inactive by now
    ),
    Document(
        *("payments", "payment_lines", "a payment"),
        _BATCH_FLOW,
        "a payment goes from unposted to posted or void, from posted to void",
        (("amount_cents", "payment", _AMOUNT),),
        "the payment number is already used in the company",
        editable=("voided_on",),
    ),
    Document(
        *("job_costs", "job_cost_lines", "a job cost transaction"),
        ("unposted>posted", "unposted>void"),
        "a job cost transaction goes from unposted to posted or void; a posted one is corrected by another that reverses it",
        (("amount_cents", "transaction", _AMOUNT),),
        "the transaction number is already used in the company",
        job=_OWN_JOB,
        current="h.commitment IS NULL AND h.reverses IS NULL",
    ),
    Document(
        *("prime_contracts", "prime_contract_lines", "a prime contract"),
        ("entering>open", "open>closed", "open>void", "closed>open"),
        "a prime contract goes from entering to open, from open to closed or void, from closed back to open",
        (("amount_cents", "contract sum", _AMOUNT),),
        "the prime contract number is already used in the company",
        editable=("title", "contract_date"),
        job=_OWN_JOB,
    ),
    Document(
        *("prime_changes", "prime_change_lines", "a prime change order"),
        ("entering>posted", "posted>void"),
        "a prime change order goes from entering to posted, from posted to void",
        (("amount_cents", "change order less its mark-up", f"{_AMOUNT} + NEW.markup_cents"),),
        "the change order number is already used on the prime contract",
        editable=("title", "change_date"),
        job="EXISTS (SELECT 1 FROM prime_contracts c"
        " WHERE c.company = h.company AND c.number = h.prime_contract AND c.job <> NEW.job)",
    ),
    Document(
        *("ar_invoices", "ar_invoice_lines", "an AR invoice"),
        _INVOICE_FLOW,
        "an AR invoice goes from entering to unposted or posted, from unposted to posted or void, from posted to void",
        _FIGURES,
        "the invoice number is already used in AR",
        editable=("posting_date",),
        job=_OWN_JOB,
        current=None,
    ),
    Document(
        *("receipts", "receipt_lines", "a receipt"),
        _BATCH_FLOW,
        "a receipt goes from unposted to posted or void, from posted to void",
        (("amount_cents", "receipt", _AMOUNT),),
        "the receipt number is already used in the company",
        editable=("voided_on",),
    ),
)
BY_HEADER = {d.header: d for d in DOCUMENTS}
_KEPT_BY_OTHERS = ("status", "marker")
"""Columns that have rules of their own: how the status goes, and the marker, which whoever wrote the document keeps."""


def document_rules() -> Iterator[Rule]:
    for document in DOCUMENTS:
        yield from _header_rules(document)
        yield from _total_rules(document)
        yield from _frozen_rules(document)
        yield from _frozen_lines(document)
        if document.job:
            yield from _line_job_rules(document)
        if "code" in METADATA.tables[document.lines].columns:
            yield from _cost_line_rules(document)


def _header_rules(d: Document) -> Iterator[Rule]:
    columns = METADATA.tables[d.header].columns
    yield Rule(
        *("DUPLICATE", d.header, key_columns(d.header), f"EXISTS ({d.head('NEW')} 1 = 1)", d.used),
        events=(INSERT,),
        sqlstate="23505",
    )
    if "marker" in columns:
        taken = f"EXISTS (SELECT 1 FROM {d.header} h WHERE h.marker = NEW.marker)"
        sentence = f"{d.noun} with this marker already exists"
        yield Rule("MARKER", d.header, ("marker",), f"NEW.marker IS NOT NULL AND {taken}", sentence, sqlstate="23505")
    if "vendor_group" in columns:
        when = f"EXISTS ({COMPANY} g.vendor_group <> NEW.vendor_group)"
        yield Rule("VENDOR_GROUP", d.header, ("vendor_group",), when, "the vendor is of another vendor group than the company's")
    if "currency" in columns:
        when = f"EXISTS ({COMPANY} g.currency <> NEW.currency)"
        yield Rule("CURRENCY", d.header, ("company", "currency"), when, f"the {d.bare}'s currency is not the company's")
    if "job" in columns:
        closed = "SELECT 1 FROM jobs j WHERE j.company = NEW.company AND j.job = NEW.job AND j.status = 'closed'"
        when = f"NEW.status <> 'void' AND EXISTS ({closed})"
        yield Rule(
            *("JOB_CLOSED", d.header, ("job", "status"), when, f"the job is closed and takes no new {d.bare}s"), guard=d.guard
        )
    changes = [change.split(">") for change in d.flow]
    known = " OR ".join(f"(OLD.status = '{old}' AND NEW.status = '{new}')" for old, new in changes)
    yield Rule("STATUS", d.header, ("status",), f"NOT ({known})", d.flow_says, events=(UPDATE,))
    if d.building == "unposted":
        yield Rule("STATUS", d.header, ("status",), "NEW.status <> 'unposted'", f"{d.noun} starts unposted", events=(INSERT,))


def _total_rules(d: Document) -> Iterator[Rule]:
    # A budget of the ledger's own may change later, so its sum is judged then, too.
    guard = None if d.header == "budgets" else d.guard
    figures = ("markup_cents",) if "markup_cents" in METADATA.tables[d.header].columns else ()
    columns = ("status", *(c for c, _, _ in d.sums), *figures)
    yield Rule(
        *("TOTAL", d.header, columns, f"{d.leaving} AND NOT EXISTS (SELECT 1 {d.own_lines})", f"{d.noun} has at least one line"),
        guard=guard,
    )
    for column, said, expression in d.sums:
        when = f"{d.leaving} AND NEW.{column} <> (SELECT {expression} {d.own_lines})"
        yield Rule("TOTAL", d.header, columns, when, SUM.format(said), guard=guard)


def _frozen_rules(d: Document) -> Iterator[Rule]:
    free = (*key_columns(d.header), *_KEPT_BY_OTHERS, *d.editable)
    fixed = tuple(c for c in business_columns(d.header) if c not in free)
    but = f", but for {' and '.join(d.editable)}" if d.editable else ""
    foreign = "OLD.marker IS NOT NULL AND " if d.header == "budgets" else ""
    sentence = f"{d.done} {'from outside ' if foreign else ''}does not change{but}"
    yield Rule("FROZEN", d.header, fixed, f"{foreign}OLD.status <> '{d.building}'", sentence, events=(UPDATE,))
    if d.editable:
        yield Rule("FROZEN", d.header, d.editable, "OLD.status = 'void'", f"a void {d.bare} does not change", events=(UPDATE,))
    instead = "is voided, never deleted" if d.void else "is never deleted"
    yield Rule("FROZEN", d.header, (), f"OLD.status <> '{d.building}'", f"{d.done} {instead}", events=(DELETE,))


def _frozen_lines(d: Document) -> Iterator[Rule]:
    content = tuple(c for c in business_columns(d.lines) if c not in key_columns(d.lines))
    no_change = f"the lines of {d.done} do not change"
    closed = f"h.status <> '{d.building}'"
    yield Rule("FROZEN", d.lines, (), f"EXISTS ({d.head('OLD')} {closed})", no_change, events=(DELETE,))
    if d.header == "budgets":
        # The ledger's own estimate is kept up: amounts change, lines are added. One from outside is fixed.
        own, closed = ("sub_job", "code", "cost_type"), f"{closed} AND h.marker IS NOT NULL"
        no_change = "the lines of an entered budget from outside do not change"
        yield Rule(
            *("FROZEN", d.lines, own, f"EXISTS ({d.head('OLD')} h.status <> 'entering')"),
            *("the lines of an entered budget keep their cost key", (UPDATE,)),
        )
    more = f"{d.done}{' from outside' if d.header == 'budgets' else ''} takes no more lines"
    yield Rule("FROZEN", d.lines, (), f"EXISTS ({d.head('NEW')} {closed})", more, events=(INSERT,))
    yield Rule("FROZEN", d.lines, content, f"EXISTS ({d.head('OLD')} {closed})", no_change, events=(UPDATE,))


def _line_job_rules(d: Document) -> Iterator[Rule]:
    sentence = f"a line is on the job of its {d.bare}"
    if "job" in METADATA.tables[d.lines].columns:
        yield Rule("LINE_JOB", d.lines, ("job",), f"EXISTS ({d.head('NEW')} {d.job})", sentence)
    if "job" in METADATA.tables[d.header].columns:
        # Otherwise a header could be moved to another job under its lines while it is being entered.
        when = f"EXISTS (SELECT 1 {d.own_lines} AND l.job <> NEW.job)"
        yield Rule("LINE_JOB", d.header, ("job",), when, sentence, events=(UPDATE,))


def _cost_line_rules(d: Document) -> Iterator[Rule]:
    """A line's cost key names a posting-level code of the job, one that is active where the document needs that."""
    lines, columns = d.lines, METADATA.tables[d.lines].columns
    no_sub_job = f"NEW.sub_job <> '' AND NOT EXISTS ({SUB_JOB})"
    yield Rule("SUB_JOB_UNKNOWN", lines, SCOPE, no_sub_job, "the line's sub job does not exist on the job")
    header = f"EXISTS ({CODE} c.is_header = 1)"
    yield Rule("CODE_HEADER", lines, COST_KEY, header, "the line's cost code is a header and takes no cost")
    if d.current:
        needed = "" if d.current == "1 = 1" else f" AND EXISTS ({d.head('NEW')} {d.current})"
        inactive = f"EXISTS ({CODE} c.active = 0){needed}"
        yield Rule("CODE_INACTIVE", lines, COST_KEY, inactive, "the line's cost code is inactive on the job")
        off = f"EXISTS ({TYPES} AND t.cost_type = NEW.cost_type AND t.active = 0) OR EXISTS ({GROUP_TYPE} AND y.active = 0)"
        sentence = "the line's cost type is inactive for its cost code on the job"
        yield Rule("TYPE_INACTIVE", lines, COST_KEY, f"({off}){needed}", sentence)
    if "tax_code" in columns:
        known = f"{COMPANY.replace('WHERE', 'JOIN tax_codes x ON x.cost_group = g.cost_group WHERE')} x.tax_code = NEW.tax_code"
        when = f"NEW.tax_code IS NOT NULL AND NOT EXISTS ({known} AND x.active = 1)"
        sentence = "the line's tax code does not exist in the company's cost group or is inactive"
        yield Rule("TAX_UNKNOWN", lines, ("tax_code",), when, sentence)
    if "extended_type" in columns:
        yield from _extension_rules(lines)


def _extension_rules(lines: str) -> Iterator[Rule]:
    calculated = "NEW.extended_type = 'calculated' AND "
    yield Rule(
        *("EXTENSION", lines, EXTENSION, f"{calculated}(NEW.quantity_e4 IS NULL OR NEW.unit_cost_e4 IS NULL)"),
        "a calculated line has a quantity and a unit cost",
        local=True,
    )
    yield Rule(
        *("EXTENSION", lines, EXTENSION, f"{calculated}NEW.amount_cents <> EXTENDED(NEW.quantity_e4, NEW.unit_cost_e4)"),
        "the amount of a calculated line is quantity times unit cost, rounded half away from zero to the cent",
        local=True,
    )
