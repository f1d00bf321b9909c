"""The clerk's actions on documents: post, void, pay, receive, and the documents that are born in the ledger."""

from __future__ import annotations

from sandbox.erp.action import (
    CODE,
    COMPANY,
    GROUP,
    JOB,
    JOBS_COMPANY,
    SUB_JOB,
    THE_COMPANY,
    VENDOR,
    Action,
    Do,
    Field,
    Lookup,
    group_of,
    insert_row,
    next_number,
    open_day,
    set_columns,
)

DOCUMENTS = {
    "ap": ("ap_invoices", "invoice"),
    "ar": ("ar_invoices", "invoice"),
    "job_cost": ("job_costs", "trans"),
    "payment": ("payments", "payment"),
    "receipt": ("receipts", "receipt"),
    "commitment": ("commitments", "number"),
}
"""What ``entity`` says in ``post`` and ``void``: the table and the column of the number."""
AMOUNT = Field("amount", required=True, kind="money")
CODE_OF_LINE = Field("code", also=("cost_code",))
TODAY = Lookup("date", "SELECT CAST(:today AS TEXT)")


def _found(column: str, *entities: str) -> str:
    """The ``column`` (entity or company) of the documents with the number, of the entity and the company if these are known."""
    documents = " UNION ALL ".join(
        f"SELECT '{e}' AS entity, company FROM {DOCUMENTS[e][0]} WHERE {DOCUMENTS[e][1]} = :number" for e in entities
    )
    return (
        f"SELECT DISTINCT d.{column} FROM ({documents}) d WHERE (CAST(:entity AS TEXT) IS NULL OR d.entity = :entity)"
        " AND (CAST(:company AS TEXT) IS NULL OR d.company = :company)"
    )


def _document(*entities: str, entity: Lookup | None = None) -> tuple[Lookup, ...]:
    """Completes entity, company and, for an AP invoice, vendor of a document of which at least the number is known."""
    none = "the ledger has no such document {number}"
    return (
        entity
        or Lookup("entity", _found("entity", *entities), none, "{n} kinds of document have the number {number}: give entity"),
        Lookup("company", _found("company", *entities), none, "document {number} is in {n} companies: give company"),
        Lookup(
            "vendor",
            "SELECT vendor FROM ap_invoices WHERE invoice = :number AND company = :company AND :entity = 'ap'",
            many="{n} vendors have an invoice {number}: give vendor",
            optional=True,
        ),
    )


def _turn(entity: str, status: str, more: str = "") -> Do:
    table, number = DOCUMENTS[entity]
    vendor = " AND vendor = :vendor" if entity == "ap" else ""
    return Do(
        table,
        f"UPDATE {table} SET status = '{status}'{more} WHERE company = :company AND {number} = :number{vendor}",
        f"there is no {entity} {{number}} in company {{company}}",
        entity=entity,
    )


POSTED = ("ap", "ar", "job_cost", "payment", "receipt")
VOIDED = {"payment": "payment", "receipt": "receipt", "ap_invoice": "ap", "ar_invoice": "ar", "commitment": "commitment"}
_GIVEN = " UNION ALL ".join(f"SELECT '{e}' AS entity, CAST(:{field} AS TEXT) AS number" for field, e in VOIDED.items())
_VOID_DATE = ", voided_on = CASE WHEN status = 'posted' THEN CAST(:date AS TEXT) END"

_OPEN = (
    "(SELECT i.gross_cents - i.held_cents + i.released_cents + i.tax_cents - coalesce((SELECT sum({paid}) FROM {lines} l"
    " JOIN {payments} y ON y.company = l.company AND y.{key} = l.{key} WHERE l.company = i.company{vendor}"
    " AND l.invoice = i.invoice AND y.status = 'posted'), 0) FROM {invoices} i"
    " WHERE i.company = :company AND i.invoice = :invoice{whose})"
)
_PAYABLE = _OPEN.format(
    paid="l.amount_cents + l.discount_cents",
    lines="payment_lines",
    payments="payments",
    key="payment",
    vendor=" AND l.vendor = i.vendor",
    invoices="ap_invoices",
    whose=" AND i.vendor = :vendor",
)
_RECEIVABLE = _OPEN.format(
    paid="l.amount_cents",
    lines="receipt_lines",
    payments="receipts",
    key="receipt",
    vendor="",
    invoices="ar_invoices",
    whose="",
)


def _settle(table: str, lines: str, key: str) -> Do:
    """The payment gets its amount, that of its lines unless another was given (which the database refuses), and is posted."""
    total = f"(SELECT sum(l.amount_cents) FROM {lines} l WHERE l.company = :company AND l.{key} = :{key})"
    return Do(
        table,
        f"UPDATE {table} SET amount_cents = coalesce(CAST(:amount AS BIGINT), {total}), status = :status"
        f" WHERE company = :company AND {key} = :{key}",
    )


