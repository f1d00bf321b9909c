"""The ledger's tables, each defined once: a named tuple is the row that callers get and, by its annotations, the table.

A row's fields in their order are the table's columns: ``str``, ``int`` and ``bool``, empty (NULL) only where ``None`` is
allowed. ``Long`` is text without a limit, ``Json`` such text that holds JSON. Amounts are decimal text and times ISO text in UTC
(:func:`stamp`), so that SQLite and PostgreSQL agree. A new ledger is made from these definitions; ``migrations/`` brings older
ones up to date.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import NoneType
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, String, Table, Text, text

Long = Annotated[str, Text]
Json = Annotated[str, Text]
Content = Annotated[Mapping[str, Any], Text]
"""JSON that its room decodes."""


def stamp(moment: datetime | None = None) -> str:
    """Sortable ISO text in UTC with microseconds."""
    return (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def key_of(side: str, company: str, record_id: str) -> tuple[str, str]:
    """What a record is known by for ever: an ERP key is one company's, a Procore id is unique, whatever its company is."""
    return (company if side == "erp" else "", record_id)


def decoded(held: str | None) -> dict[str, Any]:
    """A ``Json`` column; nothing where it is empty."""
    return dict(json.loads(held)) if held else {}


# -- rows: runs ---------------------------------------------------------------------------------------------------------------


class RunRow(NamedTuple):
    """A run as it was first opened, and how it ended."""

    run_id: str
    mode: str
    kind: str
    params: str
    settings_hash: str
    since: str | None
    until: str
    started_at: str
    finished_at: str | None = None
    status: str | None = None


class StepRow(NamedTuple):
    """A step of a run that came to its end in a shard."""

    run_id: str
    step: str
    shard: int
    finished_at: str


class Watermark(NamedTuple):
    """Up to when the changes of one list have been read."""

    side: str
    entity: str
    value: str
    run_id: str


class Traffic(NamedTuple):
    """Requests to Procore that a task of a run has made."""

    run_id: str
    task: str
    procore_calls: int
    procore_writes: int


# -- rows: records ------------------------------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """What the ledger remembers of one record of a side: one row for ever.

    An ERP key is unique in its company, a Procore id in Procore: its ``within`` is empty, and its ``company`` is filled in when
    its project is known to be a job's. ``source_changed_at`` is the last change that was not ours.
    """

    entity: str
    side: str
    within: str
    id: str
    company: str
    number: str
    scope: str | None = None
    state: str | None = None
    rule: str | None = None
    waits_for: str | None = None
    message: str | None = None
    source_hash: str | None = None
    origin_id: str | None = None
    source_changed_at: str | None = None
    seen_updated_at: str | None = None
    read_at: str | None = None
    deleted: bool = False
    amount: str | None = None
    figures: Json | None = None


class Stranger(NamedTuple):
    """A document that only one side has, as a plan saw it."""

    run_id: str
    entity: str
    company: str
    side: str
    id: str
    number: str
    source_hash: str | None = None
    amount: str | None = None
    figures: Json | None = None


# -- rows: links --------------------------------------------------------------------------------------------------------------


class Link(NamedTuple):
    """One record's two identities. ``status``: ``pending`` until its last step (the external ids) is confirmed, then ``active``,
    ``tombstone`` when it has ended; ``planned`` is no row but what a run has found so far.

    ``content``: what both sides agreed on, decoded; None where it was not asked for. ``shown``: the ERP's status that Procore's
    record was last given to show.
    """

    entity: str
    company: str
    erp_key: str
    procore_id: str
    number: str
    revision: int = 0
    content_hash: str = ""
    content: Content | None = None
    status: str = "active"
    scope: str | None = None
    link_id: int | None = None
    shown: str | None = None
    how: str = "sync"
    created_at: str = ""
    ended_at: str | None = None

    @property
    def version(self) -> str | None:
        """What it was when it was read; None of one that the ledger does not have (yet)."""
        return None if self.link_id is None else f"{self.link_id} {self.status} {self.revision} {self.content_hash}"


# -- rows: outcomes -----------------------------------------------------------------------------------------------------------


class Judged(NamedTuple):
    """What a run said of a record, what is to be done with it and, in the end, what became of it.

    ``judged``: counts at the gate (new, or changed since it was judged last). ``done``: nothing is left to do. ``work``: what the
    load needs, or what a person is to know who decides.
    """

    run_id: str
    entity: str
    company: str
    side: str
    id: str
    shard: int
    number: str
    state: str
    project: str | None = None
    action: str = "none"
    how: str = "none"
    rule: str | None = None
    waits_for: str | None = None
    message: str | None = None
    warnings: Json | None = None
    amount: str | None = None
    currency: str | None = None
    source_hash: str | None = None
    content_hash: str | None = None
    procore_id: str | None = None
    erp_key: str | None = None
    judged: bool = False
    done: bool = False
    work: Json | None = None
    figures: Json | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """The record within its run and entity."""
        return self.company, self.side, self.id


# -- rows: the journal --------------------------------------------------------------------------------------------------------


class LeaseRow(NamedTuple):
    """Who may write one entity's shard, and until when."""

    entity: str
    shard: int
    run_id: str
    holder: str
    expires_at: str


