"""The ledger itself: opens the engine, makes and checks the tables, and offers the rooms."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, InterfaceError, NoSuchModuleError, OperationalError

from include.compiled import Compiled
from include.financials.exceptions import ConfigurationError, RetryLater, SyncError
from include.financials.ledger.decisions import Decisions
from include.financials.ledger.inbox import Inbox
from include.financials.ledger.journal import Journal
from include.financials.ledger.leases import Leases
from include.financials.ledger.links import Links
from include.financials.ledger.migrations import HEAD
from include.financials.ledger.outcomes import Outcomes
from include.financials.ledger.records import Records
from include.financials.ledger.room import READS, Connections
from include.financials.ledger.runs import Runs
from include.financials.ledger.story import Story
from include.financials.ledger.tables import metadata

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


_COMPILED = Compiled()
"""A process may open one ledger after the other."""


class Ledger:
    """The sync's own memory, in SQLite (default) or PostgreSQL: a room per family of tables.

    ``runs`` (with their steps, watermarks and traffic), ``links``, ``records`` (what was seen), ``outcomes`` (what a run judged),
    ``journal`` (intents and calls), ``leases``, ``decisions``, ``inbox`` (events), ``story`` (the audit trail, and all of one
    document).

    Open it with an SQLAlchemy URL. :meth:`create` makes it, once and by a person; a run only asks whether it is :meth:`ready`.
    """

    def __init__(self, url: str | URL) -> None:
        self.url = url
        try:
            server = make_url(url).get_backend_name() != "sqlite"  # whose connection may be gone when it is asked next
            # Parameters are vendors' names and amounts: they do not belong into an error's text, nor into a log.
            self.engine: Engine = create_engine(
                url, pool_pre_ping=server, hide_parameters=True, execution_options={"compiled_cache": _COMPILED}
            )
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
        self._commits = Counter[str]()
        event.listen(self.engine, "commit", self._count)
        lent = self._connections = Connections(self.engine)
        self.runs, self.links, self.records = Runs(lent), Links(lent), Records(lent)
        self.outcomes, self.journal, self.leases = Outcomes(lent), Journal(lent), Leases(lent)
        self.decisions, self.inbox, self.story = Decisions(lent), Inbox(lent), Story(lent)

    # -- schema -------------------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the tables from their definitions, or bring older ones up to date (alembic; safe when several start it at once on
        SQLite and PostgreSQL). Raises ConfigurationError for a ledger whose version this program does not know."""
        if (path := self._file()) is not None:
            from include.financials.reading.staging import private_folder

            private_folder(path.parent)
        with self.engine.begin() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(72617)")
            found = _version(connection)
            if found != HEAD:
                self._migrate(connection, found)

    def _migrate(self, connection: Connection, found: str | None) -> None:
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
        config.attributes["connection"] = connection
        if found is None:
            metadata.create_all(connection)
            command.stamp(config, "head")
        elif found in {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}:
            command.upgrade(config, "head")
        else:
            raise ConfigurationError(
                f"The ledger {self.shown} is of version {found}, which this program does not know: it was made by a newer one, "
                "or by one from before the first release. Correct the connection, or use the program that made it."
            )

    def ready(self) -> None:
        """Refuse a ledger that is not there or not of this version: an empty one, made in passing at a mistyped address, would
        have forgotten every link and every decision. Raises ConfigurationError with the command that makes one."""
        shown, address = self.shown, shlex.quote(self.shown)
        command = f"python -m include.financials --ledger {address} ledger create"
        if self.engine.url.password is not None:  # which is shown nowhere
            command += " (with the whole address, as the connection has it)"
        path = self._file()
        if path is not None and not path.is_file():
            raise ConfigurationError(
                f"There is no ledger at {shown}. If it should be there, correct the connection; a new one is made once, by a "
                f"person: {command}"
            )
        with self.engine.connect() as connection:
            found = _version(connection)
        if found is None:
            raise ConfigurationError(f"{shown} holds no ledger. Correct the connection, or make one: {command}")
        if found != HEAD:
            raise ConfigurationError(
                f"The ledger {shown} is of version {found}, this program needs {HEAD}. Back it up, then: {command}"
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

    def _count(self, connection: Connection) -> None:
        self._commits[self._connections.about.get(connection, "")] += 1

    def told(self, entity: str) -> tuple[int, int]:
        """What was written here that may have changed links of an entity, counted: as long as it stays the same, those that
        were read may be kept."""
        return self._commits[""], self._commits[entity]

    def close(self) -> None:
        self._connections.close()
        self.engine.dispose()


def _version(connection: Connection) -> str | None:
    """The migration that the tables are at; None where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _sqlite_settings(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("busy_timeout=60000", "journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    # IMMEDIATE: two tasks that both read and then write would otherwise deadlock, and SQLite would fail one of them at once.
    if connection.get_execution_options().get(READS):
        # Takes no lock and touches no file: it needs none of what SQLAlchemy does around a statement, half the time of a query.
        driver: Any = connection.connection.dbapi_connection
        driver.execute("BEGIN")
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
