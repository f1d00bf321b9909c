"""One entity of a mapping as lists of a web service, and its documents as rows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from include.erp.codecs import bounds, show
from include.erp.json import numbers
from include.erp.json.lines import lines_of, lists_of
from include.erp.json.paths import Unreadable, value, values
from include.erp.json.tagged import tagged
from include.erp.mapping import loading
from include.erp.mapping.block import PART
from include.erp.mapping.shape import shape_of
from include.erp.rest.answers import Answer
from include.erp.rest.asking import Beside, Condition, Language, Lookup, encoded, in_domain, written
from include.erp.rest.grammar import RestMapping, Source
from include.erp.rest.odd import ODD, STRANGE, UNREAD, Docs, as_text, groups, parts, sound, told_of, why, with_rows, within
from include.erp.rest.paging import Cursor, Question, all_of, page
from include.erp.rest.wire import Wire
from include.erp.transport import LOST, Fault, Key, Row
from include.financials.exceptions import ContractBroken, NotPermitted
from include.financials.port import NO_ID, Window

SOURCE, ADDRESS, ETAG = "_source", "_address", "_etag"
"""What stands in a document beside the ERP's own: the name of its list, the parts of the address, the ETag of a header."""

NO_SEGMENTS = (None, "", ".", "..")
"""What cannot stand between two slashes of an address: it would name another place."""


