"""The directory: vendors, their insurance, customers, and users (docs/domain-rules.md 2.1, rules V-01 to V-04, U-01 to U-04)."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, ClassVar, Literal, TypedDict, cast

from pydantic import AfterValidator

from include.financials.entity import Entity
from include.financials.judging.facts import Facts
from include.financials.judging.limits import limits_fault
from include.financials.judging.rules import Rule
from include.financials.judging.shared import ADOPTED, ALIKE, IN_ERP, LEFT_OUT, PARENT_GONE, PEOPLE, SEEN, WHOSE, field_fault
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


class User(Record):
    """An employee in the ERP, a user of the company in Procore; ``number`` is the employee's. One e-mail in two spellings of case
    is one: it is kept in small letters."""

    entity = "users"

    employee_id: str | None = None
    first_name: str | None = None
    last_name: Text
    email: Annotated[str, AfterValidator(str.lower)] | None = None
    job_title: str | None = None
    active: bool = True

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.first_name, self.last_name)))


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


_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class UserRow(TypedDict):
    field_fault: str | None
    email_fault: str | None
    email_there: str | None
    access: str | None


class UserFacts(Facts):
    """Rules U-01 to U-04."""

    row: ClassVar[type] = UserRow

    def header(self, subject: Subject, approved: bool) -> UserRow:
        record = cast(User, subject.record)
        fields = ("employee_id", "first_name", "last_name", "email", "job_title")
        fault = None if record.email else "no e-mail"
        if record.email and not _EMAIL.fullmatch(record.email):
            fault = f"an e-mail that is none ({record.email})"
        return {
            "field_fault": limits_fault(record, self.capability, fields, CALLED["procore"]),
            "email_fault": fault,
            "email_there": self._email_there(record, subject),
            "access": self._access(record, subject),
        }

    @staticmethod
    def _email_there(record: User, subject: Subject) -> str | None:
        """By what else a linked person signs in: that is theirs to change, in Procore."""
        there = cast(User | None, subject.match.target) if subject.match.link is not None else None
        return None if there is None or there.email == record.email else there.email or "nothing"

    @staticmethod
    def _access(record: User, subject: Subject) -> str | None:
        """What somebody did with the account in Procore. Only a change in the ERP opens or closes one: who was locked out there
        is not let in again by us, nor the other way round."""
        there, link = cast(User | None, subject.match.target), subject.match.link
        agreed = (link.content or {}).get("active") if link is not None else None
        if there is None or there.active is record.active or agreed is not record.active:
            return None
        return "active" if there.active else "inactive"


# -- rows -----------------------------------------------------------------------------------------------------------------------

VENDOR = Entity(
    Vendor,
    label="vendor",
    stage=1,
    direction="erp_to_procore",
    content=("name", "code", "tax_id", "active"),
    identity=("tax_id", "code"),
    one_everywhere=("tax_id",),
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
        PARENT_GONE,
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

USER = Entity(
    User,
    label="user",
    stage=1,
    direction="erp_to_procore",
    content=("employee_id", "first_name", "last_name", "email", "job_title", "active"),
    identity=("email", "employee_id"),
    one_everywhere=("email",),
    twins=(("email",), ("employee_id",)),
    frozen=("email",),
    altered_there=("active",),
    alone="is no employee of the ERP",
    listed=True,
    named_by="name",
    facts=UserFacts,
    field_rule="U-01",
    instead=IN_ERP,
    rules=(
        *WHOSE,
        *SEEN,
        ADOPTED,
        field_fault("U-01"),
        Rule("U-02", "email_fault", "absent", "quarantined",
             "Employee {number} ({name}) has {email_fault}, and by that a person signs in to Procore. Correct it in the ERP."),
        Rule("U-03", "access", "absent", "linked",
             "{name} ({number}) is {access} in Procore, and not so in the ERP; nobody's access is changed for that.",
             severity="warning"),
        Rule("U-04", "email_there", "absent", "linked",
             "{name} ({number}) signs in to Procore by {email_there}, and the ERP has another e-mail. We do not change by what a "
             "person signs in: make the two agree by hand.", severity="warning"),
        ALIKE,
        *PEOPLE,
    ),
)  # fmt: skip

ENTITIES = (VENDOR, VENDOR_INSURANCE, CUSTOMER, USER)
