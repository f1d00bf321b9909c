"""The engine between two systems that break down at every call in turn: nothing twice, nothing lost."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from include.financials import checks, report
from include.financials.entities import ENTITIES
from include.financials.exceptions import ContractBroken, LeaseLost, OutcomeUnknown, RetryLater, SyncError, Unsettled
from include.financials.ledger import LEASE_SECONDS, links, moment, stamp
from include.financials.ledger.journal import Journal
from include.financials.ledger.outcomes import Outcomes
from include.financials.port import Beat, Item, Outcome, Step, idle
from include.financials.reading import chosen, extract
from include.financials.settings import EntitySettings
from include.financials.view import Sync
from include.financials.writing import engine
from tests.unit.financials.pair import (
    ONLY,
    Crash,
    FakeErp,
    FakeProcore,
    Memory,
    World,
    commitment,
    cost_code,
    draft,
    line,
    make_settings,
    project,
    seed_masters,
    vendor,
)

SHAPES = ("vendors", "projects", "cost_codes", "budgets", "direct_costs", "commitments")
"""One step; two; two with levels; either way; three, the external id last; one on each side."""
ALL_KINDS = ("before", "after", "crash_before", "crash_after", "later", "refused")
KINDS = ("after", "crash_after")
"""An answer that got lost, and a process that ended before it could note the effect: what could make a record twice."""


@pytest.fixture(scope="module")
def goods(stages: dict[str, World], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, World]]:
    """The worlds before each entity's first load, after that load, in which nothing broke down."""
    found = {name: stages[name].fork(tmp_path_factory.mktemp("goods") / name) for name in stages}
    for name, world in found.items():
        world.run(of=[name], reconciled=False)
    yield found
    for world in found.values():
        world.close()


def plain(world: World) -> dict[str, list[dict[str, object]]]:
    """Both sides' records without what differs from one world to the next: ids and times."""
    loose = {"id", "updated_at", "project", "parent", "vendor", "cost_types", "lines"}
    found = {}
    for side in (world.erp, world.procore):
        for name, records in side.records.items():
            rows = [
                {
                    **record.model_dump(exclude=loose),
                    "types": len(getattr(record, "cost_types", ())),
                    "line amounts": [(one.position, str(one.amount)) for one in getattr(record, "lines", ())],
                }
                for record in records
            ]
            found[f"{side.side} {name}"] = sorted(rows, key=lambda row: (str(row["number"]), str(row["origin_id"])))
    return found


def twice(world: World) -> list[str]:
    return [origin for side in (world.erp, world.procore) for origin, count in side.made.items() if count > 1]


def test_every_entity_has_a_load_to_be_broken_down(goods: dict[str, World]) -> None:
    for name, world in goods.items():
        posts = {call for side in (world.erp, world.procore) for call in side.calls if call.startswith("post")}
        row, steps = ENTITIES[name], set()
        for source in ("erp", "procore") if row.two_way else (row.source,):
            target, other = (world.procore, world.erp) if source == "erp" else (world.erp, world.procore)
            steps |= {f"post {name} {step.name}" for step in target.steps(name, "create")}
            steps |= {f"post {name} {step.name}" for step in other.steps(name, "link")} if source == "procore" else set()
        assert posts == steps != set(), name


SWEEP: list[tuple[str, str, tuple[str, ...]]] = [
    (name, kind, ("post",)) for name, row in ENTITIES.items() if not row.read_only for kind in KINDS
]
SWEEP += [(name, kind, ("post",)) for name in SHAPES[1:4] for kind in ("later", "refused")]
SWEEP += [(name, kind, ("post", "find", "read_ids")) for name in SHAPES[4:] for kind in ALL_KINDS if kind not in KINDS]


@pytest.mark.parametrize(("entity", "kind", "verbs"), SWEEP, ids=lambda value: value if isinstance(value, str) else "")
def test_one_fault_at_any_call_of_a_load_leaves_no_trace_after_the_next_run(
    stages: dict[str, World], goods: dict[str, World], entity: str, kind: str, verbs: tuple[str, ...], tmp_path: Path
) -> None:
    """The failing run, then a run without faults: the same records as if nothing had happened, each made once."""
    good = goods[entity]
    expected = plain(good)
    tried = 0
    for side in ("erp", "procore"):
        for position, call in enumerate(getattr(good, side).calls):
            if call.split()[0] not in verbs:
                continue
            tried += 1
            world = stages[entity].fork(tmp_path / f"{side}-{position}")
            memory: Memory = getattr(world, side)
            memory.faults = {position: kind}
            with contextlib.suppress(Crash, SyncError):
                world.run(params={"entities": [entity]}, reconciled=False)
            memory.faults = {}
            last = world.run(params={"entities": [entity]}, reconciled=False)
            where = f"{kind} at {side} {call}"
            assert plain(world) == expected, where
            assert twice(world) == [], where
            assert {link.status for link in world.ledger.links.of(entity)} == {"active"}, where
            assert world.ledger.journal.open_intents(entity, 0) == [], where
            assert {row.state for row in world.ledger.outcomes.of(last.run.run_id, entity)} == {"linked"}, where
            if kind == "crash_after" and entity in SHAPES:  # the hardest case also shows that it is over
                writes = world.writes()
                last = world.run(params={"entities": [entity]}, reconciled=False)
                assert set(world.counts(last)) == {"unchanged"} and world.writes() == writes, where
            world.close()
    assert tried > 0


