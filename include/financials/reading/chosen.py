"""Which records an extract looks at beside those of its window."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from include.financials.identity import parse_origin
from include.financials.ledger import STOPPED, Seen, moment
from include.financials.ledger.room import chunked
from include.financials.port import NO_ID, Header, Window
from include.financials.reading.staging import Staged
from include.financials.record import Record, Side
from include.financials.run import Run
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


def elsewhere(sync: Sync, side: Side, entity: str) -> Staged:
    """Records that nobody judges, and that are there all the same: the ERP's of jobs that cannot be read, or that it does not
    list; Procore's of projects that the run leaves out (``Sync.passed_over``)."""
    return Staged(sync.folder / f"answers/{entity}/shard-0/{side}-elsewhere", entity)


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


def nameless(run: Run, known: Mapping[tuple[str, str], Seen], scopes: Collection[str] | None) -> list[Seen]:
    """Documents of Procore that were met without an id that can be read: none can be asked for, and each may be by now any that
    the ledger does not know, whenever that was changed. A backfill, and a run of some documents, look at nothing else."""
    if run.documents or run.kind == "backfill":
        return []
    return [one for (_, ident), one in known.items() if ident.startswith(NO_ID) and not one.deleted and in_scope(one, scopes)]


def also(
    known: Mapping[tuple[str, str], Seen], wanted: list[tuple[str, str]], namespace: str, unnamed: Collection[str | None] = ()
) -> Callable[[Header], bool]:
    """Documents outside the window that must be looked at: open ones, those whose sum is not the one last read (a line may change
    without moving its contract's ``updated_at``, docs/procore-contract.md 10.21), deleted ones, and those that carry our external
    id though the ledger does not know them: documents in the window may name them, and adopting writes nothing. And all that the
    ledger does not know of projects in which one was met without its id (``unnamed``)."""
    ids = {record_id for _, record_id in wanted}
    amounts = {record_id: record.amount for (_, record_id), record in known.items()}
    deleted = {record_id for (_, record_id), record in known.items() if record.deleted}

    def chosen(header: Header) -> bool:
        if header.id in ids:
            return True
        if header.id not in amounts and (header.scope in unnamed or parse_origin(header.origin_id, namespace) is not None):
            return True
        if header.id in amounts and header.deleted and header.id not in deleted:
            return True
        known_amount = amounts.get(header.id)
        return known_amount is not None and header.amount is not None and known_amount != format(header.amount, ".2f")

    return chosen


def named(sync: Sync) -> Callable[[Header], bool]:
    """Only the documents that the run was asked for, whatever the ledger knows of them."""
    return lambda header: sync.run.wants(header.number)
