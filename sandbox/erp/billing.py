"""What hangs on a contract, and what may not be: changes below zero, invoices on closed periods, retainage released twice,
payments beyond what is due (docs/domain-rules.md 1.5, 2.4-2.7, 3, 5.5).

Buying and selling mirror each other: commitment, change order, AP invoice, payment; prime contract, prime change order, AR
invoice, receipt. A :class:`Side` names the tables and columns of one, and the rules are written once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.erp.documents import BY_HEADER, Document
from sandbox.erp.rule import UPDATE, Rule, same
from sandbox.erp.tables import key_columns

NEW_DOCUMENTS, WAITING = ("open",), ("open", "soft_closed")
"""Period statuses: a soft-closed one takes no new documents; accounting still posts what waits in a batch there."""


@dataclass(frozen=True, slots=True)
class Side:
    """``contract`` etc. are tables; ``of`` the column in which the others name the contract; ``change`` and ``line`` the columns
    of an invoice line that name the change order and the line; ``party`` who is billed or bills; ``paid_by`` the columns by which
    a payment's line names the invoice."""

    contract: str
    change_table: str
    invoice: str
    payment: str
    of: str
    change: str
    line: str
    party: str
    paid_by: tuple[str, ...]
    module: str
    discount: str = ""

    @property
    def contract_lines(self) -> str:
        return BY_HEADER[self.contract].lines

    @property
    def contract_noun(self) -> str:
        return BY_HEADER[self.contract].bare

    @property
    def invoice_noun(self) -> str:
        return BY_HEADER[self.invoice].bare

    @property
    def payment_noun(self) -> str:
        return BY_HEADER[self.payment].bare

    @property
    def its_contract(self) -> str:
        """The contract that ``NEW`` names; ends in AND."""
        return f"SELECT 1 FROM {self.contract} c WHERE c.company = NEW.company AND c.number = NEW.{self.of} AND"

    def contract_sum(self, besides: str = "") -> str:
        """Original sum and posted changes of the contract that ``NEW`` names, in cents."""
        changes = (
            f"SELECT coalesce(sum(o.amount_cents), 0) FROM {self.change_table} o"
            f" WHERE o.company = NEW.company AND o.{self.of} = NEW.{self.of} AND o.status = 'posted'{besides}"
        )
        original = f"SELECT c.amount_cents FROM {self.contract} c WHERE c.company = NEW.company AND c.number = NEW.{self.of}"
        return f"(({original}) + ({changes}))"

    def invoiced(self, figure: str, besides: str = "") -> str:
        """Sum over the contract's invoices, posted or in a batch, in cents; ``i`` is the invoice."""
        return (
            f"(SELECT coalesce(sum({figure}), 0) FROM {self.invoice} i"
            f" WHERE i.{self.of} = NEW.{self.of} AND i.company = NEW.company AND i.status IN ('unposted', 'posted'){besides})"
        )

    @property
    def others(self) -> str:
        """Condition on ``i``: another invoice than ``NEW``."""
        return f" AND NOT ({same(key_columns(self.invoice), 'i', 'NEW')})"


BUYING = Side(
    *("commitments", "change_orders", "ap_invoices", "payments", "commitment", "change_order", "commitment_line", "vendor"),
    ("company", "vendor", "invoice"),
    module="AP",
    discount=" + {0}.discount_cents",
)
SELLING = Side(
    *("prime_contracts", "prime_changes", "ar_invoices", "receipts", "prime_contract", "prime_change", "prime_line", "customer"),
    ("company", "invoice"),
    module="AR",
)
_VENDOR = "SELECT 1 FROM vendors v WHERE v.vendor_group = NEW.vendor_group AND v.vendor = NEW.vendor AND"


