"""Rules of more than one family, each written once; an entity's row takes those that apply to it, in the order of its rules.

A rule whose text differs from entity to entity in one part only is a function of that part.
"""

from __future__ import annotations

from include.financials.judging.rules import Expected, Rule

# -- every record ---------------------------------------------------------------------------------------------------------------

FOREIGN = Rule(
    "R-01", "foreign_origin", "absent", "conflict",
    "{label} {number} already carries external id {foreign_origin}, which is not ours. Another integration may own it. "
    "Clear it there or exclude the record.",
)  # fmt: skip
BROKEN = Rule(
    "R-02", "broken_link", "absent", "conflict",
    "{label} {number}: its link with {erp_key} is broken: {broken_link}. Restore it there, or end the link: {unlink}.",
)  # fmt: skip
LEFT_OUT = Rule(
    "R-05", "left_out", "absent", "held",
    "{label} {number} waits: it refers to {left_out}, and the ERP's mapping leaves {left_out_entity} out. Map them, or take "
    "the reference away.",
    waits_for="{left_out}", refers=True,
)  # fmt: skip
UNREAD = Rule(
    "R-06", "unread", "absent", "held",
    "{label} {number} waits: {unread}, and it is this record or may be. Nothing is written until it is corrected there.",
    waits_for="{unread}",
)  # fmt: skip
HIDDEN = Rule(
    "R-07", "hidden", "absent", "held",
    "{label} {number} waits: {hidden}. Correct or restore it there, or let the service account of the sync "
    "see it.",
    waits_for="{hidden}",
)  # fmt: skip
PARENT_UNREAD = Rule(
    "R-08", "parent_unread", "absent", "held",
    "{label} {number} waits for {parent_unread}, which is not linked yet: what refers to it cannot be compared. Let a run "
    "take both.",
    waits_for="{parent_unread}",
)  # fmt: skip
PARENT_GONE = Rule(
    "R-02", "parent_gone", "absent", "held",
    "{label} {number} waits for {parent_gone}, whose link is broken: what would refer to it is not sent. Restore it, or end its "
    "link.",
    waits_for="{parent_gone}", refers=True,
)  # fmt: skip
ADOPTED = Rule(
    "2.9", "adoption_difference", "absent", "conflict",
    "{label} {number} carries our external id, but its contents differ from {erp_key}: {adoption_difference}. "
    "Decide which side is right.",
)  # fmt: skip

WHOSE = (FOREIGN, BROKEN)
SEEN = (UNREAD, HIDDEN, PARENT_UNREAD)


IN_ERP = "Make the two agree, or end the link ({unlink}), mend it in Procore and link the two again."
"""What to do about master data that was changed in Procore."""


def field_fault(rule_id: str) -> Rule:
    """A field beyond what the target takes."""
    message = "{label} {number}: {field_fault}. We do not truncate."
    return Rule(rule_id, "field_fault", "absent", "quarantined", message)


# -- who is who -----------------------------------------------------------------------------------------------------------------


def ambiguous(rule_id: str, message: str) -> Rule:
    return Rule(rule_id, "ambiguous", "absent", "quarantined", message)


ALIKE = ambiguous("V-02", "{label} {number} ({name}) matches {ambiguous}. Choose one or merge them.")
ALIKE_DOCUMENTS = ambiguous("2.9", "{label} {number} matches {ambiguous}. Choose one of them.")
PROPOSED = Rule(
    "2.9", "proposal", "absent", "held",
    "{label} {number} looks like {proposal}, to which no external id links it.{unlike} {proposal_way}, "
    "make them differ in that.",
    waits_for="decision link {entity} {number}",
)  # fmt: skip
PAIR_APART = Rule(
    "2.9", "pair_apart", "absent", "held",
    "{label} {number} was to be linked with {erp_key} {pair_apart}, or take it back: {unlink}.",
    waits_for="decision link {entity} {number}",
)  # fmt: skip
PARTED = Rule("unlinked", "parted", "absent", "held", "{parted}", waits_for="decision link {entity} {number}", refers=True)

PEOPLE = (PROPOSED, PAIR_APART, PARTED)
"""What people have to say, or said, of two records that may be one."""

# -- documents ------------------------------------------------------------------------------------------------------------------

LINE_TWICE = Rule(
    "R-10", "line_twice", "absent", "quarantined",
    "{label} {number} cannot be compared: {line_twice} has two lines of one key. Number them apart, or make one of them.",
)  # fmt: skip
ENDED_THERE = Rule(
    "R-09", "ended_there", "absent", "conflict",
    "{label} {number} is linked, and {erp_key} was voided in the ERP. Void it in Procore too; or end the link "
    "({unlink}), correct it in Procore and give it a new number: then it is sent anew.",
)  # fmt: skip

ACCEPTED = Rule(
    "accepted", "accepted", "absent", "held", "{label} {number} {accepted}", waits_for="the ERP to post {number}", refers=True
)
OVERDUE = Rule("overdue", "overdue", "absent", "blocked", "{label} {number} {overdue}", refers=True)

OF_PROCORE = (ACCEPTED, OVERDUE, *WHOSE, LEFT_OUT, *SEEN, LINE_TWICE, ENDED_THERE, ADOPTED)
"""What every document of Procore is asked first."""


