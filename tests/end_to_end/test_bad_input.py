"""Records that are broken, odd or hostile: each is named and stops alone, and the run goes through."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

from tests.end_to_end.world import World, done, of, settings_with

SUBCONTRACT = "PATCH /work_order_contracts/sync"


def spoil(world: World, kind: str, ident: int, **values: Any) -> None:
    """Overwrite stored fields of a record in Procore past all of its checks, as an old import may have left them."""
    with closing(sqlite3.connect(world.folder / "procore.sqlite", timeout=60)) as connection, connection:
        (doc,) = connection.execute("SELECT doc FROM objects WHERE kind = ? AND id = ?", (kind, ident)).fetchone()
        connection.execute(
            "UPDATE objects SET doc = ?, updated_at = '2026-09-30T19:00:00Z' WHERE kind = ? AND id = ?",
            (json.dumps({**json.loads(doc), **values}), kind, ident),
        )


def spoil_line(world: World, number: str, position: int, **values: Any) -> None:
    line = next(line for line in world.lines(number) if line["position"] == position)
    spoil(world, "contract_lines", line["id"], **values)
    contract = world.contract(number)
    spoil(world, contract["kind"], contract["id"])


def drafts(world: World) -> list[str]:
    """Numbers of commitments that would load if they were approved."""
    return [row["number"] for row in world.contracts() if row["status"] in ("Draft", "Out For Signature", "Submitted")]


def draft(world: World) -> str:
    """A new commitment that would load."""
    number = next(
        row["number"] for row in world.contracts() if row["status"] == "Draft" and row["kind"] == "work_order_contracts"
    )
    world.edit(number, status="Approved")
    return number


def unplanted(world: World, report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """State and message of what stopped without having been planted, by number."""
    planted = {row["key"] for row in world.control("GET", "/planted")}
    return {row["key"]: (row["state"], row["message"]) for row in report["stopped"] if row["key"] not in planted}


OPEN = settings_with(gate={"max_failed_records": "1", "max_failed_amount": "1", "one_reason_records": "1"})
"""So many bad ones at once would close the gate; here each is looked at by itself."""


def test_amounts_that_are_none(world: World) -> None:
    bad = dict(zip(drafts(world), ("NaN", "Infinity", "1e400"), strict=False))
    for number, amount in bad.items():
        world.edit(number, status="Approved")
        spoil_line(world, number, 2, amount=amount)
    spoil_line(world, "104-SC-003", 1, amount="NaN")  # linked
    world.edit("104-SC-001", title="A good one beside them")
    report = world.quick(settings=OPEN)
    assert done(report) == {"commitments": {"updated": 1}}
    found = unplanted(world, report)
    assert set(found) == {*bad, "104-SC-003"} and {state for state, _ in found.values()} == {"quarantined"}
    assert all(number in message for number, (_, message) in found.items())
    assert not set(bad) & set(world.documents()) and report["reconciliation"]["balanced"] is True
    world.advance(hours=2)
    assert set(unplanted(world, world.quick(settings=OPEN))) == set(found)  # nobody forgets them


ODD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"number": None}, "quarantined"),
    ({"title": None}, "quarantined"),
    ({"title": "Tab\tand\x00zero"}, "quarantined"),
    ({"title": 4711}, "quarantined"),
    ({"retainage_percent": "1000"}, "quarantined"),
    ({"contract_date": "2026-02-31"}, "quarantined"),
    ({"currency_iso_code": "dollars"}, "quarantined"),
    ({"vendor_id": None}, "held"),
)


def test_odd_headers(world: World) -> None:
    numbers = drafts(world)
    assert len(numbers) == len(ODD)
    wanted = {}
    for number, (values, state) in zip(numbers, ODD, strict=True):
        world.edit(number, status="Approved")
        contract = world.contract(number)
        spoil(world, contract["kind"], contract["id"], **values)
        wanted[str(contract["id"]) if "number" in values else number] = state
        if "number" in values:
            with closing(sqlite3.connect(world.folder / "procore.sqlite", timeout=60)) as connection, connection:
                connection.execute(
                    "UPDATE objects SET number = NULL WHERE kind = ? AND id = ?", (contract["kind"], contract["id"])
                )
    world.edit("104-SC-001", title="A good one beside them")
    report = world.quick(settings=OPEN)
    assert done(report) == {"commitments": {"updated": 1}} and len(world.entered()) == 50
    found = unplanted(world, report)
    assert len(found) == len(ODD) and all(message for _, message in found.values())
    assert {number: state for number, (state, _) in found.items() if number in wanted} == {
        n: s for n, s in wanted.items() if n in found
    }
    assert sorted(state for state, _ in found.values()) == sorted(state for _, state in ODD)


def test_odd_vendors_in_procore(world: World) -> None:
    """A linked vendor that cannot be read any more is nobody else's business, and is not made a second time."""
    linked = [row for row in world.objects("vendors") if (row["origin_id"] or "").startswith("sandbox:G1:vendors:")][:4]
    for vendor, values in zip(linked, ({"name": None}, {"name": "   "}, {"name": 12}, {"ein": 71}), strict=True):
        spoil(world, "vendors", vendor["id"], **values)
    world.clerk("new_vendor", name="Ashgrove Roofing", tax_id="71-2290415")
    count = len(world.objects("vendors"))
    report = world.run()
    assert done(report) == {"vendors": {"created": 1}} and world.writes() == ["PATCH /vendors/sync"]
    assert len(world.objects("vendors")) == count + 1
    assert {linked[0]["origin_code"], linked[1]["origin_code"]} <= set(unplanted(world, report))


HOSTILE = (
    "Robert'); DROP TABLE--",
    'Quote " and \\ slash',
    "\U0001f3d7 Kran & Söhne",
    "\u202eעברית\u202c",
    "<script>alert(1)</script>",
    "=SUM(A1:A9)",
    "{name} %s $1",
)


def test_hostile_names(world: World) -> None:
    """Whatever a name holds, it arrives as it is, on both sides, and is found again."""
    for number, name in enumerate(HOSTILE):
        world.clerk("new_vendor", name=name, vendor=f"H-{number}", tax_id=f"90-000000{number}")
    number = draft(world)
    world.edit(number, title="x'; DROP TABLE vendors; --")
    report = world.quick()
    assert done(report) == {"vendors": {"created": len(HOSTILE)}, "commitments": {"created": 1}}
    names = {row["origin_code"]: row["name"] for row in world.objects("vendors")}
    assert tuple(names[f"H-{number}"] for number in range(len(HOSTILE))) == HOSTILE
    assert world.documents()[number]["title"] == "x'; DROP TABLE vendors; --" and len(world.documents()) == 91
    assert report["reconciliation"]["balanced"] is True
    again = world.run()
    assert done(again) == {} and world.writes() == []


def test_a_name_that_is_too_long_for_the_erp_of_a_commitment(world: World) -> None:
    number = draft(world)
    world.edit(number, title="Ü" * 31)
    report = world.quick()
    row = of(report, number)
    assert (row["state"], row["rule"]) == ("quarantined", "M-11") and "31 characters, the ERP allows 30" in row["message"]
    world.edit(number, title="Ü" * 30)
    assert done(world.quick()) == {"commitments": {"created": 1}} and world.writes() == [SUBCONTRACT]
    assert world.documents()[number]["title"] == "Ü" * 30
