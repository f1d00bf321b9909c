"""The directory: vendors, their insurance, and customers (docs/domain-rules.md 2.1, rules V-01 to V-04)."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal, TypedDict, cast

from include.financials.entity import Entity
from include.financials.judging.facts import Facts
from include.financials.judging.limits import limits_fault
from include.financials.judging.rules import Rule
from include.financials.judging.shared import ADOPTED, ALIKE, IN_ERP, LEFT_OUT, PEOPLE, SEEN, WHOSE, field_fault
from include.financials.judging.subject import Subject
from include.financials.port import CALLED
from include.financials.record import VENDORS, Record, Text

# -- models ---------------------------------------------------------------------------------------------------------------------


class Vendor(Record):
    entity = VENDORS

    name: Text
    code: str | None = None
    tax_id: str | None = None
    active: bool = True
    hold: Literal["none", "payment", "all"] = "none"
    hold_reason: str | None = None
    terms: str | None = None
    address: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    merged_into: str | None = None


class VendorInsurance(Record):
    """One policy of a vendor; ``number`` is the policy number."""

    entity = "vendor_insurances"

    vendor: Text
    insurance_type: str | None = None
    provider: str | None = None
    limit: str | None = None
    effective_date: date | None = None
    expiration_date: date | None = None


class Customer(Record):
    entity = "customers"

    name: Text
    code: str | None = None
    active: bool = True
    address: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None


# -- facts ----------------------------------------------------------------------------------------------------------------------


class CompanyRow(TypedDict):
    field_fault: str | None
    merged_into: str | None
    merged_round: str | None


class CompanyFacts(Facts):
    """Rules V-01 and V-03."""

    row: ClassVar[type] = CompanyRow

    def header(self, subject: Subject, approved: bool) -> CompanyRow:
        record = cast(Vendor | Customer, subject.record)
        fault = limits_fault(record, self.capability, ("name", "code", "tax_id"), CALLED["procore"])
        if fault is None and not record.code:
            fault = "it has no code"
        into = record.merged_into if isinstance(record, Vendor) else None
        survivor = self.books.sync.mergers.survivor(subject.company, subject.own.id) if into is not None else None
        return {
            "field_fault": fault,
            "merged_into": survivor if subject.match.how == "link" else None,
            "merged_round": into if survivor is None else None,
        }


class InsuranceRow(TypedDict):
    vendor_linked: bool
    vendor: str
    insurance_type: str
    field_fault: str | None
    expired: str | None


class InsuranceFacts(Facts):
    """Rule V-04."""

    row: ClassVar[type] = InsuranceRow

    def header(self, subject: Subject, approved: bool) -> InsuranceRow:
        record = cast(VendorInsurance, subject.record)
        start, end = record.effective_date, record.expiration_date
        fault = limits_fault(record, self.capability, ("number", "insurance_type", "provider", "limit"), CALLED["procore"])
        if fault is None and start is not None and end is not None and start > end:
            fault = f"it ends on {end} before it begins on {start}"
        today = self.books.sync.run.until.date()
        return {
            "vendor_linked": self.books.links(VENDORS).find(subject.company, record.vendor) is not None,
            "vendor": record.vendor,
            "insurance_type": record.insurance_type or "cover",
            "field_fault": fault,
            "expired": end.isoformat() if end is not None and end < today else None,
        }


# -- rows -----------------------------------------------------------------------------------------------------------------------

VENDOR = Entity(
    Vendor,
    label="vendor",
    stage=1,
    direction="erp_to_procore",
    content=("name", "code", "tax_id", "active"),
    identity=("tax_id", "code"),
    twins=(("tax_id",), ("code",)),
    shared=True,
    listed=True,
    named_by="name",
    facts=CompanyFacts,
    field_rule="V-01",
    instead=IN_ERP,
    rules=(
        *WHOSE,
        *SEEN,
        ADOPTED,
        field_fault("V-01"),
        ALIKE,
        *PEOPLE,
        Rule("V-03", "merged_into", "absent", "conflict",
             "ERP vendor {number} was merged into {merged_into}. The two are one vendor from now on, in documents of either key; "
             "nothing waits for this. It ends once their companies are merged in Procore as well, into that of {merged_into}."),
        Rule("V-03", "merged_round", "absent", "conflict",
             "ERP vendor {number} was merged into {merged_round}, and that leads in a circle: nobody can say which key stands. "
             "Correct it in the ERP."),
    ),
)  # fmt: skip

VENDOR_INSURANCE = Entity(
    VendorInsurance,
    label="vendor insurance",
    stage=1,
    direction="erp_to_procore",
    content=("number", "vendor", "insurance_type", "provider", "limit", "effective_date", "expiration_date"),
    references={"vendor": VENDORS},
    altered_there=("limit",),
    identity=("vendor+number+insurance_type?",),
    twins=(("vendor", "number"),),
    shared=True,
    facts=InsuranceFacts,
    field_rule="V-04",
    instead=IN_ERP,
    rules=(
        *WHOSE,
        LEFT_OUT,
        *SEEN,
        ADOPTED,
        field_fault("V-04"),
        Rule("V-04", "vendor_linked", "true", "held",
             "Policy {number} waits for vendor {vendor}, which is not linked.", waits_for="vendors {vendor}", refers=True),
        Rule("V-04", "expired", "absent", "linked", "{vendor}: {insurance_type} expired {expired}.", severity="warning"),
        ALIKE,
        *PEOPLE,
    ),
)  # fmt: skip

CUSTOMER = Entity(
    Customer,
    label="customer",
    stage=1,
    direction="erp_to_procore",
    content=("name", "code", "active"),
    identity=("code",),
    twins=(("code",),),
    strangers=VENDORS,
    listed=True,
    facts=CompanyFacts,
    field_rule="V-01",
    instead=IN_ERP,
    rules=(*WHOSE, *SEEN, ADOPTED, field_fault("V-01"), ALIKE, *PEOPLE),
)
