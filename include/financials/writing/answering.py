"""Answers to the steps of workflows that ask our own account: what became of the document in the ERP, once for each time that a
step is asked (docs/operating.md, Documents under a workflow).

An answer is journaled like any write, and nothing else depends on it: whatever becomes of it, the state and the link of its
document stay as they are, and no other record waits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Final

from include.financials.asking import UNDER_WORKFLOW, Answer, Question
from include.financials.entity import Entity
from include.financials.exceptions import ConfigurationError, ContractBroken, OutcomeUnknown, Refused, RetryLater
from include.financials.identity import canonical_json, digest
from include.financials.ledger import WORKFLOW, Call, Intent, Judged, Lease, Note, Settled, decoded, stamp
from include.financials.ledger.journal import ANSWER
from include.financials.port import Outcome
from include.financials.reading.asked import asked_of_us
from include.financials.view import Sync
from include.financials.writing.settling import settled_as
from include.financials.writing.steps import Failed, new_call, send, settle_time, waited

log = logging.getLogger(__name__)

RETURNED: Final = ("quarantined", "blocked")
"""States that somebody has to mend in Procore. What merely waits is not sent back, and a conflict needs a decision."""
_FAILS = (ConfigurationError, ContractBroken, OutcomeUnknown, Refused, RetryLater)
"""What keeps an answer back and stops nothing else."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be said about a document: ``response`` the name of the response, and ``said`` its comment; or, where that is
    None, why nothing is."""

    outcome: Judged
    question: Question
    response: str | None
    said: str

    @property
    def intent(self) -> str:
        """Of a step asked this once, whatever is answered."""
        return digest([ANSWER, self.outcome.entity, self.outcome.id, self.question.flow, self.question.occurrence])

    @property
    def options(self) -> list[str]:
        """Ids of the options of that name."""
        return [ident for ident, name in self.question.options if name == self.response]


def plan(sync: Sync, row: Entity, shard: int) -> None:
    """Say what would be answered. Sends nothing and journals nothing."""
    for due in _due(sync, row, shard):
        entry = sync.ledger.journal.intents([due.intent]).get(due.intent)
        if entry is None or entry.status != "confirmed":
            _note(sync, _named(due.outcome), f'would answer "{due.response}"' if due.response else "not answered", due.said)


def carry_out(sync: Sync, row: Entity, shard: int, lease: Lease) -> None:
    """Answer what this run's extract was asked, as far as its load knows the outcome. ``lease`` is the entity's.

    Raises LeaseLost, and what a ledger raises that is away; trouble with an answer becomes a row of the report.
    """
    if not sync.settings.workflow.answered(row.name):
        return
    desk = _Desk(sync, row, shard, lease)
    free = desk.look()
    for due in _due(sync, row, shard):
        if not sync.writes_on(row.name):
            return
        entry = sync.ledger.journal.intents([due.intent]).get(due.intent)
        if entry is not None and entry.status == "confirmed":
            continue
        if entry is not None and entry.in_doubt and due.intent not in free:
            _note(sync, _named(due.outcome), "in doubt", f"sent at {entry.doubted_at} without an answer; it is looked for again")
        elif due.response is None:
            _note(sync, _named(due.outcome), "not answered", due.said)
        elif entry is None or entry.status != "rejected" or entry.run_id != sync.run.run_id:
            desk.send(due, entry)


# -- what is to be said -------------------------------------------------------------------------------------------------------


def _due(sync: Sync, row: Entity, shard: int) -> Iterator[Due]:
    if not sync.settings.workflow.answered(row.name) or not (questions := asked_of_us(sync, row.name, shard)):
        return
    links = {link.procore_id: link for link in sync.ledger.links.of(row.name, contents=False)}
    begun = {ident for _, ident in sync.ledger.journal.begun(row.name)}
    for outcome in sync.ledger.outcomes.of(sync.run.run_id, row.name, shard):
        question = questions.get(outcome.id) if outcome.side == "procore" else None
        if question is None:
            continue
        link = links.get(outcome.id)
        responses = sync.settings.workflow.steps.get(question.step)
        if responses is None:
            due = Due(outcome, question, None, f'the step "{question.step}" asks us, and workflow.steps does not name it')
        elif outcome.state == "linked":
            key = link.erp_key if link is not None and link.status == "active" else None
            done = key is not None and outcome.done
            said = f"In the ERP as {key or outcome.erp_key or outcome.number}."
            response = responses.accepts if done or sync.run.plan else None
            due = Due(outcome, question, response, said if response else "its load did not finish; the next run goes on")
        elif outcome.state in RETURNED and link is None and outcome.how == "none" and outcome.id not in begun:
            told = _sentence(outcome) if responses.returns else f'workflow.steps."{question.step}" has no response that returns'
            due = Due(outcome, question, responses.returns, told)
        else:  # it waits, is not due, or the ERP has it or may have it: nobody is told to enter it anew
            due = Due(outcome, question, None, f"{outcome.state}: {_sentence(outcome)}")
        if due.response is not None and len(due.options) != 1:
            offered = ", ".join(name for _, name in question.options) or "nothing"
            due = replace(
                due, response=None, said=f'"{due.response}" is not one response of "{question.step}": it offers {offered}'
            )
        yield due


def _sentence(outcome: Judged) -> str:
    """The rule's, without what is said of the workflow itself."""
    return str(outcome.message or "").partition(UNDER_WORKFLOW)[0].strip()


