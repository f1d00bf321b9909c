"""What the ERP takes and does not post at once: held, in no book, never sent twice, and settled when its time comes."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.financials import decide
from include.financials.entities import ENTITIES
from include.financials.exceptions import SyncError
from include.financials.reconciliation import reconcile
from include.financials.view import Sync
from tests.unit.financials.pair import DOCUMENTS, ONLY, Crash, World, draft, family, make_settings, plant

BORN = tuple(name for name in DOCUMENTS if ENTITIES[name].source == "procore")
WAITS = ("held", "accepted")
CHAIN = ("commitments", "commitment_change_orders", "subcontractor_invoices")


def told(world: World, sync: Sync, entity: str, number: str) -> str:
    return next(one.message or "" for one in world.ledger.outcomes.of(sync.run.run_id, entity) if one.number == number)


def by_hand(world: World, *words: str) -> str:
    parser = argparse.ArgumentParser()
    decide.arguments(parser)
    return decide.decide(world.ledger, parser.parse_args(words), "ann")


def made(world: World) -> Sequence[int]:
    return list(world.erp.made.values())


@pytest.fixture
def world(linked: World) -> World:
    return linked


# -- one document


def test_it_waits_and_is_linked_when_it_is_posted(world: World) -> None:
    world.erp.staging.add("commitments")
    own = draft(world)
    first = world.run(params=ONLY)
    assert world.states(first, "commitments") == {"SC-1": WAITS}
    assert told(world, first, "commitments", "SC-1") == (
        "Commitment SC-1 was handed over to the ERP on 2026-09-30 and is not posted there yet (batch 7). It is not sent again."
    )
    assert world.procore.get("commitments", id=own.id).origin_id is None and world.ledger.links.of("commitments") == []
    for _ in range(2):
        again = world.run(params=ONLY)
        assert world.states(again, "commitments") == {"SC-1": WAITS} and made(world) == [1]
    world.erp.clerk()
    posted = world.run(params=ONLY)
    assert world.states(posted, "commitments") == {"SC-1": ("updated", "")}
    assert world.procore.get("commitments", id=own.id).origin_id == "sandbox:01:commitments:SC-1"
    assert [link.status for link in world.ledger.links.of("commitments")] == ["active"] and made(world) == [1]
    assert world.ledger.journal.accepted("commitments") == []
    assert world.states(world.run(params=ONLY), "commitments") == {"SC-1": ("unchanged", "")}


def test_a_plan_says_that_it_waits(world: World) -> None:
    world.erp.staging.add("commitments")
    draft(world)
    world.run(params=ONLY)
    plan = world.run(params={**ONLY, "mode": "plan"})
    assert world.states(plan, "commitments") == {"SC-1": WAITS} and made(world) == [1]


def test_a_full_batch_does_not_close_the_gate(world: World) -> None:
    """What waits was fit to load when it was judged: it is no failure of the next stage, and stops nothing that is new."""
    world.erp.staging.add("commitments")
    for number in range(1, 13):
        draft(world, f"SC-{number}")
    for _ in range(2):
        sync = world.run(params=ONLY)
        assert set(world.states(sync, "commitments").values()) == {WAITS}
    draft(world, "SC-99")
    assert world.states(world.run(params=ONLY), "commitments")["SC-99"] == WAITS and len(world.erp.staged) == 13
    world.procore.change("commitments", "SC-1", title="Changed")
    assert set(world.states(world.run(params=ONLY), "commitments").values()) == {WAITS} and made(world) == [1] * 13


def test_what_changed_meanwhile_is_not_sent_again(world: World) -> None:
    world.erp.staging.add("commitments")
    draft(world)
    world.run(params=ONLY)
    world.procore.change("commitments", "SC-1", title="Changed")
    assert world.states(world.run(params=ONLY), "commitments") == {"SC-1": WAITS}
    world.procore.change("commitments", "SC-1", status="Draft")
    assert world.states(world.run(params=ONLY), "commitments") == {"SC-1": WAITS}, "it cannot be called back"
    assert made(world) == [1]


def test_refused_afterwards_is_told_and_sent_again_by_the_next_run(world: World) -> None:
    world.erp.staging.add("commitments")
    draft(world)
    world.run(params=ONLY)
    world.erp.declined["SC-1"] = "VENDOR_HOLD: V-1 is on hold"
    refused = world.run(params=ONLY)
    assert world.states(refused, "commitments") == {"SC-1": ("quarantined", "refused")} and made(world) == [1]
    assert told(world, refused, "commitments", "SC-1") == (
        "Commitment SC-1 was handed over to the ERP on 2026-09-30 and refused there: VENDOR_HOLD: V-1 is on hold"
    )
    world.erp.declined.clear()
    world.erp.clerk(posts=False)
    world.erp.staging.clear()
    assert world.states(world.run(params=ONLY), "commitments") == {"SC-1": ("created", "")} and made(world) == [2]


def test_too_late_and_nowhere_are_asked_about(world: World) -> None:
    world.erp.staging.add("commitments")
    draft(world)
    draft(world, "SC-9", status="Draft")
    world.run(params=ONLY)
    with pytest.raises(SyncError, match="does not wait for the ERP"):
        by_hand(world, "resend", "commitment", "SC-9")
    world.clock.now += timedelta(days=6)
    late = world.run(params=ONLY)
    assert world.states(late, "commitments")["SC-1"] == ("blocked", "overdue")
    assert "is not posted after 6 days. Ask who posts there." in told(world, late, "commitments", "SC-1")
    world.settings = make_settings(accepted_days=30)
    assert world.states(world.run(params=ONLY), "commitments")["SC-1"] == WAITS
    world.erp.clerk(posts=False)
    world.run(params=ONLY)
    gone = world.run(params=ONLY)
    assert world.states(gone, "commitments")["SC-1"] == ("blocked", "overdue") and made(world) == [1]
    assert "is neither waiting there nor posted under its marker any more" in told(world, gone, "commitments", "SC-1")
    assert "sends it again" in by_hand(world, "resend", "commitment", "SC-1", "--note", "the clerk deleted it")
    world.erp.staging.clear()
    assert world.states(world.run(params=ONLY), "commitments")["SC-1"] == ("created", "") and made(world) == [2]


def test_of_two_answers_that_do_not_agree_a_person_decides(world: World) -> None:
    world.erp.staging.add("commitments")
    own = draft(world)
    world.run(params=ONLY)
    world.erp.torn["SC-1"] = "is answered in two ways: 'OK' as 4711 (a.csv#2), then 'ERROR' (b.csv#2)"
    for _ in range(2):
        asked = world.run(params=ONLY)
        assert world.states(asked, "commitments") == {"SC-1": ("blocked", "overdue")} and made(world) == [1]
    assert told(world, asked, "commitments", "SC-1") == (
        "Commitment SC-1 was handed over to the ERP on 2026-09-30 (batch 7) and there is answered in two ways: 'OK' as 4711 "
        "(a.csv#2), then 'ERROR' (b.csv#2). Ask who posts there. If it was posted under another number: decide link commitments "
        f"SC-1 --id {own.id} --to KEY. If it never will be: decide resend commitments SC-1 --id {own.id}."
    )
    world.erp.clerk(posts=False)
    by_hand(world, "resend", "commitment", "SC-1")
    world.erp.torn.clear()
    world.erp.staging.clear()
    assert world.states(world.run(params=ONLY), "commitments") == {"SC-1": ("created", "")} and made(world) == [2]


def test_posted_under_another_number_it_is_linked_by_hand(world: World) -> None:
    world.erp.staging.add("commitments")
    own = draft(world)
    world.run(params=ONLY)
    (waiting,) = world.erp.staged
    world.erp.staged.clear()
    world.erp.put(waiting.model_copy(update={"id": "4711", "number": "4711", "marker": None}))
    for _ in range(2):
        world.run(params=ONLY)
    by_hand(world, "link", "commitment", "SC-1", "--to", "4711")
    world.run(params=ONLY)
    assert [(link.erp_key, link.procore_id) for link in world.ledger.links.of("commitments")] == [("4711", own.id)]
    assert world.states(world.run(params=ONLY), "commitments")["SC-1"] == ("unchanged", "") and made(world) == [1]


def test_so_is_what_has_no_external_id(ready: World) -> None:
    """The pair is the person's, and no half made one of what was handed over."""
    ready.erp.staging.add("budget_changes")
    plant(ready, "budget_changes")
    ready.run(of=["budget_changes"])
    (waiting,) = ready.erp.staged
    ready.erp.staged.clear()
    ready.erp.put(waiting.model_copy(update={"id": "4711", "number": "4711", "marker": None}))
    for _ in range(2):
        ready.run(of=["budget_changes"])
    by_hand(ready, "link", "budget change", "25-104/1", "--to", "4711")
    assert ready.states(ready.run(of=["budget_changes"]), "budget_changes")["25-104/1"] == ("adopted", "")
    assert ready.states(ready.run(of=["budget_changes"]), "budget_changes")["25-104/1"] == ("unchanged", "") and made(ready) == [
        1
    ]


