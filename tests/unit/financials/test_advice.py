"""What a message advises can be done in the state in which it is said, and does what it promises.

Each rule whose message names a command is broken in each entity that has it. The commands are taken out of the text as a person
copies them, and run; then the sync goes on. The record must have gone on, or be stopped by something else, and none may be there
twice. A rule that comes to name a command is tried like all others.
"""

from __future__ import annotations

import ast
import re
import shlex
import string
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import include.financials.__main__ as command_line
from include.financials import report
from include.financials.advice import OF_A_ROW, command
from include.financials.entities import ENTITIES
from include.financials.judging import astray
from include.financials.judging.rules import Rule
from include.financials.ledger import Judged
from include.financials.reconciliation import reconcile
from include.financials.record import Record
from include.financials.statuses import VOID
from include.financials.view import Sync
from tests.unit.financials.judging import test_rules as broken
from tests.unit.financials.judging.test_rules import Act, Fault, both
from tests.unit.financials.pair import FROZEN, LINKED, World, commitment, draft, family, line, make_settings, vendor

VERBS = "approve|link|accept|unlink|resend|opening"
_WORD = r"(?:'[^']*'(?:\"'\"'[^']*')*|\w(?:[\w./+-]*\w)?)"
_COMMAND = re.compile(rf"decide (?:{VERBS}) \w+(?: {_WORD})?(?: --\w+[ =]{_WORD})*(?: -- {_WORD}|(?: -- '[^']*'))?")
SAY = {"proposal_way", "parted", "pair_apart", "overdue", "billed_by", "opening_offered"}
"""Facts that bring their command along."""
PLACEHOLDERS = {"AMOUNT": "40.00", "DATE": "2026-09-25"}
DONE = ("linked", "skipped")
BORN_THERE = [name for name, row in ENTITIES.items() if row.source == "procore" and not row.read_only]
ROOT = Path(__file__).parents[3]


def advised(text: str) -> list[str]:
    """The commands of a message, as a person copies them."""
    found = _COMMAND.findall(text)
    assert len(found) == len(re.findall(rf"decide (?:{VERBS})\b", text)), f"a command that nobody can copy: {text}"
    return list(dict.fromkeys(found))


def follow(world: World, said: str) -> int:
    return command_line.main(["--ledger", str(world.ledger.url), *(PLACEHOLDERS.get(word, word) for word in shlex.split(said))])


def twin(world: World, folder: Path) -> World:
    """Goes its own way, also in what its systems do not show."""
    made = world.fork(folder)
    for mine, other in ((made.erp, world.erp), (made.procore, world.procore)):
        for name in ("garbled", "missed", "hidden", "closed"):
            if hasattr(other, name):
                setattr(mine, name, type(getattr(other, name))(getattr(other, name)))
    return made


def stopped(world: World, sync: Sync, entity: str, rule: str | None = None) -> list[Judged]:
    rows = world.ledger.outcomes.of(sync.run.run_id, entity)
    return [row for row in rows if row.rule and rule in (None, row.rule)]


def row_of(world: World, sync: Sync, row: Judged) -> Judged | None:
    rows = world.ledger.outcomes.of(sync.run.run_id, row.entity)
    return next((one for one in rows if (one.side, one.company, one.id) == (row.side, row.company, row.id)), None)


def standing(world: World, entity: str) -> Counter[tuple[str, str, str]]:
    """How often a number stands on a side."""
    found = Counter[tuple[str, str, str]]()
    for memory in (world.erp, world.procore):
        for one in memory.records[entity]:
            if not one.deleted and getattr(one, "status", None) not in (VOID, "Void"):
                found[memory.side, str(getattr(one, "project", "")), one.number] += 1
    return found


def go_on(world: World, entity: str, *, before: Counter[tuple[str, str, str]]) -> Sync:
    """Until nothing is left to do, which the third run shows at the latest; none makes a record a second time."""
    earlier = [Counter(memory.made) for memory in (world.erp, world.procore)]
    world.run(of=[entity])
    writes = world.writes()
    sync = world.run(of=[entity])
    if world.writes() != writes:
        writes = world.writes()
        world.run(of=[entity], reconciled=False)
    assert world.writes() == writes
    more = {place: count for place, count in standing(world, entity).items() if count > max(1, before[place])}
    assert not more, f"made a second time: {more}"
    for memory, had in zip((world.erp, world.procore), earlier, strict=True):
        assert all(count <= 1 for count in (memory.made - had).values())
    return sync


