"""The ledger's tables (SQLAlchemy Core). Amounts are decimal text, times ISO text in UTC, so that SQLite and PostgreSQL agree.

``migrations/`` creates and changes them; a test keeps this file and the migrations equal.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, String, Table, Text, text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


def _text(name: str, **options: object) -> Column[str]:
    return Column(name, String, **options)  # type: ignore[arg-type]


_KEY = ("entity", "company", "side", "id")

runs = Table(
    "runs",
    metadata,
    _text("run_id", primary_key=True),
    _text("mode", nullable=False),
    _text("kind", nullable=False),
    _text("params", nullable=False),
    _text("settings_hash", nullable=False),
    _text("since"),
    _text("until", nullable=False),
    _text("started_at", nullable=False),
    _text("finished_at"),
    _text("status"),
)

steps = Table(
    "steps",
    metadata,
    _text("run_id", primary_key=True),
    _text("step", primary_key=True),
    Column("shard", Integer, primary_key=True),
    _text("finished_at", nullable=False),
)

records = Table(
    "records",
    metadata,
    # One row for ever per record of a side. An ERP key is unique in its company, a Procore id in Procore: its ``within`` is
    # empty, and its ``company`` is filled in when its project is known to be a job's.
    *[_text(name, primary_key=True) for name in ("entity", "side", "within", "id")],
    _text("company", nullable=False),
    _text("number", nullable=False),
    _text("scope"),
    _text("state"),
    _text("rule"),
    _text("waits_for"),
    _text("message"),
    _text("source_hash"),
    _text("origin_id"),
    _text("source_changed_at"),
    _text("seen_updated_at"),
    _text("read_at"),
    Column("deleted", Boolean, nullable=False, server_default=text("false")),
    _text("amount"),
    Column("figures", Text),
    Index("ix_records_state", "entity", "side", "state"),
)

links = Table(
    "links",
    metadata,
    Column("link_id", Integer, primary_key=True, autoincrement=True),
    _text("entity", nullable=False),
    _text("company", nullable=False),
    _text("erp_key", nullable=False),
    _text("procore_id", nullable=False),
    _text("scope"),
    _text("number", nullable=False),
    Column("revision", Integer, nullable=False),
    _text("content_hash", nullable=False),
    Column("content", Text, nullable=False),
    _text("status", nullable=False),
    _text("how", nullable=False),
    _text("lock_state"),
    _text("created_at", nullable=False),
    _text("ended_at"),
    Index(
        "uq_links_procore",
        "entity",
        "procore_id",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index(
        "uq_links_erp",
        "entity",
        "company",
        "erp_key",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)

intents = Table(
    "intents",
    metadata,
    _text("intent", primary_key=True),
    _text("run_id", nullable=False),
    _text("entity", nullable=False),
    _text("company", nullable=False),
    _text("source_id", nullable=False),
    Column("shard", Integer, nullable=False),
    _text("step", nullable=False),
    Column("revision", Integer, nullable=False),
    _text("content_hash", nullable=False),
    _text("status", nullable=False),
    _text("call_id"),
    Column("item", Text, nullable=False),
    _text("result_id"),
    _text("message"),
    _text("doubted_at"),
    _text("created_at", nullable=False),
    _text("updated_at", nullable=False),
    Index("ix_intents_open", "entity", "status"),
    Index("ix_intents_record", "entity", "company", "source_id"),
)

calls = Table(
    "calls",
    metadata,
    _text("call_id", primary_key=True),
    _text("run_id", nullable=False),
    _text("system", nullable=False),
    _text("entity", nullable=False),
    _text("step", nullable=False),
    _text("scope", nullable=False),
    Column("level", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    _text("status", nullable=False),
    _text("message"),
    _text("started_at", nullable=False),
    _text("finished_at"),
    Index("ix_calls_run", "run_id"),
)

traffic = Table(
    "traffic",
    metadata,
    _text("run_id", primary_key=True),
    _text("task", primary_key=True),
    Column("procore_calls", Integer, nullable=False),
    Column("procore_writes", Integer, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    _text("company", primary_key=True),
    _text("entity", primary_key=True),
    Column("shard", Integer, primary_key=True),
    _text("run_id", nullable=False),
    _text("holder", nullable=False),
    _text("expires_at", nullable=False),
)

watermarks = Table(
    "watermarks",
    metadata,
    _text("side", primary_key=True),
    _text("entity", primary_key=True),
    _text("scope", primary_key=True),
    _text("value", nullable=False),
    _text("run_id", nullable=False),
)

outcomes = Table(
    "outcomes",
    metadata,
    _text("run_id", primary_key=True),
    *[_text(name, primary_key=True) for name in _KEY],
    Column("shard", Integer, nullable=False),
    _text("number", nullable=False),
    _text("project"),
    _text("action", nullable=False),
    _text("how", nullable=False),
    _text("state", nullable=False),
    _text("rule"),
    _text("waits_for"),
    _text("message"),
    Column("warnings", Text),
    _text("amount"),
    _text("currency"),
    _text("source_hash"),
    _text("content_hash"),
    _text("procore_id"),
    _text("erp_key"),
    Column("judged", Boolean, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("work", Text),
    Column("figures", Text),
    Index("ix_outcomes_work", "run_id", "entity", "shard", "done"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", Integer, primary_key=True, autoincrement=True),
    _text("entity", nullable=False),
    _text("company", nullable=False),
    _text("record_id", nullable=False),
    _text("content_hash", nullable=False),
    _text("decision", nullable=False),
    _text("pair", nullable=False),
    _text("number", nullable=False),
    Column("value", Text, nullable=False),
    _text("detail"),
    _text("who", nullable=False),
    _text("at", nullable=False),
    _text("ended_at"),
    _text("ended_why"),
    Index("ix_decisions_record", "entity", "record_id"),
)

strangers = Table(
    "strangers",
    metadata,
    _text("run_id", primary_key=True),
    *[_text(name, primary_key=True) for name in _KEY],
    _text("number", nullable=False),
    _text("source_hash"),
    _text("amount"),
    Column("figures", Text),
)

webhook_inbox = Table(
    "webhook_inbox",
    metadata,
    # Received by the web server before it answers; claimed by the run that takes it up; done when that run has succeeded.
    _text("event_id", primary_key=True),
    _text("resource", nullable=False),
    _text("resource_id", nullable=False),
    _text("project_id"),
    _text("user_id"),
    _text("event_type", nullable=False),
    _text("occurred_at"),
    _text("received_at", nullable=False),
    _text("claimed_by"),
    _text("claimed_at"),
    _text("done_at"),
    Index("ix_webhook_inbox_open", "done_at"),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", Integer, primary_key=True, autoincrement=True),
    _text("at", nullable=False),
    _text("run_id"),
    _text("who", nullable=False),
    _text("what", nullable=False),
    _text("entity", nullable=False),
    _text("company", nullable=False),
    _text("record_id", nullable=False),
    _text("number"),
    _text("content_hash"),
    Column("detail", Text),
    Index("ix_audit_record", "entity", "record_id"),
)
