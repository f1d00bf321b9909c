"""Insurances, sub jobs and tax codes of the small company (docs/domain-rules.md 5.1, 5.2)."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from sandbox.seed import ANCHOR
from sandbox.seed.company import Company
from sandbox.seed.policies import insurances
from sandbox.seed.sizes import SIZES
from tests.unit.sandbox.seed.conftest import World


def test_two_policies_per_vendor(small: World) -> None:
    """Of the 46 linked and 6 new vendors; 3 expired, 2 within 30 days of the anchor."""
    policies = small.erp("vendor_insurances")
    assert len(policies) == len({row["policy"] for row in policies}) == 2 * 52
    assert set(Counter(row["vendor"] for row in policies).values()) == {2}
    active = {row["vendor"] for row in small.erp("vendors") if row["active"]}
    assert active - {row["vendor"] for row in policies} == {"V-1055", "V-1056", "V-1057"}  # planted
    assert Counter(row["insurance_type"] for row in policies) == {"General liability": 52, "Workers' compensation": 52}
    assert all(row["policy"][:3] == {"G": "GL-", "W": "WC-"}[row["insurance_type"][0]] for row in policies)
    assert all(row["effective_date"] < row["expiration_date"] and row["limit_text"] and row["provider"] for row in policies)
    anchor = f"{ANCHOR:%Y-%m-%d}"
    assert sum(row["expiration_date"] < anchor for row in policies) == 3
    assert sum(anchor <= row["expiration_date"] <= "2026-10-30" for row in policies) == 2


def test_linked_policies_are_equal(small: World) -> None:
    erp = {f"{row['vendor']}/{row['policy']}": row for row in small.erp("vendor_insurances")}
    vendors = {row["id"]: row["origin_code"] for row in small.procore("vendors")}
    linked = small.procore("insurances")
    for row in linked:
        key = row["origin_id"].removeprefix("sandbox:G1:vendor_insurances:")
        other = erp.pop(key)
        assert key == f"{vendors[row['parent_id']]}/{row['policy_number']}"
        for field, column in (("name", "provider"), ("limit", "limit_text"), ("insurance_type", "insurance_type")):
            assert row[field] == other[column]
        assert (row["effective_date"], row["expiration_date"]) == (other["effective_date"], other["expiration_date"])
        assert (row["status"] == "expired") == (row["expiration_date"] < "2026-09-30")
    new = {row["origin_code"] for row in small.procore("vendors")} & {key.split("/")[0] for key in erp}
    assert len(linked) == 88 and len(erp) == 16 and len(new) == 4


def test_expired_cover_does_not_stop_a_contract(small: World) -> None:
    """A vendor with expired cover has a contract that is to load (V-04 only warns)."""
    expired = {row["parent_id"] for row in small.procore("insurances") if row["status"] == "expired"}
    assert [
        c["number"] for c in small.contracts() if c["vendor_id"] in expired and c["status"] == "Approved" and not c["origin_id"]
    ]


def test_sub_jobs(small: World) -> None:
    """One is linked, with its codes; the other is new in the ERP."""
    assert {(row["job"], row["sub_job"], row["name"]) for row in small.erp("sub_jobs")} == {
        ("25-098", "10", "Building"),
        ("25-098", "20", "Site work"),
    }
    (linked,) = small.procore("sub_jobs")
    assert (linked["code"], linked["name"], linked["origin_id"]) == ("20", "Site work", "sandbox:01:sub_jobs:25-098/20")
    keys = {"25-098/20/31", "25-098/20/32", "25-098/20/31-1000", "25-098/20/31-2000"}
    erp = {f"{row['job']}/{row['sub_job']}/{row['code']}": row for row in small.erp("job_codes") if row["sub_job"]}
    assert set(erp) == keys and {key for key, row in erp.items() if row["is_header"]} == {"25-098/20/31", "25-098/20/32"}
    codes = {row["origin_id"].split(":", 3)[3]: row for row in small.procore("cost_codes") if row["sub_job_id"]}
    assert set(codes) == keys and {row["sub_job_id"] for row in codes.values()} == {linked["id"]}
    assert codes["25-098/20/31-1000"]["parent_id"] == codes["25-098/20/31"]["id"] != codes["25-098/20/32"]["id"]
    assert all(codes[key]["name"] == erp[key]["name"] for key in keys)


def test_tax_codes(small: World) -> None:
    erp = {row["tax_code"]: row for row in small.erp("tax_codes")}
    assert {code: row["rate_e4"] for code, row in erp.items()} == {"OH725": 72_500, "OH0": 0, "OH800": 80_000}
    linked = {row["code"]: row for row in small.procore("tax_codes")}
    assert set(linked) == {"OH725", "OH0"}
    for code, row in linked.items():
        assert row["origin_id"] == f"sandbox:G1:tax_codes:{code}" and row["description"] == erp[code]["description"]
        assert Decimal(row["rate1"]) * 10_000 == erp[code]["rate_e4"] and row["archived"] is False


def test_taxed_lines(small: World) -> None:
    """Goods of 104-PO-002, not its freight: 3,608.33 + 1,136.44 + 43.16."""
    (tax,) = (row["id"] for row in small.procore("tax_codes") if row["code"] == "OH725")
    lines = sorted(small.lines(small.contract("104-PO-002")), key=lambda line: line["position"])
    assert [line["tax_code_id"] for line in lines] == [tax, tax, tax, None]
    taxes = [(Decimal(line["amount"]) * Decimal("0.0725")).quantize(Decimal("0.01"), "ROUND_HALF_UP") for line in lines[:3]]
    assert [str(amount) for amount in taxes] == ["3608.33", "1136.44", "43.16"]
    others = [
        line for line in small.procore("contract_lines") if line["tax_code_id"] and line["parent_id"] != lines[0]["parent_id"]
    ]
    assert not others


def test_codes_of_other_integrations_are_not_ours(small: World) -> None:
    """Every external id of ours names its key in canonical JSON, and nothing else but a budget's owner."""
    for kind in ("vendors", "projects", "insurances", "sub_jobs", "tax_codes", "cost_codes", "line_item_types", "direct_costs"):
        for row in small.procore(kind):
            if str(row["origin_id"]).startswith("sandbox:"):
                assert row["origin_data"].endswith(f'"erp_key":"{row["origin_id"].split(":", 3)[3]}"}}'), kind


def test_large_policies() -> None:
    company = Company(size=SIZES["large"])
    seen, ids, linked = set(), set(), 0
    for policy in insurances(company):
        seen.add(policy.policy)
        ids.add(policy.id)
        linked += policy.linked
    assert len(seen) == len(ids) == 200_000 and 170_000 < linked < 180_000
