"""What the ledger refuses: one table of rules, rendered as triggers for both databases (docs/domain-rules.md 2.1-2.7, 5.2, 5.5).

What a rule is, is in ``rule.py``; those on the form of a row are in ``forms.py``, on documents in ``documents.py``, on contracts
and their billing in ``billing.py``, on master data and references here.
"""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.erp.billing import billing_rules
from sandbox.erp.documents import document_rules
from sandbox.erp.forms import CHOICES, DATES, LIMITS, RANGES, form_rules
from sandbox.erp.rule import CODE, COST_KEY, DELETE, GROUP_TYPE, INSERT, ON_JOB, SCOPE, SUB_JOB, TYPES, UPDATE, Rule
from sandbox.erp.tables import BUSINESS, METADATA, REFERENCES, key_columns

__all__ = ["CHOICES", "DATES", "DELETE", "INSERT", "LIMITS", "ORDER", "RANGES", "RULES", "UPDATE", "Rule"]

_SURVIVOR = "SELECT 1 FROM vendors v WHERE v.vendor_group = NEW.vendor_group AND v.vendor = NEW.merged_into AND"
_IN_LIST = "SELECT 1 FROM standard_codes c WHERE c.cost_group = NEW.cost_group AND"

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
    Rule("SUB_JOB_UNKNOWN", "job_codes", SCOPE, f"NEW.sub_job <> '' AND NOT EXISTS ({SUB_JOB})",
         "the sub job does not exist on the job"),
    Rule("CODE_PARENT", "job_codes", ("parent",), "NEW.parent = NEW.code", "a cost code is not its own parent", local=True),
    Rule("CODE_PARENT", "standard_codes", ("parent",), "NEW.parent = NEW.code", "a cost code is not its own parent", local=True),
    Rule("CODE_PARENT", "job_codes", ("parent",), f"EXISTS ({ON_JOB} c.code = NEW.parent AND c.is_header = 0)",
         "the parent of a cost code is a header"),
    Rule("CODE_PARENT", "standard_codes", ("parent",), f"EXISTS ({_IN_LIST} c.code = NEW.parent AND c.is_header = 0)",
         "the parent of a cost code is a header"),
    # A code without children cannot close a circle, so this alone keeps the tree a tree.
    Rule("CODE_PARENT", "job_codes", ("parent", "is_header"), f"EXISTS ({ON_JOB} c.parent = NEW.code)",
         "a code with codes below it keeps its parent and stays a header", events=(UPDATE,)),
    Rule("CODE_PARENT", "standard_codes", ("parent", "is_header"), f"EXISTS ({_IN_LIST} c.parent = NEW.code)",
         "a code with codes below it keeps its parent and stays a header", events=(UPDATE,)),
    Rule("CODE_HEADER", "job_codes", ("is_header",), f"NEW.is_header = 1 AND EXISTS ({TYPES})",
         "a code with cost types does not become a header", events=(UPDATE,)),
    Rule("CODE_HEADER", "job_code_types", COST_KEY, f"EXISTS ({CODE} c.is_header = 1)", "a header takes no cost types"),
    Rule("TYPE_UNKNOWN", "job_code_types", COST_KEY, f"NOT EXISTS ({GROUP_TYPE})",
         "the cost type does not exist in the company's cost group"),
    Rule("PERIOD", "periods", ("period", "first_day", "last_day"),
         "length(NEW.period) <> 7 OR substr(NEW.first_day, 1, 7) <> NEW.period OR substr(NEW.last_day, 1, 7) <> NEW.period"
         " OR NEW.first_day > NEW.last_day", "a period is a month YYYY-MM and its first and last day lie in it", local=True),
)
# fmt: on


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


def _loose_use() -> Iterator[Rule]:
    """References that are no foreign keys: a sub job of '' names none, types and tax codes belong to the company's group."""
    named = "k.company = OLD.company AND k.job = OLD.job AND k.sub_job = OLD.sub_job"
    group = "SELECT 1 FROM companies g WHERE g.company = k.company AND g.cost_group = OLD.cost_group"
    for table in BUSINESS:
        columns = METADATA.tables[table].columns
        if "sub_job" in columns and table not in ("sub_jobs", "job_code_types"):
            yield _in_use("sub_jobs", table, named)
        if "tax_code" in columns and table != "tax_codes":
            yield _in_use("tax_codes", table, f"k.tax_code = OLD.tax_code AND EXISTS ({group})")
    yield _in_use("cost_types", "job_code_types", f"k.cost_type = OLD.cost_type AND EXISTS ({group})")


def _key_rules() -> tuple[Rule, ...]:
    """Keys never change: other rows, other systems and the audit trail name them."""
    return tuple(
        Rule("KEY", t, key_columns(t), "1 = 1", f"the key of a row of {t} does not change", events=(UPDATE,)) for t in BUSINESS
    )


ORDER = tuple(
    """
    KEY FROZEN BLANK LENGTH CHARACTERS CHOICE DATE DIGITS RETAINAGE RATE LINE_NO SEQUENCE PERIOD HOLD_REASON VOIDED_ON
    DUPLICATE MARKER COMPANY_UNKNOWN COMMITMENT_UNKNOWN PRIME_UNKNOWN BUDGET_UNKNOWN DOCUMENT_UNKNOWN INVOICE_UNKNOWN
    JOB_UNKNOWN LINE_JOB JOB_CLOSED CONTRACT_CLOSED PERIOD_CLOSED SUB_JOB_UNKNOWN
    CUSTOMER_UNKNOWN VENDOR_UNKNOWN VENDOR_GROUP VENDOR_MERGED VENDOR_INACTIVE VENDOR_HOLD MERGE LINE_VENDOR CONTRACT CURRENCY
    CODE_UNKNOWN CODE_PARENT CODE_HEADER CODE_INACTIVE TYPE_UNKNOWN TYPE_UNASSIGNED TYPE_INACTIVE
    UNIT_UNKNOWN TAX_UNKNOWN LINE_UNKNOWN LINE_CODE REVERSES EXTENSION STATUS TOTAL
    CONTRACT_SUM BILLED RETAINAGE_BALANCE CEILING INVOICE_UNPOSTED PAY_HOLD OVERPAID PAID IN_USE
    """.split()
)
"""Every code, in the order in which a row is judged: form first, then what it refers to, then whether that may be used. A line on
a header is told so, not that the header lacks the cost type."""

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (
            *_key_rules(),
            *form_rules(),
            *_reference_rules(),
            *_loose_use(),
            *MASTER_RULES,
            *document_rules(),
            *billing_rules(),
        ),
        key=lambda rule: ORDER.index(rule.code),
    )
)
