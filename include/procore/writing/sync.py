"""Sync actions: up to 1,000 records in a call (docs/procore-contract.md 2.2).

They answer 200 even if every entry failed; entities and errors are matched by what the entry carried (its external id), never by
position. An entry that the reply does not mention makes the outcome of the call unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from include.financials.exceptions import ContractBroken, NotPermitted, OutcomeUnknown, SyncError
from include.financials.port import Item, Outcome
from include.procore import payloads
from include.procore.entity import Desk
from include.procore.errors import ApiError, parse_error
from include.procore.lists import Raw, objects_of, row_id
from include.procore.parse import is_number
from include.procore.resources import Resource
from include.procore.writing.way import always, by_key, company, not_there, other_owner, project_of, rejected

FEW = 20
"""Up to so many records are looked up one by one by external id; for more, the list is read in full."""

Key = Literal["origin_id", "origin_data"]
Entries = Sequence[payloads.Attributes]
Answer = Raw | ApiError


@dataclass(frozen=True, slots=True)
class Sync:
    """One entry per record.

    :param build: attributes of an entry besides the external ids.
    :param place: scope of a call.
    :param wanted: whether there is anything to send for an item.
    :param key: the field that an entry, its answer and its record have in common.
    :param creates: whether an entry may make a record. If not, one without a Procore id is not sent.
    :param by_content: what proves that an entry arrived: all of its attributes, or only its key.
    """

    resource: Resource
    build: Callable[[Item], payloads.Attributes] = payloads.nothing
    place: Callable[[Item], str] = company
    wanted: Callable[[Item], bool] = always
    key: Key = "origin_id"
    creates: bool = False
    by_content: bool = False

    def wants(self, item: Item) -> bool:
        return self.wanted(item)

    def scope(self, item: Item) -> str:
        return self.place(item)

    # ------------------------------------------------------------------ post

    def post(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]:
        stopped = {item.intent: why for item in items if (why := self.stopped(desk, item)) is not None}
        sent = [item for item in items if item.intent not in stopped]
        if not sent:
            return list(stopped.values())
        path, params, body = self.call(desk, sent[0])
        answers = send(desk, self.of(sent[0]), path, params, body, [self.entry(desk, item) for item in sent], self.key)
        if self.creates:
            self.prove(desk, sent, answers)
        return [*stopped.values(), *(self.outcome(desk, item, answer) for item, answer in zip(sent, answers, strict=True))]

    def prove(self, desk: Desk, items: Sequence[Item], answers: Sequence[Answer]) -> None:
        """The ids that a reply gives to several new records are taken from no reply: everything that follows is written to them.
        Procore is asked which record each of them is. Raises OutcomeUnknown where one is another's."""
        pairs = zip(items, answers, strict=True)
        made = {row_id(row): item for item, row in pairs if not isinstance(row, ApiError) and is_number(row.get("id"))}
        if len(made) < 2:
            return  # of one record there is nothing to take for another
        try:
            rows = self.by_id(desk, items[0], list(made))
        except SyncError as error:
            raise OutcomeUnknown(f"{len(made)} records were made, and which is which could not be asked: {error}") from error
        for ident, row in rows.items():
            own = getattr(made[ident], self.key)
            if row.get(self.key) not in (own, None):
                raise OutcomeUnknown(f"the reply calls {own} record {ident}, which is {row[self.key]}")

    def stopped(self, desk: Desk, item: Item) -> Outcome | None:
        """What would do harm if it were sent."""
        if not self.creates and not item.procore_id:
            return rejected(item, None, f"{item.number} has no Procore id", "id")
        return None

    def entry(self, desk: Desk, item: Item) -> payloads.Attributes:
        """One entry of ``updates``. Its key always goes along: it is what the reply is matched by."""
        if self.key == "origin_data" and item.origin_data is None:
            raise ContractBroken(f"{item.record.entity} {item.number}: without origin_data its answer could not be recognised")
        entry: payloads.Attributes = {"origin_id": item.origin_id} if self.key == "origin_id" else {}
        if item.procore_id:
            entry["id"] = int(item.procore_id)
        if item.origin_data is not None:
            entry["origin_data"] = item.origin_data
        return {**entry, **self.build(item)}

    def of(self, item: Item) -> Resource:
        return self.resource

    def call(self, desk: Desk, item: Item) -> tuple[str, list[tuple[str, str]], Raw]:
        """Path, query and scope part of the body of a sync."""
        return frame(desk, self.of(item), item)

    def outcome(self, desk: Desk, item: Item, answer: Answer) -> Outcome:
        """What came back different from what was sent is no success."""
        if isinstance(answer, ApiError):
            return rejected(item, item.procore_id, answer.message, answer.field, answer.locked)
        wrong = self.wrong(desk, item, answer)
        done = desk.confirmed(item, answer)
        return rejected(item, done.id, wrong.message, wrong.field) if wrong else done

    def wrong(self, desk: Desk, item: Item, row: Raw) -> ApiError | None:
        message = other_owner(item, row) if self.key == "origin_id" else None
        return ApiError(message, "origin_id") if message else None

    # ------------------------------------------------------------------ find

    def find(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]:
        """By id where the record is known to exist, by its key where it may have been made."""
        known = {item.intent: item.procore_id for item in items if item.procore_id and not self.creates}
        rows: dict[str, Raw] = {}
        if known:
            raw = self.by_id(desk, items[0], list(known.values()))
            rows.update({intent: raw[ident] for intent, ident in known.items() if ident in raw})
        others = [item for item in items if item.intent not in known]
        if others:
            found = self.by_key(desk, others)
            rows.update({item.intent: found[item.intent] for item in others if item.intent in found})
        return [self.found(desk, item, rows.get(item.intent)) for item in items]

    def found(self, desk: Desk, item: Item, row: Raw | None) -> Outcome:
        if row is None or row.get("deleted_at"):
            return Outcome(item.intent, "absent")
        if self.key == "origin_id" and row.get("origin_id") != item.origin_id:
            return not_there(item, row)
        if self.by_content and not payloads.holds(self.of(item), row, self.entry(desk, item)):
            return not_there(item, row)
        return desk.confirmed(item, row)

    def by_id(self, desk: Desk, item: Item, ids: Sequence[str]) -> dict[str, Raw]:
        resource = self.of(item)
        found = desk.lists.by_ids(resource, ids, **self.options(desk, item))
        if resource.hidden_in is not None and len(found) < len(ids):
            found.update(desk.lists.by_ids(resource.hidden_in, sorted(set(ids) - set(found))))
        return found

    def by_key(self, desk: Desk, items: Sequence[Item]) -> dict[str, Raw]:
        """Raw rows of one scope by intent: one by one when few and the list can be asked by external id, else from all of it."""
        resource = self.of(items[0])
        options = self.options(desk, items[0])
        extra = options.pop("extra", [])
        wanted = {item.origin_id for item in items}
        asked = [[("filters[origin_id]", origin)] for origin in sorted(wanted)]
        if self.key != "origin_id" or len(asked) > FEW or "origin_id" not in resource.filters:
            asked = [[]]
        rows = [row for ask in asked for row in desk.lists.objects(resource, extra=[*extra, *ask], **options)]
        found = by_key(rows, "origin_id", wanted)
        if resource.hidden_in is not None and len(found) < len(wanted):
            rows = desk.lists.objects(resource.hidden_in)
            found.update(by_key(rows, "origin_id", wanted - set(found)))
        data = by_key(rows, "origin_data", {str(item.origin_data) for item in items}) if self.key == "origin_data" else {}
        rows_of = {item.intent: found.get(item.origin_id) or data.get(str(item.origin_data)) for item in items}
        return {intent: row for intent, row in rows_of.items() if row is not None}

    def options(self, desk: Desk, item: Item) -> dict[str, Any]:
        """Scope of a list, as options of ``Lists``."""
        return {"project": project_of(item)} if self.of(item).project != "none" else {}


