"""Writing to Procore: the steps of each entity, one call per batch, and the look whether an effect is already there.

Sync actions answer 200 even if every entry failed; entities and errors are matched by external id, never by position
(docs/procore-contract.md 2.2). An entry that the reply does not mention makes the outcome of the call unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from include.financials.exceptions import ContractBroken, OutcomeUnknown, Refused
from include.financials.identity import parse_origin
from include.financials.models import Record, Side
from include.financials.port import Action, Capability, Invalid, Item, Outcome, Step
from include.procore import parse, payloads
from include.procore.errors import parse_error
from include.procore.exceptions import Locked
from include.procore.lists import Lists, Raw, row_id
from include.procore.reading import Reader
from include.procore.resources import CONTRACTS, ENTITY_RESOURCES, RESOURCES, Resource
from include.procore.wbs import CodeKey, Pair, Wbs, sync_halves

FEW = 20
"""Up to so many records are looked up one by one by external id; for more, the list is read in full."""

_PROCORE: Side = "procore"
_DONE: dict[Action, str] = {"create": "created in Procore", "update": "updated in Procore", "link": "linked in Procore"}
_SYNC: dict[str, tuple[Action, ...]] = {
    "vendors": ("create", "update", "link"),
    "customers": ("create", "update", "link"),
    "projects": ("create", "update", "link"),
    "cost_types": ("create", "update", "link"),
    "cost_codes": ("create", "update", "link"),
    "commitments": ("link",),
}
_AFTER: dict[str, Step] = {
    # projects/sync does not take origin_code (2.1), and the sync of cost codes knows no cost types (4).
    "projects": Step(_PROCORE, "projects", "origin_code", batch=1, done="numbered in Procore"),
    "cost_codes": Step(_PROCORE, "cost_codes", "wbs", done="given their cost types in Procore"),
}


def _steps(entity: str, action: Action) -> tuple[Step, ...]:
    levels = entity == "cost_codes" and action == "create"
    first = Step(_PROCORE, entity, action, batch=1000, levels=levels, done=_DONE[action])
    # Linking a code writes external ids only; its missing types are content, and content is the next update's.
    return (first, _AFTER[entity]) if entity in _AFTER and (action != "link" or entity == "projects") else (first,)


STEPS: dict[tuple[str, Action], tuple[Step, ...]] = {
    (entity, action): _steps(entity, action) for entity, actions in _SYNC.items() for action in actions
}
CAPABILITIES: dict[str, Capability] = {
    "vendors": Capability(create=True, update=True, link=True, changed_since=True),
    "customers": Capability(create=True, update=True, link=True, changed_since=True),
    "projects": Capability(create=True, update=True, link=True, changed_since=True),
    "cost_types": Capability(create=True, update=True, link=True),
    "cost_codes": Capability(create=True, update=True, link=True),
    "commitments": Capability(link=True, changed_since=True),
}


class Writer:
    """All writes of the port. See :class:`include.procore.system.ProcoreSystem` for their contract."""

    def __init__(
        self, lists: Lists, wbs: Wbs, reader: Reader, erp_system: str, delimiter: str, type_codes: Mapping[str, str]
    ) -> None:
        self._lists = lists
        self._client = lists.client
        self._wbs = wbs
        self._reader = reader
        self._erp_system = erp_system
        self._delimiter = delimiter
        self._erp_type_codes = type_codes
        self._known: dict[str, Raw] = {}
        """External id -> record as last answered: ids for children of this run, and what need not be sent again."""

    def wants(self, step: Step, item: Item) -> bool:
        if step.name == "wbs":
            return _project(item) is not None and bool(_types(item)) and (not item.changes or "cost_types" in item.changes)
        return bool(payloads.changed(item)) if step.name == "update" else True

    def scope(self, step: Step, item: Item) -> str:
        if step.entity == "cost_codes":
            project = _project(item)
            if project is None:
                return "standard"
            sub_job = getattr(item.record, "sub_job", None)
            return f"{project}/{sub_job}" if sub_job and step.name != "wbs" else project
        if step.entity == "commitments":
            return f"{_ref(item, 'project')}:{getattr(item.record, 'kind', '')}"
        return "company"

    def post(self, step: Step, items: Sequence[Item]) -> list[Outcome]:
        if len({self.scope(step, item) for item in items}) > 1:
            raise ContractBroken(f"step {step.name} of {step.entity}: items of several scopes in one call")
        busy = [item for item in items if self.wants(step, item)]
        done = [Outcome(item.intent, "confirmed", id=self._id_of(item)) for item in items if not self.wants(step, item)]
        if not busy:
            return done
        try:
            if step.name == "wbs":
                return done + self._post_wbs(busy)
            if step.name == "origin_code":
                return done + [self._post_origin_code(item) for item in busy]
            return done + self._post_sync(step, busy)
        except Refused as error:
            if len(busy) > 1:
                raise
            return [*done, _rejected(busy[0], self._id_of(busy[0]), str(error), error.field, isinstance(error, Locked))]

    def _id_of(self, item: Item) -> str | None:
        known = self._known.get(item.origin_id)
        return item.procore_id or (row_id(known) if known else None)

    # ------------------------------------------------------------------ sync actions (2.2)

    def _post_sync(self, step: Step, items: Sequence[Item]) -> list[Outcome]:
        stopped = {item.intent: why for item in items if (why := self._stopped(step, item)) is not None}
        sent = [item for item in items if item.intent not in stopped]
        if not sent:
            return list(stopped.values())
        twice = next((origin for origin, count in Counter(item.origin_id for item in sent).items() if count > 1), None)
        if twice:
            raise ContractBroken(f"two records of one call carry the external id {twice}; what Procore then does is not defined")
        updates = [self._update(step, item) for item in sent]
        resource, params, body = self._call(step, sent[0])
        reply = self._client.request(
            resource.sync_method, str(resource.sync), params=params, body={**body, resource.sync_key: updates}
        )
        entities, errors = (_Half(rows) for rows in sync_halves(reply.data, reply.call))
        outcomes = list(stopped.values())
        for item, update in zip(sent, updates, strict=True):
            error = errors.of(item.origin_id, update.get("id"))
            entity = entities.of(item.origin_id, update.get("id"))
            if error is not None:
                said = parse_error({"errors": error.get("errors")})
                outcomes.append(_rejected(item, item.procore_id, said.message, said.field, said.locked))
            elif entity is not None:
                outcomes.append(self._answered(step, item, entity))
            else:
                raise OutcomeUnknown(f"{reply.call}: the reply does not mention {item.number}, one of {len(sent)} records sent")
        return outcomes

    def _stopped(self, step: Step, item: Item) -> Outcome | None:
        """What would do harm if it were sent."""
        parent = getattr(item.record, "parent", None)
        if step.entity == "cost_codes" and step.name == "create" and parent and not self._parent(item):
            # Without its parent it would become a root, with another full code.
            return _rejected(item, None, f"{item.number} waits for its parent {parent}, which is not in Procore yet", "parent_id")
        if step.entity == "cost_codes" and getattr(item.record, "sub_job", None) and self._sub_job(item) is None:
            return _rejected(
                item, None, f"{item.number}: Procore has no sub job {getattr(item.record, 'sub_job', '')}", "sub_job"
            )
        if step.name == "link" and not item.procore_id:
            return _rejected(item, None, f"{item.number} has no Procore id to link", "id")
        return None

    def _parent(self, item: Item) -> str | None:
        """Procore id of a code's parent: given by the engine, or known from the level before."""
        own = parse_origin(item.origin_id, self._erp_system)
        known = self._known.get(str(replace(own, key=getattr(item.record, "parent", None) or ""))) if own else None
        return item.refs.get("parent") or (row_id(known) if known else None)

    def _sub_job(self, item: Item) -> str | None:
        """Procore id of the sub job a code belongs to: given by the engine, or found by its code."""
        code, project = getattr(item.record, "sub_job", None), _project(item)
        if not code or project is None:
            return None
        return item.refs.get("sub_job") or next(
            (ident for ident, own in self._lists.sub_jobs(project).items() if own == code), None
        )

    def _update(self, step: Step, item: Item) -> payloads.Attributes:
        """One entry of ``updates``. The external id always goes along: it is what the reply is matched by."""
        update: payloads.Attributes = {"origin_id": item.origin_id}
        if item.procore_id:
            update["id"] = int(item.procore_id)
        if item.origin_data is not None:
            update["origin_data"] = item.origin_data
        if step.name == "link":
            coded = RESOURCES[self._resource(step, item)].origin_code == "sync"
            return {**update, "origin_code": payloads.origin_code(item)} if coded else update
        update.update(payloads.created(item) if step.name == "create" else payloads.changed(item))
        if step.entity == "cost_codes" and step.name == "create":
            update.update(self._place(item))
        if "csv_import_code" in update:
            update["csv_import_code"] = item.refs.get("code") or self._erp_type_codes.get(item.record.number, item.record.number)
        return update

    def _place(self, item: Item) -> payloads.Attributes:
        """Code and parent. The sync of the standard list takes the code with its parents, that of a project not (3.4, 3.5)."""
        code = getattr(item.record, "code", item.record.number) if _project(item) else item.record.number
        parent = self._parent(item)
        return {"code": code, "parent_id": int(parent)} if parent else {"code": code}

    def _resource(self, step: Step, item: Item) -> str:
        if step.entity == "commitments":
            return CONTRACTS[getattr(item.record, "kind", "")]
        if step.entity == "cost_codes" and _project(item) is None:
            return "standard_cost_codes"
        return ENTITY_RESOURCES[step.entity]

    def _call(self, step: Step, item: Item) -> tuple[Resource, list[tuple[str, str]], Raw]:
        """Resource, query and scope part of the body of a sync."""
        name = self._resource(step, item)
        resource = RESOURCES[name]
        params: list[tuple[str, str]] = []
        body: Raw = {"company_id": int(self._client.company_id)} if resource.company == "query" else {}
        if name == "standard_cost_codes":
            body["standard_cost_code_list_id"] = int(self._lists.erp_list())
        if resource.project == "query" and resource.sync_scope == "query":
            params.append(("project_id", _ref(item, "project")))
            sub_job = self._sub_job(item)
            params += [("sub_job_id", sub_job)] if sub_job else []
        elif resource.project == "query":
            body["project_id"] = int(_ref(item, "project"))
        return resource, params, body

    def _answered(self, step: Step, item: Item, entity: Raw) -> Outcome:
        """The outcome of an entry that came back. What came back different from what was sent is no success."""
        ident = row_id(entity)
        self._known[item.origin_id] = entity
        if entity.get("origin_id", item.origin_id) != item.origin_id:
            message = (
                f"came back with external id {entity.get('origin_id')}, not {item.origin_id}; another integration may own it"
            )
            return _rejected(item, ident, message, "origin_id")
        if step.entity == "cost_codes" and entity.get("full_code") != item.record.number:
            message = (
                f"{item.record.number} came back as {entity.get('full_code')}: check the parent's code and the delimiter between "
                f"its parts (expected {self._delimiter!r})"
            )
            return _rejected(item, ident, message, "full_code")
        return Outcome(
            item.intent,
            "confirmed",
            id=ident,
            record=self._record(step, entity),
            updated_at=parse.time_or_none(entity.get("updated_at")),
        )

    def _record(self, step: Step, row: Raw) -> Record | None:
        """The record of a raw row, where the row holds all of its content: not a contract's lines, not a code's types."""
        if step.entity in ("cost_codes", "commitments"):
            return None
        built = self._reader.build(step.entity, row)
        return None if isinstance(built, Invalid) or built.entity != step.entity else built

    # ------------------------------------------------------------------ projects: origin_code

    def _post_origin_code(self, item: Item) -> Outcome:
        """PATCH of one project, left out when Procore has the number already."""
        ident, code = self._id_of(item), payloads.origin_code(item)
        if ident is None:
            return _rejected(item, None, f"project {item.number} is not in Procore", "id")
        known = self._known.get(item.origin_id) or self._reader.raw_by_id("projects", [ident]).get(ident) or {}
        if known.get("origin_code") == code:
            return Outcome(item.intent, "confirmed", id=ident)
        path = str(RESOURCES["projects"].show).format(id=ident)
        row = self._client.patch(path, {"company_id": int(self._client.company_id), "project": {"origin_code": code}}).object
        if row.get("origin_code") != code:
            return _rejected(item, ident, f"origin_code came back as {row.get('origin_code')}, not {code}", "origin_code")
        self._known[item.origin_id] = {**known, **row}
        return Outcome(item.intent, "confirmed", id=ident, record=self._record(STEPS["projects", "update"][0], row))

    # ------------------------------------------------------------------ cost codes: their types

    def _post_wbs(self, items: Sequence[Item]) -> list[Outcome]:
        """Give codes the types they lack."""
        project = str(_project(items[0]))
        foreign = self._wbs.foreign_segments(project)
        if foreign:
            message = (
                f"the WBS pattern of project {project} requires the segment {', '.join(foreign)}, which the ERP does not fill"
            )
            return [_rejected(item, self._id_of(item), message, "wbs") for item in items]
        assigned = self._wbs.assigned(project, again=False)
        wanted = {item.intent: self._pairs(project, item) for item in items}
        missing = {
            pair
            for pairs in wanted.values()
            if not isinstance(pairs, str)
            for pair in pairs
            if pair.cost_type not in assigned.get(pair.code, set())
        }
        failed = self._wbs.create(
            project, sorted(missing, key=lambda pair: (pair.code.full_code, str(pair.code.sub_job), pair.cost_type))
        )
        outcomes = []
        for item in items:
            pairs = wanted[item.intent]
            if isinstance(pairs, str):
                outcomes.append(_rejected(item, self._id_of(item), pairs, "cost_types"))
                continue
            why = next((failed[pair] for pair in pairs if pair in failed), None)
            outcomes.append(
                _rejected(item, self._id_of(item), why.message, why.field, why.locked)
                if why
                else Outcome(item.intent, "confirmed", id=self._id_of(item))
            )
        return outcomes

    def _pairs(self, project: str, item: Item) -> list[Pair] | str:
        """The assignments an item asks for, or why one of them cannot be named in Procore."""
        types = self._lists.type_codes()
        sub_job = self._sub_job(item)
        if getattr(item.record, "sub_job", None) and sub_job is None:
            return f"{item.number}: Procore has no sub job {getattr(item.record, 'sub_job', '')}"
        pairs = []
        for key in _types(item):
            ident = item.refs.get(f"type:{key}")
            if not ident or ident not in types:
                return f"{item.number}: cost type {key} is not in Procore yet"
            pairs.append(Pair(CodeKey(sub_job, item.record.number), types[ident]))
        return pairs

    # ------------------------------------------------------------------ find

    def find(self, step: Step, items: Sequence[Item]) -> list[Outcome]:
        by_scope: dict[str, list[Item]] = {}
        for item in items:
            by_scope.setdefault(self.scope(step, item), []).append(item)
        found: dict[str, Outcome] = {}
        for group in by_scope.values():
            looked = self._find_wbs(group) if step.name == "wbs" else self._find_rows(step, group)
            found.update({outcome.intent: outcome for outcome in looked})
        return [found[item.intent] for item in items]

    def _find_rows(self, step: Step, items: Sequence[Item]) -> list[Outcome]:
        """By id where the record is known to exist, by external id where it may have been made."""
        known = {item.intent: item.procore_id for item in items if step.name != "create" and item.procore_id}
        rows: dict[str, Raw] = {}
        if known:
            raw = self._by_id(step, items[0], list(known.values()))
            rows.update({intent: raw[ident] for intent, ident in known.items() if ident in raw})
        others = [item for item in items if item.intent not in known]
        if others:
            by_origin = self._by_origin(step, others)
            rows.update({item.intent: by_origin[item.origin_id] for item in others if item.origin_id in by_origin})
        return [self._found(step, item, rows.get(item.intent)) for item in items]

    def _found(self, step: Step, item: Item, row: Raw | None) -> Outcome:
        if row is None or row.get("deleted_at"):
            return Outcome(item.intent, "absent")
        origin = row.get("origin_id") or None
        if step.name == "origin_code":
            there = row.get("origin_code") == payloads.origin_code(item)
        elif step.name == "update":
            there = origin == item.origin_id and payloads.holds(row, self._update(step, item))
        else:
            there = origin == item.origin_id
        if there:
            self._known[item.origin_id] = row
            changed = parse.time_or_none(row.get("updated_at"))
            return Outcome(item.intent, "confirmed", id=row_id(row), record=self._record(step, row), updated_at=changed)
        foreign = bool(origin) and origin != item.origin_id
        return Outcome(
            item.intent,
            "absent",
            id=row_id(row),
            message=f"carries external id {origin}, not {item.origin_id}" if foreign else None,
            field="origin_id" if foreign else None,
        )

    def _by_id(self, step: Step, item: Item, ids: Sequence[str]) -> dict[str, Raw]:
        name = self._resource(step, item)
        if RESOURCES[name].project != "query" and name != "standard_cost_codes":
            return self._reader.raw_by_id(step.entity, ids)
        return self._lists.by_ids(name, ids, **self._options(name, item))

    def _by_origin(self, step: Step, items: Sequence[Item]) -> dict[str, Raw]:
        """Raw rows of one scope by external id: one by one when few, else from the whole list."""
        name = self._resource(step, items[0])
        options = self._options(name, items[0])
        extra = options.pop("extra", [])
        wanted = {item.origin_id for item in items}
        if len(wanted) <= FEW and "origin_id" in RESOURCES[name].filters:
            rows = [
                row
                for origin in sorted(wanted)
                for row in self._lists.objects(name, extra=[*extra, ("filters[origin_id]", origin)], **options)
            ]
        else:
            rows = self._lists.objects(name, extra=extra, **options)
        found = _unique(rows, wanted)
        if name == "vendors" and len(found) < len(wanted):
            found.update(_unique(self._lists.objects("inactive_vendors"), wanted - set(found)))
        return found

    def _options(self, name: str, item: Item) -> dict[str, Any]:
        """Scope of a list, as options of ``Lists``."""
        if name == "standard_cost_codes":
            return {"extra": [("standard_cost_code_list_id", self._lists.erp_list())]}
        if RESOURCES[name].project != "query":
            return {}
        sub_job = self._sub_job(item) if name == "cost_codes" else None
        return {"project": _ref(item, "project"), "extra": [("sub_job_id", sub_job)] if sub_job else []}

    def _find_wbs(self, items: Sequence[Item]) -> list[Outcome]:
        project = _project(items[0])
        if project is None:
            return [Outcome(item.intent, "confirmed", id=item.procore_id) for item in items]
        assigned = self._wbs.assigned(project)
        outcomes = []
        for item in items:
            pairs = self._pairs(project, item)
            there = not isinstance(pairs, str) and all(pair.cost_type in assigned.get(pair.code, set()) for pair in pairs)
            outcomes.append(Outcome(item.intent, "confirmed" if there else "absent", id=self._id_of(item)))
        return outcomes