def test_a_document_that_changed_after_its_header_was_made_is_made_once(stages: dict[str, World], tmp_path: Path) -> None:
    """The process ended before it could link the header; what it would send by now has another content."""
    world = stages["direct_costs"].fork(tmp_path / "world")
    world.procore.failing = {"post direct_costs header": "crash_after"}
    with pytest.raises(Crash):
        world.run(params={"entities": ["direct_costs"]})
    world.procore.failing = {}
    world.erp.change("direct_costs", "JC-1", description="Another")
    sync = world.run(params={"entities": ["direct_costs"]})
    assert world.states(sync, "direct_costs") == {"JC-1": ("conflicts", "R-04")}
    world.erp.change("direct_costs", "JC-1", description="Rental")
    world.run(params={"entities": ["direct_costs"]})
    made: Any = world.procore.get("direct_costs")
    assert (made.origin_id, len(made.lines)) == ("sandbox:01:direct_costs:JC-1", 2) and twice(world) == []
    world.close()


@pytest.mark.parametrize("entity", ["vendors", "cost_codes", "direct_costs", "commitments"])
def test_an_answer_lost_while_the_other_side_cannot_be_asked(
    stages: dict[str, World], goods: dict[str, World], entity: str, tmp_path: Path
) -> None:
    """The write arrives, its answer does not, and looking fails too: the next run looks before it sends."""
    probe = goods[entity]
    expected = plain(probe)
    for side in ("erp", "procore"):
        for position, call in enumerate(getattr(probe, side).calls):
            if not call.startswith("post"):
                continue
            for first in ("before", "after"):
                world = stages[entity].fork(tmp_path / f"{side}{position}{first}")
                memory: Memory = getattr(world, side)
                memory.faults = {position: first, position + 1: "later"}
                with pytest.raises(RetryLater):
                    world.run(of=[entity], reconciled=False)
                assert memory.calls[position + 1].startswith("find")
                assert world.ledger.journal.open_intents(entity, 0), "what is not known stays open"
                memory.faults = {}
                world.run(of=[entity], reconciled=False)
                assert plain(world) == expected and twice(world) == [], f"{first} at {call}"
                assert world.ledger.journal.open_intents(entity, 0) == []
                world.close()


@pytest.mark.parametrize("kind", ["crash_after", "later"])
@pytest.mark.parametrize("entity", ["vendors", "cost_codes", "commitments"])
def test_a_later_try_of_the_same_task_goes_on_where_it_stopped(
    stages: dict[str, World], entity: str, kind: str, tmp_path: Path
) -> None:
    probe = stages[entity].fork(tmp_path / "probe")
    sync = probe.run(of=[entity], reconciled=False)
    side = ENTITIES[entity].target
    posts = [at for at, call in enumerate(getattr(probe, side).calls) if call.startswith("post")]
    for position in posts:
        world = stages[entity].fork(tmp_path / f"{position}")
        getattr(world, side).faults = {position: kind}
        with contextlib.suppress(Crash, SyncError):
            world.run("the-run", of=[entity], reconciled=False)
        again = world.sync("the-run")
        engine.load(again, entity)
        assert plain(world) == plain(probe) and twice(world) == []
        assert world.counts(again) == probe.counts(sync), "a later try reports the whole run"
        world.close()
    probe.close()


def test_a_second_run_writes_nothing(linked: World) -> None:
    draft(linked)
    linked.run(params=ONLY)
    before = linked.writes()
    again = linked.run(params=ONLY)
    assert set(linked.counts(again)) == {"unchanged"} and linked.writes() == before


def test_a_refused_record_does_not_stop_its_neighbours(linked: World) -> None:
    for number in ("SC-1", "SC-2", "SC-3"):
        draft(linked, number)
    linked.erp.refuse["SC-2"] = "VENDOR_HOLD: vendor V-1 is on hold"
    linked.erp.locked.add("SC-3")
    sync = linked.run(params=ONLY)
    assert linked.states(sync, "commitments") == {
        "SC-1": ("created", ""),
        "SC-2": ("quarantined", "refused"),
        "SC-3": ("blocked", "refused"),
    }
    message = next(row.message for row in linked.ledger.outcomes.of(sync.run.run_id, "commitments") if row.number == "SC-2")
    assert message == "Commitment SC-2 was refused by the ERP: VENDOR_HOLD: vendor V-1 is on hold"
    assert not linked.procore.get("commitments", number="SC-2").origin_id
    linked.erp.refuse.clear()
    linked.erp.locked.clear()
    sync = linked.run(params=ONLY)
    assert linked.states(sync, "commitments") == {"SC-1": ("unchanged", ""), "SC-2": ("created", ""), "SC-3": ("created", "")}
    assert twice(linked) == []


def test_a_call_that_is_refused_whole_refuses_each_of_its_records_once_per_run(linked: World) -> None:
    draft(linked)
    linked.erp.failing = {"post commitments create": "refused"}
    sync = linked.run(params=ONLY)
    assert linked.states(sync, "commitments") == {"SC-1": ("quarantined", "refused")}
    posts = sum(call.startswith("post") for call in linked.erp.calls)
    engine.load(sync, "commitments")
    assert sum(call.startswith("post") for call in linked.erp.calls) == posts