@dataclass(frozen=True, slots=True)
class Named:
    """Which document an answer is of."""

    entity: str
    company: str
    id: str
    number: str

    def note(self, run_id: str, what: str, said: str | None) -> Note:
        return Note(
            "sync", f"{WORKFLOW}{what}", self.entity, self.company, self.id, self.number, detail=said, run_id=run_id
        )  # fmt: skip


def _named(outcome: Judged) -> Named:
    return Named(outcome.entity, outcome.company, outcome.id, outcome.number)


def _note(sync: Sync, named: Named, what: str, said: str) -> None:
    sync.ledger.story.note(named.note(sync.run.run_id, what, said))
    log.info("%s %s: %s: %s", named.entity, named.number, what, said)


# -- saying it ----------------------------------------------------------------------------------------------------------------


class _Desk:
    """The answers of one entity's shard on their way."""

    def __init__(self, sync: Sync, row: Entity, shard: int, lease: Lease) -> None:
        self.sync, self.row, self.shard, self.lease = sync, row, shard, lease
        self.procore = sync.systems["procore"]

    def look(self) -> set[str]:
        """Looks for every answer in doubt, also of steps that are over. Returns the intents that may be sent again: they are not
        there, and their settle time is over."""
        free = set()
        here = asked_of_us(self.sync, self.row.name, self.shard)
        # A step that several are asked takes a second answer of ours: no key of Procore's refuses it.
        given = settle_time(self.sync, keyless=True)
        for entry in self.sync.ledger.journal.open_answers(self.row.name):
            if entry.shard != self.shard and entry.source_id not in here:
                continue
            (sent, named), now = _sent(entry), self.procore.now()  # the clock before the look: a slow one proves nothing
            try:
                found = self.procore.answered(sent)
            except _FAILS as error:
                _note(self.sync, named, "in doubt", f"sent at {entry.doubted_at} and cannot be looked for: {error}")
                continue
            if found.status != "absent":
                self._settle(None, found, sent, named)
            elif waited(now, entry.doubted_at) >= given:
                free.add(entry.intent)
        return free

    def send(self, due: Due, entry: Intent | None) -> None:
        """``entry`` of the journal is of an answer that is surely not there, if it was ever sent."""
        question, named = due.question, _named(due.outcome)
        before = entry.doubted_at if entry is not None else None
        answer = Answer(
            due.intent, question.project, question.flow, question.occurrence, due.options[0], str(due.response), due.said
        )
        untouched = Settled(answer.intent, "planned", doubted_at=before)
        if entry is not None:
            self._settled(None, untouched)
        call = new_call(self.sync.run.run_id, "procore", self.row.name, ANSWER, answer.project)
        found = send(
            self.sync.ledger, self.lease, self.procore, call, [self._intent(due, answer)],
            lambda alive: self.procore.answer(answer, alive),
        )  # fmt: skip
        match found:
            case Failed(error=RetryLater() as error):
                self._settled(call._replace(status="refused"), untouched)
                _note(self.sync, named, "not answered", f"{error} The next run answers")
            case Failed(error=Refused() | ConfigurationError() as error):
                outcome = Outcome(answer.intent, "rejected", message=str(error))
                self._settle(call._replace(status="done"), outcome, answer, named)
            case Failed():
                self._doubtful(found.ended("unknown"), answer, named)
            case _:
                self._settle(call._replace(status="done"), found, answer, named)

    def _doubtful(self, call: Call, answer: Answer, named: Named) -> None:
        """No answer to our answer: it is there, or may still come."""
        since = stamp(self.procore.now())
        self._settled(call, Settled(answer.intent, "unknown", message=call.message, doubted_at=since))
        try:
            found = self.procore.answered(answer)
        except _FAILS as error:
            log.warning("%s %s: the answer cannot be looked for: %s", self.row.name, named.number, error)
            found = Outcome(answer.intent, "absent")
        if found.status == "absent":
            _note(self.sync, named, "in doubt", f"{answer.comment} It was sent without an answer; it is looked for again")
        else:
            self._settle(None, found, answer, named)

    def _settle(self, call: Call | None, found: Outcome, answer: Answer, named: Named) -> None:
        given = found.status == "confirmed"
        what, said = (f'answered "{answer.response}"', answer.comment) if given else ("not answered", found.message)
        note = named.note(self.sync.run.run_id, what, said)
        self._settled(call, settled_as(found), note)
        log.info("%s %s: %s: %s", self.row.name, named.number, note.what, said)

    def _settled(self, call: Call | None, entry: Settled, *notes: Note) -> None:
        run_id, name = self.sync.run.run_id, self.row.name
        self.sync.ledger.journal.settled(self.lease, call, [entry], run_id=run_id, entity=name, notes=notes)

    def _intent(self, due: Due, answer: Answer) -> Intent:
        outcome = due.outcome
        item = canonical_json({**asdict(answer), "number": outcome.number})
        return Intent(
            answer.intent, self.sync.run.run_id, self.row.name, outcome.company, outcome.id, self.shard, ANSWER, 0,
            outcome.content_hash or "", item,
        )  # fmt: skip


def _sent(entry: Intent) -> tuple[Answer, Named]:
    """An answer of the journal, and of which document it is."""
    plain = decoded(entry.item)
    number = plain.pop("number")
    return Answer(**plain), Named(entry.entity, entry.company, entry.source_id, number)
