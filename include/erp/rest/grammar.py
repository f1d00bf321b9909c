"""The keys of a mapping file that are those of a web service: how one logs in, how lists are paged and filtered, the requests
that write, and what an answer means. ``odata`` (include/erp/rest/odata.py) is the same with other defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from include.configfile import Loc
from include.erp.json import paths
from include.erp.json.patterns import NAMED, bound
from include.erp.mapping.block import Hook, Spec, suggest, tuples
from include.erp.mapping.spec import CallSpec, EntitySpec, LinesSpec, MappingSpec, WriteSpec
from include.financials.entities import MODELS
from include.financials.record import Record


def _path(value: Any) -> Any:
    if not isinstance(value, str) or (fault := paths.fault(value)):
        told = {"value": repr(value), "fault": fault if isinstance(value, str) else "is no text"}
        raise PydanticCustomError("path", "{value} {fault}", told)
    return value


def _regex(value: Any) -> Any:
    try:
        re.compile(value)
    except (re.error, TypeError) as error:
        raise PydanticCustomError("regex", "{value} is no regular expression", {"value": repr(value)}) from error
    return value


Path = Annotated[str, BeforeValidator(_path)]
"""Where in an answer something stands: JMESPath."""
Regex = Annotated[str, BeforeValidator(_regex)]
Texts = dict[str, str]


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
    most: Annotated[int, Field(ge=2)] = 1000
    """The largest page that the ERP gives."""


class Language(Spec):
    """Lists that are asked for in a query language: each question is one text."""

    path: str
    """Where questions go, after ``base``."""
    parameter: str = "query"
    """Query parameter with the text."""
    select: str
    """How a question begins; ``{list}`` is the list's ``path``. Conditions follow behind ``where``, joined by ``and``, then the
    list's ``order``."""
    page: str
    """How it ends, with ``{at}`` and ``{size}``: the number of the first record wanted, and how many."""
    quotes: Literal["doubled", "backslash"] = "doubled"
    """How a quote within a value is written."""

    def quoted(self, value: str) -> str:
        if self.quotes == "doubled":
            return value.replace("'", "''")
        return value.replace("\\", "\\\\").replace("'", "\\'")


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


Condition = str | Texts


class Conditions(Spec):
    """What a question asks for, each with its names in braces: a condition of the filter (``filter: odata``), or query
    parameters."""

    where: Condition | None = None
    since: Condition | None = None
    until: Condition | None = None
    scope: Condition | None = None
    unscoped: Condition | None = None
    """Records that belong to no project."""
    id: Condition | None = None
    marker: Condition | None = None

    def given(self) -> Iterator[tuple[str, Condition]]:
        for name in type(self).model_fields:
            if (found := getattr(self, name)) is not None:
                yield name, found


_NAMES = {
    "where": (), "since": ("since",), "until": ("until",), "scope": ("scope",), "unscoped": (), "marker": ("marker",),
}  # fmt: skip


class Source(Spec):
    """A list of the ERP. An entity may have several, one after the other: subcontracts and purchase orders."""

    name: str = ""
    """``_source`` of its documents."""
    path: str
    records: Path | None = None
    """Where in the answer the list is; default: the file's ``records``."""
    query: Texts = Field(default_factory=dict)
    including: Condition | None = Field(None, alias="expand")
    """What brings the lines along; left out where only headers are wanted."""
    order: Condition = Field(default_factory=dict)
    """An order that does not change while pages are read: query parameters, or the end of a question."""
    each: Path | None = None
    """A record for each of these in a document, instead of one of the document: the invoices that a check pays."""
    by: Path | None = None
    """Documents that it gives the same value are one record, and names lead into ``_rows``: the budget lines of a job. Such a
    list is read whole, for a page could end between two of them."""
    ask: Conditions = Conditions()
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

    def binds(self) -> tuple[str, ...]:
        return self._names(False)

    def line_binds(self) -> tuple[str, ...]:
        return self._names(True)

    def _names(self, of_line: bool) -> tuple[str, ...]:
        patterns = (self.request[1], self.query, self.headers, self.body)
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
            for name, condition in ask.given():
                allowed = {"id", *self.id.columns()} if name == "id" else set(_NAMES[name])
                used = {n for text in _texts(condition) for n in re.findall(r"\{([^{}]*)\}", text)}
                for wrong in sorted(used - allowed):
                    yield (*place, name), f"has {{{wrong}}}. Allowed: {', '.join(f'{{{one}}}' for one in sorted(allowed))}"
        for index, call in enumerate(self.write.create):
            if index and call.per_line and not call.only:
                yield ("write", "create", index), "must not write lines: a document and its lines are one request"


def _texts(condition: Condition) -> tuple[str, ...]:
    return (condition,) if isinstance(condition, str) else tuple(condition.values())


class RestMapping(MappingSpec):
    kind: Literal["rest"] = "rest"
    address: dict[str, str | None] = Field(default_factory=dict)
    """What the connection's address says after ``?``, with the value of one that is left out; null: it must be given."""
    base: str = ""
    """Path between the address and the paths of this file, with parts of the address in braces."""
    auth: Auth = Auth(preset="none")
    paging: Paging = Paging(preset="none")
    records: Path = "@"
    headers: Texts = Field(default_factory=dict)
    query: Texts = Field(default_factory=dict)
    """Query parameters of every request, with parts of the address in braces."""
    filter: Literal["odata", "parameters", "language"] = "parameters"
    """How conditions are asked: together in ``$filter``, as query parameters, or in a query language."""
    language: Language | None = None
    together: Annotated[int, Field(ge=1)] = 20
    """odata: ids or markers in one question."""
    wrap: str | None = None
    numbers: Literal["number", "text"] = "number"
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
                conditions = [one for _, one in source.ask.given()]
                conditions += [source.including] if source.including is not None and self.filter != "language" else []
                if any((self.filter == "parameters") == isinstance(one, str) for one in conditions):
                    want = "a block of query parameters" if self.filter == "parameters" else "a text"
                    raise PydanticCustomError(
                        "filter", f"{name}: with `filter: {self.filter}` a condition (and `expand`) is {want}"
                    )
                if isinstance(source.order, str) != (self.filter == "language") and source.order:
                    raise PydanticCustomError("filter", f"{name}: `order` is a text with `filter: language`, else a block")
            for action in ("create", "update", "void"):
                if self.etag is None and any(call.match for call in getattr(entity.write, action)):
                    raise PydanticCustomError("etag", f"{name}: `match` needs `etag`: where a document has its ETag")
        if (self.language is not None) != (self.filter == "language"):
            raise PydanticCustomError("filter", "`filter: language` needs `language`, and nothing else does")
        if self.language is not None and (self.paging.preset != "offset" or self.health is None):
            raise PydanticCustomError("filter", "`filter: language` needs the paging preset `offset`, and `health`")
        known = {field for model in MODELS.values() for field in model.model_fields}
        for row in self.errors.table:
            if row.field is not None and row.field not in known and not row.field.startswith("lines"):
                raise PydanticCustomError("field", f"errors: {row.field!r} is no canonical field{suggest(row.field, known)}")
        for text in (self.base, self.auth.url or "", self.auth.file or "", *self.query.values()):
            for part in NAMED.findall(text):
                if part not in self.address:
                    raise PydanticCustomError("address", f"{{{part}}} is no part of `address`{suggest(part, self.address)}")
        return self
