"""A whole sync with an ERP that may only be read, knows half of the entities and keeps half of their fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.erp.registry import connected, load_mapping
from include.financials import preflight
from include.financials.entities import ENTITIES, OF_ERP
from include.financials.reconciliation import reconcile
from include.financials.settings import EntitySettings
from include.financials.view import Sync
from tests.unit.erp.conftest import database_of
from tests.unit.financials.pair import NAMESPACE, World, budget, in_procore, make_settings

MAPPING = f"""\
system: {NAMESPACE}
entities:
  vendors:
    from: supplier
    key_columns: [no]
    id: no
    company: {{constant: "01"}}
    number: no
    fields: {{name: name, code: no}}
  projects:
    from: job
    key_columns: [no]
    id: no
    company: {{constant: "01"}}
    number: no
    scope: no
    fields:
      name: name
      status: {{column: st, map: {{A: open, C: closed, I: soft_closed}}}}
  cost_types:
    from: SELECT 'M' AS no, 'Material' AS name UNION ALL SELECT 'L', 'Labor'
    key_columns: [no]
    id: no
    company: {{constant: "01"}}
    number: no
    fields: {{name: name, base_type: {{column: no, map: {{M: materials, L: labor}}}}}}
  cost_codes:
    from: phase
    key_columns: [job, no]
    id: "{{job}}/{{no}}"
    company: {{constant: "01"}}
    number: no
    scope: job
    fields:
      project: job
      code: no
      name: name
      cost_types: {{list: type, from: phase_type, join: {{job: job, no: no}}}}
  budgets:
    from: SELECT job, CAST(SUM(dollars) AS TEXT) AS dollars FROM estimate GROUP BY job
    key_columns: [job]
    id: job
    company: {{constant: "01"}}
    number: job
    scope: job
    fields:
      project: job
      amount: {{column: dollars, type: decimal}}
    lines:
      from: SELECT job, no, type, pos, CAST(dollars AS TEXT) AS dollars FROM estimate
      join: {{job: job}}
      order: [pos]
      fields:
        id: "{{job}}/{{pos}}"
        position: pos
        cost_code: "{{job}}/{{no}}"
        cost_type: type
        amount: {{column: dollars, type: decimal}}
"""
SCRIPT = """
CREATE TABLE supplier (no CHAR(8), name TEXT);
INSERT INTO supplier VALUES ('V-1     ', 'Granite Peak'), ('V-2     ', 'Lakeside');
CREATE TABLE job (no CHAR(8), name TEXT, st TEXT);
INSERT INTO job VALUES ('J-1     ', 'School', 'A'), ('J-2     ', 'Bridge', 'A'), ('J-3     ', 'Mall', 'Q');
CREATE TABLE phase (job CHAR(8), no TEXT, name TEXT);
INSERT INTO phase VALUES ('J-1     ', '03-3000', 'Concrete'), ('J-2     ', '03-3000', 'Concrete');
CREATE TABLE phase_type (job CHAR(8), no TEXT, type TEXT);
INSERT INTO phase_type VALUES ('J-1     ', '03-3000', 'M'), ('J-2     ', '03-3000', 'M');
CREATE TABLE estimate (job CHAR(8), no TEXT, type TEXT, pos INTEGER, dollars INTEGER);
INSERT INTO estimate VALUES ('J-1     ', '03-3000', 'M', 1, 1500);
"""
MAPPED = ("vendors", "projects", "cost_types", "cost_codes", "budgets")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path}/erp.sqlite"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in filter(str.strip, SCRIPT.split(";")):
            connection.exec_driver_sql(statement)
    engine.dispose()
    (tmp_path / "reader.yaml").write_text(MAPPING, encoding="utf-8")
    (tmp_path / "world").mkdir()
    made = World(tmp_path / "world")
    entities = {name: EntitySettings(writes="on" if name in MAPPED else "off") for name in ENTITIES}
    made.settings = make_settings(entities=entities, cost_type_codes={"M": "M", "L": "L"})
    erp: Any = connected(url, load_mapping(tmp_path / "reader.yaml"), origin_system="procore:8089")
    erp.records = {name: [] for name in ENTITIES}  # what the world of these tests looks at, to see what is in use
    made.erp = erp
    yield made
    erp.close()
    made.close()


def run(world: World, **params: Any) -> Sync:
    sync = world.sync(params={"entities": list(ENTITIES), **params})
    told = preflight.preflight(sync)["notes"]
    assert sum("no part of the run" in note for note in told) == len(ENTITIES.keys() & OF_ERP.keys()) - len(MAPPED)
    assert "The ERP takes no budgets: those that Procore owns are not written to it." in told
    assert "The ERP does not keep the tax id, active of vendors; not compared." in told
    for name in sync.run.entities:
        world.stage(sync, name)
    assert tuple(name for name in sync.run.entities if not ENTITIES[name].read_only) == MAPPED
    return sync


def test_what_it_has_goes_to_procore_and_nothing_fails(world: World) -> None:
    sync = run(world)
    expected = {
        "vendors": {"V-1", "V-2"}, "projects": {"J-1", "J-2"}, "cost_types": {"M", "L"},
        "cost_codes": {"03-3000"}, "budgets": {"J-1"},
    }  # fmt: skip
    for name, numbers in expected.items():
        outcomes = world.ledger.outcomes.of(sync.run.run_id, name)
        assert {row.number for row in outcomes if row.state == "linked"} == numbers, name
    unread = [row for row in world.ledger.outcomes.of(sync.run.run_id, "projects") if row.state != "linked"]
    assert [(row.number, row.state) for row in unread] == [("J-3", "quarantined")] and "is 'Q'" in unread[0].message
    assert {record.origin_id for record in world.procore.records["vendors"]} == {
        f"{NAMESPACE}:01:vendors:V-1", f"{NAMESPACE}:01:vendors:V-2"
    }  # fmt: skip
    assert reconcile(sync).balanced
    writes = sum(world.procore.applied.values())
    again = run(world)
    assert set(world.counts(again)) == {"unchanged", "quarantined"}
    assert sum(world.procore.applied.values()) == writes and reconcile(again).balanced


def test_a_budget_of_procore_is_not_written_to_it(world: World) -> None:
    run(world)
    project = world.procore.get("projects", number="J-2")
    lines = budget("J-2").lines
    own = in_procore(
        world,
        budget("J-2", lines=tuple(one.model_copy(update={"cost_code": "J-2/03-3000", "cost_type": "M"}) for one in lines)),
        locked=True,
    )
    world.procore.records["budgets"].remove(own)
    world.procore.put(own.model_copy(update={"id": project.id, "project": project.id}))
    sync = run(world)
    assert world.states(sync, "budgets") == {"J-1": ("unchanged", ""), "J-2": ("skipped", "")}
    assert reconcile(sync).balanced


def test_a_field_that_only_procore_has_is_left_alone(world: World) -> None:
    """A tax id that people entered in Procore is not emptied because the ERP has no place for one."""
    run(world)
    world.procore.change("vendors", "V-1", tax_id="12-3456789")
    with database_of(world.erp).engine.begin() as connection:
        connection.exec_driver_sql("UPDATE supplier SET name = 'Granite Peak Concrete' WHERE no LIKE 'V-1%'")
    sync = run(world)
    assert world.states(sync, "vendors")["V-1"] == ("updated", "")
    stored: Any = world.procore.get("vendors", number="V-1")
    assert (stored.name, stored.tax_id) == ("Granite Peak Concrete", "12-3456789")
