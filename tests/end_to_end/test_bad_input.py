"""Records that are broken, odd or hostile: each is named and stops alone, and the run goes through."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.end_to_end.world import World, done, of

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


def draft(world: World) -> str:
    """A new commitment that would load."""
    number = next(row["number"] for row in world.contracts() if row["status"] == "Draft" and row["kind"] == "work_order_contracts")
    world.edit(number, status="Approved")
    return number


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e400"])
def test_an_amount_that_is_none(world: World, amount: str) -> None:
    number = draft(world)
    spoil_line(world, number, 2, amount=amount)
    world.edit("104-SC-001", title="A good one beside it")
    report = world.quick()
    assert done(report) == {"commitments": {"updated": 1}}
    row = of(report, number)
    assert row["state"] == "quarantined" and number in row["message"]
    assert number not in world.documents()


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"number": None}, "quarantined"),
        ({"title": None}, "quarantined"),
        ({"title": "Tab\tand\x00zero"}, "quarantined"),
        ({"title": 4711}, "quarantined"),
        ({"retainage_percent": "1000"}, "quarantined"),
        ({"retainage_percent": "ten"}, "quarantined"),
        ({"contract_date": "2026-02-31"}, "quarantined"),
        ({"currency_iso_code": "dollars"}, "quarantined"),
        ({"vendor_id": None}, "held"),
    ],
    ids=lambda value: f"{next(iter(value))}-{next(iter(value.values()))}" if isinstance(value, dict) else value,
)
def test_an_odd_header(world: World, values: dict[str, Any], state: str) -> None:
    number = draft(world)
    contract = world.contract(number)
    spoil_column = {name: value for name, value in values.items() if name == "number"}
    spoil(world, contract["kind"], contract["id"], **{k: v for k, v in values.items() if k not in spoil_column})
    if spoil_column:
        with closing(sqlite3.connect(world.folder / "procore.sqlite", timeout=60)) as connection, connection:
            connection.execute("UPDATE objects SET number = NULL WHERE kind = ? AND id = ?", (contract["kind"], contract["id"]))
    world.edit("104-SC-001", title="A good one beside it")
    report = world.quick()
    assert done(report) == {"commitments": {"updated": 1}}, [row for row in report["stopped"]]
    planted = {row["key"] for row in world.control("GET", "/planted")}
    (row,) = [row for row in report["stopped"] if row["entity"] == "commitments" and row["key"] not in planted]
    assert row["state"] == state and row["message"]
    assert len(world.entered()) == 50


@pytest.mark.parametrize("values", [{"name": None}, {"name": "   "}, {"name": 12}, {"ein": 71}], ids=str)
def test_an_odd_vendor_in_procore(world: World, values: dict[str, Any]) -> None:
    """A linked vendor that cannot be read any more is nobody else's business: everything beside it goes on."""
    vendor = next(row for row in world.objects("vendors") if row["origin_id"] == "sandbox:G1:vendors:V-1004")
    spoil(world, "vendors", vendor["id"], **values)
    world.clerk("new_vendor", name="Ashgrove Roofing", tax_id="71-2290415")
    report = world.quick()
    assert done(report) == {"vendors": {"created": 1}}
    assert world.writes() == ["PATCH /vendors/sync"]
    assert len([row for row in world.objects("vendors") if row["origin_code"] == "V-1004"]) == 1


HOSTILE = (
    "Robert'); DROP TABLE--", 'Quote " and \\ slash', "\U0001f3d7 Kran & Söhne", "\u202eעברית\u202c", "<script>alert(1)</script>", "=SUM(A1:A9)", "{name} %s $1",
)  # fmt: skip


def test_hostile_names(world: World) -> None:
    """Whatever a name holds, it arrives as it is, on both sides, and is found again."""
    for number, name in enumerate(HOSTILE):
        world.clerk("new_vendor", name=name, vendor=f"H-{number}", tax_id=f"90-000000{number}")
    number = draft(world)
    world.edit(number, title="x'; DELETE FROM commitments; --")
    report = world.quick()
    assert done(report) == {"vendors": {"created": len(HOSTILE)}, "commitments": {"created": 1}}
    names = {row["origin_code"]: row["name"] for row in world.objects("vendors")}
    assert tuple(names[f"H-{number}"] for number in range(len(HOSTILE))) == HOSTILE
    assert world.documents()[number]["title"] == "x'; DELETE FROM commitments; --" and len(world.documents()) == 91
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
