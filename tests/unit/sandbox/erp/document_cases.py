"""Refusals of documents, made from the table of documents that the rules are made of, and those that each kind has of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.erp.documents import BY_HEADER
from sandbox.erp.tables import METADATA
from tests.unit.sandbox.erp.world import KINDS, Case, Kind, Row, delete, insert, update

AP, AR, PAYMENT, RECEIPT = (KINDS[k] for k in ("ap_invoices", "ar_invoices", "payments", "receipts"))
CONTRACT, CHANGE, COST = (KINDS[k] for k in ("commitments", "change_orders", "job_costs"))
PRIME, PRIME_CHANGE, BUDGET, BUDGET_CHANGE = (KINDS[k] for k in ("prime_contracts", "prime_changes", "budgets", "budget_changes"))
J1: Row = {"company": "01", "job": "J1"}
OTHER_KEY: Row = {"company": "02", "job": "J5", "number": "X", "invoice": "X", "payment": "X", "trans": "X", "receipt": "X"}
SECOND: dict[str, Row] = {"budgets": {"cost_type": "2"}, "payments": {"invoice": "X"}, "receipts": {"invoice": "OI-02"}}
"""What tells a second line from the first."""
JULY: Row = {"company": "01", "period": "2026-07"}


def has(table: str, column: str) -> bool:
    return column in METADATA.tables[table].columns


def whole(kind: Kind, head: Row | None = None, *lines: Row) -> list[str]:
    """With all that has to be there first."""
    return [*kind.before(), *kind.entered(head, *lines)]


def wrong_head(kind: Kind, code: str, name: str, bad: Row, good: Row | None = None) -> Case:
    """A header that is refused as soon as it is inserted, and the whole document of the good twin."""
    entering = insert(kind.header, **kind.head | bad)
    return Case(f"{kind.header}: {name}", code, [*kind.before(), entering], whole(kind, good))


def wrong_line(kind: Kind, code: str, name: str, bad: Row, good: Row | None = None) -> Iterator[Case]:
    """A line that is refused when it is inserted, and when an accepted line is changed into it."""
    line = {**kind.where(), "line_no": 1, **kind.line}
    start = [*kind.before(), insert(kind.header, **kind.head)]
    change = [*start, insert(kind.lines, **line), update(kind.lines, {**kind.where(), "line_no": 1}, **bad)]
    yield Case(f"{kind.lines}: {name}", code, [*start, insert(kind.lines, **line | bad)], whole(kind, None, good or {}))
    yield Case(f"{kind.lines}: {name} (update)", code, change, whole(kind, None, good or {}))


def leaving(kind: Kind, code: str, name: str, between: str, status: str = "") -> Case:
    """What became true while the document was built counts when it leaves that state."""
    *steps, last = whole(kind)
    turn = kind.turned(status) if status else last
    return Case(f"{kind.header}: {name}", code, [*steps, between, turn], [*steps, turn])


def after(kind: Kind, code: str, name: str, bad: list[str], good: list[str]) -> Case:
    return Case(f"{kind.header}: {name}", code, [*kind.before(), *bad], [*kind.before(), *good])


def head_cases(kind: Kind) -> Iterator[Case]:
    other = {k: OTHER_KEY[k] for k in kind.key[-1:]}
    yield after(
        *(kind, "DUPLICATE", "number taken"),
        [*kind.entered(), insert(kind.header, **kind.head)],
        [*kind.entered(), *([] if kind is BUDGET else kind.built(other))],
    )
    if has(kind.header, "marker"):
        second = {**kind.head, **other, "marker": "procore:8089:x:1"}
        first = insert(kind.header, **kind.head | {"marker": "procore:8089:x:1"})
        fine = [first, insert(kind.header, **second | {"marker": "procore:8089:x:2"})]
        yield after(kind, "MARKER", "marker taken", [first, insert(kind.header, **second)], fine)
    if has(kind.header, "currency"):
        yield wrong_head(kind, "CURRENCY", "foreign currency", {"currency": "CAD"}, {"currency": "USD"})
    if has(kind.header, "vendor_group"):
        stranger = {"vendor_group": "G2", "vendor": "V-9"}
        yield wrong_head(kind, "VENDOR_GROUP", "vendor of another group", stranger)
        yield wrong_head(kind, "VENDOR_UNKNOWN", "no such vendor", {"vendor_group": "G1", "vendor": "V-77"})
    if has(kind.header, "customer"):
        yield wrong_head(kind, "CUSTOMER_UNKNOWN", "customer of another company", {"customer": "C-5"})
    if has(kind.header, "job") and kind is not BUDGET_CHANGE:
        yield wrong_head(kind, "JOB_UNKNOWN", "no such job", {"job": "J77"})
    if not has(kind.header, "job") and kind not in (CHANGE, PRIME_CHANGE):
        yield wrong_head(kind, "COMPANY_UNKNOWN", "no such company", {"company": "77"})
    else:
        yield leaving(kind, "JOB_CLOSED", "job closed in between", update("jobs", J1, status="closed"))


def life_cases(kind: Kind) -> Iterator[Case]:
    d = BY_HEADER[kind.header]
    figure = d.sums[0][0]
    passes = [kind.turned("void", voided_on="2026-08-03")] if has(kind.header, "voided_on") else []
    nonsense = insert(kind.header, **kind.head | {"status": "done"})
    yield Case(f"{kind.header}: nonsense as status", "CHOICE", [*kind.before(), nonsense], whole(kind))
    yield after(kind, "STATUS", "back again", [*kind.entered(), kind.turned(d.building)], [*kind.entered(), *passes])
    if d.building == "unposted":
        at_once = insert(kind.header, **kind.head | {"status": "posted"})
        yield Case(f"{kind.header}: posted at once", "STATUS", [*kind.before(), at_once], whole(kind))
    no_lines = [insert(kind.header, **kind.head), kind.turned(kind.status)]
    yield after(kind, "TOTAL", "no lines", no_lines, kind.entered())
    for column, _, _ in d.sums:
        off = {column: kind.head.get(column, 0) + 1}
        yield after(kind, "TOTAL", f"{column} a cent off", kind.entered(off), kind.entered())
    whole_key, line = kind.where(), {**kind.where(), "line_no": 1}
    second = {**kind.line, **line, "line_no": 2, **SECOND.get(kind.header, {})}
    marked = [update(kind.header, whole_key, marker="procore:8089:budgets:1")] if kind is BUDGET else []
    for name, statement in (
        ("figure changed", update(kind.header, whole_key, **{figure: 1})),
        ("line changed", update(kind.lines, line, **{figure: 1})),
        ("line added", insert(kind.lines, **second)),
        ("line deleted", delete(kind.lines, **line)),
        ("deleted", delete(kind.header, **whole_key)),
    ):
        first = [delete(kind.lines, **whole_key)] if name == "deleted" else []
        if kind is RECEIPT and name == "line added":
            first = AR.built({"invoice": "OI-02"})
        good = [*kind.built(), *first, statement]
        yield after(kind, "FROZEN", f"{name} afterwards", [*kind.entered(), *marked, statement], good)
    if d.editable and d.void:
        more: Row = {"voided_on": "2026-08-03"} if has(kind.header, "voided_on") else {}
        column = d.editable[0]
        change = update(kind.header, whole_key, **{column: "New" if column == "title" else "2026-07-30"})
        good = kind.entered() + (passes or ([change] if column == "title" else []))
        yield after(kind, "FROZEN", "void", [*kind.entered(), kind.turned("void", **more), change], good)
    used = [*kind.built(), delete(kind.header, **whole_key)]
    yield after(kind, "IN_USE", "deleted before its lines", used, [*kind.built(), delete(kind.lines, **whole_key), used[-1]])


def line_cases(kind: Kind) -> Iterator[Case]:
    stranger = insert(kind.lines, **{**kind.line, **kind.where(), "line_no": 1, kind.key[-1]: "NONE"})
    yield Case(f"{kind.lines}: of no document", "DOCUMENT_UNKNOWN", [*kind.before(), stranger], whole(kind))
    if has(kind.lines, "job") and "job" not in kind.key:
        yield from wrong_line(kind, "LINE_JOB", "on another job", {"job": "J2"})
    if has(kind.header, "job") and "job" not in kind.key:
        moved = [*kind.built(), update(kind.header, kind.where(), job="J2")]
        alone = [insert(kind.header, **kind.head), update(kind.header, kind.where(), job="J5")]
        yield after(kind, "LINE_JOB", "moved away under its lines", moved, kind.entered() if kind in (AP, AR) else alone)
    if not has(kind.lines, "code"):
        return
    yield from wrong_line(kind, "SUB_JOB_UNKNOWN", "no such sub job", {"sub_job": "Z"})
    yield from wrong_line(kind, "CODE_UNKNOWN", "code the job lacks", {"code": "77-0000"})
    yield from wrong_line(kind, "CODE_HEADER", "on a header", {"code": "03"})
    yield from wrong_line(kind, "TYPE_UNASSIGNED", "type not assigned", {"cost_type": "6"})
    if BY_HEADER[kind.header].current:
        yield from wrong_line(kind, "CODE_INACTIVE", "on an inactive code", {"code": "09-9100"})
        yield from wrong_line(kind, "TYPE_INACTIVE", "assignment inactive", {"cost_type": "1"})
        yield from wrong_line(kind, "TYPE_INACTIVE", "type inactive in the company", {"cost_type": "5"})
    if has(kind.lines, "unit"):
        yield from wrong_line(kind, "UNIT_UNKNOWN", "no such unit", {"unit": "ZZ"}, {"unit": "LF"})
    if has(kind.lines, "tax_code"):
        for code in ("NONE", "OLD"):
            yield from wrong_line(kind, "TAX_UNKNOWN", f"tax code {code}", {"tax_code": code}, {"tax_code": "COSALES"})
    if has(kind.lines, "extended_type"):
        unit: Row = {"extended_type": "calculated", "quantity_e4": 10_000, "unit_cost_e4": 100 * kind.line["amount_cents"]}
        yield from wrong_line(kind, "EXTENSION", "calculated without quantity", {**unit, "quantity_e4": None}, unit)
        yield from wrong_line(kind, "EXTENSION", "calculated and a cent off", {**unit, "unit_cost_e4": 1}, unit)


def _void(kind: Kind, **more: Any) -> str:
    return kind.turned("void", **more)


def contract_cases() -> Iterator[Case]:
    """Both sides: what a change order and an invoice need of their contract, and what they keep it from."""
    for contract, change, invoice, payment in ((CONTRACT, CHANGE, AP, PAYMENT), (PRIME, PRIME_CHANGE, AR, RECEIPT)):
        of, line = ("commitment", "commitment_line") if invoice is AP else ("prime_contract", "prime_line")
        named = "change_order" if invoice is AP else "prime_change"
        unknown = "COMMITMENT_UNKNOWN" if invoice is AP else "PRIME_UNKNOWN"
        yield wrong_head(contract, "CHARACTERS", "slash in the number", {"number": "S/C"})
        for kind in (change, invoice):
            yield wrong_head(kind, unknown, "no such contract", {of: "NONE"})
            yield leaving(kind, "CONTRACT_CLOSED", "contract closed in between", contract.turned("closed"))
        voided = contract.turned("void")
        yield after(invoice, "BILLED", "contract voided under it", [*invoice.entered(), voided], [*change.entered(), voided])
        yield from wrong_line(change, "LINE_UNKNOWN", "changes no line", {line: 2}, {line: 1})
        for amount, billed, name in ((-100_001, [], "below zero"), (-90_001, invoice.entered(), "below what is billed")):
            low = {"amount_cents": amount, **({"markup_cents": 0} if change is PRIME_CHANGE else {})}
            enough = {**low, "amount_cents": amount + 1}
            bad, good = (change.entered(head, {"amount_cents": head["amount_cents"]}) for head in (low, enough))
            yield after(change, "CONTRACT_SUM", name, [*billed, *bad], [*billed, *good])
        larger = {"gross_cents": 105_000}
        over = [*change.entered(), *invoice.entered(larger, larger)]
        yield after(change, "CONTRACT_SUM", "voided below what is billed", [*over, _void(change)], over)
        on_change = {named: "001", line: 1}
        yield after(change, "BILLED", "billed one voided", [*change.entered(), *invoice.entered({}, on_change), _void(change)],
                    [*change.entered(), _void(change)])  # fmt: skip
        yield from wrong_line(invoice, "LINE_UNKNOWN", "bills no line", {line: 2})
        yield from wrong_line(invoice, "LINE_UNKNOWN", "bills a line of no change", on_change)
        yield from wrong_line(invoice, "LINE_CODE", "other type than the line it bills", {"cost_type": "2"})
        unposted = [*change.built(), *invoice.built({}, on_change)]
        yield after(invoice, "LINE_UNKNOWN", "bills a change that is not posted", unposted, [*change.entered(), *unposted[2:]])
        yield from invoice_cases(contract, invoice, payment)


def invoice_cases(contract: Kind, invoice: Kind, payment: Kind) -> Iterator[Case]:
    of = "commitment" if invoice is AP else "prime_contract"
    party = {"vendor": "V-NEW"} if invoice is AP else {"customer": "C-FREE"}
    yield wrong_head(invoice, "CONTRACT", "another party than the contract's", party)
    yield wrong_head(invoice, "CONTRACT", "another job than the contract's", {"job": "J5"})
    other = contract.entered({"number": "OTHER"})
    moved = update(invoice.header, invoice.where(), **{of: "OTHER"})
    alone = [insert(invoice.header, **invoice.head), moved]
    yield after(
        invoice, "CONTRACT", "moved to another contract under its lines", [*other, *invoice.built(), moved], [*other, *alone]
    )
    second = {"invoice": "2", "sequence": 2}
    yield after(invoice, "DUPLICATE", "number of a void one", [*invoice.entered(), _void(invoice), *invoice.built()[:1]],
                [*invoice.entered(), _void(invoice), *invoice.entered(second)])  # fmt: skip
    for status, says in (("soft_closed", "soft-closed"), ("closed", "closed"), ("future", "future")):
        period = update("periods", {**JULY, "module": "AP" if invoice is AP else "AR"}, status=status)
        for turn in ("unposted", "posted"):
            yield leaving(invoice, "PERIOD_CLOSED", f"{turn} in a {says} period", period, turn)
    yield leaving(invoice, "PERIOD_CLOSED", "no such period", update(invoice.header, invoice.where(), posting_date="2026-06-30"))
    redated = update(invoice.header, invoice.where(), posting_date="2026-07-01")
    batch = [*invoice.built(), invoice.turned("unposted"), redated]
    yield after(invoice, "PERIOD_CLOSED", "redated into June", [*batch[:-1], redated.replace("07-01", "06-30")], batch)
    yield after(invoice, "FROZEN", "posted one redated", [*invoice.entered(), redated], batch)
    release = {"released_cents": 1_000, "held_cents": 0, "gross_cents": 0}
    more = {**release, "released_cents": 1_001}
    yield after(invoice, "RETAINAGE_BALANCE", "releases more than is held",
                [*invoice.entered(), *invoice.entered({**second, **more}, more)],
                [*invoice.entered(), *invoice.entered({**second, **release}, release)])  # fmt: skip
    both = [*invoice.entered(), *invoice.entered({**second, **release}, release)]
    yield after(invoice, "RETAINAGE_BALANCE", "voided after its retainage was released", [*both, _void(invoice)],
                [*both, update(invoice.header, invoice.where(second), status="void"), _void(invoice)])  # fmt: skip
    pay = payment.entered()
    yield after(payment, "PAID", "invoice voided", [*pay, _void(invoice)],
                [*pay, _void(payment, voided_on="2026-08-03"), _void(invoice)])  # fmt: skip


def payment_cases() -> Iterator[Case]:
    for invoice, payment, module in ((AP, PAYMENT, "AP"), (AR, RECEIPT, "AR")):
        for status in ("soft_closed", "closed"):
            period = update("periods", {**JULY, "module": module}, status=status)
            yield leaving(payment, "PERIOD_CLOSED", f"in a {status} period", period)
        posted = payment.entered()
        dated = update(payment.header, payment.where(), voided_on="2026-08-03")
        yield after(
            payment, "VOIDED_ON", "date without a void", [*posted, dated], [*posted, _void(payment, voided_on="2026-08-03")]
        )
        yield after(payment, "VOIDED_ON", "void without a date", [*posted, _void(payment)], [*payment.built(), _void(payment)])
        yield after(payment, "VOIDED_ON", "void of an unposted one with a date",
                    [*payment.built(), _void(payment, voided_on="2026-08-03")], [*payment.built(), _void(payment)])  # fmt: skip
        yield after(payment, "VOIDED_ON", "void before its date", [*posted, _void(payment, voided_on="2026-07-01")],
                    [*posted, _void(payment, voided_on="2026-07-31")])  # fmt: skip
        yield after(payment, "DATE", "void date", [*posted, _void(payment, voided_on="2026-02-30")],
                    [*posted, _void(payment, voided_on="2026-08-03")])  # fmt: skip
        twice = ({"amount_cents": 8_000}, {"amount_cents": 1_000})
        yield after(payment, "DUPLICATE", "one invoice twice", payment.built(None, *twice), posted)
        batch = [*invoice.built({"invoice": "2"}), update(invoice.header, invoice.where({"invoice": "2"}), status="unposted")]
        yield after(payment, "INVOICE_UNPOSTED", "invoice in a batch", [*batch, *payment.entered(None, {"invoice": "2"})],
                    [*batch, update(invoice.header, invoice.where({"invoice": "2"}), status="posted"),
                     *payment.entered(None, {"invoice": "2"})])  # fmt: skip
        cent = {"amount_cents": 9_001}
        yield after(payment, "OVERPAID", "a cent too much", payment.entered(cent, cent), posted)
        first = payment.entered({"amount_cents": 5_000}, {"amount_cents": 5_000})
        other = {payment.key[-1]: "X"}
        rest = [payment.entered({**other, "amount_cents": c}, {"amount_cents": c}) for c in (4_001, 4_000)]
        yield after(payment, "OVERPAID", "by a second one", [*first, *rest[0]], [*first, *rest[1]])
    hold = update("vendors", {"vendor": "V-1"}, hold="payment", hold_reason="lien waiver missing")
    yield leaving(PAYMENT, "VENDOR_HOLD", "vendor on payment hold", hold)
    yield leaving(PAYMENT, "PAY_HOLD", "invoice on pay hold", update("ap_invoices", AP.where(), pay_hold=1))
    discount = {"amount_cents": 8_900, "discount_cents": 101}
    yield after(PAYMENT, "OVERPAID", "with its discount", PAYMENT.entered({"amount_cents": 8_900}, discount),
                PAYMENT.entered({"amount_cents": 8_900}, {**discount, "discount_cents": 100}))  # fmt: skip
    yield from wrong_line(PAYMENT, "LINE_VENDOR", "of another vendor", {"vendor": "V-FREE"})
    yield after(PAYMENT, "LINE_VENDOR", "turned to another vendor under its lines",
                [*PAYMENT.built(), update("payments", PAYMENT.where(), vendor="V-FREE")],
                [*PAYMENT.built()[:1], update("payments", PAYMENT.where(), vendor="V-FREE")])  # fmt: skip
    yield from wrong_line(PAYMENT, "COMMITMENT_UNKNOWN", "no such commitment", {"commitment": "NONE", "invoice": "X"},
                          {"commitment": None, "invoice": "X"})  # fmt: skip
    yield from wrong_line(PAYMENT, "CONTRACT", "other commitment than its invoice", {"commitment": "OPEN"})
    yield from wrong_line(PAYMENT, "CONTRACT", "no commitment though its invoice has one", {"commitment": None})
    yield from wrong_line(RECEIPT, "INVOICE_UNKNOWN", "no such invoice", {"invoice": "NONE"})
    yield leaving(RECEIPT, "CONTRACT", "of another customer", update("receipts", RECEIPT.where(), customer="C-FREE"))


def buying_cases() -> Iterator[Case]:
    ceiling = update("settings", {"company": "01"}, value="on")
    high = {"gross_cents": 100_001}
    exact = {"gross_cents": 100_000}
    yield after(AP, "CEILING", "above the ceiling", [ceiling, *AP.entered(high, high)], [ceiling, *AP.entered(exact, exact)])
    merged = update("vendors", {"vendor": "V-1"}, merged_into="V-NEW")
    yield leaving(AP, "VENDOR_MERGED", "vendor merged in between", merged)
    civil: Row = {"company": "02", "commitment": "SC2"}
    there = CONTRACT.entered({"company": "02", "number": "SC2"})
    again = insert("ap_invoices", **AP.head | civil)
    yield after(AP, "DUPLICATE", "number taken in another company of the group", [*there, *AP.entered(), again], [*there, again])
    held = update("vendors", {"vendor": "V-1"}, hold="all", hold_reason="dispute")
    paying = update("vendors", {"vendor": "V-1"}, hold="payment", hold_reason="dispute")
    *steps, last = whole(CHANGE)
    yield Case(
        "change_orders: vendor on full hold; payment hold passes", "VENDOR_HOLD", [*steps, held, last], [*steps, paying, last]
    )


def cost_cases() -> Iterator[Case]:
    for status in ("soft_closed", "closed", "future"):
        period = update("periods", {**JULY, "module": "JC"}, status=status)
        yield leaving(COST, "PERIOD_CLOSED", f"in a {status} period", period)
    yield wrong_head(COST, "VENDOR_GROUP", "vendor without group", {"vendor": "V-1"}, {"vendor": "V-1", "vendor_group": "G1"})
    yield wrong_head(COST, "COMMITMENT_UNKNOWN", "no such commitment", {"commitment": "NONE"}, {"commitment": "OPEN"})
    yield wrong_head(COST, "REVERSES", "reverses nothing", {"reverses": "NONE"})
    itself = [*COST.built(), update("job_costs", COST.where(), reverses="JC-000001")]
    yield after(COST, "REVERSES", "reverses itself", itself, COST.entered())
    back = {"trans": "JC-2", "reverses": "JC-000001", "amount_cents": -10_000}
    reversal = COST.entered(back, {"amount_cents": -10_000})
    yield after(COST, "REVERSES", "reverses a void one", [*COST.built(), COST.turned("void"), reversal[0]],
                [*COST.entered(), *reversal])  # fmt: skip
    off = update("job_codes", {**J1, "sub_job": "", "code": "03-3000"}, active=0)
    late = COST.built({"trans": "JC-3"})
    yield after(
        COST, "CODE_INACTIVE", "new cost on a code that is inactive by now", [off, *late], [*COST.entered(), off, *reversal]
    )
    gone = [delete("job_cost_lines", **COST.where()), delete("job_costs", **COST.where())]
    yield after(COST, "IN_USE", "reversed one deleted", [*COST.built(), reversal[0], *gone], [*COST.built(), *gone])


def budget_cases() -> Iterator[Case]:
    bare = Kind(**{f: getattr(BUDGET_CHANGE, f) for f in ("header", "lines", "head", "line", "key", "status")})
    yield Case("budget_changes: no budget", "BUDGET_UNKNOWN", [insert("budget_changes", **bare.head)], whole(BUDGET_CHANGE))
    yield Case("budget_changes: budget still entered", "BUDGET_UNKNOWN", [*BUDGET.built(), insert("budget_changes", **bare.head)],
               whole(BUDGET_CHANGE))  # fmt: skip
    line = {**BUDGET.where(), "line_no": 1}
    other = insert("budget_lines", **{**BUDGET.line, **line, "line_no": 2})
    yield after(BUDGET, "DUPLICATE", "two lines on one cost key", [*BUDGET.built(), other],
                [*BUDGET.built(), other.replace("'3'", "'2'")])  # fmt: skip
    yield after(BUDGET, "FROZEN", "cost key of an estimate", [*BUDGET.entered(), update("budget_lines", line, cost_type="2")],
                [*BUDGET.entered(), update("budget_lines", line, amount_cents=1)])  # fmt: skip


def master_cases() -> Iterator[Case]:
    setting = {"name": "ap_ceiling", "value": "on"}
    yield Case("setting of no company", "COMPANY_UNKNOWN", [insert("settings", company="77", **setting)],
               [insert("settings", company="02", **setting)])  # fmt: skip
    policy = {"vendor_group": "G1", "policy": "P", "insurance_type": "GL"}
    yield Case("policy of no vendor", "VENDOR_UNKNOWN", [insert("vendor_insurances", vendor="V-77", **policy)],
               [insert("vendor_insurances", vendor="V-1", **policy)])  # fmt: skip
    line = {**CONTRACT.where(), "line_no": 1, **CONTRACT.line, "tax_code": "COSALES"}
    taxed = [insert("commitments", **CONTRACT.head), insert("commitment_lines", **line)]
    drop = (delete("tax_codes", tax_code=code) for code in ("COSALES", "OLD"))
    yield Case("used tax code", "IN_USE", *([*taxed, statement] for statement in drop))


NEW = [kind for kind in KINDS.values() if kind is not CONTRACT]
DOCUMENT_CASES: list[Case] = [
    *(case for kind in NEW for cases in (head_cases, life_cases, line_cases) for case in cases(kind)),
    *(case for kind in (CONTRACT,) for case in wrong_line(kind, "TAX_UNKNOWN", "no such tax code", {"tax_code": "NONE"})),
    *contract_cases(),
    *payment_cases(),
    *buying_cases(),
    *cost_cases(),
    *budget_cases(),
    *master_cases(),
]
