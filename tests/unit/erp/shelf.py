"""A transport of its own kind: documents on a shelf in memory, with names that are paths (``Vendor.Code``), no transactions, and
every way to answer that an ERP may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from include.erp.mapping.block import Hook
from include.erp.mapping.loading import Mapping as MappingFile
from include.erp.mapping.loading import read_mapping
from include.erp.mapping.shape import shape_of
from include.erp.mapping.spec import CallSpec, EntitySpec, LinesSpec, MappingSpec, WriteSpec
from include.erp.system import MappedSystem
from include.erp.transport import Adapter, Check, Document, Handed, Key, Probe, Receipt, Row, Rows, Writing, one_by_one
from include.financials.port import Beat, Window

MAPPING = """\
kind: shelf
system: acme
entities:
  commitments:
    id: Order.Nbr
    company: Branch
    number: Order.Nbr
    scope: Job
    masks: {Job: "##-###"}
    changed_since: {column: Changed, type: timestamptz}
    fields:
      kind: {column: Type, map: {SC: subcontract, PO: purchase_order}}
      project: Job
      vendor: Vendor.Code
      title: Title
      status: {column: Status, map: {Open: open, Closed: closed, Void: void, Hold: open}, write_map: {Approved: Open}}
      amount: Total
    lines:
      under: Details
      fields:
        id: "{Order.Nbr}/{Line}"
        position: Line
        description: Text
        cost_code: Code
        cost_type: CostType
        amount: Amount
    find: {marker: Note, void: {status: void}}
    accepted: {column: Status, values: Hold, said: Problem}
    capabilities: {create: true, update: true, void: true, max_lengths: {title: 20}}
    write:
      create:
        - if: {kind: subcontract}
          put:
            {Branch: company, Order.Nbr: number, Type: kind, Job: project, Vendor.Code: vendor, Title: title, Total: amount,
             Note: marker}
          lines: {Line: position, Text: description, Code: cost_code, CostType: cost_type, Amount: amount}
        - if: {kind: purchase_order}
          put: {Branch: company, Order.Nbr: number, Type: kind, Job: project, Vendor.Code: vendor, Total: amount, Note: marker}
      update:
        - {when: title, put: {Title: title}}
      void:
        - {put: {Status: voided}}
    parameters: {voided: {constant: Void}}
"""


class Call(CallSpec):
    place: ClassVar[str] = "put"
    put: dict[str, str]
    """Name in the document -> what it is given."""
    lines: dict[str, str] = Field(default_factory=dict)

    def binds(self) -> tuple[str, ...]:
        return tuple(self.put.values())

    def line_binds(self) -> tuple[str, ...]:
        return tuple(self.lines.values())


class Write(WriteSpec):
    create: tuple[Call, ...] = ()
    update: tuple[Call, ...] = ()
    void: tuple[Call, ...] = ()


class Lines(LinesSpec):
    under: str


class Entity(EntitySpec):
    lines: Lines | None = None
    write: Write = Write()


class ShelfMapping(MappingSpec):
    kind: Literal["shelf"]
    entities: Mapping[str, Entity]
    sees: Hook | None = None

    @staticmethod
    def name_fault(name: str) -> str | None:
        return None if all(part.isidentifier() for part in name.split(".")) else "is no path of names"


class Shelf:
    """``answer`` decides what becomes of each document that is sent; it may put it on the shelf, or not."""

    transactional = False

    def __init__(self, address: Any, mapping: MappingFile[ShelfMapping]) -> None:
        self.mapping, self.address = mapping, address
        self.documents: list[dict[str, Any]] = []
        self.sent: list[str] = []
        self.asked: list[Handed] = []
        self.approvals = False
        """Whether changes wait."""
        self.answer: Callable[[Document, dict[str, Any]], Receipt] = self.done
        self.settled: Callable[[Handed], Receipt] = lambda one: Receipt(one.intent, "unknown")

    def done(self, document: Document, made: dict[str, Any]) -> Receipt:
        self.documents.append(made)
        return Receipt(document.intent, "done", made.get("Order.Nbr"))

    def close(self) -> None:
        self.documents.clear()

    def clock(self) -> datetime:
        return datetime(2026, 9, 1, 12, tzinfo=UTC)

    def probe(self) -> Probe:
        return Probe("a shelf", "1")

    def fetch(
        self,
        entity: str,
        *,
        window: Window | None,
        scopes: Sequence[str] | None,
        cursor: Mapping[str, Any] | None,
        size: int,
        bare: bool = False,
    ) -> Rows:
        start = cursor["from"] if cursor else 0
        found = [one for one in self.documents if scopes is None or one.get("Job") in scopes]
        end = start + size
        rows = [self._row(entity, one, bare) for one in found[start:end]]
        return Rows(rows, {"from": end} if end < len(found) else None)

    def lookup(self, entity: str, *, ids: Sequence[Key] = (), markers: Sequence[str] = ()) -> Rows:
        numbers = {part["Order.Nbr"] for key in ids for part in key.parts}
        found = [one for one in self.documents if one.get("Order.Nbr") in numbers or one.get("Note") in markers]
        return Rows([self._row(entity, one, False) for one in found])

    def _row(self, entity: str, document: dict[str, Any], bare: bool) -> Row:
        spec = self.mapping.spec.entities[entity]
        shape = shape_of(spec)
        under = document.get(spec.lines.under, []) if spec.lines and not bare else []
        lines = [{name: {**document, **line}.get(name) for name in shape.lines} for line in under]
        return Row({name: document.get(name) for name in shape.header}, lines, key=str(document.get("Order.Nbr")))

    def submit(self, entity: str, action: Writing, documents: Sequence[Document], check: Check, beat: Beat) -> list[Receipt]:
        return one_by_one(documents, beat, lambda document: self._send(entity, action, document))

    def _send(self, entity: str, action: Writing, document: Document) -> Receipt:
        self.sent.append(document.number)
        calls: Sequence[Call] = getattr(self.mapping.spec.entities[entity].write, action)
        if action != "create":
            assert document.key is not None
            if self.approvals:
                return Receipt(document.intent, "accepted", token="approval 3")
            (there,) = (one for one in self.documents if one["Order.Nbr"] == document.key.id)
            for index in document.calls:
                there |= {name: document.header[value] for name, value in calls[index].put.items()}
            return Receipt(document.intent, "done")
        (index,) = document.calls
        made = {name: document.header[value] for name, value in calls[index].put.items()} | {"Status": "Open"}
        made["Details"] = [
            {name: line[value] for name, value in calls[index].lines.items()} for line in document.lines
        ]  # fmt: skip
        return self.answer(document, made)

    def settle(self, entity: str, handed: Sequence[Handed]) -> list[Receipt]:
        self.asked += handed
        return [self.settled(one) for one in handed]


ADAPTER = Adapter(ShelfMapping, Shelf)


def shelf(folder: Path, text: str = MAPPING) -> tuple[MappedSystem, Shelf]:
    path = folder / "shelf.yaml"
    path.write_text(text, encoding="utf-8")
    mapping = read_mapping(path, ShelfMapping)
    transport = Shelf("shelf://", mapping)
    return MappedSystem(mapping, transport, origin_system="procore:8089", page_size=2), transport
