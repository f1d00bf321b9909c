"""Faults at the ERP's door, as an adapter meets them: a commit that is not confirmed.

The ERP has no HTTP to answer wrongly: what goes wrong is the commit of a write transaction. It was lost on the way, it took place
and its answer was lost, or it takes place after the caller has looked for it.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

What = Literal["lost_before", "lost_after", "late", "killed_before", "killed_after"]
WHATS: tuple[What, ...] = ("lost_before", "lost_after", "late", "killed_before", "killed_after")
_REPEATED = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|WITH|SAVEPOINT|RELEASE|ROLLBACK)\b", re.I)


class Door:
    """Stands between an adapter's engines and their database, and counts the write transactions that are to be committed.

    :param what: what becomes of one commit: the connection is lost before it or after it, it comes late, or this process is
        killed (SIGKILL) before or after it. None: nothing goes wrong.
    :param at: which commit, from 0.
    :param looks: transactions that begin after the answer was lost and do not see the late effect yet.
    :param told: called when it fires, before the process may die.
    """

    def __init__(self, what: What | None = None, at: int = 0, looks: int = 1, told: Callable[[], None] = lambda: None) -> None:
        self.what, self.at, self.looks, self.told = what, at, looks, told
        self.commits = 0
        self.fired = 0
        self.refused: str | None = None
        """What the ERP said when it refused the late effect: somebody else had made it meanwhile."""
        self._statements: list[tuple[str, Any]] = []
        self._late: list[tuple[str, Any]] | None = None
        self._url: sa.URL | None = None

    def guard(self, engine: sa.Engine) -> None:
        """Watch the transactions of an engine of ``include.erp.sql.database.Database``."""
        self._url = engine.url
        sa.event.listen(engine, "begin", self._begin, insert=True)  # before the transaction takes its lock
        sa.event.listen(engine, "before_cursor_execute", self._execute)
        sa.event.listen(engine, "commit", self._commit)

    def land(self) -> None:
        """The late effect takes place now, if one is under way. The ERP may refuse it, like any write."""
        if self._late is None or self._url is None:
            return
        statements, self._late = self._late, None
        engine = sa.create_engine(self._url, poolclass=sa.NullPool)
        driver: Any = engine.raw_connection()
        try:
            cursor = driver.cursor()
            if self._url.get_backend_name() == "sqlite":
                driver.dbapi_connection.isolation_level = None
                cursor.execute("PRAGMA foreign_keys = ON")
                cursor.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                cursor.execute(statement, values)
            driver.commit()
        except _driver(engine.dialect).Error as error:
            driver.rollback()
            self.refused = str(error)
        finally:
            driver.close()

    # -- events

    def _begin(self, connection: sa.Connection) -> None:
        if self._late is not None:
            if self.looks <= 0:
                self.land()
            self.looks -= 1
        if _writes(connection):
            self._statements = []

    def _execute(self, connection: sa.Connection, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if _writes(connection) and _REPEATED.match(statement):
            self._statements += [(statement, one) for one in (values if many else [values])]

    def _commit(self, connection: sa.Connection) -> None:
        if not _writes(connection):
            return
        self.commits += 1
        if self.what is None or self.commits != self.at + 1:
            return
        self.fired += 1
        self.told()
        if self.what == "killed_before":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what in ("lost_after", "killed_after"):
            connection.connection.commit()
        if self.what == "killed_after":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "late":
            self._late = self._statements
        lost = _driver(connection.dialect).OperationalError("the server closed the connection unexpectedly")
        raise OperationalError("COMMIT", None, lost, connection_invalidated=True)


def _writes(connection: sa.Connection) -> bool:
    """Is it a transaction of ``Database.writing``? Reads are committed, too, and nothing depends on it."""
    return bool(connection.get_execution_options().get("erp_begin"))


def _driver(dialect: sa.Dialect) -> Any:
    return dialect.dbapi
