"""Room: the links, and an index of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

from sqlalchemy import ColumnElement, Connection, and_, bindparam, insert, literal, null, select, update

from include.financials.entities import ENTITIES
from include.financials.identity import canonical_json
from include.financials.ledger import tables as t
from include.financials.ledger.held import HeldJson
from include.financials.ledger.room import CHUNK, Room, by_place, chunked, chunks, each, values
from include.financials.ledger.tables import Link, stamp
from include.financials.mergers import Mergers

_MOVED = ("revision", "content_hash", "status", "number", "scope")
"""What a later write of the same pair brings, beside the content."""
_UNASKED = {"content": null(), "created_at": literal("")}
_WHO = [_UNASKED[column.name].label(column.name) if column.name in _UNASKED else column for column in t.links.c]

_C, _O = t.links.c, t.outcomes.c
_STANDING = (_C.entity == bindparam("entity"), _C.ended_at.is_(None))
_OF, _WHO_OF = select(t.links).where(*_STANDING), select(*_WHO).where(*_STANDING)
_OF_KEYS = (_C.company == bindparam("company"), _C.erp_key.in_(bindparam("keys", expanding=True)))
_BY_KEYS, _WHO_BY_KEYS = _OF.where(*_OF_KEYS), _WHO_OF.where(*_OF_KEYS)
_OF_IDS = _C.procore_id.in_(bindparam("idents", expanding=True))
_BY_IDS, _WHO_BY_IDS = _OF.where(_OF_IDS), _WHO_OF.where(_OF_IDS)
_PLACES = select(_C.company, _C.erp_key, _C.scope, _C.status).where(*_STANDING)
_ENDED = select(_C.company, _C.erp_key, _C.procore_id, _C.revision).where(_STANDING[0], _C.ended_at.is_not(None))
_PLANNED = select(_O.company, _O.erp_key, _O.procore_id, _O.number, _O.content_hash, _O.project).where(
    _O.run_id == bindparam("run"), _O.entity == bindparam("entity"), _O.state == "linked", _O.erp_key.is_not(None),
    _O.done.is_(False),
)  # fmt: skip

_PAIRS = select(_C.entity, _C.procore_id, _C.erp_key).where(
    _C.procore_id.in_(bindparam("idents", expanding=True)), _C.ended_at.is_(None)
)  # fmt: skip
_MOVE = update(t.links).where(
    _C.entity == bindparam("of_entity"), _C.procore_id == bindparam("of_procore"), _C.erp_key == bindparam("of_erp"),
    _C.ended_at.is_(None),
).values({name: bindparam(f"new_{name}") for name in (*_MOVED, "content")})  # fmt: skip

Place = tuple[str, str]
"""(company, ERP key)"""


class Links(Room):
    def of(self, entity: str, *, contents: bool = True) -> list[Link]:
        """The links that have not ended; without ``contents`` for those who only ask who is who."""
        with self.reading() as connection:
            rows = each(Link, connection.execute(_OF if contents else _WHO_OF, {"entity": entity}))
            return [*map(_holding if contents else _short, rows)]

    def around(self, entity: str, scopes: Collection[str], keys: Iterable[Place], idents: Iterable[str]) -> list[Link]:
        """Those in these scopes (jobs), wherever their records may be by now, and those of these keys of the ERP and of these
        records of Procore, whatever their scope says."""
        c, found = t.links.c, dict[int | None, Link]()
        standing = select(t.links).where(c.entity == entity, c.ended_at.is_(None)).order_by(c.link_id)
        wanted: list[ColumnElement[bool]] = [c.scope.in_(some) for some in chunked(scopes)]
        wanted += [and_(c.company == company, c.erp_key.in_(some)) for company, some in by_place(keys)]
        wanted += [c.procore_id.in_(some) for some in chunked(dict.fromkeys(idents))]
        with self.reading() as connection:
            for one in wanted:
                found.update((link.link_id, _holding(link)) for link in each(Link, connection.execute(standing.where(one))))
        return [found[ident] for ident in sorted(found, key=lambda ident: ident or 0)]

    def named(self, entity: str, keys: Iterable[str], idents: Iterable[str]) -> list[Link]:
        """Those of these keys of the ERP, of whatever company, and of these records of Procore, for who asks who they are."""
        c, found = t.links.c, dict[int | None, Link]()
        standing = select(*_WHO).where(c.entity == entity, c.ended_at.is_(None))
        wanted = [c.erp_key.in_(some) for some in chunked(dict.fromkeys(keys))]
        wanted += [c.procore_id.in_(some) for some in chunked(dict.fromkeys(idents))]
        with self.reading() as connection:
            for one in wanted:
                found.update((link.link_id, _short(link)) for link in each(Link, connection.execute(standing.where(one))))
        return [found[ident] for ident in sorted(found, key=lambda ident: ident or 0)]

    def of_keys(self, entity: str, keys: Iterable[Place], *, contents: bool = False) -> dict[Place, Link]:
        """Those of these keys of the ERP."""
        found: dict[Place, Link] = {}
        query = _BY_KEYS if contents else _WHO_BY_KEYS
        with self.reading() as connection:
            for company, some in by_place(keys):
                rows = each(Link, connection.execute(query, {"entity": entity, "company": company, "keys": some}))
                found.update(((row.company, row.erp_key), _holding(row) if contents else row) for row in rows)
        return found

    def of_ids(self, entity: str, idents: Iterable[str], *, contents: bool = False) -> dict[str, Link]:
        """Those of these records of Procore."""
        found: dict[str, Link] = {}
        query = _BY_IDS if contents else _WHO_BY_IDS
        with self.reading() as connection:
            for some in chunked(idents):
                rows = each(Link, connection.execute(query, {"entity": entity, "idents": some}))
                found.update((row.procore_id, _holding(row) if contents else row) for row in rows)
        return found

    def places(self, entity: str) -> Iterator[tuple[Place, str | None, str]]:
        """((company, ERP key), scope, status) of each link that has not ended, as it is taken."""
        with self.reading() as connection:
            for company, key, scope, status in connection.execute(_PLACES, {"entity": entity}).yield_per(CHUNK):
                yield (company, key), scope, status

    def ended_revisions(self, entity: str) -> dict[tuple[str, str, str], int]:
        """Highest revision of links that have ended, by (side, company, id there): a new link of either record, with whichever
        other one, goes on from there, or its writes would carry the keys of old ones and be taken for done."""
        found: dict[tuple[str, str, str], int] = {}
        with self.reading() as connection:
            for company, key, ident, revision in connection.execute(_ENDED, {"entity": entity}).yield_per(CHUNK):
                for one in (("erp", company, key), ("procore", company, ident)):
                    found[one] = max(revision, found.get(one, 0))
        return found

    def planned(self, run_id: str, entity: str) -> list[Link]:
        """Links that this run has found or planned: in plan mode they are the only trace of what apply would have linked."""
        with self.reading() as connection:
            return [
                Link(entity, company, key, ident or "", number, content_hash=hashed or "", status="planned", scope=project)
                for company, key, ident, number, hashed, project in connection.execute(
                    _PLANNED, {"run": run_id, "entity": entity}
                )
            ]

    def show(self, link: Link, status: str) -> None:
        """Procore's record of a link shows this status of the ERP from now on."""
        with self.writing() as connection:
            connection.execute(update(t.links).where(t.links.c.link_id == link.link_id).values(shown=status))


