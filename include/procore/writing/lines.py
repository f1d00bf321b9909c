"""Lines of documents that we create: by sync, many documents in a call where the endpoint allows it.

A line's external id is that of its document and its own number (``sandbox:01:direct_costs:JC-000123#1``), so that sending it
again changes it and never doubles it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from include.financials.exceptions import OutcomeUnknown, Refused, RetryLater
from include.financials.port import Item, Outcome
from include.financials.record import Line
from include.procore import payloads
from include.procore.entity import Desk
from include.procore.errors import ApiError
from include.procore.lists import chunks
from include.procore.resources import Resource
from include.procore.writing.sync import Answer, frame, send
from include.procore.writing.way import by_key, project_of, rejected

Entry = payloads.Attributes


@dataclass(frozen=True)
class Lines:
    """All lines of a document.

    :param number: how the endpoint takes amounts: as JSON numbers or as text.
    :param holder: the attribute of an entry that names the document; None: the path names it, and a call covers one document.
    """

    resource: Resource
    number: Callable[[Decimal], Any]
    holder: str | None = None

    def wants(self, item: Item) -> bool:
        return bool(_lines(item))

    def scope(self, item: Item) -> str:
        return project_of(item) if self.holder else f"{project_of(item)}/{item.procore_id}"

    def post(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]:
        stopped = {item.intent: why for item in items if (why := _stopped(item)) is not None}
        entries = {item.intent: self._entries(item) for item in items if item.intent not in stopped}
        answers = self._send(desk, items[0], [entry for own in entries.values() for entry in own])
        return [
            stopped[item.intent]
            if item.intent in stopped
            else _outcome(item, [answers[entry["origin_id"]] for entry in entries[item.intent]])
            for item in items
        ]

    def _send(self, desk: Desk, first: Item, entries: Sequence[Entry]) -> dict[str, Answer]:
        """Answers by external id of the line. Lines of one document may stand in two calls; all of them must have arrived."""
        path, params, body = frame(desk, self.resource, first)
        answers: dict[str, Answer] = {}
        for batch in chunks(entries, self.resource.sync_batch):
            try:
                given = send(desk, self.resource, path, params, body, batch, "origin_id")
            except (RetryLater, Refused) as error:
                if not answers:
                    raise
                # This call did nothing, but one before it did: which lines are there has to be looked up.
                raise OutcomeUnknown(f"{len(answers)} of {len(entries)} lines were written, then: {error}") from error
            answers.update({entry["origin_id"]: answer for entry, answer in zip(batch, given, strict=True)})
        return answers

    def _entries(self, item: Item) -> list[Entry]:
        own = {self.holder: int(str(item.procore_id))} if self.holder else {}
        return [{"origin_id": line_origin(item, line), **own, **payloads.line(item, line, self.number)} for line in _lines(item)]

    def find(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]:
        entries = {item.intent: [] if _stopped(item) else self._entries(item) for item in items}
        wanted = {str(entry["origin_id"]) for own in entries.values() for entry in own}
        parent = None if self.holder else items[0].procore_id
        rows = by_key(desk.lists.objects(self.resource, project=project_of(items[0]), parent=parent), "origin_id", wanted)
        return [
            Outcome(
                item.intent,
                "confirmed"
                if entries[item.intent] and all(self._there(rows, entry) for entry in entries[item.intent])
                else "absent",
                id=item.procore_id,
            )
            for item in items
        ]

    def _there(self, rows: dict[str, Any], entry: Entry) -> bool:
        row = rows.get(str(entry["origin_id"]))
        proof = {name: entry[name] for name in payloads.PROOF if name in entry}
        return row is not None and payloads.holds(self.resource, row, proof)


def line_origin(item: Item, line: Line) -> str:
    return f"{item.origin_id}#{line.position}"


def _lines(item: Item) -> tuple[Line, ...]:
    return tuple(getattr(item.record, "lines", ()))


def _stopped(item: Item) -> Outcome | None:
    if not item.procore_id:
        return rejected(item, None, f"{item.number} is not in Procore, so it has no lines there", "id")
    why = next((why for line in _lines(item) if (why := payloads.unplaced(item, line)) is not None), None)
    return rejected(item, item.procore_id, f"{item.number}: {why}", "lines") if why else None


def _outcome(item: Item, answers: Sequence[Answer]) -> Outcome:
    refused = [
        (line.position, answer) for line, answer in zip(_lines(item), answers, strict=True) if isinstance(answer, ApiError)
    ]
    if not refused:
        return Outcome(item.intent, "confirmed", id=item.procore_id)
    position, error = refused[0]
    more = f" ({len(refused) - 1} more lines were refused)" if len(refused) > 1 else ""
    return rejected(item, item.procore_id, f"line {position}: {error.message}{more}", error.field, error.locked)
