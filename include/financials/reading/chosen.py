"""Which records an extract looks at beside those of its window."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from include.financials.identity import parse_origin
from include.financials.ledger import STOPPED, Seen, moment
from include.financials.ledger.room import chunked
from include.financials.port import Header, Window
from include.financials.reading.staging import Staged
from include.financials.record import Record
from include.financials.view import Sync


@dataclass(frozen=True, slots=True)
class InWindow:
    """Which records of the ERP a run looks at: what its extract found in the window, and what waits, by (company, key)."""

    window: Window
    waiting: frozenset[tuple[str, str]]

    def __call__(self, record: Record) -> bool:
        return self.window.covers(record.updated_at) or self.waits(record)

    def waits(self, record: Record) -> bool:
        return (record.company or "", record.id) in self.waiting


def in_window(sync: Sync, entity: str, shard: int) -> InWindow:
    noted = sync.noted(entity, shard)
    return InWindow(Window(moment(noted.since), moment(noted.until)), frozenset(noted.waiting))


def elsewhere(sync: Sync, entity: str, shard: int) -> Staged:
    """The ERP's records of jobs that cannot be read, or that it does not list: nobody judges them, and yet they are there."""
    return Staged(sync.folder / "answers" / entity / f"shard-{shard}" / "erp-elsewhere", entity)


def listed(also: Callable[[Header], bool], listed: set[str]) -> Callable[[Header], bool]:
    """The same, taking note of every record that the list shows."""

    def noted(header: Header) -> bool:
        listed.add(header.id)
        return also(header)

    return noted


def wanted(record: Seen, window: Window) -> bool:
    """Whether it stopped, or its change lies in the window although our own write has moved its time since."""
    changed = moment(record.source_changed_at)
    moved = record.state is not None and window.since is not None and changed is not None and window.covers(changed)
    return record.state in STOPPED or moved


def waiting(
    sync: Sync, entity: str, shard: int, window: Window, here: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], str | None]:
    """(company, ERP key) -> job of what the ERP owns and a shard looks at whatever its time: what the ledger knows of the shard's
    jobs and, of what its list shows (``here``), in a job of another shard, which leaves it to this one."""
    records, scopes = sync.ledger.records, [sync.scopes("erp", entity, one) for one in sync.lists.shards_of(entity)]
    others = {job for one, jobs in enumerate(scopes) if one != shard for job in jobs or ()}
    shown = (known for some in chunked(here if others else ()) for known in records.some(entity, "erp", some).values())
    moved = (known for known in shown if in_scope(known, others))
    every = chain(records.each(entity, "erp", scopes[shard], figures=False), moved)
    return {(one.within, one.id): one.scope for one in every if wanted(one, window) and sync.run.wants(one.number)}


def in_scope(record: Seen, scopes: Collection[str] | None) -> bool:
    return scopes is None or (record.scope or "") in scopes


def also(known: Mapping[tuple[str, str], Seen], wanted: list[tuple[str, str]], namespace: str) -> Callable[[Header], bool]:
    """Documents outside the window that must be looked at: open ones, those whose sum is not the one last read (a line may change
    without moving its contract's ``updated_at``, docs/procore-contract.md 10.21), deleted ones, and those that carry our external
    id though the ledger does not know them: documents in the window may name them, and adopting writes nothing."""
    ids = {record_id for _, record_id in wanted}
    amounts = {record_id: record.amount for (_, record_id), record in known.items()}
    deleted = {record_id for (_, record_id), record in known.items() if record.deleted}

    def chosen(header: Header) -> bool:
        if header.id in ids or (header.id not in amounts and parse_origin(header.origin_id, namespace) is not None):
            return True
        if header.id in amounts and header.deleted and header.id not in deleted:
            return True
        known_amount = amounts.get(header.id)
        return known_amount is not None and header.amount is not None and known_amount != format(header.amount, ".2f")

    return chosen


def named(sync: Sync) -> Callable[[Header], bool]:
    """Only the documents that the run was asked for, whatever the ledger knows of them."""
    return lambda header: sync.run.wants(header.number)
