"""Checks that only read. The first line of each is what people see."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from include.erp.acceptance.plugin import expect, some
from include.erp.acceptance.suite import Suite, moments
from include.financials.entities import ENTITIES
from include.financials.money import total
from include.financials.port import Page, Window
from include.financials.record import PROJECTS, Record

SIZES = (1, 7, 1000)
LOOKED_UP = 200
"""Ids that are asked for one by one."""
AHEAD = timedelta(minutes=5)
"""By so much clocks may differ."""
SUMS = ("amount", "held", "released", "tax")


def test_check(suite: Suite) -> None:
    """the mapping fits the ERP"""
    problems = suite.erp.check().problems
    expect(not problems, "; ".join(problems))


def test_readable(suite: Suite, entity: str) -> None:
    """every record can be read"""
    bad = suite.invalid(entity)
    told = [f"{one.number}: {one.field} {one.message}" for one in bad]
    expect(not bad, f"{len(bad):,} cannot be read: {some(told)}")
    if not suite.records(entity) and not bad:
        suite.empty.append(entity)


def test_unique(suite: Suite, entity: str) -> None:
    """one id is one record of a company"""
    twice = [f"{company}: {ident}" for (company, ident), n in _ids(suite.records(entity)).items() if n > 1]
    expect(not twice, f"more than one record has the id {some(twice)}")


def test_same_names(suite: Suite, entity: str) -> None:
    """read, keys and read_ids name the same records"""
    shown = [*suite.records(entity), *suite.invalid(entity)]
    read, keys = Counter(one.id for one in shown), Counter(suite.erp.keys(entity))
    expect(read == keys, f"read and keys differ: {some({*(read - keys), *(keys - read)})}")
    ids = list(read)[:LOOKED_UP]
    wanted = {(one.company, one.id): one for one in suite.records(entity) if one.id in ids}
    found = {(one.company, one.id): one for one in suite.by_id(entity, ids) if isinstance(one, Record)}
    expect(found.keys() == wanted.keys(), f"asked by id differ: {some(str(key) for key in found.keys() ^ wanted.keys())}")
    other = [f"{key[1]}: {_differing(one, found[key])}" for key, one in wanted.items() if one != found[key]]
    expect(not other, f"by id they read otherwise: {some(other)}")


def test_pages(suite: Suite, entity: str) -> None:
    """pages of 1, 7 and 1,000 give the same, and a read goes on where it was left"""
    whole = {(one.company, one.id): one for one in suite.records(entity)}
    large = len(whole) > suite.options.large
    for size in SIZES:
        most = suite.options.large if large and size < max(SIZES) else None
        found = list(_paged(suite, entity, size, most))
        ids = _ids(found)
        twice = [str(key) for key, n in ids.items() if n > 1]
        expect(not twice, f"pages of {size} give some twice: {some(twice)}")
        lost = set() if most else whole.keys() - ids.keys()
        expect(not lost, f"pages of {size} lose {some(str(key) for key in lost)}")
        expect(ids.keys() <= whole.keys(), f"pages of {size} give others: {some(str(k) for k in ids.keys() - whole.keys())}")
        other = [str(one.id) for one in found if whole[one.company, one.id] != one]
        expect(not other, f"in pages of {size} some read otherwise: {some(other)}")


def _paged(suite: Suite, entity: str, size: int, most: int | None) -> Iterator[Any]:
    """The first page by one process, the others by another: only the cursor, as JSON, is handed on."""
    erp, given = suite.open(size), 0
    try:
        page: Page = next(erp.read(entity))
    finally:
        erp.close()
    yield from page.records
    if page.cursor is None:
        return
    erp = suite.open(size)
    try:
        for following in erp.read(entity, cursor=json.loads(json.dumps(page.cursor))):
            yield from following.records
            given += len(following.records)
            if most is not None and given >= most:
                return
    finally:
        erp.close()


def test_windows(suite: Suite, entity: str) -> None:
    """windows lose nothing"""
    records = suite.records(entity)
    if not suite.capability(entity).changed_since:
        suite.note("has no time of change: it is read in full every time")
        return
    times = list(moments(records))
    if not times:
        expect(not records, "no record has a time of change, although the mapping names its column")
        return
    now = suite.erp.now()
    ahead = f"was changed at {times[-1]:%Y-%m-%d %H:%M:%S}, and the ERP's clock says {now:%Y-%m-%d %H:%M:%S} (UTC)"
    expect(times[-1] <= now + AHEAD, f"{ahead}: is the time zone right?")
    for middle in dict.fromkeys((times[0], times[len(times) // 2], times[-1])):
        before, after = _window(suite, entity, until=middle), _window(suite, entity, since=middle)
        lost = [one.id for one in records if (one.company, one.id) not in before.keys() | after.keys()]
        expect(not lost, f"neither until nor since {middle.isoformat()} shows {some(lost)}")
        wanted = {(one.company, one.id) for one in records if one.updated_at is None or one.updated_at >= middle}
        expect(wanted <= after.keys(), f"since {middle.isoformat()} lacks {some(str(key) for key in wanted - after.keys())}")
        wanted = {(one.company, one.id) for one in records if one.updated_at is None or one.updated_at <= middle}
        expect(wanted <= before.keys(), f"until {middle.isoformat()} lacks {some(str(key) for key in wanted - before.keys())}")


def _window(suite: Suite, entity: str, **bounds: Any) -> dict[tuple[str | None, str], Any]:
    pages = suite.erp.read(entity, window=Window(**bounds))
    return {(one.company, one.id): one for page in pages for one in page.records}


def test_scopes(suite: Suite, entity: str) -> None:
    """what is asked of one job is that job's"""
    records, row = suite.records(entity), ENTITIES.get(entity)
    if row is None or not row.project_scoped or not records:
        return
    jobs = list(dict.fromkeys(one.project for one in records if one.project))
    for job in jobs[:3]:
        found = {(one.company, one.id) for page in suite.erp.read(entity, scopes=[job]) for one in page.records}
        wanted = {(one.company, one.id) for one in records if one.project == job}
        expect(wanted <= found, f"of job {job} it lacks {some(str(key) for key in wanted - found)}")
        if len(found) == len(records) > len(wanted):
            suite.note("has no `scope`: all jobs are read where one is asked for")
        else:
            expect(found <= wanted, f"of job {job} it gives others: {some(str(key) for key in found - wanted)}")


