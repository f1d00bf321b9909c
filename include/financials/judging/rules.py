"""The integrity rules, one row each (docs/domain-rules.md 2; same numbers).

A check first *annotates*: ``facts`` turns a record, its references and its counterpart into a row of plain values, dropping
nothing. A rule then says what one of these values must be, which state follows if it is not, and what a person reads. The same
rows are judged in Python for master data and by Great Expectations at a gate (``gate``); nothing else decides a state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from include.financials.legible import legible

State = Literal["linked", "skipped", "held", "quarantined", "blocked", "conflict"]
Test = Literal["present", "absent", "true", "zero"]

PRECEDENCE: tuple[State, ...] = ("conflict", "quarantined", "blocked", "held")
"""When several rules fail, the state that needs the most care wins; the messages of all are kept."""

TESTS: dict[Test, Callable[[Any], bool]] = {
    "present": lambda value: value is not None,
    "absent": lambda value: value is None,
    "true": lambda value: value is True,
    "zero": lambda value: value == 0,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """``fact`` names the annotated value, ``test`` what it must be.
    ``message`` and ``waits_for`` are filled from the same row."""

    id: str
    entity: str
    fact: str
    test: Test
    state: State
    message: str
    grain: Literal["record", "line"] = "record"
    severity: Literal["critical", "warning"] = "critical"
    waits_for: str | None = None
    refers: bool = False
    """Asks whether what the record refers to is linked. Where it is not, nothing else is judged (``_verdict``): what follows from
    a reference that cannot be translated is no fault of the record."""

    @property
    def name(self) -> str:
        return f"{self.id} {self.fact}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a record (or one of its lines) does not meet."""

    rule: Rule
    id: str
    message: str
    waits_for: str | None


def _every(rule_id: str, entities: str, fact: str, test: Test, state: State, message: str, **rest: Any) -> list[Rule]:
    return [Rule(rule_id, entity, fact, test, state, message, **rest) for entity in entities.split()]


_MASTER = "vendors vendor_insurances customers projects sub_jobs tax_codes cost_types cost_codes"
_ERP_BORN = "direct_costs payments_issued payments_received prime_contracts"
_CHANGES = "commitment_change_orders prime_change_orders"
_INVOICES = "subcontractor_invoices owner_invoices"
_OF_CONTRACT = f"{_CHANGES} {_INVOICES}"
_DOCUMENTS = f"budget_changes commitments {_OF_CONTRACT}"
_IMMUTABLE = f"budget_changes direct_costs {_OF_CONTRACT} payments_issued payments_received prime_contracts"
_CODED = f"commitments {_CHANGES} budget_changes"
_ALL = f"{_MASTER} {_ERP_BORN} {_DOCUMENTS}"
_REFERRING = f"vendor_insurances sub_jobs cost_codes budgets {_ERP_BORN} {_DOCUMENTS}"

FIELD_RULE: dict[str, str] = {
    "vendors": "V-01",
    "vendor_insurances": "V-04",
    "customers": "V-01",
    "projects": "J-01",
    "sub_jobs": "J-03",
    "tax_codes": "M-12",
    "cost_types": "C-02",
    "cost_codes": "C-01",
    "budgets": "B-03",
    "budget_changes": "B-04",
    "direct_costs": "D-04",
    "commitments": "M-11",
    "commitment_change_orders": "O-05",
    "subcontractor_invoices": "I-04",
    "payments_issued": "Y-03",
    "prime_contracts": "P-01",
    "prime_change_orders": "O-05",
    "owner_invoices": "I-04",
    "payments_received": "Y-03",
}
"""The rule that a record fails which cannot be read, or does not fit the target's fields."""


_UNLINK = "end the link (decide unlink {entity} {number})"
_NEXT = f"Put it back and correct it with the next invoice of the contract; or void it in the ERP, {_UNLINK} and send it anew."
_ANOTHER = "Put it back, and issue another change order for the difference."
_ANEW = "Void it in the ERP and enter it there anew: what was paid under one number stays as it was sent."
_IN_ERP = f"Make the two agree, or {_UNLINK}, mend it in Procore and link the two again."