# -- every rule whose message names a command --


def altered(entity: str) -> Act:
    plain: dict[str, dict[str, Any]] = {
        "vendor_insurances": {"provider": "Else"}, "users": {"job_title": "Else"}, "tax_codes": {"description": "Else"},
        "commitments": {"retainage_percent": Decimal(5)}, "prime_contracts": {"retainage_percent": Decimal(5)},
        "cost_types": {"base_type": "labor"},
    }  # fmt: skip
    return broken.alter(**({**FROZEN, **plain}.get(entity) or {"name": "Else"}))


def pair_apart(world: World, entity: str) -> None:
    """A person said that two are one; since then one of them has changed."""
    link = broken.last_link(world, entity)
    world.ledger.decisions.part(link, "ann")
    world.ledger.decisions.decide(
        entity=entity, company=link.company, record_id=link.erp_key, pair=link.procore_id, decision="link", who="ann",
        number=link.number, value={"apart": []},
    )  # fmt: skip
    altered(entity)(world, entity)


def only_first(world: World, entity: str) -> None:
    """The first draw of each contract: none comes after it."""
    del world.procore.records[entity][1:]


def code_alike(world: World, entity: str) -> None:
    record: Any = world.erp.records[entity][-1]
    own = {"project": broken._linked(world, "projects", record.project), "parent": None, "cost_types": ()}
    world.procore.put(record.model_copy(update={"id": "77", "company": None, **own}))


def limited(world: World, entity: str) -> None:
    world.settings = make_settings(approve_above=Decimal("10.00"))


FAULTS: dict[tuple[str, str], Fault] = {
    **{(name, "pair_apart"): Fault(pair_apart, "full") for name in LINKED},
    **{(name, "proposal"): Fault(broken.twins(1)) for name in ("vendors", "customers", "projects")},
    **{(name, "proposal"): Fault(both(only_first, broken.namesake())) for name in ("subcontractor_invoices", "owner_invoices")},
    ("cost_codes", "proposal"): Fault(code_alike),
    ("commitments", "approval_wanted"): Fault(limited),
    ("commitments", "drift"): Fault(broken.first_line(amount=Decimal("61.00")), "full"),
}
UNREACHABLE = {
    # The settings name the counterpart of a cost type, and no person has to.
    ("cost_types", "proposal"),
    # Budgets are found by their job.
    ("budgets", "proposal"),
}


def advises(rule: Rule) -> bool:
    return bool({name for _, name, _, _ in string.Formatter().parse(rule.message) if name} & {*OF_A_ROW, *SAY})


CASES = [
    (name, rule)
    for name in LINKED
    for rule in ENTITIES[name].rules
    if advises(rule) and (name, rule.fact) not in UNREACHABLE and name not in broken.UNREACHABLE.get(rule.fact, ())
]


def world_of(fault: Fault | Act, entity: str, stages: dict[str, World], stocked: tuple[World, World], folder: Path) -> World:
    fault = fault if isinstance(fault, Fault) else Fault(fault)
    made = (stages[entity] if fault.base == "stage" else stocked[1]).fork(folder)
    fault.act(made, entity)
    return made


@pytest.mark.parametrize("mode", ["apply", "plan"])
@pytest.mark.parametrize(("entity", "rule"), CASES, ids=lambda one: getattr(one, "name", one))
def test_what_a_rule_advises_works(
    entity: str, rule: Rule, mode: str, stages: dict[str, World], stocked: tuple[World, World], tmp_path: Path
) -> None:
    fault = FAULTS.get((entity, rule.fact)) or broken.OWN.get((entity, rule.fact)) or broken.FAULTS[rule.fact]
    world = world_of(fault, entity, stages, stocked, tmp_path / "world")
    sync = world.run(of=[entity], params={"mode": mode})
    rows = stopped(world, sync, entity, rule.id)
    said = [(row, one) for row in rows for one in advised(row.message or "")]
    assert said, f"{rule.name} names no command: {[row.message for row in rows]}"
    for place, (row, one) in enumerate(said):
        if "KEY" in one:
            continue  # the person says which: below
        after = twin(world, tmp_path / str(place))
        before = standing(after, entity)
        assert follow(after, one) == 0, one
        found = row_of(after, go_on(after, entity, before=before), row)
        after.close()
        assert found is None or found.state in DONE or (found.state, found.rule) != (row.state, row.rule), found.message
        assert found is None or one not in advised(found.message or ""), f"it says the same again: {found.message}"
        if one.split()[1] in ("link", "approve", "resend"):
            assert found is None or found.state in DONE, f"{one}: {found.message}"
    world.close()