class Documents:
    """:param name: the entity's."""

    def __init__(self, mapping: loading.Mapping[RestMapping], name: str, wire: Wire) -> None:
        self.file, self.spec, self.wire = mapping.spec, mapping.spec.entities[name], wire
        self.shape = shape_of(self.spec)

    # -- lists

    def page(
        self, window: Window | None, scopes: Sequence[str] | None, cursor: Cursor | None, size: int, bare: bool
    ) -> tuple[Docs, Cursor | None]:
        """One page of one of the sources; the cursor says which, and where in it."""
        at = cursor["source"] if cursor else 0
        source = self.spec.source[at]
        asked = self._asked(source, window, scopes)
        part = cursor["part"] if cursor else 0
        found: Docs = []
        if asked and source.by is not None:
            found = self._of(scopes, self._whole(source, asked, window), source)
            part = len(asked)
        elif asked:
            bare = bare and (scopes is None or _asks(source, scopes))  # else the project may stand in the lines
            question = self.question(source, asked[part], bare)
            docs, inner = page(self.wire, question, cursor["inner"] if cursor else None, size)
            found = self._of(scopes, self.told(docs, source), source)
            if inner is not None:
                return found, {"source": at, "part": part, "inner": inner}
        if part + 1 < len(asked):
            return found, {"source": at, "part": part + 1, "inner": None}
        if at + 1 < len(self.spec.source):
            return found, {"source": at + 1, "part": 0, "inner": None}
        return found, None

    def _whole(self, source: Source, asked: Sequence[Sequence[Condition]], window: Window | None) -> Docs:
        """Of a list whose rows are grouped. Where only those are asked for that changed, each record that has one is asked for
        with all of its rows."""
        questions = [self.question(source, part) for part in asked]
        found = self.told([one for question in questions for one in all_of(self.wire, question, self.file.paging.most)], source)
        if source.ask.id is None or not self._narrowed(source, window):
            return found
        odd = [one for one in found if ODD in one]
        return odd + self._some(source, [self.filled(source.ask.id, self.names(one)) for one in found if ODD not in one])

    def _narrowed(self, source: Source, window: Window | None) -> bool:
        """Whether only what changed is asked for."""
        return window is not None and self.spec.changed_since is not None and (source.ask.since or source.ask.until) is not None

    def names(self, document: Mapping[str, Any]) -> dict[str, str]:
        """What a question for an id names: its parts, and the id itself."""
        parts = {name: str(value(name, document)) for name in self.spec.id.columns()}
        return parts | {"id": _fill(self.spec.id.template, parts) if self.spec.id.template else next(iter(parts.values()), "")}

    def question(self, source: Source, conditions: Sequence[Condition], bare: bool = False) -> Question:
        texts = [one for one in conditions if isinstance(one, str) and one]
        if self.file.language is not None:
            return self._text(self.file.language, source, texts)
        order = source.order if isinstance(source.order, dict) else {}
        query = {**source.query, **{name: written(text) for name, text in order.items()}, **self.asking(conditions)}
        if source.including is not None and (not bare or source.each is not None):
            query |= {"$expand": source.including} if isinstance(source.including, str) else source.including
        return Question(
            self.wire.address.fill(source.path),
            query,
            source.records or self.file.records,
            self.key if source.each is None and source.by is None else as_text,
        )

    def asking(self, conditions: Sequence[Condition]) -> dict[str, Any]:
        """Query parameters that ask for what fits all of them."""
        found: dict[str, Any] = {}
        texts = [one for one in conditions if isinstance(one, str) and one]
        if texts:
            found["$filter"] = texts[0] if len(texts) == 1 else " and ".join(f"({one})" for one in texts)
        for one in conditions:
            found |= one if isinstance(one, dict) else {}
        lists, domain = [one for one in conditions if isinstance(one, list) and one], self.file.domain
        if lists and domain is not None:
            text = numbers.dumps(tagged(lists) if self.file.numbers == "tagged" else lists)
            found[domain.parameter] = encoded(text) if domain.encoding == "base64" else text
        return found

    def _text(self, language: Language, source: Source, conditions: Sequence[str]) -> Question:
        """In the ERP's query language."""
        where = f"where {' and '.join(conditions)}" if conditions else ""
        parts = (language.select.replace("{list}", source.path), where, source.order)
        query = {**source.query, language.parameter: " ".join(part for part in parts if isinstance(part, str) and part)}
        key = self.key if source.each is None and source.by is None else as_text
        return Question(self.wire.address.fill(language.path), query, source.records or self.file.records, key)

    def key(self, document: Mapping[str, Any]) -> str:
        """What tells it from others; with ``NO_ID`` before it where that is no id of the ERP's."""
        marked = {**document, ADDRESS: self.wire.address.parts}
        try:
            found = [value(name, marked) for name in self.spec.id.columns()] if STRANGE not in document else [None]
        except Unreadable:
            found = [None]
        if None not in found:
            return "/".join(map(str, found))
        return NO_ID + hashlib.sha256(as_text(document).encode()).hexdigest()[:12]

    def _asked(self, source: Source, window: Window | None, scopes: Sequence[str] | None) -> list[list[Condition]]:
        """The questions whose answers together are the list: one, several for many projects, none for no project."""
        ask = source.ask
        # A row that no longer is one of ours changed its record, too.
        always = [] if source.by is not None and self._narrowed(source, window) else self.always(source)
        if window is not None and self.spec.changed_since is not None:
            since, until = bounds(self.spec.changed_since.storage("timestamptz"), window.since, window.until)
            for condition, moment, name in ((ask.since, since, "since"), (ask.until, until, "until")):
                if condition is not None and moment is not None:
                    always.append(self.filled(condition, {name: moment if isinstance(condition, list) else _text(moment)}))
        if scopes is None or ask.scope is None or not _asks(source, scopes):
            return [always]
        conditions = [self.filled(ask.scope, {"scope": one}) for one in scopes if one]
        conditions += [ask.unscoped] if "" in scopes and ask.unscoped is not None else []
        return [[*always, *part] for part in self._together(conditions, self.file.together)]

    def _of(self, scopes: Sequence[str] | None, found: Docs, source: Source) -> Docs:
        """Those of the projects, where the ERP could not be asked for them."""
        scope = self.spec.scope
        if scopes is None or scope is None or _asks(source, scopes):
            return found
        return [one for one in found if within(scopes, scope, one)]

    def always(self, source: Source) -> list[Condition]:
        return [] if source.ask.where is None else [source.ask.where]

    def _together(self, conditions: Sequence[Condition], size: int) -> Iterator[list[Condition]]:
        """Alternatives: joined by ``or`` in a filter or a domain, else one question each; the same question once."""
        domain = self.file.domain
        if self.file.filter != "odata" and (domain is None or domain.either is None):
            found: list[Condition] = []
            for one in conditions:
                if one not in found:
                    found.append(one)
            yield from ([one] for one in found)
            return
        for start in range(0, len(conditions), size):
            part = conditions[start : start + size]
            yield [" or ".join(map(str, part)) if domain is None else [domain.either, *part]]

    def filled(self, condition: Condition, names: Mapping[str, Any]) -> Condition:
        if isinstance(condition, list):
            return in_domain(condition, names)
        if isinstance(condition, dict):
            return {parameter: _fill(text, names) for parameter, text in condition.items()}
        quoted = self.file.language.quoted if self.file.language is not None else lambda text: text.replace("'", "''")
        return _fill(condition, {name: quoted(text) for name, text in names.items()})

    # -- some of it

    def of_ids(self, keys: Sequence[Key]) -> tuple[Docs, list[str]]:
        """And the ids that the ERP does not show to us."""
        found: Docs = []
        hidden: list[str] = []
        ways = [{"id": key.id, **parts} for key in keys for parts in key.parts]
        for source in self.spec.source:
            fitting = [names for names in ways if source.fits is None or re.fullmatch(source.fits, names["id"])]
            if source.ask.id is not None:
                found += self._some(source, [self.filled(source.ask.id, names) for names in fitting])
                continue
            for names in fitting:
                try:
                    found += self.one(source, names)
                except NotPermitted:
                    hidden.append(names["id"])
        return found, hidden

    def of_markers(self, markers: Sequence[str]) -> Docs:
        found: Docs = []
        for source in self.spec.source:
            if source.ask.marker is not None:
                found += self._some(source, [self.filled(source.ask.marker, {"marker": one}) for one in markers])
        return found

    def look(self, name: str, values: Mapping[str, Any]) -> Docs:
        """The records of a look-up, a few at most: it is asked whether there is one."""
        lookup = self.file.lookups[name]
        return sound(page(self.wire, self._of_list(lookup, [self.filled(lookup.ask, values)]), None, 2)[0])

    def _of_list(self, other: Lookup | Beside, conditions: Sequence[Condition]) -> Question:
        order = {name: written(text) for name, text in other.order.items()} if isinstance(other, Beside) else {}
        query = {**other.query, **order, **self.asking(conditions)}
        return Question(self.wire.address.fill(other.path), query, other.records or self.file.records, as_text)

    def _beside(self, docs: Docs, source: Source) -> Docs:
        """The documents with the records of other lists that belong to them."""
        for name, other in source.beside.items():
            keys = [told_of(other.key, one) for one in docs]
            rows: dict[str, Docs] = {}
            asked = {str(key): self.filled(other.ask, {"key": key}) for key in keys if key not in (None, LOST)}
            lost: str | None = None
            for part in self._together(list(asked.values()), self.file.together):
                for row in self._whether_read(all_of(self.wire, self._of_list(other, part), self.file.paging.most), other):
                    if (theirs := told_of(other.theirs, row)) is LOST:
                        lost = lost or f"may lack a row of {other.path}: one of them {why(row, other.theirs)}"
                    rows.setdefault(str(theirs), []).append(row)
            docs = [
                with_rows(one, name, key, rows.get(str(key), []), lost, other.single) for one, key in zip(docs, keys, strict=True)
            ]
        return docs

    def _whether_read(self, docs: Iterable[dict[str, Any]], of: Source | Beside) -> Docs:
        """Each with the field that the ERP left out of it; null is a value."""
        fields = of.query.get(self.file.fields or "", ())
        paths = [path.split(".") for path in ([fields] if isinstance(fields, str) else fields)]
        return [{**one, UNREAD: next((".".join(path) for path in paths if _lacks(one, path)), None)} for one in docs]

    def _some(self, source: Source, conditions: Sequence[Condition]) -> Docs:
        found: Docs = []
        for part in self._together(conditions, self.file.together):
            question = self.question(source, [*self.always(source), *part])
            found += all_of(self.wire, question, self.file.paging.most)
        return self.told(found, source)

    def one(self, source: Source, names: Mapping[str, str]) -> Docs:
        """The record itself, with the ETag of its header; none where there is none."""
        if not set(NO_SEGMENTS).isdisjoint(names.values()):
            return []
        path = _fill(source.one or "", {name: quote(text, safe="") for name, text in names.items()})
        expand = source.including
        more = {} if expand is None else {"$expand": expand} if isinstance(expand, str) else expand
        answer = self.wire.read(path, {**source.query, **more}, allow=(404, 410))
        if answer.status in (404, 410) or answer.body is None:
            return []
        if not isinstance(answer.body, dict):
            raise ContractBroken(f"{path}: the answer is {show(answer.body)}, and no record.")
        return self.told([{**answer.body, ETAG: answer.headers.get("ETag")}], source)

    def told(self, docs: Iterable[dict[str, Any]], source: Source) -> Docs:
        marks = {SOURCE: source.name, ADDRESS: self.wire.address.parts}
        docs = self._beside(self._whether_read(docs, source), source)
        if source.by is not None:
            return [{**one, **marks} for one in groups(docs, source.by)]
        if source.each is None:
            return [{**one, **marks} for one in docs]
        return [{**one, **marks} for document in docs for one in parts(document, source.each)]

    def source_of(self, document: Mapping[str, Any]) -> Source:
        return next(one for one in self.spec.source if one.name == document[SOURCE])

    def etag_of(self, answer: Answer) -> str | None:
        """Of the record that a write left."""
        found = value(self.file.etag, answer.body) if self.file.etag not in (None, "header") else None
        return str(found) if found is not None else answer.headers.get("ETag")

    def etag(self, document: Mapping[str, Any]) -> str | None:
        found = document.get(ETAG) if self.file.etag == "header" else value(self.file.etag, document) if self.file.etag else None
        return None if found is None else str(found)

    # -- rows

    def rows(self, docs: Iterable[Mapping[str, Any]], bare: bool = False) -> list[Row]:
        return [self.row(one, bare) for one in docs]

    def row(self, document: Mapping[str, Any], bare: bool = False) -> Row:
        header, fault = values(self.shape.header, document)
        listed, wrong = values(self.shape.lists.values(), document)
        fault = fault or wrong
        lines: list[dict[str, Any]] = []
        if not bare and self.spec.lines is not None:
            try:
                found = lines_of(document, self.spec.lines.source, self.spec.lines.by)
            except Unreadable as error:
                found, fault = [], Fault("lines", str(error))
            if found is None:
                fault = Fault("lines", "are not in the ERP's answer, which is no proof that there are none; check `expand`")
            for line in found or []:
                told, wrong = values(self.shape.lines, line)
                lines.append(told)
                fault = fault or wrong
        if field := document.get(UNREAD):
            fault = Fault(field, "was asked for, and is not in the ERP's answer: may this login read it?")
        if odd := document.get(ODD):
            fault = Fault(*odd)
        if STRANGE in document:
            header = dict.fromkeys(header, LOST)
        lists, wrong = lists_of(self.shape.lists, listed)
        return Row(header, lines, lists, key=self.key(document), fault=fault or wrong)


def _lacks(document: Any, path: Sequence[str]) -> bool:
    """Whether a field is missing somewhere along the way, in any row of a list."""
    if isinstance(document, list):
        return any(_lacks(one, path) for one in document)
    if not path or not isinstance(document, dict):
        return False
    return path[0] not in document or _lacks(document[path[0]], path[1:])


def _asks(source: Source, scopes: Sequence[str]) -> bool:
    """Whether the ERP can be asked for these projects."""
    return source.ask.scope is not None and ("" not in scopes or source.ask.unscoped is not None)


def _fill(text: str, names: Mapping[str, str]) -> str:
    return PART.sub(lambda found: names[found[1]], text)


def _text(moment: Any) -> str:
    """A bound as it stands in a question."""
    if isinstance(moment, datetime):
        utc = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(moment)
