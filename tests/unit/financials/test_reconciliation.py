"""The control equation, the report's counts, and the story of one document."""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.financials import __main__ as command
from include.financials import beside, checks, documents, report
from include.financials.documents import Documents
from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError
from include.financials.explained import Difference, Document, Explained
from include.financials.ledger import Ledger, Link, Remembered, room, stamp, tables
from include.financials.ledger.story import entity_named, why
from include.financials.reading import extract
from include.financials.reconciliation import Reconciliation, reconcile
from include.financials.record import Held
from include.financials.view import Sync
from include.financials.writing import engine
from tests.unit.financials.pair import ONLY, World, commitment, cost_code, direct_cost, draft, line, project, vendor


def stopped_parts(result: Reconciliation) -> dict[str, Decimal]:
    """Explained amounts per document and tie T-05 (whole document)."""
    return {i.key: i.amount for d in result.differences if d.tie == "T-05" and d.cost_key is None for i in d.explained}


def unexplained(result: Reconciliation) -> set[tuple[str, str]]:
    return {(d.tie, str(d.unexplained)) for d in result.differences if d.unexplained}


@pytest.fixture
def three(linked: World) -> World:
    """One commitment linked, two stopped by different rules."""
    draft(linked, "SC-1", lines=(line(1, "60.00"), line(2, "40.00")))
    draft(linked, "SC-2", lines=(line(1, "200.50", kind="9"),))
    draft(linked, "SC-3", title=None, lines=(line(1, "-10.00"), line(2, "30.25")))
    return linked


# -- the control equation --


def test_what_is_not_explained_is_what_is_left() -> None:
    items = (Explained("HELD", "commitments", "A", Decimal("10.00")), Explained("CONFLICT", "commitments", "B", Decimal("-3.00")))
    found = Difference("T-08", Decimal("110.00"), Decimal("100.00"), explained=items)
    assert found.unexplained == Decimal("3.00")
    assert found.as_dict()["explained"][0] == {"code": "HELD", "entity": "commitments", "key": "A", "amount": "10.00"}
    assert not Reconciliation(1, (found,)).balanced and Reconciliation(1, ()).balanced


@pytest.mark.parametrize(
    ("state", "late", "codes"),
    [
        ("linked", False, []),
        (None, False, []),
        ("skipped", False, []),
        ("held", False, ["HELD"]),
        ("quarantined", False, ["QUARANTINED"]),
        ("blocked", False, ["BLOCKED"]),
        ("conflict", False, ["CONFLICT"]),
        ("linked", True, ["AFTER_CUTOFF"]),
    ],
)
def test_only_a_stopped_document_explains_anything(state: str | None, late: bool, codes: list[str]) -> None:
    document = Document("commitments", "A", "25-104", state=state, after_cutoff=late)
    assert [item.code for item in document.explain(Decimal("5.00"))] == codes
    assert document.explain(Decimal("0.00")) == ()


def test_stopped_documents_explain_exactly_their_own_part(three: World) -> None:
    result = reconcile(three.run(params=ONLY))
    assert result.balanced and stopped_parts(result) == {"SC-2": Decimal("200.50"), "SC-3": Decimal("20.25")}
    for found in result.differences:
        assert found.procore - found.erp == sum(item.amount for item in found.explained)
    codes = {item.code for found in result.differences for item in found.explained}
    assert codes == {"HELD", "QUARANTINED"}


def test_the_cost_keys_add_up_to_the_documents(three: World) -> None:
    result = reconcile(three.run(params=ONLY))
    by_document = sum(d.procore - d.erp for d in result.differences if d.tie == "T-07")
    assert by_document == sum(d.procore - d.erp for d in result.differences if d.tie == "T-08") == Decimal("220.75")


def test_everything_in_step_has_no_difference(linked: World) -> None:
    draft(linked)
    result = reconcile(linked.run())
    assert result.differences == () and result.checked > 5


