"""How a list goes on: the presets of ``paging``.

Lists change while they are read. Where a page is asked for by its distance from the start, a record that goes away pulls all
after it one place forward, and one of them falls between two pages: such pages overlap by one record, and a page that does not
begin with the last record of the one before starts the list anew. A list ends with a page that brings nothing new, or the last
of the total that the ERP tells; not with a short one: an ERP may give fewer than it is asked for.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from include.erp.json import paths
from include.erp.json.patterns import filled
from include.erp.rest.answers import Answer
from include.erp.rest.grammar import Paging
from include.erp.rest.odd import Docs, strange
from include.erp.rest.wire import Wire
from include.financials.exceptions import ContractBroken, RetryLater

_ANEW = 3
_TOTAL = re.compile(r"/(\d+)$")
_LINK = re.compile(r'<([^>]+)>[^,<]*;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next(?![\w-]))', re.I)
"""Of several relations in one link (``rel="next last"``) each counts."""
Cursor = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A list that is asked for: path, query parameters, and where in the answer it stands. ``key`` tells documents apart."""

    path: str
    query: Mapping[str, Any]
    records: str
    key: Callable[[Mapping[str, Any]], str]


def page(wire: Wire, question: Question, cursor: Cursor | None, size: int) -> tuple[Docs, Cursor | None]:
    """One page of it, and where the next one begins; None: there is none."""
    spec = wire.spec.paging
    size = min(size, spec.most)
    match spec.preset:
        case "next":
            return _linked(wire, spec, question, cursor, size)
        case "page":
            return _numbered(wire, spec, question, cursor, size)
        case "offset" | "range":
            return _counted(wire, spec, question, cursor, max(size, 2))
    return _list(question, wire.read(question.path, question.query)), None


def all_of(wire: Wire, question: Question, size: int) -> Docs:
    found, cursor = page(wire, question, None, size)
    while cursor is not None:
        more, cursor = page(wire, question, cursor, size)
        found += more
    return found


def _list(question: Question, answer: Answer) -> Docs:
    found = [] if answer.status in (204, 416) else paths.value(question.records, answer.body)
    if not isinstance(found, list):
        raise ContractBroken(f"{question.path}: the answer has no list of records at {question.records}.")
    return [one if isinstance(one, dict) else strange(one) for one in found]


def _linked(wire: Wire, spec: Paging, question: Question, cursor: Cursor | None, size: int) -> tuple[Docs, Cursor | None]:
    headers = {"Prefer": f"{spec.prefer}={size}"} if spec.prefer else {}
    if cursor is None:
        limit = {spec.limit: str(size)} if spec.limit else {}
        answer = wire.read(question.path, {**question.query, **limit}, headers)
    else:
        answer = wire.read(cursor["link"], None, headers)
    if spec.link == "header":
        found = _LINK.search(answer.headers.get("Link", ""))
        link = found[1] if found else None
    else:
        link = paths.value(spec.link, answer.body)
    docs = _list(question, answer)
    if not link:
        return docs, None
    following = wire.place(str(link))
    count = cursor["count"] + 1 if cursor else 1
    # The page of each power of two is remembered: whatever its length, a circle comes by the one that lies in it.
    if cursor is not None and following in (cursor["link"], cursor["mark"]):
        raise ContractBroken(f"{question.path}: the next page is one that was read before; the list goes in a circle.")
    mark = cursor["mark"] if cursor is not None and count & (count - 1) else following
    return docs, {"link": following, "mark": mark, "count": count}


def _numbered(wire: Wire, spec: Paging, question: Question, cursor: Cursor | None, size: int) -> tuple[Docs, Cursor | None]:
    number = cursor["page"] if cursor else 1 if spec.first is None else spec.first
    limit = {spec.limit: str(size)} if spec.limit else {}
    docs = _list(
        question, wire.read(question.path, {**question.query, **limit, spec.page: str(number)}, allow=(404,) if cursor else ())
    )
    if not docs:
        return docs, None
    held = hashlib.sha256("\n".join(map(question.key, docs)).encode()).hexdigest()
    if cursor is not None and held == cursor["held"]:
        raise ContractBroken(
            f"{question.path}: page {number} has the records of the one before it. Does the ERP know parameter {spec.page!r}?"
        )
    return docs, {"page": number + 1, "held": held}


def _placed(wire: Wire, spec: Paging, question: Question, at: int, size: int) -> Mapping[str, str]:
    """Which part of the list is wanted: parameters of their own, or the end of the question's text."""
    language = wire.spec.language
    if language is None:
        return {**({spec.limit: str(size)} if spec.limit else {}), spec.offset: str(at)}
    end = filled(language.page, {"at": at, "size": size})
    return {language.parameter: f"{question.query[language.parameter]} {end}"}


def _counted(wire: Wire, spec: Paging, question: Question, cursor: Cursor | None, size: int) -> tuple[Docs, Cursor | None]:
    start = cursor["at"] if cursor else 0
    if spec.preset == "range":
        headers = {"Range": f"{spec.unit}={start}-{start + size - (spec.end == 'included')}"}
        answer = wire.read(question.path, question.query, headers, allow=(416,))
        if answer.status == 200 and "Content-Range" not in answer.headers:  # it knows no ranges of this list: that was all of it
            return _list(question, answer), None
    else:
        answer = wire.read(question.path, {**question.query, **_placed(wire, spec, question, start + (spec.first or 0), size)})
    docs = _list(question, answer)
    total = _TOTAL.search(answer.headers.get("Content-Range", ""))
    ends = total is not None and start + len(docs) >= int(total[1])
    anew = cursor["anew"] if cursor else 0
    first = cursor is None or cursor["last"] is None
    if not first:
        if not docs or question.key(docs[0]) != cursor["last"]:  # type: ignore[index]
            if anew >= _ANEW:
                raise RetryLater(f"{question.path}: the list changes faster than it can be read.")
            return [], {"at": 0, "last": None, "anew": anew + 1}
        docs = docs[1:]
    if not docs or ends:
        return docs, None
    return docs, {"at": start + len(docs) - first, "last": question.key(docs[-1]), "anew": anew}
