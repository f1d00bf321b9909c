"""Answers to steps of workflows that ask our account: the right one, once for each time that a step is asked, and nothing that
becomes of them touches a document."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from include.financials import report
from include.financials.asking import UNDER_WORKFLOW, Answer, Asked, Question
from include.financials.entities.commitments import Commitment
from include.financials.exceptions import ConfigurationError, NotPermitted, OutcomeUnknown, Refused, RetryLater
from include.financials.ledger.story import why
from include.financials.port import Beat, Outcome, idle
from include.financials.settings import EntitySettings
from include.financials.view import Sync
from include.financials.writing import plan
from tests.unit.financials.pair import FROZEN, ONLY, Crash, World, draft, line, make_settings

STEP = "ERP posting"
FLOW: dict[str, Any] = {"answers": "on", "steps": {STEP: {"accepts": "Accept", "returns": "Return"}}}
OPTIONS = (("201", "Accept"), ("202", "Return"))


class Office:
    """Steps that ask our account, and what they were told. An answer ends its step."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.open: dict[str, Question] = {}
        self.given: list[Answer] = []
        self.held: list[Answer] = []
        self.faults: list[str] = []
        self.closed: Exception | None = None
        self.numbers = itertools.count(1)
        for name in ("questions", "answered", "answer"):
            setattr(world.procore, name, getattr(self, name))

    def ask(self, record: Commitment, step: str = STEP, options: tuple[tuple[str, str], ...] = OPTIONS) -> None:
        self.open[record.id] = Question(record.project, f"F-{record.id}", f"O-{next(self.numbers)}", step, options)

    def questions(self, entity: str, project: str) -> dict[str, Question]:
        if self.closed is not None:
            raise self.closed
        return {ident: one for ident, one in self.open.items() if entity == "commitments" and one.project == project}

    def answered(self, answer: Answer) -> Outcome:
        if any(answer.mark in one.comment for one in self.given):
            return Outcome(answer.intent, "confirmed", id=answer.flow)
        if any((one.flow, one.occurrence) == (answer.flow, answer.occurrence) for one in self.open.values()):
            return Outcome(answer.intent, "absent")
        return Outcome(answer.intent, "rejected", message="the step went on without us")

    def answer(self, answer: Answer, beat: Beat = idle) -> Outcome:
        beat()
        found = self.answered(answer)
        if found.status != "absent":
            return found
        fault = self.faults.pop(0) if self.faults else ""
        if fault in ("lost", "late"):
            self.held += [answer] if fault == "late" else []
            raise OutcomeUnknown("connection lost")
        if fault in FAULTS:
            raise FAULTS[fault]
        self.take(answer)
        if fault == "after":
            raise OutcomeUnknown("connection lost")
        if fault == "crash_after":
            raise Crash
        return Outcome(answer.intent, "confirmed", id=answer.flow)

    def take(self, answer: Answer) -> None:
        self.given.append(answer)
        self.open = {ident: one for ident, one in self.open.items() if one.occurrence != answer.occurrence}

    def arrive(self) -> None:
        """Late: only if the step is still asked."""
        assert self.held, "the fault did not fire"
        for answer in self.held:
            if self.answered(answer).status == "absent":
                self.take(answer)
        self.held = []

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(one.response, one.said) for one in self.given]


FAULTS: dict[str, BaseException] = {
    "crash_before": Crash(), "later": RetryLater("busy", 5.0), "refused": Refused("422"), "forbidden": NotPermitted("403"),
}  # fmt: skip


@pytest.fixture
def office(linked: World) -> Iterator[Office]:
    linked.settings = make_settings(workflow=FLOW)
    return Office(linked)


def go(office: Office, **options: Any) -> Sync:
    return office.world.run(reconciled=False, params=ONLY, **options)


def said(sync: Sync) -> dict[str, str]:
    return {row["key"]: row["said"] for row in report.build(sync).get("workflow", [])}


def nothing_more(office: Office) -> None:
    writes, told = office.world.writes(), office.told
    go(office)
    assert (office.world.writes(), office.told) == (writes, told)


def state(office: Office, number: str = "SC-1") -> tuple[str, str]:
    (row,) = [one for (_, _), one in office.world.ledger.records.seen("commitments", "procore").items() if one.number == number]
    return row.state or "", row.rule or ""


