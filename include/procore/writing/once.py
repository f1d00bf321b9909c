"""Documents created one by one, by resources that take the same one twice (docs/procore-contract.md 6.3, 6.4).

There is no sync and no filter on external ids: before anything is sent, the documents that are there are listed, once per
contract or project.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from include.financials.exceptions import OutcomeUnknown
from include.financials.port import Item, Outcome
from include.procore import payloads
from include.procore.entity import Desk
from include.procore.lists import Raw, row_id
from include.procore.resources import Resource
from include.procore.writing.sync import Key
from include.procore.writing.way import always, by_key, not_there, other_owner, rejected, scope_ids


@dataclass(frozen=True)
class Once:
    """POST of one record that is not there yet.

    :param build: the attributes inside the resource's wrapper, external ids included.
    :param key: the field that tells which record is ours.
    :param contract: the reference that names its contract, for a resource whose calls name it.
    :param numbered: whether its number is unique in the project: another record that has it is no duplicate of ours to make.
    """

    resource: Resource
    build: Callable[[Item], payloads.Attributes]
    key: Key = "origin_id"
    contract: str | None = None
    numbered: bool = False

    def wants(self, item: Item) -> bool:
        return always(item)

    def scope(self, item: Item) -> str:
        """The contract, so that its documents come one after the other and its list is read once."""
        project = payloads.ref(item, "project")
        return f"{project}/{payloads.ref(item, self.contract)}" if self.contract else project

    def post(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]:
        return [self._create(desk, item) for item in items]

    def _create(self, desk: Desk, item: Item) -> Outcome:
        there = self._siblings(desk, item)
        row = self._ours(there, item)
        if row is not None:
            return desk.confirmed(item, row)
        namesake = next((row for row in there if self.numbered and row.get("number") == item.record.number), None)
        if namesake is not None:
            message = (
                f"Procore has a {self.resource.wrapper} {item.record.number} already (id {row_id(namesake)}), which is not ours"
            )
            return rejected(item, row_id(namesake), message, "number")
        body = {**scope_ids(desk, self.resource, item, self.contract), str(self.resource.wrapper): self.build(item)}
        try:
            row = desk.client.post(str(self.resource.create), body).object
            done = desk.confirmed(item, row)
        except OutcomeUnknown:
            del desk.siblings[self._shelf(item)]  # what was listed before says nothing about this one any more
            raise
        there.append(row)
        taken = other_owner(item, row) if self.key == "origin_id" else None
        return rejected(item, row_id(row), taken, "origin_id") if taken else done

    def find(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]:
        there = self._siblings(desk, items[0], again=True)
        rows = {item.intent: self._ours(there, item) for item in items}
        return [not_there(item, None) if (row := rows[item.intent]) is None else desk.confirmed(item, row) for item in items]

    def _shelf(self, item: Item) -> tuple[str, str, str | None]:
        return self.resource.name, payloads.ref(item, "project"), payloads.ref(item, self.contract) if self.contract else None

    def _siblings(self, desk: Desk, item: Item, *, again: bool = False) -> list[Raw]:
        shelf = self._shelf(item)
        if again or shelf not in desk.siblings:
            _, project, contract = shelf
            rows = desk.lists.objects(self.resource, project=project, parent=contract)
            desk.siblings[shelf] = [row for row in rows if not row.get("deleted_at")]
        return desk.siblings[shelf]

    def _ours(self, rows: Sequence[Raw], item: Item) -> Raw | None:
        found = by_key(rows, "origin_id", {item.origin_id}).get(item.origin_id)
        data = str(item.origin_data)
        return found or (by_key(rows, "origin_data", {data}).get(data) if self.key == "origin_data" else None)
