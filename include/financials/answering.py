"""Answers to the steps of workflows that ask our own account: what became of the document in the ERP, once for each time that a
step is asked (docs/operating.md, Documents under a workflow).

An answer is journaled like any write, and nothing else depends on it: whatever becomes of it, the state and the link of its
document stay as they are, and no other record waits.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, cast

from include.financials.entities import Entity
from include.financials.exceptions import ConfigurationError, ContractBroken, OutcomeUnknown, Refused, RetryLater
from include.financials.identity import canonical_json, digest
from include.financials.ledger import ANSWER, WORKFLOW, Lease, moment, stamp
from include.financials.port import UNDER_WORKFLOW, Answer, Asking, Outcome, Question
from include.financials.reading.extract import asked_of_us
from include.financials.view import Sync

log = logging.getLogger(__name__)

RETURNED: Final = ("quarantined", "blocked")
"""States that somebody has to mend in Procore. What merely waits is not sent back, and a conflict needs a decision."""
_FAILS = (ConfigurationError, ContractBroken, OutcomeUnknown, Refused, RetryLater)
"""What keeps an answer back and stops nothing else."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be said about a document: ``response`` the name of the response, and ``said`` its comment; or, where that is
    None, why nothing is."""

    outcome: Mapping[str, Any]
    question: Question
    response: str | None
    said: str

    @property
    def intent(self) -> str:
        """Of a step asked this once, whatever is answered."""
        return digest([ANSWER, self.outcome["entity"], self.outcome["id"], self.question.flow, self.question.occurrence])

    @property
    def options(self) -> list[str]:
        """Ids of the options of that name."""
        return [ident for ident, name in self.question.options if name == self.response]


def plan(sync: Sync, row: Entity, shard: int) -> None:
    """Say what would be answered. Sends nothing and journals nothing."""
    for due in _due(sync, row, shard):
        entry = sync.ledger.intents([due.intent]).get(due.intent)
        if entry is None or entry["status"] != "confirmed":
            _note(sync, due.outcome, f'would answer "{due.response}"' if due.response else "not answered", due.said)


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
        entry = sync.ledger.intents([due.intent]).get(due.intent)
        if entry is not None and entry["status"] == "confirmed":
            continue
        if entry is not None and _in_doubt(entry) and due.intent not in free:
            _note(sync, due.outcome, "in doubt", f"sent at {entry['doubted_at']} without an answer; it is looked for again")
        elif due.response is None:
            _note(sync, due.outcome, "not answered", due.said)
        elif entry is None or entry["status"] != "rejected" or entry["run_id"] != sync.run.run_id:
            desk.send(due, entry)


# -- what is to be said -------------------------------------------------------------------------------------------------------


def _due(sync: Sync, row: Entity, shard: int) -> Iterator[Due]:
    if not sync.settings.workflow.answered(row.name) or not (questions := asked_of_us(sync, row.name, shard)):
        return
    links = {link.procore_id: link for link in sync.ledger.links(row.name, contents=False)}
    begun = {ident for _, ident in sync.ledger.begun(row.name)}
    for outcome in sync.ledger.outcomes(sync.run.run_id, row.name, shard):
        question = questions.get(outcome["id"]) if outcome["side"] == "procore" else None
        if question is None:
            continue
        link = links.get(outcome["id"])
        responses = sync.settings.workflow.steps.get(question.step)
        if responses is None:
            due = Due(outcome, question, None, f'the step "{question.step}" asks us, and workflow.steps does not name it')
        elif outcome["state"] == "linked":
            key = link.erp_key if link is not None and link.status == "active" else None
            done = key is not None and outcome["done"]
            said = f"In the ERP as {key or outcome['erp_key'] or outcome['number']}."
            response = responses.accepts if done or sync.run.plan else None
            due = Due(outcome, question, response, said if response else "its load did not finish; the next run goes on")
        elif outcome["state"] in RETURNED and link is None and outcome["how"] == "none" and outcome["id"] not in begun:
            told = _sentence(outcome) if responses.returns else f'workflow.steps."{question.step}" has no response that returns'
            due = Due(outcome, question, responses.returns, told)
        else:  # it waits, is not due, or the ERP has it or may have it: nobody is told to enter it anew
            due = Due(outcome, question, None, f"{outcome['state']}: {_sentence(outcome)}")
        if due.response is not None and len(due.options) != 1:
            offered = ", ".join(name for _, name in question.options) or "nothing"
            due = replace(
                due, response=None, said=f'"{due.response}" is not one response of "{question.step}": it offers {offered}'
            )
        yield due


def _sentence(outcome: Mapping[str, Any]) -> str:
    """The rule's, without what is said of the workflow itself."""
    return str(outcome["message"] or "").partition(UNDER_WORKFLOW)[0].strip()


def _note(sync: Sync, outcome: Mapping[str, Any], what: str, said: str) -> None:
    sync.ledger.note(sync.run.run_id, _audit(outcome, what, said))
    log.info("%s %s: %s: %s", outcome["entity"], outcome["number"], what, said)


def _audit(outcome: Mapping[str, Any], what: str, said: str | None) -> dict[str, Any]:
    named = {name: outcome[name] for name in ("entity", "company", "number")}
    return {**named, "record_id": outcome["id"], "who": "sync", "what": f"{WORKFLOW}{what}", "detail": said}


def _in_doubt(entry: Mapping[str, Any]) -> bool:
    return entry["status"] in ("sent", "unknown") or (entry["status"] == "planned" and entry["doubted_at"] is not None)