def billing_rules() -> Iterator[Rule]:
    for side in (BUYING, SELLING):
        yield from _contract_rules(side)
        yield from _change_rules(side)
        yield from _invoice_rules(side)
        yield from _invoice_line_rules(side)
        yield from _retainage_rules(side)
        yield from _payment_rules(side)
        yield from _paid_invoice_rules(side)
    yield from _commitment_rules()
    yield from _vendor_rules()
    yield from _ceiling_rules()
    yield from _job_cost_rules()
    yield from _budget_rules()


def in_period(module: str, day: str, statuses: tuple[str, ...]) -> str:
    """Whether the day (SQL) lies in a period of the module with one of the statuses; company is ``NEW``'s."""
    named = ", ".join(f"'{s}'" for s in statuses)
    return (
        f"EXISTS (SELECT 1 FROM periods p WHERE p.company = NEW.company AND p.module = '{module}'"
        f" AND p.period = substr({day}, 1, 7) AND {day} BETWEEN p.first_day AND p.last_day AND p.status IN ({named}))"
    )


def _period_rules(d: Document, module: str, exempt: str = "") -> Iterator[Rule]:
    """New documents need an open period; what waits in a batch is still posted in a soft-closed one."""
    columns, fresh = ("posting_date", "status"), f"({d.guard} OR NEW.posting_date <> OLD.posting_date)"
    day = "NEW.posting_date"
    soft = f"{d.leaving}{exempt} AND {in_period(module, day, ('soft_closed',))}"
    sentence = f"the {module} period of the posting date is soft-closed and takes no new documents"
    yield Rule("PERIOD_CLOSED", d.header, columns, soft, sentence, guard=fresh)
    shut = f"{d.leaving} AND NOT {in_period(module, day, WAITING)}"
    yield Rule("PERIOD_CLOSED", d.header, columns, shut, f"the posting date is in no open {module} period")


# --- Contracts and their changes ---------------------------------------------------------------------------------------------


def _contract_rules(s: Side) -> Iterator[Rule]:
    noun = s.contract_noun
    plain = f"a {noun} number has letters, digits and hyphens only"
    yield Rule("CHARACTERS", s.contract, ("number",), "NOT IS_PLAIN(NEW.number)", plain, local=True)
    billed = (
        f"EXISTS (SELECT 1 FROM {s.invoice} i WHERE i.{s.of} = NEW.number AND i.company = NEW.company AND i.status <> 'void')"
    )
    yield Rule(
        *("BILLED", s.contract, ("status",), f"NEW.status = 'void' AND {billed}"),
        *(f"a {noun} with invoices is not voided", (UPDATE,)),
    )


def _change_rules(s: Side) -> Iterator[Rule]:
    d = BY_HEADER[s.change_table]
    opening = (s.of, "status")
    yield Rule(
        *("CONTRACT_CLOSED", d.header, opening, f"NEW.status <> 'void' AND EXISTS ({s.its_contract} c.status <> 'open')"),
        f"the {s.contract_noun} is not open and takes no new {d.bare}s",
        guard=d.guard,
    )
    closed_job = f"EXISTS ({s.its_contract} EXISTS (SELECT 1 FROM jobs j WHERE j.company = c.company AND j.job = c.job"
    yield Rule(
        *("JOB_CLOSED", d.header, opening, f"NEW.status <> 'void' AND {closed_job} AND j.status = 'closed'))"),
        f"the job is closed and takes no new {d.bare}s",
        guard=d.guard,
    )
    line = s.line
    known = (
        f"SELECT 1 FROM {s.contract_lines} k WHERE k.company = NEW.company AND k.number = NEW.{s.of} AND k.line_no = NEW.{line}"
    )
    yield Rule(
        *("LINE_UNKNOWN", d.lines, (line,), f"NEW.{line} IS NOT NULL AND NOT EXISTS ({known})"),
        f"the line changes a line that the {s.contract_noun} does not have",
    )
    yield from _contract_sum_rules(s, d)
    used = (
        f"SELECT 1 FROM {s.invoice} i JOIN {BY_HEADER[s.invoice].lines} l ON {same(key_columns(s.invoice), 'l', 'i')}"
        f" WHERE i.{s.of} = NEW.{s.of} AND i.company = NEW.company AND i.status <> 'void' AND l.{s.change} = NEW.number"
    )
    yield Rule(
        *("BILLED", d.header, ("status",), f"NEW.status = 'void' AND EXISTS ({used})"),
        *(f"a {d.bare} with invoices is not voided", (UPDATE,)),
    )


