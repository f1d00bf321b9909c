"""What an ERP does not keep is not compared, what it leaves out is out of the run, and both are said once instead of failing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.erp.registry import described_erp
from include.financials import preflight
from include.financials.entities import ENTITIES, MODELS
from include.financials.exceptions import ConfigurationError
from include.financials.port import Capability
from include.financials.reconciliation import reconcile
from include.financials.record import Record
from tests.unit.financials.pair import FULL, World, draft, family, in_procore, invoice, item, plant, prime_contract

CHANGES, INVOICES = "commitment_change_orders", "subcontractor_invoices"


def forget(world: World, entity: str, *fields: str, told: bool = True) -> None:
    """An ERP without a place for these fields; ``told``: whether its capability says so."""
    model = MODELS[entity]
    line = model.line
    lines = {f"lines.{name}" for name in line.model_fields} | {"lines.key"} if line else set()
    every = {*model.model_fields, *ENTITIES[entity].content, *lines}
    if told:
        capability = replace(FULL, keeps=frozenset(every - set(fields)))
        world.erp.capability = {**world.erp.capability, entity: capability}
    shown = world.erp.shown

    def bare(record: Record) -> Record:
        found = shown(record)
        if found.entity != entity:
            return found
        empty = {name: model.model_fields[name].get_default() for name in fields if "." not in name}
        inner = [name.removeprefix("lines.") for name in fields if name.startswith("lines.") and name != "lines.key"]
        if inner and line is not None:
            none = {name: line.model_fields[name].get_default() for name in inner}
            empty["lines"] = tuple(one.model_copy(update=none) for one in found.lines)  # type: ignore[attr-defined]
        return found.model_copy(update=empty)

    world.erp.shown = bare  # type: ignore[method-assign]


def without(world: World, *entities: str, writes: str = "off") -> None:
    """A mapping that leaves these out, and whose writes are set so."""
    world.erp.capability = {name: can for name, can in world.erp.capability.items() if name not in entities}
    for name in entities:
        world.erp.records[name] = []
    switch(world, writes, *entities)


def switch(world: World, writes: str, *entities: str) -> None:
    chosen = {name: world.settings.of(name).model_copy(update={"writes": writes}) for name in entities}
    world.settings = world.settings.model_copy(update={"entities": {**world.settings.entities, **chosen}})


def said(world: World, entity: str) -> dict[str, str]:
    return {row.number: row.message or "" for row in world.ledger.outcomes.of(f"run-{world.runs}", entity)}


# -- keeps

UNKEPT = (
    (CHANGES, ("title",)),
    ("prime_change_orders", ("title",)),
    ("prime_change_orders", ("markup",)),
    ("budget_changes", ("title",)),
    ("commitments", ("title", "retainage_percent", "contract_date")),
    ("commitments", ("lines.tax_code", "lines.unit")),
    (CHANGES, ("lines.line",)),
    (INVOICES, ("billing_date",)),
    (INVOICES, ("held", "released", "lines.held", "lines.released")),
    (INVOICES, ("tax", "lines.tax")),
    ("owner_invoices", ("lines.change_order", "lines.line", "lines.key")),
    ("direct_costs", ("description", "invoice_number")),
    ("prime_contracts", ("title", "retainage_percent", "contract_date")),
    ("vendors", ("tax_id",)),
    ("projects", ("start_date", "completion_date", "currency")),
    ("tax_codes", ("description",)),
    ("vendor_insurances", ("provider", "limit")),
)
"""(entity, fields that an ERP may well not have)."""


@pytest.mark.parametrize(("entity", "fields"), UNKEPT)
def test_a_field_that_the_erp_does_not_keep_is_no_difference(full: World, entity: str, fields: tuple[str, ...]) -> None:
    forget(full, entity, *fields)
    before = full.writes()
    sync = full.run(of=family(entity))
    assert set(full.counts(sync)) == {"unchanged"}, full.states(sync, entity)
    assert full.writes() == before
    assert reconcile(sync).balanced


@pytest.mark.parametrize(("entity", "fields"), UNKEPT)
def test_nor_is_it_when_a_lost_ledger_is_made_again(
    stocked: tuple[World, World], adopted: World, tmp_path: Path, entity: str, fields: tuple[str, ...]
) -> None:
    """Documents find their masters taken up; a master is looked at by a ledger that knows nothing yet."""
    document = ENTITIES[entity].document
    twin = adopted if document else stocked[1].without_ledger(tmp_path / "again")
    forget(twin, entity, *fields)
    sync = twin.run(of=family(entity) if document else ())
    assert set(twin.counts(sync)) == {"adopted"} and twin.writes() == 0, twin.states(sync, entity)
    assert reconcile(sync).balanced
    twin.close()


def test_that_field_was_a_conflict_where_the_capability_does_not_tell(full: World) -> None:
    """Proof that the fault of these tests is one."""
    forget(full, CHANGES, "title", told=False)
    sync = full.run(of=[CHANGES])
    assert {rule for _, rule in full.states(sync, CHANGES).values()} == {"R-04"}


def test_what_a_system_says_of_itself_is_said_by_preflight(full: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = full.sync()
    erp, note = sync.systems["erp"], "The mapping our_erp.yaml is accepted on 2026-10-01 for stages 1 to 3."
    health = replace(erp.check(), notes=(note,))
    assert note not in preflight.preflight(sync)["notes"]
    monkeypatch.setattr(erp, "check", lambda: health)
    assert note in preflight.preflight(sync)["notes"]


def test_what_the_erp_does_not_keep_is_said_once(full: World) -> None:
    forget(full, CHANGES, "title")
    forget(full, INVOICES, "tax", "lines.tax")
    told = preflight.preflight(full.sync())["notes"]
    assert told == [
        "The ERP does not keep the title of commitment change orders; not compared.",
        "The ERP does not keep the tax, line tax of subcontractor invoices; not compared.",
    ]


def test_another_change_of_the_same_document_is_still_seen(full: World) -> None:
    forget(full, CHANGES, "title")
    full.procore.change(CHANGES, "SC-1/001", title="Another", amount=Decimal("16.00"))
    sync = full.run(of=[CHANGES])
    assert full.states(sync, CHANGES) == {"SC-1/001": ("conflicts", "R-04")}
    assert "amount 15 -> 16" in said(full, CHANGES)["SC-1/001"] and "title" not in said(full, CHANGES)["SC-1/001"]


def test_a_mapping_that_begins_to_keep_a_field_makes_no_conflict_of_the_past(full: World) -> None:
    forget(full, "vendor_insurances", "provider")
    full.run(of=["vendors", "vendor_insurances"])
    full.erp.capability = {**full.erp.capability, "vendor_insurances": FULL}
    del full.erp.shown
    sync = full.run(of=["vendors", "vendor_insurances"])
    assert set(full.counts(sync)) == {"unchanged"}


def test_a_contract_without_titles_needs_none(ready: World) -> None:
    forget(ready, "commitments", "title")
    draft(ready, title=None)
    assert ready.states(ready.run(of=["commitments"]), "commitments") == {"SC-1": ("created", "")}


# -- left out


def test_what_the_mapping_leaves_out_with_writes_off_is_out_of_the_run(full: World) -> None:
    without(full, "owner_invoices", "payments_received", "vendor_insurances")
    sync = full.sync(params={"entities": list(ENTITIES)})
    told = preflight.preflight(sync)["notes"]
    assert set(ENTITIES) - set(sync.run.entities) == {"owner_invoices", "payments_received", "vendor_insurances"}
    assert told[:3] == [
        f"The ERP's mapping leaves {name} out and their writes are off: they are no part of the run."
        for name in ("vendor insurances", "owner invoices", "payments received")
    ]
    before = full.writes()
    sync = full.run()
    assert set(full.counts(sync)) == {"unchanged"} and full.writes() == before
    assert reconcile(sync).balanced


def test_what_is_left_out_with_writes_on_is_a_problem_with_a_next_step(full: World) -> None:
    without(full, "owner_invoices", writes="on")
    with pytest.raises(ConfigurationError) as caught:
        preflight.preflight(full.sync())
    assert "erp cannot read owner_invoices, which its mapping leaves out" in str(caught.value)
    assert "set entities.owner_invoices.writes to off" in str(caught.value)


@pytest.mark.parametrize("mapping", ["acumatica", "business_central"])
def test_what_has_no_place_in_an_erp_stops_the_run_that_wants_it_written(full: World, mapping: str) -> None:
    """Neither ERP's public API has one for the prime side and for budget changes; budgets are read there, and not written."""
    there = described_erp(mapping).capabilities()
    prime = ("prime_contracts", "prime_change_orders", "owner_invoices", "payments_received", "budget_changes")
    full.erp.capability = {name: can for name, can in full.erp.capability.items() if name not in prime} | {
        "budgets": there["budgets"]
    }
    assert not set(prime) & set(there)
    with pytest.raises(ConfigurationError) as caught:
        preflight.preflight(full.sync())
    for name in prime:
        assert f"erp cannot read {name}, which its mapping leaves out, but entities.{name}.writes is on" in str(caught.value)
    switch(full, "off", *prime)
    told = preflight.preflight(full.sync())["notes"]
    assert "The ERP takes no budgets: those that Procore owns are not written to it." in told


