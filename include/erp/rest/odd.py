"""What of a list cannot be told: that record is named with its field, and the page goes on. A row that may be any record's is a
doubt of each that it may belong to; one that answers to an id or a marker ends the question."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from include.erp.codecs import show
from include.erp.json.lines import DOCUMENT, INDEX
from include.erp.json.paths import Unreadable, value, values
from include.erp.transport import LOST
from include.financials.exceptions import ContractBroken

ROWS, UNREAD, ODD, STRANGE = "_rows", "_unread", "_odd", "_strange"
"""What stands in a document beside the ERP's own: what of a list is one record; a field that was asked for and is not in the
answer; a field that cannot be told, and why; the row in whose place it stands, that is no object."""

Docs = list[dict[str, Any]]


def strange(row: Any) -> dict[str, Any]:
    """What stands for a row of a list that is no object: a record of which nothing can be told."""
    return {STRANGE: row, ODD: ("id", f"cannot be told: its row is {show(row)} in the ERP's answer, and no object")}


def sound(docs: Docs) -> Docs:
    """Answers to an id or a marker. Raises ContractBroken where one of them may be the record, or not."""
    for one in docs:
        if STRANGE in one:
            raise ContractBroken(
                f"A row of the ERP's answer is {show(one[STRANGE])}, and no object: which record it is, nobody knows."
            )
    return docs


def as_text(document: Mapping[str, Any]) -> str:
    """A document as it is told from others, whatever is in it."""
    return json.dumps(document, sort_keys=True, default=str)


def told_of(name: str, document: Mapping[str, Any]) -> Any:
    """What stands at the name; LOST where that cannot be told."""
    return LOST if STRANGE in document else values((name,), document)[0][name]


def why(document: Mapping[str, Any], name: str) -> str:
    """Why what stands at the name cannot be told."""
    if ODD in document:
        return str(document[ODD][1])
    fault = values((name,), document)[1]
    return fault.reason if fault else ""


def within(scopes: Sequence[str], scope: str, document: Mapping[str, Any]) -> bool:
    """Whether it is of one of the projects; whose it is may not be told."""
    found = told_of(scope, document)
    return found is LOST or str(found or "") in scopes


def with_rows(one: dict[str, Any], name: str, key: Any, rows: Docs, lost: str | None, single: bool) -> dict[str, Any]:
    """A document with the rows of another list that have its ``key``. ``lost``: whose a row of them is cannot be told."""
    its = [] if key in (None, LOST) else rows
    told = {**one, name: (its[0] if its else None) if single else its, UNREAD: one[UNREAD] or unread(its)}
    if ODD in one or key is None:
        return told
    if key is LOST:
        return told | {ODD: (name, "cannot be told: what leads to it cannot be read")}
    if lost is not None:
        return told | {ODD: (name, lost)}
    if single and len(its) > 1:
        return told | {ODD: (name, f"is to be one record, and the ERP has {len(its)} of that key")}
    return told


def groups(docs: Docs, by: str) -> Docs:
    """Rows that are one record. Whose an odd one is cannot be told: each of the others may be short of it."""
    found: dict[str, Docs] = {}
    odd: Docs = []
    for one in docs:
        if (key := told_of(by, one)) is LOST:
            odd.append(one if ODD in one else one | {ODD: (by, why(one, by))})
        else:
            found.setdefault(str(key), []).append(one)
    short = {ODD: ("lines", f"may lack a row: one of this list {odd[0][ODD][1]}")} if odd else {}
    return [*odd, *({ROWS: rows, UNREAD: unread(rows), **short} for rows in found.values())]


def parts(document: dict[str, Any], each: str) -> Docs:
    """The rows of a document that are records of their own."""
    if ODD in document:
        return [document]
    try:
        found = value(each, document)
        if found is not None and not isinstance(found, list):
            raise Unreadable("is no list of rows in the ERP's answer")
    except Unreadable as error:
        return [{**document, ODD: (each, str(error))}]
    rows = [one if isinstance(one, dict) else strange(one) for one in found or ()]
    return [{**one, UNREAD: document[UNREAD], INDEX: n, DOCUMENT: document} for n, one in enumerate(rows, start=1)]


def unread(rows: Iterable[Mapping[str, Any]]) -> str | None:
    return next((one[UNREAD] for one in rows if one[UNREAD]), None)