# -- ways out that take more than the command --


def told_of(world: World, entity: str, ident: str) -> Judged:
    """What the next run says of Procore's record."""
    sync = world.run(of=[entity])
    return next(row for row in world.ledger.outcomes.of(sync.run.run_id, entity) if row.id == ident)


def renumbered(world: World, entity: str) -> Record:
    own = world.procore.records[entity][-1]
    number = {"change_number": "9"} if hasattr(own, "change_number") else {}
    return world.procore.put(
        own.model_copy(update={"number": own.number.rpartition("/")[0] + "/9" if number else "NEW", **number})
    )


@pytest.mark.parametrize("entity", BORN_THERE)
def test_what_was_voided_in_the_erp_is_corrected_under_a_new_number_and_sent_anew(full: World, entity: str) -> None:
    own, there = full.procore.records[entity][-1], full.erp.records[entity][-1]
    full.erp.put(there.model_copy(update={"status": "void"}))
    row = told_of(full, entity, own.id)
    assert row.rule == "R-09"
    (said,) = advised(row.message or "")
    assert follow(full, said) == 0
    renumbered(full, entity)
    before = standing(full, entity)
    found = row_of(full, go_on(full, entity, before=before), row)
    assert found is not None and (found.state, found.rule) == ("linked", None), found
    assert sum(full.erp.made.values()) == 1


def lost_by_mark(world: World, own: Any) -> None:
    world.erp.records["commitments"].clear()


def called_otherwise(world: World, own: Any) -> None:
    world.erp.put(world.erp.get("commitments", number="SC-1").model_copy(update={"number": "SC-77"}))


def lost_and_renamed(world: World, own: Any) -> None:
    lost_by_mark(world, own)
    renamed_here(world, own)


def renamed_here(world: World, own: Any) -> None:
    world.procore.put(own.model_copy(update={"number": "SC-5"}))


def of_another_entity(world: World, own: Any) -> None:
    world.procore.put(own.model_copy(update={"origin_id": own.origin_id.replace(":commitments:", ":vendors:")}))


def copied_there(world: World, own: Any) -> None:
    world.erp.put(world.erp.get("commitments", number="SC-1").model_copy(update={"id": "SC-2", "number": "SC-2"}))
    world.procore.put(own.model_copy(update={"origin_id": None}))


@pytest.mark.parametrize(
    ("how", "then"),
    [
        (lost_by_mark, ("linked", None)),  # sent anew
        (called_otherwise, ("held", "unlinked")),
        (renamed_here, ("held", "unlinked")),
        (lost_and_renamed, ("linked", None)),
        (of_another_entity, None),
        (copied_there, ("held", "unlinked")),
    ],
)
def test_a_broken_link_that_marks_alone_tell_of_can_be_ended(
    linked: World, tmp_path: Path, how: Any, then: tuple[str, str | None] | None
) -> None:
    """The ledger was lost."""
    own = draft(linked)
    linked.run(of=["commitments"], reconciled=False)
    world = linked.without_ledger(tmp_path / "lost")
    how(world, world.procore.get("commitments", id=own.id))
    world.run()
    row = told_of(world, "commitments", own.id)
    assert (row.state, row.rule) == ("conflict", "R-02")
    (said,) = advised(row.message or "")
    assert follow(world, said) == 0
    found = row_of(world, go_on(world, "commitments", before=standing(world, "commitments")), row)
    assert found is not None and (found.state, found.rule) != ("conflict", "R-02"), found and found.message
    assert then in (None, (found.state, found.rule)), found.message
    world.close()