def test_a_document_born_in_the_erp_is_never_explained(linked: World) -> None:
    linked.erp.put(commitment("SC-9", company="01", status="open"))
    result = reconcile(linked.run())
    assert {("T-05", "-100.00"), ("T-07", "-100.00"), ("T-08", "-100.00"), ("T-24", "-1")} <= unexplained(result)


def test_one_that_came_after_the_cutoff_is(linked: World) -> None:
    sync = linked.run(params=ONLY)
    linked.erp.put(commitment("SC-9", company="01", status="open"))
    result = reconcile(linked.read_anew(linked.sync(sync.run.run_id)))
    assert result.balanced and {i.code for d in result.differences for i in d.explained} == {"AFTER_CUTOFF"}


def test_a_void_document_of_the_erp_is_none(linked: World) -> None:
    linked.erp.put(commitment("SC-9", company="01", status="void"))
    assert reconcile(linked.run()).differences == ()


def test_a_posted_amount_that_changed_is_never_explained(linked: World) -> None:
    draft(linked)
    linked.run(params=ONLY)
    linked.erp.change("commitments", "SC-1", amount=Decimal("100.01"), lines=(line(amount="100.01"),))
    result = reconcile(linked.run(params=ONLY))
    assert {("T-05", "-0.01"), ("T-07", "-0.01"), ("T-08", "-0.01")} == unexplained(result)


def test_an_amount_that_moved_to_another_code_is_found(linked: World) -> None:
    draft(linked)
    linked.run(params=ONLY)
    linked.erp.change("commitments", "SC-1", lines=(line(code="25-104//03"),))
    result = reconcile(linked.run(params=ONLY))
    assert {("T-08", "100.00"), ("T-08", "-100.00")} == unexplained(result)


def test_a_held_and_an_orphan_do_not_cancel(linked: World) -> None:
    """One document more here and one more there: equal counts and amounts, and yet nothing is in step."""
    draft(linked, "SC-1", title=None)
    linked.erp.put(commitment("SC-9", company="01", status="open"))
    result = reconcile(linked.run(params=ONLY))
    assert not result.balanced and ("T-24", "-1") in unexplained(result) and ("T-08", "-100.00") in unexplained(result)


def test_a_document_that_vanished_from_the_erp_is_a_conflict_that_explains_itself(linked: World) -> None:
    draft(linked)
    linked.run(params=ONLY)
    linked.erp.records["commitments"].clear()
    sync = linked.run(params=ONLY)
    assert linked.states(sync, "commitments") == {"SC-1": ("conflicts", "R-02")}
    assert reconcile(sync).balanced


# -- master data --


def test_equal_counts_can_hide_different_sets(linked: World) -> None:
    linked.procore.records["vendors"][0] = linked.procore.records["vendors"][0].model_copy(
        update={"origin_id": "sandbox:G1:vendors:V-99"}
    )
    known = linked.procore.records["vendors"][0].id
    linked.ledger.records.remember([Remembered("vendors", "G1", "procore", known, "V-1", origin_id="sandbox:G1:vendors:V-99")])
    result = reconcile(linked.read_anew(linked.sync()))
    keys = {d.erp_id: str(d.unexplained) for d in result.differences if d.tie == "T-01" and d.erp_id}
    assert keys == {"V-1": "-1", "V-99": "1"}


def test_a_vendor_that_left_procore_is_missed(linked: World) -> None:
    """What Procore had once is not what it has now."""
    linked.procore.records["vendors"].clear()
    sync = linked.run()
    result = reconcile(sync)
    (found,) = (d for d in result.differences if d.erp_id == "V-1")
    assert (found.procore, found.erp, [i.code for i in found.explained]) == (Decimal(0), Decimal(1), ["CONFLICT"])


def test_a_vendor_that_lost_its_external_id_is_missed(linked: World) -> None:
    linked.procore.change("vendors", "V-1", origin_id=None)
    result = reconcile(linked.run())
    (found,) = (d for d in result.differences if d.erp_id == "V-1")
    assert [i.code for i in found.explained] == ["CONFLICT"] and found.unexplained == 0


