"""The ledger: the sync's own memory, in SQLite (default) or PostgreSQL.

Every method is one transaction. The engine's promise *never send twice* rests on two of them: :meth:`Ledger.sending` commits what
is about to be sent before the request leaves, :meth:`Ledger.settled` commits what became of it. Both refuse (LeaseLost) when the
lease has passed to somebody else, so that a process that was thought dead can neither write nor send again.
"""

from __future__ import annotations

import json
import logging
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    ExceptionContext,
    RowMapping,
    Table,
    and_,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, InterfaceError, NoSuchModuleError, OperationalError

from include.financials import tables as t
from include.financials.exceptions import ConfigurationError, LeaseLost, OutcomeUnknown, RetryLater, SyncError
from include.financials.identity import canonical_json
from include.financials.models import Side

log = logging.getLogger(__name__)

LEASE_SECONDS = 180
"""Longer than any single request may last (connect and read time-outs of the hook), so that an expired lease means:
nothing in flight."""

STOPPED = ("held", "quarantined", "blocked", "conflict")
STAGE_CLOSED = "stage closed"
DECISION_ENDED = "decision ended"
ANSWER, FINAL = "answer", "final"
"""Steps of intents that are about a record and change nothing of it: an answer to a workflow, and what the ERP calls final."""
WORKFLOW = "workflow: "
"""How an audit row of such an answer begins, and of one that was not given."""
_CHUNK = 500
_SETTLED = ("status", "result_id", "message", "doubted_at")

_AWAY = "cannot be reached: {said} Nothing is sent without it; the task is tried again. See that its database runs and that the \
address in its connection is right."
_FULL = "cannot be written: {said} Nothing is sent without it; the task is tried again. Make room on its disk, or mend the disk."
_RIGHTS = (
    "may only be read: {said} Nothing is sent without writing it down. Give the account that runs the tasks the right to write \
it{place}."
)
_WRONG = "cannot be opened: {said} Check host, database, login and password of its connection."
_DAMAGED = (
    "cannot be read: {said} Its file is damaged, or is none of SQLite. Put back the last backup, or correct the connection."
)
_STANDBY = "takes no writes: {said} Nothing is sent without writing it down; the task is tried again. Where that lasts, its \
connection names a standby, or a database that is set to read only."

_SAID: Mapping[str, tuple[tuple[re.Pattern[str], type[SyncError], str], ...]] = {
    dialect: tuple((re.compile(pattern, re.I), kind, text) for pattern, kind, text in rows)
    for dialect, rows in {
        "sqlite": (
            (r"readonly database", ConfigurationError, _RIGHTS),
            (r"not a database|malformed", ConfigurationError, _DAMAGED),
            (r"disk I/O|disk is full", RetryLater, _FULL),
            (r"locked|busy|unable to open", RetryLater, _AWAY),
        ),
        # Appendix A of its manual: classes 28 and 3D are a login, database or host that a person corrects.
        "postgresql": (
            (r"read-only transaction", RetryLater, _STANDBY),
            (r"permission denied", ConfigurationError, _RIGHTS),
            (
                r"authentication failed|no password supplied|no pg_hba|(role|user|database) \".*\" does not exist|not known"
                r"|no address assoc",
                ConfigurationError,
                _WRONG,
            ),
        ),
    }.items()
}
"""What a driver says of a ledger that a person has to see to, or that is away: what to raise, and its sentence."""

_RECORD_KEY = ("entity", "side", "within", "id")


def key_of(side: str, company: str, record_id: str) -> tuple[str, str]:
    """What a record is known by for ever: an ERP key is one company's, a Procore id is unique, whatever its company is."""
    return (company if side == "erp" else "", record_id)


def stamp(moment: datetime | None = None) -> str:
    """Sortable ISO text in UTC with microseconds."""
    return (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True, slots=True)
class Link:
    """One record's two identities. ``status``: ``pending`` until its last step (the external ids) is confirmed,
    then ``active``."""

    entity: str
    company: str
    erp_key: str
    procore_id: str
    number: str
    revision: int = 0
    content_hash: str = ""
    content: Mapping[str, Any] | None = None
    status: str = "active"
    scope: str | None = None
    link_id: int | None = None
    lock_state: str | None = None
    """The ERP's status that Procore's record was last given to show."""

    @property
    def version(self) -> str | None:
        """What it was when it was read; None of one that the ledger does not have (yet)."""
        return None if self.link_id is None else f"{self.link_id} {self.status} {self.revision} {self.content_hash}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided on a record as it was (``content_hash``) or, with ``pair``, on an ERP key and a Procore id."""

    decision_id: int
    entity: str
    company: str
    record_id: str
    content_hash: str
    decision: str
    pair: str
    number: str
    value: Mapping[str, Any]
    who: str
    at: str

    @property
    def said(self) -> str:
        return f"{self.who} on {self.at[:10]}"


@dataclass(frozen=True, slots=True)
class Lease:
    entity: str
    shard: int
    holder: str
    company: str = "*"


def _chunks(rows: Sequence[Any], size: int = _CHUNK) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


