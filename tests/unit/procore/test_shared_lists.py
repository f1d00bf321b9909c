"""Lists that the days of a backfill share: what is judged comes from them, what is written or asked for by id never does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from include.financials.entities import ENTITIES
from include.financials.entities.jobs import TaxCode
from include.financials.ledger import Ledger
from include.financials.port import Window
from include.financials.reading.kept import KeptLists
from include.procore.areas import WAYS
from include.procore.system import ProcoreSystem
from tests.unit.procore.conftest import Sandbox
from tests.unit.procore.items import item, step, vendor
from tests.unit.procore.reading.test_reading import records

DAY = Window(datetime(2026, 9, 29, 5, tzinfo=UTC), datetime(2026, 9, 30, 5, tzinfo=UTC))


@pytest.fixture
def kept(tmp_path: Path) -> KeptLists:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    ledger.create()
    return KeptLists(UPath(tmp_path / "lists"), ledger, timedelta(minutes=15))


def task(sandbox: Sandbox, kept: KeptLists) -> ProcoreSystem:
    """The system as one task has it."""
    sandbox.forget()
    system = sandbox.system()
    system.share_lists(kept)
    return system


def asked(sandbox: Sandbox) -> set[str]:
    """Paths of the lists and records that were asked for, without their versions."""
    return {row["path"].split("/", 3)[3] for row in sandbox.requests() if row["path"].startswith("/rest/")}


def test_another_day_reads_the_same_and_asks_less(sandbox: Sandbox, kept: KeptLists) -> None:
    """Every entity, of two projects: only lists by time, and what belongs to one document, are asked for again."""
    scopes = list(sandbox.system().keys("projects"))[:2]

    def read(system: ProcoreSystem) -> dict[str, list[Any]]:
        return {
            name: records(system.read(name, window=DAY if row.document else None, scopes=scopes, also=lambda header: False))
            if row.project_scoped
            else records(system.read(name))
            for name, row in ENTITIES.items()
        }

    plain = read(sandbox.system())
    first = read(task(sandbox, kept))
    before = asked(sandbox)
    second = read(task(sandbox, kept))
    assert first == second == plain and sum(map(len, plain.values())) > 100
    assert len(asked(sandbox)) < len(before) / 2
    again = {path.rpartition("/")[2] for path in asked(sandbox)}
    assert not again & {"vendors", "tax_codes", "cost_codes", "wbs_codes", "work_order_contracts", "contract_payments"}


def test_what_somebody_changed_since_is_seen_by_id_and_by_whoever_writes(sandbox: Sandbox, kept: KeptLists) -> None:
    found = {record.number: record for record in records(task(sandbox, kept).read("tax_codes"))}
    known = next(record for record in found.values() if record.origin_id)
    sandbox.as_user("PATCH", f"/tax_codes/{known.id}?company_id=8089", {"tax_code": {"description": "Changed by a person"}})
    system = task(sandbox, kept)
    assert {record.number: record for record in records(system.read("tax_codes"))} == found
    (fresh,) = records(system.read_ids("tax_codes", [(None, known.id)]))
    assert fresh.description == "Changed by a person"
    mine = TaxCode(id=known.number, number=known.number, description=known.description, rate=known.rate)
    entry = item(mine, "G1", procore_id=known.id, origin_id=known.origin_id, changes=("description",))
    (outcome,) = system.find(step("tax_codes", "update"), [entry])
    assert outcome.status == "absent", "the look before a write is at Procore itself"


@pytest.mark.parametrize(("entity", "name"), WAYS)
def test_the_scope_of_a_call_tells_its_project(entity: str, name: str) -> None:
    """What is kept of a project ends with a call for it: no scope begins with another number."""
    refs = {"project": "77", "commitment": "12", "prime_contract": "13", "vendor": "14"}
    scope = WAYS[entity, name].scope(item(vendor("V-1"), refs=refs, procore_id="15"))
    place = scope.partition("/")[0]
    assert not place.isdigit() or (place == "77" and ENTITIES[entity].project_scoped)


def test_a_list_that_ended_half_way_is_not_kept(sandbox: Sandbox, kept: KeptLists, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = task(sandbox, kept).read("vendors")
    next(pages)
    pages.close()
    assert not list(kept.folder.glob("*.json"))