def test_an_assignment_that_was_taken_away_is_given_again(linked: World) -> None:
    """The ERP owns what is assigned: what somebody took away in Procore is written once more."""
    linked.procore.change("cost_codes", "03-3000", cost_types=())
    result = reconcile(linked.run())
    assert [d for d in result.differences if d.cost_key == "assignments"] == []
    code: Any = linked.procore.get("cost_codes", number="03-3000")
    assert len(code.cost_types) == 1


def test_types_of_a_code_that_was_refused_are_explained_by_it(world: World) -> None:
    world.procore.failing = {"post cost_codes wbs": "refused"}
    result = reconcile(world.run())
    assert result.balanced


def test_a_plan_reconciles_as_if_it_had_been_carried_out(world: World) -> None:
    world.run()
    draft(world)
    draft(world, "SC-2", title=None)
    plan, apply = reconcile(world.run(params={"mode": "plan"})), reconcile(world.run())
    assert plan.balanced and stopped_parts(plan) == stopped_parts(apply) == {"SC-2": Decimal("100.00")}


# -- the report --


def test_every_record_is_in_exactly_one_count(three: World) -> None:
    draft(three, "SC-4", status="Draft")
    three.procore.locked.add("SC-5")
    draft(three, "SC-5")
    built = report.build(three.run())
    for name, row in built["entities"].items():
        assert row["extracted"] == sum(row[count] for count in report.COUNTS), name
    found = built["entities"]["commitments"]
    expected = {"extracted": 5, "created": 1, "skipped": 1, "held": 1, "quarantined": 1, "blocked": 1, "amount": "520.75"}
    assert {name: found[name] for name in expected} == expected
    assert {(row["key"], row["state"]) for row in built["stopped"]} == {
        ("SC-2", "held"),
        ("SC-3", "quarantined"),
        ("SC-5", "blocked"),
    }
    assert set(built["stopped"][0]) == {"entity", "key", "state", "rule", "waits_for", "amount", "message"}
    assert built["reconciliation"]["balanced"] and built["mode"] == "apply" and built["erp_writes"] == 2
    assert set(built) == {
        "run_id",
        "mode",
        "seconds",
        "procore_calls",
        "procore_writes",
        "erp_writes",
        "entities",
        "stopped",
        "gates",
        "reconciliation",
    }


def test_what_did_not_get_done_is_held(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "load", lambda *_: None)
    built = report.build(three.run())
    found = built["entities"]["commitments"]
    assert (found["created"], found["held"], found["quarantined"]) == (0, 2, 1)
    row = next(row for row in built["stopped"] if row["key"] == "SC-1")
    assert (row["state"], row["rule"], row["waits_for"]) == ("held", "load", "the next run")


def test_a_plan_counts_what_would_be_done(linked: World) -> None:
    draft(linked)
    built = report.build(linked.run(params={"mode": "plan"}))
    assert built["entities"]["commitments"]["created"] == 1 and built["entities"]["vendors"]["unchanged"] == 1
    assert built["erp_writes"] == 0 and built["stopped"] == []


def test_a_run_that_was_not_reconciled_is_not_balanced(linked: World) -> None:
    assert report.build(linked.sync())["reconciliation"] == {"balanced": False, "checked": 0, "differences": []}


@pytest.mark.parametrize(
    ("options", "moves"),
    [
        ({}, True),
        ({"params": {"mode": "plan"}}, False),
        ({"params": {"projects": ["25-104"]}}, False),
        ({"kind": "backfill"}, False),
        ({"params": {"since": "2026-09-30T17:00:00Z"}}, True),
        ({"params": {"since": "2026-09-30T18:00:01Z"}}, False),
    ],
)
def test_a_watermark_moves_only_when_no_hole_is_left(linked: World, options: dict[str, Any], moves: bool) -> None:
    linked.ledger.runs.move_watermark("erp", "vendors", "2026-09-30T18:00:00.000000Z", "earlier")
    sync = linked.sync(**options)
    assert report.move_watermarks(sync, ["vendors"]) == (["vendors"] if moves else [])
    expected = stamp(sync.run.until) if moves else "2026-09-30T18:00:00.000000Z"
    assert linked.ledger.runs.watermark("erp", "vendors") == expected


