"""``check``, ``sample`` and ``totals``: what a person sees of an ERP. Each yields the lines of its answer; what is wrong begins
with ``problem: ``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from include.financials.entities import ENTITIES, OF_ERP
from include.financials.exceptions import ConfigurationError
from include.financials.money import ZERO
from include.financials.port import Invalid, System
from include.financials.record import PROJECTS, Record

SAMPLES = 3
UNREADABLE = 10
"""Records that cannot be read and are shown one by one; the rest is counted."""
DATES = ("billing_date", "contract_date", "change_date", "cost_date", "pay_date", "start_date", "effective_date", "first_day")
"""By which of its dates a record is placed in time."""


@dataclass(slots=True)
class Figures:
    """What a person holds against a report of the ERP's own."""

    records: int = 0
    amount: Decimal = ZERO
    first: date | None = None
    last: date | None = None

    def add(self, record: Record) -> None:
        self.records += 1
        self.amount += getattr(record, "amount", ZERO)
        day = next((found for name in DATES if (found := getattr(record, name, None)) is not None), None)
        if day is not None:
            self.first, self.last = min(self.first or day, day), max(self.last or day, day)


Place = tuple[str, str, str]
"""Company, job, currency; empty where the record has none."""


@dataclass(slots=True)
class Seen:
    """Everything that a system has of an entity, added up page by page."""

    money: bool
    figures: dict[Place, Figures] = field(default_factory=dict)
    samples: list[Record] = field(default_factory=list)
    invalid: list[Invalid] = field(default_factory=list)
    uneven: list[str] = field(default_factory=list)
    """Numbers of documents whose lines do not add up to their amount."""

    @property
    def records(self) -> int:
        return sum(one.records for one in self.figures.values())


def seen(system: System, name: str) -> Seen:
    found = Seen("amount" in OF_ERP[name].model_fields)
    for page in system.read(name):
        found.samples += page.records[: SAMPLES - len(found.samples)]
        found.invalid += page.invalid
        found.uneven += [record.number for record in page.records if _uneven(record)]
        for record in page.records:
            job = record.id if name == PROJECTS else getattr(record, "project", None)
            place = record.company or "", job or "", getattr(record, "currency", None) or ""
            found.figures.setdefault(place, Figures()).add(record)
    return found


# -- check


def check(erp: System) -> Iterator[str]:
    health = erp.check()
    yield f"{health.description}, {health.version}, clock {health.now.isoformat()}"
    yield from health.notes
    for name in OF_ERP:
        yield from _entity(erp, name)
    yield from (f"problem: {problem}" for problem in health.problems)


def _entity(erp: System, name: str) -> Iterator[str]:
    if name not in erp.capabilities():
        yield f"{name}: left out"
        return
    try:
        found = seen(erp, name)
    except ConfigurationError as error:
        yield f"{name}: cannot be read"
        yield f"problem: {error}"
        return
    by_currency: dict[str, Decimal] = {}
    for (_, _, currency), one in found.figures.items():
        by_currency[currency] = by_currency.get(currency, ZERO) + one.amount
    sums = "; ".join(f"{amount:,.2f} {currency}".rstrip() for currency, amount in sorted(by_currency.items()))
    yield f"{name}: {found.records:,} records" + (f", sum {sums or '0.00'}" if found.money else "")
    yield from (f"  {_shown(record)}" for record in found.samples)
    if found.uneven:
        yield f"  {len(found.uneven):,} whose lines do not add up to their amount: {', '.join(found.uneven[:SAMPLES])}"
    if unkept := _unkept(erp, name):
        yield f"  not kept, not compared: {', '.join(unkept)}"
    yield from map(unreadable, found.invalid[:UNREADABLE])
    if len(found.invalid) > UNREADABLE:
        yield f"problem: {name}: {len(found.invalid) - UNREADABLE:,} more cannot be read"


def _uneven(record: Record) -> bool:
    """Lines that are missing, or joined twice, in a document that has some."""
    lines: Sequence[Any] = getattr(record, "lines", ())
    return bool(lines) and sum((getattr(line, "amount", ZERO) for line in lines), ZERO) != getattr(record, "amount", ZERO)


def unreadable(bad: Invalid) -> str:
    return f"problem: {bad.entity} {bad.number} cannot be read: field {bad.field}: {bad.message}"


