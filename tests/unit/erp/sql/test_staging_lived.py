"""A whole sync with an ERP that takes commitments into a staging table: runs, a clerk, and runs again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.erp.registry import connected, load_mapping
from include.financials.entities import ENTITIES
from include.financials.reconciliation import reconcile
from include.financials.settings import EntitySettings
from include.financials.view import Sync
from tests.unit.erp.sql import test_batches, test_reader_only
from tests.unit.erp.strangers import rows
from tests.unit.financials.pair import World, commitment, in_procore, line, make_settings

MASTERS = test_reader_only.MAPPED
COMMITMENTS = test_batches.MAPPING[test_batches.MAPPING.index("  commitments:") :].replace('    masks: {job: "##-###"}\n', "")
FRAGMENTS = test_batches.MAPPING[test_batches.MAPPING.index("fragments:") : test_batches.MAPPING.index("entities:")]
MAPPING = FRAGMENTS + test_reader_only.MAPPING + COMMITMENTS


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/erp.sqlite")
    tables = [f"CREATE TABLE {name} ({columns})" for name, columns in test_batches.TABLES.items()]
    kinds = {"id": "id INTEGER PRIMARY KEY", "money": "TEXT"}
    with engine.begin() as connection:
        for statement in [*test_reader_only.SCRIPT.split(";"), *(table.format(**kinds) for table in tables)]:
            if statement.strip():
                connection.exec_driver_sql(statement)
    yield engine
    engine.dispose()


@pytest.fixture
def world(engine: sa.Engine, tmp_path: Path) -> Iterator[World]:
    (tmp_path / "staging.yaml").write_text(MAPPING, encoding="utf-8")
    (tmp_path / "world").mkdir()
    made = World(tmp_path / "world")
    entities = dict(make_settings().entities)
    entities |= {name: EntitySettings(writes="off") for name in ENTITIES if name not in (*MASTERS, "commitments")}
    made.settings = make_settings(entities=entities, cost_type_codes={"M": "M", "L": "L"})
    erp: Any = connected(engine.url, load_mapping(tmp_path / "staging.yaml"), origin_system="procore:8089")
    erp.records = {name: [] for name in ENTITIES}  # what the world of these tests looks at, to see what is in use
    made.erp = erp
    yield made
    erp.close()
    made.close()


def run(world: World) -> Sync:
    sync = world.sync(params={"entities": [*MASTERS, "commitments"]})
    for name in sync.run.entities:
        world.stage(sync, name)
    return sync


def clerk(engine: sa.Engine) -> None:
    """Posts what waits, under the ERP's own id."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO subcontract (id, co, no, job, vendor, title, st, amount)"
            " SELECT id + 100, co, no, job, vendor, title, 'O', amount FROM staged"
        )
        connection.exec_driver_sql(
            "INSERT INTO subcontract_line SELECT header + 100, pos, what, code, type, amount FROM staged_line"
        )
        connection.exec_driver_sql("UPDATE procore_reference SET record = 'SC' || (SUBSTR(record, 7) + 100)")
        connection.exec_driver_sql("DELETE FROM staged")
        connection.exec_driver_sql("DELETE FROM staged_line")


def contract(world: World) -> Any:
    """SC-1 as people made it in Procore."""
    return in_procore(
        world,
        commitment(
            "SC-1", project="J-1", vendor="V-1", title="Concrete", retainage_percent=None, contract_date=None,
            lines=(line(1, "100.00", "J-1/03-3000", "M"),),
        ),
    )  # fmt: skip


