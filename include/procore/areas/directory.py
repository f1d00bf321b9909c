"""Vendors and customers, which share one directory, the vendors' insurances, users (docs/procore-contract.md 3.1, 3.2, 3.10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from include.financials.entities.directory import Customer, User, Vendor, VendorInsurance
from include.financials.identity import parse_origin
from include.financials.port import Item, Page, Window
from include.procore import payloads
from include.procore.entity import Also, Cursor, Desk, ProcoreEntity
from include.procore.lists import Raw, row_id, unseen
from include.procore.parse import Row, common
from include.procore.payloads import day, numbered, party, same
from include.procore.reading.base import Built, CompanyList, page_of, updated
from include.procore.resources import Resource
from include.procore.writing import plans

INACTIVE_VENDORS = Resource(
    "inactive_vendors",
    docs="3.1",
    list="/rest/v1.0/companies/{company}/vendors/inactive",
    company="path",
    params={"view": "extended"},
    web="/{company}/company/directory/vendors/{id}",
)
VENDORS = Resource(
    "vendors",
    docs="3.1",
    list="/rest/v1.0/vendors",
    show="/rest/v1.0/vendors/{id}",
    company="query",
    wrapper="vendor",
    params={"view": "extended"},
    filters=frozenset({"id", "origin_id", "created_at", "updated_at", "search", "parent_id"}),
    sync="/rest/v1.0/vendors/sync",
    origin_code="sync",
    web="/{company}/company/directory/vendors/{id}",
    events=("Company Vendors",),
    hidden_in=INACTIVE_VENDORS,
    read_as={"business_register_attributes": "business_register.identifier"},
)
INSURANCES = Resource(
    "vendor_insurances",
    docs="3.2",
    list="/rest/v1.0/companies/{company}/insurances",
    company="path",
    wrapper="insurance",
    sync="/rest/v1.0/companies/{company}/insurances/sync",
    sync_scope="path",
    lock="origin_id",
    web="/{company}/company/directory/vendors/{parent}",
    # Written as name, read back as insurance_provider (docs/procore-contract.md 3.2).
    read_as={"name": "insurance_provider"},
)
# The list of the company, inactive users among them; the one below /companies shows active ones only.
USERS = Resource(
    "users",
    docs="3.10",
    list="/rest/v1.3/users",
    company="query",
    wrapper="user",
    filters=frozenset({"origin_id", "created_at", "updated_at", "vendor_id", "trade_id", "search", "active"}),
    sync="/rest/v1.3/companies/{company}/users/sync",
    sync_scope="path",
    permission="the permission Admin on the tool Directory of the company",
    web="/{company}/company/directory/users/{id}",
    events=("Company Users",),
)
RESOURCES = (VENDORS, INACTIVE_VENDORS, INSURANCES, USERS)

# -- building -----------------------------------------------------------------------------------------------------------------


def vendor(row: Row, system: str, scope: str | None = None) -> Vendor:
    register = row.child("business_register")
    name = row.required("name")
    return Vendor(
        **common(row, system),
        number=row.text("origin_code") or name,
        name=name,
        code=row.text("origin_code"),
        tax_id=register.text("identifier") if register else None,
        active=row.flag("is_active", True),
        **_address(row),
    )


def customer(row: Row, system: str, scope: str | None = None) -> Customer:
    name = row.required("name")
    return Customer(
        **common(row, system),
        number=row.text("origin_code") or name,
        name=name,
        code=row.text("origin_code"),
        active=row.flag("is_active", True),
        **_address(row),
    )


def _address(row: Row) -> dict[str, Any]:
    return {"address": row.text("address"), "city": row.text("city"), "state": row.text("state_code"), "zip": row.text("zip")}


def vendor_insurance(row: Row, system: str, scope: str | None = None) -> VendorInsurance:
    """The provider is written as ``name`` and read back as ``insurance_provider``. A policy without a number has its id."""
    return VendorInsurance(
        **common(row, system),
        number=row.text("policy_number") or row.required_id(),
        vendor=row.required_id("vendor_id"),
        insurance_type=row.text("insurance_type"),
        provider=row.text("insurance_provider"),
        limit=row.text("limit"),
        effective_date=row.day("effective_date"),
        expiration_date=row.day("expiration_date"),
    )


def user(row: Row, system: str, scope: str | None = None) -> User:
    """Somebody without an employee's number is known by the e-mail."""
    employee, email = row.text("employee_id"), row.text("email_address")
    return User(
        **common(row, system),
        number=employee or email or row.required_id(),
        employee_id=employee,
        first_name=row.text("first_name"),
        last_name=row.required("last_name"),
        email=email,
        job_title=row.text("job_title"),
        active=row.flag("is_active", True),
    )


# -- reading ------------------------------------------------------------------------------------------------------------------

_LISTS = (VENDORS, INACTIVE_VENDORS)


