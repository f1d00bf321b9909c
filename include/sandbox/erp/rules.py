"""What the ledger refuses: one table of rules, rendered as triggers for both databases (docs/domain-rules.md 2.1-2.3, 5.2, 5.5).

A rule's ``when`` is a condition in the SQL that both databases understand; the row is refused when it is true. The row is ``NEW``
(``OLD`` on DELETE, and in rules for UPDATE only). Four macros stand for what they say differently: ``IS_DATE(x)``,
``IS_PLAIN(x)`` (letters, digits and hyphens only), ``EXTENDED(quantity_e4, unit_cost_e4)`` (their product in cents, rounded
half away from zero) and ``IS DISTINCT FROM``. On UPDATE a rule judges only rows in which one of its ``columns`` really changes.

The message is ``CODE: sentence``, the same text on both databases. SQLite before 3.47 can raise literal text only, so the row's
key goes into the DETAIL that PostgreSQL alone has; who sends one document knows its number.
"""

from __future__ import annotations

from dataclasses import dataclass

from include.sandbox.erp.tables import BUSINESS, METADATA, REFERENCES, key_columns

INSERT, UPDATE, DELETE = "INSERT", "UPDATE", "DELETE"
ENTERING = "OLD.status = 'entering'"
MAX_CENTS = 99_999_999_999
MAX_E4 = 9_999_999_999_999


@dataclass(frozen=True, slots=True)
class Rule:
    """One refusal. ``guard``: on UPDATE, one more condition on the old row. ``local``: needs no other row, so is a CHECK, too."""

    code: str
    table: str
    columns: tuple[str, ...]
    when: str
    sentence: str
    events: tuple[str, ...] = (INSERT, UPDATE)
    guard: str | None = None
    local: bool = False
    sqlstate: str = "23514"

    @property
    def message(self) -> str:
        return f"{self.code}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Limit:
    """Longest text of a column, in characters; the column is also refused when empty or padded with blanks."""

    table: str
    column: str
    length: int


LIMITS: tuple[Limit, ...] = (
    *(Limit("companies", c, n) for c, n in (("company", 10), ("name", 60), ("vendor_group", 10), ("cost_group", 10))),
    *(Limit("vendors", c, n) for c, n in (("vendor_group", 10), ("vendor", 12), ("name", 30), ("tax_id", 20), ("terms", 20))),
    *(Limit("vendors", c, n) for c, n in (("hold_reason", 60), ("address", 60), ("city", 30), ("state", 4), ("zip", 12))),
    *(
        Limit("customers", c, n)
        for c, n in (("customer", 12), ("name", 30), ("address", 60), ("city", 30), ("state", 4), ("zip", 12))
    ),
    *(Limit("jobs", c, n) for c, n in (("job", 10), ("name", 60))),
    *(Limit("sub_jobs", c, n) for c, n in (("sub_job", 10), ("name", 60))),
    *(Limit("cost_types", c, n) for c, n in (("cost_group", 10), ("cost_type", 4), ("name", 30))),
    *(Limit("standard_codes", c, n) for c, n in (("cost_group", 10), ("code", 12), ("name", 60))),
    *(Limit("job_codes", c, n) for c, n in (("code", 12), ("name", 60))),
    *(Limit("units", c, n) for c, n in (("unit", 6), ("name", 30))),
    *(Limit("commitments", c, n) for c, n in (("number", 12), ("title", 30), ("marker", 120))),
    Limit("commitment_lines", "description", 60),
)

CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("vendors", "hold"): ("none", "payment", "all"),
    ("jobs", "status"): ("open", "soft_closed", "closed"),
    ("cost_types", "category"): ("labor", "material", "subcontract", "equipment", "other"),
    ("periods", "module"): ("AP", "AR", "JC", "GL"),
    ("periods", "status"): ("open", "soft_closed", "closed", "future"),
    ("commitments", "kind"): ("subcontract", "purchase_order"),
    ("commitments", "status"): ("entering", "open", "closed", "void"),
    ("commitment_lines", "extended_type"): ("manual", "calculated"),
}

RANGES: dict[tuple[str, str], tuple[str, int, int, str]] = {
    ("commitments", "amount_cents"): (
        "DIGITS",
        0,
        MAX_CENTS,
        "a contract sum is 0 or more and has at most 9 digits before the point",
    ),
    ("commitments", "retainage_e4"): ("RETAINAGE", 0, 1_000_000, "retainage is a percentage from 0 to 100"),
    ("commitment_lines", "amount_cents"): (
        "DIGITS",
        -MAX_CENTS,
        MAX_CENTS,
        "a line amount has at most 9 digits before the point",
    ),
    ("commitment_lines", "quantity_e4"): ("DIGITS", -MAX_E4, MAX_E4, "a quantity has at most 9 digits before the point"),
    ("commitment_lines", "unit_cost_e4"): ("DIGITS", -MAX_E4, MAX_E4, "a unit cost has at most 9 digits before the point"),
    ("commitment_lines", "line_no"): ("LINE_NO", 1, 99_999, "a line number is between 1 and 99999"),
}