INSTEAD: dict[str, str] = {
    **dict.fromkeys(_MASTER.split(), _IN_ERP),
    "budgets": "Put it back, and issue a budget change in Procore.",
    "budget_changes": "Put it back, and issue another budget change for the difference.",
    "direct_costs": "Put it back, and correct it in the ERP with a reversal and a new entry.",
    "commitments": "Put it back and issue a change order, or end the link: decide unlink {entity} {number}.",
    "commitment_change_orders": _ANOTHER,
    "subcontractor_invoices": _NEXT,
    "payments_issued": _ANEW,
    "prime_contracts": "Put it back, and issue a prime change order.",
    "prime_change_orders": _ANOTHER,
    "owner_invoices": _NEXT,
    "payments_received": _ANEW,
}
"""What to do instead of an edit that is not carried over: the record is locked on the other side, or must not change any more."""


def _not_to_change(rule_id: str, entities: str, fact: str, message: str) -> list[Rule]:
    """A linked document that was edited; the way out is that of its kind."""
    return [Rule(rule_id, name, fact, "absent", "conflict", f"{message} {INSTEAD[name]}") for name in entities.split()]


def _field_rules(template: str, entities: str) -> list[Rule]:
    """A field beyond what the target takes."""
    return [Rule(FIELD_RULE[name], name, "field_fault", "absent", "quarantined", template) for name in entities.split()]