class Directory:
    """The company's directory: vendors and customers share its lists."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.spare: dict[tuple[str, Window], Page] = {}
        """What a read of the other entity has left over."""

    def pages(self, window: Window, cursor: Cursor) -> Iterator[Page]:
        """Vendors and customers in one pass, mixed.

        Inactive vendors stand in a list of their own, without filters: it is read in full, because an external id on one of them
        would otherwise be taken for free.
        """
        seen: set[str] = set()
        names = [resource.name for resource in _LISTS]
        at = cursor or {"list": names[0], "url": None}
        for index in range(names.index(at["list"]), len(_LISTS)):
            resource = _LISTS[index]
            start = at["url"] if resource.name == at["list"] else None
            following = {"list": names[index + 1], "url": None} if index + 1 < len(_LISTS) else None
            for rows in self._desk.lists.pages(resource, extra=updated(resource, window), start=start):
                goes_on = {"list": resource.name, "url": rows.next_url} if rows.next_url else following
                yield page_of((self.party(row) for row in unseen(rows.rows, seen)), window, goes_on)

    def party(self, row: Any) -> Built:
        """A directory company: a customer if our external id says so, a vendor otherwise."""
        return self._desk.entities[self.entity_of(row)].record(row, self._desk.system)

    def entity_of(self, row: Any) -> str:
        origin = row.get("origin_id") if isinstance(row, dict) else None
        ours = parse_origin(origin, self._desk.system) if isinstance(origin, str) else None
        return "customers" if ours and ours.entity == "customers" else "vendors"

    def by_ids(self, ids: Sequence[str]) -> dict[str, Raw]:
        """Raw rows; inactive vendors are looked for among their own when not among the active ones."""
        found = self._desk.lists.by_ids(VENDORS, ids)
        missing = set(ids) - set(found)
        if missing:
            found.update(self._desk.lists.by_ids(INACTIVE_VENDORS, sorted(missing)))
        return found

    def rows(self) -> Iterator[Raw]:
        seen: set[str] = set()
        return (row for resource in _LISTS for row in unseen(self._desk.lists.objects(resource), seen))


class Parties:
    """The vendors, or the customers, of the directory."""

    def __init__(self, desk: Desk, row: ProcoreEntity) -> None:
        self._directory = desk.one(Directory)
        self._entity = row.name

    def read(self, window: Window, scopes: Sequence[str] | None, cursor: Cursor, also: Also) -> Iterator[Page]:
        spare = self._directory.spare.pop((self._entity, window), None) if cursor is None else None
        if spare is not None:
            yield spare
            return
        other = "vendors" if self._entity == "customers" else "customers"
        rest = Page([])
        for page in self._directory.pages(window, cursor):
            left = _of(other, page)
            rest.records += left.records
            rest.invalid += left.invalid
            # Customers are few; keeping the vendors of a large company for a read that may never come would not be cheap.
            if page.cursor is None and cursor is None and self._entity == "vendors":
                self._directory.spare[other, window] = rest
            yield _of(self._entity, page)

    def read_ids(self, scope: str | None, ids: Sequence[str]) -> Iterator[Page]:
        built: Iterable[Built] = (self._directory.party(row) for row in self._directory.by_ids(ids).values())
        yield page_of((one for one in built if one.entity == self._entity), Window())

    def keys(self, scopes: Sequence[str] | None) -> Iterator[str]:
        return (row_id(row) for row in self._directory.rows() if self._directory.entity_of(row) == self._entity)


def _of(entity: str, page: Page) -> Page:
    return Page(
        [record for record in page.records if record.entity == entity],
        [invalid for invalid in page.invalid if invalid.entity == entity],
        page.cursor,
    )


# -- writing ------------------------------------------------------------------------------------------------------------------


def _tax_id(item: Item) -> payloads.Attributes:
    return {"business_register_attributes": {"type": "ein", "identifier": getattr(item.record, "tax_id", None)}}


_COMPANY: payloads.Fields = {"name": same("name"), "code": numbered, "active": same("active", "is_active")}
_VENDOR: payloads.Fields = {**_COMPANY, "tax_id": _tax_id}
_INSURANCE: payloads.Fields = {
    "vendor": party("vendor"),
    "number": same("number", "policy_number"),
    "insurance_type": same("insurance_type"),
    "provider": same("provider", "name"),
    "limit": same("limit"),
    "effective_date": day("effective_date"),
    "expiration_date": day("expiration_date"),
}
_USER: payloads.Fields = {
    "employee_id": lambda item: {"employee_id": getattr(item.record, "employee_id", None), "is_employee": True},
    "first_name": same("first_name"),
    "last_name": same("last_name"),
    "email": same("email", "email_address"),
    "job_title": same("job_title"),
    "active": same("active", "is_active"),
}
_ADDRESS = {"address": "address", "city": "city", "state": "state_code", "zip": "zip"}
"""Go out when a company is created and never again: Procore owns them from then on."""


def _new_customer(item: Item) -> payloads.Attributes:
    address = {to: getattr(item.record, name) for name, to in _ADDRESS.items() if getattr(item.record, name)}
    return {**payloads.created(_COMPANY)(item), **address}


def _new_vendor(item: Item) -> payloads.Attributes:
    return {**_new_customer(item), **(_tax_id(item) if getattr(item.record, "tax_id", None) else {})}


ENTITIES = (
    ProcoreEntity(
        "vendors",
        resources=(VENDORS,),
        names=("origin_code", "name"),
        reader=Parties,
        build=vendor,
        shown={"name": ("name",), "code": ("origin_code",), "tax_id": ("business_register.identifier",)},
        writes=plans.records(VENDORS, _VENDOR, created=_new_vendor, numbered=True),
    ),
    ProcoreEntity(
        "customers",
        resources=(VENDORS,),
        names=("origin_code", "name"),
        reader=Parties,
        build=customer,
        shown={"name": ("name",), "code": ("origin_code",)},
        writes=plans.records(VENDORS, _COMPANY, created=_new_customer, numbered=True),
    ),
    ProcoreEntity(
        "vendor_insurances",
        resources=(INSURANCES,),
        names=("policy_number",),
        reader=CompanyList,
        build=vendor_insurance,
        shown={"number": ("policy_number",), "vendor": ("vendor_id",), "insurance_type": ("insurance_type",)},
        writes=plans.records(INSURANCES, _INSURANCE),
    ),
    ProcoreEntity(
        "users",
        resources=(USERS,),
        names=("employee_id", "email_address", "name"),
        reader=CompanyList,
        build=user,
        shown={"email": ("email_address",), "employee_id": ("employee_id",)},
        writes=plans.records(USERS, _USER),
    ),
)