DATES = (
    *(("jobs", c) for c in ("start_date", "completion_date")),
    *(("periods", c) for c in ("first_day", "last_day")),
    ("commitments", "contract_date"),
)

_VENDOR = "SELECT 1 FROM vendors v WHERE v.vendor_group = NEW.vendor_group AND v.vendor = NEW.vendor AND"
_SURVIVOR = "SELECT 1 FROM vendors v WHERE v.vendor_group = NEW.vendor_group AND v.vendor = NEW.merged_into AND"
_JOB = "SELECT 1 FROM jobs j WHERE j.company = NEW.company AND j.job = NEW.job AND"
_SUB_JOB = "SELECT 1 FROM sub_jobs s WHERE s.company = NEW.company AND s.job = NEW.job AND s.sub_job = NEW.sub_job"
_ON_JOB = "SELECT 1 FROM job_codes c WHERE c.company = NEW.company AND c.job = NEW.job AND c.sub_job = NEW.sub_job AND"
_CODE = f"{_ON_JOB} c.code = NEW.code AND"
_IN_LIST = "SELECT 1 FROM standard_codes c WHERE c.cost_group = NEW.cost_group AND"
_TYPES = (
    "SELECT 1 FROM job_code_types t"
    " WHERE t.company = NEW.company AND t.job = NEW.job AND t.sub_job = NEW.sub_job AND t.code = NEW.code"
)
_COMPANY = "SELECT 1 FROM companies g WHERE g.company = NEW.company AND"
_GROUP_TYPE = (
    "SELECT 1 FROM companies g JOIN cost_types y ON y.cost_group = g.cost_group"
    " WHERE g.company = NEW.company AND y.cost_type = NEW.cost_type"
)
_LINES = "FROM commitment_lines l WHERE l.company = NEW.company AND l.number = NEW.number"
_HEADER = "SELECT 1 FROM commitments h WHERE h.company = {0}.company AND h.number = {0}.number AND"
_SCOPE = ("company", "job", "sub_job")
_LINE_KEY = (*_SCOPE, "code", "cost_type")
_EXTENSION = ("amount_cents", "quantity_e4", "unit_cost_e4", "extended_type")
_LINE_CONTENT = ("job", "sub_job", "code", "cost_type", "description", "unit", *_EXTENSION)
_OPENING = ("vendor_group", "vendor", "status")

