"""Sizes and histories: counts, determinism, and that nothing grows with the size but the stores themselves."""

from __future__ import annotations

import tracemalloc
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sandbox import seed
from sandbox.erp import schema
from sandbox.seed import names
from sandbox.seed.company import Company
from sandbox.seed.ids import line_id
from sandbox.seed.procore import ProcoreRows
from sandbox.seed.sizes import SIZES, Size, size_of
from tests.pg import postgres_url as postgres_url
from tests.unit.sandbox.seed.conftest import Sink, World


def test_same_arguments_same_rows(make: Any, small: World) -> None:
    assert make().dump() == small.dump()
    assert make(seed="closed_gate").dump() != small.dump()


def test_tiny(make: Any) -> None:
    world = make(size="tiny")
    assert sorted(c["number"] for c in world.contracts()) == ["098-SC-001", "098-SC-007", "104-SC-003"]
    assert len(world.erp("jobs")) == len(world.procore("projects")) == len(world.erp("customers")) == 2
    assert len(world.erp("vendors")) == 5 and world.planted == []
    assert len(world.erp("budgets")) == 2 and len(world.erp("vendor_insurances")) == 10
    assert len(world.costs()) == 2 and len(world.procore("direct_costs")) == 1
    vendors = {row["id"]: row["origin_id"] for row in world.procore("vendors")}
    assert all(vendors[c["vendor_id"]] for c in world.contracts())


def test_medium_contains_small(make: Any, small: World) -> None:
    world = make(size="medium")
    assert world.planted == small.planted
    inside = {row["id"]: row for row in world.procore("purchase_order_contracts")}
    assert all(inside[row["id"]] == row for row in small.procore("purchase_order_contracts"))
    new = [c for c in world.contracts() if not c["origin_id"] and c["status"] == "Approved"]
    linked = [c for c in world.contracts() if c["origin_id"]]
    assert (len(linked), len(new)) == (400, 600)
    assert len(world.erp("jobs")) == 60 + 1 and len(world.procore("projects")) == 50
    for kind in ("budget_lines", "budget_changes", "direct_costs", "direct_cost_lines", "insurances"):
        inside = {row["id"]: row for row in world.procore(kind)}
        assert all(inside[row["id"]] == row for row in small.procore(kind)), kind
    assert len(world.procore("direct_costs")) == 4_200
    assert sum(row["status"] == "posted" for row in world.costs()) == 6_000 + 1
    numbers = [(c["number"], c["project_id"]) for c in world.contracts()]
    assert len(numbers) == len(set(numbers)) and len({number for number, _ in numbers}) == len(numbers) - 1  # planted #9