def test_without_a_preflight_it_is_not_taken_for_an_empty_list(full: World) -> None:
    """Every linked vendor would be gone from the ERP."""
    without(full, "vendors", writes="on")
    with pytest.raises(ConfigurationError, match="erp cannot read vendors, which its mapping leaves out"):
        full.run(params={"entities": ["vendors"]})


def test_a_mapped_entity_without_statements_and_writes_on_is_a_problem_too(full: World) -> None:
    full.erp.capability = {**full.erp.capability, "commitments": Capability(read=True)}
    with pytest.raises(ConfigurationError, match=r"erp cannot create commitments.*set entities\.commitments\.writes to off"):
        preflight.preflight(full.sync())
    switch(full, "off", "commitments")
    preflight.preflight(full.sync())


def test_what_refers_to_something_left_out_is_held_for_that_alone(ready: World) -> None:
    """Two things are wrong with the contract: its owner cannot be placed, and that makes the other meaningless."""
    without(ready, "customers")
    ready.erp.put(prime_contract("PC-2", amount=Decimal("1.00")))
    sync = ready.run(params={"entities": [n for n in ENTITIES if n in ("projects", "cost_codes", "prime_contracts")]})
    assert ready.states(sync, "prime_contracts")["PC-2"] == ("held", "R-05")
    message = said(ready, "prime_contracts")["PC-2"]
    assert message == (
        "Prime contract PC-2 waits: it refers to customer C-1, and the ERP's mapping leaves customers out. Map them, or take the "
        "reference away."
    )


