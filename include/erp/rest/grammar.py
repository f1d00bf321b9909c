"""The keys of a mapping file that are those of a web service: how one logs in, how lists are paged and filtered, the requests
that write, and what an answer means. ``odata`` (include/erp/rest/odata.py) is the same with other defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from include.configfile import Loc
from include.erp.json import paths
from include.erp.json.patterns import NAMED, bound, found_by
from include.erp.mapping.block import Hook, Spec, suggest, tuples
from include.erp.mapping.spec import WRITES, CallSpec, EntitySpec, LinesSpec, MappingSpec, WriteSpec
from include.erp.rest.asking import (
    NAMES,
    Beside,
    Condition,
    Conditions,
    Domain,
    Language,
    Lookup,
    Order,
    Parameters,
    Path,
    Text,
    Texts,
    names_of,
)
from include.financials.entities import MODELS
from include.financials.record import Record


def _regex(value: Any) -> Any:
    try:
        re.compile(value)
    except (re.error, TypeError) as error:
        raise PydanticCustomError("regex", "{value} is no regular expression", {"value": repr(value)}) from error
    return value


Regex = Annotated[str, BeforeValidator(_regex)]


class Auth(Spec):
    """``none``; ``key``: a header with the password; ``basic``; ``oauth2``: client credentials, which are the address' login and
    password; ``refresh``: OAuth2 with a token that a person was given and that is exchanged for the next one, kept in a file;
    ``session``: a log-in that is ended by a log-out."""

    preset: Literal["none", "key", "basic", "oauth2", "refresh", "session"]
    header: str = "Authorization"
    prefix: str = ""
    """key, and session with ``token``: what stands in the header before it."""
    url: str | None = None
    """oauth2, refresh: where tokens are given, with parts of the address in braces."""
    file: str | None = None
    """refresh: the file that keeps the tokens, with parts of the address in braces."""
    scope: str | None = None
    secret: Literal["basic", "post"] = "post"  # noqa: S105 - how it is sent
    """oauth2, refresh: how client id and secret are sent."""
    login: str | None = None
    body: dict[str, Any] = Field(default_factory=dict)
    """session: what is posted to ``login``; ``{login}``, ``{password}`` and parts of the address are filled in."""
    logout: str | None = None
    token: Path | None = None
    """session: where the answer has a token; without it the session is a cookie."""

    @model_validator(mode="after")
    def _complete(self) -> Auth:
        for preset, key in (("oauth2", "url"), ("refresh", "url"), ("refresh", "file"), ("session", "login")):
            if self.preset == preset and getattr(self, key) is None:
                raise PydanticCustomError("one_of", f"{preset} needs `{key}`")
        return self


class Paging(Spec):
    """How a list goes on. ``offset``: so many records were seen; ``page``: the number of the page; ``next``: a link of the
    answer; ``range``: the header Range; ``none``: a list is one answer."""

    preset: Literal["offset", "page", "next", "range", "none"]
    limit: str | None = None
    """Query parameter for the number of records wanted; with ``next`` a preference (header Prefer) may say it instead."""
    offset: str = "offset"
    page: str = "page"
    first: int | None = None
    """page: the number of the first one (1); offset: that of the first record (0)."""
    link: Path | Literal["header"] = "next"
    """next: where in the answer the link stands, or the header Link."""
    prefer: str | None = None
    """next: name of the preference that sets the size of a page."""
    unit: str = "items"
    """range: what is counted."""
    end: Literal["included", "excluded"] = "included"
    """range: whether the record with the second number is wanted, too."""
    most: Annotated[int, Field(ge=2)] = 1000
    """The largest page that the ERP gives."""


class Idempotency(Spec):
    """What carries a text of its own for each request that writes, the same when it is sent again: a header or a parameter."""

    shorthand: ClassVar[str | None] = "header"
    header: str | None = None
    query: str | None = None


class ErrorRow(Spec):
    """What an answer means that has this status, this code and these words; all that are given must fit."""

    status: int | None = None
    code: str | None = None
    says: Regex | None = None
    means: Literal["refused", "later", "unknown"] = "refused"
    field: str | None = None
    """refused: the canonical field that it is about."""

    @model_validator(mode="after")
    def _any(self) -> ErrorRow:
        if self.status is None and self.code is None and self.says is None:
            raise PydanticCustomError("one_of", "needs at least one of status, code, says")
        return self


class Errors(Spec):
    words: Path = "error.message || message"
    code: Path = "error.code || code"
    table: tuple[ErrorRow, ...] = ()
    hook: Hook | None = None
    """Looks at every answer to a write before the table does: ``include.erp.rest.answers.Answer`` -> ``Meaning`` or None."""

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        return tuples(value, "table")


class Source(Spec):
    """A list of the ERP. An entity may have several, one after the other: subcontracts and purchase orders."""

    name: str = ""
    """``_source`` of its documents."""
    path: str
    records: Path | None = None
    """Where in the answer the list is; default: the file's ``records``."""
    query: Parameters = Field(default_factory=dict)
    including: str | Texts | None = Field(None, alias="expand")
    """What brings the lines along; left out where only headers are wanted."""
    order: Order = Field(default_factory=dict)
    """An order that does not change while pages are read: query parameters, or the end of a question."""
    each: Path | None = None
    """A record for each of these in a document, instead of one of the document: the invoices that a check pays."""
    by: Path | None = None
    """Documents that it gives the same value are one record, and names lead into ``_rows``: the budget lines of a job. Such a
    list is read whole, for a page could end between two of them."""
    ask: Conditions = Conditions()
    beside: dict[str, Beside] = Field(default_factory=dict)
    """Records of other lists, which names reach as a list; one may be found by those before it."""
    fits: Regex | None = None
    """What ids of this list look like: others are not asked for, where an ERP takes a question for them amiss (a GUID)."""
    one: str | None = None
    """Path of one record by its ``{id}`` (or the parts of the id): for ERPs that cannot be asked for ids, and for ETags that
    stand in a header."""