def altered(instead: str) -> Rule:
    """A linked document of which nothing may change; ``instead`` is the way out of its kind."""
    message = f"{{label}} {{number}} was changed after it was linked: {{altered}}. We write nothing. {instead}"
    return Rule("R-04", "altered", "absent", "conflict", message)


CURRENCY = Rule(
    "R-03", "currency_ok", "true", "quarantined",
    "{number} is in {currency} but job {job} of company {company} is kept in {job_currency}.",
    expects=(Expected("the currency is that of the job in the ERP", "currency", "equal", ("erp_job_currency",)),),
)  # fmt: skip
JOB = Rule(
    "M-01", "job", "present", "held",
    "{number}: project {project_name} {job_problem}.",
    waits_for="projects {project_name}", refers=True,
    expects=(Expected("the project is a job of the ERP", "erp_job", "filled"),),
)  # fmt: skip
JOB_OPEN = Rule(
    "J-02", "job_open", "true", "held",
    "Job {job} is {job_status}. Reopen it or exclude the project; {number} waits.",
    waits_for="projects {job}",
    expects=(
        Expected("the job is open in the ERP", "erp_job_active", "among", (True,)),
        Expected("the project is active in Procore", "project_active", "among", (True,), where=("erp_job",)),
    ),
)  # fmt: skip

PLACED = (CURRENCY, JOB, JOB_OPEN)

POSITION_TWICE = Rule(
    "M-04", "position_twice", "absent", "quarantined",
    "{number} has two lines at position {position_twice}. Number them apart.",
)  # fmt: skip
NUMBER_IN_ERP = Rule(
    "M-10", "number_in_erp", "absent", "conflict",
    "{label} {number} is in the ERP already, on job {number_in_erp}. Renumber it; if the two are "
    "one, make them agree, and they are proposed as one.",
)  # fmt: skip
NUMBER_TWICE = Rule(
    "M-10", "number_twice", "absent", "quarantined",
    "{number} is used twice in Procore ({number_twice}). Renumber one of them.",
)  # fmt: skip

# -- lines with a cost key ------------------------------------------------------------------------------------------------------

CODED = (
    Rule("M-04", "line_uncoded", "absent", "quarantined", "{number} line {position} has no {line_uncoded}.", grain="line",
         expects=(Expected("the line has a cost code", "cost_code", "filled"),
                  Expected("the line has a cost type", "cost_type", "filled", where=("cost_code",)))),
    Rule("J-03", "sub_job_unknown", "absent", "held",
         "Line {position} of {number} uses sub job {sub_job_unknown}, which the ERP does not know.",
         grain="line", waits_for="sub_jobs {sub_job_unknown}"),
    Rule("M-05", "code", "present", "held", "{number} line {position}: code {code_text} {code_problem}.",
         grain="line", waits_for="cost_codes {job}//{code_text}", refers=True,
         expects=(Expected("the cost code is one of the job in the ERP", "erp_code", "filled",
                           where=("erp_job", "cost_code", "cost_type")),)),
    Rule("M-06", "code_leaf", "true", "quarantined",
         "{number} line {position}: {code_text} is a header. Choose one of {children}.", grain="line",
         expects=(Expected("the cost code is no header", "erp_code_is_header", "among", (False,)),)),
    Rule("M-07", "code_active", "true", "quarantined",
         "{number} line {position}: {code_text} is inactive on job {job}.", grain="line",
         expects=(Expected("the cost code is active on the job", "erp_code_active", "among", (True,)),)),
    Rule("M-08", "assigned", "true", "held",
         "{number} line {position}: job {job} has {code_text} but not type {type_text}. "
         "Add the category to the phase in the ERP.",
         grain="line", waits_for="cost_codes {job}//{code_text}",
         expects=(Expected("the job has the code with this cost type", "erp_code_has_type", "among", (True,)),)),
)  # fmt: skip
LINE_SUM = Rule(
    "M-09", "line_difference_cents", "zero", "quarantined",
    "{number} line {position}: {quantity} x {unit_cost} is {line_calculated}, the line says {line_amount}.",
    grain="line",
)  # fmt: skip
LINE_FAULT = Rule("M-11", "line_fault", "absent", "quarantined", "{number} line {position}: {line_fault}.", grain="line")
TAX_UNMAPPED = Rule(
    "M-12", "tax_unmapped", "absent", "quarantined",
    "{number} line {position}: tax code {tax_unmapped} has no counterpart.",
    grain="line",
    expects=(Expected("the tax code is one of the ERP", "erp_tax_code", "filled", where=("tax_code",)),),
)  # fmt: skip

# -- documents of the ERP -------------------------------------------------------------------------------------------------------

JOB_LINKED = Rule(
    "D-03", "project_linked", "true", "held",
    "{label} {number} waits: job {project} is not in Procore yet.",
    waits_for="projects {project}", refers=True,
)  # fmt: skip
CODE_MISSING = Rule(
    "D-03", "code_missing", "absent", "held",
    "{label} {number} waits: {code_missing} is not in Procore yet.",
    waits_for="{code_missing}", refers=True,
)  # fmt: skip