def _contract_sum_rules(s: Side, d: Document) -> Iterator[Rule]:
    others = " AND o.number <> NEW.number"
    after = f"{s.contract_sum(others)} + CASE WHEN NEW.status = 'void' THEN 0 ELSE NEW.amount_cents END"
    effective = f"NEW.status <> '{d.building}'"
    below_zero = f"the {d.bare} would take the {s.contract_noun} below zero"
    below_billed = f"the {d.bare} would take the {s.contract_noun} below what is billed"
    for when, sentence in ((f"{after} < 0", below_zero), (f"{after} < {s.invoiced('i.gross_cents')}", below_billed)):
        yield Rule("CONTRACT_SUM", d.header, ("status",), f"{effective} AND {when}", sentence, events=(UPDATE,))


def _commitment_rules() -> Iterator[Rule]:
    opening = ("vendor_group", "vendor", "status")
    guard = BY_HEADER["commitments"].guard
    for code, when, what in (
        ("VENDOR_MERGED", "v.merged_into IS NOT NULL", "was merged into another one"),
        ("VENDOR_INACTIVE", "v.active = 0", "is inactive"),
        ("VENDOR_HOLD", "v.hold = 'all'", "is on full hold"),
    ):
        sentence = f"the vendor {what} and takes no new commitments"
        yield Rule(code, "commitments", opening, f"EXISTS ({_VENDOR} {when})", sentence, guard=guard)


# --- Invoices ----------------------------------------------------------------------------------------------------------------


def _invoice_rules(s: Side) -> Iterator[Rule]:
    d = BY_HEADER[s.invoice]
    yield from _period_rules(d, s.module)
    yield Rule(
        *("CONTRACT_CLOSED", d.header, (s.of, "status"), f"EXISTS ({s.its_contract} c.status <> 'open')"),
        f"the {s.contract_noun} is not open and takes no new {d.bare}s",
        guard=d.guard,
    )
    same_party = f"c.{s.party} <> NEW.{s.party}"
    if s is BUYING:  # after a merger the survivor bills what the other one had signed
        same_party += (
            " AND NOT EXISTS (SELECT 1 FROM vendors v WHERE v.vendor_group = c.vendor_group AND v.vendor = c.vendor"
            " AND v.merged_into = NEW.vendor)"
        )
    other = f"EXISTS ({s.its_contract} {same_party})"
    yield Rule("CONTRACT", d.header, (s.of, s.party), other, f"the {s.party} is not that of the {s.contract_noun}")
    yield Rule(
        *("CONTRACT", d.header, (s.of, "job"), f"EXISTS ({s.its_contract} c.job <> NEW.job)"),
        f"the {d.bare} is on the job of its {s.contract_noun}",
    )
    yield Rule(
        *("CONTRACT", d.header, (s.of,), f"EXISTS (SELECT 1 {d.own_lines})"),
        *(f"an {d.bare} with lines keeps its {s.contract_noun}", (UPDATE,)),
    )
    yield Rule(
        *("FROZEN", d.header, ("posting_date",), "OLD.status = 'posted'"),
        *(f"the posting date of a posted {d.bare} does not change", (UPDATE,)),
    )