def test_companies(suite: Suite, entity: str) -> None:
    """two companies do not mix"""
    records, row = suite.records(entity), ENTITIES.get(entity)
    bare = [one.id for one in records if not one.company]
    expect(not bare, f"no company is told of {some(bare)}")
    jobs = {(one.company, one.id) for one in suite.records(PROJECTS)}
    if row is not None and not row.shared and jobs:
        wrong = [f"{one.id} of {one.company} on {one.project}" for one in records
                 if getattr(one, "project", None) and (one.company, one.project) not in jobs]  # fmt: skip
        expect(not wrong, f"the job is another company's, or none: {some(wrong)}")


def test_references(suite: Suite, entity: str) -> None:
    """what a record names is there"""
    row = ENTITIES.get(entity)
    for field, other in (row.references if row else {}).items():
        if other not in suite.capabilities or field.startswith("items."):
            continue
        theirs = {one.id for one in (*suite.records(other), *suite.invalid(other))}
        wrong = [f"{one.id}: {value!r}" for one in suite.records(entity) for value in _values(one, field) if value not in theirs]
        if wrong and field == "invoice":  # what was paid before, or beside, the invoices that the ERP shows
            suite.note(f"{len(wrong):,} name an invoice that is none of {other}: {some(wrong)}")
        else:
            expect(not wrong, f"{field} is none of the {other} of this ERP: {some(wrong)}")


def _values(record: Any, field: str) -> Iterator[str]:
    head, _, tail = field.partition(".")
    value = getattr(record, head, None)
    if tail:
        yield from (found for line in value or () for found in _values(line, tail))
    elif isinstance(value, tuple):
        yield from value
    elif value:
        yield value


def test_sums(suite: Suite, entity: str) -> None:
    """lines add up to their document, and are told apart"""
    for one in suite.records(entity):
        lines: tuple[Any, ...] = getattr(one, "lines", ())
        keys = Counter(line.key for line in lines)
        twice = [key for key, n in keys.items() if n > 1]
        if "lines.key" in (suite.capability(entity).keeps or ()):  # else lines are told apart by their order only
            expect(not twice, f"{one.number}: more than one line is {some(twice)}")
        for name in SUMS if lines else ():
            if not hasattr(lines[0], name) or not hasattr(one, name):
                continue
            found, wanted = total(getattr(line, name) for line in lines), getattr(one, name)
            wanted -= getattr(one, "markup", 0) if name == "amount" else 0
            expect(found == wanted, f"{one.number} of {one.company}: {name} is {wanted:,.2f}, its lines make {found:,.2f}")


def _ids(records: Sequence[Any]) -> Counter[Any]:
    return Counter((one.company, one.id) for one in records)


def _differing(one: Any, other: Any) -> str:
    return ", ".join(name for name in type(one).model_fields if getattr(one, name) != getattr(other, name))