# -- saying it ----------------------------------------------------------------------------------------------------------------


class _Desk:
    """The answers of one entity's shard on their way."""

    def __init__(self, sync: Sync, row: Entity, shard: int, lease: Lease) -> None:
        self.sync, self.row, self.shard, self.lease = sync, row, shard, lease
        self.procore = cast(Asking, sync.systems["procore"])

    def look(self) -> set[str]:
        """Looks for every answer in doubt, also of steps that are over. Returns the intents that may be sent again: they are not
        there, and their settle time is over."""
        free = set()
        here = asked_of_us(self.sync, self.row.name, self.shard)
        for entry in self.sync.ledger.open_answers(self.row.name):
            if entry["shard"] != self.shard and entry["source_id"] not in here:
                continue
            sent, now = _sent(entry), self.procore.now()  # the clock before the look: a slow one proves nothing
            try:
                found = self.procore.answered(sent)
            except _FAILS as error:
                _note(self.sync, _named(entry), "in doubt", f"sent at {entry['doubted_at']} and cannot be looked for: {error}")
                continue
            if found.status != "absent":
                self._settle(None, found, sent, _named(entry))
            elif (now - cast(datetime, moment(entry["doubted_at"]))).total_seconds() >= self._settle_time:
                free.add(entry["intent"])
        return free

    def send(self, due: Due, entry: Mapping[str, Any] | None) -> None:
        """``entry`` of the journal is of an answer that is surely not there, if it was ever sent."""
        question, before = due.question, entry["doubted_at"] if entry is not None else None
        answer = Answer(
            due.intent, question.project, question.flow, question.occurrence, due.options[0], str(due.response), due.said
        )
        if entry is not None:
            self._settled(None, {"intent": answer.intent, "status": "planned", "doubted_at": before})
        call = {
            "call_id": digest([answer.intent, stamp()]), "run_id": self.sync.run.run_id, "system": "procore",
            "entity": self.row.name, "step": ANSWER, "scope": answer.project, "level": 0, "items": 1,
        }  # fmt: skip
        self.sync.ledger.sending(self.lease, call, [self._intent(due, answer) | {"doubted_at": stamp(self.procore.now())}])
        try:
            found = self.procore.answer(answer, lambda: self.sync.ledger.renew(self.lease))
        except RetryLater as error:
            self._settled({**call, "status": "refused"}, {"intent": answer.intent, "status": "planned", "doubted_at": before})
            _note(self.sync, due.outcome, "not answered", f"{error} The next run answers")
        except (Refused, ConfigurationError) as error:
            outcome = Outcome(answer.intent, "rejected", message=str(error))
            self._settle({**call, "status": "done"}, outcome, answer, due.outcome)
        except (OutcomeUnknown, ContractBroken) as error:
            self._doubtful({**call, "status": "unknown", "message": str(error)}, answer, due.outcome)
        else:
            self._settle({**call, "status": "done"}, found, answer, due.outcome)

    def _doubtful(self, call: Mapping[str, Any], answer: Answer, named: Mapping[str, Any]) -> None:
        """No answer to our answer: it is there, or may still come."""
        since = stamp(self.procore.now())
        self._settled(call, {"intent": answer.intent, "status": "unknown", "message": call["message"], "doubted_at": since})
        try:
            found = self.procore.answered(answer)
        except _FAILS as error:
            log.warning("%s %s: the answer cannot be looked for: %s", self.row.name, named["number"], error)
            found = Outcome(answer.intent, "absent")
        if found.status == "absent":
            _note(self.sync, named, "in doubt", f"{answer.comment} It was sent without an answer; it is looked for again")
        else:
            self._settle(None, found, answer, named)

    def _settle(self, call: Mapping[str, Any] | None, found: Outcome, answer: Answer, named: Mapping[str, Any]) -> None:
        given = found.status == "confirmed"
        told = _audit(named, f'answered "{answer.response}"', answer.comment) if given else None
        told = told or _audit(named, "not answered", found.message)
        entry = {"intent": answer.intent, "status": found.status, "result_id": found.id, "message": found.message}
        self._settled(call, entry, told | {"run_id": self.sync.run.run_id})
        log.info("%s %s: %s: %s", self.row.name, named["number"], told["what"], told["detail"])

    def _settled(self, call: Mapping[str, Any] | None, entry: Mapping[str, Any], *audit: Mapping[str, Any]) -> None:
        self.sync.ledger.settled(self.lease, call, [entry], run_id=self.sync.run.run_id, entity=self.row.name, audit=audit)

    def _intent(self, due: Due, answer: Answer) -> dict[str, Any]:
        outcome = due.outcome
        return {
            "intent": answer.intent, "run_id": self.sync.run.run_id, "entity": self.row.name, "company": outcome["company"],
            "source_id": outcome["id"], "shard": self.shard, "step": ANSWER, "revision": 0,
            "content_hash": outcome["content_hash"] or "",
            "item": canonical_json({**asdict(answer), "number": outcome["number"]}),
        }  # fmt: skip

    @property
    def _settle_time(self) -> float:
        """A step that several are asked takes a second answer of ours: no key of Procore's refuses it."""
        return self.sync.settings.settle_seconds_without_key


def _sent(entry: Mapping[str, Any]) -> Answer:
    plain = json.loads(entry["item"])
    return Answer(**{name: value for name, value in plain.items() if name != "number"})


def _named(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Of which document an answer of the journal is."""
    number = json.loads(entry["item"])["number"]
    return {"entity": entry["entity"], "company": entry["company"], "id": entry["source_id"], "number": number}