def test_a_procore_document_names_what_is_left_out_as_people_do(ready: World) -> None:
    without(ready, "tax_codes")
    plant(ready, "commitments")
    sync = ready.run(params={"entities": ["commitments"]})
    assert ready.states(sync, "commitments") == {"SC-1": ("held", "R-05")}
    assert "it refers to tax code T-1, and the ERP's mapping leaves tax codes out" in said(ready, "commitments")["SC-1"]


def test_an_erp_without_a_calendar_judges_posting_dates_itself(ready: World) -> None:
    draft(ready)
    ready.run(of=["commitments"], reconciled=False)
    ready.erp.records["periods"] = []
    in_procore(ready, invoice(1, items=(item("L1", "10.00", "1.00"),), billing_date=date(2026, 1, 31)))
    assert ready.states(ready.run(of=[INVOICES]), INVOICES) == {"N-1": ("created", "")}
    told = preflight.preflight(ready.sync())["notes"]
    assert "The ERP's mapping leaves periods out: whether a posting date lies in an open one is left to the ERP." in told


def test_an_erp_whose_codes_take_every_type_holds_no_document_for_its_type(ready: World) -> None:
    """It keeps no list of a code's types: a document is not held for what is nowhere."""
    forget(ready, "cost_codes", "cost_types")
    plant(ready, "commitments")
    sync = ready.run(params={"entities": ["commitments"]})
    assert ready.states(sync, "commitments") == {"SC-1": ("created", "")}


# -- reader only

DOCUMENTS = [name for name, row in ENTITIES.items() if row.target == "erp" and not row.read_only]


def reader_only(world: World) -> None:
    world.erp.capability = {name: Capability(read=True) for name in ENTITIES}
    world.erp.steps_of = {}
    switch(world, "off", *DOCUMENTS)


def test_a_reader_only_erp_may_have_its_budgets_on(stages: dict[str, World], tmp_path: Path) -> None:
    world = stages["budgets"].fork(tmp_path / "world")
    reader_only(world)
    told = preflight.preflight(world.sync())["notes"]
    assert "The ERP takes no budgets: those that Procore owns are not written to it." in told
    sync = world.run()
    assert world.states(sync, "budgets") == {"25-104": ("created", ""), "25-105": ("skipped", "")}
    assert "is Procore's, and the ERP takes no budgets" in said(world, "budgets")["25-105"]
    assert sum(world.erp.applied.values()) == 0 and reconcile(sync).balanced
    world.close()


def test_a_document_that_the_erp_cannot_take_gets_no_external_id(ready: World) -> None:
    """Its first step is not offered: the last one alone would say in Procore that the ERP has it."""
    reader_only(ready)
    draft(ready)
    sync = ready.run(of=["commitments"])
    assert ready.states(sync, "commitments") == {"SC-1": ("held", "writes")}
    assert ready.writes() == 0 and ready.procore.get("commitments", number="SC-1").origin_id is None
    switch(ready, "on", "commitments")
    with pytest.raises(ConfigurationError, match="erp offers no way to create commitments"):
        ready.run(of=["commitments"])
    assert ready.writes() == 0 and ready.procore.get("commitments", number="SC-1").origin_id is None


def test_a_change_that_the_erp_does_not_take_stops_its_record_only(full: World) -> None:
    draft(full, "SC-2")
    full.run(of=["commitments"])
    full.erp.steps_of = {key: steps for key, steps in full.erp.steps_of.items() if key[1] != "update"}
    full.procore.change("commitments", "SC-1", title="Another")
    sync = full.run(of=["commitments"])
    assert full.states(sync, "commitments") == {"SC-1": ("quarantined", "refused"), "SC-2": ("unchanged", "")}
    assert "its title changed, and the ERP takes no changes of commitments from us" in said(full, "commitments")["SC-1"]


def test_no_field_of_a_line_is_lost_where_all_are_kept() -> None:
    for row in ENTITIES.values():
        line: Any = row.model.line
        every = frozenset((*row.model.model_fields, *row.content, "lines.key"))
        assert row.kept(every | {f"lines.{name}" for name in line.model_fields} if line else every) == row
        assert row.kept(None) is row


def test_lines_of_which_only_the_key_is_kept_are_not_compared() -> None:
    row = ENTITIES["commitments"]
    kept = row.kept(frozenset(row.model.model_fields) | {"lines.key"})
    assert [name for name in kept.content if name.startswith("lines")] == []
