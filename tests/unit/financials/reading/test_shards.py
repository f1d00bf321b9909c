"""What a shard asks the ledger for: no more than its own part, and nothing less, wherever a record has moved since."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.financials import checks, report
from include.financials.identity import shard_of
from include.financials.judging.check import judge_rows
from include.financials.judging.rules import Finding
from include.financials.ledger import Link, LinkIndex, Seen
from include.financials.ledger.records import Last
from include.financials.reading import extract
from include.financials.view import Sync
from tests.unit.financials.pair import World, cost_code, direct_cost, draft, line, project, seed_masters

JOBS = ("25-104", "25-105", "25-106", "25-107")
EACH = 4
"""Direct costs of a job."""
COSTS = "direct_costs"


def cost(number: str, job: str, amount: str = "5.00", **changes: Any) -> Any:
    return direct_cost(number, project=job, lines=(line(amount=amount, code=f"{job}//03-3000"),), **changes)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Jobs of both shards with direct costs that are linked. Only to be forked."""
    world = World(tmp_path_factory.mktemp("shards") / "world")
    seed_masters(world)
    for job in JOBS[1:]:
        world.erp.put(project(job))
        world.erp.put(cost_code("03-3000", job))
    for job in JOBS:
        for number in range(EACH):
            world.erp.put(cost(f"{job}-{number}", job))
    world.run(params={"shards": 2}, reconciled=False)
    yield world
    world.close()


@pytest.fixture
def jobs(built: World, tmp_path: Path) -> Iterator[World]:
    world = built.fork(tmp_path / "world")
    yield world
    world.close()


def test_the_jobs_are_of_both_shards() -> None:
    assert {shard_of(job, 2) for job in JOBS} == {0, 1}


def moved(world: World) -> None:
    """To a job of the other shard, in the ERP: the ledger and Procore have it under the old one."""
    there = next(job for job in JOBS if shard_of(job, 2) != shard_of(JOBS[0], 2))
    record = cost(f"{JOBS[0]}-0", there)
    world.erp.put(record)


def moved_in_procore(world: World) -> None:
    there = next(job for job in JOBS if shard_of(job, 2) != shard_of(JOBS[0], 2))
    link = next(one for one in world.ledger.links.of("projects") if one.erp_key == there)
    record: Any = world.procore.get(COSTS, number=f"{JOBS[0]}-0")
    world.procore.put(record.model_copy(update={"project": link.procore_id}))


def gone(side: str) -> Callable[[World], None]:
    def lose(world: World) -> None:
        records = getattr(world, side).records
        records[COSTS] = [one for one in records[COSTS] if one.number != f"{JOBS[1]}-1"]

    return lose


def parted(world: World) -> None:
    link = next(one for one in world.ledger.links.of(COSTS) if one.number == f"{JOBS[2]}-2")
    world.ledger.decisions.part(link, "ann")


def changed(world: World) -> None:
    world.erp.put(cost(f"{JOBS[3]}-3", JOBS[3], "6.50"))


def unlinked(world: World) -> None:
    """As after the loss of a part of the ledger: both sides have it, and only the external id tells."""
    with world.ledger.engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM links WHERE entity = '{COSTS}' AND number = '{JOBS[0]}-1'")
        connection.exec_driver_sql(f"DELETE FROM records WHERE entity = '{COSTS}' AND number = '{JOBS[0]}-1'")


def garbled(side: str) -> Callable[[World], None]:
    def spoil(world: World) -> None:
        system = getattr(world, side)
        record = system.get(COSTS, number=f"{JOBS[2]}-0")
        system.garbled[COSTS, record.id] = "description"

    return spoil


def missed(side: str) -> Callable[[World], None]:
    """A list does not show one that is there."""

    def hide(world: World) -> None:
        system = getattr(world, side)
        system.missed.add((COSTS, system.get(COSTS, number=f"{JOBS[2]}-1").id))

    return hide


def parted_and_moved(world: World) -> None:
    link = next(one for one in world.ledger.links.of(COSTS) if one.number == f"{JOBS[0]}-0")
    world.ledger.decisions.part(link, "ann")
    moved(world)