class RestLines(LinesSpec):
    """``from``: where in the document they are. Rows of the ERP that ``by`` gives the same value are one line of ours, and names
    lead into the list of them."""

    source: Path = Field(alias="from")
    by: Path | None = None


class Call(CallSpec):
    """One request of a write."""

    place: ClassVar[str] = "body"
    put: str | None = None
    post: str | None = None
    patch: str | None = None
    delete: str | None = None
    query: Texts = Field(default_factory=dict)
    headers: Texts = Field(default_factory=dict)
    body: Any = None
    free: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Look-ups that must find nothing, with what they name: numbers, where the ERP itself takes one twice."""
    match: bool = False
    """Sent with If-Match and the record's ETag: applied only if nobody changed it meanwhile."""
    gives: dict[str, Path] = Field(default_factory=dict)
    """Names for the calls after it -> where in the answer they stand."""
    chosen: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    """Made only where these bound values are so: a ``setting``, a word of the ERP's."""

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("chosen"), dict):
            chosen = {name: tuple(v) if isinstance(v, list) else (v,) for name, v in value["chosen"].items()}
            return {**value, "chosen": chosen}
        return value

    @model_validator(mode="after")
    def _one(self) -> Call:
        if sum(one is not None for one in (self.put, self.post, self.patch, self.delete)) != 1:
            raise PydanticCustomError("one_of", "needs exactly one of put, post, patch, delete")
        return self

    @property
    def request(self) -> tuple[str, str]:
        return next((name.upper(), path) for name in ("put", "post", "patch", "delete") if (path := getattr(self, name)))

    def answers(self) -> tuple[str, ...]:
        return tuple(self.gives)

    def looks(self) -> Iterator[tuple[str, set[str]]]:
        """Its look-ups, with the names that each is given."""
        yield from found_by(self.body)
        yield from ((name, set(given)) for name, given in self.free.items())

    def binds(self) -> tuple[str, ...]:
        return self._names(False)

    def line_binds(self) -> tuple[str, ...]:
        return self._names(True)

    def _names(self, of_line: bool) -> tuple[str, ...]:
        patterns = (self.request[1], self.query, self.headers, self.body, self.free)
        names = dict.fromkeys(name for name, in_line in bound(patterns) if in_line == of_line)
        return tuple(names if of_line else names | dict.fromkeys(self.chosen))


