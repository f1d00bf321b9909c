"""One record changed by a request of its own: what has no sync action (docs/procore-contract.md 2.2).

Most of these are links, and on a locked record external ids are all that may be written (2.4): nothing else goes along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from include.financials.exceptions import NotPermitted
from include.financials.port import Item, Outcome
from include.procore import payloads
from include.procore.entity import Desk, is_record
from include.procore.lists import Raw
from include.procore.resources import Resource
from include.procore.writing.way import always, not_there, other_owner, rejected, scope_ids


@dataclass(frozen=True)
class Single:
    """PATCH of one record by id.

    :param build: the attributes inside the resource's wrapper.
    :param contract: the reference that names its contract, for a resource whose calls name it.
    :param place: scope of a call.
    :param wanted: whether there is anything to send for an item.
    :param looks: whether to look before sending, and to leave out what is there.
    """

    resource: Resource
    build: Callable[[Item], payloads.Attributes]
    place: Callable[[Item], str]
    contract: str | None = None
    wanted: Callable[[Item], bool] = always
    looks: bool = False

    def wants(self, item: Item) -> bool:
        return self.wanted(item)

    def scope(self, item: Item) -> str:
        return self.place(item)

    def post(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]:
        return [self._patch(desk, item) for item in items]

    def _patch(self, desk: Desk, item: Item) -> Outcome:
        ident, attributes = desk.id_of(item), self.build(item)
        if ident is None:
            return rejected(item, None, f"{item.number} is not in Procore", "id")
        if self.looks:
            row = desk.known.get(item.origin_id) or self._show(desk, item, ident)
            if row is not None and payloads.holds(self.resource, row, attributes):
                return desk.confirmed(item, row)
        path = str(self.resource.update).format(id=ident, parent=item.refs.get(self.contract or ""))
        body = {**scope_ids(desk, self.resource, item, self.contract), str(self.resource.wrapper): attributes}
        try:
            row = desk.client.patch(path, body).object
        except NotPermitted as error:
            if self.resource.permission is None:
                raise
            raise NotPermitted(f"{error}. {item.number} needs {self.resource.permission}.") from error
        return self._patched(desk, item, ident, row, attributes)

    def _patched(self, desk: Desk, item: Item, ident: str, row: Raw, attributes: payloads.Attributes) -> Outcome:
        is_record(item, row)
        if "origin_id" in attributes:
            other_owner(item, row)
        answered = {name: value for name, value in attributes.items() if name in row}
        for name in payloads.differing(self.resource, row, answered):
            return rejected(item, ident, f"{name} came back as {row[name]}, not {attributes[name]}", name)
        return desk.confirmed(item, {**desk.known.get(item.origin_id, {}), **row})

    # ------------------------------------------------------------------ find

    def find(self, desk: Desk, items: Sequence[Item]) -> list[Outcome]:
        return [self._found(desk, item) for item in items]

    def _found(self, desk: Desk, item: Item) -> Outcome:
        ident = desk.id_of(item)
        row = self._show(desk, item, ident) if ident else None
        if row is None or row.get("deleted_at"):
            return Outcome(item.intent, "absent", id=ident)
        if not payloads.holds(self.resource, row, self.build(item)):
            return not_there(item, row)
        return desk.confirmed(item, row)

    def _show(self, desk: Desk, item: Item, ident: str) -> Raw | None:
        """The record as it is; None when it cannot be seen, which leaves open why (docs/procore-contract.md 10.33)."""
        project = payloads.ref(item, "project") if self.resource.project != "none" else None
        return desk.lists.show_or_none(self.resource, ident, project=project, parent=item.refs.get(self.contract or ""))


@dataclass(frozen=True)
class Noted(Single):
    """PATCH of ``origin_data`` alone, which every lock leaves open (docs/procore-contract.md 10.13). A record without our
    external id is left as it is: whoever took that away is about to delete or to link it."""

    def _patch(self, desk: Desk, item: Item) -> Outcome:
        ident = desk.id_of(item)
        row = self._show(desk, item, ident) if ident else None
        if row is None or row.get("deleted_at") or row.get("origin_id") != item.origin_id:
            return rejected(item, ident, f"{item.number} does not carry our external id any more", "origin_id")
        if payloads.holds(self.resource, row, self.build(item)):
            return desk.confirmed(item, row)
        return super()._patch(desk, item)