def frame(desk: Desk, resource: Resource, item: Item) -> tuple[str, list[tuple[str, str]], Raw]:
    """Path, query and scope part of the body of a resource's sync action."""
    project = project_of(item) if resource.project != "none" else None
    path = str(resource.sync).format(company=desk.client.company_id, project=project, parent=item.procore_id)
    params = [("project_id", project)] if project and resource.sync_scope in ("query", "both") else []
    in_body = resource.sync_scope in ("body", "both")
    body: Raw = {"company_id": int(desk.client.company_id)} if resource.company == "query" and in_body else {}
    if project and in_body:
        body["project_id"] = int(project)
    return path, params, body


def send(
    desk: Desk,
    resource: Resource,
    path: str,
    params: Sequence[tuple[str, str]],
    body: Raw,
    entries: Entries,
    key: Key,
) -> list[Answer]:
    """Make the call; one answer per entry, in their order: the entity that came back, or what is wrong with the entry."""
    twice = next((value for value, count in Counter(str(entry[key]) for entry in entries).items() if count > 1), None)
    if twice:
        raise ContractBroken(f"two records of one call carry the external id {twice}; what Procore then does is not defined")
    try:
        reply = desk.client.request(resource.sync_method, path, params=params, body={**body, resource.sync_key: list(entries)})
    except NotPermitted as refused_all:
        if resource.permission is None:
            raise
        raise NotPermitted(f"{refused_all}. It needs {resource.permission}.") from refused_all
    made, refused = (_Half(rows, key, reply.call) for rows in sync_halves(reply.data, reply.call))
    answers: list[Answer] = []
    for entry in entries:
        error, entity = refused.of(entry), made.of(entry)
        if error is not None and entity is not None:
            raise OutcomeUnknown(f"{reply.call}: the reply calls {entry[key]} both done and refused")
        if error is not None:
            answers.append(parse_error({"errors": error.get("errors")}))
        elif entity is not None:
            if (name := payloads.of_another(resource, entity, entry, entries)) is not None:
                raise OutcomeUnknown(f"{reply.call}: the reply says of {entry[key]} the {name} that another record was sent with")
            answers.append(entity)
        else:
            raise OutcomeUnknown(f"{reply.call}: the reply does not mention {entry[key]}, one of {len(entries)} records sent")
    return answers