def test_a_refused_last_step_is_taken_up_again_without_the_first(linked: World) -> None:
    draft(linked)
    linked.procore.refuse["SC-1"] = "no right on commitments"
    sync = linked.run(params=ONLY)
    assert linked.states(sync, "commitments") == {"SC-1": ("quarantined", "refused")}
    assert [link.status for link in linked.ledger.links.of("commitments")] == ["pending"]
    linked.procore.refuse.clear()
    sync = linked.run(params=ONLY)
    assert linked.states(sync, "commitments") == {"SC-1": ("created", "")}
    assert linked.procore.get("commitments", number="SC-1").origin_id == "sandbox:01:commitments:SC-1"
    assert linked.erp.applied["commitments", "create", "SC-1"] == 1


def test_a_record_that_changed_between_its_steps_is_made_once_and_then_updated(linked: World) -> None:
    """The ERP has it with the old title; the new one must reach it as an update, not as a second document nor not at all."""
    draft(linked)
    linked.procore.refuse["SC-1"] = "no right on commitments"
    linked.run(params=ONLY)
    linked.procore.refuse.clear()
    linked.procore.change("commitments", "SC-1", title="A better title")
    for _ in range(2):
        linked.run(params=ONLY)
    assert linked.erp.applied["commitments", "create", "SC-1"] == 1
    assert linked.erp.get("commitments", number="SC-1").title == "A better title"  # type: ignore[attr-defined]
    assert linked.procore.get("commitments", number="SC-1").origin_id == "sandbox:01:commitments:SC-1"
    last = linked.run(params=ONLY)
    assert linked.states(last, "commitments") == {"SC-1": ("unchanged", "")}


def test_parents_are_made_before_their_children(world: World) -> None:
    for number, parent, level in (("03-31", "03-3000", 2), ("03-311", "03-31", 3)):
        world.erp.put(cost_code(number, parent=f"25-104//{parent}", level=level))
    world.erp.records["cost_codes"].reverse()
    world.run()
    made: dict[str, Any] = {record.number: record for record in world.procore.records["cost_codes"]}
    assert [made[n].parent for n in ("03", "03-3000", "03-31", "03-311")] == [
        None,
        *(made[n].id for n in ("03", "03-3000", "03-31")),
    ]
    assert sum(call == "post cost_codes create" for call in world.procore.calls) == 4, "one call per level"


def test_a_child_whose_parent_was_refused_waits_for_it(world: World) -> None:
    world.procore.refuse["03"] = "bad code"
    sync = world.run()
    assert world.states(sync, "cost_codes") == {"03": ("quarantined", "refused"), "03-3000": ("held", "C-01")}
    world.procore.refuse.clear()
    sync = world.run()
    assert set(world.states(sync, "cost_codes").values()) == {("created", "")}


def test_dependents_of_a_refused_parent_are_held_and_load_by_themselves(world: World) -> None:
    world.procore.refuse["25-104"] = "name is taken"
    sync = world.run()
    assert world.states(sync, "projects") == {"25-104": ("quarantined", "refused")}
    assert {state for state, _ in world.states(sync, "cost_codes").values()} == {"held"}
    world.procore.refuse.clear()
    sync = world.run()
    assert {state for state, _ in world.states(sync, "cost_codes").values()} == {"created"}


def test_a_batch_is_never_larger_than_its_step_allows(linked: World) -> None:
    for number in range(5):
        draft(linked, f"SC-{number}")
    linked.run(params=ONLY)
    assert linked.erp.calls.count("post commitments create") == 3, "five documents, two to a call"


def test_writes_off_writes_nothing_and_says_so(linked: World) -> None:
    draft(linked)
    before = linked.writes()
    entities = {**linked.settings.entities, "commitments": linked.settings.of("commitments").model_copy(update={"writes": "off"})}
    linked.settings = make_settings(entities=entities)
    sync = linked.run(of=["commitments"])
    assert linked.states(sync, "commitments") == {"SC-1": ("held", "writes")}
    assert linked.writes() == before
    linked.settings = make_settings()
    assert linked.states(linked.run(of=["commitments"]), "commitments") == {"SC-1": ("created", "")}


def test_writes_off_still_adopts(linked: World) -> None:
    """Linking what both sides have is no write."""
    made = linked.erp.put(commitment("SC-9", company="01", marker="procore:8089:commitments:1", status="open"))
    linked.settings = make_settings(entities={**make_settings().entities, "commitments": EntitySettings(writes="off")})
    document = draft(linked, "SC-9", origin_id=f"sandbox:01:commitments:{made.id}")
    assert linked.states(linked.run(of=["commitments"]), "commitments") == {"SC-9": ("adopted", "")}
    assert [link.procore_id for link in linked.ledger.links.of("commitments")] == [document.id]


def test_a_plan_writes_nothing_and_says_what_apply_does(world: World) -> None:
    before = world.ledger.records.seen("vendors", "erp")
    plan = world.run(params={"mode": "plan"})
    assert (
        world.writes() == 0 and world.ledger.records.seen("vendors", "erp") == before and world.ledger.links.of("vendors") == []
    )
    planned = world.counts(plan)
    apply = world.run()
    assert world.counts(apply) == planned == Counter(created=5)


