"""What a list showed, readable or not: a record that cannot be read is there all the same.

One :class:`Existing` per list (side, entity, shards). Whoever creates, adopts, compares or calls something gone asks it first: a
record that cannot be read is nobody's to overwrite, and nothing that could be its twin is created beside it (rule R-06).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from include.financials.entities import ENTITIES
from include.financials.entity import Entity
from include.financials.identity import Origin, change_number, marker, meaning, parse_origin
from include.financials.ledger import Link, LinkIndex
from include.financials.money import text, to_cents
from include.financials.port import CALLED, SINCE, Invalid
from include.financials.record import PROJECTS, Record, Side
from include.financials.view import Sync

_PLACE = ("project", "sub_job", "commitment", "prime_contract", "vendor", "customer")
"""Where a record belongs: what must agree, as far as both tell it, when part of its key cannot be read."""

_LOST = object()
_BEYOND = Decimal(10) ** 15
"""More than any sum of money that the models hold."""


def money_of(bad: Invalid) -> Decimal | None:
    """The amount of an unreadable record, as far as its row tells one; in cents."""
    try:
        found = Decimal(bad.shown.get("amount") or "")
    except InvalidOperation:
        return None
    return to_cents(found) if found.is_finite() and found.copy_abs() < _BEYOND else None


def traced(bad: Invalid) -> dict[str, Any]:
    """Figures of an unreadable record for the ties, where nothing better is known; its money lies on no known cost key."""
    amount = money_of(bad)
    shown = {name: bad.shown.get(name) for name in ("project", "status", "currency", "invoice")}
    lines = [{"key": "?", "position": 0, "id": bad.id, "x": "? / ?", "amount": text(amount)}] if amount else []
    contract = bad.shown.get("commitment") or bad.shown.get("prime_contract")
    return {**shown, "contract": contract, "amount": text(amount or Decimal(0)), "lines": lines, "unread": bad.field}


class Existing:
    """The unreadable records of a target list, beside which nothing is created by guess. ``translated`` gives one in ERP keys.

    Readable records are matched as ever; this is the rest of the list.
    """

    def __init__(
        self,
        row: Entity,
        side: Side,
        links: LinkIndex,
        invalid: Iterable[Invalid],
        *,
        system: str,
        marks: str,
        translated: Callable[[Invalid], Invalid] = lambda bad: bad,
    ) -> None:
        self.row, self.side, self.system, self.marks = row, side, system, marks
        self.by_id: dict[str, list[Invalid]] = {}
        self.free: list[Invalid] = []
        """Those that nothing is linked to: each may be the twin of something."""
        self.hidden: dict[str, str] = {}
        """Id of what may be there although it is not shown to us -> who that is, in words."""
        self.anyone: Invalid | None = None
        """One that may carry the mark of any record of the source, where nobody knows what does."""
        self.lost: dict[tuple[str, str], Invalid] = {}
        """By (company, key) of the source: what no list shows, and other records tell that it is there."""
        self.certain: dict[str, Invalid] = {}
        """By external id or marker."""
        for bad in map(translated, invalid):
            self.by_id.setdefault(bad.id, []).append(bad)
            mark = bad.shown.get("origin_id" if side == "procore" else "marker")
            if mark:
                self.certain[mark] = bad
            if not self._linked(links, bad) and not (mark and self._ours(mark)):
                self.free.append(bad)

    def _linked(self, links: LinkIndex, bad: Invalid) -> bool:
        if self.side == "procore":
            return bad.id in links.by_procore
        return any(key == bad.id and bad.company in (None, company) for company, key in links.by_erp)

    def _ours(self, mark: str) -> bool:
        """It names its counterpart, readable or not: nobody else's twin."""
        if self.side == "procore":
            return parse_origin(mark, self.system) is not None
        return mark.startswith(f"{self.marks}:{self.row.name}:")

    def __contains__(self, record_id: str) -> bool:
        return record_id in self.by_id

    def get(self, record_id: str, company: str | None = None) -> Invalid | None:
        """The unreadable record of that id (an ERP key is one company's)."""
        found = self.by_id.get(record_id, ())
        return next((bad for bad in found if company is None or bad.company in (None, company)), None)

    def of(self, record: Record) -> Invalid | None:
        """The unreadable record that carries our mark of this source record: its counterpart, for certain."""
        if self.side == "procore":
            return self.certain.get(str(Origin(self.system, record.company or "", self.row.name, record.id)))
        return self.certain.get(marker(self.marks, self.row.name, record.id))

    def twin(self, record: Record) -> Invalid | None:
        """An unreadable record that this one (in ERP keys) may be already; None: it is surely none of them."""
        return self.of(record) or next((bad for bad in self.free if self._may_be(bad, record)), None)

    def _may_be(self, bad: Invalid, record: Record) -> bool:
        if self.side == "erp" and bad.company and record.company and bad.company != record.company:
            return False
        if self.side == "procore" and _our_key(bad) == record.id:
            return True
        return any(self._agree(key, bad, record) for key in self.row.twins)

    def _agree(self, key: tuple[str, ...], bad: Invalid, record: Record) -> bool:
        if any(getattr(record, name) in (None, "") for name in key):
            return False
        said = [_said(bad, name, self.row.model) for name in key]
        if None in said or not all(
            one is _LOST or same(name, one, getattr(record, name)) for name, one in zip(key, said, strict=True)
        ):
            return False
        # What both tell of their place: a number is one company's in the ERP, so a whole key needs no place there.
        if _LOST not in said and not (self.side == "procore" and self.row.project_scoped):
            return True
        places = ((name, bad.shown.get(name), getattr(record, name, None)) for name in _PLACE)
        return all(there is None or here is None or same(name, there, here) for name, there, here in places)