@pytest.mark.parametrize("entity", BORN_THERE)
def test_the_link_of_what_is_gone_without_a_trace_can_be_ended(adopted: World, entity: str) -> None:
    here = adopted.procore.records[entity].pop()
    adopted.run(of=family(entity))
    row = told_of(adopted, entity, here.id)
    (said,) = advised(row.message or "")
    assert row.rule == "R-02" and follow(adopted, said) == 0
    found = row_of(adopted, go_on(adopted, entity, before=standing(adopted, entity)), row)
    assert found is None and adopted.writes() == 0


@pytest.mark.parametrize("how", ["it is not shown", "it was deleted"])
def test_what_hides_a_project_can_be_ended_by_a_person(full: World, tmp_path: Path, how: str) -> None:
    """The ledger was lost, and Procore does not show a job of which the ERP has documents that were made there: a contract goes
    with all that belongs to it, which no run could judge either."""
    world = full.without_ledger(tmp_path / "lost")
    ident = world.procore.get("projects", number="25-104").id
    if how == "it is not shown":
        world.procore.hidden = {("projects", ident)}
        world.procore.closed = {(name, ident) for name, row in ENTITIES.items() if row.project_scoped}
    else:
        for group in world.procore.records.values():
            group[:] = [one for one in group if ident not in (one.id, getattr(one, "project", None))]
    for _ in range(2):
        sync = world.run(reconciled=False)
        report.move_watermarks(sync, [name for name in sync.run.entities if name != "payments_issued"])
    ended = list[str]()
    while (bad := astray.unknown(world.run(of=["payments_issued"], reconciled=False), ENTITIES["payments_issued"])) is not None:
        (said,) = advised(bad.message)
        assert said not in ended and follow(world, said) == 0
        ended.append(said)
    assert [said.split()[2] for said in ended] == ["commitments"]
    world.close()


@pytest.mark.parametrize("entity", [name for name, row in ENTITIES.items() if row.source == "erp" and not row.read_only])
def test_the_link_of_what_the_erp_lost_can_be_ended(full: World, entity: str) -> None:
    gone = full.erp.records[entity].pop()
    sync = full.run(of=[entity])
    rows = [row for row in stopped(full, sync, entity, "R-02") if row.id == gone.id]
    if entity == "budgets":  # its other side is shown
        rows = stopped(full, sync, entity, "R-02")
    (row,) = rows
    (said,) = advised(row.message or "")
    assert follow(full, said) == 0
    found = row_of(full, go_on(full, entity, before=standing(full, entity)), row)
    assert found is None or (found.state, found.rule) == ("held", "unlinked"), found


def test_the_link_of_a_budget_that_is_nowhere_can_be_ended(full: World) -> None:
    full.erp.records["budgets"] = [one for one in full.erp.records["budgets"] if one.number != "25-104"]
    full.procore.records["budgets"] = [one for one in full.procore.records["budgets"] if one.number != "25-104"]
    sync = full.run(params={"entities": ["budgets"]})
    (row,) = stopped(full, sync, "budgets", "R-02")
    (said,) = advised(row.message or "")
    assert follow(full, said) == 0
    assert row_of(full, go_on(full, "budgets", before=standing(full, "budgets")), row) is None


@pytest.mark.parametrize("entity", [name for name in LINKED if ENTITIES[name].external_id])
def test_a_link_whose_external_id_was_cleared_is_ended_and_made_again(full: World, entity: str) -> None:
    own = full.procore.records[entity][-1]
    full.procore.put(own.model_copy(update={"origin_id": None}))
    sync = full.run(of=[entity])
    (row,) = stopped(full, sync, entity, "R-02")
    for state in (("held", "unlinked"), ("linked", None)):
        (said,) = advised(row.message or "")
        assert follow(full, said) == 0
        found = row_of(full, go_on(full, entity, before=standing(full, entity)), row)
        assert found is not None and (found.state, found.rule) == state, found and found.message
        row = found
    assert full.procore.get(entity, id=own.id).origin_id == own.origin_id
    assert full.erp.made.total() + full.procore.made.total() == 0