RULES: tuple[Rule, ...] = (
    *_every(
        "R-01", _ALL, "foreign_origin", "absent", "conflict",
        "{label} {number} already carries external id {foreign_origin}, which is not ours. Another integration may own it. "
        "Clear it there or exclude the record.",
    ),
    *_every(
        "R-02", _ALL, "broken_link", "absent", "conflict",
        "{label} {number}: its link with {erp_key} is broken: {broken_link}. Restore it there, or end the link: "
        "decide unlink {entity} {number}.",
    ),
    *_every(
        "R-05", _REFERRING, "left_out", "absent", "held",
        "{label} {number} waits: it refers to {left_out}, and the ERP's mapping leaves {left_out_entity} out. Map them, or take "
        "the reference away.",
        waits_for="{left_out}", refers=True,
    ),
    *_every(
        "R-06", _ALL, "unread", "absent", "held",
        "{label} {number} waits: {unread}, and it is this record or may be. Nothing is written until it is corrected there.",
        waits_for="{unread}",
    ),
    *_every(
        "R-07", f"{_ALL} budgets", "hidden", "absent", "held",
        "{label} {number} waits: {hidden}. Correct or restore it there, or let the service account of the sync "
        "see it.",
        waits_for="{hidden}",
    ),
    *_every(
        "R-08", _ALL, "parent_unread", "absent", "held",
        "{label} {number} waits for {parent_unread}, which is not linked yet: what refers to it cannot be compared. Let a run "
        "take both.", waits_for="{parent_unread}",
    ),
    *_every(
        "R-10", f"budgets direct_costs prime_contracts {_DOCUMENTS}", "line_twice", "absent", "quarantined",
        "{label} {number} cannot be compared: {line_twice} has two lines of one key. Number them apart, or make one of them.",
    ),
    *_every(
        "R-09", _DOCUMENTS, "ended_there", "absent", "conflict",
        "{label} {number} is linked, and {erp_key} was voided in the ERP. Void it in Procore too; or end the link (decide unlink "
        "{entity} {number}), correct it in Procore and give it a new number: then it is sent anew.",
    ),
    *_every(
        "2.9", _ALL, "adoption_difference", "absent", "conflict",
        "{label} {number} carries our external id, but its contents differ from {erp_key}: {adoption_difference}. "
        "Decide which side is right.",
    ),
    *_field_rules("{label} {number}: {field_fault}. We do not truncate.",
                  f"vendors vendor_insurances customers projects sub_jobs tax_codes {_ERP_BORN} {_DOCUMENTS}"),
    # Void comes before changed: it is the one change that a posted payment may show.
    *_every("Y-04", "payments_issued payments_received", "void_since", "absent", "conflict",
            "Payment {void_since} was voided in the ERP after it was sent; payment {procore_id} in Procore must go. Nothing is "
            "deleted there by the sync: have its external id cleared, then delete it (docs/operating.md, Void payments)."),
    *_every("D-05", "direct_costs", "void_since", "absent", "conflict",
            "Job cost {void_since} was voided in the ERP after it was sent. Expected a reversal: post it there, and it is "
            "sent as a cost of its own."),
    *_every("Y-04", "payments_issued payments_received", "unposted_since", "absent", "conflict",
            "Payment {unposted_since} was posted and sent, and is unposted in the ERP again. Post it there, or void it and "
            "remove the payment in Procore."),
    *_every("D-05", "direct_costs", "unposted_since", "absent", "conflict",
            "Job cost {unposted_since} was posted and sent, and is unposted in the ERP again. Post it there, or reverse it."),
    *_every("D-05", "direct_costs", "status_there", "absent", "conflict",
            "Job cost {number} is posted in the ERP, and is {status_there} in Procore any more. Approve it there again."),
    *_not_to_change("R-04", _IMMUTABLE, "altered",
                    "{label} {number} was changed after it was linked: {altered}. We write nothing."),
    *_every("V-04", "vendor_insurances", "vendor_linked", "true", "held",
            "Policy {number} waits for vendor {vendor}, which is not linked.", waits_for="vendors {vendor}", refers=True),
    *_every("V-04", "vendor_insurances", "expired", "absent", "linked",
            "{vendor}: {insurance_type} expired {expired}.", severity="warning"),
    *_every("M-01", "sub_jobs", "project_linked", "true", "held",
            "Sub job {number} waits for job {project}, which is not linked.", waits_for="projects {project}", refers=True),
    *_every("C-02", "cost_types", "mapped", "present", "quarantined",
            "ERP cost type {number} has no counterpart in settings cost_type_codes; add it."),
    *_every("C-01", "cost_codes", "field_fault", "absent", "quarantined", "Cost code {number} of {project}: {field_fault}."),
    *_every(
        "C-01", "cost_codes", "parent_known", "true", "quarantined",
        "Cost code {number} of {project}: its parent {parent} does not exist.",
    ),
    *_every("M-01", "cost_codes", "project_linked", "true", "held",
            "Cost code {number} waits for job {project}, which is not linked.",
            waits_for="projects {project}", refers=True),
    *_every("C-02", "cost_codes", "unmapped_type", "absent", "held",
            "Cost code {number}: cost type {unmapped_type} is not linked.",
            waits_for="cost_types {unmapped_type}", refers=True),
    *_every(
        "V-02", "vendors vendor_insurances customers tax_codes", "ambiguous", "absent", "quarantined",
        "{label} {number} ({name}) matches {ambiguous}. Choose one or merge them.",
    ),
    *_every("2.9", _ERP_BORN, "ambiguous", "absent", "quarantined", "{label} {number} matches {ambiguous}. Choose one of them."),
    *_every("J-01", "projects", "ambiguous", "absent", "quarantined",
            "Job {number} exists twice: {ambiguous}. Nothing under it is synced until one is chosen."),
    *_every("J-03", "sub_jobs", "ambiguous", "absent", "quarantined", "{label} {number} exists twice: {ambiguous}."),
    *_every("C-01", "cost_codes cost_types", "ambiguous", "absent", "quarantined", "{label} {number} exists twice: {ambiguous}."),
    *_every(
        "2.9", _ALL, "proposal", "absent", "held",
        "{label} {number} looks like {proposal}, to which no external id links it.{unlike} If the two are one: decide link "
        "{entity} {number}. If not, make them differ in that.",
        waits_for="decision link {entity} {number}",
    ),
    *_every("2.9", _ALL, "pair_apart", "absent", "held",
            "{label} {number} was to be linked with {erp_key} {pair_apart}, or take it back: decide unlink {entity} {number}.",
            waits_for="decision link {entity} {number}"),
    *_every("unlinked", f"{_ALL} budgets", "parted", "absent", "held", "{parted}", waits_for="decision link {entity} {number}",
            refers=True),
    *_every("V-03", "vendors", "merged_into", "absent", "conflict",
            "ERP vendor {number} was merged into {merged_into}. The two are one vendor from now on, in documents of either key; "
            "nothing waits for this. It ends once their companies are merged in Procore as well, into that of {merged_into}."),
    *_every("V-03", "vendors", "merged_round", "absent", "conflict",
            "ERP vendor {number} was merged into {merged_round}, and that leads in a circle: nobody can say which key stands. "
            "Correct it in the ERP."),
    # -- the gate before commitments ------------------------------------------------------------------------------------------
    *_every("R-03", _DOCUMENTS, "currency_ok", "true", "quarantined",
            "{number} is in {currency} but job {job} of company {company} is kept in {job_currency}."),
    *_every("M-01", _DOCUMENTS, "job", "present", "held",
            "{number}: project {project_name} {job_problem}.", waits_for="projects {project_name}", refers=True),
    *_every("J-02", _DOCUMENTS, "job_open", "true", "held",
            "Job {job} is {job_status}. Reopen it or exclude the project; {number} waits.",
            waits_for="projects {job}"),
    Rule("M-02", "commitments", "vendor_unlinked", "absent", "held",
         "{number}: vendor \"{vendor_name}\" {vendor_unlinked}. {amount} waits. Have accounting enter it, or link the two.",
         waits_for="{vendor_wait}", refers=True),
    Rule("M-02", "commitments", "vendor_usable", "true", "held",
         "{number}: {vendor_problem}. {amount} waits. {vendor_way}",
         waits_for="{vendor_wait}"),
    Rule("M-04", "commitments", "has_lines", "true", "quarantined", "{number} has no schedule of values."),
    *_every("M-04", f"commitments {_CHANGES}", "position_twice", "absent", "quarantined",
            "{number} has two lines at position {position_twice}. Number them apart."),
    *_every("M-04", _CODED, "line_uncoded", "absent", "quarantined",
            "{number} line {position} has no {line_uncoded}.", grain="line"),
    *_every("J-03", _CODED, "sub_job_unknown", "absent", "held",
         "Line {position} of {number} uses sub job {sub_job_unknown}, which the ERP does not know.",
         grain="line", waits_for="sub_jobs {sub_job_unknown}"),
    *_every("M-05", _CODED, "code", "present", "held",
         "{number} line {position}: code {code_text} {code_problem}.",
         grain="line", waits_for="cost_codes {job}//{code_text}", refers=True),
    *_every("M-06", _CODED, "code_leaf", "true", "quarantined",
         "{number} line {position}: {code_text} is a header. Choose one of {children}.", grain="line"),
    *_every("M-07", _CODED, "code_active", "true", "quarantined",
         "{number} line {position}: {code_text} is inactive on job {job}.", grain="line"),
    *_every("M-08", _CODED, "assigned", "true", "held",
         "{number} line {position}: job {job} has {code_text} but not type {type_text}. "
         "Add the category to the phase in the ERP.",
         grain="line", waits_for="cost_codes {job}//{code_text}"),
    *_every("M-09", f"commitments {_CHANGES}", "line_difference_cents", "zero", "quarantined",
         "{number} line {position}: {quantity} x {unit_cost} is {line_calculated}, the line says {line_amount}.", grain="line"),
    Rule("M-09", "commitments", "unit_missing", "absent", "quarantined",
         "{number} line {position}: unit accounting needs {unit_missing}.", grain="line"),
    Rule("M-09", "commitments", "sum_difference_cents", "zero", "quarantined",
         "{number}: lines add up to {lines_sum}, contract says {amount} (difference {sum_difference})."),
    Rule("M-10", "commitments", "number_in_erp", "absent", "conflict",
         "{number} is already used by job {number_in_erp} in the ERP. Renumber, or link to the existing document."),
    *_every("M-10", f"{_CHANGES} budget_changes", "number_in_erp", "absent", "conflict",
         "{label} {number} is in the ERP already, on job {number_in_erp}. Renumber it, or link to the existing document."),
    *_every("M-10", f"commitments {_CHANGES} owner_invoices", "number_twice", "absent", "quarantined",
         "{number} is used twice in Procore ({number_twice}). Renumber one of them."),
    *_every("M-11", f"commitments {_CHANGES}", "line_fault", "absent", "quarantined", "{number} line {position}: "
    "{line_fault}.", grain="line"),
    Rule("M-12", "commitments", "retainage_fault", "absent", "quarantined", "{number}: {retainage_fault}."),
    *_every("M-12", f"commitments {_CHANGES}", "tax_unmapped", "absent", "quarantined",
         "{number} line {position}: tax code {tax_unmapped} has no counterpart.", grain="line"),
    Rule("M-13", "commitments", "total_negative", "absent", "quarantined",
         "{number}: its total is {total_negative}; a commitment cannot be negative."),
    Rule("M-13", "commitments", "approval_wanted", "absent", "held",
         "{number} takes {amount}, above the limit of {approval_wanted}.{approval_ended} Approve it: decide approve commitments "
         "{number}.",
         waits_for="decision approve commitments {number}"),
    Rule("M-13", "commitments", "total_zero", "absent", "linked", "{number} has a total of zero.", severity="warning"),
    Rule("M-13", "commitments", "unexecuted", "absent", "linked",
         "{number} is {status}, but the contract is not executed.", severity="warning"),
    *_not_to_change("M-14", "commitments", "drift", "{number} was changed after it was sent: {drift}."),
    # -- budgets, budget changes, direct costs --------------------------------------------------------------------------------
    Rule("R-02", "budgets", "broken_link", "absent", "conflict",
         "The budget of {number} is linked, but {broken_link}. Restore it, or end the link: decide unlink budgets {number}."),
    Rule("M-01", "budgets", "job", "present", "held",
         "The budget of {project_name} waits: its project is not linked to a job.", waits_for="projects {project_name}",
         refers=True),
    Rule("B-03", "budgets", "line_unlinked", "absent", "held",
         "The budget of {number} waits for {line_unlinked}, which is not linked.", waits_for="{line_unlinked}", refers=True),
    Rule("B-01", "budgets", "owner", "present", "conflict",
         "Job {number} has an estimate of {erp_amount} in the ERP and a budget of {procore_amount} in Procore. Say "
         "which one rules."),
    Rule("B-02", "budgets", "unlocked", "absent", "held",
         "The budget of {number} is not locked. Lock it in Procore to release it.", waits_for="the lock of budget {number}"),
    Rule("B-03", "budgets", "line_unplaced", "absent", "quarantined",
         "Budget of {number}: {line_unplaced}. The whole budget waits so that totals tie."),
    Rule("B-04", "budgets", "changed_after_export", "absent", "conflict",
         "The original budget of {number} was changed after its export: {changed_after_export}. Put it back and issue "
         "a budget change."),
    Rule("B-04", "budgets", "changed_when_locked", "absent", "blocked",
         "The estimate of {number} was changed after Procore locked its budget: {changed_when_locked}. "
         "Put it back, or issue a budget change in Procore."),
    Rule("B-04", "budget_changes", "budget_linked", "true", "held",
         "Budget change {number} waits for the budget of {job}.", waits_for="budgets {job}", refers=True),
    Rule("B-04", "budget_changes", "has_lines", "true", "quarantined", "Budget change {number} has no lines."),
    Rule("B-04", "budget_changes", "transfer_uneven", "absent", "quarantined",
         "Budget change {number}: transfer {transfer_uneven} does not net to zero ({transfer_sum})."),
    *_every("D-03", "direct_costs payments_issued payments_received", "project_linked", "true", "held",
            "{label} {number} waits: job {project} is not in Procore yet.", waits_for="projects {project}", refers=True),
    Rule("D-03", "direct_costs", "vendor_missing", "absent", "held",
         "Job cost {number} waits: {vendor_missing} is not in Procore yet.", waits_for="{vendor_missing}", refers=True),
    *_every("D-03", "direct_costs prime_contracts", "code_missing", "absent", "held",
            "{label} {number} waits: {code_missing} is not in Procore yet.", waits_for="{code_missing}", refers=True),
    Rule("D-02", "direct_costs", "perhaps_covered", "absent", "held",
         "Job cost {number} names invoice {invoice_number}. Its vendor was merged in the ERP and has billed invoice "
         "{perhaps_covered}, for other cost codes: whether it is the same invoice is not certain, and what is billed is not sent "
         "twice. {amount} waits. Name the commitment on the transaction, or give one of the two invoices another number.",
         waits_for="invoice {invoice_number}"),
    Rule("D-04", "direct_costs", "difference_cents", "zero", "quarantined",
         "Job cost {number}: lines {lines_sum} do not add up to {amount}."),
    Rule("D-01", "direct_costs", "date_missing", "absent", "quarantined", "Job cost {number} has no date."),
    Rule("B-05", "budget_changes", "status_back", "absent", "conflict",
         "Budget change {number} was posted to the ERP, and is {status_back} in Procore now. Approve it again, or reverse "
         "{erp_key} in the ERP."),
    # -- documents of a contract ----------------------------------------------------------------------------------------------
    *_every("O-01", "commitment_change_orders", "contract_problem", "absent", "held",
            "Change order {number} waits for {contract}, which {contract_problem}.", waits_for="commitments {contract}",
            refers=True),
    *_every("P-02", "prime_change_orders", "contract_problem", "absent", "held",
            "Change order {number} waits for prime contract {contract}, which {contract_problem}.",
            waits_for="prime_contracts {contract}", refers=True),
    *_every("O-01", "commitment_change_orders", "contract_over", "absent", "held",
            "Change order {number} ({amount}) waits: {contract} is {contract_over} in the ERP and takes no more. Reopen it "
            "there, or void the change order in Procore.", waits_for="the reopening of {contract}"),
    *_every("P-02", "prime_change_orders", "contract_over", "absent", "held",
            "Change order {number} ({amount}) waits: prime contract {contract} is {contract_over} in the ERP and takes no more. "
            "Reopen it there, or void the change order in Procore.", waits_for="the reopening of {contract}"),
    *_every("O-02", _CHANGES, "status_back", "absent", "conflict",
            "Change order {number} was approved and sent, and is {status_back} in Procore now. Approve it again, or reverse "
            "{erp_key} in the ERP."),
    *_every("O-02", _CHANGES, "deleted_since", "absent", "conflict",
            "Change order {number} was sent, and was deleted in Procore since. Restore it, or reverse {erp_key} in the ERP."),
    *_every("I-10", _INVOICES, "status_back", "absent", "conflict",
            "Invoice {number} was sent, and is {status_back} in Procore now. Approve it again, or void {erp_key} in the ERP."),
    *_every("O-03", _CHANGES, "sum_difference_cents", "zero", "quarantined",
            "Change order {number}: lines add up to {lines_sum}, its total is {amount} (difference {sum_difference})."),
    *_every("O-04", _CHANGES, "below_billed", "absent", "quarantined",
            "Change order {number} ({amount}) would leave {contract} {below_billed} below what is already billed ({billed})."),
    *_every("I-01", "subcontractor_invoices", "contract_problem", "absent", "held",
            "Invoice {number} waits for {contract}, which {contract_problem}.", waits_for="commitments {contract}", refers=True),
    *_every("P-03", "owner_invoices", "contract_problem", "absent", "held",
            "Owner invoice {number} waits for prime contract {contract}, which {contract_problem}.",
            waits_for="prime_contracts {contract}", refers=True),
    *_every("I-01", "subcontractor_invoices", "contract_over", "absent", "held",
            "Invoice {number} ({net}) waits: {contract} is {contract_over} in the ERP and takes no more. Reopen it there, or "
            "take the invoice back in Procore.", waits_for="the reopening of {contract}"),
    *_every("P-03", "owner_invoices", "contract_over", "absent", "held",
            "Owner invoice {number} ({net}) waits: prime contract {contract} is {contract_over} in the ERP and takes no more. "
            "Reopen it there, or take the invoice back in Procore.", waits_for="the reopening of {contract}"),
    *_every("I-01", _INVOICES, "change_waiting", "absent", "held",
            "Invoice {number} waits for change order {change_waiting} of {contract}.", waits_for="change order {change_waiting}",
            refers=True),
    Rule("M-02", "subcontractor_invoices", "vendor_unknown", "absent", "held",
         "Invoice {number}: vendor {vendor_unknown} is not in the ERP, or not linked to the vendor that it is there. {net} "
         "waits. Have accounting enter it, or link the two.", waits_for="vendors {vendor_unknown}",
         refers=True),
    *_every("I-03", _INVOICES, "sequence_kept", "true", "held",
            "Invoice {number} is number {sequence} of {contract}; number {sequence_before} is not linked. Send that one first"
            "{opening_offered}.", waits_for="invoice {sequence_before} of {contract}"),
    *_every("I-03", _INVOICES, "billed_before", "absent", "held",
            "Invoice {number} is number {sequence} of {contract}: {billed_before} was billed before it, the ERP has "
            "{erp_billed}. {billed_by}", waits_for="what the ERP has billed on {contract}"),
    *_every("I-04", _INVOICES, "number_in_erp", "absent", "quarantined",
            "Invoice number {number} is in the ERP already ({number_in_erp}). Correct the number, or decide whose it is."),
    Rule("I-04", "subcontractor_invoices", "number_twice", "absent", "quarantined",
         "Invoice number {number} is used twice by its vendor in Procore ({number_twice})."),
    *_every("I-05", _INVOICES, "date_missing", "absent", "quarantined", "Invoice {number} has no billing date."),
    *_every("I-05", _INVOICES, "period_refused", "absent", "quarantined",
            "Period {period_refused} is closed, and the posting policy is to reject. Give invoice {number} ({net}) another "
            "billing date, or reopen the period."),
    *_every("I-05", _INVOICES, "period_closed", "absent", "held",
            "Period {period_closed} is closed. Invoice {number} ({net}) waits; allow posting to {next_open} or reopen "
            "the period.",
            waits_for="period {period_closed}"),
    *_every("I-06", _INVOICES, "unplaced", "absent", "quarantined",
            "Invoice {number} item {unplaced}: it belongs to no line of {contract} that is known."),
    *_every("I-07", _INVOICES, "gross_odd", "absent", "quarantined",
            "Invoice {number} line {gross_odd}: {gross_by_balance} by balances, {gross_by_movement} by movements. "
            "Stored materials are probably counted twice."),
    *_every("I-06", _INVOICES, "completed_odd", "absent", "quarantined",
            "Invoice {number}: items add up to {completed_items}, the summary says {completed_odd} (completed and stored)."),
    *_every("I-08", _INVOICES, "retainage_cents", "zero", "quarantined",
            "Invoice {number}: retainage {retainage} does not follow from {retainage_before} + {retainage_held} - "
            "{retainage_released}."),
    *_every("I-08", _INVOICES, "released_too_much", "absent", "quarantined",
            "Invoice {number} releases {released_too_much}, more than is retained."),
    *_every("I-09", _INVOICES, "overbilled", "absent", "linked",
            "Invoice {number} bills {contract} to {overbilled}. Loaded; please check.", severity="warning"),
    *_every("I-09", "subcontractor_invoices", "pay_held", "absent", "linked",
            "Invoice {number}: vendor {pay_held} is on hold; loaded with the ERP's pay hold.", severity="warning"),
    # -- payments, prime contracts --------------------------------------------------------------------------------------------
    Rule("Y-01", "payments_issued", "contract_linked", "true", "held",
         "Payment {number} pays on {contract}, which is not linked.", waits_for="commitments {contract}", refers=True),
    Rule("Y-01", "payments_received", "contract_linked", "true", "held",
         "Receipt {number} is for prime contract {contract}, which is not linked.", waits_for="prime_contracts {contract}",
         refers=True),
    Rule("Y-02", "payments_issued", "invoice_linked", "true", "held",
         "Payment {number} refers to invoice {invoice_number}, which is not linked.",
         waits_for="subcontractor_invoices {invoice_number}", refers=True),
    Rule("Y-02", "payments_received", "invoice_linked", "true", "held",
         "Receipt {number} refers to owner invoice {invoice_number}, which is not linked.",
         waits_for="owner_invoices {invoice_number}", refers=True),
    Rule("M-01", "prime_contracts", "project_linked", "true", "held",
         "Prime contract {number} waits for job {project}, which is not in Procore yet.", waits_for="projects {project}",
         refers=True),
    Rule("J-04", "prime_contracts", "owner_linked", "true", "held",
         "Prime contract {number}: owner {customer} is not linked to a customer in company {company}.",
         waits_for="customers {customer}", refers=True),
    Rule("P-04", "prime_contracts", "void_since", "absent", "conflict",
         "Prime contract {number} was voided in the ERP; in Procore it stands as it was. Void or delete it there, and what was "
         "billed on it, or reopen it in the ERP."),
    Rule("P-04", "prime_contracts", "void_there", "absent", "conflict",
         "Prime contract {number} is {void_there} in Procore, and open in the ERP. Put it back there, or void it in the "
         "ERP too."),
    Rule("P-01", "prime_contracts", "difference_cents", "zero", "quarantined",
         "Prime contract {number}: lines {lines_sum} differ from {amount}."),
)  # fmt: skip