class _Half:
    """One half of a sync reply, looked up by the entries' key first and by id second. Two records under one key leave open which
    of them was made of the entry."""

    def __init__(self, rows: Iterable[Raw], key: Key, call: str) -> None:
        self._key = key
        self._by_key: dict[str, Raw] = {}
        self._by_id: dict[str, Raw] = {}
        for row in rows:
            if row.get(key):
                other = self._by_key.setdefault(str(row[key]), row)
                if other.get("id") != row.get("id"):
                    raise OutcomeUnknown(f"{call}: the reply gives {row[key]} two ids, {other.get('id')} and {row.get('id')}")
            if row.get("id"):
                self._by_id[str(row["id"])] = row

    def of(self, entry: payloads.Attributes) -> Raw | None:
        found = self._by_key.get(str(entry[self._key]))
        return found if found is not None or entry.get("id") is None else self._by_id.get(str(entry["id"]))


def sync_halves(data: Any, call: str) -> tuple[list[Raw], list[Raw]]:
    """Entities and errors of a sync reply. Anything else after a write means that its outcome is not known."""
    if not isinstance(data, dict) or not isinstance(data.get("entities"), list) or not isinstance(data.get("errors", []), list):
        raise OutcomeUnknown(f"{call}: the reply has no lists of entities and errors")
    return list(objects_of(data["entities"])), list(objects_of(data.get("errors")))
