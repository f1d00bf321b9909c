"""Checks of one document on its way: what is stored is what was sent, once, whatever happens on the way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from threading import Barrier
from typing import Any

import sqlalchemy as sa

from include.erp.acceptance.documents import Maker
from include.erp.acceptance.masters import Missing
from include.erp.acceptance.plugin import expect, fail, some
from include.erp.acceptance.suite import Suite
from include.erp.sql.transport import SqlTransport
from include.erp.system import MappedSystem
from include.financials.entities import ENTITIES
from include.financials.exceptions import RetryLater
from include.financials.port import Item, Outcome, Window
from include.financials.record import Record


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


# -- stored equals sent


def test_stored(suite: Suite, make: Maker, written: str, case: str) -> None:
    """stored equals sent"""
    item = make.make(written, case)
    if suite.uncalled(item):
        raise Missing("the mapping has no call for such a document, and refuses it by its field")
    before = suite.erp.now()
    outcome = suite.enter(item)
    stored = _stored(suite, item, outcome)
    if stored is None:
        return
    for name, sent, there in differences(suite, item.record, stored):
        fail(f"{item.number}: {name} was sent as {sent}, and reads as {there}")
    expect(stored.company == item.company, f"{item.number} was sent to company {item.company}, and is in {stored.company}")
    expect(stored.marker == suite.erp.marker(item), f"{item.number} does not carry its marker: {stored.marker}")
    if suite.capability(written).changed_since:
        shown = [one.id for page in suite.erp.read(written, window=Window(since=before)) for one in page.records]
        expect(stored.id in shown, f"{item.number} was written, and does not show among what changed since {before.isoformat()}")


def _stored(suite: Suite, item: Item, outcome: Outcome) -> Record | None:
    """The document as another process reads it; None where the ERP has not posted it."""
    if outcome.status == "accepted":
        suite.note("is handed over and not in the books: what is stored was not compared (post it, or name a --clerk)")
        return None
    expect(outcome.status == "confirmed" and outcome.id, f"{item.number} is {outcome.status}: {outcome.message}")
    expect(outcome.message is None, f"{item.number}: {outcome.message}")
    erp = suite.open()
    try:
        found = [one for one in suite.by_id(item.record.entity, [str(outcome.id)], erp) if one.company == item.company]
    finally:
        erp.close()
    expect(len(found) == 1, f"{item.number}: its id {outcome.id} gives {len(found)} records")
    (one,) = found
    if not isinstance(one, Record):
        fail(f"{item.number} cannot be read: {one.field} {one.message}")
        return None
    return one


def differences(suite: Suite, sent: Any, stored: Any) -> Iterator[tuple[str, Any, Any]]:
    """Field by field, by this suite's own eyes: (field, sent, stored) of what the ERP keeps and holds otherwise."""
    row, kept = ENTITIES.get(sent.entity), suite.capability(sent.entity).keeps
    names = [name for name in (*(row.content if row else ()), "project", "amount") if name not in ("lines", "status")]
    for name in dict.fromkeys((*names, *FIGURES)):
        mine = getattr(sent, name, None)
        if mine is not None and (kept is None or name in kept) and mine != getattr(stored, name):
            yield name, mine, getattr(stored, name)
    lines, theirs = sorted(sent.lines, key=_position), sorted(stored.lines, key=_position)
    if (kept is None or "lines" in kept) and len(lines) != len(theirs):
        yield "lines", len(lines), len(theirs)
    for mine, there in zip(lines, theirs, strict=False):
        for name in type(mine).content:
            value = getattr(mine, name)
            if (kept is None or f"lines.{name}" in kept) and value is not None and value != getattr(there, name):
                yield f"line {mine.position}: {name}", value, getattr(there, name)


FIGURES = ("held", "released", "tax", "sequence")


def _position(line: Any) -> int:
    return int(line.position)


# -- once


def test_again(suite: Suite, make: Maker, written: str) -> None:
    """the same document again is one document"""
    item = make.make(written)
    first = suite.enter(item)
    for again in (item, suite.item(item.record, item.company)):
        (second,) = suite.post(again)
        told = f"{item.number} was {first.status} as {first.id}, and sent again {second.status} as {second.id}: {second.message}"
        expect((second.status, second.id) == (first.status, first.id), told)
    _once(suite, item)


def test_killed(suite: Suite, make: Maker, written: str) -> None:
    """killed after each step and resumed, it is one document"""
    counted = _Beats()
    (probe,) = suite.erp.post(suite.step(written, "create"), [make.make(written)], counted)
    expect(probe.status != "rejected", f"the plain document is refused: {probe.message}")
    suite.changed(written)
    gc.freeze()  # what is there already need not be looked through after every kill
    try:
        for at in range(1, counted.count + 1):
            _killed(suite, make.make(written), _Beats(at))
        statements = _statements(suite, make.make(written))
        for at in range(1, statements + 1):
            _killed(suite, make.make(written), _Beats(), at)
    finally:
        gc.unfreeze()