def test_a_document_that_was_loaded_is_accepted_with_its_number_in_the_erp(office: Office) -> None:
    office.ask(draft(office.world))
    sync = go(office)
    assert office.told == [("Accept", "In the ERP as SC-1.")] and office.given[0].option == "201"
    assert said(sync) == {"SC-1": 'answered "Accept"'} and state(office) == ("linked", "")
    assert sync.ledger.journal.call_count(sync.run.run_id, "commitments") == {"erp": 1, "procore": 3}, "two steps link"
    story = sync.ledger.story.of("commitments", "SC-1")
    assert [(row.step, row.status) for row in story.intents if row.step == "answer"] == [("answer", "confirmed")]
    assert any(told.startswith("step answer (revision 0): confirmed") for told in why(sync.ledger.story, "commitment", "SC-1"))
    nothing_more(office)


def test_one_that_was_loaded_long_ago_is_accepted_without_another_write(office: Office) -> None:
    """It is in no window: it is read because our account is asked about it."""
    record = draft(office.world)
    go(office)
    go(office)
    writes = office.world.writes()
    office.ask(record)
    go(office)
    assert office.told == [("Accept", "In the ERP as SC-1.")] and office.world.writes() == writes
    nothing_more(office)


def test_a_step_that_was_accepted_and_is_still_asked_is_answered_once(office: Office) -> None:
    """A step may wait for others, too."""
    record = draft(office.world)
    office.ask(record)
    question = office.open[record.id]
    go(office)
    office.open[record.id] = question
    sync = go(office)
    assert len(office.given) == 1 and sync.ledger.journal.call_count(sync.run.run_id) == {}


def test_what_a_rule_stops_is_returned_with_its_sentence_and_accepted_when_it_comes_back(office: Office) -> None:
    record = draft(office.world, lines=())
    office.ask(record)
    assert said(go(office)) == {"SC-1": 'answered "Return"'} and state(office) == ("quarantined", "M-04")
    ((response, sentence),) = office.told
    assert (response, sentence) == ("Return", "SC-1 has no schedule of values.")
    nothing_more(office)
    mended = draft(office.world, lines=(line(),))
    office.ask(mended)
    assert said(go(office)) == {"SC-1": 'answered "Accept"'}
    assert office.told[1:] == [("Accept", "In the ERP as SC-1.")] and state(office) == ("linked", "")
    office.ask(mended)  # somebody began it anew
    go(office)
    assert [response for response, _ in office.told] == ["Return", "Accept", "Accept"]
    assert len({one.mark for one in office.given}) == 3