def _invoice_line_rules(s: Side) -> Iterator[Rule]:
    """Every line bills a line of the contract or of a posted change, and carries the cost key of that line."""
    d = BY_HEADER[s.invoice]
    head = f"FROM {d.header} h JOIN {{0}} WHERE {same(key_columns(d.header), 'h', 'NEW')} AND k.line_no = NEW.{s.line}"
    of_contract = head.format(f"{s.contract_lines} k ON k.company = h.company AND k.number = h.{s.of}")
    change = BY_HEADER[s.change_table]
    posted = f"{change.header} o ON o.company = h.company AND o.{s.of} = h.{s.of} AND o.number = NEW.{s.change}"
    of_change = head.format(
        f"{posted} AND o.status = 'posted' JOIN {change.lines} k ON {same(key_columns(change.header), 'k', 'o')}"
    )
    columns = (s.change, s.line)
    unknown = f"CASE WHEN NEW.{s.change} = '' THEN NOT EXISTS (SELECT 1 {of_contract}) ELSE NOT EXISTS (SELECT 1 {of_change}) END"
    sentence = f"the line bills no line of the {s.contract_noun} or of one of its posted changes"
    yield Rule("LINE_UNKNOWN", d.lines, columns, unknown, sentence)
    key = ("sub_job", "code", "cost_type")
    differs = "NOT (" + same(key, "k", "NEW") + ")"
    other = (
        f"CASE WHEN NEW.{s.change} = '' THEN EXISTS (SELECT 1 {of_contract} AND {differs})"
        f" ELSE EXISTS (SELECT 1 {of_change} AND {differs}) END"
    )
    yield Rule("LINE_CODE", d.lines, (*columns, *key), other, "the line has another cost key than the line it bills")


def _retainage_rules(s: Side) -> Iterator[Rule]:
    d = BY_HEADER[s.invoice]
    balance = s.invoiced("i.held_cents - i.released_cents", s.others)
    columns = ("status", "released_cents")
    over = f"{d.leaving} AND NEW.released_cents > 0 AND NEW.released_cents > {balance}"
    yield Rule(
        *("RETAINAGE_BALANCE", d.header, columns, over),
        f"the {d.bare} releases more retainage than is held on the {s.contract_noun}",
        guard=d.guard,
    )
    back = f"NEW.status = 'void' AND NEW.held_cents > NEW.released_cents AND {balance} < 0"
    yield Rule(
        *("RETAINAGE_BALANCE", d.header, ("status",), back),
        *(f"the {d.bare} holds retainage that was released since", (UPDATE,)),
    )


def _ceiling_rules() -> Iterator[Rule]:
    d, s = BY_HEADER["ap_invoices"], BUYING
    on = "EXISTS (SELECT 1 FROM settings x WHERE x.company = NEW.company AND x.name = 'ap_ceiling' AND x.value = 'on')"
    over = f"{s.invoiced('i.gross_cents', s.others)} + NEW.gross_cents > {s.contract_sum()}"
    sentence = "the AP invoice would take what is billed above the revised commitment"
    yield Rule("CEILING", d.header, ("status",), f"{d.leaving} AND {on} AND {over}", sentence, guard=d.guard)


def _paid_invoice_rules(s: Side) -> Iterator[Rule]:
    d, payment = BY_HEADER[s.invoice], BY_HEADER[s.payment]
    paid = (
        f"SELECT 1 FROM {payment.lines} l JOIN {payment.header} y ON {same(key_columns(payment.header), 'y', 'l')}"
        f" WHERE {same(s.paid_by, 'l', 'NEW')} AND y.status <> 'void'"
    )
    yield Rule(
        *("PAID", d.header, ("status",), f"NEW.status = 'void' AND EXISTS ({paid})"),
        *(f"an {d.bare} with {s.payment_noun}s is not voided", (UPDATE,)),
    )


# --- Payments and receipts ---------------------------------------------------------------------------------------------------