class RestWrite(WriteSpec):
    create: tuple[Call, ...] = ()
    update: tuple[Call, ...] = ()
    void: tuple[Call, ...] = ()
    record: dict[str, Path] = Field(default_factory=dict)
    """update and void: names for the calls -> where in the record, as it is there, they stand."""

    def answers(self, action: str) -> tuple[str, ...]:
        return () if action == "create" else tuple(self.record)

    def faults(self, entity: EntitySpec) -> Iterator[tuple[Loc, str]]:
        for index, call in enumerate(self.create):
            if index and call.per_line and not call.only:
                yield ("write", "create", index), "must not write lines: a document and its lines are one request"


class RestEntity(EntitySpec):
    source: tuple[Source, ...] = Field(alias="from")
    lines: RestLines | None = None
    write: RestWrite = RestWrite()

    @model_validator(mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("from"), dict):
            return {**value, "from": (value["from"],)}
        return tuples(value, "from")

    def faults(self, model: type[Record]) -> Iterator[tuple[Loc, str]]:
        for index, source in enumerate(self.source):
            ask = source.ask
            place: Loc = ("from", index, "ask") if len(self.source) > 1 else ("from", "ask")
            if ask.id is None and source.one is None:
                yield place, "needs `id`, or the source needs `one`: how a record of an id is asked for"
            if self.find and ask.marker is None:
                yield place, "needs `marker`: how a document of a marker is asked for"
            if source.each is not None and source.by is not None:
                yield (*place[:-1], "by"), "and `each` cannot both say what a record is"
            for name in ("each", "by"):
                if getattr(source, name) is not None and self.capabilities.writes:
                    yield (*place[:-1], name), "is for what is only read"
            for name, other in source.beside.items():
                if (named := names_of(other.ask)) != {"key"}:
                    yield (*place[:-1], "beside", name), f"must name {{key}} in `ask`, and names {sorted(named)}"
            for name, condition in ask.given():
                allowed = {"id", *self.id.columns()} if name == "id" else set(NAMES[name])
                for wrong in sorted(names_of(condition) - allowed):
                    yield (*place, name), f"has {{{wrong}}}. Allowed: {', '.join(f'{{{one}}}' for one in sorted(allowed))}"
        yield from super().faults(model)