# fmt: off
MASTER_RULES: tuple[Rule, ...] = (
    Rule("CURRENCY", "companies", ("currency",), "length(NEW.currency) <> 3 OR NEW.currency <> upper(NEW.currency)",
         "a currency is an ISO code of three capital letters", local=True),
    Rule("CURRENCY", "companies", ("currency",), "EXISTS (SELECT 1 FROM commitments h WHERE h.company = NEW.company)",
         "the currency of a company with documents does not change", events=(UPDATE,)),
    Rule("HOLD_REASON", "vendors", ("hold", "hold_reason"), "NEW.hold <> 'none' AND coalesce(trim(NEW.hold_reason), '') = ''",
         "a vendor is put on hold only with a reason", local=True),
    Rule("MERGE", "vendors", ("merged_into",), "NEW.merged_into = NEW.vendor", "a vendor is not merged into itself", local=True),
    Rule("MERGE", "vendors", ("merged_into",), f"EXISTS ({_SURVIVOR} v.merged_into IS NOT NULL)",
         "the surviving vendor is itself merged into another one"),
    Rule("SUB_JOB_UNKNOWN", "job_codes", _SCOPE, f"NEW.sub_job <> '' AND NOT EXISTS ({_SUB_JOB})",
         "the sub job does not exist on the job"),
    Rule("CODE_PARENT", "job_codes", ("parent",), "NEW.parent = NEW.code", "a cost code is not its own parent", local=True),
    Rule("CODE_PARENT", "standard_codes", ("parent",), "NEW.parent = NEW.code", "a cost code is not its own parent", local=True),
    Rule("CODE_PARENT", "job_codes", ("parent",), f"EXISTS ({_ON_JOB} c.code = NEW.parent AND c.is_header = 0)",
         "the parent of a cost code is a header"),
    Rule("CODE_PARENT", "standard_codes", ("parent",), f"EXISTS ({_IN_LIST} c.code = NEW.parent AND c.is_header = 0)",
         "the parent of a cost code is a header"),
    # A code without children cannot close a circle, so this alone keeps the tree a tree.
    Rule("CODE_PARENT", "job_codes", ("parent", "is_header"), f"EXISTS ({_ON_JOB} c.parent = NEW.code)",
         "a code with codes below it keeps its parent and stays a header", events=(UPDATE,)),
    Rule("CODE_PARENT", "standard_codes", ("parent", "is_header"), f"EXISTS ({_IN_LIST} c.parent = NEW.code)",
         "a code with codes below it keeps its parent and stays a header", events=(UPDATE,)),
    Rule("CODE_HEADER", "job_codes", ("is_header",), f"NEW.is_header = 1 AND EXISTS ({_TYPES})",
         "a code with cost types does not become a header", events=(UPDATE,)),
    Rule("CODE_HEADER", "job_code_types", _LINE_KEY, f"EXISTS ({_CODE} c.is_header = 1)", "a header takes no cost types"),
    Rule("TYPE_UNKNOWN", "job_code_types", _LINE_KEY, f"NOT EXISTS ({_GROUP_TYPE})",
         "the cost type does not exist in the company's cost group"),
    Rule("PERIOD", "periods", ("period", "first_day", "last_day"),
         "length(NEW.period) <> 7 OR substr(NEW.first_day, 1, 7) <> NEW.period OR substr(NEW.last_day, 1, 7) <> NEW.period"
         " OR NEW.first_day > NEW.last_day", "a period is a month YYYY-MM and its first and last day lie in it", local=True),
)