@pytest.mark.parametrize("entity", ["subcontractor_invoices", "owner_invoices"])
def test_a_document_that_the_erp_moved_is_linked_under_its_present_key(full: World, tmp_path: Path, entity: str) -> None:
    there = full.erp.records[entity].pop()
    full.erp.records[entity].append(there.model_copy(update={"id": "NEW 1"}))
    row = told_of(full, entity, full.procore.records[entity][-1].id)
    link, end = advised(row.message or "")
    before = standing(full, entity)
    assert follow(full, end) == 0
    waits = row_of(full, go_on(full, entity, before=before), row)
    assert waits is not None and (waits.state, waits.rule) == ("held", "unlinked"), "no mark links what a person has parted"
    (again,) = advised(waits.message or "")
    other = twin(full, tmp_path / "other")
    assert follow(other, again) == 0 and told_of(other, entity, row.id).state == "linked", "either way"
    other.close()
    assert follow(full, link) == 0
    found = row_of(full, go_on(full, entity, before=before), row)
    assert found is not None and found.state == "linked" and not full.erp.made


@pytest.mark.parametrize("entity", BORN_THERE)
def test_what_was_posted_under_another_number_is_linked_by_hand(
    entity: str, stages: dict[str, World], stocked: tuple[World, World], tmp_path: Path
) -> None:
    world = world_of(both(only_first, broken.handed_over(6)), entity, stages, stocked, tmp_path / "world")
    (waiting,) = world.erp.staged
    world.erp.staged.clear()
    world.erp.staging.clear()
    world.erp.put(waiting.model_copy(update={"id": "47 11", "number": "47 11", "marker": None}))
    world.run(params={"entities": [entity]})
    (row,) = stopped(world, world.run(params={"entities": [entity]}), entity, "overdue")
    link, again = advised(row.message or "")
    assert "resend" in again and follow(world, link.replace("KEY", "'47 11'")) == 0
    found = row_of(world, go_on(world, entity, before=standing(world, entity)), row)
    assert found is not None and found.state == "linked" and world.erp.made.total() == 1, found and found.message
    world.close()


@pytest.mark.parametrize("entity", ["subcontractor_invoices", "owner_invoices"])
def test_a_bill_entered_by_hand_is_linked_where_it_may_be_the_same(
    entity: str, stages: dict[str, World], stocked: tuple[World, World], tmp_path: Path
) -> None:
    def by_hand(world: World, entity: str) -> None:
        broken.namesake()(world, entity)
        bill = world.erp.records[entity][-1]
        world.erp.records[entity][-1] = bill.model_copy(update={"id": "H 1", "number": "H 1"})

    world = world_of(both(only_first, by_hand), entity, stages, stocked, tmp_path / "world")
    (row,) = stopped(world, world.run(params={"entities": [entity]}), entity, "I-03")
    link, opening = advised(row.message or "")
    assert "opening" in opening and follow(world, link) == 0
    found = row_of(world, go_on(world, entity, before=standing(world, entity)), row)
    assert found is not None and found.state == "linked" and not world.erp.made, found
    world.close()


@pytest.mark.parametrize("linked_before", [True, False])
def test_a_lock_advises_to_end_a_link_only_where_there_is_one(linked: World, linked_before: bool) -> None:
    own = draft(linked)
    if linked_before:
        linked.run(of=["commitments"], reconciled=False)
        linked.procore.change("commitments", "SC-1", title="Another")
    linked.erp.locked.add("SC-1")
    row = told_of(linked, "commitments", own.id)
    assert (row.state, row.rule) == ("blocked", "refused") and "locked" in (row.message or "")
    said = advised(row.message or "")
    assert len(said) == linked_before
    assert all(follow(linked, one) == 0 for one in said)
    assert not said or told_of(linked, "commitments", own.id).rule == "unlinked"


def test_an_acceptance_that_ended_is_said_again(linked: World) -> None:
    linked.erp.put(commitment("X 1", company="01", status="open"))
    linked.run(of=["commitments"])
    assert follow(linked, command("accept", "commitments", "X 1", "01/X 1")) == 0
    assert reconcile(linked.run(of=["commitments"])).balanced
    linked.erp.change("commitments", "X 1", title="Another")
    (row,) = report.build(linked.run(of=["commitments"]))["stopped"]
    (said,) = advised(row["message"])
    assert follow(linked, said) == 0
    sync = linked.run(of=["commitments"])
    assert reconcile(sync).balanced and not report.build(sync)["stopped"]