class RestMapping(MappingSpec):
    kind: Literal["rest"] = "rest"
    address: dict[str, str | None] = Field(default_factory=dict)
    """What the connection's address says after ``?``, with the value of one that is left out; null: it must be given."""
    base: str = ""
    """Path between the address and the paths of this file, with parts of the address in braces."""
    auth: Auth = Auth(preset="none")
    paging: Paging = Paging(preset="none")
    records: Path = "@"
    headers: dict[str, Text] = Field(default_factory=dict)
    query: Texts = Field(default_factory=dict)
    """Headers and query parameters of every request, with parts of the address in braces."""
    filter: Literal["odata", "parameters", "language", "domain"] = "parameters"
    """How conditions are asked: together in ``$filter``, as query parameters, in a query language, or as lists of JSON."""
    language: Language | None = None
    domain: Domain | None = None
    together: Annotated[int, Field(ge=1)] = 20
    """odata, domain: ids or markers in one question."""
    fields: str | None = None
    """Query parameter with the fields that are wanted, where an ERP leaves those out that the login may not read."""
    lookups: dict[str, Lookup] = Field(default_factory=dict)
    """Records that bodies need a value of: ``{find: vendor, code: ":vendor"}``."""
    wrap: str | None = None
    numbers: Literal["number", "text", "tagged"] = "number"
    """How a number travels: as such, in quotes, or (dates and times, too) as an object that says what it is."""
    etag: Path | Literal["header"] | None = None
    """Where a document has its ETag."""
    idempotency: Idempotency | None = None
    errors: Errors = Errors()
    health: str | None = None
    """Path that is asked for the clock; default: the first list."""
    entities: Mapping[str, RestEntity]

    @staticmethod
    def name_fault(name: str) -> str | None:
        return paths.fault(name)

    @model_validator(mode="after")
    def _agree(self) -> RestMapping:
        for name, entity in self.entities.items():
            for source in entity.source:
                self._asked(name, [one for _, one in source.ask.given()], self.filter)
                self._asked(name, [one.ask for one in source.beside.values()], self.filter)
                if source.including is not None and self.filter != "language":
                    self._asked(name, [source.including], "parameters" if self.filter == "domain" else self.filter)
                if isinstance(source.order, str) != (self.filter == "language") and source.order:
                    raise PydanticCustomError("filter", f"{name}: `order` is a text with `filter: language`, else a block")
            for action in WRITES if self.writes is None else ():
                if self.etag is None and any(call.match for call in getattr(entity.write, action)):
                    raise PydanticCustomError("etag", f"{name}: `match` needs `etag`: where a document has its ETag")
        for name, lookup in self.lookups.items():
            self._asked(f"lookups.{name}", [lookup.ask], self.filter)
        for key, given in (("language", self.language), ("domain", self.domain)):
            if (given is not None) != (self.filter == key):
                raise PydanticCustomError("filter", f"`filter: {key}` needs `{key}`, and nothing else does")
        if self.language is not None and (self.paging.preset != "offset" or self.health is None):
            raise PydanticCustomError("filter", "`filter: language` needs the paging preset `offset`, and `health`")
        if self.language is not None and (self.lookups or any(one.beside for e in self.entities.values() for one in e.source)):
            raise PydanticCustomError("filter", "`lookups` and `beside` cannot be asked in a query language")
        known = {field for model in MODELS.values() for field in model.model_fields}
        for row in self.errors.table:
            if row.field is not None and row.field not in known and not row.field.startswith("lines"):
                raise PydanticCustomError("field", f"errors: {row.field!r} is no canonical field{suggest(row.field, known)}")
        headers = [one if isinstance(one, str) else one.base64 for one in self.headers.values()]
        for text in (self.base, self.auth.url or "", self.auth.file or "", *self.query.values(), *headers):
            for part in NAMED.findall(text):
                if part not in self.address:
                    raise PydanticCustomError("address", f"{{{part}}} is no part of `address`{suggest(part, self.address)}")
        return self

    @staticmethod
    def _asked(place: str, conditions: Sequence[Condition], way: str) -> None:
        want, told = _CONDITIONS[way]
        if not all(isinstance(one, want) for one in conditions):
            raise PydanticCustomError("filter", f"{place}: with `filter: {way}` a condition (and `expand`) is {told}")

    def faults(self) -> Iterator[tuple[Loc, str]]:
        yield from super().faults()
        for name, entity in self.entities.items():
            for action in WRITES if self.writes is None else ():
                calls: tuple[Call, ...] = getattr(entity.write, action)
                for index, call in enumerate(calls):
                    for lookup, names in call.looks():
                        if told := self._look_fault(lookup, names):
                            yield ("entities", name, "write", action, index), told

    def _look_fault(self, name: str, given: set[str]) -> str | None:
        if name not in self.lookups:
            return f"`lookups` has no {name!r}{suggest(name, self.lookups)}"
        wanted = names_of(self.lookups[name].ask)
        return None if given == wanted else f"the look-up {name!r} asks for {_listed(wanted)}, and is given {_listed(given)}"


_CONDITIONS: Mapping[str, tuple[type, str]] = {
    "parameters": (dict, "a block of query parameters"),
    "odata": (str, "a text"),
    "language": (str, "a text"),
    "domain": (list, "a list"),
}


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