COMMITMENT_RULES: tuple[Rule, ...] = (
    Rule("CHARACTERS", "commitments", ("number",), "NOT IS_PLAIN(NEW.number)",
         "a commitment number has letters, digits and hyphens only", local=True),
    Rule("DUPLICATE", "commitments", ("company", "number"), f"EXISTS ({_HEADER.format('NEW')} 1 = 1)",
         "the commitment number is already used in the company", events=(INSERT,), sqlstate="23505"),
    Rule("MARKER", "commitments", ("marker",),
         "NEW.marker IS NOT NULL AND EXISTS (SELECT 1 FROM commitments h WHERE h.marker = NEW.marker)",
         "a commitment with this marker already exists", sqlstate="23505"),
    Rule("VENDOR_GROUP", "commitments", ("vendor_group",), f"EXISTS ({_COMPANY} g.vendor_group <> NEW.vendor_group)",
         "the vendor is of another vendor group than the company's"),
    Rule("VENDOR_MERGED", "commitments", _OPENING, f"EXISTS ({_VENDOR} v.merged_into IS NOT NULL)",
         "the vendor was merged into another one and takes no new commitments", guard=ENTERING),
    Rule("VENDOR_INACTIVE", "commitments", _OPENING, f"EXISTS ({_VENDOR} v.active = 0)",
         "the vendor is inactive and takes no new commitments", guard=ENTERING),
    Rule("VENDOR_HOLD", "commitments", _OPENING, f"EXISTS ({_VENDOR} v.hold = 'all')",
         "the vendor is on full hold and takes no new commitments", guard=ENTERING),
    Rule("JOB_CLOSED", "commitments", ("job", "status"), f"EXISTS ({_JOB} j.status = 'closed')",
         "the job is closed and takes no new commitments", guard=ENTERING),
    Rule("CURRENCY", "commitments", ("company", "currency"), f"EXISTS ({_COMPANY} g.currency <> NEW.currency)",
         "the commitment's currency is not the company's"),
    Rule("FROZEN", "commitments", ("kind", "job", "vendor_group", "vendor", "currency", "retainage_e4", "amount_cents"),
         "OLD.status <> 'entering'", "kind, job, vendor, currency, retainage and sum of an entered commitment do not change",
         events=(UPDATE,)),
    Rule("FROZEN", "commitments", ("title", "contract_date"), "OLD.status = 'void'", "a void commitment does not change",
         events=(UPDATE,)),
    Rule("FROZEN", "commitments", (), "OLD.status <> 'entering'", "an entered commitment is voided, never deleted",
         events=(DELETE,)),
    Rule("STATUS", "commitments", ("status",),
         "NOT ((OLD.status = 'entering' AND NEW.status = 'open') OR (OLD.status = 'open' AND NEW.status IN ('closed', 'void'))"
         " OR (OLD.status = 'closed' AND NEW.status = 'open'))",
         "a commitment goes from entering to open, from open to closed or void, from closed back to open", events=(UPDATE,)),
    Rule("TOTAL", "commitments", ("status", "amount_cents"), f"NEW.status <> 'entering' AND NOT EXISTS (SELECT 1 {_LINES})",
         "a commitment has at least one line", guard=ENTERING),
    Rule("TOTAL", "commitments", ("status", "amount_cents"),
         f"NEW.status <> 'entering' AND NEW.amount_cents <> (SELECT coalesce(sum(l.amount_cents), 0) {_LINES})",
         "the lines do not add up to the contract sum", guard=ENTERING),
    Rule("FROZEN", "commitment_lines", (), f"EXISTS ({_HEADER.format('NEW')} h.status <> 'entering')",
         "an entered commitment takes no more lines", events=(INSERT,)),
    Rule("FROZEN", "commitment_lines", (), f"EXISTS ({_HEADER.format('OLD')} h.status <> 'entering')",
         "the lines of an entered commitment do not change", events=(DELETE,)),
    Rule("FROZEN", "commitment_lines", _LINE_CONTENT, f"EXISTS ({_HEADER.format('OLD')} h.status <> 'entering')",
         "the lines of an entered commitment do not change", events=(UPDATE,)),
    Rule("LINE_JOB", "commitment_lines", ("job",), f"EXISTS ({_HEADER.format('NEW')} h.job <> NEW.job)",
         "a line is on the job of its commitment"),
    # Otherwise a header could be moved to another job under its lines while it is being entered.
    Rule("LINE_JOB", "commitments", ("job",), f"EXISTS (SELECT 1 {_LINES} AND l.job <> NEW.job)",
         "a line is on the job of its commitment", events=(UPDATE,)),
    Rule("SUB_JOB_UNKNOWN", "commitment_lines", _SCOPE, f"NEW.sub_job <> '' AND NOT EXISTS ({_SUB_JOB})",
         "the line's sub job does not exist on the job"),
    Rule("CODE_HEADER", "commitment_lines", _LINE_KEY, f"EXISTS ({_CODE} c.is_header = 1)",
         "the line's cost code is a header and takes no cost"),
    Rule("CODE_INACTIVE", "commitment_lines", _LINE_KEY, f"EXISTS ({_CODE} c.active = 0)",
         "the line's cost code is inactive on the job"),
    Rule("TYPE_INACTIVE", "commitment_lines", _LINE_KEY,
         f"EXISTS ({_TYPES} AND t.cost_type = NEW.cost_type AND t.active = 0) OR EXISTS ({_GROUP_TYPE} AND y.active = 0)",
         "the line's cost type is inactive for its cost code on the job"),
    Rule("EXTENSION", "commitment_lines", _EXTENSION,
         "NEW.extended_type = 'calculated' AND (NEW.quantity_e4 IS NULL OR NEW.unit_cost_e4 IS NULL)",
         "a calculated line has a quantity and a unit cost", local=True),
    Rule("EXTENSION", "commitment_lines", _EXTENSION,
         "NEW.extended_type = 'calculated' AND NEW.amount_cents <> EXTENDED(NEW.quantity_e4, NEW.unit_cost_e4)",
         "the amount of a calculated line is quantity times unit cost, rounded half away from zero to the cent", local=True),
)
# fmt: on


def _limit_rules(limit: Limit) -> tuple[Rule, ...]:
    where, value = f"{limit.table}.{limit.column}", f"NEW.{limit.column}"
    too_long = f"{where} has at most {limit.length} characters"
    blank = f"{where} is not empty and has no blanks around it"
    return (
        Rule("LENGTH", limit.table, (limit.column,), f"length({value}) > {limit.length}", too_long, local=True),
        Rule("BLANK", limit.table, (limit.column,), f"{value} = '' OR {value} <> trim({value})", blank, local=True),
    )


def _choice_rule(where: tuple[str, str], values: tuple[str, ...]) -> Rule:
    table, column = where
    quoted = ", ".join(f"'{v}'" for v in values)
    sentence = f"{table}.{column} is one of {', '.join(values)}"
    return Rule("CHOICE", table, (column,), f"NEW.{column} NOT IN ({quoted})", sentence, local=True)


def _flag_rules() -> tuple[Rule, ...]:
    return tuple(
        Rule("CHOICE", t, (c,), f"NEW.{c} NOT IN (0, 1)", f"{t}.{c} is 0 or 1", local=True)
        for t in BUSINESS
        for c in ("active", "is_header")
        if c in METADATA.tables[t].columns
    )