class Ledger:
    """Open with an SQLAlchemy URL. :meth:`create` makes it, once and by a person; a run only asks whether it is :meth:`ready`."""

    def __init__(self, url: str | URL) -> None:
        self.url = url
        try:
            # Parameters are vendors' names and amounts: they do not belong into an error's text, nor into a log.
            self.engine: Engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
            # The text of the address may hold a password: name the fault, not the address.
            raise ConfigurationError(
                "The ledger's address is not one of SQLite or PostgreSQL with an installed driver; it looks like "
                "postgresql+psycopg2://user:password@host/database or sqlite:////path/ledger.sqlite."
            ) from None
        event.listen(self.engine, "handle_error", self._explain)
        event.listen(self.engine, "do_connect", self._private)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _sqlite_settings)
            event.listen(self.engine, "begin", _sqlite_begin)

    # -- schema -------------------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the tables, or bring them up to date (alembic; safe when several start it at once on SQLite and PostgreSQL)."""
        from alembic import command

        config = _migrations()
        if (path := self._file()) is not None:
            from include.financials.reading.staging import private_folder  # pyarrow stays out of the parse of the DAG

            private_folder(path.parent)
        with self.engine.begin() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(72617)")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def ready(self) -> None:
        """Refuse a ledger that is not there or not of this version: an empty one, made in passing at a mistyped address, would
        have forgotten every link and every decision. Raises ConfigurationError with the command that makes one."""
        from alembic.runtime.migration import MigrationContext
        from alembic.script import ScriptDirectory

        shown, command = self.shown, f"python -m include.financials --ledger '{self.shown}' ledger create"
        path = self._file()
        if path is not None and not path.is_file():
            raise ConfigurationError(
                f"There is no ledger at {shown}. If it should be there, correct the connection; a new one is made once, by a "
                f"person: {command}"
            )
        wanted = ScriptDirectory.from_config(_migrations()).get_current_head()
        with self.engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        if found is None:
            raise ConfigurationError(f"{shown} holds no ledger. Correct the connection, or make one: {command}")
        if found != wanted:
            raise ConfigurationError(
                f"The ledger {shown} is of version {found}, this program needs {wanted}. Back it up, then: {command}"
            )

    @property
    def shown(self) -> str:
        """Its address without the password, nor (of a server) what follows the question mark, which may hold one."""
        url = self.engine.url
        return (url if url.get_backend_name() == "sqlite" else url.set(query={})).render_as_string(hide_password=True)

    def _explain(self, context: ExceptionContext) -> None:
        """A ledger that is away, in words: what the driver says names neither the ledger nor what to do."""
        if isinstance(context.sqlalchemy_exception, DataError | IntegrityError):
            return  # of a row, whose texts are no driver's
        said, lite = " ".join(str(context.original_exception).split()), self.engine.dialect.name == "sqlite"
        away = not lite and (context.is_disconnect or isinstance(context.sqlalchemy_exception, OperationalError | InterfaceError))
        known = (row[1:] for row in _SAID["sqlite" if lite else "postgresql"] if row[0].search(said))
        kind, text = next(known, (RetryLater, _AWAY) if away else (None, ""))
        if kind is not None:
            said = text.format(said=said, place=", file and folder" if lite else "")
            raise kind(f"The ledger {self.shown} {said}") from context.original_exception

    def _private(self, dialect: Any, record: Any, arguments: Any, parameters: Any) -> None:
        """A SQLite ledger is the owner's alone, from its first byte on: SQLite gives its other files the same rights."""
        path = self._file()
        if path is None or not path.parent.is_dir():
            return
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        for one in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            with suppress(FileNotFoundError):
                if one.stat().st_uid == os.geteuid() and one.stat().st_mode & 0o077:
                    one.chmod(0o600)

    def _file(self) -> Path | None:
        """Where a SQLite ledger is kept; None for a database server."""
        url = self.engine.url
        return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None

    def close(self) -> None:
        self.engine.dispose()

    # -- runs -----------------------------------------------------------------------------------------------------------------

    def open_run(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Insert the run, or return it as first opened: a retried task must see the window that its run began with."""
        with self.engine.begin() as connection:
            _upsert(connection, t.runs, [dict(row)], update_columns=())
            return _one(connection, select(t.runs).where(t.runs.c.run_id == row["run_id"]))

    def run(self, run_id: str) -> dict[str, Any] | None:
        with self.engine.connect() as connection:
            found = connection.execute(select(t.runs).where(t.runs.c.run_id == run_id)).mappings().first()
        return dict(found) if found else None

    def successful_runs(self, kind: str, limit: int = 100) -> list[dict[str, Any]]:
        """``run_id`` and ``params`` of the last runs of a kind that succeeded, the newest first."""
        c = t.runs.c
        query = select(c.run_id, c.params).where(c.kind == kind, c.status == "success").order_by(c.started_at.desc()).limit(limit)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def finish_run(self, run_id: str, status: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(t.runs).where(t.runs.c.run_id == run_id).values(status=status, finished_at=stamp()))

    def finished(self, run_id: str, step: str, shards: Iterable[int] = (0,)) -> None:
        """A step of the run came to its end, in these shards. What Airflow shows as success may have been marked by hand."""
        rows = [{"run_id": run_id, "step": step, "shard": shard, "finished_at": stamp()} for shard in shards]
        with self.engine.begin() as connection:
            _upsert(connection, t.steps, rows, update_columns=("finished_at",))

    def finished_at(self, run_id: str, step: str, shard: int = 0) -> str | None:
        """When a step of the run came to its end last."""
        c = t.steps.c
        with self.engine.connect() as connection:
            return connection.execute(select(c.finished_at).where(c.run_id == run_id, c.step == step, c.shard == shard)).scalar()

    def unfinished(self, run_id: str, steps: Iterable[str]) -> None:
        """These steps count no longer: what builds on them waits until they have run again."""
        with self.engine.begin() as connection:
            connection.execute(delete(t.steps).where(t.steps.c.run_id == run_id, t.steps.c.step.in_(list(steps))))

    def steps(self, run_id: str) -> set[tuple[str, int]]:
        """(step, shard) of everything in the run that came to its end."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(t.steps.c.step, t.steps.c.shard).where(t.steps.c.run_id == run_id))
            return {(step, shard) for step, shard in rows}

    def watermark(self, side: Side, entity: str) -> str | None:
        with self.engine.connect() as connection:
            return connection.execute(
                select(t.watermarks.c.value).where(
                    t.watermarks.c.side == side, t.watermarks.c.entity == entity, t.watermarks.c.scope == ""
                )
            ).scalar()

    def move_watermark(self, side: Side, entity: str, value: str, run_id: str) -> None:
        """Only ever forward: a run over an old window must not make the next one read everything again."""
        with self.engine.begin() as connection:
            row = {"side": side, "entity": entity, "scope": "", "value": value, "run_id": run_id}
            _upsert(connection, t.watermarks, [row], update_columns=())
            c = t.watermarks.c
            connection.execute(
                update(t.watermarks)
                .where(c.side == side, c.entity == entity, c.scope == "", c.value < value)
                .values(value=value, run_id=run_id)
            )

    # -- links ----------------------------------------------------------------------------------------------------------------

    def links(self, entity: str, *, contents: bool = True) -> list[Link]:
        """The links that have not ended; without ``contents`` for those who only ask who is who: decoding them takes longer than
        reading them."""
        columns = [column for column in t.links.c if contents or column is not t.links.c.content]
        with self.engine.connect() as connection:
            rows = connection.execute(select(*columns).where(t.links.c.entity == entity, t.links.c.ended_at.is_(None))).mappings()
            return [_link(row) for row in rows]

    def ended_revisions(self, entity: str) -> dict[tuple[str, str], int]:
        """Highest revision of links that have ended, by (company, ERP key): a new link goes on from there, or its writes would
        carry the keys of old ones and be taken for done."""
        c = t.links.c
        query = (
            select(c.company, c.erp_key, func.max(c.revision))
            .where(c.entity == entity, c.ended_at.is_not(None))
            .group_by(c.company, c.erp_key)
        )
        with self.engine.connect() as connection:
            return {(company, key): revision for company, key, revision in connection.execute(query)}

    def planned_links(self, run_id: str, entity: str) -> list[Link]:
        """Links that this run has found or planned: in plan mode they are the only trace of what apply would have linked."""
        o = t.outcomes.c
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(o.company, o.erp_key, o.procore_id, o.number, o.content_hash, o.project).where(
                    o.run_id == run_id, o.entity == entity, o.state == "linked", o.erp_key.is_not(None), o.done.is_(False)
                )
            )
            return [
                Link(
                    entity,
                    row.company,
                    row.erp_key,
                    row.procore_id or "",
                    row.number,
                    content_hash=row.content_hash or "",
                    status="planned",
                    scope=row.project,
                )
                for row in rows
            ]

    # -- records --------------------------------------------------------------------------------------------------------------

    def seen(self, entity: str, side: Side) -> dict[tuple[str, str], dict[str, Any]]:
        """What the ledger remembers of each record of a side, by (company, id) in the ERP and ("", id) in Procore: see
        :func:`key_of`."""
        r = t.records.c
        with self.engine.connect() as connection:
            rows = connection.execute(select(t.records).where(r.entity == entity, r.side == side)).mappings()
            return {(row["within"], row["id"]): dict(row) for row in rows}

    def remember(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Upsert record rows; a column that a row leaves out keeps its value."""
        with self.engine.begin() as connection:
            self._remember(connection, rows)

    def _remember(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        by_shape: dict[tuple[tuple[str, ...], bool], list[dict[str, Any]]] = {}
        for row in rows:
            within, _ = key_of(row["side"], row["company"], row["id"])
            by_shape.setdefault((tuple(sorted(row)), bool(row["company"])), []).append({**row, "within": within})
        for (shape, placed), alike in by_shape.items():
            # A record of Procore that was met before its project was linked: its company is filled in, never taken away.
            kept = _RECORD_KEY if placed else (*_RECORD_KEY, "company")
            _upsert(connection, t.records, alike, update_columns=tuple(name for name in shape if name not in kept))

    # -- outcomes of a run ----------------------------------------------------------------------------------------------------

    def judge(
        self,
        run_id: str,
        entity: str,
        shard: int,
        rows: Sequence[Mapping[str, Any]],
        remembered: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Replace what this run said of one entity's shard (a retried check says it anew) and remember the records,
        in one commit."""
        o = t.outcomes.c
        with self.engine.begin() as connection:
            connection.execute(
                delete(t.outcomes).where(o.run_id == run_id, o.entity == entity, o.shard == shard, o.done.is_(False))
            )
            done = set(
                connection.execute(
                    select(o.company, o.side, o.id).where(o.run_id == run_id, o.entity == entity, o.shard == shard)
                )
            )
            fresh = {(row["company"], row["side"], row["id"]): dict(row) for row in rows}
            for chunk in _chunks([row for key, row in fresh.items() if key not in done]):
                connection.execute(insert(t.outcomes), chunk)
            # Both sides were read before the load: of what is done its memory is younger than a retried check's.
            self._remember(connection, [row for row in remembered if (row["company"], row["side"], row["id"]) not in done])

    def outcomes(self, run_id: str, entity: str | None = None, shard: int | None = None) -> list[dict[str, Any]]:
        o = t.outcomes.c
        query = select(t.outcomes).where(o.run_id == run_id)
        if entity is not None:
            query = query.where(o.entity == entity)
        if shard is not None:
            query = query.where(o.shard == shard)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query.order_by(o.entity, o.number, o.id)).mappings()]

    def candidates(self, entity: str, run_id: str) -> set[tuple[str, str]]:
        """Keys (:func:`key_of`) of what a gate has judged without letting it through: in this run (a retried check judges the
        same records), or in the last run that judged it, whose stage was closed (docs/domain-rules.md 2.3: it keeps its
        records as candidates)."""
        o, r, a = t.outcomes.c, t.runs.c, t.audit.c
        query = select(o.side, o.company, o.id, o.run_id).join(t.runs, r.run_id == o.run_id)
        query = query.where(o.entity == entity, o.judged, or_(r.mode == "apply", r.run_id == run_id)).order_by(r.started_at)
        with self.engine.connect() as connection:
            closed = set(connection.execute(select(a.run_id).where(a.entity == entity, a.what == STAGE_CLOSED)).scalars())
            last = {key_of(row.side, row.company, row.id): row.run_id for row in connection.execute(query)}
        return {key for key, judged_in in last.items() if judged_in == run_id or judged_in in closed}

    def stage_closed(self, run_id: str, entity: str, reason: str) -> None:
        row = {
            "run_id": run_id,
            "who": "sync",
            "what": STAGE_CLOSED,
            "entity": entity,
            "company": "*",
            "record_id": "*",
            "detail": reason,
        }
        with self.engine.begin() as connection:
            self._audit(connection, [row])

    def work(self, run_id: str, entity: str, shard: int) -> list[dict[str, Any]]:
        """What is left to do of a run: linked by plan, not done yet."""
        o = t.outcomes.c
        query = select(t.outcomes).where(
            o.run_id == run_id, o.entity == entity, o.shard == shard, o.done.is_(False), o.state == "linked"
        )
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query.order_by(o.number, o.id)).mappings()]

    def restate(self, run_id: str, entity: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Change state, rule, waits_for and message of records already judged in this run (a closed gate,
        writes switched off)."""
        with self.engine.begin() as connection:
            self._restate(connection, run_id, entity, rows)

    def _restate(self, connection: Connection, run_id: str, entity: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            mode = connection.execute(select(t.runs.c.mode).where(t.runs.c.run_id == run_id)).scalar()
            for row in rows:
                self._restate_one(connection, run_id, entity, row, remember=mode == "apply")

    def _restate_one(self, connection: Connection, run_id: str, entity: str, row: Mapping[str, Any], *, remember: bool) -> None:
        changed = {
            key: row[key] for key in ("state", "rule", "waits_for", "message", "done", "procore_id", "erp_key") if key in row
        }
        o, r = t.outcomes.c, t.records.c
        where = (o.run_id == run_id, o.entity == entity, o.company == row["company"], o.side == row["side"], o.id == row["id"])
        connection.execute(update(t.outcomes).where(*where).values(**changed))
        kept = {key: value for key, value in changed.items() if key in ("state", "rule", "waits_for", "message")}
        if kept and remember:
            within, _ = key_of(row["side"], row["company"], row["id"])
            connection.execute(
                update(t.records)
                .where(r.entity == entity, r.side == row["side"], r.within == within, r.id == row["id"])
                .values(**kept)
            )

    # -- leases ---------------------------------------------------------------------------------------------------------------

    @contextmanager
    def lease(self, entity: str, shard: int, run_id: str = "") -> Iterator[Lease]:
        """Hold the right to write one entity's shard. Raises RetryLater while another task holds it, or another run any shard of
        the entity: two runs need not be divided alike."""
        holder = f"{os.getpid()}-{uuid.uuid4().hex}"
        lease = Lease(entity, shard, holder)
        now = datetime.now(UTC)
        row = {
            "company": "*",
            "entity": entity,
            "shard": shard,
            "run_id": run_id,
            "holder": holder,
            "expires_at": stamp(now + timedelta(seconds=LEASE_SECONDS)),
        }
        with self.engine.begin() as connection:
            c = t.leases.c
            if connection.dialect.name == "postgresql":  # one asks at a time: two that cannot see each other would both be first
                connection.exec_driver_sql("LOCK TABLE leases IN EXCLUSIVE MODE")
            # Only what is in the way: a lease of the run's other shards that merely ran out is still theirs.
            others = and_(c.entity == entity, or_(c.shard == shard, c.run_id != run_id))
            connection.execute(delete(t.leases).where(others, c.expires_at < stamp(now)))
            held = connection.execute(select(t.leases).where(others).order_by(c.expires_at)).mappings().first()
            if held is None:
                connection.execute(insert(t.leases).values(**row))
        if held is not None:
            wait = max(5.0, (cast(datetime, moment(held["expires_at"])) - now).total_seconds())
            raise RetryLater(
                f"{entity} is being written by another task (until {held['expires_at']} at the latest); trying again then", wait
            )
        try:
            yield lease
        finally:
            with self.engine.begin() as connection:
                connection.execute(delete(t.leases).where(t.leases.c.holder == holder))

    def renew(self, lease: Lease) -> None:
        """The lease goes on from now: asked before each request, for a call may take several of them. Raises LeaseLost when it
        has passed to somebody else; one that only ran out (a long look, a long wait for the limit) is still this task's."""
        with self.engine.begin() as connection:
            self._renew(connection, lease)

    def _renew(self, connection: Connection, lease: Lease) -> None:
        now = datetime.now(UTC)
        renewed = connection.execute(
            update(t.leases)
            .where(t.leases.c.holder == lease.holder)
            .values(expires_at=stamp(now + timedelta(seconds=LEASE_SECONDS)))
        )
        if renewed.rowcount != 1:
            raise LeaseLost(
                f"the lease on {lease.entity} (shard {lease.shard}) has passed to another task; it stops and writes nothing more"
            )

    # -- the journal ----------------------------------------------------------------------------------------------------------

    def intents(self, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        with self.engine.connect() as connection:
            for chunk in _chunks(list(keys)):
                rows = connection.execute(select(t.intents).where(t.intents.c.intent.in_(chunk))).mappings()
                found.update({row["intent"]: dict(row) for row in rows})
        return found

    def open_intents(self, entity: str, shard: int) -> list[dict[str, Any]]:
        """Writes of records that were sent, and nobody knows with what outcome."""
        c = t.intents.c
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(t.intents)
                .where(c.entity == entity, c.shard == shard, c.step.not_in((ANSWER, FINAL)), c.status.in_(("sent", "unknown")))
                .order_by(c.created_at, c.intent)
            )
            return [dict(row) for row in rows.mappings()]

    def open_answers(self, entity: str) -> list[dict[str, Any]]:
        """Answers to workflows of an entity that may or may not have arrived."""
        c = t.intents.c
        query = select(t.intents).where(c.entity == entity, c.step == ANSWER, _in_doubt()).order_by(c.created_at, c.intent)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def begun(self, entity: str) -> dict[tuple[str, str], dict[str, Any]]:
        """What was sent of records that have no link yet, by (company, source id):
        a task ended between a request and its commit."""
        i, known = t.intents.c, t.links.c
        linked = select(known.link_id).where(
            known.entity == entity, known.company == i.company, or_(known.erp_key == i.source_id, known.procore_id == i.source_id)
        )
        query = select(i.company, i.source_id, i.item).where(
            i.entity == entity,
            i.step.not_in((ANSWER, FINAL)),
            or_(i.status == "confirmed", _in_doubt()),
            ~linked.correlate(t.intents).exists(),
        )
        found: dict[tuple[str, str], dict[str, Any]] = {}
        with self.engine.connect() as connection:
            for row in connection.execute(query.order_by(i.created_at, i.intent)):
                found.setdefault((row.company, row.source_id), json.loads(row.item))
        return found

    def doubts(self, entity: str, step: str) -> dict[tuple[str, str], str]:
        """Since when something that was sent of a record in this step is in doubt, by (company, source id), whatever the record
        looked like then: the latest time on the executing system's clock."""
        c = t.intents.c
        query = select(c.company, c.source_id, func.max(c.doubted_at)).where(c.entity == entity, c.step == step, _in_doubt())
        with self.engine.connect() as connection:
            rows = connection.execute(query.group_by(c.company, c.source_id))
            return {(company, source_id): since for company, source_id, since in rows}

    def doubt(self, lease: Lease, rows: Sequence[Mapping[str, Any]]) -> None:
        """Journal intents that may be there already, because something else was sent of the same record."""
        with self.engine.begin() as connection:
            self._renew(connection, lease)
            full = [{**row, "status": "unknown", "created_at": stamp(), "updated_at": stamp()} for row in rows]
            _upsert(connection, t.intents, full, update_columns=())

    def sending(self, lease: Lease, call: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
        """The commit before a request: its intents are ``sent`` from here on, whatever happens to this process."""
        with self.engine.begin() as connection:
            self._renew(connection, lease)
            under_way = self._under_way(connection, [row["intent"] for row in rows])
            if under_way:
                raise OutcomeUnknown(
                    f"{under_way} of {len(rows)} {lease.entity} are being sent by another task; looked up at the next try"
                )
            connection.execute(insert(t.calls), [{**call, "status": "sent", "started_at": stamp()}])
            full = [
                {**row, "status": "sent", "call_id": call["call_id"], "created_at": stamp(), "updated_at": stamp()}
                for row in rows
            ]
            _upsert(
                connection, t.intents, full, update_columns=("run_id", "status", "call_id", "item", "doubted_at", "updated_at")
            )

    def _under_way(self, connection: Connection, keys: Sequence[str]) -> int:
        """How many of these are with the other side already:
        a lease covers a shard, and two runs may divide the work differently."""
        c = t.intents.c
        query = select(func.count()).select_from(t.intents)
        return sum(
            connection.execute(query.where(c.intent.in_(chunk), c.status.in_(("sent", "unknown", "confirmed")))).scalar_one()
            for chunk in _chunks(list(keys))
        )

    def settled(
        self,
        lease: Lease,
        call: Mapping[str, Any] | None,
        intents: Sequence[Mapping[str, Any]],
        *,
        run_id: str,
        entity: str,
        links: Sequence[Link] = (),
        outcomes: Sequence[Mapping[str, Any]] = (),
        remembered: Sequence[Mapping[str, Any]] = (),
        audit: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """The commit after a request: outcomes of its intents, and everything that follows from them."""
        with self.engine.begin() as connection:
            self._renew(connection, lease)
            if call is not None:
                connection.execute(
                    update(t.calls)
                    .where(t.calls.c.call_id == call["call_id"])
                    .values(status=call["status"], message=call.get("message"), finished_at=stamp())
                )
            for row in intents:
                connection.execute(
                    update(t.intents)
                    .where(t.intents.c.intent == row["intent"])
                    .values(**{name: row.get(name) for name in _SETTLED}, updated_at=stamp())
                )
            self._write_links(connection, links)
            self._restate(connection, run_id, entity, outcomes)
            self._remember(connection, remembered)
            self._audit(connection, audit)

    def noted(self, link: Link, status: str) -> None:
        """Procore's record of a link shows this status of the ERP from now on."""
        with self.engine.begin() as connection:
            connection.execute(update(t.links).where(t.links.c.link_id == link.link_id).values(lock_state=status))

    def _write_links(self, connection: Connection, links: Sequence[Link]) -> None:
        new = []
        for link in links:
            values = {
                "revision": link.revision,
                "content_hash": link.content_hash,
                "content": canonical_json(link.content or {}),
                "status": link.status,
                "number": link.number,
                "scope": link.scope,
            }
            where = and_(t.links.c.entity == link.entity, t.links.c.procore_id == link.procore_id, t.links.c.ended_at.is_(None))
            if connection.execute(update(t.links).where(where, t.links.c.erp_key == link.erp_key).values(**values)).rowcount == 0:
                new.append(
                    {
                        **values,
                        "entity": link.entity,
                        "company": link.company,
                        "erp_key": link.erp_key,
                        "procore_id": link.procore_id,
                        "how": "sync",
                        "created_at": stamp(),
                    }
                )
        if new:
            connection.execute(insert(t.links), new)

    def adopt(self, run_id: str, entity: str, links: Sequence[Link], outcomes: Sequence[Mapping[str, Any]], lease: Lease) -> None:
        """Link what is on both sides already, without a write to either (docs/domain-rules.md 2.9)."""
        with self.engine.begin() as connection:
            self._renew(connection, lease)
            rows = [
                {
                    "entity": entity,
                    "company": link.company,
                    "erp_key": link.erp_key,
                    "procore_id": link.procore_id,
                    "scope": link.scope,
                    "number": link.number,
                    "revision": link.revision,
                    "content_hash": link.content_hash,
                    "content": canonical_json(link.content or {}),
                    "status": link.status,
                    "how": "adopted",
                    "created_at": stamp(),
                }
                for link in links
            ]
            for chunk in _chunks(rows):
                connection.execute(insert(t.links), list(chunk))
            o = t.outcomes.c
            for row in outcomes:
                connection.execute(
                    update(t.outcomes)
                    .where(
                        o.run_id == run_id,
                        o.entity == entity,
                        o.company == row["company"],
                        o.side == row["side"],
                        o.id == row["id"],
                    )
                    .values(done=True)
                )
            self._audit(
                connection,
                [
                    {
                        "run_id": run_id,
                        "who": "sync",
                        "what": "adopted",
                        "entity": entity,
                        "company": link.company,
                        "record_id": link.erp_key,
                        "number": link.number,
                        "content_hash": link.content_hash,
                        "detail": f"Procore id {link.procore_id}",
                    }
                    for link in links
                ],
            )

    def close_links(self, run_id: str, entity: str, rows: Sequence[Mapping[str, Any]], lease: Lease) -> None:
        """End the links of records that are over on both sides (a tombstone stays), and say so in the audit log."""
        c, o = t.links.c, t.outcomes.c
        with self.engine.begin() as connection:
            self._renew(connection, lease)
            for row in rows:
                connection.execute(
                    update(t.links)
                    .where(c.entity == entity, c.company == row["company"], c.erp_key == row["erp_key"], c.ended_at.is_(None))
                    .values(ended_at=stamp(), status="tombstone")
                )
                connection.execute(
                    update(t.outcomes)
                    .where(
                        o.run_id == run_id,
                        o.entity == entity,
                        o.company == row["company"],
                        o.side == row["side"],
                        o.id == row["id"],
                    )
                    .values(done=True)
                )
            told = [
                {
                    "run_id": run_id, "who": "sync", "what": "link closed", "entity": entity, "company": row["company"],
                    "record_id": row["erp_key"], "number": row["number"], "detail": row["message"],
                }
                for row in rows
            ]  # fmt: skip
            self._audit(connection, told)

    def closing(self, run_id: str, entity: str, shard: int) -> list[dict[str, Any]]:
        """Records of a run that are over on both sides and whose links are still to be closed."""
        return [row for row in self.outcomes(run_id, entity, shard) if row["action"] == "close" and not row["done"]]

    def mark_done(self, run_id: str, entity: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Nothing to write for these: unchanged."""
        if not rows:
            return
        o, key = t.outcomes.c, ("company", "side", "id")
        same = [o[name] == bindparam(f"of_{name}") for name in key]
        statement = update(t.outcomes).where(o.run_id == run_id, o.entity == entity, *same).values(done=True)
        with self.engine.begin() as connection:
            connection.execute(statement, [{f"of_{name}": row[name] for name in key} for row in rows])

    def _audit(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            connection.execute(insert(t.audit), [{"at": stamp(), **row} for row in rows])

    def note(self, run_id: str, row: Mapping[str, Any]) -> None:
        """One row of the audit that a run says of a record, once however often its task is tried."""
        a = t.audit.c
        same = (a.run_id == run_id, *(getattr(a, name) == row[name] for name in ("what", "entity", "record_id")))
        with self.engine.begin() as connection:
            if connection.execute(select(a.audit_id).where(*same)).first() is None:
                self._audit(connection, [{**row, "run_id": run_id}])

    def said_of_workflows(self, run_id: str) -> list[dict[str, Any]]:
        """What a run answered to workflows, or why it did not: rows of the audit, the oldest first."""
        a = t.audit.c
        query = select(t.audit).where(a.run_id == run_id, a.what.startswith(WORKFLOW)).order_by(a.audit_id)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    # -- decisions of people --------------------------------------------------------------------------------------------------

    def decisions(self, entity: str, *kinds: str) -> list[Decision]:
        """Those that have not ended, the oldest first; of all ``kinds`` where none is named."""
        d = t.decisions.c
        query = select(t.decisions).where(d.entity == entity, d.ended_at.is_(None)).order_by(d.decision_id)
        if kinds:
            query = query.where(d.decision.in_(kinds))
        with self.engine.connect() as connection:
            return [_decision(row) for row in connection.execute(query).mappings()]

    def decide(
        self,
        *,
        entity: str,
        company: str,
        record_id: str,
        decision: str,
        who: str,
        content_hash: str = "",
        pair: str = "",
        number: str = "",
        value: Mapping[str, Any] | None = None,
        detail: str | None = None,
    ) -> None:
        """Record a decision. It takes the place of an earlier one of its kind on the same record; on a pair, ``link`` and
        ``unlink`` take each other's place (``record_id`` is the ERP's key then, ``pair`` the id in Procore)."""
        row = {"entity": entity, "company": company, "record_id": record_id, "content_hash": content_hash}
        with self.engine.begin() as connection:
            self._decide(
                connection, {**row, "decision": decision, "pair": pair, "number": number, "who": who, "detail": detail}, value
            )

    def _decide(self, connection: Connection, row: Mapping[str, Any], value: Mapping[str, Any] | None) -> None:
        d = t.decisions.c
        alike = ("link", "unlink") if row["decision"] in ("link", "unlink") else (row["decision"],)
        same = [getattr(d, name) == row[name] for name in ("entity", "company", "record_id", "pair")]
        connection.execute(
            update(t.decisions)
            .where(*same, d.decision.in_(alike), d.ended_at.is_(None))
            .values(ended_at=stamp(), ended_why=f"replaced: {row['decision']}")
        )
        connection.execute(insert(t.decisions), [{**row, "value": canonical_json(value or {}), "at": stamp()}])
        told = {name: row[name] for name in ("entity", "company", "record_id", "content_hash", "who", "number")}
        detail = " ".join(
            filter(None, (row["pair"] and f"Procore id {row['pair']}", canonical_json(value) if value else "", row["detail"]))
        )
        self._audit(connection, [{**told, "what": f"decided: {row['decision']}", "detail": detail or None}])

    def decision_ended(self, decision: Decision, run_id: str, why: str, *, plan: bool) -> None:
        """A run found that what was decided on is not there any more. A plan says so among its own rows, and ends nothing."""
        told = {
            "entity": decision.entity,
            "company": decision.company,
            "record_id": decision.record_id,
            "number": decision.number,
        }
        with self.engine.begin() as connection:
            d, a = t.decisions.c, t.audit.c
            what = f"{DECISION_ENDED}: {decision.decision}"
            known = connection.execute(
                select(a.audit_id).where(a.run_id == run_id, a.what == what, a.record_id == decision.record_id)
            ).first()
            if known is None:
                self._audit(connection, [{**told, "run_id": run_id, "who": "sync", "what": what, "detail": why}])
            if not plan:
                connection.execute(
                    update(t.decisions).where(d.decision_id == decision.decision_id).values(ended_at=stamp(), ended_why=why)
                )

    def decisions_ended(self, run_id: str) -> list[dict[str, Any]]:
        """What a run said of decisions that ended: rows of the audit."""
        a = t.audit.c
        query = select(t.audit).where(a.run_id == run_id, a.what.startswith(DECISION_ENDED)).order_by(a.audit_id)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def meet(self, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Documents that only one side has, as a plan saw them: a person may decide on them without an apply before."""
        with self.engine.begin() as connection:
            _upsert(connection, t.strangers, [{**row, "run_id": run_id} for row in rows], update_columns=("number",))

    def met(self, entity: str) -> list[dict[str, Any]]:
        """Records of the last run that said anything of them (its outcomes, and its strangers), the latest last."""
        o, s, r = t.outcomes.c, t.strangers.c, t.runs.c
        with self.engine.connect() as connection:
            outcomes = (
                select(t.outcomes, r.started_at)
                .join(t.runs, r.run_id == o.run_id)
                .where(o.entity == entity)
                .order_by(r.started_at)
            )
            strangers = (
                select(t.strangers, r.started_at)
                .join(t.runs, r.run_id == s.run_id)
                .where(s.entity == entity)
                .order_by(r.started_at)
            )
            rows = [dict(row) for query in (strangers, outcomes) for row in connection.execute(query).mappings()]
        return list({identity_of(row): row for row in rows}.values())

    def end_link(self, entity: str, number: str, who: str, detail: str | None = None) -> int:
        """End the active link of that number, ERP key or Procore id for good (:meth:`part`);
        returns how many there were, and ends none unless it is one."""
        found = [link for link in self.links(entity, contents=False) if number in (link.number, link.erp_key, link.procore_id)]
        if len(found) == 1:
            self.part(found[0], who, detail)
        return len(found)

    def part(self, link: Link, who: str, detail: str | None = None) -> None:
        """End a link (a tombstone stays) until somebody links the same pair again, whatever marks the two still carry."""
        row = {
            "entity": link.entity,
            "company": link.company,
            "record_id": link.erp_key,
            "content_hash": "",
            "decision": "unlink",
        }
        with self.engine.begin() as connection:
            connection.execute(
                update(t.links).where(t.links.c.link_id == link.link_id).values(ended_at=stamp(), status="tombstone")
            )
            self._decide(connection, {**row, "pair": link.procore_id, "number": link.number, "who": who, "detail": detail}, None)

    # -- the story of one document --------------------------------------------------------------------------------------------

    def story(self, entity: str, number: str) -> dict[str, list[dict[str, Any]]]:
        """Every row that concerns the records of that number: states, links, intents with their calls, audit, last outcomes."""
        with self.engine.connect() as connection:

            def rows(table: Table, *where: Any, order: Any = None) -> list[dict[str, Any]]:
                query = select(table).where(*where)
                return [dict(row) for row in connection.execute(query.order_by(order) if order is not None else query).mappings()]

            known = rows(t.records, t.records.c.entity == entity, t.records.c.number == number)
            ids = [row["id"] for row in known]
            links = rows(t.links, t.links.c.entity == entity, or_(t.links.c.number == number, t.links.c.procore_id.in_(ids)))
            ids += [row["erp_key"] for row in links] + [row["procore_id"] for row in links]
            intents = rows(t.intents, t.intents.c.entity == entity, t.intents.c.source_id.in_(ids), order=t.intents.c.created_at)
            return {
                "records": known,
                "links": links,
                "intents": intents,
                "calls": rows(t.calls, t.calls.c.call_id.in_([row["call_id"] for row in intents]), order=t.calls.c.started_at),
                "outcomes": rows(
                    t.outcomes, t.outcomes.c.entity == entity, t.outcomes.c.number == number, order=t.outcomes.c.run_id
                ),
                "decisions": rows(t.decisions, t.decisions.c.entity == entity, t.decisions.c.record_id.in_(ids)),
                "audit": rows(t.audit, t.audit.c.entity == entity, t.audit.c.record_id.in_(ids), order=t.audit.c.audit_id),
            }

    def count_traffic(self, run_id: str, task: str, calls: int, writes: int) -> None:
        """Add a task's requests to Procore to its run (a retried task adds to what its earlier try made)."""
        c = t.traffic.c
        with self.engine.begin() as connection:
            _upsert(
                connection,
                t.traffic,
                [{"run_id": run_id, "task": task, "procore_calls": 0, "procore_writes": 0}],
                update_columns=(),
            )
            connection.execute(
                update(t.traffic)
                .where(c.run_id == run_id, c.task == task)
                .values(procore_calls=c.procore_calls + calls, procore_writes=c.procore_writes + writes)
            )

    def traffic(self, run_id: str) -> tuple[int, int]:
        """(calls, writes) to Procore of a whole run."""
        c = t.traffic.c
        query = select(func.coalesce(func.sum(c.procore_calls), 0), func.coalesce(func.sum(c.procore_writes), 0)).where(
            c.run_id == run_id
        )
        with self.engine.connect() as connection:
            calls, writes = connection.execute(query).one()
        return int(calls), int(writes)

    def written(self, run_id: str, system: Side) -> int:
        """Records that a run's calls wrote to a system, as confirmed."""
        query = (
            select(func.count())
            .select_from(t.intents.join(t.calls, t.intents.c.call_id == t.calls.c.call_id))
            .where(t.calls.c.run_id == run_id, t.calls.c.system == system, t.intents.c.status == "confirmed")
        )
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def calls_since(self, system: Side, since: str) -> list[tuple[str, bool]]:
        """The write calls to a system that were begun from ``since`` (a stamp) on, of any run: what each covers
        (``System.scope``), and whether its outcome is open."""
        c = t.calls.c
        query = select(c.scope, c.status.in_(("sent", "unknown"))).where(c.system == system, c.started_at >= since)
        with self.engine.connect() as connection:
            return [(scope, bool(open_)) for scope, open_ in connection.execute(query)]

    def call_count(self, run_id: str, entity: str | None = None) -> dict[str, int]:
        """Write calls of a run by system, of one entity or of all."""
        query = select(t.calls.c.system, func.count()).where(t.calls.c.run_id == run_id).group_by(t.calls.c.system)
        if entity is not None:
            query = query.where(t.calls.c.entity == entity)
        with self.engine.connect() as connection:
            return {row[0]: int(row[1]) for row in connection.execute(query)}


def _migrations() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def _sqlite_settings(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("busy_timeout=60000", "journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    # IMMEDIATE: two tasks that both read and then write would otherwise deadlock, and SQLite would fail one of them at once.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _in_doubt() -> Any:
    """Sent, and not known with what outcome; or found missing, which is no proof: looked for again before it is sent."""
    c = t.intents.c
    return or_(c.status.in_(("sent", "unknown")), and_(c.status == "planned", c.doubted_at.is_not(None)))


def _one(connection: Connection, query: Any) -> dict[str, Any]:
    return dict(connection.execute(query).mappings().one())


def _link(row: RowMapping) -> Link:
    return Link(
        entity=row["entity"],
        company=row["company"],
        erp_key=row["erp_key"],
        procore_id=row["procore_id"],
        number=row["number"],
        revision=row["revision"],
        content_hash=row["content_hash"],
        content=json.loads(row["content"]) if "content" in row else None,
        status=row["status"],
        scope=row["scope"],
        link_id=row["link_id"],
        lock_state=row["lock_state"],
    )


def identity_of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """What a record is known by: Procore's ids are its own, the ERP's are those of a company. (A Procore record may be met before
    its ERP company is known.)"""
    return row["side"], "" if row["side"] == "procore" else row["company"], row["id"]


def _decision(row: RowMapping) -> Decision:
    plain = {name: row[name] for name in Decision.__slots__ if name != "value"}
    return Decision(**plain, value=json.loads(row["value"]))


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is there; whether it was new."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return connection.execute(make(table).values(**row).on_conflict_do_nothing()).rowcount == 1


def _upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, update_columns: Sequence[str]) -> None:
    if not rows:
        return
    dialect = {"sqlite": sqlite, "postgresql": postgresql}.get(connection.dialect.name)
    if dialect is None:
        raise ConfigurationError(f"the ledger runs on SQLite or PostgreSQL, not on {connection.dialect.name}")
    keys = [column.name for column in table.primary_key]
    # One compiled statement for all rows: a statement with the values in it would be compiled anew for every chunk.
    statement = dialect.insert(table)
    if update_columns:
        changed = {name: statement.excluded[name] for name in update_columns}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    for chunk in _chunks([dict(row) for row in rows]):
        connection.execute(statement, chunk)
