"""What changed: two records, or a record and what was agreed on, compared field by field and told in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from include.financials.entity import Entity
from include.financials.identity import content, differing, differing_lines, known
from include.financials.judging.subject import Subject
from include.financials.record import Record

if TYPE_CHECKING:
    from include.financials.ledger import Link

_SUMMED = ("amount", "held", "released", "tax", "markup")
_PLACED = ("project", "vendor", "customer", "commitment", "prime_contract")


def apart(row: Entity, record: Record, other: Record) -> tuple[list[str], list[str]]:
    """In what two records differ that may be one, in words: everything, and what nobody can accept. Money, and what both refer
    to, must be equal: no tie would ever balance over such a pair."""
    here, there = content(record, row.content), content(other, row.content)
    names = [name for name in differing(there, here) if name != "lines"]
    say = {name: f"{name} {worded(there[name])} / {worded(here[name])}" for name in names}
    lines = [
        f"line {key} {what} {worded(old)} / {worded(new)}"
        for key, what, old, new in differing_lines(there.get("lines") or {}, here.get("lines") or {})
    ]
    hard = [say[n] for n in names if n in row.frozen and (n in _SUMMED or (n in _PLACED and there[n] and here[n]))]
    return [*say.values(), *lines], hard + (lines if row.document else [])


def pair_apart(row: Entity, subject: Subject, unlike: Sequence[str], refused: Sequence[str]) -> str | None:
    """Why two records are not linked although a person said that they are one."""
    said = subject.match.decision
    if said is None:
        return None
    if refused:
        return f"by {said.said}, but they differ in what must be equal: {'; '.join(refused)}. Make them equal"
    accepted = said.value.get("apart")
    more = [one for one in unlike if accepted is not None and one not in accepted]
    if more:
        again = subject.command("link", row.name)
        return f"by {said.said}, who could not know in what they differ since: {'; '.join(more)}. Look, and say so again: {again}"
    return None


def joined(row: Entity, record: Record, target: Record) -> dict[str, Any]:
    """What is agreed of a pair that a person made: frozen fields as the source has them, with what the ``other`` side says
    instead; of the rest what the target holds, so that the next run carries the owner's over."""
    here, there = content(record, row.content), content(target, row.content)
    other = {name: there[name] for name in differing(here, there) if name in row.frozen}
    kept = {name: here[name] if name in row.frozen else there[name] for name in here}
    return {**kept, **({"other": other} if other else {})}


def sent(link: Link | None, target: Record | None, row: Entity) -> Mapping[str, Any] | None:
    """The contents both sides agreed on last: what was sent or, before there is a link, what the target holds."""
    if link is not None and link.content:
        return known(link.content, row.content)
    return content(target, row.content) if target is not None else None


def agreed_there(link: Link, row: Entity) -> dict[str, Any]:
    """The same as the target holds it: where a person accepted a difference, what it said then."""
    agreed = link.content or {}
    return known({**agreed, **agreed.get("other", {})}, row.content)


def completed(record: Record, other: Record | None) -> Record:
    """The record with what its side does not tell of a line as its counterpart has it."""
    lines = getattr(record, "lines", ())
    if other is None or not any(line.untold for line in lines):
        return record
    there = {line.key: line for line in getattr(other, "lines", ())}
    told = [
        line.model_copy(update={name: getattr(there[line.key], name) for name in line.untold}) if line.key in there else line
        for line in lines
    ]
    return record.model_copy(update={"lines": tuple(told)})


def comparable(
    before: Mapping[str, Any], after: Mapping[str, Any], paths: Iterable[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both contents without what cannot be compared (``Subject.incomparable``): that is no difference."""
    old, new = dict(before), dict(after)
    for path in paths:
        head, *rest = path.split("/")
        if not rest:
            old.pop(head, None)
            new.pop(head, None)
            continue
        key, name = rest
        for held in (old, new):
            lines = held.get(head) or {}
            if key in lines:
                held[head] = {**lines, key: {field: value for field, value in lines[key].items() if field != name}}
    return old, new


def changes_of_frozen(row: Entity, before: Mapping[str, Any], after: Mapping[str, Any], paths: Iterable[str] = ()) -> list[str]:
    """What differs of that which may not change once a record is linked, in words."""
    before, after = comparable(before, after, paths)
    found = [
        f"{name} {worded(before.get(name))} -> {worded(after[name])}"
        for name in differing(before, after)
        if name in row.frozen and name != "lines"
    ]
    for key, what, old, new in differing_lines(before.get("lines") or {}, after.get("lines") or {}):
        found.append(f"line {key} {what} {worded(old)} -> {worded(new)}")
    return found


def altered(row: Entity, subject: Subject) -> str | None:
    """What either side changed of an immutable record after it was linked (rule R-04); at adoption, in what the sides differ."""
    match = subject.match
    before = sent(match.link, match.target, row)
    if not row.frozen or match.how == "none" or match.broken or before is None or match.decision is not None:
        return None
    # Procore's references are the ones that were translated: in the record, or in its counterpart that it is compared with.
    found = changes_of_frozen(row, before, content(subject.record, row.content), subject.incomparable)
    # What an interrupted run left half made lacks what its next steps bring: nobody altered it.
    link = match.link if match.link is not None and match.link.status != "pending" else None
    if link is not None and link.content and match.target is not None:
        there = changes_of_frozen(row, agreed_there(link, row), content(match.target, row.content), subject.incomparable)
        found += [f"in {'Procore' if subject.side == 'erp' else 'the ERP'}: {text}" for text in there]
    return "; ".join(found) or None


def describe(old: Record, new: Record, names: Sequence[str]) -> str:
    before, after = content(old, names), content(new, names)
    return ", ".join(f"{name} {worded(before[name])} -> {worded(after[name])}" for name in names)


def worded(value: Any) -> str:
    """A plain value of a record as people read it: never ``None``, ``True`` or a list in brackets. Zero is a value."""
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