def _short(link: Link) -> Link:
    """Most are called by their key: one text for both."""
    return link._replace(number=link.erp_key) if link.number == link.erp_key else link


def _holding(link: Link) -> Link:
    return link._replace(content=HeldJson(cast(str, link.content)))


# -- within another room's transaction ----------------------------------------------------------------------------------------


def write(connection: Connection, links: Iterable[Link]) -> None:
    """Bring the links of these pairs up to date; a pair that has none gets one. Raises IntegrityError where one of the two is
    linked with another."""
    new: list[Link] = []
    for chunk in chunked(links):
        known = set(map(tuple, connection.execute(_PAIRS, {"idents": [link.procore_id for link in chunk]})))
        moved = []
        for link in chunk:
            pair = {"of_entity": link.entity, "of_procore": link.procore_id, "of_erp": link.erp_key}
            if tuple(pair.values()) in known:
                moved.append(pair | {f"new_{name}": getattr(link, name) for name in _MOVED} | {"new_content": _text(link)})
            else:
                new.append(link)
        if moved:
            connection.execute(_MOVE, moved)
    insert_all(connection, new)


def _text(link: Link) -> str:
    return canonical_json(link.content or {})


def insert_all(connection: Connection, links: Sequence[Link]) -> None:
    now = stamp()
    for chunk in chunks(links):
        rows = [
            values(one, "link_id") | {"content": _text(one), "created_at": now} for one in chunk
        ]  # fmt: skip
        connection.execute(insert(t.links), rows)


def end(connection: Connection, *where: object) -> None:
    """A tombstone stays."""
    ended = update(t.links).where(*where, t.links.c.ended_at.is_(None))  # type: ignore[arg-type]
    connection.execute(ended.values(ended_at=stamp(), status="tombstone"))


# -- the index ----------------------------------------------------------------------------------------------------------------


@dataclass
class LinkIndex:
    """Links by either id."""

    by_procore: Mapping[str, Link] = field(default_factory=dict)
    by_erp: Mapping[tuple[str, str], Link] = field(default_factory=dict)
    mergers: Mergers = field(default_factory=Mergers)
    """Of vendors: which keys are one."""

    @classmethod
    def of(cls, links: Sequence[Link], mergers: Mergers | None = None) -> LinkIndex:
        """Of several links of one id the first counts."""
        by_procore = {link.procore_id: link for link in reversed(links) if link.procore_id}
        by_erp = {(link.company, link.erp_key): link for link in reversed(links)}
        return cls(by_procore, by_erp, mergers or Mergers())

    def find(self, company: str, key: str) -> Link | None:
        """The link of an ERP key that a record of ``company`` names: its own company's or, for what companies share, the only
        one. Two companies may have a job, a contract or an invoice of one number: never taken for each other. A merged vendor is
        found by the link of the key that stands for it or, while that has none, of one that was merged into it."""
        if not self.mergers:
            return self._find(company, key)
        keys = (key, *self.mergers.others(company, key))
        return next((found for one in keys if (found := self._find(company, one)) is not None), None)

    def _find(self, company: str, key: str) -> Link | None:
        own = self.by_erp.get((company, key))
        if own is not None:
            return own
        return self._shared.get(key)

    @cached_property
    def _shared(self) -> Mapping[str, Link | None]:
        """The only link of what companies share, by ERP key; None of several. Made once, also where there are none: it is asked
        at every miss."""
        found: dict[str, Link | None] = {}
        for (_, key), link in self.by_erp.items():
            if ENTITIES[link.entity].shared and link.scope is None:
                found[key] = None if key in found else link
        return found

    def erp(self, procore_id: str | None) -> Link | None:
        return self.by_procore.get(procore_id) if procore_id else None