def _payment_rules(s: Side) -> Iterator[Rule]:
    d = BY_HEADER[s.payment]
    day = "pay_date" if s is BUYING else "receipt_date"
    closed = in_period(s.module, f"NEW.{day}", ("closed", "soft_closed"))
    yield Rule(
        *("PERIOD_CLOSED", d.header, ("status",), f"NEW.status = 'posted' AND {closed}"),
        *(f"the {s.module} period of the {d.bare} is closed", (UPDATE,)),
    )
    yield Rule(
        *("VOIDED_ON", d.header, ("voided_on", "status"), "NEW.voided_on IS NOT NULL AND NEW.status <> 'void'"),
        f"only a void {d.bare} has a date of its void",
        local=True,
    )
    missing = "NEW.status = 'void' AND (NEW.voided_on IS NULL) = (OLD.status = 'posted')"
    yield Rule(
        *("VOIDED_ON", d.header, ("status",), missing),
        *(f"a posted {d.bare} is voided with the date of its void, an unposted one without", (UPDATE,)),
    )
    early = f"NEW.voided_on < NEW.{day}"
    yield Rule("VOIDED_ON", d.header, ("voided_on",), early, f"a {d.bare} is not voided before its own date", local=True)
    twice = f"EXISTS (SELECT 1 FROM {d.lines} k WHERE {same((*s.paid_by, *key_columns(d.header)[1:]), 'k', 'NEW')}"
    twice += " AND k.line_no <> NEW.line_no)"
    yield Rule(
        *("DUPLICATE", d.lines, s.paid_by[1:], twice, f"the {d.bare} already has a line on this invoice"), sqlstate="23505"
    )
    yield from _allocation_rules(s)


def _allocation_rules(s: Side) -> Iterator[Rule]:
    """Judged when a payment is posted: every invoice it names is posted, may be paid, and is not paid beyond what is due."""
    d = BY_HEADER[s.payment]
    own = same(key_columns(d.header), "l", "NEW")
    named = f"SELECT 1 FROM {d.lines} l JOIN {s.invoice} i ON {same(s.paid_by, 'i', 'l')} WHERE {own}"

    def rule(code: str, condition: str, sentence: str) -> Rule:
        when = f"NEW.status = 'posted' AND EXISTS ({named} AND {condition})"
        return Rule(code, d.header, ("status",), when, sentence, events=(UPDATE,))

    yield rule("INVOICE_UNPOSTED", "i.status <> 'posted'", f"the {d.bare} names an invoice that is not posted")
    if s is BUYING:
        yield rule("PAY_HOLD", "i.pay_hold = 1", "the payment names an invoice that is on pay hold")
    else:
        yield rule("CONTRACT", "i.customer <> NEW.customer", "the receipt names an invoice of another customer")
    extra = s.discount.format("m")
    paid = (
        f"SELECT coalesce(sum(m.amount_cents{extra}), 0) FROM {d.lines} m JOIN {d.header} y"
        f" ON {same(key_columns(d.header), 'y', 'm')} WHERE {same(s.paid_by, 'm', 'l')} AND (y.status = 'posted' OR"
        f" ({same(key_columns(d.header), 'm', 'NEW')}))"
    )
    due = "(i.gross_cents - i.held_cents + i.released_cents + i.tax_cents)"
    beyond = f"CASE WHEN {due} < 0 THEN ({paid}) NOT BETWEEN {due} AND 0 ELSE ({paid}) NOT BETWEEN 0 AND {due} END"
    with_discounts = " and discounts" if extra else ""
    yield rule("OVERPAID", beyond, f"{s.payment_noun}s{with_discounts} on an invoice would exceed what is due on it")