def rules_of(entity: str) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if rule.entity == entity)


def hidden_rule(entity: str) -> Rule:
    """The rule of what is not shown to us, for a record that was not read far enough to be annotated."""
    return next(rule for rule in RULES if (rule.entity, rule.fact) == (entity, "hidden"))


def judge(rules: Iterable[Rule], rows: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Findings of the rules on annotated rows (all of one grain). A fact that a row lacks is a fault of the code: KeyError."""
    chosen = tuple(rules)
    return [finding(rule, row) for row in rows for rule in chosen if not TESTS[rule.test](row[rule.fact])]


def finding(rule: Rule, row: Mapping[str, Any]) -> Finding:
    waits = legible(rule.waits_for.format_map(row)) if rule.waits_for else None
    return Finding(rule, row["row"], legible(rule.message.format_map(row)), waits)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of one record, its first rule, what it waits for, and everything there is to say about it."""

    state: State
    rule: str | None
    waits_for: str | None
    message: str | None
    warnings: tuple[str, ...]


def verdicts(findings: Iterable[Finding]) -> dict[str, Verdict]:
    """One verdict per record that has findings. With warnings only, the record passes (``linked``) and shows them."""
    by_record: dict[str, list[Finding]] = {}
    for found in findings:
        by_record.setdefault(found.id, []).append(found)
    return {record: _verdict(group) for record, group in by_record.items()}


def _verdict(group: list[Finding]) -> Verdict:
    critical = [found for found in group if found.rule.severity == "critical"]
    if any(found.rule.refers for found in critical):
        # References first: what is not linked is all that can be said of the record (but whose it is, R-01, is never a guess).
        critical = [found for found in critical if found.rule.refers or found.rule.id == "R-01"]
    warnings = tuple(f"{found.rule.id}: {found.message}" for found in group if found.rule.severity == "warning")
    if not critical:
        return Verdict("linked", None, None, None, warnings)
    worst = min(critical, key=lambda found: PRECEDENCE.index(found.rule.state))
    others = [found.message for found in critical if found is not worst]
    message = worst.message + (" Also: " + " ".join(others[:5]) if others else "")
    return Verdict(worst.rule.state, worst.rule.id, worst.waits_for, message, warnings)