def _range_rule(where: tuple[str, str], code: str, low: int, high: int, sentence: str) -> Rule:
    return Rule(code, where[0], (where[1],), f"NEW.{where[1]} < {low} OR NEW.{where[1]} > {high}", sentence, local=True)


def _date_rule(table: str, column: str) -> Rule:
    when = f"NEW.{column} IS NOT NULL AND NOT IS_DATE(NEW.{column})"
    return Rule("DATE", table, (column,), when, f"{table}.{column} is a date YYYY-MM-DD")


def _reference_rules() -> tuple[Rule, ...]:
    """Both ends of each reference: the child names an existing row, and a row that is named is not deleted."""
    rules = []
    for r in REFERENCES:
        pairs = list(zip(r.columns, r.parent_columns, strict=True))
        given = " AND ".join(f"NEW.{c} IS NOT NULL" for c in r.columns)
        found = " AND ".join(f"p.{p} = NEW.{c}" for c, p in pairs)
        named = " AND ".join(f"k.{c} = OLD.{p}" for c, p in pairs)
        missing = f"{given} AND NOT EXISTS (SELECT 1 FROM {r.parent} p WHERE {found})"
        rules.append(Rule(r.code, r.child, r.columns, missing, r.sentence, sqlstate="23503"))
        rules.append(_in_use(r.parent, r.child, named))
    return tuple(rules)


def _in_use(parent: str, child: str, named: str) -> Rule:
    sentence = f"the row of {parent} is still named in {child}"
    return Rule(
        "IN_USE", parent, (), f"EXISTS (SELECT 1 FROM {child} k WHERE {named})", sentence, events=(DELETE,), sqlstate="23503"
    )


def _loose_use() -> tuple[Rule, ...]:
    """References that are no foreign keys: a sub job of '' names none, a cost type is found through the company's group."""
    named = "k.company = OLD.company AND k.job = OLD.job AND k.sub_job = OLD.sub_job"
    group = "SELECT 1 FROM companies g WHERE g.company = k.company AND g.cost_group = OLD.cost_group"
    of_group = f"k.cost_type = OLD.cost_type AND EXISTS ({group})"
    return (
        _in_use("sub_jobs", "job_codes", named),
        _in_use("sub_jobs", "commitment_lines", named),
        _in_use("cost_types", "job_code_types", of_group),
    )


def _key_rules() -> tuple[Rule, ...]:
    """Keys never change: other rows, other systems and the audit trail name them."""
    return tuple(
        Rule("KEY", t, key_columns(t), "1 = 1", f"the key of a row of {t} does not change", events=(UPDATE,)) for t in BUSINESS
    )


ORDER = (
    *(
        "KEY",
        "FROZEN",
        "BLANK",
        "LENGTH",
        "CHARACTERS",
        "CHOICE",
        "DATE",
        "DIGITS",
        "RETAINAGE",
        "LINE_NO",
        "PERIOD",
        "HOLD_REASON",
    ),
    *("DUPLICATE", "MARKER", "COMPANY_UNKNOWN", "COMMITMENT_UNKNOWN", "JOB_UNKNOWN", "LINE_JOB", "JOB_CLOSED", "SUB_JOB_UNKNOWN"),
    *(
        "CUSTOMER_UNKNOWN",
        "VENDOR_UNKNOWN",
        "VENDOR_GROUP",
        "VENDOR_MERGED",
        "VENDOR_INACTIVE",
        "VENDOR_HOLD",
        "MERGE",
        "CURRENCY",
    ),
    *("CODE_UNKNOWN", "CODE_PARENT", "CODE_HEADER", "CODE_INACTIVE", "TYPE_UNKNOWN", "TYPE_UNASSIGNED", "TYPE_INACTIVE"),
    *("UNIT_UNKNOWN", "EXTENSION", "STATUS", "TOTAL", "IN_USE"),
)
"""Every code, in the order in which a row is judged: form first, then what it refers to, then whether that may be used. A line on
a header is told so, not that the header lacks the cost type."""

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (
            *_key_rules(),
            *(rule for limit in LIMITS for rule in _limit_rules(limit)),
            *(_choice_rule(where, values) for where, values in CHOICES.items()),
            *_flag_rules(),
            *(_range_rule(where, *spec) for where, spec in RANGES.items()),
            *(_date_rule(table, column) for table, column in DATES),
            *_reference_rules(),
            *_loose_use(),
            *MASTER_RULES,
            *COMMITMENT_RULES,
        ),
        key=lambda rule: ORDER.index(rule.code),
    )
)
