"""Extract: the source's records of a window, page by page into the staging area.

What is open is always taken up again: records that stopped are read anew by id (their cause may be gone), and so are those whose
change lies in the window although our own write has moved their ``updated_at`` since.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, cast

from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError, ContractBroken, NotPermitted, Refused, RetryLater
from include.financials.existence import SIDES, hidden_contracts
from include.financials.identity import parse_origin
from include.financials.ledger import STOPPED, key_of, moment, stamp
from include.financials.models import Side
from include.financials.port import UNSEEN, Asking, Header, Invalid, Page, Question, Window
from include.financials.reading.staging import Staged
from include.financials.view import Sync

log = logging.getLogger(__name__)

_ALL_READ: dict[str, Any] = {"read": "all"}
"""The cursor after a list's last page: what is still to be read is read by id, a later try does not begin the list again."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """Summary of an extract; ``since`` and ``until`` as ISO text (UTC), ``path`` where the pages are."""

    entity: str
    shard: int
    since: str | None
    until: str
    records: int
    invalid: int
    path: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def extract(sync: Sync, entity: str, shard: int = 0) -> Extracted:
    row = ENTITIES[entity]
    if unmapped := sync.missing("erp", entity):  # an empty list would read as: all of them are gone
        raise ConfigurationError(unmapped)
    system = sync.systems[row.source]
    staged = sync.staged(entity, shard)
    if row.two_way:
        _both(sync, entity, shard)
    window = sync.run.window(sync.ledger, row.source, entity, timedelta(minutes=sync.settings.overlap_minutes))
    if sync.run.documents and system.capabilities()[entity].lists_all:
        window = Window(window.until, window.until)  # by their numbers, which the list shows, and no others
    if not staged.state()["complete"]:
        scopes = sync.scopes(row.source, entity, shard)
        known = sync.ledger.seen(entity, row.source)
        asked = _questions(sync, entity, shard, scopes, known) if sync.settings.workflow.answered(entity) else []
        if scopes is None or scopes:
            wanted = [key for key in _wanted(known, window) if sync.run.wants(known[key]["number"])]
            read = {record.id for record in staged.records()} | {bad.id for bad in staged.invalid()}
            cursor = staged.state()["cursor"]
            listed: set[str] = set()
            also = _listed(_named(sync) if sync.run.documents else _also(known, wanted, sync.namespace), listed)
            for page in (
                system.read(entity, window=window, scopes=scopes, cursor=cursor, also=also) if cursor != _ALL_READ else ()
            ):
                staged.add(page if page.cursor is not None else replace(page, cursor=_ALL_READ), last=False)
                read.update([record.id for record in page.records] + [bad.id for bad in page.invalid])
                log.info("%s: %d read so far", entity, len(read))
            missing = [(known[key]["scope"], key[1]) for key in wanted if key[1] not in read and _in_scope(known[key], scopes)]
            # A try that went on at a cursor did not see the whole list.
            unlisted = _unlisted(sync, entity, scopes, window, read | listed) if cursor is None else []
            missing += [pair for pair in (*unlisted, *asked) if pair not in missing and pair[1] not in read]
            if missing:
                log.info("reading %d %s again that wait, were stopped or changed in the window", len(missing), entity)
                for page in system.read_ids(entity, missing):
                    bad = [
                        _unseen(entity, row.source, known[key_of(row.source, "", ident)])
                        for ident in page.hidden
                        if key_of(row.source, "", ident) in known
                    ]
                    staged.add(replace(page, invalid=[*page.invalid, *bad], cursor=_ALL_READ), last=False)
                    read.update([record.id for record in page.records] + [one.id for one in (*page.invalid, *bad)])
            lost = [ident for _, ident in unlisted if ident not in read]
            closed = hidden_contracts(sync, entity, [sync.fresh_links(entity).by_procore[ident] for ident in lost])
            unseen = [_unseen(entity, row.source, known[key]) for i in closed if (key := key_of(row.source, "", i)) in known]
            if unseen:
                staged.add(Page([], unseen, _ALL_READ), last=False)
            sync.note_missing(entity, shard, [ident for ident in lost if ident not in closed])
            if row.sequence is not None:
                _before(sync, entity, staged, known)
        staged.complete()
    state = staged.state()
    since = stamp(window.since) if window.since else None
    log.info(
        "extracted %d %s of %s changed since %s (%d not usable)",
        state["records"],
        entity,
        row.source,
        since or "ever",
        state["invalid"],
    )
    return Extracted(entity, shard, since, stamp(window.until), state["records"], state["invalid"], str(staged.path))