# -- why --


@pytest.mark.parametrize(
    ("said", "meant"),
    [("commitment", "commitments"), ("Commitments", "commitments"), ("cost code", "cost_codes"), ("cost-codes", "cost_codes")],
)
def test_an_entity_goes_by_both_its_names(said: str, meant: str) -> None:
    assert entity_named(said) == meant


def test_an_unknown_entity_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown entity 'invoice'. Did you mean .*subcontractor invoice"):
        entity_named("invoice")


def test_the_first_line_is_the_answer(three: World) -> None:
    three.run(params=ONLY)
    lines = why(three.ledger.story, "commitment", "SC-2")
    assert lines[0].startswith("SC-2 is held by M-08. SC-2 line 1: job 25-104 has 03-3000 but not type 9.")
    assert lines[0].endswith("It waits for: cost_codes 25-104//03-3000.")
    assert any("amount 200.50" in text for text in lines)


def test_a_linked_document_tells_its_calls_and_ids(linked: World) -> None:
    document = draft(linked)
    linked.run(params=ONLY)
    told = "\n".join(why(linked.ledger.story, "commitment", "SC-1"))
    for part in (
        "SC-1 is linked.",
        f"Procore id {document.id} = ERP 01/SC-1, active",
        "step create (revision 0): confirmed",
        "to erp at",
        "step link",
        "run run-2: create, linked",
    ):
        assert part in told, part


def test_the_command_line(three: World, capsys: pytest.CaptureFixture[str]) -> None:
    three.run(params=ONLY)
    url = three.ledger.url
    assert command.main(["--ledger", url, "why", "commitment", "SC-2"]) == 0
    assert capsys.readouterr().out.startswith("SC-2 is held by M-08.")
    assert command.main(["--ledger", url, "why", "commitment", "XX-9"]) == 0
    assert "no run has read it yet" in capsys.readouterr().out
    assert command.main(["--ledger", url, "why", "invoice", "1"]) == 2
    assert "unknown entity" in capsys.readouterr().err
    assert command.main(["--ledger", url, "decide", "approve", "commitment", "SC-2", "--note", "seen"]) == 0
    assert three.ledger.story.of("commitments", "SC-2").decisions[0].detail == "seen"
    assert command.main(["--ledger", url, "decide", "approve", "commitment", "XX-9"]) == 2
    with pytest.raises(SystemExit):
        command.main(["--ledger", url, "decide", "forget", "commitment", "SC-2"])


def test_the_command_line_takes_the_ledger_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNC_LEDGER_URL", f"sqlite:///{tmp_path}/fresh/ledger.sqlite")
    assert command.main(["why", "vendor", "V-1"]) == 2, "a command makes no ledger in passing"
    assert "There is no ledger at" in capsys.readouterr().err
    assert command.main(["ledger", "create"]) == 0
    assert command.main(["why", "vendor", "V-1"]) == 0
    assert "not known to the ledger" in capsys.readouterr().out
    opened = Ledger(f"sqlite:///{tmp_path}/fresh/ledger.sqlite")
    assert opened.runs.get("x") is None
    opened.close()