def _shown(record: Record) -> str:
    """A record in a line: what people call it, where it belongs, its state, its money."""
    found = [record.number, *([f"({record.id})"] if record.id != record.number else [])]
    for name in ("company", "name", "title", "project", "commitment", "prime_contract", "vendor", "customer", "status"):
        value = getattr(record, name, None)
        if value is not None:
            found.append(f"{name} {value}")
    amount, lines = getattr(record, "amount", None), getattr(record, "lines", None)
    if amount is not None:
        found.append(f"amount {amount:,.2f} {getattr(record, 'currency', None) or ''}".rstrip())
    if lines is not None:
        found.append(f"{len(lines)} lines")
    return "  ".join(found)


def _unkept(erp: System, name: str) -> list[str]:
    row = ENTITIES.get(name)
    kept = row.kept(erp.capabilities()[name].keeps) if row else None
    return [field for field in row.content if field in kept.unkept] if row and kept else []


# -- sample


def sample(erp: System, entity: str, count: int) -> Iterator[str]:
    if entity not in erp.capabilities():
        raise ConfigurationError(f"the mapping leaves {entity} out")
    left = count
    for page in erp.read(entity):
        yield from map(unreadable, page.invalid[:left])
        for record in page.records[:left]:
            yield json.dumps(record.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
            left -= 1
        if left <= 0:
            return


# -- totals

COLUMNS = ("entity", "company", "job", "currency", "records", "amount", "first", "last")
BESIDE = ("in Procore", "amount there")


def totals(erp: System, procore: System | None = None) -> Iterator[str]:
    """Per entity and job; below each entity with several, all together. ``procore``: the same of its documents, by job number."""
    rows: list[tuple[str, ...]] = [(*COLUMNS, *(BESIDE if procore else ()))]
    problems: list[str] = []
    jobs = _jobs(procore) if procore else {}
    for name in OF_ERP:
        if name not in erp.capabilities():
            continue
        found = seen(erp, name)
        theirs = _by_job(procore, name, jobs) if procore else {}
        keys = [
            *sorted(found.figures),
            *(("", job, "") for job in sorted(theirs) if job not in {one[1] for one in found.figures}),
        ]
        for place in keys:
            own, other = found.figures.get(place, Figures()), theirs.pop(place[1], None)
            beside = (_count(other), _money(other, found.money)) if procore else ()
            rows.append((name, *place, *_told(own, found.money), *beside))
        if len(keys) > 1:
            for currency in sorted({key[2] for key in found.figures}):
                whole = [one for key, one in found.figures.items() if key[2] == currency]
                rows.append((name, "all", "", currency, *_told(_together(whole), found.money), *("",) * (2 if procore else 0)))
        problems += map(unreadable, found.invalid)
    yield from _table(rows, right=(4, 5, 8, 9))
    yield from problems


def _told(one: Figures, money: bool) -> tuple[str, ...]:
    return f"{one.records:,}", _money(one, money), str(one.first or ""), str(one.last or "")


def _count(one: Figures | None) -> str:
    return f"{one.records:,}" if one else ""


def _money(one: Figures | None, money: bool) -> str:
    return f"{one.amount:,.2f}" if one and money else ""


def _together(parts: Sequence[Figures]) -> Figures:
    days = [day for one in parts for day in (one.first, one.last) if day is not None]
    amount = sum((one.amount for one in parts), ZERO)
    return Figures(sum(one.records for one in parts), amount, min(days, default=None), max(days, default=None))


def _jobs(procore: System) -> dict[str, str]:
    """Procore's projects are named by the numbers of their jobs, which is how people know them."""
    return {one.id: one.number for page in procore.read(PROJECTS) for one in page.records}


def _by_job(procore: System | None, name: str, jobs: dict[str, str]) -> dict[str, Figures]:
    row, found = ENTITIES.get(name), dict[str, Figures]()
    if procore is None or row is None or not (row.document or row.two_way or name == PROJECTS):
        return found
    for page in procore.read(name):
        for record in page.records:
            project = record.id if name == PROJECTS else getattr(record, "project", "")
            found.setdefault(jobs.get(project, project), Figures()).add(record)
    return found


def _table(rows: Sequence[tuple[str, ...]], right: Iterable[int]) -> Iterator[str]:
    aligned = set(right)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(text.rjust(w) if i in aligned else text.ljust(w) for i, (text, w) in enumerate(cells)).rstrip()