def test_a_change_may_wait_as_well(world: World) -> None:
    own = draft(world)
    world.run(params=ONLY)
    world.erp.approving.add("commitments")
    world.procore.put(own.model_copy(update={"title": "Changed", "origin_id": "sandbox:01:commitments:SC-1"}))
    for _ in range(3):
        sync = world.run(params=ONLY)
        assert world.states(sync, "commitments") == {"SC-1": WAITS}
        assert world.erp.applied["commitments", "update", "SC-1"] == 1
    assert "(approval 3)" in told(world, sync, "commitments", "SC-1")
    world.procore.change("commitments", "SC-1", title="Changed twice")
    assert world.states(world.run(params=ONLY), "commitments") == {"SC-1": WAITS}
    assert world.erp.applied["commitments", "update", "SC-1"] == 1
    world.erp.clerk()
    world.erp.approving.clear()
    for _ in range(2):
        last = world.run(params=ONLY)
    assert world.states(last, "commitments") == {"SC-1": ("unchanged", "")}
    assert getattr(world.erp.get("commitments", id="SC-1"), "title", "") == "Changed twice"
    assert world.erp.applied["commitments", "update", "SC-1"] == 2


# -- all of them


@pytest.mark.parametrize("entity", BORN)
def test_every_document_may_wait(ready: World, entity: str) -> None:
    """What hangs on it waits too; the ties say UNPOSTED; once it is posted all goes on, and nothing is there twice."""
    ready.only = family(entity)
    plant(ready, *(name for name in BORN if name in ready.only))
    ready.erp.staging.add(entity)
    sync = ready.run(reconciled=False)
    waiting = {one.number for one in ready.erp.staged}
    states = ready.states(sync, entity)
    assert waiting and {states[number] for number in waiting} == {WAITS}
    again = ready.run(reconciled=False)
    found = reconcile(ready.read_anew(again))
    assert [d for d in found.differences if d.unexplained] == []
    codes = {(i.code, i.entity) for d in found.differences for i in d.explained if i.key in waiting}
    assert codes <= {("UNPOSTED", entity)}
    for _ in range(4):
        ready.erp.clerk()
        ready.run(reconciled=False)
    ready.erp.staging.clear()
    ready.erp.clerk()
    ready.run(reconciled=False)
    last = ready.run(reconciled=False)
    assert {state for name in ready.only for state, _ in ready.states(last, name).values()} <= {"unchanged"}, ready.counts(last)
    assert set(made(ready)) == {1}