def test_two_that_nobody_can_link_are_not_advised_to_be_linked(linked: World) -> None:
    """They are alike, and differ in money."""
    linked.erp.put(commitment(company="01", status="open", lines=(line(1, "60.00"), line(2, "40.00"))))
    own = draft(linked, lines=(line(1, "50.00"), line(2, "50.00")))
    row = told_of(linked, "commitments", own.id)
    assert (row.state, row.rule) == ("held", "2.9") and advised(row.message or "") == [], row.message
    assert follow(linked, "decide link commitments SC-1") == 2
    draft(linked, lines=(line(1, "60.00"), line(2, "40.00")))
    (said,) = advised(told_of(linked, "commitments", own.id).message or "")
    assert follow(linked, said) == 0
    assert told_of(linked, "commitments", own.id).state == "linked"


def test_a_pair_that_changed_since_it_was_named_waits_for_the_person_in_every_run(linked: World) -> None:
    """What the two were alike in has changed: nothing would propose them any more, and a second one would be made."""
    linked.erp.put(commitment(company="01", status="open"))
    own = draft(linked)
    (said,) = advised(told_of(linked, "commitments", own.id).message or "")
    assert follow(linked, said) == 0
    linked.procore.put(own.model_copy(update={"number": "SC-9"}))
    for _ in range(3):
        row = told_of(linked, "commitments", own.id)
        assert (row.state, row.rule) == ("held", "2.9") and "differ since: number SC-1 / SC-9" in (row.message or "")
    assert not linked.erp.made
    again, _ = advised(row.message or "")
    assert follow(linked, again) == 0
    for _ in range(2):
        assert told_of(linked, "commitments", own.id).state == "linked"
    assert not linked.erp.made


# -- numbers --

HOSTILE = ["SC 1", "it's", 'a "b" c', "-SC", "--id", "-7", "all", "$(exit)", "N.", "a;b", "SC-1,", "Ö 7", "*", "a\\b", "(1)"]


@pytest.mark.parametrize("number", HOSTILE)
def test_a_command_is_copied_whatever_the_number_is(world: World, number: str) -> None:
    world.erp.put(vendor(number, name="Hostile", code="H"))
    world.run(params={"entities": ["vendors"]})
    world.procore.records["vendors"].clear()
    sync = world.run(params={"entities": ["vendors"]})
    row = next(row for row in stopped(world, sync, "vendors", "R-02") if row.number == number)
    (said,) = advised(row.message or "")
    assert follow(world, said) == 0
    assert {link.number for link in world.ledger.links.of("vendors")} == {"V-1"}, "that one alone"
    found = row_of(world, go_on(world, "vendors", before=standing(world, "vendors")), row)
    assert found is not None and found.state == "linked"


