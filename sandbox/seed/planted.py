"""What the seed did on purpose (docs/domain-rules.md 5.4)."""

from __future__ import annotations

from sandbox.seed import budgets, costs, names
from sandbox.seed.company import Company, planted_commitments
from sandbox.seed.documents import job_documents
from sandbox.seed.ids import FOREIGN, LINKED_VENDORS, NEW_VENDORS, TWIN_CANDIDATE, TWINS
from sandbox.seed.model import Planted
from sandbox.seed.tables import EMPLOYEES, NAMED_JOBS, ODD_EMPLOYEES

_FOREIGN_TEXT = "Procore's record carries the external id of another integration, otherapp-7781"
_TWINS_TEXT = "two ERP vendors and one Procore vendor share a tax id"
_GOOD_TWIN = names.vendor_code(NEW_VENDORS[0])
_PLANTED_VENDORS = (
    Planted(21, "vendors", names.vendor_code(FOREIGN), _FOREIGN_TEXT, "R-01", "conflict", names.vendor_code(LINKED_VENDORS[-1])),
    # Every candidate of an ambiguity is quarantined; Procore's has no code and is known by its name.
    *(
        Planted(22, "vendors", key, _TWINS_TEXT, "V-02", "quarantined", _GOOD_TWIN)
        for key in (*map(names.vendor_code, TWINS), names.vendor_name(TWIN_CANDIDATE))
    ),
)

_GOOD_USER = EMPLOYEES[-1].number
_PLANTED_USERS = tuple(
    Planted(number, "users", employee.number, problem, rule, expected, _GOOD_USER)
    for employee, (number, problem, rule, expected) in zip(
        ODD_EMPLOYEES,
        (
            (28, "the employee has no e-mail", "U-02", "quarantined"),
            (29, "two employees share an e-mail", "V-02", "quarantined"),
            (29, "two employees share an e-mail", "V-02", "quarantined"),
            (30, "a user of Procore has the employee's e-mail and no external id", "2.9", "held"),
        ),
        strict=True,
    )
)

PROBLEMS: dict[int, tuple[str, str, str]] = {
    11: ("the change order's commitment is planted problem 1 and was not sent", "O-01", "held"),
    12: ("a deduction takes the commitment 2,625.50 below what is billed", "O-04", "quarantined"),
    13: ("the vendor has the same invoice number in AP, on job 25-107", "I-04", "quarantined"),
    14: ("billing date June 30, 2026; the period is closed", "I-05", "held"),
    15: ("the summary's total retainage is 10.00 above what the items give", "I-08", "quarantined"),
    16: ("work from previous contains the material stored last month, which still counts as stored", "I-07", "quarantined"),
    17: ("invoice 3 is approved while invoice 2 is under review", "I-03", "held"),
    18: ("bills change order 001, which is planted problem 12 and was not sent", "I-01", "held"),
    19: ("the payment names an invoice that nobody knows", "Y-02", "held"),
    20: ("the check was voided on September 16, after it was linked", "Y-04", "conflict"),
    25: ("the owner was never sent to Procore", "J-04", "held"),
}
"""Problem, rule, expected state, by the numbers of docs/domain-rules.md 5.4."""
TWIN_DOCUMENTS = {
    11: "112-SC-009/001",
    12: "201-SC-005/001",
    13: "098-SC-012-01",
    14: "201-SC-001-02",
    15: "130006-03",
    16: "098-SC-002-02",
    17: "098-SC-004-02",
    18: "201-SC-005-03",
    19: "004688/4417-02",
    20: "004512/4417-01",
    25: "118-PC-001",
}
"""The good record beside each."""


def planted(company: Company) -> list[Planted]:
    """The planted problems of a company; none in a reduced one, which has no faults."""
    if not company.size.whole:
        return []
    found = [*planted_commitments(company.seed), *_PLANTED_VENDORS, *_PLANTED_USERS, *costs.planted(company), *budgets.PLANTED]
    return sorted([*found, *_documents(company)], key=lambda entry: (entry.number, entry.key))


def _documents(company: Company) -> list[Planted]:
    """The problems among the documents of a company that contains the small one."""
    found: list[tuple[int, str, str]] = []
    for job in company.jobs():
        if job.index >= len(NAMED_JOBS):
            break
        documents = job_documents(company, job)
        found += [(change.planted, "commitment_change_orders", change.key) for change in documents.changes]
        found += [(draw.planted, "subcontractor_invoices", draw.number) for draw in documents.invoices if draw.eligible]
        found += [(p.planted, "payments_issued", f"{p.number}/{p.parts[0].number}") for p in documents.payments]
        if documents.prime:
            found.append((documents.prime.planted, "prime_contracts", documents.prime.number))
    return [Planted(number, entity, key, *PROBLEMS[number], TWIN_DOCUMENTS[number]) for number, entity, key in found if number]