def test_counts_per_entity(make: Any) -> None:
    more = make(size={"vendors": 104, "projects": 12, "commitments": 150})
    assert len(more.erp("vendors")) == 104 + 4 + 3  # inactive and planted ones on top
    assert len(more.erp("jobs")) == 12 + 1 and more.planted
    assert sum(1 for c in more.contracts() if c["status"] not in ("Draft", "Out For Signature", "Submitted")) == 150
    less = make(size={"vendors": 3, "projects": 1, "commitments": 30, "customers": 0})
    assert len(less.contracts()) == 30 and len(less.erp("jobs")) == 1 and less.planted == []
    costs = make(size={"vendors": 3, "projects": 2, "commitments": 2, "direct_costs": 400})
    assert len(costs.costs()) == 400 and {row["status"] for row in costs.costs()} == {"posted"}
    none = make(size={"vendors": 0, "projects": 0, "commitments": 0, "customers": 0, "direct_costs": 3})
    assert none.costs() == []
    assert none.procore("vendors") == none.erp("jobs") == none.contracts() == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"size": "huge"}, "size 'huge' is unknown"),
        ({"size": {"bananas": 3}}, "no entity 'bananas'"),
        ({"size": {"vendors": -1}}, "is not a count"),
        ({"size": {"projects": 100_000}}, "at most"),
        ({"seed": "other"}, "seed 'other' is unknown"),
        ({"history": "other"}, "history 'other' is unknown"),
    ],
)
def test_refused_arguments(make: Any, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make(**arguments)


def test_unlinked(make: Any, small: World) -> None:
    world = make(history="unlinked")
    masters = ("vendors", "projects", "line_item_types", "standard_cost_codes", "cost_codes", "sub_jobs", "tax_codes", "users")
    documents = ("work_order_contracts", "purchase_order_contracts", "direct_costs", "direct_cost_lines")
    for kind in (*masters, "insurances", *documents):
        assert [row["id"] for row in world.procore(kind)] == [row["id"] for row in small.procore(kind)]
        assert {row["origin_id"] for row in world.procore(kind)} <= {None, "otherapp-7781"}
        assert {row.get("origin_data") for row in world.procore(kind)} == {None}
    assert {row["marker"] for row in world.erp("commitments")} == {None} and len(world.erp("commitments")) == 40
    for table in ("budgets", "budget_changes"):
        assert {row["marker"] for row in world.erp(table)} == {None} and len(world.erp(table)) == len(small.erp(table))
    assert {entry["entity"] for entry in world.planted} == {"vendors", "users"}


def test_none(make: Any) -> None:
    world = make(history="none")
    kinds = {row["kind"] for row in world.store.rows("SELECT DISTINCT kind FROM objects")}
    assert kinds == {"line_item_types", "standard_cost_code_lists"}
    assert not any(row["origin_id"] for row in world.procore("line_item_types"))
    assert [row["employee"] for row in world.erp("employees")] == ["E-1001", "E-1002", "E-1003", "E-1004"]
    assert len(world.erp("vendors")) == 54 and len(world.erp("jobs")) == 6
    assert len(world.erp("vendor_insurances")) == 2 * 52 and len(world.erp("tax_codes")) == 3 and len(world.erp("sub_jobs")) == 2
    for table in ("commitments", "budgets", "budget_lines", "budget_changes", "job_costs", "job_cost_lines"):
        assert not world.erp(table), table
    tax_ids = [row["tax_id"] for row in world.erp("vendors")]
    assert len(tax_ids) == len(set(tax_ids)) and world.planted == []


def test_large_has_no_collisions() -> None:
    """Names, tax ids and Procore ids of 100,000 vendors; job numbers, commitment numbers and line ids of every tenth job."""
    company = Company(size=SIZES["large"])
    vendors = list(company.vendors())
    assert sum(v.erp and v.active for v in vendors) - 3 == 100_000
    assert len({v.id for v in vendors}) == len({v.name for v in vendors}) == len(vendors)
    assert len({v.tax_id for v in vendors}) == len(vendors) - 2  # planted #22
    assert max(len(v.name) for v in vendors) <= 30
    jobs = list(company.jobs())
    assert len(jobs) == 400 == len({job.number for job in jobs}) == len({job.prefix for job in jobs})
    documents = [c for job in jobs[6::10] for c in company.commitments(job)]
    assert len(documents) == len({c.number for c in documents}) == len({c.id for c in documents}) > 1_000
    assert all(len(c.number) <= 12 and len(c.title) <= 30 and 4 <= len(c.lines) <= 20 for c in documents)
    lines = [line_id(c, line.position) for c in documents for line in c.lines]
    assert len(lines) == len(set(lines))
    assert all(c.amount > 0 and all(line.amount != 0 for line in c.lines) for c in documents)
    known = {v.id: v for v in vendors}
    assert all(known[c.vendor_id].linked and known[c.vendor_id].active and known[c.vendor_id].hold != "all" for c in documents)


def test_job_numbers_beyond_a_thousand() -> None:
    jobs = list(Company(size=Size(projects=3_000)).jobs())
    assert len({job.number for job in jobs}) == len({job.prefix for job in jobs}) == 3_000
    assert all(len(f"{job.prefix}-SC-999") <= 12 and len(job.number) == 6 for job in jobs)


def test_names_are_distinct() -> None:
    made = [names.vendor_name(n) for n in range(0, 400_000, 7)]
    assert len(made) == len(set(made)) and max(map(len, made)) <= 30


def peak(size: Size, tmp_path: Path) -> int:
    """Most bytes that Python held at once while a company of this size was written."""
    tmp_path.mkdir()
    engine = schema.connect(f"sqlite:///{tmp_path / 'erp.sqlite'}")
    schema.create(engine)
    tracemalloc.start()
    try:
        seed.load(Sink(), engine, size=asdict(size))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        engine.dispose()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_size(tmp_path: Path) -> None:
    """Three times the company, about the same memory: records are made one by one, commitments job by job, costs by the chunk."""
    seed.load(Sink(), _erp(tmp_path / "warm"), size="tiny")
    once = peak(Size(1_000, 30, 24, 120, 1_500), tmp_path / "once")
    threefold = peak(Size(3_000, 90, 72, 360, 4_500), tmp_path / "threefold")
    assert once < 10_000_000 and threefold < 1.3 * once


def _erp(folder: Path) -> Any:
    folder.mkdir()
    engine = schema.connect(f"sqlite:///{folder / 'erp.sqlite'}")
    schema.create(engine)
    return engine


def test_rows_are_generated_lazily() -> None:
    rows = ProcoreRows(Company(size=size_of("large"))).vendors()
    assert next(iter(rows))["origin_id"] == "sandbox:G1:vendors:V-1001"


def test_progress(make: Any) -> None:
    told: list[str] = []
    make(size="tiny", progress=told.append)
    assert "ERP: 2 commitments" in told and "Procore: 2 projects" in told


@pytest.mark.postgres
def test_postgres_holds_the_same(small: World, postgres_url: str) -> None:
    engine = schema.connect(postgres_url)
    schema.create(engine, drop=True)
    world = World(small.store, engine, seed.load(Sink(), engine))
    for table in schema.BUSINESS:
        assert sorted(map(repr, world.erp(table))) == sorted(map(repr, small.erp(table)))
    engine.dispose()