_ESTIMATE = " AND ".join(f"{c} = :{c}" for c in ("company", "job", "sub_job", "code", "cost_type"))
STATUS = Field("status", default="posted", choices="posted|unposted")
INVOICES = Field("invoices", required=True, kind="allocations", also=("invoice",))
METHOD = Field("method", default="check", choices="check|electronic|credit_card")
POLICY = Field("policy", required=True, also=("policy_number", "number"))
EXPIRATION = ("expiration", "expires")

DOCUMENT_ACTIONS: dict[str, Action] = {
    "post": Action(
        (
            Field("entity", choices="|".join(POSTED)),
            *(Field("number", required=True, also=("invoice", "payment", "receipt", "trans", "key")), Field("vendor"), COMPANY),
        ),
        _document(*POSTED),
        tuple(_turn(e, "posted") for e in POSTED),
    ),
    "void": Action(
        (
            *(Field(field) for field in VOIDED),
            *(Field("entity", choices="|".join(VOIDED.values())), Field("number"), Field("vendor"), COMPANY, Field("date")),
        ),
        (
            Lookup(
                "number",
                f"SELECT g.number FROM ({_GIVEN}) g WHERE g.number IS NOT NULL",
                f"give the number of one of {', '.join(VOIDED)}",
                f"give the number of one of {', '.join(VOIDED)}, not of {{n}}",
            ),
            *_document(
                *VOIDED.values(),
                entity=Lookup(
                    "entity",
                    f"SELECT g.entity FROM ({_GIVEN}) g WHERE g.number IS NOT NULL UNION {_found('entity', *VOIDED.values())}"
                    f" AND NOT EXISTS (SELECT 1 FROM ({_GIVEN}) g WHERE g.number IS NOT NULL)",
                    "the ledger has no such document {number}",
                    "{n} kinds of document have the number {number}: give entity",
                ),
            ),
            TODAY,
        ),
        (
            *(_turn(e, "void", _VOID_DATE) for e in ("payment", "receipt")),
            *(_turn(e, "void") for e in ("ap", "ar", "commitment")),
        ),
    ),
    "pay": Action(
        (
            *(Field("vendor", also=("vendor_code",)), INVOICES, Field("amount", kind="money"), Field("discount", kind="money")),
            *(Field("payment", also=("number", "check")), Field("date", also=("pay_date",)), METHOD, STATUS, COMPANY),
        ),
        (
            Lookup(
                "vendor",
                "SELECT DISTINCT vendor FROM ap_invoices WHERE invoice = :invoice"
                " AND (CAST(:company AS TEXT) IS NULL OR company = :company)",
                "AP has no invoice {invoice}: give vendor",
                "{n} vendors have an invoice {invoice}: give vendor",
            ),
            Lookup(
                "company",
                "SELECT company FROM ap_invoices WHERE vendor = :vendor AND invoice = :invoice",
                "vendor {vendor} has no invoice {invoice}: give company",
                "invoice {invoice} is in {n} companies: give company",
            ),
            Lookup(
                "vendor_group", "SELECT vendor_group FROM companies WHERE company = :company", "there is no company {company}"
            ),
            *(open_day("AP"), next_number("payment", "P-", "company = :company")),
        ),
        (
            Do(
                "payments",
                "INSERT INTO payments (company, payment, vendor_group, vendor, method, pay_date, amount_cents)"
                " VALUES (:company, :payment, :vendor_group, :vendor, :method, :date, 0)",
            ),
            Do(
                "payment_lines",
                "INSERT INTO payment_lines (company, payment, vendor, invoice, line_no, commitment, amount_cents, discount_cents)"
                " VALUES (:company, :payment, :vendor, :invoice,"
                " (SELECT count(*) + 1 FROM payment_lines l WHERE l.company = :company AND l.payment = :payment),"
                " (SELECT i.commitment FROM ap_invoices i WHERE i.company = :company AND i.vendor = :vendor"
                " AND i.invoice = :invoice),"
                f" coalesce(CAST(:amount AS BIGINT), {_PAYABLE} - coalesce(CAST(:discount AS BIGINT), 0)),"
                " coalesce(CAST(:discount AS BIGINT), 0))",
                each="invoices",
            ),
            _settle("payments", "payment_lines", "payment"),
        ),
    ),
    "receive": Action(
        (
            *(INVOICES, Field("amount", kind="money"), Field("receipt", also=("number", "payment", "check"))),
            *(Field("date", also=("receipt_date",)), METHOD, STATUS, COMPANY),
        ),
        (
            Lookup(
                *("company", "SELECT company FROM ar_invoices WHERE invoice = :invoice"),
                *("AR has no invoice {invoice}", "invoice {invoice} is in {n} companies: give company"),
            ),
            Lookup(
                *("customer", "SELECT customer FROM ar_invoices WHERE company = :company AND invoice = :invoice"),
                "AR has no invoice {invoice} in company {company}",
            ),
            *(open_day("AR"), next_number("receipt", "R-", "company = :company")),
        ),
        (
            Do(
                "receipts",
                "INSERT INTO receipts (company, receipt, customer, method, receipt_date, amount_cents)"
                " VALUES (:company, :receipt, :customer, :method, :date, 0)",
            ),
            Do(
                "receipt_lines",
                "INSERT INTO receipt_lines (company, receipt, line_no, invoice, amount_cents) VALUES (:company, :receipt,"
                " (SELECT count(*) + 1 FROM receipt_lines l WHERE l.company = :company AND l.receipt = :receipt), :invoice,"
                f" coalesce(CAST(:amount AS BIGINT), {_RECEIVABLE}))",
                each="invoices",
            ),
            _settle("receipts", "receipt_lines", "receipt"),
        ),
    ),
    "new_cost": Action(
        (
            *(JOB, CODE, Field("cost_type", required=True, also=("type",)), AMOUNT, SUB_JOB),
            *(Field("source", choices="AP|PR|EQ|JC"), Field("vendor"), Field("invoice"), Field("date", also=("trans_date",))),
            *(Field("description", default="Entered by the clerk"), Field("commitment"), Field("reverses")),
            *(Field("trans", also=("transaction",)), STATUS, COMPANY),
        ),
        (
            *(JOBS_COMPANY, open_day("JC"), next_number("trans", "JC-", "company = :company", "job_costs", digits=6)),
            Lookup("source", "SELECT CASE WHEN CAST(:vendor AS TEXT) IS NULL THEN 'JC' ELSE 'AP' END"),
            Lookup(
                "vendor_group",
                "SELECT vendor_group FROM companies WHERE company = :company AND CAST(:vendor AS TEXT) IS NOT NULL",
                optional=True,
            ),
        ),
        (
            Do(
                "job_costs",
                "INSERT INTO job_costs (company, trans, job, source, vendor_group, vendor, invoice, description, trans_date,"
                " posting_date, amount_cents, commitment, reverses) VALUES (:company, :trans, :job, :source, :vendor_group,"
                " :vendor, :invoice, :description, :date, :date, :amount, :commitment, :reverses)",
            ),
            Do(
                "job_cost_lines",
                "INSERT INTO job_cost_lines (company, trans, line_no, job, sub_job, code, cost_type, description, amount_cents)"
                " VALUES (:company, :trans, 1, :job, :sub_job, :code, :cost_type, :description, :amount)",
            ),
            Do("job_costs", "UPDATE job_costs SET status = :status WHERE company = :company AND trans = :trans"),
        ),
    ),
    "change_estimate": Action(
        (JOB, CODE, Field("cost_type", required=True, also=("type",)), AMOUNT, SUB_JOB, COMPANY),
        (JOBS_COMPANY,),
        (
            Do("budget_lines", f"UPDATE budget_lines SET amount_cents = :amount WHERE {_ESTIMATE}"),
            Do(
                "budget_lines",
                "INSERT INTO budget_lines (company, job, line_no, sub_job, code, cost_type, amount_cents)"
                " SELECT CAST(:company AS TEXT), CAST(:job AS TEXT), (SELECT coalesce(max(b.line_no), 0) + 1 FROM budget_lines b"
                " WHERE b.company = :company AND b.job = :job), CAST(:sub_job AS TEXT), CAST(:code AS TEXT),"
                " CAST(:cost_type AS TEXT), CAST(:amount AS BIGINT)"
                f" WHERE NOT EXISTS (SELECT 1 FROM budget_lines WHERE {_ESTIMATE})",
            ),
            Do(
                "budgets",
                "UPDATE budgets SET amount_cents = (SELECT sum(l.amount_cents) FROM budget_lines l WHERE l.company = :company"
                " AND l.job = :job) WHERE company = :company AND job = :job",
                "job {job} has no budget",
            ),
        ),
    ),
    "new_prime_contract": Action(
        (
            *(JOB, Field("title", required=True, also=("name",)), AMOUNT, Field("customer", also=("owner",))),
            *(Field("number", also=("contract", "prime_contract")), CODE_OF_LINE, Field("cost_type", also=("type",)), SUB_JOB),
            *(Field("retainage", kind="percent", default=0), Field("contract_date", also=("date",)), COMPANY),
        ),
        (
            JOBS_COMPANY,
            Lookup(
                "customer",
                "SELECT customer FROM jobs WHERE company = :company AND job = :job AND customer IS NOT NULL",
                "job {job} has no customer: give one",
            ),
            Lookup("currency", "SELECT currency FROM companies WHERE company = :company", "there is no company {company}"),
            Lookup(
                "code",
                "SELECT min(code) FROM job_code_types WHERE company = :company AND job = :job AND sub_job = :sub_job"
                " AND active = 1 AND (CAST(:cost_type AS TEXT) IS NULL OR cost_type = :cost_type)",
            ),
            Lookup(
                "cost_type",
                "SELECT min(cost_type) FROM job_code_types WHERE company = :company AND job = :job AND sub_job = :sub_job"
                " AND code = :code AND active = 1",
            ),
            next_number("number", "PC-", "company = :company", "prime_contracts"),
        ),
        (
            Do(
                "prime_contracts",
                "INSERT INTO prime_contracts (company, number, job, customer, title, currency, retainage_e4, contract_date,"
                " amount_cents)"
                " VALUES (:company, :number, :job, :customer, :title, :currency, :retainage, :contract_date, :amount)",
            ),
            Do(
                "prime_contract_lines",
                "INSERT INTO prime_contract_lines (company, number, line_no, job, sub_job, code, cost_type, amount_cents)"
                " VALUES (:company, :number, 1, :job, :sub_job, :code, :cost_type, :amount)",
            ),
            Do("prime_contracts", "UPDATE prime_contracts SET status = 'open' WHERE company = :company AND number = :number"),
        ),
    ),
    "set_pay_hold": Action(
        (
            Field("invoice", required=True, also=("number", "key")),
            *(Field("pay_hold", kind="flag", default=1, also=("hold",)), Field("vendor"), COMPANY),
        ),
        (
            Lookup("number", "SELECT CAST(:invoice AS TEXT)"),
            Lookup("entity", "SELECT 'ap'"),
            *_document("ap")[1:],
        ),
        (
            set_columns(
                "ap_invoices", "pay_hold", "company vendor invoice", "there is no AP invoice {invoice} of vendor {vendor}"
            ),
        ),
    ),
    "set_ceiling": Action(
        (Field("value", required=True, choices="on|off", also=("ap_ceiling",)), COMPANY),
        (THE_COMPANY,),
        (
            Do(
                "settings",
                "INSERT INTO settings (company, name, value) VALUES (:company, 'ap_ceiling', :value)"
                " ON CONFLICT (company, name) DO UPDATE SET value = excluded.value",
            ),
        ),
    ),
    "new_tax_code": Action(
        (
            *(Field("tax_code", required=True, also=("code", "key")), Field("description", also=("name",))),
            *(Field("rate", kind="percent", default=0), Field("active", kind="flag", default=1), Field("cost_group"), COMPANY),
        ),
        (
            Lookup(
                "cost_group",
                "SELECT DISTINCT cost_group FROM companies"
                " WHERE CAST(:company AS TEXT) IS NULL OR :company IN (company, cost_group)",
                "there is no company {company}",
                "there are {n} cost groups: give company or cost_group",
            ),
            Lookup("description", "SELECT CAST(:tax_code AS TEXT)"),
        ),
        (
            Do(
                "tax_codes",
                "INSERT INTO tax_codes (cost_group, tax_code, description, rate_e4, active)"
                " VALUES (:cost_group, :tax_code, :description, :rate, :active)",
            ),
        ),
    ),
    "new_insurance": Action(
        (
            *(VENDOR, POLICY, Field("insurance_type", required=True, also=("type",)), Field("provider")),
            *(Field("limit_text", also=("limit",)), Field("effective_date", also=("effective",))),
            *(Field("expiration_date", also=EXPIRATION), *GROUP),
        ),
        (group_of("vendor"),),
        (
            insert_row(
                "vendor_insurances",
                "vendor_group vendor policy insurance_type provider limit_text effective_date expiration_date",
            ),
        ),
    ),
    "renew_insurance": Action(
        (
            *(VENDOR, POLICY, Field("expiration_date", required=True, also=EXPIRATION)),
            *(Field("effective_date", also=("effective",)), *GROUP),
        ),
        (group_of("vendor"),),
        (
            set_columns(
                *("vendor_insurances", "expiration_date", "vendor_group vendor policy"),
                "vendor {vendor} has no policy {policy}",
                effective_date="coalesce(CAST(:effective_date AS TEXT), effective_date)",
            ),
        ),
    ),
}
