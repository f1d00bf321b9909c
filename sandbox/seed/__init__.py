"""The sandbox's seed: a mid-size general contractor in both systems, at any size, always the same for the same arguments.

``load`` fills an empty Procore store and an empty ERP; ``planted`` says which problems are in it (docs/domain-rules.md 5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import sqlalchemy as sa

from sandbox.seed import procore
from sandbox.seed.company import Company
from sandbox.seed.erp_documents import ErpDocuments
from sandbox.seed.masters import SEEDS
from sandbox.seed.moved import MovedStore
from sandbox.seed.planted import planted as problems
from sandbox.seed.procore_documents import ProcoreDocuments
from sandbox.seed.sizes import SIZES, size_of
from sandbox.seed.tables import ANCHOR

__all__ = ["ANCHOR", "HISTORIES", "SEEDS", "SIZES", "load", "planted"]

HISTORIES = {
    "linked": "the integration has run before: external ids in Procore, markers in the ERP",
    "unlinked": "the same records on both sides, but no external id of ours and no marker",
    "moved": "the company went over to another ERP, ``tryton``: vendors, jobs, codes and prime contracts carry its external ids,"
    " nothing was sent to it yet, and what it pays and spends (costs, payments) is not in Procore",
    "none": "master data in the ERP only; Procore has its first cost types and an empty standard list, nobody has documents",
}


def load(
    store: procore.Store,
    erp_engine: sa.Engine,
    *,
    seed: str = "planted",
    size: str | Mapping[str, int] = "small",
    history: str = "linked",
    days: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[dict[str, str]]:
    """Fill an empty store (``load(kind, rows)``) and an empty ERP with its schema in place; returns the planted problems.

    ``size`` is one of ``SIZES`` or counts per entity (``{"vendors": 500}``). ``days``: so much later than
    the anchor (see ``moved``). ``progress`` is told a sentence per kind of record.
    Raises ValueError for an unknown seed, size or history, before anything is written.
    """
    if history not in HISTORIES:
        raise ValueError(f"history {history!r} is unknown; choose one of {', '.join(HISTORIES)}")
    company = Company(seed, size_of(size))
    linked, sent = history in ("linked", "moved"), history != "moved"
    store = MovedStore(store, days)
    rows = ProcoreDocuments(company, linked=linked, sent=sent, system="sandbox" if sent else "tryton")
    fill = procore.blank(store) if history == "none" else rows.write(store)
    _report("Procore", fill, progress)
    _report("ERP", ErpDocuments(company, linked=linked, documents=history != "none", days=days).write(erp_engine), progress)
    return planted(seed, size, history)


def planted(seed: str = "planted", size: str | Mapping[str, int] = "small", history: str = "linked") -> list[dict[str, str]]:
    """The planted problems: entity, key (natural number), problem, rule, expected state.

    Without links only the problems of vendors and users keep their meaning: every document waits for its parents. ``none`` has
    no problem.
    """
    found = problems(Company(seed, size_of(size)))
    free = {"vendors", "users"}
    meant = {"linked": {entry.entity for entry in found}, "unlinked": free, "moved": free, "none": set[str]()}[history]
    return [entry.as_dict() for entry in found if entry.entity in meant]


def _report(system: str, written: Iterator[tuple[str, int]], progress: Callable[[str], None] | None) -> None:
    for kind, count in written:
        if progress is not None:
            progress(f"{system}: {count:,} {kind}")