def _killed(suite: Suite, item: Item, beats: _Beats, statement: int | None = None) -> None:
    erp = suite.open()
    try:
        with _cut(erp, statement):
            erp.post(suite.step(item.record.entity, "create", erp), [item], beats)
    except Killed:
        pass
    finally:
        erp.close()
    gc.collect()  # with a process ends whatever it held: a half-read answer would keep its lock
    _resumed(suite, item)


def _resumed(suite: Suite, item: Item) -> None:
    """Another process: looks, and sends what is not there."""
    erp = suite.open()
    try:
        found = suite.find(item, erp=erp)
        if found.status == "absent":
            (found,) = suite.post(item, erp=erp)
    finally:
        erp.close()
    found = suite.settled(item, found)
    expect(found.status in ("confirmed", "accepted"), f"{item.number} is {found.status} after it was resumed: {found.message}")
    _once(suite, item)


class _Beats:
    """Counts the beats of a call, and kills it at one of them."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.count = at, 0

    def __call__(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise Killed


@contextmanager
def _cut(erp: MappedSystem, at: int | None) -> Iterator[_Beats]:
    """Over SQL a call has inner steps: each statement is one. ``at`` None: they are only counted."""
    count = _Beats(at)
    if not isinstance(erp.transport, SqlTransport):
        yield count
        return
    engine = erp.transport.database.engine

    def executed(*_: Any) -> None:
        count()

    sa.event.listen(engine, "after_cursor_execute", executed)
    try:
        yield count
    finally:
        sa.event.remove(engine, "after_cursor_execute", executed)


def _statements(suite: Suite, item: Item) -> int:
    if not isinstance(suite.erp.transport, SqlTransport):
        return 0
    with _cut(suite.erp, None) as count:
        suite.post(item)
    return count.count


def test_unknown(suite: Suite, make: Maker, written: str) -> None:
    """an answer that was lost is looked for, and nothing is sent twice"""
    item = make.make(written)
    expect(suite.find(item).status == "absent", f"{item.number} was not sent, and is found")
    suite.post(item)  # its answer is thrown away
    erp = suite.open()
    try:
        found = suite.find(item, erp=erp)
    finally:
        erp.close()
    expect(found.status in ("confirmed", "accepted"), f"{item.number} was sent, and is {found.status}: it would be sent twice")
    _resumed(suite, item)


def test_two_writers(suite: Suite, make: Maker, written: str) -> None:
    """two writers make one document"""
    item = make.make(written)
    systems, barrier = (suite.open(), suite.open()), Barrier(2)
    together = systems[0].transport.transactional

    def write(erp: MappedSystem) -> list[Outcome]:
        if together:
            barrier.wait(10)
        return erp.post(suite.step(written, "create", erp), [item])

    with ThreadPoolExecutor(2 if together else 1) as pool:
        futures = [pool.submit(write, erp) for erp in systems]
    for erp in systems:
        erp.close()
    suite.changed(written)
    if not together:
        suite.note("has no transactions: two writers were tried one after the other")
    errors = [error for one in futures if (error := one.exception()) is not None]
    odd = [one for one in errors if not isinstance(one, RetryLater)]
    expect(not odd, f"{item.number}: {some(odd)}")
    outcomes = [outcome for one in futures if one.exception() is None for outcome in one.result()]
    expect(outcomes and all(one.status != "rejected" for one in outcomes), f"{item.number}: {some(o.message for o in outcomes)}")
    ids = {one.id for one in outcomes if one.status == "confirmed"}
    expect(len(ids) < 2, f"{item.number} was written as {some(ids)}")
    _once(suite, item)


def _once(suite: Suite, item: Item) -> None:
    outcome = suite.settled(item, suite.find(item))
    if outcome.status == "accepted":
        return  # it waits, under its marker, and nobody posts it here
    copies = suite.copies(item)
    expect(len(copies) == 1, f"{item.number} is there {len(copies)} times: {some(one.id for one in copies)}")


# -- one bad among good


def test_bad_among_good(suite: Suite, make: Maker, written: str) -> None:
    """one bad document stops no other, and leaves nothing"""
    items = [make.make(written)]
    for _ in range(2):
        try:
            items.append(make.make(written))
        except Missing:
            break
    items = list({item.record.natural_key: item for item in items}.values())
    if written in ("subcontractor_invoices", "owner_invoices"):
        items = _in_order(items)
    bad = items.pop(1) if len(items) > 1 else _spare(suite, make, written)
    record: Any = bad.record
    lines = (*record.lines[:-1], record.lines[-1].model_copy(update={"cost_code": "no such code", "cost_type": "?"}))
    bad = suite.item(record.model_copy(update={"lines": lines}), bad.company)
    outcomes = suite.post(items[0], bad, *items[1:])
    good = [outcomes[0], *outcomes[2:]]
    expect(all(one.status != "rejected" for one in good), f"a good document was refused: {some(one.message for one in good)}")
    if outcomes[1].status == "rejected":
        told = outcomes[1].message or ""
        expect(told, f"{bad.number} was refused without a word")
        expect(suite.find(bad).status == "absent", f"{bad.number} was refused ({told}), and something of it is there")
    else:
        suite.note("takes a cost code that does not exist: the check of a run is the only one who looks at it")
    unfit = suite.item(_unstorable(record), bad.company)
    (outcome,) = suite.post(unfit)
    expect(outcome.status == "rejected", f"{unfit.number} has a character that no database stores, and is {outcome.status}")


def _spare(suite: Suite, make: Maker, entity: str) -> Item:
    """Where the ERP has room for one document only (a job's budget): the same again under another id."""
    item = make.make(entity)
    return suite.item(item.record.model_copy(update={"id": make.id()}), item.company)


def _in_order(items: list[Item]) -> list[Item]:
    """Draws of one contract have one sequence each."""
    contracts: dict[str, int] = {}
    found = []
    for item in items:
        record: Any = item.record
        contract = getattr(record, "commitment", None) or record.prime_contract
        contracts[contract] = contracts.get(contract, record.sequence - 1) + 1
        found.append(Item(
            item.intent, record.model_copy(update={"sequence": contracts[contract]}), item.company, item.number, item.origin_id,
            procore_id=item.procore_id,
        ))  # fmt: skip
    return found


def _unstorable(record: Any) -> Any:
    names = [name for name in ("number", "change_number") if hasattr(record, name)]
    return record.model_copy(update={"id": f"{record.id}N"} | {name: f"{getattr(record, name)}\x00" for name in names})


# -- limits


def test_limits(suite: Suite, make: Maker, written: str) -> None:
    """limits hold exactly, and one more is refused by its field"""
    capability, tried, sent = suite.capability(written), 0, _sent(suite, written)
    for name, limit in capability.max_lengths.items():
        if name in ("title", "lines.description", "number", "change_number") and name in sent:
            for length, good in ((limit, True), (limit + 1, False)):
                _limit(suite, _with(suite, make, written, name, _long(suite, written, name, length)), name, good)
            tried += 1
    digits, decimals = capability.max_digits.get("amount"), capability.decimals.get("amount", 2)
    if digits is not None and "lines.amount" in capability.max_digits and written == "commitments":
        most = Decimal(10) ** digits - Decimal(1).scaleb(-min(decimals, 2))
        _limit(suite, make.commitment(f"{most}"), "amount", True)
        _limit(suite, make.commitment(f"{Decimal(10) ** digits:.2f}"), "amount", False)
        tried += 1
    if not tried:
        suite.note(untried({*capability.max_lengths, *capability.max_digits}))


def untried(limited: set[str]) -> str:
    """What is said where no limit was tried; ``limited``: the fields that have one in the mapping."""
    if not limited:
        return "its mapping names no limits of texts or amounts: what is too long is left to the ERP"
    return f"none of its limits was tried ({', '.join(sorted(limited))}): the mapping looks at them before anything is sent"


def _sent(suite: Suite, entity: str) -> set[str]:
    """The fields that a call of `create` binds: only their limits are looked at before it is made."""
    spec = suite.mapping.entity(entity)
    own = spec.lines.fields if spec.lines else {}
    calls = spec.write.calls("create")
    found = {name.split("__")[0] for call in calls for name in (*call.binds(), *call.line_binds())}
    return found | {f"lines.{name}" for name in found if name in own}


def _limit(suite: Suite, item: Item, name: str, good: bool) -> None:
    outcome = suite.enter(item) if good else suite.post(item)[0]
    if good:
        stored = _stored(suite, item, outcome)
        for field, sent, there in differences(suite, item.record, stored) if stored else ():
            fail(f"{item.number}, {name} as long as is allowed: {field} was sent as {sent}, and reads as {there}")
    else:
        field = (outcome.field or "").replace("lines[1]", "lines").split("__")[0]
        expect(outcome.status == "rejected", f"{item.number}: {name} is over its limit, and the document is {outcome.status}")
        expect(field.removeprefix("lines.") == name.removeprefix("lines."), f"{name} is over its limit, and {field} is named")


def _long(suite: Suite, entity: str, name: str, length: int) -> str:
    made = suite.number(entity, name, length=min(length, 7))
    filler = made[-1] if name.endswith("number") else "x"
    return made + filler * (length - len(made))


def _with(suite: Suite, make: Maker, entity: str, name: str, value: str) -> Item:
    item = make.make(entity)
    record: Any = item.record
    if name == "lines.description":
        lines = (record.lines[0].model_copy(update={"description": value}), *record.lines[1:])
        return suite.item(record.model_copy(update={"lines": lines}), item.company)
    if name == "number" and record.numbered_in:
        raise Missing("its number has parts, each with a limit of its own, which is looked at before it is sent")
    update = {name: value}
    if name == "change_number":
        update["number"] = f"{getattr(record, record.numbered_in[0])}/{value}"
    return suite.item(record.model_copy(update=update), item.company)
