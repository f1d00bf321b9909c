"""Writing records that a sync takes whole: insurances, sub jobs, tax codes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from include.financials.entities.directory import VendorInsurance
from include.financials.entities.jobs import SubJob, TaxCode
from include.financials.port import Item
from include.procore.client import ProcoreClient
from include.procore.system import ProcoreSystem
from tests.unit.procore.conftest import Sandbox
from tests.unit.procore.fake import Answer, FakeProcore
from tests.unit.procore.items import Site, all_of, sent, step


@pytest.fixture
def system(sandbox: Sandbox) -> ProcoreSystem:
    return sandbox.system()


@pytest.fixture
def site(system: ProcoreSystem, sandbox: Sandbox) -> Site:
    found = Site(system)
    assert found.refs()
    sandbox.forget()
    return found


def changed(entry: Item, ident: str | None, *changes: str, **fields: Any) -> Item:
    return replace(entry, procore_id=ident, changes=changes, record=entry.record.model_copy(update=fields))


def test_an_insurance_is_written_under_other_names_than_it_is_read(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    owner = next(iter(all_of(system, "vendors").values())).id
    entry = site.insurance(owner)
    create, update = step("vendor_insurances", "create"), step("vendor_insurances", "update")
    assert system.scope(create, entry) == "company"
    (made,) = system.post(create, [entry])
    assert made.status == "confirmed"
    assert isinstance(made.record, VendorInsurance)
    assert (made.record.provider, made.record.vendor, made.record.number) == ("Neutral Mutual", owner, "GL-9001")
    assert system.find(create, [entry])[0].id == made.id
    renewed = changed(entry, made.id, "expiration_date", "provider", expiration_date=date(2028, 1, 1), provider="Other Mutual")
    assert system.find(update, [renewed])[0].status == "absent"
    assert system.post(update, [renewed])[0].status == "confirmed"
    assert sandbox.system().find(update, [renewed])[0].status == "confirmed"
    (row,) = [
        row
        for row in system.client.get(f"/rest/v1.0/companies/{system.client.company_id}/insurances", {"per_page": 1000}).rows
        if row["policy_number"] == "GL-9001"
    ]
    assert (row["insurance_provider"], row["expiration_date"], row["effective_date"]) == (
        "Other Mutual",
        "2028-01-01",
        "2026-01-01",
    )
    assert row["origin_id"] == "sandbox:01:vendor_insurances:V-9/GL-9001"


def test_an_insurance_is_linked_by_id(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    company = system.client.company_id
    owner = next(iter(all_of(system, "vendors").values())).id
    path = f"/rest/v1.0/companies/{company}/vendors/{owner}/insurances"
    made = system.client.post(path, {"insurance": {"policy_number": "P-1", "name": "By hand"}}).object
    entry = replace(site.insurance(owner), procore_id=str(made["id"]))
    link = step("vendor_insurances", "link")
    assert system.find(link, [entry])[0].status == "absent"
    assert system.post(link, [entry])[0].status == "confirmed"
    assert sandbox.system().find(link, [entry])[0].status == "confirmed"
    assert system.client.get(f"{path}/{made['id']}").object["policy_number"] == "P-1", "a link changes no content"


def test_a_sub_job_names_its_project_twice(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    entry = site.sub_job()
    create, update = step("sub_jobs", "create"), step("sub_jobs", "update")
    assert system.scope(create, entry) == site.project
    (made,) = system.post(create, [entry])
    assert isinstance(made.record, SubJob)
    assert (made.record.number, made.record.name, made.record.project) == ("77", "Part 77", site.project)
    renamed = changed(entry, made.id, "name", name="Tower")
    assert system.post(update, [renamed])[0].status == "confirmed"
    assert sandbox.system().find(update, [renamed])[0].status == "confirmed"
    assert [row["name"] for row in site.get("/rest/v1.0/sub_jobs") if row["code"] == "77"] == ["Tower"]


def test_a_rate_is_a_number_digit_for_digit(fake: FakeProcore, client: ProcoreClient) -> None:
    """1.005 as a float is a little less: what is sent must not have been one."""
    fake.script(
        "/rest/v1.0/tax_codes/sync",
        Answer({"entities": [{"id": 7, "code": "T", "rate1": 1.005, "origin_id": "sandbox:G1:tax_codes:T"}], "errors": []}),
        method="PATCH",
    )
    record = TaxCode(id="T", number="T", description="Sales", rate=Decimal("1.005000"), active=False)
    entry = Item("i-1", record, "G1", "T", "sandbox:G1:tax_codes:T")
    system = ProcoreSystem(client, erp_system="sandbox")
    assert system.post(step("tax_codes", "create"), [entry])[0].status == "confirmed"
    (call,) = fake.asked("/rest/v1.0/tax_codes/sync")
    assert b'"rate1": 1.005000' in call.body
    assert call.json["updates"][0] == {
        "origin_id": "sandbox:G1:tax_codes:T", "code": "T", "description": "Sales", "rate1": 1.005, "archived": True
    }  # fmt: skip


def test_a_tax_code_is_archived_when_it_is_not_active(system: ProcoreSystem, sandbox: Sandbox, site: Site) -> None:
    entry = site.tax_code()
    (made,) = system.post(step("tax_codes", "create"), [entry])
    assert isinstance(made.record, TaxCode)
    assert (made.record.rate, made.record.active) == (Decimal("8.375000"), True)
    ended = changed(entry, made.id, "active", "rate", active=False, rate=Decimal("8.250000"))
    update = step("tax_codes", "update")
    assert system.find(update, [ended])[0].status == "absent"
    assert system.post(update, [ended])[0].status == "confirmed"
    assert sandbox.system().find(update, [ended])[0].status == "confirmed"
    assert len(sent(sandbox)) == 2