def test_staged_refused_staged_again_posted_and_linked(world: World, engine: sa.Engine) -> None:
    run(world)
    own = in_procore(
        world,
        commitment(
            "SC-1", project="J-1", vendor="V-1", title="Concrete", retainage_percent=None, contract_date=None,
            lines=(line(1, "100.00", "J-1/03-3000", "M"), line(2, "50.00", "J-1/03-3000", "M")),
        ),
    )  # fmt: skip
    sync = run(world)
    assert world.states(sync, "commitments") == {"SC-1": ("held", "accepted")}
    assert rows(engine, "SELECT no, job, amount FROM staged") == [("SC-1", "J-1", "150.00")]
    found = reconcile(sync)
    assert found.balanced
    assert {(i.code, i.key) for d in found.differences for i in d.explained} == {("UNPOSTED", "SC-1")}
    assert world.states(run(world), "commitments") == {"SC-1": ("held", "accepted")}
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO staged_error SELECT id, 'PHASE_CLOSED: 03-3000' FROM staged")
    refused = run(world)
    assert world.states(refused, "commitments") == {"SC-1": ("quarantined", "refused")}
    assert any(
        "refused there: PHASE_CLOSED: 03-3000" in (one.message or "") for one in world.ledger.outcomes.of(refused.run.run_id)
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM staged_error")
        connection.exec_driver_sql("DELETE FROM staged")
        connection.exec_driver_sql("DELETE FROM staged_line")
        connection.exec_driver_sql("DELETE FROM procore_reference")
    assert world.states(run(world), "commitments") == {"SC-1": ("held", "accepted")}
    clerk(engine)
    posted = run(world)
    assert world.states(posted, "commitments") == {"SC-1": ("updated", "")}
    (link,) = world.ledger.links.of("commitments")
    assert (link.erp_key, link.procore_id, link.status) == ("SC101", own.id, "active")
    assert world.procore.get("commitments", id=own.id).origin_id == f"{test_reader_only.NAMESPACE}:01:commitments:SC101"
    last = run(world)
    assert world.states(last, "commitments") == {"SC-1": ("unchanged", "")} and reconcile(last).balanced
    assert rows(engine, "SELECT COUNT(*) FROM subcontract") == [(1,)] and rows(engine, "SELECT * FROM staged") == []


def test_a_lost_ledger_sends_nothing_that_waits(world: World, engine: sa.Engine, tmp_path: Path) -> None:
    run(world)
    contract(world)
    run(world)
    other = world.without_ledger(tmp_path / "other")
    other.settings, other.erp, other.procore = world.settings, world.erp, world.procore
    run(other)
    assert other.states(run(other), "commitments") == {"SC-1": ("held", "accepted")}
    assert rows(engine, "SELECT COUNT(*) FROM staged") == [(1,)]
    other.close()


def test_a_copy_of_what_waits_is_told_and_neither_is_linked(world: World, engine: sa.Engine) -> None:
    run(world)
    contract(world)
    run(world)
    test_batches.copied(engine)
    assert world.states(run(world), "commitments") == {"SC-1": ("blocked", "twin")}
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO subcontract (id, co, no, job, vendor, title, st, amount)"
            " SELECT 101, co, no, job, vendor, title, 'O', amount FROM staged WHERE id = 1"
        )
        connection.exec_driver_sql("INSERT INTO subcontract_line SELECT 101, pos, what, code, type, amount FROM staged_line")
        connection.exec_driver_sql("UPDATE procore_reference SET record = 'SC101' WHERE record = 'batch 1'")
        connection.exec_driver_sql("DELETE FROM staged WHERE id = 1")
    posted = run(world)
    assert world.states(posted, "commitments") == {"SC-1": ("blocked", "twin")} and world.ledger.links.of("commitments") == []
    (told,) = [one.message for one in world.ledger.outcomes.of(posted.run.run_id) if one.rule == "twin"]
    assert "names more than one of the ERP's commitments (SC101, batch 2)" in told and "have the copy removed there" in told
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM staged")
        connection.exec_driver_sql("DELETE FROM procore_reference WHERE record = 'batch 2'")
    assert world.states(run(world), "commitments") == {"SC-1": ("updated", "")}
    assert [link.erp_key for link in world.ledger.links.of("commitments")] == ["SC101"]