def lost_and_moved(world: World) -> None:
    """The ledger is a new one, and Procore has the record under the old job."""
    with world.ledger.engine.begin() as connection:
        for table in ("links", "records", "intents", "calls"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    moved(world)


def joined(world: World) -> None:
    """A person says that a new record is the one that Procore has in a job of the other shard."""
    parted_and_moved(world)
    link = world.ledger.decisions.of(COSTS, "unlink")[0]
    world.ledger.decisions.decide(
        entity=COSTS, company=link.company, record_id=link.record_id, decision="link", who="ann", pair=link.pair
    )


CASES: dict[str, Callable[[World], None]] = {
    "nothing": lambda world: None,
    "a cost moved to a job of the other shard": moved,
    "a cost moved there in Procore": moved_in_procore,
    "the ERP lost one": gone("erp"),
    "Procore lost one": gone("procore"),
    "a person ended a link": parted,
    "one changed": changed,
    "a person ended the link of one that moved then": parted_and_moved,
    "a person linked it again": joined,
    "the ledger was lost, and one moved": lost_and_moved,
    "the ledger lost one": unlinked,
    "the ERP's cannot be read": garbled("erp"),
    "Procore's cannot be read": garbled("procore"),
    "the ERP's list misses one": missed("erp"),
    "Procore's list misses one": missed("procore"),
}


def told(world: World, shards: int, mode: str) -> tuple[list[Any], list[Any], list[Any]]:
    """What a run says, remembers and links: one of the costs alone, unless it has to take up what they name."""
    known = bool(world.ledger.links.of("projects"))
    sync = world.run(of=[COSTS] if known else (), params={"shards": shards, "mode": mode, "since": "2020-01-01"})
    said = [
        (row.side, row.company, row.id, row.state, row.rule, row.action, row.how, row.message, row.done)
        for row in world.ledger.outcomes.of(sync.run.run_id, COSTS)
    ]
    seen = [
        (row.side, row.within, row.id, row.state, row.deleted)
        for s in ("erp", "procore")
        for row in world.ledger.records.each(COSTS, s)
    ]
    links = [(one.erp_key, one.procore_id, one.status) for one in world.ledger.links.of(COSTS)]
    return sorted(map(repr, said)), sorted(map(repr, seen)), sorted(links)


@pytest.mark.parametrize("mode", ["apply", "plan"])
@pytest.mark.parametrize("case", CASES)
def test_what_a_run_says_does_not_depend_on_its_shards(jobs: World, tmp_path: Path, case: str, mode: str) -> None:
    """One shard knows every link; two know each its own, and those of the records that they meet."""
    twin = jobs.fork(tmp_path / "twin")
    for world in (jobs, twin):
        CASES[case](world)
    assert told(jobs, 1, mode) == told(twin, 2, mode)
    made = jobs.procore.made, twin.procore.made
    assert made[0] == made[1] and max(made[1].values(), default=0) <= 1, "nothing is made twice"
    twin.close()


@pytest.mark.parametrize("shards", [1, 2, 16])
def test_a_record_that_stopped_is_looked_at_again_wherever_it_has_moved(jobs: World, shards: int) -> None:
    """Also in a window that does not reach the moment in which it moved."""
    jobs.erp.put(cost(f"{JOBS[0]}-0", JOBS[0], "7.00"))
    jobs.run(of=[COSTS], params={"shards": shards})
    moved(jobs)
    sync = jobs.run(of=[COSTS], params={"shards": shards, "since": "2020-01-01", "until": "2020-01-02"})
    assert list(jobs.states(sync, COSTS)) == [f"{JOBS[0]}-0"]


@pytest.mark.parametrize("shards", [1, 2])
def test_a_run_of_the_new_job_alone_makes_no_second_one_of_what_a_person_parted(jobs: World, shards: int) -> None:
    """Its counterpart is in a project whose list such a run does not read."""
    parted_and_moved(jobs)
    record = jobs.erp.get(COSTS, number=f"{JOBS[0]}-0")
    sync = jobs.run(of=[COSTS], params={"shards": shards, "projects": [record.project], "since": "2020-01-01"})  # type: ignore[attr-defined]
    assert jobs.states(sync, COSTS)[record.number] == ("held", "unlinked")
    assert len(jobs.procore.all(COSTS, number=record.number)) == 1


@pytest.mark.usefixtures("only_new_objects")
def test_a_shard_holds_its_own_part_of_the_ledger(jobs: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    index = Sync._index

    def indexed(self: Sync, entity: str, links: Sequence[Link]) -> LinkIndex:
        if entity == COSTS:
            held.append(len(links))
        return index(self, entity, links)

    def judged(entity: str, records: Sequence[Any], lines: Sequence[Any]) -> list[Finding]:
        gc.collect()
        assert not any(isinstance(one, Seen) and one.entity == COSTS for one in gc.get_objects()), "no figures"
        held.append(sum(isinstance(one, Last) for one in gc.get_objects()))
        return judge_rows(entity, records, lines)

    sync = jobs.sync(params={"shards": 2, "since": "2020-01-01"})
    monkeypatch.setattr(Sync, "_index", indexed)
    for name in sync.run.entities:
        for shard in sync.lists.shards_of(name):
            extract.extract(sync, name, shard)
        checks.check(sync, name, sync.lists.shards_of(name), judged if name == COSTS else judge_rows)
    largest = max(sum(EACH for job in JOBS if shard_of(job, 2) == shard) for shard in (0, 1))
    assert len(held) == 2 * 3 and max(held) <= largest < len(JOBS) * EACH
    assert Decimal(sum(held)) == 3 * len(JOBS) * EACH


@pytest.mark.parametrize("shards", [1, 2])
def test_a_run_of_the_new_job_alone_makes_no_second_one_of_what_a_lost_ledger_forgot(jobs: World, shards: int) -> None:
    """Procore has it in a project whose list such a run does not read, and no link tells of it."""
    lost_and_moved(jobs)
    record: Any = jobs.erp.get(COSTS, number=f"{JOBS[0]}-0")
    for params in ({}, {"entities": [COSTS]}):
        sync = jobs.run(params={"shards": shards, "projects": [record.project], **params})
        assert jobs.states(sync, COSTS)[record.number] == ("conflicts", "R-04")
        assert len(jobs.procore.all(COSTS, number=record.number)) == 1


@pytest.mark.parametrize("mode", ["apply", "plan"])
@pytest.mark.parametrize("shards", [1, 2])
def test_a_record_moved_in_procore_that_cannot_be_read_there_is_told_of_once(jobs: World, shards: int, mode: str) -> None:
    moved_in_procore(jobs)
    record: Any = jobs.procore.get(COSTS, number=f"{JOBS[0]}-0")
    jobs.procore.garbled[COSTS, record.id] = "description"
    sync = jobs.run(of=[COSTS], params={"shards": shards, "mode": mode, "since": "2020-01-01"})
    told = [row for row in jobs.ledger.outcomes.of(sync.run.run_id, COSTS) if record.number == row.number]
    assert [(row.side, row.state, row.rule) for row in sorted(told, key=lambda row: row.side)] == [
        ("erp", "held", "R-06"),
        ("procore", "quarantined", "D-04"),
    ]


@pytest.mark.parametrize("lost", ["origin_id", "project"])
def test_a_lost_ledger_makes_nothing_while_what_may_carry_any_external_id_cannot_be_read(jobs: World, lost: str) -> None:
    """A cost whose external id cannot be read, and a project that cannot: nobody knows which record of the ERP that is, or what
    is in it. Once a whole run has read all of Procore, the ledger knows."""
    lost_and_moved(jobs)
    record: Any = jobs.erp.get(COSTS, number=f"{JOBS[0]}-0")
    there: Any = jobs.procore.get(COSTS, number=record.number)
    jobs.procore.garbled.update({(COSTS, there.id): lost} if lost == "origin_id" else {("projects", there.project): "name"})
    for params in ({}, {"projects": [record.project]}):
        sync = jobs.run(params={"shards": 2, **params})
        (told,) = [row for row in jobs.ledger.outcomes.of(sync.run.run_id, COSTS) if (row.side, row.id) == ("erp", record.id)]
        assert (told.state, told.rule) == ("held", "R-06")
        assert len(jobs.procore.all(COSTS, number=record.number)) == 1
    report.move_watermarks(jobs.run(params={"shards": 2}), [COSTS])
    jobs.erp.put(cost("new", record.project))
    if lost != "origin_id":  # nobody has looked into that project yet
        assert jobs.states(jobs.run(params={"shards": 2}), COSTS)["new"] == ("held", "R-06")
        jobs.procore.garbled.clear()
    assert jobs.states(jobs.run(params={"shards": 2}), COSTS)["new"] == ("created", "")


@pytest.mark.parametrize("mode", ["apply", "plan"])
@pytest.mark.parametrize("lost", [None, "title"])
@pytest.mark.parametrize("stopped", [True, False])
def test_a_document_that_moved_in_procore_is_told_of_once(jobs: World, stopped: bool, lost: str | None, mode: str) -> None:
    """The shard of its old project asks for it by id, that of the new one reads it in its list."""
    own = draft(jobs, "SC-1")
    if stopped:
        jobs.procore.garbled["commitments", own.id] = "title"
    jobs.run(of=["commitments"], params={"shards": 2})
    jobs.procore.garbled = {} if lost is None else {("commitments", own.id): lost}
    there = next(job for job in JOBS if shard_of(job, 2) != shard_of(JOBS[0], 2))
    link = next(one for one in jobs.ledger.links.of("projects") if one.erp_key == there)
    jobs.procore.put(own.model_copy(update={"project": link.procore_id}))
    sync = jobs.run(of=["commitments"], params={"shards": 2, "mode": mode, "since": "2020-01-01"})
    (told,) = [row for row in jobs.ledger.outcomes.of(sync.run.run_id, "commitments") if row.side == "procore"]
    assert told.id == own.id and told.shard == shard_of(there, 2)