def _vendor_rules() -> Iterator[Rule]:
    invoice, payment, change = (BY_HEADER[h] for h in ("ap_invoices", "payments", "change_orders"))
    yield Rule(
        *("VENDOR_MERGED", invoice.header, ("vendor_group", "status"), f"EXISTS ({_VENDOR} v.merged_into IS NOT NULL)"),
        "the vendor was merged into another one and takes no new invoices",
        guard=invoice.guard,
    )
    # The key keeps a vendor's numbers apart within a company; a group of companies is one vendor list.
    group = same(("vendor", "invoice", "vendor_group"), "h", "NEW")
    twice = f"EXISTS (SELECT 1 FROM ap_invoices h WHERE {group} AND h.company <> NEW.company)"
    yield Rule(
        *("DUPLICATE", invoice.header, ("vendor_group",), twice),
        "the vendor's invoice number is already used in AP of another company",
        sqlstate="23505",
    )
    held = f"EXISTS ({BUYING.its_contract} EXISTS (SELECT 1 FROM vendors v WHERE v.vendor_group = c.vendor_group"
    yield Rule(
        *("VENDOR_HOLD", change.header, ("commitment", "status")),
        f"NEW.status <> 'void' AND {held} AND v.vendor = c.vendor AND v.hold = 'all'))",
        "the vendor is on full hold and takes no new change orders",
        guard=change.guard,
    )
    yield Rule(
        *("VENDOR_HOLD", payment.header, ("status",), f"NEW.status = 'posted' AND EXISTS ({_VENDOR} v.hold <> 'none')"),
        *("the vendor is on hold and is not paid", (UPDATE,)),
    )
    other = (
        f"SELECT 1 FROM payments h WHERE {same(key_columns('payments'), 'h', 'NEW')} AND h.vendor <> NEW.vendor"
        " AND NOT EXISTS (SELECT 1 FROM vendors v WHERE v.vendor_group = h.vendor_group AND v.vendor = NEW.vendor"
        " AND v.merged_into = h.vendor)"
    )
    yield Rule(
        *("LINE_VENDOR", "payment_lines", ("vendor",), f"EXISTS ({other})"),
        "the line names an invoice of another vendor than the payment's",
    )
    yield Rule(
        *("LINE_VENDOR", "payments", ("vendor_group", "vendor"), f"EXISTS (SELECT 1 {payment.own_lines})"),
        *("a payment with lines keeps its vendor", (UPDATE,)),
    )
    contract = (
        f"SELECT 1 FROM ap_invoices i WHERE {same(BUYING.paid_by, 'i', 'NEW')} AND i.commitment IS DISTINCT FROM NEW.commitment"
    )
    yield Rule(
        *("CONTRACT", "payment_lines", ("vendor", "invoice", "commitment"), f"EXISTS ({contract})"),
        "the line names another commitment than its invoice",
    )


# --- Job cost and budgets ----------------------------------------------------------------------------------------------------


def _job_cost_rules() -> Iterator[Rule]:
    d = BY_HEADER["job_costs"]
    # The cost of an invoice and its reversal follow the invoice, which was judged already.
    yield from _period_rules(d, "JC", exempt=" AND NEW.commitment IS NULL")
    half = "(NEW.vendor IS NULL) <> (NEW.vendor_group IS NULL)"
    columns = ("vendor", "vendor_group")
    yield Rule("VENDOR_GROUP", d.header, columns, half, "a vendor is named together with its vendor group", local=True)
    of = "SELECT 1 FROM job_costs r WHERE r.company = NEW.company AND r.trans = NEW.reverses AND"
    yield Rule(
        *("REVERSES", d.header, ("reverses", "job"), f"EXISTS ({of} (r.job <> NEW.job OR r.status = 'void'))"),
        "the cost reverses a transaction that is void or on another job",
    )
    yield Rule("REVERSES", d.header, ("reverses",), "NEW.reverses = NEW.trans", "a cost does not reverse itself", local=True)


def _budget_rules() -> Iterator[Rule]:
    key = ("company", "job", "sub_job", "code", "cost_type")
    twice = f"EXISTS (SELECT 1 FROM budget_lines k WHERE {same(key, 'k', 'NEW')} AND k.line_no <> NEW.line_no)"
    sentence = "the budget already has a line on this cost key"
    yield Rule("DUPLICATE", "budget_lines", key[2:], twice, sentence, sqlstate="23505")
    d = BY_HEADER["budget_changes"]
    entering = "SELECT 1 FROM budgets b WHERE b.company = NEW.company AND b.job = NEW.job AND b.status <> 'open'"
    yield Rule(
        *("BUDGET_UNKNOWN", d.header, ("job", "status"), f"EXISTS ({entering})"),
        "the job's budget is still being entered",
        guard=d.guard,
    )