def test_what_is_shown_of_the_workflow_is_no_part_of_the_sentence(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.world.settings = make_settings(workflow={**FLOW, "shown": "on"})
    record = draft(office.world, lines=())
    asked = {record.id: Asked(STEP, ("Us",), None)}
    monkeypatch.setattr(office.world.procore, "asked", lambda entity, project, ids: asked, raising=False)
    office.ask(record)
    go(office)
    sync = go(office)  # whom a workflow asks about a document that is due is looked for once it has been stopped
    (row,) = sync.ledger.outcomes.of(sync.run.run_id, "commitments")
    assert UNDER_WORKFLOW in row.message and office.told == [("Return", "SC-1 has no schedule of values.")]


def test_what_the_erp_refused_is_returned_in_its_words(office: Office) -> None:
    office.world.erp.refuse["SC-1"] = "the vendor is on hold"
    office.ask(draft(office.world))
    go(office)
    assert office.told == [("Return", "Commitment SC-1 was refused by the ERP: the vendor is on hold")]


def test_what_waits_is_not_due_or_needs_a_decision_is_not_answered(office: Office) -> None:
    office.ask(draft(office.world, "SC-1"))
    go(office)
    changed = office.world.procore.change("commitments", "SC-1", **FROZEN["commitments"])  # linked before: a conflict
    office.ask(changed)  # type: ignore[arg-type]
    office.ask(draft(office.world, "SC-2", vendor="V-9"))  # held
    office.ask(draft(office.world, "SC-3", status="Draft"))  # skipped
    sync = go(office)
    assert len(office.given) == 1 and said(sync) == dict.fromkeys(("SC-1", "SC-2", "SC-3"), "not answered")
    told = {row["key"]: row["message"] for row in report.build(sync)["workflow"]}
    assert told["SC-1"].startswith("conflict: SC-1 was changed after it was sent"), told
    assert told["SC-2"].startswith("held: ") and told["SC-3"].startswith("skipped: ")


def test_what_the_erp_has_or_may_have_is_never_returned(office: Office) -> None:
    """Whoever is told that it is not in the books may enter it anew."""
    record = draft(office.world)
    go(office)
    office.world.procore.garbled["commitments", record.id] = "amount"
    office.ask(record)
    sync = go(office)
    assert state(office)[0] == "quarantined" and office.told == [] and said(sync) == {"SC-1": "not answered"}


@pytest.mark.parametrize(
    ("step", "options", "reason"),
    [
        ("Legal review", OPTIONS, 'the step "Legal review" asks us, and workflow.steps does not name it'),
        (STEP, (("1", "Approve"), ("2", "Return")), f'"Accept" is not one response of "{STEP}": it offers Approve, Return'),
        (STEP, (("1", "Accept"), ("2", "Accept")), f'"Accept" is not one response of "{STEP}": it offers Accept, Accept'),
    ],
)
def test_what_the_settings_do_not_name_is_not_answered(
    office: Office, step: str, options: tuple[tuple[str, str], ...], reason: str
) -> None:
    office.ask(draft(office.world), step, options)
    sync = go(office)
    assert office.given == [] and [row["message"] for row in report.build(sync)["workflow"]] == [reason]
    assert state(office) == ("linked", "")


def test_a_step_that_nobody_may_return_is_not_returned(office: Office) -> None:
    office.world.settings = make_settings(workflow={"answers": "on", "steps": {STEP: {"accepts": "Accept"}}})
    office.ask(draft(office.world, lines=()))
    assert said(go(office)) == {"SC-1": "not answered"} and office.given == []


def test_a_plan_says_what_it_would_answer_and_answers_nothing(office: Office) -> None:
    office.ask(draft(office.world, "SC-1"))
    office.ask(draft(office.world, "SC-2", lines=()))
    sync = office.world.run(reconciled=False, params={**ONLY, "mode": "plan"})
    assert said(sync) == {"SC-1": 'would answer "Accept"', "SC-2": 'would answer "Return"'}
    assert office.given == [] and sync.ledger.journal.open_answers("commitments") == []
    assert sync.ledger.journal.call_count(sync.run.run_id) == {}


@pytest.mark.parametrize("off", ["writes", "answers", "tool"])
def test_switched_off_nothing_is_answered(office: Office, off: str) -> None:
    settings = office.world.settings
    if off == "writes":
        entities = {**settings.entities, "commitments": replace_writes(settings.of("commitments"))}
        office.world.settings = settings.model_copy(update={"entities": entities})
    else:
        office.world.settings = make_settings(workflow=FLOW | ({"answers": "off"} if off == "answers" else {"tools": {}}))
    office.ask(draft(office.world, "SC-1"))
    office.ask(draft(office.world, "SC-2", lines=()))
    sync = go(office)
    assert office.given == [] and "workflow" not in report.build(sync)


def replace_writes(settings: EntitySettings) -> EntitySettings:
    return settings.model_copy(update={"writes": "off"})


# -- an answer that fails -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrives", ["never", "after the look", "after the settle time", "at once"])
def test_an_answer_without_an_answer_is_given_once(office: Office, arrives: str) -> None:
    record = draft(office.world)
    office.ask(record)
    office.faults = ["after" if arrives == "at once" else "late"]
    sync = go(office)
    assert state(office) == ("linked", "") and len(office.given) == (arrives == "at once")
    assert said(sync) == {"SC-1": 'answered "Accept"' if arrives == "at once" else "in doubt"}
    if arrives != "at once":
        office.world.clock.now -= timedelta(minutes=10) - timedelta(seconds=20)  # the next run begins within the settle time
        if arrives == "after the look":
            office.arrive()
        sync = go(office)
        assert said(sync) == {"SC-1": 'answered "Accept"' if arrives == "after the look" else "in doubt"}
    go(office)
    if arrives == "after the settle time":
        office.arrive()
    nothing_more(office)
    assert office.told == [("Accept", "In the ERP as SC-1.")]
    assert office.world.ledger.journal.open_answers("commitments") == []


@pytest.mark.parametrize("when", ["crash_before", "crash_after"])
def test_a_process_that_ends_while_it_answers(office: Office, when: str) -> None:
    office.ask(draft(office.world))
    office.faults = [when]
    with pytest.raises(Crash):
        go(office)
    office.world.ledger.engine.dispose()
    go(office)
    nothing_more(office)
    assert office.told == [("Accept", "In the ERP as SC-1.")] and state(office) == ("linked", "")


def test_a_step_that_goes_on_without_us_ends_the_doubt(office: Office) -> None:
    record = draft(office.world)
    office.ask(record)
    office.faults = ["lost"]
    go(office)
    office.open.clear()  # a clerk has answered
    go(office)
    assert office.world.ledger.journal.open_answers("commitments") == [] and office.given == []
    office.ask(record)
    go(office)
    assert office.told == [("Accept", "In the ERP as SC-1.")]


@pytest.mark.parametrize("fault", ["refused", "forbidden", "later"])
def test_an_answer_that_is_refused_changes_no_document_and_stops_no_other(office: Office, fault: str) -> None:
    office.ask(draft(office.world, "SC-1"))
    office.ask(draft(office.world, "SC-2"))
    office.faults = [fault]
    sync = go(office)
    assert said(sync) == {"SC-1": "not answered", "SC-2": 'answered "Accept"'}
    assert state(office, "SC-1") == state(office, "SC-2") == ("linked", "")
    assert len(sync.ledger.links.of("commitments")) == 2
    writes = office.world.writes()
    office.world.stage(office.world.sync(sync.run.run_id), "commitments")
    assert len(office.given) == (2 if fault == "later" else 1), "a refusal is asked for once in a run"
    go(office)
    assert len(office.given) == 2 and office.world.writes() == writes


@pytest.mark.parametrize("why", [NotPermitted("403"), RetryLater("busy"), Refused("404")])
def test_workflows_that_cannot_be_read_stop_nothing(office: Office, why: Exception) -> None:
    office.closed = why
    office.ask(draft(office.world))
    go(office)
    assert state(office) == ("linked", "") and office.given == []
    office.closed = None
    go(office)
    assert office.told == [("Accept", "In the ERP as SC-1.")]


def test_a_tool_that_is_not_there_is_a_fault_of_the_settings(office: Office) -> None:
    office.closed = ConfigurationError("workflow.tools.commitments is 'Contracts'")
    draft(office.world)
    with pytest.raises(ConfigurationError, match="Contracts"):
        go(office)


def test_an_answer_of_a_returned_document_is_no_trace_of_it_in_the_erp(office: Office) -> None:
    """What was said of it is not what was sent of it."""
    office.ask(draft(office.world, lines=()))
    go(office)
    assert (
        office.world.ledger.journal.begun("commitments") == {}
        and office.world.ledger.journal.open_intents("commitments", 0) == []
    )


def test_what_was_read_long_ago_is_not_answered(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.ask(draft(office.world, lines=()))
    monkeypatch.setattr(plan, "PLAN_HOLDS", timedelta(seconds=-1))
    sync = office.world.sync(params=ONLY)
    sync.ledger.runs.finished(sync.run.run_id, "extract:commitments")
    office.world.stage(sync, "commitments")
    assert office.given == []


def test_an_answer_that_was_noted_for_another_occurrence_is_not_given(office: Office) -> None:
    """Between extract and load the document went back and came again: what this run found is about how it was."""
    record = draft(office.world, lines=())
    office.ask(record)
    world, before = office.world, office.open[record.id]
    sync = world.sync(params=ONLY)
    stage, asked = world.stage, office.questions

    def meanwhile(entity: str, project: str) -> dict[str, Question]:
        found = asked(entity, project)
        office.open[record.id] = replace(before, occurrence="O-next")
        return found

    world.procore.questions = meanwhile  # type: ignore[attr-defined]
    stage(sync, "commitments")
    assert office.given == [] and said(sync) == {"SC-1": "not answered"}