class _Half:
    """One half of a sync reply, looked up by external id first and by id second."""

    def __init__(self, rows: Iterable[Raw]) -> None:
        self._by_origin: dict[str, Raw] = {}
        self._by_id: dict[str, Raw] = {}
        for row in rows:
            if row.get("origin_id"):
                self._by_origin[str(row["origin_id"])] = row
            if row.get("id"):
                self._by_id[str(row["id"])] = row

    def of(self, origin_id: str, ident: Any) -> Raw | None:
        found = self._by_origin.get(origin_id)
        return found if found is not None or ident is None else self._by_id.get(str(ident))


def _unique(rows: Iterable[Raw], wanted: set[str]) -> dict[str, Raw]:
    found: dict[str, Raw] = {}
    for row in rows:
        origin = row.get("origin_id")
        if origin in wanted:
            if origin in found and row_id(found[origin]) != row_id(row):
                raise ContractBroken(f"external id {origin} stands on two records, {row_id(found[origin])} and {row_id(row)}")
            found[cast(str, origin)] = row
    return found


def _rejected(item: Item, ident: str | None, message: str, field: str | None, locked: bool = False) -> Outcome:
    return Outcome(item.intent, "rejected", id=ident, message=message, field=field, locked=locked)


def _project(item: Item) -> str | None:
    """Procore project of a cost code; None for one of the standard list."""
    return _ref(item, "project") if getattr(item.record, "project", None) else None


def _ref(item: Item, name: str) -> str:
    value = item.refs.get(name)
    if not value:
        raise ContractBroken(f"{item.record.entity} {item.number}: the item has no Procore id of its {name}")
    return value


def _types(item: Item) -> tuple[str, ...]:
    return tuple(getattr(item.record, "cost_types", ()))