def test_a_budget_of_procore_may_wait(stages: dict[str, World], tmp_path: Path) -> None:
    """The one kind that either side may own."""
    world, only = stages["budgets"].fork(tmp_path / "world"), {"entities": ["budgets"]}
    world.erp.staging.add("budgets")
    for _ in range(2):
        assert world.states(world.run(params=only, reconciled=False), "budgets")["25-105"] == WAITS
    world.erp.clerk()
    world.run(params=only, reconciled=False)
    last = world.run(params=only, reconciled=False)
    assert world.states(last, "budgets")["25-105"] == ("unchanged", "") and made(world) == [1]
    world.close()


def test_what_hangs_on_it_waits_for_it(ready: World) -> None:
    plant(ready, *CHAIN)
    ready.erp.staging |= {"commitments"}
    sync = ready.run(of=CHAIN, reconciled=False)
    assert {state for name in CHAIN[1:] for state, _ in ready.states(sync, name).values()} == {"held"}
    messages = [one.message or "" for one in ready.ledger.outcomes.of(sync.run.run_id, CHAIN[1])]
    assert messages and all("SC-1" in one for one in messages)
    assert not ready.erp.records[CHAIN[1]] and not ready.erp.records[CHAIN[2]]


# -- a process that ends


@pytest.mark.parametrize("fault", ["crash_before", "crash_after", "after"])
def test_a_process_that_ends_around_the_call_sends_nothing_twice(world: World, fault: str) -> None:
    world.erp.staging.add("commitments")
    draft(world)
    world.erp.failing["post commitments create"] = fault
    with contextlib.suppress(Crash, SyncError):
        world.run("run-a", params=ONLY)
    world.erp.failing.clear()
    for _ in range(3):
        world.clock.now += timedelta(hours=1)
        last: Any = world.run(params=ONLY)
    assert world.states(last, "commitments") == {"SC-1": WAITS} and made(world) == [1]
    world.erp.clerk()
    world.run(params=ONLY)
    assert world.states(world.run(params=ONLY), "commitments") == {"SC-1": ("unchanged", "")} and made(world) == [1]


# -- written, but not as it was sent


def test_what_the_erp_keeps_otherwise_is_linked_and_shown_to_a_person(world: World) -> None:
    world.erp.distorted.add("SC-1")
    own = draft(world)
    sync = world.run(params=ONLY)
    assert world.states(sync, "commitments") == {"SC-1": ("blocked", "differs")}
    assert told(world, sync, "commitments", "SC-1") == (
        "SC-1: title was sent as 'Steel', and the ERP stored 'cut'. It is linked and not sent again: correct it in the ERP,"
        " or void it on both sides."
    )
    assert [(link.erp_key, link.procore_id) for link in world.ledger.links.of("commitments")] == [("SC-1", own.id)]
    world.run(params=ONLY)
    assert made(world) == [1]