def _questions(
    sync: Sync, entity: str, shard: int, scopes: list[str] | None, known: Mapping[tuple[str, str], Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """Documents about which a workflow asks our account, by (project, id): read whatever their last change was, for the answer is
    what this run finds. Noted for the load; a project that does not tell is asked again by the next run."""
    found: dict[str, Question] = {}
    linked, procore = sync.links("projects").by_procore, cast(Asking, sync.systems["procore"])
    for project in [scope for scope in scopes or () if scope in linked]:
        try:
            found |= procore.questions(entity, project)
        except (NotPermitted, Refused, ContractBroken, RetryLater) as error:
            log.warning("what workflows ask us about %s of project %s is not known: %s", entity, project, error)
    sync.note_questions(entity, shard, found)
    numbers = {ident: known[key]["number"] for ident in found if (key := key_of("procore", "", ident)) in known}
    return [(q.project, ident) for ident, q in found.items() if ident not in numbers or sync.run.wants(numbers[ident])]


def _before(sync: Sync, entity: str, staged: Staged, known: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    """Predecessors that no run has read yet (a first backfill of some weeks): by id, as far back as they go. Without them nobody
    knows what was billed before, and no running total of their contract can be compared."""
    here: dict[str, Any] = {record.id: record for record in staged.records()}
    asked = {ident for _, ident in known} | {bad.id for bad in staged.invalid()} | set(here)
    fresh = list(here.values())
    while missing := [(r.project, r.previous) for r in fresh if r.previous is not None and r.previous not in asked]:
        log.info("reading %d %s by id that come before those of the window", len(missing), entity)
        asked |= {ident for _, ident in missing}
        fresh = []
        for page in sync.systems[ENTITIES[entity].source].read_ids(entity, missing):
            staged.add(replace(page, cursor=_ALL_READ), last=False)
            fresh += page.records


def _unseen(entity: str, side: Side, known: Mapping[str, Any]) -> Invalid:
    """A record that waits, and that its side does not show us any more: it may be private, and is not lost for that."""
    message = UNSEEN.format(side=SIDES[side])
    return Invalid(entity, known["id"], known["number"], "record", message, known["scope"], behind=entity)


def _listed(also: Callable[[Header], bool], listed: set[str]) -> Callable[[Header], bool]:
    """The same, taking note of every record that the list shows."""

    def noted(header: Header) -> bool:
        listed.add(header.id)
        return also(header)

    return noted


def _unlisted(sync: Sync, entity: str, scopes: list[str] | None, window: Window, shown: set[str]) -> list[tuple[str, str]]:
    """Linked documents of these projects that no list shows: asked for by id before anything is said of them. A list that was
    filtered by time is looked through once more, for ids alone; a backfill looks at nothing but its interval."""
    row, system = ENTITIES[entity], sync.systems[ENTITIES[entity].source]
    capability = system.capabilities().get(entity)
    if not row.document or row.source != "procore" or capability is None:
        return []
    filtered = window.since is not None and not capability.lists_all
    if filtered and sync.run.kind == "backfill":
        return []
    projects = {(link.company, link.erp_key): link.procore_id for link in sync.links("projects").by_erp.values()}
    found = []
    for link in sync.fresh_links(entity, contents=False).by_procore.values():
        place = projects.get((link.company, link.scope or ""))
        if link.status == "active" and link.procore_id not in shown and place is not None and place in (scopes or ()):
            found.append((place, link.procore_id))
    if filtered and found:
        there = set(system.keys(entity, sorted({place for place, _ in found})))
        found = [(place, ident) for place, ident in found if ident not in there]
    return found


def _wanted(known: Mapping[tuple[str, str], Mapping[str, Any]], window: Window) -> list[tuple[str, str]]:
    wanted = []
    for key, record in known.items():
        changed = moment(record["source_changed_at"])
        stopped = record["state"] in STOPPED
        moved = record["state"] is not None and window.since is not None and changed is not None and window.covers(changed)
        if stopped or moved:
            wanted.append(key)
    return wanted


def _in_scope(record: Mapping[str, Any], scopes: list[str] | None) -> bool:
    return scopes is None or (record["scope"] or "") in scopes


def _also(
    known: Mapping[tuple[str, str], Mapping[str, Any]], wanted: list[tuple[str, str]], namespace: str
) -> Callable[[Header], bool]:
    """Documents outside the window that must be looked at: open ones, those whose sum is not the one last read (a line may change
    without moving its contract's ``updated_at``, docs/procore-contract.md 10.21), deleted ones, and those that carry our external
    id though the ledger does not know them: documents in the window may name them, and adopting writes nothing."""
    ids = {record_id for _, record_id in wanted}
    amounts = {record_id: record["amount"] for (_, record_id), record in known.items()}
    deleted = {record_id for (_, record_id), record in known.items() if record["deleted"]}

    def chosen(header: Header) -> bool:
        if header.id in ids or (header.id not in amounts and parse_origin(header.origin_id, namespace) is not None):
            return True
        if header.id in amounts and header.deleted and header.id not in deleted:
            return True
        known_amount = amounts.get(header.id)
        return known_amount is not None and header.amount is not None and known_amount != format(header.amount, ".2f")

    return chosen


def _named(sync: Sync) -> Callable[[Header], bool]:
    """Only the documents that the run was asked for, whatever the ledger knows of them."""
    return lambda header: sync.run.wants(header.number)


def _both(sync: Sync, entity: str, shard: int) -> None:
    """Records that either side may own are compared whole; neither side dates them."""
    for side in ("erp", "procore"):
        sync.snapshot(side, entity, shard)