def _said(bad: Invalid, name: str, model: type[Record]) -> Any:
    """What its row tells of a field: text, None for an empty one, ``_LOST`` for one that cannot be read, or that says what the
    field cannot hold (the 31st of June, a kind that there is none of)."""
    if name == "amount":
        amount = money_of(bad)
        return amount if amount is not None and Decimal(bad.shown["amount"] or "0") == amount else _LOST
    said = bad.shown.get(name, _LOST)
    try:
        return said if said is None or said is _LOST else str(_field(model, name).validate_python(said, strict=False))
    except ValidationError:
        return _LOST


@cache
def _field(model: type[Record], name: str) -> TypeAdapter[Any]:
    info = model.model_fields[name]
    told: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return TypeAdapter(told)


def same(name: str, one: Any, other: Any) -> bool:
    """Two values of a field that mean one thing, whatever their spelling."""
    if name == "amount":
        return Decimal(one) == Decimal(other)
    if name == "number":
        return change_number(str(one)) == change_number(str(other))
    found = meaning(name, one)
    return found is not None and bool(found == meaning(name, other))


def _our_key(bad: Invalid) -> str | None:
    """The ERP's key in what we keep in ``origin_data``: a record that an earlier try of ours left half made."""
    try:
        data = json.loads(bad.shown.get("origin_data") or "{}")
    except ValueError:
        return None
    key = data.get("erp_key") if isinstance(data, dict) else None
    return key if isinstance(key, str) else None


def in_erp_keys(bad: Invalid, row: Entity, key: Callable[[str, str | None], str | None]) -> Invalid:
    """An unreadable record of Procore with its references as ERP keys; one that is not linked keeps Procore's id, which is no
    ERP key, and what is no id of Procore names nothing. ``key`` is asked for (entity, Procore id)."""
    shown = dict(bad.shown)
    for name, entity in row.references.items():
        if (ident := shown.get(name)) and ident.isdecimal():
            shown[name] = key(entity, ident) or ident
        elif ident:
            del shown[name]
    return replace(bad, shown=shown)


def contracts_of(sync: Sync, entity: str, lost: Iterable[Link]) -> dict[str, Link]:
    """Procore id -> the contract, of linked documents that are in no list and do not answer to their id: their contract may be
    hidden from us. What belongs to a private contract goes with it, and is not gone."""
    row = ENTITIES[entity]
    if row.contract is None or row.contracts is None:
        return {}
    field, index = row.contract, sync.fresh_links(row.contracts, contents=False)
    found = {link.procore_id: index.find(link.company, (link.content or {}).get(field) or "") for link in lost}
    return {ident: contract for ident, contract in found.items() if contract is not None}


def out_of_sight(sync: Sync, row: Entity, idents: Collection[str]) -> dict[str, str]:
    """Id -> who it is, of these records of Procore that the ledger remembers in a project whose list this run does not read: it
    cannot say that they are gone."""
    if not idents:
        return {}
    scopes = [sync.scopes("procore", row.name, shard) for shard in sync.lists.shards_of(row.name)]
    read = {project for places in scopes for project in places or ()}
    found, projects = dict[str, str](), sync.links(PROJECTS)
    seen = sync.ledger.records.some(row.name, "procore", (("", ident) for ident in idents))
    for (_, ident), known in seen.items() if None not in scopes else ():
        project = projects.find(known.company or "", known.scope) if known.scope else None
        if not known.deleted and project is not None and project.procore_id not in read:
            found[ident] = SINCE.format(who=f"{row.label} {known.number}", side=CALLED["procore"])
    return found