class Intent(NamedTuple):
    """One record's part in a call. ``status``: ``sent`` before the request leaves; ``confirmed``, ``rejected``, ``unknown`` (may
    have arrived) or ``planned`` (surely has not) after it. ``doubted_at``: since when it is in doubt, on the executing system's
    clock."""

    intent: str
    run_id: str
    entity: str
    company: str
    source_id: str
    shard: int
    step: str
    revision: int
    content_hash: str
    item: Json
    status: str = "planned"
    call_id: str | None = None
    result_id: str | None = None
    message: str | None = None
    doubted_at: str | None = None
    created_at: str = ""
    updated_at: str = ""

    @property
    def in_doubt(self) -> bool:
        """Sent, and not known with what outcome; or found missing, which is no proof: looked for again before it is sent."""
        return self.status in ("sent", "unknown") or (self.status == "planned" and self.doubted_at is not None)


class Call(NamedTuple):
    """One request that writes. ``scope``: what it covers (``System.scope``). ``status``: ``sent``, then ``done``, ``refused`` or
    ``unknown``."""

    call_id: str
    run_id: str
    system: str
    entity: str
    step: str
    scope: str
    level: int
    items: int
    status: str = "sent"
    message: str | None = None
    started_at: str = ""
    finished_at: str | None = None


# -- rows: people, events, the audit ------------------------------------------------------------------------------------------


class Decision(NamedTuple):
    """What a person decided on a record as it was (``content_hash``) or, with ``pair``, on an ERP key and a Procore id."""

    decision_id: int | None
    entity: str
    company: str
    record_id: str
    content_hash: str
    decision: str
    pair: str
    number: str
    value: Content
    detail: str | None
    who: str
    at: str
    ended_at: str | None = None
    ended_why: str | None = None

    @property
    def said(self) -> str:
        return f"{self.who} on {self.at[:10]}"


class InboxRow(NamedTuple):
    """An event: received by the web server before it answers, claimed by the run that takes it up, done when that succeeded."""

    event_id: str
    resource: str
    resource_id: str
    event_type: str
    project_id: str | None = None
    user_id: str | None = None
    occurred_at: str | None = None
    received_at: str = ""
    claimed_by: str | None = None
    claimed_at: str | None = None
    done_at: str | None = None


class Note(NamedTuple):
    """A row of the audit trail: who did or said what, of which record."""

    who: str
    what: str
    entity: str
    company: str
    record_id: str
    number: str | None = None
    content_hash: str | None = None
    detail: Long | None = None
    run_id: str | None = None
    at: str = ""
    audit_id: int | None = None


# -- tables -------------------------------------------------------------------------------------------------------------------

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)
_TYPES: Mapping[type, Any] = {str: String, int: Integer, bool: Boolean}


def _column(name: str, hint: Any, key: tuple[str, ...], default: Any) -> Column[Any]:
    optional = NoneType in get_args(hint)
    plain = next(one for one in get_args(hint) if one is not NoneType) if optional else hint
    kind = plain.__metadata__[0] if hasattr(plain, "__metadata__") else _TYPES[plain]
    options: dict[str, Any] = {"server_default": text("false")} if default is False else {}
    if name in key:
        options["primary_key"] = True
        return Column(name, kind, autoincrement=optional, **options)
    return Column(name, kind, nullable=optional, **options)


def _table(name: str, row: Any, key: tuple[str, ...], *indexes: Index) -> Table:
    """The table of a row; an optional integer key is counted up by the database."""
    hints, defaults = get_type_hints(row, include_extras=True), row._field_defaults
    return Table(name, metadata, *(_column(f, hints[f], key, defaults.get(f)) for f in row._fields), *indexes)


def _open_only(name: str, *columns: str) -> Index:
    """Unique among the rows that have not ended."""
    standing = text("ended_at IS NULL")
    return Index(name, *columns, unique=True, sqlite_where=standing, postgresql_where=standing)


_RECORD = ("entity", "company", "side", "id")

runs = _table("runs", RunRow, ("run_id",))
steps = _table("steps", StepRow, ("run_id", "step", "shard"))
watermarks = _table("watermarks", Watermark, ("side", "entity"))
traffic = _table("traffic", Traffic, ("run_id", "task"))
records = _table("records", Seen, ("entity", "side", "within", "id"), Index("ix_records_state", "entity", "side", "state"))
strangers = _table("strangers", Stranger, ("run_id", *_RECORD))
links = _table(
    "links", Link, ("link_id",),
    _open_only("uq_links_procore", "entity", "procore_id"), _open_only("uq_links_erp", "entity", "company", "erp_key"),
)  # fmt: skip
outcomes = _table(
    "outcomes", Judged, ("run_id", *_RECORD), Index("ix_outcomes_work", "run_id", "entity", "shard", "done")
)  # fmt: skip
leases = _table("leases", LeaseRow, ("entity", "shard"))
intents = _table(
    "intents", Intent, ("intent",),
    Index("ix_intents_open", "entity", "status"), Index("ix_intents_record", "entity", "company", "source_id"),
)  # fmt: skip
calls = _table("calls", Call, ("call_id",), Index("ix_calls_run", "run_id"))
decisions = _table("decisions", Decision, ("decision_id",), Index("ix_decisions_record", "entity", "record_id"))
webhook_inbox = _table("webhook_inbox", InboxRow, ("event_id",), Index("ix_webhook_inbox_open", "done_at"))
audit = _table("audit", Note, ("audit_id",), Index("ix_audit_record", "entity", "record_id"))
