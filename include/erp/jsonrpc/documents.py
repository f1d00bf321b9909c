"""One entity of a mapping as searches in the ERP's model, and the ERP's documents as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from include.erp.json.lines import lines_of, lists_of, rows_of
from include.erp.json.paths import Unreadable, value, values
from include.erp.jsonrpc.api import Api, Doc, Domain
from include.erp.jsonrpc.grammar import Joined, JsonMapping
from include.erp.mapping import loading
from include.erp.mapping.shape import shape_of
from include.erp.transport import LOST, Fault, Key, Row
from include.financials.port import Window

ORDER = (("id", "ASC"),)
"""Of pages: the ERP's own number of a record, which never changes and of which a page cannot lose one."""


class Documents:
    """:param name: the entity's."""

    def __init__(self, mapping: loading.Mapping[JsonMapping], name: str, api: Api) -> None:
        self.spec = mapping.spec.entities[name]
        self.place = mapping.at("entities", name, "from")
        self.api, self.shape = api, shape_of(self.spec)
        self.model = self.spec.source.model

    # -- searches

    def page(self, window: Window | None, scopes: Sequence[str] | None, after: int | None, size: int) -> list[Doc]:
        domain = [*self.spec.source.where, *self._changed(window), *self._in(scopes)]
        if after is not None:
            domain.append(["id", ">", after])
        return self.search(domain, limit=size)

    def search(self, domain: Domain, limit: int | None = None) -> list[Doc]:
        source = self.spec.source
        ours = (joined.on for joined in source.joins.values() if joined.on and joined.on.partition(".")[0] not in source.joins)
        paths = {*source.fields, *ours}
        found = self.api.search(self.model, domain, sorted(paths), order=ORDER, limit=limit)
        for name, joined in source.joins.items():
            if joined.on:
                self._join(found, name, joined, joined.on)
            elif joined.back:
                self._gather(found, name, joined, joined.back)
        return found

    def _join(self, found: Sequence[Doc], name: str, joined: Joined, on: str) -> None:
        numbers = {}
        for one in found:
            model, _, number = str(value(on, one) or "").partition(",")
            numbers[one["id"]] = int(number) if model == joined.model and number.isdigit() else None
        wanted = sorted({number for number in numbers.values() if number is not None})
        rows = self.api.search(joined.model, [["id", "in", wanted]], joined.fields) if wanted else []
        by_number = {row["id"]: row for row in rows}
        for one in found:
            one[name] = by_number.get(numbers[one["id"]] or 0)

    def _gather(self, found: Sequence[Doc], name: str, joined: Joined, back: str) -> None:
        ours = {f"{self.model},{one['id']}": one for one in found}
        for one in found:
            one[name] = []
        rows = self.api.search(joined.model, [[back, "in", list(ours)]], (*joined.fields, back)) if ours else []
        for row in rows:
            if (owner := ours.get(row[back])) is not None:
                owner[name].append(row)

    def _changed(self, window: Window | None) -> list[Any]:
        changed = self.spec.changed_since
        if window is None or changed is None:
            return []
        # Kept without a zone, in UTC: that is how such servers store times.
        found: list[Any] = []
        if window.since is not None:
            since = window.since.replace(tzinfo=None)
            found.append(["OR", *([path, ">=", since] for path in self.spec.since or (changed.column,))])
        if window.until is not None and not self.spec.since:
            found.append([changed.column, "<=", window.until.replace(tzinfo=None)])
        return found

    def _in(self, scopes: Sequence[str] | None) -> list[Any]:
        if scopes is None or self.spec.scope is None:
            return []
        named = [scope for scope in scopes if scope]
        found: list[Any] = ["OR"]
        for one in self.spec.scoped or (self.spec.scope,):
            path, *rest = (one,) if isinstance(one, str) else one
            models: list[Any] = rest[2:] if len(rest) > 1 else rest
            if len(rest) > 1:
                operator, pattern, wild = rest[0], rest[1], "like" in rest[0]
                found += [[path, operator, _filled(pattern, {"scope": scope}, wild), *models] for scope in named]
            else:
                found.append([path, "in", named, *models])
            found += [[path, "=", None, *models]] if "" in scopes else []
        return [found]

    def of_ids(self, keys: Sequence[Key]) -> list[Doc]:
        spec = self.spec.id
        if self.spec.asked:
            named = [{"id": key.id, **parts} for key in keys for parts in key.parts or ({},)]
            return self._like(self.spec.asked, named, self.spec.source.where)
        if spec.template is None:
            (name,) = spec.columns()
            typed = [typed_one for key in keys if (typed_one := self._typed(name, key.id)) is not None]
            return self.search([*self.spec.source.where, [name, "in", typed]]) if typed else []
        ways = [[[name, "=", typed] for name, text in parts.items() if (typed := self._typed(name, text)) is not None]
                for key in keys for parts in key.parts]  # fmt: skip
        return self.search([*self.spec.source.where, ["OR", *ways]]) if ways else []

    def _typed(self, path: str, text: str) -> Any:
        """An id as the field keeps it; None for one that it cannot hold."""
        if path.rpartition(".")[2] == "id":
            return int(text) if text.isdigit() else None
        return text

    def of_markers(self, markers: Sequence[str], *, entering: bool = False) -> list[Doc]:
        """``entering``: those too that are no documents yet, because whoever made them did not get to the end."""
        assert self.spec.find is not None
        where = [] if entering else self.spec.source.where
        if not self.spec.marked:
            return self.search([*where, [self.spec.find.marker, "in", list(markers)]])
        found = self._like(self.spec.marked, [{"marker": one} for one in markers], where)
        # One whose marker cannot be read may be the one that is looked for: the mapper says so.
        told = [(values((self.spec.find.marker,), one)[0][self.spec.find.marker], one) for one in found]
        return [one for marker, one in told if marker is LOST or marker in markers]

    def _like(self, patterns: Sequence[Any], named: Sequence[Mapping[str, str]], where: Sequence[Any]) -> list[Doc]:
        """Records that fit one of the patterns with the names filled in once."""
        ways = [
            [field, operator, _filled(pattern, names, "like" in operator)]
            for names in named
            for field, operator, pattern in patterns
        ]
        return self.search([*where, ["OR", *ways]]) if ways else []

    # -- rows

    def rows(self, found: Iterable[Doc]) -> list[Row]:
        return [row for one in found for row in self._rows(one)]

    def _rows(self, document: Doc) -> list[Row]:
        name = self.spec.source.rows
        try:
            return [self.row(dict(row), document["id"]) for row in rows_of(value(name, document))]
        except Unreadable as error:
            found = self.row(document, document["id"])
            found.fault = Fault(name, str(error))
            return [found]

    def row(self, document: Doc, number: int) -> Row:
        header, fault = values(self.shape.header, document)
        listed, wrong = values(self.shape.lists.values(), document)
        fault = fault or wrong
        lines: list[dict[str, Any]] = []
        try:
            found = self.lines(document)
        except Unreadable as error:
            found, fault = [], Fault("lines", str(error))
        for line in found:
            told, wrong = values(self.shape.lines, line)
            lines.append(told)
            fault = fault or wrong
        lists, wrong = lists_of(self.shape.lists, listed)
        return Row(header, lines, lists, key=f"{self.model},{number}", fault=fault or wrong)

    def lines(self, document: Doc) -> list[Any]:
        """What names of lines lead into: a row of the ERP, or the rows that are one line of ours."""
        spec = self.spec.lines
        return (lines_of(document, spec.source, spec.by) or []) if spec else []


def _filled(pattern: Any, names: Mapping[str, str], wild: bool) -> Any:
    if not isinstance(pattern, str):
        return pattern
    for name, text in names.items():
        if wild:
            text = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        pattern = pattern.replace(f"{{{name}}}", text)
    return pattern