def test_a_decision_from_the_command_line_takes_effect(linked: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    linked.procore.put(vendor("V-5", id="5005", company=None))
    linked.erp.put(vendor("V-5"))
    assert linked.states(linked.run(), "vendors")["V-5"] == ("held", "2.9")
    assert command.main(["--ledger", linked.ledger.url, "decide", "link", "vendor", "V-5"]) == 0
    assert linked.states(linked.run(), "vendors")["V-5"] == ("updated", "")
    assert linked.procore.get("vendors", id="5005").origin_id == "sandbox:G1:vendors:V-5"


def test_every_entity_is_reconciled_in_some_way() -> None:
    """Master data by its keys, documents by their amounts; what is only read has nothing to be compared with."""
    rows = {name: row for name, row in ENTITIES.items() if not row.read_only}
    master = {name for name, row in rows.items() if row.master}
    assert {name for name, row in rows.items() if row.model.line is None and not row.document} == master
    assert {name for name, row in ENTITIES.items() if row.ties} == rows.keys() - master


def test_a_closed_job_keeps_its_documents_in_the_sums(linked: World) -> None:
    draft(linked)
    linked.run()
    linked.erp.change("projects", "25-104", status="closed")
    assert reconcile(linked.run()).balanced


def test_codes_of_two_jobs_are_summed_apart(linked: World) -> None:
    linked.erp.put(project("25-105"))
    linked.erp.put(cost_code("03-3000", "25-105"))
    linked.run()
    draft(linked, "SC-1")
    draft(linked, "SC-2", project="25-105", lines=(line(code="25-105//03-3000", kind="9"),))
    result = reconcile(linked.run())
    assert {d.project for d in result.differences} == {"25-105"} and result.balanced


# -- a run beside this one --


def judged_beside(world: World, *names: str) -> Sync:
    """Another run that has read and judged everything, and whose loads of these entities are still to come."""
    sync = world.sync("run-beside", params=ONLY)
    for name in sync.run.entities:
        if name not in names:
            world.stage(sync, name)
            continue
        extract.extract(sync, name, 0)
        checks.check(sync, name, (0,))
    return sync


@pytest.mark.parametrize("change", ["new", "retitled", "adopted"])
def test_what_a_run_beside_this_one_is_about_to_write_is_that_runs_to_reconcile(linked: World, change: str) -> None:
    draft(linked, "SC-1", lines=(line(1, "60.00"), line(2, "40.00")))
    first = linked.run(params=ONLY)
    if change == "new":
        draft(linked, "SC-2", lines=(line(1, "200.50"),))
    elif change == "retitled":
        linked.procore.change("commitments", "SC-1", title="Another title")
    else:  # both sides have it, and the ledger has lost the link
        with linked.ledger.links.writing() as connection:
            connection.execute(sa.delete(tables.links).where(tables.links.c.entity == "commitments"))
    other = judged_beside(linked, "commitments")
    (due,) = linked.ledger.outcomes.in_hand(first.run.run_id, "commitments", "")
    assert (due.run_id, due.number) == (other.run.run_id, "SC-2" if change == "new" else "SC-1")
    mine = linked.sync(first.run.run_id)
    result = reconcile(mine)
    assert result.balanced, unexplained(result)
    codes = {item.code for found in result.differences for item in found.explained}
    assert codes == (set() if change == "retitled" else {"AFTER_CUTOFF"}), "a title is in no sum"
    engine.load(other, "commitments", 0)
    assert reconcile(other).differences == () == reconcile(linked.sync(first.run.run_id)).differences


def test_what_a_run_left_undone_long_ago_is_a_difference_again(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = linked.run(params=ONLY)
    draft(linked, "SC-2", lines=(line(1, "200.50"),))
    judged_beside(linked, "commitments")
    assert reconcile(linked.sync(first.run.run_id)).balanced
    monkeypatch.setattr(beside, "QUIET", timedelta(0))
    assert ("T-05", "200.50") in unexplained(reconcile(linked.sync(first.run.run_id)))


@pytest.mark.parametrize("over", ["it is over", "it only plans"])
def test_what_no_run_will_write_is_nobodys(linked: World, over: str) -> None:
    """A run that has ended writes nothing more, and a plan never did."""
    first = linked.run(params=ONLY)
    draft(linked, "SC-2", lines=(line(1, "200.50"),))
    other = judged_beside(linked, "commitments")
    if over == "it is over":
        linked.ledger.runs.finish(other.run.run_id, "failed")
    else:
        with linked.ledger.runs.writing() as connection:
            connection.execute(sa.update(tables.runs).where(tables.runs.c.run_id == other.run.run_id).values(mode="plan"))
    assert ("T-05", "200.50") in unexplained(reconcile(linked.sync(first.run.run_id)))


def test_what_this_run_has_judged_itself_is_its_own_to_write(linked: World) -> None:
    """The load of another one hangs; this one has seen the same document, and did not write it either."""
    draft(linked, "SC-2", lines=(line(1, "200.50"),))
    judged_beside(linked, "commitments")
    mine = linked.sync("run-mine", params=ONLY)
    extract.extract(mine, "commitments", 0)
    checks.check(mine, "commitments", (0,))
    assert ("T-05", "200.50") in unexplained(reconcile(mine))


@pytest.fixture
def many(full: World) -> World:
    """Five direct costs and five commitments more, all in step but one of each, and a cost that only Procore has."""
    for number in range(5):
        draft(full, f"SC-9{number}", lines=(line(1, f"{number + 1}.00"),))
        full.erp.put(direct_cost(f"JC-9{number}", amount=Decimal(number + 1), lines=(line(1, f"{number + 1}.00"),)))
    full.run(params={"since": "2020-01-01"})
    full.erp.change("commitments", "SC-90", amount=Decimal("7.00"), lines=(line(amount="7.00"),))
    full.erp.records["direct_costs"] = [one for one in full.erp.records["direct_costs"] if one.number != "JC-93"]
    return full


def judged(world: World, **params: Any) -> Sync:
    """A run that has read and judged everything, and written nothing yet."""
    sync = world.sync(params={"since": "2020-01-01", **params})
    for name in ENTITIES:
        extract.extract(sync, name)
        checks.check(sync, name, [0])
    return sync


@pytest.mark.usefixtures("only_new_objects")
def test_no_document_is_kept_once_it_was_compared(many: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a company are most of what a reconciliation would hold."""
    alive, taken, of = list[int](), Counter[str](), Documents.of

    def counted(documents: Documents, entity: str) -> Iterator[Document]:
        for document in of(documents, entity):
            taken[entity] += 1
            gc.collect()
            alive.append(sum(1 for one in gc.get_objects() if isinstance(one, Document)))
            yield document

    sync = judged(many)
    monkeypatch.setattr(Documents, "of", counted)
    reconcile(sync)
    assert min(taken["direct_costs"], taken["commitments"]) > 5
    assert max(alive) <= 2, "the one that is compared, and at most the one before it"


def _of(one: Link | Held) -> str:
    return one.entity if isinstance(one, Link) else ""


@pytest.mark.usefixtures("only_new_objects")
def test_of_the_ledger_no_more_is_held_than_a_part(many: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what the ERP owns: links, and what was remembered of either side."""
    parts, held, of = 2, list[int](), Documents.of
    monkeypatch.setattr(documents, "chunked", partial(room.chunked, size=parts))

    def counted(documents: Documents, entity: str) -> Iterator[Document]:
        for document in of(documents, entity):
            if entity == "direct_costs":
                gc.collect()  # circles of what was let go of are not held
                here = [one for one in gc.get_objects() if isinstance(one, Link | Held)]
                held.append(max(sum(isinstance(one, Held) for one in here), sum(_of(one) == entity for one in here)))
                del here  # or they would be alive when it is counted next
            yield document

    sync = judged(many)
    sync.ask_anew()
    monkeypatch.setattr(Documents, "of", counted)
    reconcile(sync)
    assert len(held) > 5 and max(held) <= 2 * parts


@pytest.mark.parametrize("mode", ["apply", "plan"])
def test_in_however_small_parts_the_ledger_is_asked(many: World, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    sync = judged(many, mode=mode)
    whole = reconcile(sync)
    monkeypatch.setattr(documents, "chunked", partial(room.chunked, size=1))
    monkeypatch.setattr(room.by_place, "__defaults__", (1,))
    assert reconcile(sync) == whole and whole.differences
