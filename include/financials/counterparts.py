"""Who the ERP's records of an entity are in Procore, and what was said of them: asked for some of them at a time, so that nobody
holds what the ledger knows of all. What a plan has found is in no table that keeps it, and kept whole here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from include.financials.entity import Entity
from include.financials.identity import parse_origin
from include.financials.ledger import Link
from include.financials.record import Held
from include.financials.view import Sync, remembered

Key = tuple[str, str]
"""(company, ERP key)"""


class Counterparts:
    """Of one entity that is born in the ERP."""

    def __init__(self, sync: Sync, row: Entity) -> None:
        self.sync, self.name = sync, row.name
        planned = sync.ledger.links.planned(sync.run.run_id, row.name) if sync.run.plan else []
        self._planned = {(link.company, link.erp_key): link for link in planned}
        self._memory = sync.memory(row.name) if sync.run.plan else None
        # A pair that no link tells of and a check has stopped (proposed, half made by an earlier try): neither is an orphan.
        stopped = sync.ledger.outcomes.stopped(sync.run.run_id, row.name)
        self._proposed = {(one.company, one.id): one.procore_id for one in stopped}

    def links(self, keys: Sequence[Key]) -> dict[Key, Link]:
        here = {key: self._planned[key] for key in keys if key in self._planned}
        return self.sync.ledger.links.of_keys(self.name, keys) | here

    def keys(self, idents: Sequence[str]) -> dict[str, Key]:
        """The keys that records of Procore are linked to."""
        found = {ident: (link.company, link.erp_key) for ident, link in self.sync.ledger.links.of_ids(self.name, idents).items()}
        planned = {link.procore_id: key for key, link in self._planned.items()}
        return {ident: key for ident, key in found.items() if key not in self._planned} | planned

    def states(self, keys: Sequence[Key]) -> dict[Key, str | None]:
        """What this run said of records of the ERP, else what the last one said that looked at them."""
        ledger = self.sync.ledger
        return ledger.records.states(self.name, "erp", keys) | ledger.outcomes.states(
            self.sync.run.run_id, self.name, "erp", keys
        )

    def ident(self, key: Key, link: Link | None) -> str | None:
        """The record of Procore that this one of the ERP is: by its link, by an external id, or by a proposal."""
        return link.procore_id if link and link.procore_id else self._by_origin.get(key) or self._proposed.get(key)

    @cached_property
    def _by_origin(self) -> Mapping[Key, str]:
        """Who carries the external id of a key. Of those that carry the one of their link nobody asks."""
        found: Iterable[tuple[str, str | None, Key | None]] = self.sync.ledger.records.origins(self.name)
        if self._memory is not None:
            found = ((ident, held.origin_id, None) for ident, held in self._memory.items() if _shown(held))
        keyed = ((self._key(origin), ident, linked) for ident, origin, linked in found)
        return {key: ident for key, ident, linked in keyed if key is not None and key != linked}

    def _key(self, origin_id: str | None) -> Key | None:
        origin = parse_origin(origin_id, self.sync.namespace)
        return (origin.company, origin.key) if origin else None

    def shown(self, idents: Iterable[str]) -> dict[str, Held]:
        """Of these records of Procore those that still exist, as last read."""
        if self._memory is not None:
            found = {ident: self._memory[ident] for ident in idents if ident in self._memory}
        else:
            seen = self.sync.ledger.records.some(self.name, "procore", (("", ident) for ident in idents))
            found = {ident: remembered(row) for (_, ident), row in seen.items()}
        return {ident: held for ident, held in found.items() if _shown(held)}

    def everyone(self) -> Iterator[tuple[str, Held]]:
        """Every record of Procore that still exists, as last read."""
        every = self.sync.each_held(self.name) if self._memory is None else iter(self._memory.items())
        yield from ((ident, held) for ident, held in every if _shown(held))


def _shown(held: Held) -> bool:
    return bool(not held.deleted and held.figures)