def test_a_task_whose_lease_is_gone_stops_at_once(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """During the first call the lease passes to another task: its effect is there, nothing more is sent or written."""
    for number in range(4):
        draft(linked, f"SC-{number}")
    post = FakeErp.post

    def slow(self: FakeErp, step: Step, items: list[Item], beat: Beat) -> list[Outcome]:
        answer = post(self, step, items, beat)
        with linked.ledger.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE leases SET holder = 'somebody else'")
        return answer

    monkeypatch.setattr(FakeErp, "post", slow)
    with pytest.raises(LeaseLost):
        linked.run(params=ONLY)
    assert len(linked.erp.records["commitments"]) == 2, "one call of two was under way, no other was begun"
    assert linked.ledger.links.of("commitments") == []
    monkeypatch.undo()
    with linked.ledger.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM leases")
    linked.run(params=ONLY)
    assert sorted(record.number for record in linked.erp.records["commitments"]) == [f"SC-{n}" for n in range(4)]
    assert twice(linked) == []


def test_a_hundred_two_hundred_and_a_hundred_again_are_three_writes(linked: World) -> None:
    names = []
    for name in ("100", "200", "100"):
        linked.erp.change("vendors", "V-1", name=name)
        sync = linked.run()
        assert linked.states(sync, "vendors") == {"V-1": ("updated", "")}
        names.append(linked.procore.get("vendors", number="V-1").name)  # type: ignore[attr-defined]
    assert names == ["100", "200", "100"]
    assert linked.procore.applied["vendors", "update", "V-1"] == 3
    assert [link.revision for link in linked.ledger.links.of("vendors")] == [4]


def test_a_title_changed_to_and_fro_is_written_each_time(linked: World) -> None:
    draft(linked)
    linked.run(params=ONLY)
    for title in ("B", "Steel", "B"):
        linked.procore.change("commitments", "SC-1", title=title)
        assert linked.states(linked.run(params=ONLY), "commitments") == {"SC-1": ("updated", "")}
        assert linked.erp.get("commitments", number="SC-1").title == title  # type: ignore[attr-defined]
    assert linked.erp.applied["commitments", "update", "SC-1"] == 3


def test_what_was_read_back_counts_not_what_was_meant(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ERP that keeps another amount than it was sent is found out."""
    draft(linked)
    apply = FakeErp._apply

    def short(self: FakeErp, step: Step, item: Item) -> Outcome:
        answer = apply(self, step, item)
        self.change("commitments", item.number, amount=Decimal("99.00"), lines=(line(amount="99.00"),))
        return answer

    monkeypatch.setattr(FakeErp, "_apply", short)
    sync = linked.run(params=ONLY)
    from include.financials.reconciliation import reconcile

    assert not reconcile(sync).balanced


def test_a_new_type_of_a_linked_code_is_assigned(linked: World) -> None:
    linked.erp.put(linked.erp.get("cost_types", number="3").model_copy(update={"id": "1", "number": "1", "base_type": "labor"}))
    linked.erp.change("cost_codes", "03-3000", cost_types=("1", "3"))
    sync = linked.run()
    assert linked.states(sync, "cost_codes") == {"03": ("unchanged", ""), "03-3000": ("updated", "")}
    assert len(linked.procore.get("cost_codes", number="03-3000").cost_types) == 2  # type: ignore[attr-defined]


def test_nothing_is_synced_under_a_job_number_that_two_companies_use(world: World) -> None:
    world.erp.put(project("25-104", company="02"))
    world.run()
    assert {row.rule for row in world.ledger.outcomes.of("run-1", "projects")} == {"J-01"}
    assert world.procore.records["projects"] == [] == world.procore.records["cost_codes"]


def test_shards_do_the_same_as_one(tmp_path: Path) -> None:
    results = []
    for shards in (1, 2):
        world = World(tmp_path / str(shards))
        seed_masters(world)
        for job in ("25-105", "25-106"):
            world.erp.put(project(job))
            world.erp.put(cost_code("03-3000", job))
        world.run(params={"shards": shards})
        for number, job in enumerate(("25-104", "25-105", "25-106")):
            draft(world, f"SC-{number}", project=job, lines=(line(code=f"{job}//03-3000"),))
        world.run(params={"shards": shards})
        results.append(plain(world))
        world.close()
    assert results[0] == results[1]
    assert len(results[0]["erp commitments"]) == 3


def test_a_check_of_many_shards_asks_once_who_is_who(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes what it judges, and sees all else in one state from its beginning to its end."""
    asked: list[str] = []
    of, begun = links.Links.of, Journal.begun

    def all_of(self: links.Links, entity: str, **options: Any) -> Any:
        asked.append(f"links of {entity}")
        return of(self, entity, **options)

    def sent(self: Journal, entity: str) -> Any:
        asked.append(f"begun {entity}")
        return begun(self, entity)

    linked.erp.put(project("25-105"))
    linked.erp.put(cost_code("03-3000", "25-105"))
    sync = linked.sync(params={"entities": ["projects", "cost_codes"], "shards": 5})
    extract.extract(sync, "projects")
    checks.check(sync, "projects", [0])
    engine.load(sync, "projects")
    for shard in range(5):
        extract.extract(sync, "cost_codes", shard)
    monkeypatch.setattr(links.Links, "of", all_of)
    monkeypatch.setattr(Journal, "begun", sent)
    sync.ask_anew()  # a check is a task of its own
    checks.check(sync, "cost_codes", range(5))
    assert {one: asked.count(one) for one in ("links of projects", "links of cost_types", "begun cost_codes")} == {
        "links of projects": 1, "links of cost_types": 1, "begun cost_codes": 1,
    }  # fmt: skip
    for shard in range(5):
        engine.load(sync, "cost_codes", shard)
    assert ("01", "25-105//03-3000") in {(one.company, one.erp_key) for one in of(linked.ledger.links, "cost_codes")}


def test_what_another_shard_left_open_is_looked_up_before_it_is_sent(linked: World) -> None:
    """The number of shards may change from run to run: what was sent under two of them is not forgotten under one."""
    draft(linked)
    linked.procore.failing = {"post commitments link": "crash_after"}
    with pytest.raises(Crash):
        linked.run(params=ONLY | {"shards": 2})
    assert linked.ledger.journal.open_intents("commitments", 1) and not linked.ledger.journal.open_intents("commitments", 0)
    linked.procore.failing = {}
    sync = linked.run(params=ONLY)
    assert linked.states(sync, "commitments") == {"SC-1": ("created", "")}
    assert linked.ledger.journal.open_intents("commitments", 1) == []
    assert linked.procore.applied["commitments", "link", "SC-1"] == 1 and twice(linked) == []


def test_a_load_first_takes_up_what_an_earlier_run_left_open(linked: World) -> None:
    draft(linked)
    linked.erp.failing = {"post commitments create": "crash_after"}
    with pytest.raises(Crash):
        linked.run(params={"entities": ["commitments"]})
    linked.erp.failing = {}
    sync = linked.sync()
    extract.extract(sync, "commitments")
    checks.check(sync, "commitments", [0])
    engine.load(sync, "commitments")
    assert linked.ledger.journal.open_intents("commitments", 0) == []


def test_nothing_arrived_is_said_as_such(linked: World) -> None:
    draft(linked)
    linked.run(params={"entities": ["vendors"]})
    linked.erp.failing = {"post commitments create": "before"}
    with pytest.raises(Unsettled, match=r"1 commitments \(SC-1\) were sent without an answer and are not found") as raised:
        linked.run(params={"entities": ["commitments"]})
    assert linked.erp.records["commitments"] == [] and 50 < (raised.value.seconds or 0) <= 60


def test_a_record_in_doubt_says_so_until_it_is_settled(linked: World) -> None:
    draft(linked)
    linked.run(params={"entities": ["vendors"]})
    linked.erp.failing = {"post commitments create": "before"}
    sync = linked.sync(params=ONLY)
    with pytest.raises(Unsettled):
        linked.stage(sync, "commitments")
    (row,) = linked.ledger.outcomes.of(sync.run.run_id, "commitments")
    told = report.stopped_row(row, plan=False)
    assert told is not None and (told.state, told.rule, told.waits_for) == ("held", "doubt", "an answer of the ERP")
    assert "SC-1 was sent to the ERP (create) without an answer" in (told.message or "")
    linked.erp.failing = {}
    linked.clock.now += timedelta(minutes=2)
    engine.load(sync, "commitments")
    (row,) = linked.ledger.outcomes.of(sync.run.run_id, "commitments")
    assert (row.done, row.rule, row.message) == (True, None, None) and report.stopped_row(row, plan=False) is None


# -- a plan that was overtaken ------------------------------------------------------------------------------------------------


def judged(world: World, entity: str) -> Sync:
    """A run between its check and its load."""
    sync = world.sync(params={"entities": [entity]})
    extract.extract(sync, entity)
    checks.check(sync, entity, [0])
    return sync


@pytest.mark.parametrize("change", [{}, {"title": "Another"}], ids=["the same content", "changed between"])
@pytest.mark.parametrize("forgets", [False, True], ids=["same ledger", "journal lost"])
def test_a_plan_that_another_run_overtook_writes_nothing(linked: World, change: dict[str, Any], forgets: bool) -> None:
    """A load that is cleared a day later, or a backfill beside the nightly run: what the plan calls new is there by now."""
    draft(linked)
    old = judged(linked, "commitments")
    linked.procore.change("commitments", "SC-1", **change)
    linked.run(params=ONLY)
    if forgets:
        with linked.ledger.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM intents")
    engine.load(old, "commitments")
    assert linked.erp.applied["commitments", "create", "SC-1"] == 1 and len(linked.erp.records["commitments"]) == 1
    (row,) = linked.ledger.outcomes.of(old.run.run_id, "commitments")
    assert (row.state, row.rule) == ("held", "stale") and "was loaded since this run judged it" in row.message
    assert linked.states(linked.run(params=ONLY), "commitments") == {"SC-1": ("unchanged", "")}


def test_an_old_content_does_not_overwrite_a_newer(world: World) -> None:
    world.run(params={"entities": ["vendors"]})
    world.erp.change("vendors", "V-1", name="Second name")
    old = judged(world, "vendors")
    world.erp.change("vendors", "V-1", name="Third name")
    world.run(params={"entities": ["vendors"]})
    writes = world.writes()
    engine.load(old, "vendors")
    assert world.writes() == writes
    assert [record.name for record in world.procore.records["vendors"]] == ["Third name"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("hours", [1, 30])
def test_a_plan_does_not_hold_for_days(linked: World, hours: int) -> None:
    """A load that failed and is cleared days later: the document was voided in Procore since, and nothing else tells of it."""
    draft(linked)
    old = judged(linked, "commitments")
    linked.ledger.runs.finished(old.run.run_id, "extract:commitments")
    with linked.ledger.engine.begin() as connection:
        at = stamp(datetime.now(UTC) - timedelta(hours=hours))
        connection.exec_driver_sql(f"UPDATE steps SET finished_at = '{at}'")
    linked.procore.change("commitments", "SC-1", status="Void")
    engine.load(old, "commitments")
    (row,) = linked.ledger.outcomes.of(old.run.run_id, "commitments")
    if hours == 1:
        assert linked.erp.applied["commitments", "create", "SC-1"] == 1 and row.state == "linked"
        return
    assert not linked.erp.applied["commitments", "create", "SC-1"]
    assert (row.state, row.rule) == ("held", "stale") and "was read by this run at" in row.message


def test_what_was_begun_is_finished_however_old_its_plan(linked: World) -> None:
    """Its first step is done: the record is there, and only its external id is missing."""
    draft(linked)
    old = judged(linked, "commitments")
    linked.procore.failing = {"post commitments link": "before"}
    with contextlib.suppress(SyncError):
        engine.load(old, "commitments")
    linked.procore.failing = {}
    linked.ledger.runs.finished(old.run.run_id, "extract:commitments")
    with linked.ledger.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE steps SET finished_at = '{stamp(datetime.now(UTC) - timedelta(days=3))}'")
    linked.clock.now += timedelta(hours=1)
    engine.load(linked.sync(old.run.run_id), "commitments")
    assert linked.erp.applied["commitments", "create", "SC-1"] == 1
    assert [link.status for link in linked.ledger.links.of("commitments")] == ["active"]


def test_a_list_that_is_read_again_is_read_as_it_is_now(world: World) -> None:
    sync = world.sync(params={"entities": ["vendors"]})
    extract.extract(sync, "vendors")
    assert [one.number for one in sync.lists.snapshot("procore", "vendors")] == []
    world.erp.change("vendors", "V-1", name="Another")
    sync.forget("vendors", 0)
    extract.extract(sync, "vendors")
    looked = chosen.in_window(sync, "vendors", 0)
    assert not any(map(looked, sync.lists.each("erp", "vendors"))), "it changed after the window: the next run's"


def test_what_a_person_parted_meanwhile_is_not_written(world: World) -> None:
    world.run(params={"entities": ["vendors"]})
    world.erp.change("vendors", "V-1", name="Second name")
    old = judged(world, "vendors")
    world.ledger.decisions.part(world.ledger.links.of("vendors")[0], "ann")
    writes = world.writes()
    engine.load(old, "vendors")
    assert world.writes() == writes and "was unlinked since" in world.ledger.outcomes.of(old.run.run_id, "vendors")[0].message


def test_a_link_that_a_person_made_anew_is_not_closed(full: World) -> None:
    """Both sides had ended; since then a person has parted the two and linked them again, and means it."""
    entity = "prime_contracts"
    (link,) = full.ledger.links.of(entity)
    full.erp.change(entity, "PC-1", status="void")
    full.procore.put(full.procore.get(entity, id=link.procore_id).model_copy(update={"status": "Void"}))
    old = judged(full, entity)
    assert [row.action for row in full.ledger.outcomes.of(old.run.run_id, entity)] == ["close"]
    full.ledger.decisions.part(link, "ann")
    again = link._replace(link_id=None, revision=link.revision + 1)
    with full.ledger.leases.hold(entity, 0) as lease:
        full.ledger.journal.adopt(lease, "by hand", entity, [again], [])
    engine.load(old, entity)
    assert [(one.erp_key, one.status) for one in full.ledger.links.of(entity)] == [("PC-1", "active")]


# -- a write that arrives late, a record that only its marks know -------------------------------------------------------------


class Late:
    """A side on which one call is answered without an effect; what was sent arrives by :meth:`arrive`."""

    def __init__(self, memory: Memory, what: str) -> None:
        self.memory, self.held = memory, []
        post = memory.post

        def silent(step: Step, items: list[Item], beat: Beat = idle) -> list[Outcome]:
            if f"{step.entity} {step.name}" == what and not self.held:
                self.held = [(step, item) for item in items]
                memory.calls.append(f"post {what}")
                raise OutcomeUnknown("504")
            return post(step, items, beat)

        memory.post = silent  # type: ignore[method-assign]

    def arrive(self) -> None:
        assert self.held, "the fault did not fire"
        for step, item in self.held:
            self.memory._one(step, item)


LATE = [
    ("direct_costs", "header"), ("prime_contracts", "header"), ("payments_issued", "payment"), ("payments_received", "payment"),
    ("cost_codes", "create"), ("vendors", "create"), ("projects", "create"),
]  # fmt: skip


@pytest.mark.parametrize(("entity", "step"), LATE)
@pytest.mark.parametrize("arrives", ["after the look-up", "after the next run"])
def test_a_write_that_arrives_late_is_made_once(
    stages: dict[str, World], goods: dict[str, World], entity: str, step: str, arrives: str, tmp_path: Path
) -> None:
    """One look that finds nothing is no proof: nothing is sent again before the settle time is over, and then after a look."""
    world = stages[entity].fork(tmp_path / "world")
    late = Late(world.procore, f"{entity} {step}")
    with pytest.raises(Unsettled):
        world.run(params={"entities": [entity]}, reconciled=False)
    if arrives == "after the next run":
        world.clock.now -= timedelta(minutes=10) - timedelta(seconds=20)  # the next run begins within the settle time
        with pytest.raises(Unsettled):
            world.run(params={"entities": [entity]}, reconciled=False)
    late.arrive()
    world.run(params={"entities": [entity]}, reconciled=False)
    assert plain(world) == plain(goods[entity]) and twice(world) == []
    writes = world.writes()
    world.run(params={"entities": [entity]}, reconciled=False)
    assert world.writes() == writes
    world.close()


def test_a_doubt_outlives_a_change_of_the_record(stages: dict[str, World], tmp_path: Path) -> None:
    """What was sent and may still arrive is of this record, whatever it looks like by now: nothing else of it is sent."""
    world = stages["payments_issued"].fork(tmp_path / "world")
    late = Late(world.procore, "payments_issued payment")
    with pytest.raises(Unsettled):
        world.run(params={"entities": ["payments_issued"]}, reconciled=False)
    number = world.erp.records["payments_issued"][0].number
    world.erp.change("payments_issued", number, pay_date=date(2026, 9, 3))
    world.clock.now -= timedelta(minutes=10) - timedelta(seconds=20)
    with pytest.raises(Unsettled):
        world.run(params={"entities": ["payments_issued"]}, reconciled=False)
    late.arrive()
    world.run(params={"entities": ["payments_issued"]}, reconciled=False)
    assert len(world.procore.records["payments_issued"]) == 1
    world.close()


@pytest.mark.parametrize(
    ("entity", "step", "when"),
    [
        ("direct_costs", "header", "after"), ("direct_costs", "lines", "after"), ("direct_costs", "external_id", "after"),
        ("prime_contracts", "header", "after"), ("prime_contracts", "lines", "after"), ("cost_codes", "create", "after"),
        ("projects", "create", "after"), ("commitments", "create", "after"),
    ],
)  # fmt: skip
def test_what_is_half_made_is_finished_without_a_ledger(
    stages: dict[str, World], goods: dict[str, World], entity: str, step: str, when: str, tmp_path: Path
) -> None:
    """The process ends in the middle, then the ledger is lost: the marks on the record tell whose it is, and what it lacks."""
    world = stages[entity].fork(tmp_path / "world")
    memory: Memory = world.erp if entity == "commitments" else world.procore
    memory.failing = {f"post {entity} {step}": f"crash_{when}"}
    with pytest.raises(Crash):
        world.run(params={"entities": [entity]}, reconciled=False)
    assert memory.calls[-1] == f"post {entity} {step}"
    twin = world.without_ledger(tmp_path / "twin")
    twin.run(reconciled=False)
    assert plain(twin) == plain(goods[entity])
    writes = twin.writes()
    twin.run(of=[entity], reconciled=False)
    assert twin.writes() == writes
    world.close()
    twin.close()


def test_an_answer_that_names_another_record_stops_the_task(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is linked by it, and no further call is made."""
    draft(linked)
    post = FakeProcore.post

    def other(self: FakeProcore, step: Step, items: list[Item], beat: Beat) -> list[Outcome]:
        return [replace(outcome, id="1") for outcome in post(self, step, items, beat)]

    monkeypatch.setattr(FakeProcore, "post", other)
    with pytest.raises(ContractBroken, match=r"Procore answered the link of commitment SC-1, its record .*, with record 1"):
        linked.run(params=ONLY)
    assert [link for link in linked.ledger.links.of("commitments") if link.status == "active"] == []


def test_an_answer_that_names_a_linked_record_stops_the_task(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of one that was linked after this load began."""
    world.run(params={"entities": ["vendors"]})
    (taken,) = world.ledger.links.of("vendors")
    world.erp.put(vendor("V-2"))
    post = FakeProcore.post

    def other(self: FakeProcore, step: Step, items: list[Item], beat: Beat) -> list[Outcome]:
        return [replace(outcome, id=taken.procore_id) for outcome in post(self, step, items, beat)]

    monkeypatch.setattr(FakeProcore, "post", other)
    with pytest.raises(ContractBroken, match=rf"vendor V-2 with record {taken.procore_id}, which is linked to V-1"):
        world.run(params={"entities": ["vendors"]})
    assert [link.erp_key for link in world.ledger.links.of("vendors")] == ["V-1"]


def test_a_load_reads_the_contents_of_no_link_but_those_it_writes(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in ("SC-1", "SC-2", "SC-3"):
        draft(linked, number)
    linked.run(params=ONLY)
    linked.procore.change("commitments", "SC-2", title="Another")
    sync, read = judged(linked, "commitments"), []
    each = links.each

    def counted(kind: Any, result: Any) -> Iterator[Any]:
        for row in each(kind, result):
            read.extend([row.number] if row.entity == "commitments" and row.content is not None else [])
            yield row

    monkeypatch.setattr(links, "each", counted)
    engine.load(sync, "commitments")
    assert linked.erp.applied["commitments", "update", "SC-2"] == 1 and read == ["SC-2"]


def test_a_load_reads_no_more_links_than_its_records_name(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    linked.erp.put(vendor("V-2"))
    linked.run(params={"entities": ["vendors"]})
    draft(linked, "SC-1")
    sync, whole, named = judged(linked, "commitments"), [], dict[str, set[str]]()
    of, ask = links.Links.of, links.Links.named

    def all_of(self: links.Links, entity: str, **options: Any) -> Any:
        whole.append(entity)
        return of(self, entity, **options)

    def some(self: links.Links, entity: str, keys: list[str], idents: list[str]) -> Any:
        found = ask(self, entity, keys, idents)
        named[entity] = {link.erp_key for link in found}
        return found

    monkeypatch.setattr(links.Links, "of", all_of)
    monkeypatch.setattr(links.Links, "named", some)
    engine.load(sync, "commitments")
    assert linked.erp.applied["commitments", "create", "SC-1"] == 1 and not whole
    assert named["vendors"] == {"V-1"} and {link.erp_key for link in of(sync.ledger.links, "vendors")} == {"V-1", "V-2"}


def test_what_is_adopted_or_unchanged_is_taken_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2, 7):
        world.erp.put(vendor(f"V-{number}"))
    world.run(params={"entities": ["vendors"]})
    monkeypatch.setattr(engine, "PART", 2)
    taken: list[int] = []
    work = Outcomes.work

    def counted(self: Outcomes, *given: Any, **options: Any) -> Any:
        found = work(self, *given, **options)
        taken.append(len(found))
        return found

    monkeypatch.setattr(Outcomes, "work", counted)
    sync = judged(world, "vendors")
    assert engine.load(sync, "vendors").unchanged == 6 and taken == [2, 2, 2]
    with world.ledger.engine.begin() as connection:
        for table in ("links", "intents"):
            connection.exec_driver_sql(f"delete from {table}")
    taken.clear()
    assert engine.load(judged(world, "vendors"), "vendors").adopted == 6 and taken == [2, 2, 2]
    assert len(world.ledger.links.of("vendors")) == 6


def test_one_record_for_two_that_were_sent_stops_the_task(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.erp.put(vendor("V-2"))
    post = FakeProcore.post

    def same(self: FakeProcore, step: Step, items: list[Item], beat: Beat) -> list[Outcome]:
        outcomes = post(self, step, items, beat)
        return [replace(outcome, id=outcomes[0].id) for outcome in outcomes]

    monkeypatch.setattr(FakeProcore, "post", same)
    with pytest.raises(ContractBroken, match=r"answered the create of vendor V-\d with record \d+, which it also gave for V-\d"):
        world.run(params={"entities": ["vendors"]})
    assert world.ledger.links.of("vendors") == []


def test_a_look_that_began_within_the_settle_time_proves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It saw nothing, and lasted until the settle time was over: what was sent may have arrived behind its back."""
    only: dict[str, Any] = {"entities": ["vendors"]}
    world.procore.failing = {"post vendors create": "before"}
    with pytest.raises(Unsettled):
        world.run(params=only)
    world.procore.failing = {}
    world.clock.now -= timedelta(minutes=10) - timedelta(seconds=30)  # the next run begins within the settle time
    find, posts = FakeProcore.find, world.procore.calls.count("post vendors create")

    def long(self: FakeProcore, step: Step, items: list[Item]) -> list[Outcome]:
        found = find(self, step, items)
        self.clock.now += timedelta(seconds=20)
        return found

    monkeypatch.setattr(FakeProcore, "find", long)
    with pytest.raises(Unsettled):
        world.run(params=only)
    assert world.procore.calls.count("post vendors create") == posts
    monkeypatch.undo()
    world.run(params=only)
    assert world.procore.calls.count("post vendors create") == posts + 1


def test_a_lease_lasts_as_long_as_its_call(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call may take many requests: each asks for the lease, so that it ends only for a task that nobody hears of any more."""
    draft(linked)
    post, asked = FakeErp.post, []

    def long(self: FakeErp, step: Step, items: list[Item], beat: Beat) -> list[Outcome]:
        for _ in range(5):
            with linked.ledger.engine.begin() as connection:
                connection.exec_driver_sql("UPDATE leases SET expires_at = ?", (stamp(datetime.now(UTC) + timedelta(seconds=5)),))
            beat()
            with linked.ledger.engine.connect() as connection:
                asked.append(moment(connection.exec_driver_sql("SELECT expires_at FROM leases").scalar_one()))
        return post(self, step, items, beat)

    monkeypatch.setattr(FakeErp, "post", long)
    linked.run(params=ONLY)
    assert len(asked) == 5 and all(until > datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS - 60) for until in asked)


def test_vendors_with_the_same_name_are_two(world: World) -> None:
    world.erp.put(vendor("V-2", name="Vendor V-1"))
    world.run()
    assert len(world.procore.records["vendors"]) == 2