@pytest.mark.parametrize("number", HOSTILE)
def test_the_way_back_is_copied_too(linked: World, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    own = draft(linked, number)
    linked.run(of=["commitments"], reconciled=False)
    assert follow(linked, command("unlink", "commitments", number, own.id)) == 0
    (said,) = advised(capsys.readouterr().out)
    row = told_of(linked, "commitments", own.id)
    assert (row.rule, advised(row.message or "")) == ("unlinked", [said])
    assert follow(linked, said) == 0
    (said,) = advised(capsys.readouterr().out)
    found = row_of(linked, go_on(linked, "commitments", before=standing(linked, "commitments")), row)
    assert found is not None and found.state == "linked"
    assert follow(linked, said) == 0, "it lasts until: that"
    assert not linked.ledger.links.of("commitments")


@pytest.mark.parametrize(
    "other",
    [
        vendor("V-9", id="B", code="B", name="Of one company"),
        vendor("V-9", id="A", company="G2", code="B", name="Of two, and of one key"),
        vendor("Other", id="V-9", code="B", name="Whose key is the number"),
    ],
    ids=lambda one: one.name,
)
@pytest.mark.parametrize("first", [True, False])
def test_a_command_means_one_record_also_where_several_have_its_number(world: World, other: Any, first: bool) -> None:
    one = vendor("V-9", id="A", code="A", name="The one")
    for record in (one, other) if first else (other, one):
        world.erp.put(record)
    world.run(params={"entities": ["vendors"]})
    lost = next(link for link in world.ledger.links.of("vendors") if (link.company, link.erp_key) == (one.company, one.id))
    world.procore.records["vendors"] = [own for own in world.procore.records["vendors"] if own.id != lost.procore_id]
    (row,) = stopped(world, world.run(params={"entities": ["vendors"]}), "vendors", "R-02")
    (said,) = advised(row.message or "")
    kept = {link.procore_id for link in world.ledger.links.of("vendors")} - {lost.procore_id}
    assert follow(world, said) == 0
    assert {link.procore_id for link in world.ledger.links.of("vendors")} == kept
    found = row_of(world, go_on(world, "vendors", before=Counter(dict.fromkeys(standing(world, "vendors"), 2))), row)
    assert found is not None and found.state == "linked" and len(world.procore.records["vendors"]) == 3


def test_a_number_that_is_the_others_id_in_procore_is_no_trap(linked: World) -> None:
    first = draft(linked, "SC-1")
    second = draft(linked, first.id)
    linked.run(of=["commitments"], reconciled=False)
    linked.procore.put(first.model_copy(update={"lines": (line(1, "61.00"),), "amount": Decimal("61.00")}))
    linked.procore.put(second.model_copy(update={"lines": (line(1, "62.00"),), "amount": Decimal("62.00")}))
    for own in (second, first):
        row = told_of(linked, "commitments", own.id)
        (said,) = advised(row.message or "")
        assert follow(linked, said) == 0
        assert own.id not in {link.procore_id for link in linked.ledger.links.of("commitments")}
        assert told_of(linked, "commitments", own.id).rule == "unlinked"


def test_a_record_called_all_is_one_record(world: World) -> None:
    """``all`` by itself means every record that waits."""
    for number in ("all", "V-8"):
        world.erp.put(vendor(number, code=number))
        world.procore.put(vendor(number, id=f"7{number}", company=None, code=number))
    sync = world.run(params={"entities": ["vendors"]})
    row = next(row for row in stopped(world, sync, "vendors", "2.9") if row.number == "all")
    (said,) = advised(row.message or "")
    assert follow(world, said) == 0
    assert [one.number for one in world.ledger.decisions.of("vendors", "link")] == ["all"]


def test_a_number_that_has_changed_since_it_was_linked_is_found(world: World) -> None:
    world.run(params={"entities": ["vendors"]})
    world.erp.put(world.erp.get("vendors", number="V-1").model_copy(update={"number": "V-2"}))
    world.procore.records["vendors"].clear()
    (row,) = stopped(world, world.run(params={"entities": ["vendors"]}), "vendors", "R-02")
    (said,) = advised(row.message or "")
    assert "V-2" in said and follow(world, said) == 0 and not world.ledger.links.of("vendors")


def test_what_the_command_itself_advises_works(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it refuses, it says what to do first."""
    world.erp.put(vendor("V 2", name="Another"))
    for ident in ("7007", "7008"):
        world.procore.put(vendor(f"P {ident}", id=ident, company=None, name=f"By hand {ident}", code=ident, origin_id=None))
    world.run(params={"entities": ["vendors"], "mode": "plan"})
    assert follow(world, "decide link vendors 'V 2'") == 2
    (said,) = advised(capsys.readouterr().err)
    assert follow(world, said.replace("NUMBER_OR_ID", "7007")) == 0
    capsys.readouterr()
    assert follow(world, "decide link vendors 'V 2' --to 7008") == 2, "it has a counterpart by a person's word"
    (said,) = advised(capsys.readouterr().err)
    assert follow(world, said) == 0 and follow(world, "decide link vendors 'V 2' --to 7008") == 0
    world.run(params={"entities": ["vendors"]})
    capsys.readouterr()
    assert follow(world, "decide link vendors 'V 2' --to 7007") == 2, "it has one by a link"
    (said,) = advised(capsys.readouterr().err)
    assert follow(world, said) == 0 and follow(world, "decide link vendors 'V 2' --to 7007") == 0


# -- one way to write them --


def test_commands_in_messages_are_written_in_one_place() -> None:
    """Quoted, and of one record: a text that spells one out itself is neither."""
    found = {}
    for path in sorted((ROOT / "include").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        said = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs]
        told = [one for one in said if isinstance(one, str) and re.search(rf"\bdecide (?:{VERBS})\b", one)]
        if told:
            found[path.relative_to(ROOT).as_posix()] = told
    assert found == {}
